"""What a person may choose about an adaptation, and what was found to work."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from vp3d_cli.errors import OptionsError
from vp3d_cli.train.synthesize import Synthesis
from vp3d_cli.types import Json


@dataclass(frozen=True)
class AdaptConfig:
    """How to go on training.

    Attributes:
        epochs: at most; each evaluates on the held-out footage.
        patience: epochs without improvement after which it stops.
        steps: optimiser steps an epoch.
        windows: labelled and as many unlabelled windows a step.
        length: predicted frames a window.
        learning_rate: Adam's; it falls by `learning_rate_decay` every epoch.
        held_out: share of the footage that is only measured on.
        seed: of everything drawn.
        reprojection, bone_length, constancy, depth, steadiness: weights of the losses that need
            no labels, see `losses`; that of the labelled ones is 1.
        synthesis: what becomes of poses before they are labelled pairs.
    """

    epochs: int = 20
    patience: int = 4
    steps: int = 10
    windows: int = 6
    length: int = 32
    learning_rate: float = 4e-5
    learning_rate_decay: float = 0.95
    held_out: float = 0.2
    seed: int = 1234
    reprojection: float = 0.5
    bone_length: float = 1.0
    constancy: float = 4.0
    depth: float = 1.0
    steadiness: float = 8.0
    synthesis: Synthesis = dataclasses.field(default_factory=Synthesis)

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "steps", "windows", "length"):
            if getattr(self, name) < 1:
                raise OptionsError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 < self.held_out < 1:
            raise OptionsError(f"held_out: expected a share between 0 and 1, got {self.held_out}")
        if self.seed < 0 or self.learning_rate <= 0:
            raise OptionsError("seed: expected at least 0; learning_rate: above 0")

    def to_json(self) -> Json:
        """For the weights and the state."""
        return dataclasses.asdict(self)
