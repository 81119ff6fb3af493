"""What a lifter's weights mean: everything a user must not have to retype."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from vp3d_cli import registry
from vp3d_cli.errors import WeightsError, one_line
from vp3d_cli.types import Json

NORMALISATIONS = ("screen", "person")
# Beyond them a few bytes of weights would ask for all memory there is.
MAX_LAYERS, MAX_FIELD = 32, 1 << 16


@dataclass(frozen=True)
class LifterConfig:
    """Architecture of a temporal-convolution lifter and the meaning of its input and output.

    Attributes:
        filter_widths: odd kernel width of the first layer and of each residual block.
        channels: width of the hidden layers.
        features: numbers per input keypoint: x, y, or x, y, score.
        skeleton_in, skeleton_out: names of files in `skeletons/`.
        normalisation: "screen" (the paper: pixels scaled by the frame's width) or "person"
            (a virtual camera that looks at the person); see `lift.normalise`.
        causal: sees no future frames. Not visible in the shapes of the weights.
        dense: the ablation that replaces dilation by wide kernels.
        dropout: used in training only.
        fps_range: frame rates trained on; None where unknown.
        focal_range: focal lengths trained on, in units of the frame's longer side; None where
            any will do.
        training: provenance: command, seed, data, steps.
    """

    filter_widths: tuple[int, ...]
    channels: int
    features: int = 2
    skeleton_in: str = "coco17"
    skeleton_out: str = "h36m17"
    normalisation: str = "screen"
    causal: bool = False
    dense: bool = False
    dropout: float = 0.25
    fps_range: tuple[float, float] | None = None
    focal_range: tuple[float, float] | None = None
    training: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        widths = self.filter_widths
        if not widths or any(type(w) is not int or w < 1 or w % 2 == 0 for w in widths):
            raise ValueError(f"filter_widths: expected odd numbers, got {one_line(widths, 80)}")
        if len(widths) > MAX_LAYERS or math.prod(widths) > MAX_FIELD:
            raise ValueError(
                f"filter_widths: expected {MAX_LAYERS} layers and a receptive field of {MAX_FIELD} "
                f"frames at most, got {one_line(widths, 80)}"
            )
        if type(self.channels) is not int or self.channels < 1:
            raise ValueError(f"channels: expected at least 1, got {one_line(self.channels, 80)}")
        if type(self.features) is not int or self.features not in (2, 3):
            raise ValueError(f"features: expected 2 or 3, got {one_line(self.features, 80)}")
        if type(self.causal) is not bool or type(self.dense) is not bool:
            raise ValueError("causal, dense: expected true or false")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected 0 to 1, got {self.dropout}")
        if self.normalisation not in NORMALISATIONS:
            raise ValueError(f"normalisation: expected one of {NORMALISATIONS}")
        for name in ("skeleton_in", "skeleton_out"):
            if getattr(self, name) not in (known := registry.names("skeletons")):
                got = one_line(getattr(self, name), 80)
                raise ValueError(f"{name}: expected one of {', '.join(known)}, got {got}")
        for name in ("fps_range", "focal_range"):
            if (span := getattr(self, name)) is not None and not _is_span(span):
                raise ValueError(f"{name}: expected low, then high, got {one_line(span, 80)}")
        if not isinstance(self.training, dict):
            raise ValueError(f"training: expected an object, got {one_line(self.training, 80)}")

    @property
    def dilations(self) -> tuple[int, ...]:
        """Frames between neighbouring taps of each layer: the product of earlier widths."""
        return tuple(math.prod(self.filter_widths[:i]) for i in range(len(self.filter_widths)))

    @property
    def pads(self) -> tuple[int, ...]:
        """Frames that each layer consumes on one side, when symmetric."""
        layers = zip(self.filter_widths, self.dilations, strict=True)
        return tuple((width - 1) * dilation // 2 for width, dilation in layers)

    @property
    def receptive_field(self) -> int:
        return 1 + 2 * sum(self.pads)

    @property
    def context(self) -> tuple[int, int]:
        """Frames needed before and after the frame predicted."""
        pad = sum(self.pads)
        return (2 * pad, 0) if self.causal else (pad, pad)

    def to_json(self) -> Json:
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(values: Any, where: str) -> LifterConfig:
        """Rebuild a config that `to_json` wrote.

        Raises:
            WeightsError: fields are missing, unknown or of the wrong kind.
        """
        try:
            fields = dict(values)
            for name in ("filter_widths", "fps_range", "focal_range"):
                if fields.get(name) is not None:
                    fields[name] = tuple(fields[name])
            return LifterConfig(**fields)
        except (TypeError, ValueError) as error:
            raise WeightsError(
                f"{where}: its configuration is not one that this version of vp3d reads: "
                f"{one_line(error)}"
            ) from error


def _is_span(values: Any) -> bool:
    return (
        isinstance(values, tuple)
        and len(values) == 2
        and all(type(value) in (int, float) for value in values)
        and 0 < values[0] <= values[1] < math.inf
    )
