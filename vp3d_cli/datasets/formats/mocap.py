"""Motion capture that no camera saw: clips of world joints, as `vp3d train` takes them.

- `joints_mm` (F, K, 3) world millimetres, z up; the first 17 joints are Human3.6M's
- `clip_start` (clips + 1,): the first frame of each clip, and the end
- `clip_name` (clips,) text; `fps` one number; other arrays are not looked at

Who moves is not in the file. A CSV given beside it may say it: the columns `file` (the name
without .npz), `clip` and `subject`. Clips without a subject are "unknown". The action is the
name of the clip.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz, sources
from vp3d_cli.datasets.choice import Choice
from vp3d_cli.datasets.sequence import Sequence
from vp3d_cli.errors import DataError
from vp3d_cli.skeletons import get
from vp3d_cli.types import Float

DESCRIPTION = "motion capture without cameras: an NPZ with joints_mm and clip_start; a .csv of who"
SUFFIX = ".npz"
COMPANION = ".csv"
TOGETHER = False
UNKNOWN = "unknown"

_SKELETON = get("h36m17")
_KINDS = {"joints_mm": "fiu", "clip_start": "iu", "clip_name": "U", "fps": "fiu"}


def recognise(path: Path) -> bool:
    """Whether it is an archive with joints_mm."""
    return "joints_mm" in npz.keys(path)


def read(paths: tuple[Path, ...], choice: Choice) -> Iterator[Sequence]:
    """Read every clip; joints are in the world, without 2D.

    Raises:
        DataError: a file is malformed.
    """
    tables = [path for path in paths if path.suffix.lower() == COMPANION]
    subjects = {key: who for table in tables for key, who in _subjects(table).items()}
    for path in paths:
        if path not in tables:
            yield from _read_file(path, subjects, choice)


def _read_file(
    path: Path, subjects: dict[tuple[str, str], str], choice: Choice
) -> Iterator[Sequence]:
    with sources.explained(path, "mocap"):
        arrays = _arrays(path)
    starts, fps = arrays["clip_start"].tolist(), float(arrays["fps"])
    for clip, name in enumerate(map(str, arrays["clip_name"])):
        subject = subjects.get((path.stem, name)) or UNKNOWN
        if choice.takes(subject, name):
            rows = slice(starts[clip], starts[clip + 1])
            yield Sequence(
                subject,
                name,
                None,
                fps,
                0,
                0,
                skeleton_out=_SKELETON,
                joints=_metres(arrays["joints_mm"][rows]),
                space="world",
                joints_at=f"{path}: joints_mm[{rows.start}:{rows.stop}]",
            )


def _metres(joints_mm: NDArray[Any]) -> Float:
    """Millimetres (T, K, 3) to the 17 joints."""
    return np.asarray(joints_mm[:, : _SKELETON.num_joints] * np.float32(0.001), np.float32)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    with npz.opened(path) as archive:
        for key, kinds in _KINDS.items():
            with sources.named(key):
                arrays[key] = npz.read_array(archive, key, npz.max_bytes(path))
            if arrays[key].dtype.kind not in kinds:
                what = "text" if kinds == "U" else "numbers"
                raise ValueError(f"{key}: expected {what}, got {arrays[key].dtype}")
    joints, starts, names = arrays["joints_mm"], arrays["clip_start"], arrays["clip_name"]
    least = _SKELETON.num_joints
    if joints.ndim != 3 or joints.shape[1] < least or joints.shape[2] != 3:
        raise ValueError(f"joints_mm: expected (F, {least} or more, 3), got {joints.shape}")
    if names.ndim != 1 or starts.shape != (len(names) + 1,):
        raise ValueError(f"clip_start: expected ({names.size + 1},), got {starts.shape}")
    require_spans("clip_start", starts, len(joints))
    if arrays["fps"].shape != () or not 0 < arrays["fps"] < np.inf:
        raise ValueError(f"fps: expected one number above 0, got {arrays['fps'].tolist()}")
    return arrays


def require_spans(key: str, starts: NDArray[Any], frames: int) -> None:
    """Raise ValueError unless `starts` cuts `frames` into stretches of at least a frame."""
    if starts[0] != 0 or starts[-1] != frames or (np.diff(starts.astype(np.int64)) < 1).any():
        raise ValueError(f"{key}: expected ascending frames from 0 to {frames}")


def _subjects(table: Path) -> dict[tuple[str, str], str]:
    try:
        with table.open(newline="", encoding="utf-8") as stream:
            return {(row["file"], row["clip"]): row["subject"] for row in csv.DictReader(stream)}
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise DataError(f"{table}: expected the columns file, clip, subject: {error}") from error
