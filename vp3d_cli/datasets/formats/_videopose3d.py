"""What Human3.6M and HumanEva have in common in VideoPose3D's files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz, sources
from vp3d_cli.datasets.cameras import DatasetCamera
from vp3d_cli.datasets.choice import Choice
from vp3d_cli.datasets.formats import _camera_file
from vp3d_cli.datasets.sequence import Sequence
from vp3d_cli.errors import DataError, SkeletonMismatchError
from vp3d_cli.types import Float, Skeleton
from vp3d_cli.videopose3d_files import dictionary, is_list, skeleton_of

# Names of layouts in `metadata`.

_OURS = ("positions_3d", "positions_2d", "cameras")

# By subject and our name of the action: the place for messages, and what is there.
Placed = dict[tuple[str, str], tuple[str, Any]]


@dataclass(frozen=True)
class Rules:
    """What is different.

    Attributes:
        format: its name.
        fps: of all sequences.
        num_joints: in the file.
        kept: those of them that make up `skeleton`.
        skeleton: of the joints.
        action: our name of a subject's action; None to leave it out.
    """

    format: str
    fps: float
    num_joints: int
    kept: tuple[int, ...]
    skeleton: Skeleton
    action: Callable[[str, str], str | None]


@dataclass(frozen=True)
class _Files:
    """What the files of a data set hold, not yet looked at closely."""

    rules: Rules
    joints_path: Path | None = None
    joints: Placed = field(default_factory=dict)
    keypoints_path: Path | None = None
    keypoints: Placed = field(default_factory=dict)
    skeleton_in: Skeleton | None = None
    cameras_path: Path | None = None
    cameras: dict[str, tuple[DatasetCamera, ...]] = field(default_factory=dict)


def recognise(path: Path) -> bool:
    """Whether it is an archive with positions_3d or positions_2d."""
    return not npz.keys(path).isdisjoint(("positions_3d", "positions_2d"))


def read(paths: tuple[Path, ...], choice: Choice, rules: Rules) -> Iterator[Sequence]:
    """Every view of every action: those with 3D in the order of the 3D, then the others.

    Raises:
        DataError: a file is malformed, or the files do not belong together.
    """
    files = _open(paths, rules)
    known = [*files.joints, *(key for key in files.keypoints if key not in files.joints)]
    for subject, action in known:
        if choice.takes(subject, action):
            yield from _views(files, subject, action)


def _open(paths: tuple[Path, ...], rules: Rules) -> _Files:
    by_key: dict[str, Path] = {}
    for path in paths:
        held = npz.keys(path)
        keys = ["cameras"] if path.suffix.lower() == ".json" else sorted(held)
        known = [key for key in keys if key in _OURS]
        if len(known) != 1:
            has = sources.listed(keys)
            raise DataError(f"{path}: expected positions_3d or positions_2d, got {has}")
        key = known[0]
        if key in by_key:
            raise DataError(f"{path}: {key}: {by_key[key]} has it too; give one of them")
        by_key[key] = path
    joints, keypoints = by_key.get("positions_3d"), by_key.get("positions_2d")
    cameras = by_key.get("cameras")
    skeleton_in = None
    placed: dict[str, Placed] = {}
    for key, path in by_key.items():
        if key != "cameras":
            with sources.explained(path, rules.format), npz.opened(path) as archive:
                placed[key] = _placed(archive, key, path, rules)
                if key == "positions_2d":
                    skeleton_in = skeleton_of(dictionary(archive, "metadata", path))
    return _Files(
        rules,
        joints,
        placed.get("positions_3d", {}),
        keypoints,
        placed.get("positions_2d", {}),
        skeleton_in,
        cameras,
        _camera_file.read(cameras) if cameras else {},
    )


def _placed(archive: zipfile.ZipFile, key: str, path: Path, rules: Rules) -> Placed:
    """The content of a file by subject and action, renamed."""
    found: Placed = {}
    for subject, actions in dictionary(archive, key, path).items():
        if not isinstance(subject, str) or not isinstance(actions, dict):
            raise ValueError(f"{key}: expected dictionaries by subject")
        for action, value in actions.items():
            if not isinstance(action, str):
                raise ValueError(f"{key}[{subject[:40]!a}]: expected actions by name")
            name = rules.action(subject, action)
            if name is None:
                continue
            where = f"{path}: {key}[{subject[:40]!a}][{action[:40]!a}]"
            if (subject, name) in found:
                raise ValueError(f"{where}: is the same action as another, {name[:40]!a}")
            found[subject, name] = (where, value)
    return found


def _views(files: _Files, subject: str, action: str) -> Iterator[Sequence]:
    """One sequence a camera."""
    joints_at, joints = files.joints.get((subject, action), ("", None))
    if joints is not None:
        joints = _joints(joints_at, joints, files.rules)
    keypoints_at, views = files.keypoints.get((subject, action), ("", None))
    if views is None and files.keypoints_path:
        raise DataError(f"{files.keypoints_path}: positions_2d: lacks what {joints_at} has")
    if views is not None and not is_list(views):
        raise DataError(f"{keypoints_at}: expected a list of arrays, one a camera")
    cameras = _cameras(files, subject, None if views is None else len(views))
    for index, camera in enumerate(cameras):
        seen = None if joints is None else np.asarray(camera.to_camera(joints), np.float32)
        keypoints, scores, skeleton_in = None, None, files.skeleton_in
        at = f"{keypoints_at}[{index}]"
        if views is not None and skeleton_in is not None:
            length = None if joints is None else len(joints)
            keypoints, scores = _keypoints(at, views[index], skeleton_in, length)
        elif seen is not None:  # ground truth, as the paper projects it
            keypoints = np.asarray(camera.project(seen), np.float32)
            skeleton_in, at = files.rules.skeleton, f"{joints_at}, projected"
        yield Sequence(
            subject,
            action,
            camera,
            files.rules.fps,
            camera.width,
            camera.height,
            skeleton_in,
            keypoints,
            scores,
            None if seen is None else files.rules.skeleton,
            seen,
            keypoints_at=at,
            joints_at=joints_at,
        )


def _cameras(files: _Files, subject: str, views: int | None) -> tuple[DatasetCamera, ...]:
    """Those of a subject, each of which has its 2D."""
    if files.cameras_path is None:
        data = files.joints_path or files.keypoints_path
        raise DataError(
            f"{data}: its cameras are missing; give a JSON file of them too (its layout is "
            "described in vp3d_cli/datasets/formats/_camera_file.py)"
        )
    found = files.cameras.get(subject, files.cameras.get(subject.rpartition("/")[2]))
    if not found:
        there = sources.listed(sorted(files.cameras))
        raise DataError(
            f"{files.cameras_path}: expected cameras of {subject!a}, got those of {there}"
        )
    if views is not None and views != len(found):
        raise DataError(
            f"{files.cameras_path}: {subject}: expected {views} cameras, as many as "
            f"{files.keypoints_path} has, got {len(found)}"
        )
    if files.joints and any(camera.position is None for camera in found):
        raise DataError(
            f"{files.cameras_path}: {subject}: rotation and position are missing; the joints of "
            f"{files.joints_path} are in world axes"
        )
    return found


def _joints(where: str, value: Any, rules: Rules) -> Float:
    """Joints (T, K, 3) world metres."""
    array = _array(where, value, (rules.num_joints, 3))
    return np.asarray(array[:, rules.kept], np.float32)


def _keypoints(
    where: str, value: Any, skeleton: Skeleton, length: int | None
) -> tuple[Float, Float | None]:
    """Keypoints (T, J, 2) cut to the length of the 3D, and scores where the file has them."""
    channels = 3 if isinstance(value, np.ndarray) and value.shape[-1:] == (3,) else 2
    array = _array(where, value, (skeleton.num_joints, channels))
    if length is not None and len(array) < length:
        raise DataError(f"{where}: expected {length} frames, as the 3D has, got {len(array)}")
    cut = np.asarray(array[:length], np.float32)
    return cut[..., :2], cut[..., 2] if channels == 3 else None


def _array(where: str, value: Any, shape: tuple[int, int]) -> NDArray[Any]:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise DataError(f"{where}: expected an array of numbers")
    if value.ndim != 3 or value.shape[1:] != shape:
        wanted = f"(T, {shape[0]}, {shape[1]})"
        raise SkeletonMismatchError(f"{where}: expected shape {wanted}, got {value.shape}")
    return value
