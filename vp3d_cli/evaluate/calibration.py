"""Folders of calibrated views: cameras, videos and reference joints.

A folder holds three things.

1. `calibration.toml` or `calibration.json`: a table for each camera, as Pose2Sim and Anipose
   write them. Other tables are passed over.

       [cam01]
       name = "cam01"                      # optional; else the table's
       video = "cam01.mp4"                 # optional; else the file of that name in the folder
       size = [1080, 1920]                 # pixels, upright
       matrix = [[1600.0, 0.0, 540.0], [0.0, 1600.0, 960.0], [0.0, 0.0, 1.0]]
       distortions = [0.0, 0.0, 0.0, 0.0]  # k1 k2 p1 p2 [k3], as in OpenCV
       rotation = [0.0, 0.0, 0.0]          # world to camera: axis times angle, radians
       translation = [0.0, 0.0, 4.0]       # world to camera, metres

2. The videos.
3. `reference.npz`, without pickles:

       joint_names  (J,)      text; limbs as right_shoulder or RShoulder, ankles as ankle or foot
       joints       (F, J, 3) metres in the world of the calibration, NaN where unknown; or
       joints_NAME  (F, J, 3) metres in the axes of camera NAME (x right, y down, z forward)
       frame        (F,)      optional: the video frame of each row, from 0; else 0, 1, 2 ...
       subject, action        optional text
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vp3d_cli import npz, skeletons, sources
from vp3d_cli.datasets import DatasetCamera
from vp3d_cli.errors import DataError, one_line
from vp3d_cli.evaluate.matching import plain_name
from vp3d_cli.types import Double, Int, Skeleton

CALIBRATIONS = ("calibration.toml", "calibration.json")
REFERENCE = "reference.npz"
# What a folder's files are called, whatever the cameras' names.
FIXED_NAMES = (*CALIBRATIONS, REFERENCE)
_VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
# Nobody is seen from farther away, metres; millimetres look like this.
_FARTHEST_M = 200.0
_MOST_FRAMES = 2**31 - 1
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class View:
    """One camera's video and what is known of the person in it.

    Attributes:
        camera: calibrated.
        video: the file.
        frames: (F,) video frames of the reference, ascending.
        joints: (F, J, 3) metres, camera axes, absolute; NaN where unknown.
        skeleton: of the joints.
        subject, action: who does what.
    """

    camera: DatasetCamera
    video: Path
    frames: Int
    joints: Double
    skeleton: Skeleton
    subject: str
    action: str


@dataclass(frozen=True)
class _Reference:
    arrays: dict[str, NDArray[Any]]
    skeleton: Skeleton
    path: Path


def is_view_folder(path: Path) -> bool:
    """Whether a path is a folder with a calibration in it."""
    return path.is_dir() and any((path / name).is_file() for name in CALIBRATIONS)


def files_of(folder: Path, views: tuple[View, ...]) -> tuple[Path, ...]:
    """Every file that an evaluation of a folder rests on."""
    calibration = [folder / name for name in CALIBRATIONS if (folder / name).is_file()]
    return (*calibration, folder / REFERENCE, *(view.video for view in views))


@np.errstate(all="ignore")  # what overflows is found and said by the checks
def read_views(folder: Path) -> tuple[View, ...]:
    """Read and check a folder; its videos are looked for, not opened.

    Raises:
        DataError: something is missing, malformed, or cannot be metres.
    """
    found = [folder / name for name in CALIBRATIONS if (folder / name).is_file()]
    if len(found) != 1:
        raise DataError(f"{folder}: expected one of {' and '.join(CALIBRATIONS)}")
    tables = {
        name: table
        for name, table in _tables(found[0]).items()
        if isinstance(table, Mapping) and "matrix" in table
    }
    if not tables:
        raise DataError(f"{found[0]}: expected a table with a matrix for each camera")
    reference = _read_reference(folder / REFERENCE)
    return tuple(_view(found[0], name, table, reference) for name, table in tables.items())


def _tables(path: Path) -> Mapping[str, Any]:
    try:
        is_json = path.suffix == ".json"
        content = sources.load_json(path, _MAX_BYTES) if is_json else sources.load_toml(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a table for each camera")
    return content


def _view(path: Path, key: str, table: Mapping[str, Any], reference: _Reference) -> View:
    camera = _camera(path, key, table)
    arrays, folder = reference.arrays, path.parent
    own = f"joints_{camera.name}"
    if own in arrays:
        joints = arrays[own].astype(np.float64)
    elif "joints" in arrays:
        joints = camera.to_camera(arrays["joints"].astype(np.float64))
    else:
        raise DataError(f"{reference.path}: expected the key joints, or {own} for {camera.name}")
    _require_metres(reference.path, camera.name, joints)
    return View(
        camera=camera,
        video=_video(path, camera.name, table),
        frames=arrays["frame"].astype(np.int32),
        joints=joints,
        skeleton=reference.skeleton,
        subject=str(arrays.get("subject", "subject")),
        action=str(arrays.get("action", folder.resolve().name)),
    )


def _camera(path: Path, key: str, table: Mapping[str, Any]) -> DatasetCamera:
    try:
        return _checked_camera(path, one_line(key, 80), table)
    except ValueError as error:
        raise DataError(f"{path}: {one_line(key, 80)}: {error}") from error


def _checked_camera(path: Path, key: str, table: Mapping[str, Any]) -> DatasetCamera:
    matrix = _numbers(path, key, table, "matrix", (9,), "3 x 3 numbers").reshape(3, 3)
    size = _numbers(path, key, table, "size", (2,), "width and height")
    lens = _numbers(path, key, table, "distortions", (4, 5), "k1 k2 p1 p2, perhaps k3", zero=True)
    rotation = _numbers(path, key, table, "rotation", (3,), "3 numbers")
    translation = _numbers(path, key, table, "translation", (3,), "3 numbers")
    k1, k2, p1, p2, k3 = np.append(lens, 0)[:5]
    turn = Rotation.from_rotvec(rotation).as_matrix()
    if min(matrix[0, 0], matrix[1, 1], *size) <= 0:
        raise DataError(f"{path}: {key}: expected a focal length and a size above 0")
    if table.get("fisheye"):
        raise DataError(f"{path}: {key}: a fisheye lens; expected a calibration without one")
    return DatasetCamera(
        name=one_line(table.get("name", key), 200),
        width=int(size[0]),
        height=int(size[1]),
        focal=matrix[[0, 1], [0, 1]],
        centre=matrix[:2, 2],
        radial=np.array([k1, k2, k3]),
        # VideoPose3D's order is the other one, and its terms are a little weaker; that only
        # serves to find the person in the picture.
        tangential=np.array([p2, p1]),
        rotation=turn,
        position=-turn.T @ translation,
    )


def _numbers(
    path: Path,
    key: str,
    table: Mapping[str, Any],
    name: str,
    sizes: tuple[int, ...],
    expected: str,
    *,
    zero: bool = False,
) -> Double:
    if zero and name not in table:
        return np.zeros(sizes[-1])
    try:
        numbers = np.asarray(table[name], np.float64).ravel()
        if len(numbers) in sizes and np.isfinite(numbers).all():
            return numbers
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError):
        pass
    got = one_line(table.get(name, "nothing"), 80)
    raise DataError(f"{path}: {key}.{name}: expected {expected}, got {got}")


def _video(path: Path, name: str, table: Mapping[str, Any]) -> Path:
    if "video" in table:
        video = path.parent / str(table["video"])
        found = [video] if video.is_file() else []
        wanted = str(video)
    else:
        candidates = [path.parent / f"{name}{suffix}" for suffix in _VIDEOS]
        found = [video for video in candidates if video.is_file()]
        wanted = f"{path.parent / name}{_VIDEOS[0]} (or {', '.join(_VIDEOS[1:])})"
    if len(found) != 1:
        raise DataError(
            f"{path}: {name}: its video is not there: expected one file {wanted}; "
            'or name it with video = "FILE"'
        )
    return found[0]


def _read_reference(path: Path) -> _Reference:
    if not path.is_file():
        raise DataError(f"{path}: is missing; expected the reference joints, as `vp3d evaluate`")
    try:
        with npz.opened(path) as archive:
            most = npz.max_bytes(path)
            arrays = {key: npz.read_array(archive, key, most) for key in sorted(npz.keys(path))}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {one_line(error)}") from error
    if "joint_names" not in arrays:
        raise DataError(f"{path}: joint_names: is missing")
    names = tuple(plain_name(str(name)) for name in arrays["joint_names"].ravel())
    if len(set(names)) != len(names):
        raise DataError(
            f"{path}: joint_names: expected every name once, got {sources.listed(names)}"
        )
    lengths = set()
    for key, joints in arrays.items():
        if key == "joints" or (key.startswith("joints_") and joints.ndim == 3):
            if joints.dtype.kind != "f" or joints.shape[1:] != (len(names), 3):
                raise DataError(
                    f"{path}: {key}: expected (frames, {len(names)}, 3) floating-point numbers, "
                    f"got {joints.shape} of {joints.dtype}"
                )
            lengths.add(len(joints))
    if len(lengths) != 1 or lengths == {0}:
        raise DataError(f"{path}: expected joints of one length, got {sorted(lengths) or 'none'}")
    frame = arrays.setdefault("frame", np.arange(lengths.pop()))
    expected = next(len(a) for key, a in arrays.items() if key.startswith("joints"))
    ascending = frame.ndim == 1 and frame.dtype.kind in "iu" and np.all(np.diff(frame) > 0)
    if not ascending or len(frame) != expected or not 0 <= frame[0] <= frame[-1] <= _MOST_FRAMES:
        raise DataError(f"{path}: frame: expected {expected} ascending whole numbers from 0")
    return _Reference(arrays, _skeleton(names), path)


def _skeleton(names: tuple[str, ...]) -> Skeleton:
    h36m = skeletons.get("h36m17")
    return h36m if names == h36m.joints else Skeleton("reference", names, ())


def _require_metres(path: Path, camera: str, joints: Double) -> None:
    depth = joints[np.isfinite(joints).all(-1)][..., 2]
    if not len(depth):
        raise DataError(f"{path}: no joint is known for {camera}")
    middle = float(np.median(depth))
    if not 0 < middle < _FARTHEST_M:
        raise DataError(
            f"{path}: the person is {middle:.4g} m in front of {camera}: expected 0 to "
            f"{_FARTHEST_M:g} m; are the units metres, and rotation and translation from world "
            "to camera?"
        )
