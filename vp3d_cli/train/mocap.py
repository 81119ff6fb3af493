"""Motion capture as a source of poses: world joints of many clips."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz, sources
from vp3d_cli.errors import DataError, one_line
from vp3d_cli.types import Float, Int

_NUMBERS = "fiu"
_KINDS = {
    **{"joint_names": "U", "clip_name": "U"},
    **dict.fromkeys(("joints_mm", "clip_start", "fps"), _NUMBERS),
}
FACE = ("Nose", "LEye", "REye", "LEar", "REar")


@dataclass(frozen=True)
class Mocap:
    """Clips laid end to end.

    Attributes:
        joints: (F, 22, 3) metres, z up: the 17 of Human3.6M, then nose, eyes and ears.
        clip_start: (clips + 1,) first frame of each clip, and the end.
        fps: frames per second of all clips.
        names: one a clip.
    """

    joints: Float
    clip_start: Int
    fps: float
    names: tuple[str, ...]

    @property
    def num_clips(self) -> int:
        return len(self.names)

    def select(self, clips: Sequence[int]) -> Mocap:
        """Only these clips, in this order."""
        spans = [self.joints[self.clip_start[c] : self.clip_start[c + 1]] for c in clips]
        starts = np.cumsum([0, *(len(span) for span in spans)])
        joints = np.concatenate(spans) if spans else self.joints[:0]
        return Mocap(joints, starts.astype(np.int32), self.fps, tuple(self.names[c] for c in clips))


def read_mocap(files: Sequence[Path], split_file: Path | None, split: str) -> Mocap:
    """Read NPZ files of mocap, and keep the clips of one split.

    A file holds `joints_mm` int16 (F, 24, 3), world millimetres, z up; `joint_names` (24,):
    Human3.6M-17, then Nose, LEye, REye, LEar, REar and others; `clip_start` (clips + 1,);
    `clip_name` (clips,); `fps`. The split file is a CSV with the columns file, clip, split.
    Without one all clips are taken.

    Raises:
        DataError: a file is missing, malformed, or no clip is left.
    """
    wanted = _clips_of_split(split_file, split) if split_file else None
    parts: list[Mocap] = []
    for file in files:
        whole = _read_file(file)
        keep = [
            clip
            for clip, name in enumerate(whole.names)
            if wanted is None or (file.stem, name) in wanted
        ]
        parts.append(whole.select(keep))
    if not any(part.num_clips for part in parts):
        raise DataError(f"no clip of the split '{split}' in {', '.join(map(str, files))}")
    if len({part.fps for part in parts}) != 1:
        raise DataError("mocap files have different frame rates; resample them to one first")
    lengths = [length for part in parts for length in np.diff(part.clip_start)]
    return Mocap(
        np.concatenate([part.joints for part in parts]),
        np.cumsum([0, *lengths]).astype(np.int32),
        parts[0].fps,
        tuple(name for part in parts for name in part.names),
    )


def _read_file(file: Path) -> Mocap:
    try:
        with npz.opened(file) as archive, np.errstate(all="ignore"):
            data = {key: _read_array(archive, key, file) for key in _KINDS}
            names = [str(name) for name in data["joint_names"]]
            face = [names.index(name) for name in FACE]
            joints = data["joints_mm"][:, [*range(17), *face]].astype(np.float32)
            starts, fps = data["clip_start"].astype(np.int32), float(data["fps"])
            clips = tuple(str(name) for name in data["clip_name"])
            joints = np.asarray(joints / np.float32(1000), np.float32)
            _require_clips(joints, starts, fps, len(clips))
            return Mocap(joints, starts, fps, clips)
    except (OSError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            f"{file}: cannot be read as motion capture; its layout is described in "
            f"vp3d_cli/train/mocap.py: {one_line(error)}"
        ) from error


def _read_array(archive: zipfile.ZipFile, key: str, file: Path) -> NDArray[Any]:
    with sources.named(key):
        array = npz.read_array(archive, key, npz.max_bytes(file))
        if array.dtype.kind not in _KINDS[key]:
            raise ValueError(f"expected {'numbers' if _KINDS[key] == _NUMBERS else 'text'}")
        return array


def _require_clips(joints: Float, starts: Int, fps: float, count: int) -> None:
    """Refuse arrays that do not go together; raises ValueError."""
    if joints.ndim != 3 or joints.shape[2] != 3 or not np.isfinite(joints).all():
        raise ValueError(f"joints_mm: expected finite (F, joints, 3), got {joints.shape}")
    if starts.shape != (count + 1,) or (np.diff(starts) < 1).any():
        raise ValueError(f"clip_start: expected {count + 1} ascending frames")
    if starts[0] != 0 or starts[-1] != len(joints):
        raise ValueError(f"clip_start: expected 0 to {len(joints)}, got {starts[0]}, {starts[-1]}")
    if not 0 < fps < 10_000:
        raise ValueError(f"fps: expected frames a second, got {fps:g}")


def _clips_of_split(split_file: Path, split: str) -> set[tuple[str, str]]:
    try:
        with split_file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        return {(row["file"], row["clip"]) for row in rows if row["split"] == split}
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise DataError(
            f"{split_file}: expected a CSV with the columns file, clip, split: {error}"
        ) from error
