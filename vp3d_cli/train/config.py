"""One TOML file says everything about a training run."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from vp3d_cli.errors import DataError
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.train.noise import Noise
from vp3d_cli.train.synthesize import Synthesis
from vp3d_cli.types import Json

T = TypeVar("T")


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
        bn_momentum: of batch normalisation, first and last; exponential in between.
        validation_sequences: sequences synthesised from the held-out clips.
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
    bn_momentum: tuple[float, float] = (0.1, 0.001)
    sequences: int = 1200
    sequence_length: int = 200
    validation_sequences: int = 128
    seed: int = 1234

    def __post_init__(self) -> None:
        for name in (
            "epochs", "steps_per_epoch", "batch_size", "stride", "sequences",
            "validation_sequences",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: at least 1")
        if self.sequence_length < 2 or min(self.seed, self.trajectory_every) < 0:
            raise ValueError("sequence_length: at least 2; seed, trajectory_every: at least 0")
        if min(self.learning_rate, self.learning_rate_decay, *self.bn_momentum) <= 0:
            raise ValueError("learning rates and bn_momentum: above 0")
        if self.batch_size % self.stride:
            raise ValueError(f"batch_size {self.batch_size}: not a multiple of stride")


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
    for table, values in tables.items():
        if not isinstance(values, dict):
            raise DataError(f"{file}: '{table}' should be a table, [{table}]")
    unknown = set(tables) - {"model", "data", "train", "synthesis"}
    if unknown:
        raise DataError(f"{file}: unknown table [{min(unknown)}]")
    data = dict(tables.get("data", {}))
    folder = file.parent
    if isinstance(data.get("mocap"), str):
        data["mocap"] = [data["mocap"]]
    data["mocap"] = tuple(folder / name for name in data.get("mocap", ()))
    if not data["mocap"]:
        raise DataError(f"{file}: [data] needs mocap = [files]")
    if data.get("split"):
        data["split"] = folder / data["split"]
    synthesis = dict(tables.get("synthesis", {}))
    synthesis["noise"] = build(Noise, synthesis.get("noise", {}), file, "synthesis.noise")
    model = build(LifterConfig, tables.get("model", {}), file, "model")
    if (model.normalisation, model.features) != ("person", 3):
        raise DataError(f"{file}: [model] needs normalisation = 'person' and features = 3")
    if (model.skeleton_in, model.skeleton_out) != ("coco17", "h36m17"):
        raise DataError(f"{file}: [model] trains from coco17 to h36m17 only")
    return TrainConfig(
        model,
        build(Sources, data, file, "data"),
        build(Schedule, tables.get("train", {}), file, "train"),
        build(Synthesis, synthesis, file, "synthesis"),
    )


def read_toml(file: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        DataError: it is not readable as TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{file}: not readable as TOML: {error}") from error


def build(kind: type[T], values: Json, file: Path, table: str) -> T:
    """One table as a dataclass.

    Raises:
        DataError: a key is unknown, missing or unusable.
    """
    fixed = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return kind(**fixed)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: table [{table}]: {error}") from error
