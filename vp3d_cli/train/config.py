"""One TOML file says everything about a training run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from vp3d_cli.errors import DataError
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.train.noise import Noise
from vp3d_cli.train.synthesize import Synthesis
from vp3d_cli.train.tables import (
    build,
    file_names,
    read_toml,
    require_above_zero,
    require_range,
    require_tables,
)
from vp3d_cli.types import Json

# What the virtual cameras see and the motion capture knows.
_NEEDED = {
    "normalisation": "person",
    "features": 3,
    "skeleton_in": "coco17",
    "skeleton_out": "h36m17",
}


def require_schedule(schedule: object) -> None:
    """Refuse what no training can follow, of what both kinds of training have.

    Raises:
        ValueError: a field is out of range.
    """
    require_range(schedule, ("epochs", "batch_size", "stride"), 1)
    require_range(schedule, ("seed",), 0)
    require_above_zero(schedule, ("learning_rate", "learning_rate_decay"))
    require_above_zero(schedule, ("bn_momentum",), 1)
    batch_size, stride = (getattr(schedule, name) for name in ("batch_size", "stride"))
    if batch_size % stride:
        raise ValueError(f"batch_size: expected a multiple of stride, {stride}, got {batch_size}")


@dataclass(frozen=True)
class Schedule:
    """How to train; the defaults are the paper's (section 4, "Implementation details").

    Attributes:
        epochs: each has `sequences` of `sequence_length` frames synthesised anew.
        steps_per_epoch: optimiser steps, on windows from random places of the sequences.
        batch_size: predicted frames a step, before the flipped copies.
        stride: predicted frames a window; 1 trains the strided twin.
        flip: add each window's mirror image to the batch.
        trajectory_every: also train a trajectory network, every so manieth step; 0 for none.
        learning_rate, learning_rate_decay: Adam's, and the factor after each epoch.
        amsgrad: the paper's kind of Adam.
        bn_momentum: of batch normalisation, first and last; exponential in between.
        validation_sequences: sequences synthesised from the held-out clips.
        mixed_precision: half precision where it is safe, on a GPU.
        seed: of weights, dropout and synthesis.
    """

    epochs: int = 60
    steps_per_epoch: int = 120
    batch_size: int = 1024
    stride: int = 1
    flip: bool = True
    trajectory_every: int = 0
    learning_rate: float = 0.001
    learning_rate_decay: float = 0.95
    amsgrad: bool = True
    bn_momentum: tuple[float, float] = (0.1, 0.001)
    sequences: int = 1200
    sequence_length: int = 200
    validation_sequences: int = 128
    mixed_precision: bool = False
    seed: int = 1234

    def __post_init__(self) -> None:
        require_schedule(self)
        require_range(self, ("steps_per_epoch", "sequences", "validation_sequences"), 1)
        require_range(self, ("sequence_length",), 2)
        require_range(self, ("trajectory_every",), 0)


@dataclass(frozen=True)
class Sources:
    """Where poses come from: mocap files and their split, see `train.mocap.read_mocap`."""

    mocap: tuple[Path, ...]
    split: Path | None = None


@dataclass(frozen=True)
class TrainConfig:
    """Everything about a run; `to_json` is stored in the weights."""

    model: LifterConfig
    data: Sources
    train: Schedule = field(default_factory=Schedule)
    synthesis: Synthesis = field(default_factory=Synthesis)

    def to_json(self) -> Json:
        """Without paths, which are of no use elsewhere."""
        return {
            "model": dataclasses.asdict(self.model),
            "train": dataclasses.asdict(self.train),
            "synthesis": dataclasses.asdict(self.synthesis),
            "mocap": [file.name for file in self.data.mocap],
        }


def read_train_config(file: Path) -> TrainConfig:
    """Read a TOML file with the tables [model], [data], [train], [synthesis], [synthesis.noise].

    Paths are relative to the file.

    Raises:
        DataError: not TOML, or a table or a key is unknown, missing or unusable.
    """
    tables = read_toml(file)
    require_tables(file, tables, ("model", "data", "train", "synthesis"))
    data = dict(tables.get("data", {}))
    data["mocap"] = file_names(data.get("mocap", []), file.parent)
    if not data["mocap"]:
        either = "" if "files" in data else "files = [...] or "
        raise DataError(f"{file}: [data] needs {either}mocap = [...]")
    if isinstance(data.get("split"), str):
        data["split"] = file.parent / data["split"]
    synthesis = dict(tables.get("synthesis", {}))
    synthesis["noise"] = build(Noise, synthesis.get("noise", {}), file, "synthesis.noise")
    model = build(LifterConfig, tables.get("model", {}), file, "model")
    for name, value in _NEEDED.items():
        if (got := getattr(model, name)) != value:
            raise DataError(f"{file}: table [model]: {name}: expected {value!r}, got {got!a}")
    return TrainConfig(
        model,
        build(Sources, data, file, "data"),
        build(Schedule, tables.get("train", {}), file, "train"),
        build(Synthesis, synthesis, file, "synthesis"),
    )
