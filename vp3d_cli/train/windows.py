"""Windows of sequences, as the temporal network takes them in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vp3d_cli.train.synthesize import Batch

Rows = NDArray[np.intp]


def frames(start: Rows, stride: int, context: tuple[int, int], length: int) -> tuple[Rows, Rows]:
    """The frames that windows see, (W, before + stride + after), and predict, (W, stride).

    Args:
        start: (W,) first predicted frame of each window.
        stride: frames that each predicts.
        context: frames needed before the first and after the last predicted frame. Out of range
            means a replica of the first or last frame, as in the paper.
        length: of the sequences.
    """
    before, after = context
    seen = start[:, None] + np.arange(-before, stride + after)
    predicted = start[:, None] + np.arange(stride)
    return np.clip(seen, 0, length - 1), np.clip(predicted, 0, length - 1)


@dataclass(frozen=True)
class Windows:
    """A `Batch` on the device that trains: whole sequences, or windows of them."""

    inputs: Tensor
    targets: Tensor
    roots: Tensor

    @staticmethod
    def joined(pieces: Sequence[Batch], device: torch.device) -> Windows:
        """All sequences of several batches, on a device."""

        def on_device(name: str) -> Tensor:
            parts = [getattr(piece, name) for piece in pieces]
            return torch.from_numpy(np.concatenate(parts)).to(device)

        return Windows(on_device("inputs"), on_device("targets"), on_device("roots"))

    def cut(self, which: Rows, start: Rows, stride: int, context: tuple[int, int]) -> Windows:
        """Windows of the sequences `which` (W,); see `frames` for the rest."""
        device, length = self.inputs.device, self.inputs.shape[1]
        rows = torch.from_numpy(which[:, None]).to(device)
        seen, predicted = (
            torch.from_numpy(part).to(device) for part in frames(start, stride, context, length)
        )
        return Windows(
            self.inputs[rows, seen], self.targets[rows, predicted], self.roots[rows, predicted]
        )

    def shuffled(
        self,
        steps: int,
        windows: int,
        stride: int,
        context: tuple[int, int],
        rng: np.random.Generator,
    ) -> Iterator[Windows]:
        """`steps` batches of `windows` windows from random places of random sequences."""
        count, length = self.inputs.shape[:2]
        for _ in range(steps):
            which = rng.integers(0, count, windows)
            start = rng.integers(0, max(length - stride, 0) + 1, windows)
            yield self.cut(which, start, stride, context)
