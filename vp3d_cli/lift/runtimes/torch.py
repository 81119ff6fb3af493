"""PyTorch: the default, on the CPU and on GPUs."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from vp3d_cli.cores import usable_cores
from vp3d_cli.device import one_thread, torch_device
from vp3d_cli.lift.folding import Convolution, FoldedLayers
from vp3d_cli.parallel import in_threads
from vp3d_cli.types import Float

# Frames of a batch. A core is busy with a few hundred; a GPU takes as many as memory allows: with
# 1,024 channels this is 128 MiB for each of the few layers' outputs that are held at once.
_ON_CPU, _ON_GPU = 256, 1 << 15


class TorchNetwork:
    """Every convolution as matrix products over time-major rows, which need no copies.

    A tap of a dilated convolution sees the rows of its input from some row on, as they lie. The
    products of the taps add up in place, and ReLU and the residual sum work in place too.
    """

    def __init__(self, layers: FoldedLayers, device: torch.device) -> None:
        self._device = device
        self.batch_frames = _ON_CPU if device.type == "cpu" else _ON_GPU
        self._shifts = layers.shifts
        self._expand = _Products(layers.expand, device)
        self._blocks = [
            (_Products(wide, device), _Products(narrow, device)) for wide, narrow in layers.blocks
        ]
        self._shrink = _Products(layers.shrink, device)

    def map(self, batches: Iterable[Float]) -> Iterator[Float]:
        """As `Network.map`."""
        if self._device.type != "cpu":
            yield from map(self._run, batches)
            return
        with one_thread():
            alone = functools.partial(torch.set_num_threads, 1)
            yield from in_threads(self._run, batches, usable_cores(), alone)

    @torch.inference_mode()
    def _run(self, windows: Float) -> Float:
        # Copied, even on the CPU: how an array lies in memory could change the last bits.
        x = torch.tensor(windows, dtype=torch.float32, device=self._device)  # (B, T, J * F)
        x = self._expand.side_by_side(x).relu_()  # (B, T', C)
        for (wide, narrow), shift in zip(self._blocks, self._shifts, strict=True):
            inner = wide.added_up(x).relu_()
            kept = x[:, shift : shift + inner.shape[1]]
            x = narrow.added_up(inner).relu_().add_(kept)
        return np.asarray(self._shrink.added_up(x).cpu().numpy())  # (B, T', J_out * 3)


class _Products:
    """A convolution over rows (B, T, C_in), answering (B, T - span, C_out)."""

    def __init__(self, conv: Convolution, device: torch.device) -> None:
        self._weight = torch.tensor(conv.weight, device=device)
        self._bias = torch.tensor(conv.bias, device=device)
        self._span, self._dilation = conv.span, conv.dilation

    def side_by_side(self, x: Tensor) -> Tensor:
        """One product with all taps beside each other, which pays where they are narrow."""
        rows = torch.cat(list(self._taps(x)), 2)
        return _product(self._bias, rows, self._weight.flatten(0, 1))

    def added_up(self, x: Tensor) -> Tensor:
        """A product for each tap."""
        first, *others = zip(self._taps(x), self._weight, strict=True)
        out = _product(self._bias, *first)
        for rows, weight in others:
            out.baddbmm_(rows, weight.expand(len(x), -1, -1))
        return out

    def _taps(self, x: Tensor) -> Iterator[Tensor]:
        length = x.shape[1] - self._span
        for start in range(0, self._span + 1, self._dilation):
            yield x[:, start : start + length]


def _product(bias: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    return torch.baddbmm(bias, rows, weight.expand(len(rows), -1, -1))


def build(layers: FoldedLayers, device: str) -> TorchNetwork:
    """Put a network on the device "cpu", "cuda" or "cuda:1".

    Raises:
        BackendUnavailableError: the device is not there.
    """
    return TorchNetwork(layers, torch_device(device))
