"""One TOML file says everything about a run on recorded sequences."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from vp3d_cli.datasets import Sequence
from vp3d_cli.errors import DataError
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.train.config import require_schedule
from vp3d_cli.train.tables import (
    build,
    file_names,
    read_toml,
    require_above_zero,
    require_range,
    require_tables,
)
from vp3d_cli.types import Json

TABLES = ("model", "data", "train", "semi")


@dataclass(frozen=True)
class Data:
    """Which sequences.

    Attributes:
        files: any that `vp3d data check` knows.
        train, test: subjects.
        unlabelled: subjects whose 3D is not looked at: semi-supervised training.
        actions: only these, by their first word; all when empty.
        subset: share of each labelled sequence that is kept, a stretch of it.
        downsample: keep every so manieth frame.
    """

    files: tuple[Path, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    unlabelled: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    subset: float = 1.0
    downsample: int = 1

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            if not getattr(self, name):
                raise ValueError(f"{name}: expected subjects")
        require_above_zero(self, ("subset",), 1)
        require_range(self, ("downsample",), 1)
        for a, b in (("train", "test"), ("train", "unlabelled"), ("test", "unlabelled")):
            if both := set(getattr(self, a)) & set(getattr(self, b)):
                raise ValueError(f"{', '.join(sorted(both))}: in {a} and in {b}")


@dataclass(frozen=True)
class Schedule:
    """How to train; the defaults are those of the paper's code.

    Attributes:
        epochs: passes over all labelled chunks.
        batch_size: predicted frames a step, of each kind where there are unlabelled ones.
        stride: predicted frames of a chunk; 1 trains the strided twin.
        flip: also train on every chunk's mirror image.
        learning_rate, learning_rate_decay: Adam's, and the factor after each epoch.
        bn_momentum: of batch normalisation, first and last; exponential in between.
        evaluate_every: epochs between looks at the test subjects; the last is always looked at.
        mixed_precision: half precision where it is safe, on a GPU.
        seed: of weights, dropout and the order of chunks.
    """

    epochs: int = 60
    batch_size: int = 1024
    stride: int = 1
    flip: bool = True
    learning_rate: float = 0.001
    learning_rate_decay: float = 0.95
    bn_momentum: tuple[float, float] = (0.1, 0.001)
    evaluate_every: int = 1
    mixed_precision: bool = False
    seed: int = 1234

    def __post_init__(self) -> None:
        require_schedule(self)
        require_range(self, ("evaluate_every",), 1)


@dataclass(frozen=True)
class Semi:
    """The losses on unlabelled sequences.

    Attributes:
        warmup: epochs on labelled sequences alone, the trajectory among them.
        projection: "full" with the lens, "linear" without, "none" for no reprojection loss.
        bone_length: compare the predicted people's sizes.
    """

    warmup: int = 1
    projection: str = "full"
    bone_length: bool = True

    def __post_init__(self) -> None:
        require_range(self, ("warmup",), 0)
        if self.projection not in ("full", "linear", "none"):
            raise ValueError(f"projection: expected full, linear or none, got {self.projection!a}")


@dataclass(frozen=True)
class PaperConfig:
    """Everything about a run; `to_json` is stored in the weights."""

    model: LifterConfig
    data: Data
    train: Schedule = field(default_factory=Schedule)
    semi: Semi = field(default_factory=Semi)

    def to_json(self) -> Json:
        """Without folders, which are of no use elsewhere."""
        values = dataclasses.asdict(self)
        values["data"]["files"] = [file.name for file in self.data.files]
        return values


def is_paper_config(file: Path) -> bool:
    """Whether a configuration trains on recorded sequences, not on synthesised ones."""
    data = read_toml(file).get("data")
    return isinstance(data, dict) and "files" in data


def read_paper_config(file: Path) -> PaperConfig:
    """Read a TOML file with the tables [model], [data], [train], [semi].

    Paths are relative to the file.

    Raises:
        DataError: not TOML, or a table or a key is unknown, missing or unusable.
    """
    tables = read_toml(file)
    require_tables(file, tables, TABLES)
    data = dict(tables.get("data", {}))
    data["files"] = file_names(data.get("files", []), file.parent)
    config = PaperConfig(
        build(LifterConfig, tables.get("model", {}), file, "model"),
        build(Data, data, file, "data"),
        build(Schedule, tables.get("train", {}), file, "train"),
        build(Semi, tables.get("semi", {}), file, "semi"),
    )
    if (got := config.model.normalisation) != "screen":
        raise DataError(
            f"{file}: table [model]: normalisation: expected 'screen' for sequences, got {got!a}"
        )
    return config


def select(
    sequences: tuple[Sequence, ...], data: Data, subjects: tuple[str, ...]
) -> list[Sequence]:
    """The sequences of some subjects, every `downsample`th frame.

    Raises:
        DataError: a subject has none, or nobody does an action.
    """
    _require_all("subjects", subjects, {sequence.subject for sequence in sequences})
    _require_all("actions", data.actions, {_action(sequence) for sequence in sequences})
    chosen = [
        thinned(sequence, data.downsample)
        for sequence in sequences
        if sequence.subject in subjects and (not data.actions or _action(sequence) in data.actions)
    ]
    for subject in set(subjects) - {sequence.subject for sequence in chosen}:
        known = {_action(sequence) for sequence in sequences if sequence.subject == subject}
        raise DataError(
            f"actions {', '.join(data.actions)}: no such sequences of {subject}; "
            f"there are {', '.join(sorted(known))}"
        )
    return chosen


def _action(sequence: Sequence) -> str:
    return sequence.action.split(" ")[0]


def _require_all(what: str, names: tuple[str, ...], known: set[str]) -> None:
    if missing := set(names) - known:
        raise DataError(
            f"{what} {', '.join(sorted(missing))}: no such sequences; "
            f"there are {', '.join(sorted(known))}"
        )


def thinned(
    sequence: Sequence, downsample: int, start: int = 0, stop: int | None = None
) -> Sequence:
    """Part of a sequence, every `downsample`th frame."""
    part = slice(start, stop, downsample)
    keypoints, scores, joints = sequence.keypoints, sequence.scores, sequence.joints
    return dataclasses.replace(
        sequence,
        fps=sequence.fps / downsample,
        keypoints=None if keypoints is None else keypoints[part],
        scores=None if scores is None else scores[part],
        joints=None if joints is None else joints[part],
    )


def subset(sequence: Sequence, share: float) -> Sequence:
    """A stretch of a sequence; where it starts depends on its length alone.

    As in the paper's code: the first four bytes of the SHA-256 of the length, as text, choose.
    """
    length = len(sequence)
    count = max(1, round(length * share))
    digest = hashlib.sha256(str(length).encode()).digest()
    draw = int.from_bytes(digest[:4], "little") / (2**32 - 1)
    start = min(int(draw * (length - count + 1)), length - count)
    return thinned(sequence, 1, start, start + count)
