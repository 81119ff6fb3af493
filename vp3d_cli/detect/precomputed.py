"""2D keypoints from a file: another tool's, or those of a vp3d pose file.

An NPZ with one row per person per frame, in any order:

- `frame` (N,) integers from 0
- `keypoints_2d` (N, J, 2) pixels; NaN where a keypoint is missing; rows of nothing are ignored
- `scores_2d` (N, J); NaN only where the keypoint is
- optional: `boxes` (N, 4), `track_id` (N,), `observed` (N,) bool; rows not observed are ignored
- optional: `meta`, as in a pose file, which names the skeleton; COCO-17 without it
"""

from __future__ import annotations

import json
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import files, skeletons
from vp3d_cli.errors import DataError, Vp3dError
from vp3d_cli.overlap import box_around
from vp3d_cli.types import (
    Detections,
    Detector,
    DetectorOptions,
    Float,
    Frame,
    Json,
    Skeleton,
    require_shape,
)

_NEEDED = ("frame", "keypoints_2d", "scores_2d")
_OPTIONAL = ("boxes", "track_id", "observed", "meta")
# What NumPy lets out when an archive or a header in it is damaged.
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

Arrays = dict[str, NDArray[Any]]


def build(options: DetectorOptions) -> Detector:
    """A detector that looks up instead of looking.

    Raises:
        DataError: no file was given, or it is malformed.
    """
    if options.keypoints is None:
        raise DataError("detector 'precomputed' needs a file of 2D keypoints; give one")
    return Precomputed(options.keypoints)


class Precomputed:
    """All rows of a file, found by frame index."""

    def __init__(self, path: Path) -> None:
        arrays = _read(path)
        try:
            self._hash = files.sha256(path)
            self._skeleton = _skeleton(arrays)
            arrays = _checked(arrays, self._skeleton)
        except (ValueError, OSError) as error:
            raise DataError(f"{path}: {error}") from error
        order = np.lexsort((arrays["track_id"], arrays["frame"]))
        self._frames = arrays["frame"][order]
        self._people = Detections(
            arrays["boxes"],
            np.ones(len(order), np.float32),
            arrays["keypoints_2d"],
            arrays["scores_2d"],
        ).select(order)

    @property
    def skeleton(self) -> Skeleton:
        return self._skeleton

    def describe(self) -> Json:
        return {"name": "precomputed", "sha256": self._hash, "skeleton": self._skeleton.name}

    def detect(self, frame: Frame) -> Detections:
        """The rows of this frame's index, by track id; whoever wrote them is believed (1.0)."""
        first, last = np.searchsorted(self._frames, [frame.index, frame.index + 1])
        return self._people.select(slice(first, last))


def _read(path: Path) -> Arrays:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: is a single array, not an .npz of named arrays")
        with archive:
            missing = [key for key in _NEEDED if key not in archive]
            if missing:
                has = ", ".join(archive.files[:12]) or "nothing"
                raise DataError(f"{path}: {', '.join(missing)} missing; the file has {has}")
            return {key: archive[key] for key in (*_NEEDED, *_OPTIONAL) if key in archive}
    except _DAMAGE as error:
        if isinstance(error, FileNotFoundError):
            raise DataError(f"{path}: does not exist") from error
        raise DataError(f"{path}: is not a readable .npz without pickles: {error}") from error


def _skeleton(arrays: Arrays) -> Skeleton:
    """The skeleton that `meta` names, else COCO-17.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        name = json.loads(str(arrays["meta"]))["skeleton_2d"]["name"] if "meta" in arrays else None
        return skeletons.get(name or "coco17")
    except (ValueError, KeyError, TypeError, Vp3dError) as error:
        raise ValueError(f"meta: names no known skeleton_2d: {error}") from error


def _checked(arrays: Arrays, skeleton: Skeleton) -> Arrays:
    """The observed rows, in our types, complete with boxes and track ids.

    Raises:
        ValueError: a shape, a type or a value is not as the module says.
    """
    rows, joints = len(np.atleast_1d(arrays["frame"])), skeleton.num_joints
    shapes = {"frame": (rows,), "keypoints_2d": (rows, joints, 2), "scores_2d": (rows, joints)}
    shapes |= {"boxes": (rows, 4), "track_id": (rows,), "observed": (rows,)}
    kinds = {"frame": "iu", "track_id": "iu", "observed": "b"}
    names = {"iu": "integers", "b": "bool", "fiu": "numbers"}
    for key in (key for key in shapes if key in arrays):
        require_shape(key, arrays[key], shapes[key])
        kind = kinds.get(key, "fiu")
        if arrays[key].dtype.kind not in kind:
            raise ValueError(f"{key}: expected {names[kind]}, got {arrays[key].dtype}")
    somebody = ~np.isnan(arrays["keypoints_2d"]).any(-1).all(-1)
    keep = arrays.get("observed", np.ones(rows, bool)) & somebody
    frame, track_id = arrays["frame"][keep], arrays.get("track_id", np.arange(rows))[keep]
    if (frame < 0).any():
        raise ValueError(f"frame: expected 0 or more, got {frame.min()}")
    people, counts = np.unique(np.stack([frame, track_id], 1), axis=0, return_counts=True)
    if (counts > 1).any():
        twice = people[counts.argmax()]
        raise ValueError(f"track_id {twice[1]} is twice in frame {twice[0]}")
    keypoints = arrays["keypoints_2d"][keep].astype(np.float32)
    scores = _checked_scores(arrays["scores_2d"][keep].astype(np.float32), keypoints)
    boxes = arrays["boxes"][keep].astype(np.float32) if "boxes" in arrays else None
    keypoints[np.isnan(keypoints).any(-1)] = np.nan
    return {
        "frame": frame,
        "track_id": track_id,
        "keypoints_2d": keypoints,
        "scores_2d": scores,
        "boxes": _completed(boxes, keypoints, scores),
    }


def _checked_scores(scores: Float, keypoints: Float) -> Float:
    """Scores (N, J), 0 where the keypoint is missing.

    Raises:
        ValueError: a value is infinite, or a keypoint has no score.
    """
    for key, values in (("keypoints_2d", keypoints), ("scores_2d", scores)):
        if np.isinf(values).any():
            raise ValueError(f"{key}: expected numbers or NaN, got infinity")
    missing = np.isnan(keypoints).any(-1)
    if (unscored := np.isnan(scores) & ~missing).any():
        row, joint = np.argwhere(unscored)[0]
        raise ValueError(f"scores_2d[{row}, {joint}]: is NaN, but its keypoint is not")
    return np.where(missing, np.float32(0), scores)


def _completed(boxes: Float | None, keypoints: Float, scores: Float) -> Float:
    """Boxes (N, 4): the given ones, else tight around the keypoints with a score."""
    around = [box_around(k, s > 0) for k, s in zip(keypoints, scores, strict=True)]
    tight = np.array(around, np.float32).reshape(-1, 4)
    return tight if boxes is None else np.where(np.isfinite(boxes), boxes, tight)
