"""A network's layers for inference: batch normalisation folded into the convolutions.

At rest a batch normalisation is y = (x - mean) / sqrt(variance + eps) * scale + shift, which is a
factor and an offset for each channel: the convolution before it takes over both. NumPy only, so
that every runtime can start from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli.errors import WeightsError, one_line
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.types import Float

# Of PyTorch's BatchNorm1d, which all these networks were trained with.
EPSILON = 1e-5
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Convolution:
    """out[t] = bias + sum over k of in[t + k * dilation] @ weight[k].

    Attributes:
        weight: (W, C_in, C_out), one matrix for each tap.
        bias: (C_out,)
        dilation: frames between taps.
    """

    weight: Float
    bias: Float
    dilation: int = 1

    def __post_init__(self) -> None:
        if self.weight.ndim != 3 or self.bias.shape != self.weight.shape[2:]:
            raise ValueError(
                f"expected weight (W, C_in, C_out) and bias (C_out,), got {self.weight.shape} "
                f"and {self.bias.shape}"
            )

    @property
    def span(self) -> int:
        """Frames that come out less than go in."""
        return (len(self.weight) - 1) * self.dilation


@dataclass(frozen=True)
class FoldedLayers:
    """`TemporalModel` in evaluation mode; ReLU follows every layer but the last.

    Attributes:
        expand: from flattened keypoints to channels.
        blocks: the dilated convolution and the one of width 1 of each residual block.
        shifts: which frame of a block's input is added to its output's first.
        shrink: to flattened joints.
    """

    expand: Convolution
    blocks: tuple[tuple[Convolution, Convolution], ...]
    shifts: tuple[int, ...]
    shrink: Convolution

    @property
    def joints_out(self) -> int:
        return len(self.shrink.bias) // 3


def shapes(config: LifterConfig, joints_in: int, joints_out: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters of `TemporalModel`, its counters left out."""
    channels = config.channels
    expected: dict[str, tuple[int, ...]] = {
        "expand_conv.weight": (channels, joints_in * config.features, _widths(config)[0])
    }
    expected |= _normalisation("expand_bn", channels)
    for block, width in enumerate(_widths(config)[1:]):
        for layer, taps in ((2 * block, width), (2 * block + 1, 1)):
            expected[f"layers_conv.{layer}.weight"] = (channels, channels, taps)
            expected |= _normalisation(f"layers_bn.{layer}", channels)
    shrink = {"shrink.weight": (3 * joints_out, channels, 1), "shrink.bias": (3 * joints_out,)}
    return expected | shrink


def _widths(config: LifterConfig) -> tuple[int, ...]:
    """Taps of each layer; a dense one has all between its outermost."""
    first, *blocks = config.filter_widths
    if config.dense:
        blocks = [2 * pad + 1 for pad in config.pads[1:]]
    return (first, *blocks)


def _normalisation(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts}


def check(expected: dict[str, tuple[int, ...]], state: Mapping[str, Any], where: str) -> None:
    """Whether a state_dict, of arrays or tensors, is that of a network with these `shapes`.

    Raises:
        WeightsError: names or shapes do not fit, or a value is not finite.
    """
    found = {n: tuple(v.shape) for n, v in state.items() if not n.endswith(COUNTER)}
    if wrong := sorted(expected.items() ^ found.items()):
        name = wrong[0][0]
        raise WeightsError(
            f"{where}: the weights do not fit their architecture: {one_line(name, 80)} is "
            f"{found.get(name, 'missing')}, expected {expected.get(name, 'nothing of that name')}"
        )
    if not all(np.isfinite(array(state[name], np.float32)).all() for name in expected):
        raise WeightsError(f"{where}: the weights hold NaN or infinity; take another checkpoint")


def fold(
    config: LifterConfig, joints_in: int, joints_out: int, state: Mapping[str, Any], where: str
) -> FoldedLayers:
    """The layers of a network for inference.

    Args:
        config: its architecture.
        joints_in, joints_out: as of `TemporalModel`.
        state: its state_dict, of NumPy arrays or tensors on any device; it stays as it is.
        where: names the weights in errors.

    Raises:
        WeightsError: names or shapes do not fit, or a value is not finite.
    """
    check(shapes(config, joints_in, joints_out), state, where)
    dilations = (1,) * len(config.dilations) if config.dense else config.dilations
    blocks = tuple(
        (
            _folded(state, f"layers_conv.{2 * block}", f"layers_bn.{2 * block}", dilation),
            _folded(state, f"layers_conv.{2 * block + 1}", f"layers_bn.{2 * block + 1}"),
        )
        for block, dilation in enumerate(dilations[1:])
    )
    layers = FoldedLayers(
        _folded(state, "expand_conv", "expand_bn"),
        blocks,
        # The frame that an output belongs to is in the middle, or the last when causal.
        tuple(2 * pad if config.causal else pad for pad in config.pads[1:]),
        Convolution(_taps(array(state["shrink.weight"])), array(state["shrink.bias"], np.float32)),
    )
    convolutions = (layers.expand, *(one for pair in blocks for one in pair), layers.shrink)
    if not all(
        np.isfinite(one.weight).all() and np.isfinite(one.bias).all() for one in convolutions
    ):
        raise WeightsError(f"{where}: its batch normalisation is damaged; take another checkpoint")
    return layers


def folded(network: Any) -> FoldedLayers:
    """The layers of a `TemporalModel` for inference."""
    joints_in = network.expand_conv.in_channels // network.config.features
    state = network.state_dict()
    return fold(network.config, joints_in, network.joints_out, state, "network")


def _folded(state: Mapping[str, Any], conv: str, norm: str, dilation: int = 1) -> Convolution:
    scale, shift, mean, variance = (array(state[name]) for name in _normalisation(norm, 0))
    with np.errstate(all="ignore"):  # what is not finite is found later
        factor = scale / np.sqrt(variance + EPSILON)
        weight = array(state[f"{conv}.weight"]) * factor[:, None, None]
        return Convolution(_taps(weight), np.asarray(shift - mean * factor, np.float32), dilation)


def _taps(weight: NDArray[Any]) -> Float:
    """(C_out, C_in, W) to (W, C_in, C_out)."""
    return np.ascontiguousarray(weight.transpose(2, 1, 0), np.float32)


def array(value: Any, dtype: Any = np.float64) -> NDArray[Any]:
    """A NumPy array of an array, or of a tensor on any device."""
    on_cpu = value.detach().cpu() if hasattr(value, "detach") else value
    with np.errstate(all="ignore"):
        return np.asarray(on_cpu, dtype)
