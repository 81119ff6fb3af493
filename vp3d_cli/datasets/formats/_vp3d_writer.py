"""Writes our own format; `vp3d` describes it and reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz
from vp3d_cli.datasets.cameras import DatasetCamera
from vp3d_cli.datasets.sequence import Sequence
from vp3d_cli.errors import DataError, SkeletonMismatchError
from vp3d_cli.types import Skeleton

SCHEMA = "vp3d.dataset/1"

Arrays = dict[str, NDArray[Any]]


def write(sequences: tuple[Sequence, ...], path: Path) -> None:
    """Write sequences whole or not at all; equal sequences give equal bytes.

    Raises:
        DataError: there are none, or they have several 2D skeletons, or several 3D ones.
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    if not sequences:
        raise DataError(f"{path}: there is no sequence to write")
    skeleton_in = _one_skeleton({s.skeleton_in for s in sequences}, "2D")
    skeleton_out = _one_skeleton({s.skeleton_out for s in sequences}, "3D")
    arrays: Arrays = {
        "schema": np.array(SCHEMA),
        "sequence_start": np.cumsum([0, *map(len, sequences)]).astype(np.int64),
        "subject": np.array([s.subject for s in sequences]),
        "action": np.array([s.action for s in sequences]),
        "fps": np.array([s.fps for s in sequences], np.float64),
        "width": np.array([s.width for s in sequences], np.int32),
        "height": np.array([s.height for s in sequences], np.int32),
        **_cameras(sequences),
    }
    if skeleton_in:
        joints = skeleton_in.num_joints
        arrays["skeleton_2d"] = np.array(skeleton_in.name)
        arrays["keypoints_2d"] = _end_to_end(sequences, "keypoints", (joints, 2))
        if any(s.scores is not None for s in sequences):
            arrays["scores_2d"] = _end_to_end(sequences, "scores", (joints,))
    if skeleton_out:
        arrays["skeleton_3d"] = np.array(skeleton_out.name)
        arrays["space"] = np.array([s.space for s in sequences])
        arrays["joints_3d"] = _end_to_end(sequences, "joints", (skeleton_out.num_joints, 3))
    npz.write(path, arrays)


def _one_skeleton(found: set[Skeleton | None], what: str) -> Skeleton | None:
    """The skeleton of all sequences that have one.

    Raises:
        SkeletonMismatchError: there are several.
    """
    known = sorted((s for s in found if s), key=lambda s: s.name)
    if len(known) > 1:
        names = " and ".join(s.name for s in known)
        raise SkeletonMismatchError(f"expected one {what} skeleton a file, got {names}")
    return known[0] if known else None


def _end_to_end(sequences: tuple[Sequence, ...], what: str, shape: tuple[int, ...]) -> Any:
    """One array (F, *shape) of all sequences, NaN for those without."""
    whole = np.full((sum(map(len, sequences)), *shape), np.nan, np.float32)
    at = 0
    for sequence in sequences:
        values = getattr(sequence, what)
        if values is not None:
            whole[at : at + len(sequence)] = values
        at += len(sequence)
    return whole


def _cameras(sequences: tuple[Sequence, ...]) -> Arrays:
    """The different cameras, in the order in which they come, and which of them each has."""
    found: dict[bytes, DatasetCamera] = {}
    keys = [_content(s.camera) if s.camera else b"" for s in sequences]
    for key, sequence in zip(keys, sequences, strict=True):
        if sequence.camera:
            found.setdefault(key, sequence.camera)
    order = {key: index for index, key in enumerate(found)}
    arrays: Arrays = {"camera": np.array([order.get(key, -1) for key in keys], np.int32)}
    if not found:
        return arrays
    cameras = list(found.values())
    arrays["camera_name"] = np.array([camera.name for camera in cameras])
    arrays["camera_size"] = np.array([(c.width, c.height) for c in cameras], np.int32)
    for name in ("focal", "centre", "radial", "tangential"):
        arrays[f"camera_{name}"] = np.stack([getattr(c, name) for c in cameras]).astype(np.float64)
    rows = [(c.rotation, c.position) for c in cameras]
    unknown = np.full((3, 3), np.nan), np.full(3, np.nan)
    arrays["camera_rotation"] = np.stack([unknown[0] if r is None else r for r, _ in rows])
    arrays["camera_position"] = np.stack([unknown[1] if p is None else p for _, p in rows])
    return arrays


def _content(camera: DatasetCamera) -> bytes:
    """Equal for equal cameras."""
    parts = (camera.focal, camera.centre, camera.radial, camera.tangential)
    placed = (camera.rotation, camera.position)
    numbers = [np.asarray(a, np.float64).tobytes() for a in (*parts, *placed) if a is not None]
    return b"\0".join([repr((camera.name, camera.width, camera.height)).encode(), *numbers])
