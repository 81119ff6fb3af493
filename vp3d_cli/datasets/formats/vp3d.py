"""Our own: a plain NPZ that anybody can write with `np.savez`, without pickles.

All sequences lie end to end: F frames, S sequences, C cameras. What is marked (S) may also be
one value for all.

- `sequence_start` (S + 1,) integers: the first frame of each sequence, and F
- `subject`, `action` (S) text; `fps` (S) frames a second
- `joints_3d` (F, K, 3) metres, NaN in all of a sequence that has none; `skeleton_3d` names the
  skeleton [h36m17]; `space` (S) is "world" (z up) or "camera" (x right, y down, z forward; not
  relative to the root)
- `keypoints_2d` (F, J, 2) pixels, origin at the top-left corner, NaN where missing; `scores_2d`
  (F, J) 0 to 1; `skeleton_2d` names the skeleton [coco17]
- `camera` (S) integers: which camera saw it, -1 for none. Without this array a single camera saw
  everything, and every camera saw joints that are in the world and have no 2D
- `camera_name` (C,) text, `camera_size` (C, 2) width and height, `camera_focal` (C, 2) and
  `camera_centre` (C, 2) pixels, `camera_radial` (C, 3) k1 k2 k3 [0], `camera_tangential` (C, 2)
  p1 p2 [0] (Human3.6M's lens model, `DatasetCamera.project`; OpenCV's tangential terms are
  others), `camera_rotation` (C, 3, 3) world axes to camera axes, `camera_position` (C, 3)
  metres; these two are NaN, or left out, where they are not known
- `width`, `height` (S) pixels, where there is no camera
- optional: `schema`, text: "vp3d.dataset/1"

There must be joints or keypoints. A sequence with joints and a camera but without 2D gets that of
the projected joints, lens included.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz, sources
from vp3d_cli.datasets.cameras import DatasetCamera
from vp3d_cli.datasets.choice import Choice
from vp3d_cli.datasets.formats import _vp3d_writer
from vp3d_cli.datasets.formats._camera_file import require_plausible
from vp3d_cli.datasets.formats.mocap import require_spans
from vp3d_cli.datasets.sequence import SPACES, Sequence
from vp3d_cli.errors import Vp3dError
from vp3d_cli.skeletons import get
from vp3d_cli.types import Float, Skeleton

DESCRIPTION = "vp3d's own: an NPZ with sequence_start, subject, action, fps, joints_3d, ..."
SUFFIX = ".npz"
COMPANION = ""
TOGETHER = False
SCHEMA = _vp3d_writer.SCHEMA

write = _vp3d_writer.write

# What an array holds (kinds of NumPy types), its shape in the module's letters, and whether one
# value may stand for all. In the order of reading: the first give the letters their sizes.
_LAYOUT: dict[str, tuple[str, tuple[str | int, ...], bool]] = {
    "schema": ("U", (), False),
    "skeleton_2d": ("U", (), False),
    "skeleton_3d": ("U", (), False),
    "sequence_start": ("iu", ("S+1",), False),
    "subject": ("U", ("S",), True),
    "action": ("U", ("S",), True),
    "fps": ("fiu", ("S",), True),
    "space": ("U", ("S",), True),
    "camera": ("iu", ("S",), True),
    "width": ("iu", ("S",), True),
    "height": ("iu", ("S",), True),
    "camera_name": ("U", ("C",), False),
    "camera_size": ("iu", ("C", 2), False),
    "camera_focal": ("fiu", ("C", 2), False),
    "camera_centre": ("fiu", ("C", 2), False),
    "camera_radial": ("fiu", ("C", 3), False),
    "camera_tangential": ("fiu", ("C", 2), False),
    "camera_rotation": ("fiu", ("C", 3, 3), False),
    "camera_position": ("fiu", ("C", 3), False),
    "joints_3d": ("fiu", ("F", "K", 3), False),
    "keypoints_2d": ("fiu", ("F", "J", 2), False),
    "scores_2d": ("fiu", ("F", "J"), False),
}
_NEEDED = ("sequence_start", "subject", "action", "fps")
_NEEDED_OF_CAMERAS = ("camera_name", "camera_size", "camera_focal", "camera_centre")
_KINDS = {"U": "text", "iu": "integers", "fiu": "numbers"}
_SKELETONS = {"skeleton_2d": "coco17", "skeleton_3d": "h36m17"}

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Content:
    path: Path
    arrays: Arrays
    skeleton_2d: Skeleton
    skeleton_3d: Skeleton
    cameras: tuple[DatasetCamera, ...]


def recognise(path: Path) -> bool:
    """Whether it is an archive with sequence_start."""
    return "sequence_start" in npz.keys(path)


def read(paths: tuple[Path, ...], choice: Choice) -> Iterator[Sequence]:
    """Read every sequence of every file.

    Raises:
        DataError: a file is malformed; see the module.
    """
    for path in paths:
        with sources.explained(path, "vp3d"):
            content = _content(path)
            who = zip(content.arrays["subject"], content.arrays["action"], strict=True)
            wanted = [s for s, names in enumerate(who) if choice.takes(*map(str, names))]
            views = [(s, camera) for s in wanted for camera in _seen_by(content, s)]
        for s, camera in views:
            with sources.explained(path, "vp3d"):
                sequence = _sequence(content, s, camera)
            yield sequence


def _content(path: Path) -> _Content:
    with npz.opened(path) as archive:
        arrays = _arrays(path, archive)
    if str(arrays.get("schema", SCHEMA)) != SCHEMA:
        raise ValueError(f"schema: expected {SCHEMA}, got {str(arrays['schema'])[:40]!a}")
    _check_values(arrays)
    cameras = tuple(_camera(arrays, c) for c in range(len(arrays.get("camera_name", ()))))
    _check_cameras(arrays, len(cameras))
    skeleton_2d, skeleton_3d = (_skeleton(arrays, key) for key in _SKELETONS)
    return _Content(path, arrays, skeleton_2d, skeleton_3d, cameras)


def _arrays(path: Path, archive: zipfile.ZipFile) -> Arrays:
    """Every array of ours in the file, of the shape it should have.

    Raises:
        ValueError: one is missing, damaged, or of another shape or type.
    """
    held = npz.keys(path)
    needed = [*_NEEDED, *(_NEEDED_OF_CAMERAS if any(k.startswith("camera_") for k in held) else ())]
    needed += ["space"] if "joints_3d" in held else []
    if missing := [key for key in needed if key not in held]:
        raise ValueError(f"{', '.join(missing)}: missing; got {sources.listed(sorted(held))}")
    if held.isdisjoint(("joints_3d", "keypoints_2d")):
        raise ValueError(f"joints_3d or keypoints_2d: missing; got {sources.listed(sorted(held))}")
    arrays: Arrays = {}
    sizes: dict[str, int] = {}
    for key, (kinds, letters, one_for_all) in _LAYOUT.items():
        if key not in held:
            continue
        with sources.named(key):
            array = npz.read_array(archive, key, npz.max_bytes(path))
            if array.dtype.kind not in kinds:
                raise ValueError(f"expected {_KINDS[kinds]}, got {array.dtype}")
            if key == "sequence_start":
                if array.ndim != 1 or len(array) < 2:
                    what = f"got shape {array.shape}"
                    raise ValueError(f"expected the start of each sequence, and the end; {what}")
                sizes |= {"S+1": len(array), "S": len(array) - 1, "F": int(array[-1])}
                sizes |= {
                    letter: _skeleton(arrays, name).num_joints
                    for letter, name in zip("JK", _SKELETONS, strict=True)
                }
            if key == "camera_name":
                sizes["C"] = array.size
            wanted = tuple(sizes.get(n, 0) if isinstance(n, str) else n for n in letters)
            if one_for_all and array.ndim == 0:
                array = np.broadcast_to(array, wanted)
            _check_shape(array, wanted, letters)
        arrays[key] = array
    return arrays


def _check_shape(
    array: NDArray[Any], wanted: tuple[int, ...], letters: tuple[str | int, ...]
) -> None:
    if array.shape == wanted:
        return
    message = f"expected shape {wanted}, got {array.shape}"
    if letters[0] == "F" and array.ndim == len(wanted) and array.shape[0] == wanted[0]:
        message += "; skeleton_2d and skeleton_3d name the joints"
    raise ValueError(message)


def _check_values(arrays: Arrays) -> None:
    starts, fps = arrays["sequence_start"], arrays["fps"]
    require_spans("sequence_start", starts, int(starts[-1]))
    if not (np.isfinite(fps) & (fps > 0)).all():
        raise ValueError(f"fps: expected numbers above 0, got {fps[~(fps > 0)][:1].tolist()}")
    for space in np.unique(arrays.get("space", np.array([], str))):
        if space not in SPACES:
            raise ValueError(f"space: expected camera or world, got {str(space)[:40]!a}")
    for side in ("width", "height"):
        if side in arrays and not ((arrays[side] >= 0) & (arrays[side] < 1 << 16)).all():
            raise ValueError(f"{side}: expected pixels, got {int(arrays[side].min())}")


def _check_cameras(arrays: Arrays, count: int) -> None:
    index = arrays.get("camera")
    if index is not None and not ((index >= -1) & (index < count)).all():
        wrong = index[(index < -1) | (index >= count)][0]
        raise ValueError(f"camera: expected an index of the {count} cameras or -1, got {wrong}")


def _skeleton(arrays: Arrays, key: str) -> Skeleton:
    try:
        return get(str(arrays.get(key, _SKELETONS[key])))
    except Vp3dError as error:
        raise ValueError(f"{key}: {error}") from error


def _camera(arrays: Arrays, c: int) -> DatasetCamera:
    def row(key: str, otherwise: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(arrays[key][c] if key in arrays else otherwise, np.float64)

    rotation = row("camera_rotation", np.full((3, 3), np.nan))
    position = row("camera_position", np.full(3, np.nan))
    placed = not (np.isnan(rotation).all() and np.isnan(position).all())
    width, height = (int(side) for side in arrays["camera_size"][c])
    name = str(arrays["camera_name"][c])
    with sources.named(f"camera {name[:40]!a}"):
        if not (0 < width < 1 << 16 and 0 < height < 1 << 16):
            raise ValueError(f"camera_size: expected pixels, got {width} x {height}")
        lens = [row("camera_radial", np.zeros(3)), row("camera_tangential", np.zeros(2))]
        known = [row("camera_focal", np.zeros(2)), row("camera_centre", np.zeros(2)), *lens]
        if not all(np.isfinite(a).all() for a in (*known, *([rotation, position] * placed))):
            raise ValueError("expected finite numbers, got NaN or infinity")
        place = (rotation, position) if placed else (None, None)
        camera = DatasetCamera(name, width, height, *known, *place)
        require_plausible(camera)
    return camera


def _seen_by(content: _Content, s: int) -> tuple[DatasetCamera | None, ...]:
    """The cameras of a sequence; None for none."""
    arrays, cameras = content.arrays, content.cameras
    if "camera" in arrays:
        index = int(arrays["camera"][s])
        return (cameras[index] if index >= 0 else None,)
    if len(cameras) <= 1:
        return cameras or (None,)
    if "keypoints_2d" in arrays or str(arrays["space"][s]) == "camera":
        raise ValueError(f"camera: missing; it says which of {len(cameras)} cameras saw a sequence")
    return cameras


def _sequence(content: _Content, s: int, camera: DatasetCamera | None) -> Sequence:
    arrays = content.arrays
    rows = slice(int(arrays["sequence_start"][s]), int(arrays["sequence_start"][s + 1]))
    joints, keypoints, scores = (
        _span(arrays, key, rows) for key in ("joints_3d", "keypoints_2d", "scores_2d")
    )
    subject, action = str(arrays["subject"][s]), str(arrays["action"][s])
    with sources.named(f"sequence {s} ({subject} {action})"):
        space = "camera" if joints is None else str(arrays["space"][s])
        if space == "world" and joints is not None and camera is not None:
            joints, space = np.asarray(camera.to_camera(joints), np.float32), "camera"
        if space == "world" and keypoints is not None:
            raise ValueError("camera: missing; joints_3d are in the world, and have keypoints_2d")
        skeleton_in, at = content.skeleton_2d, f"{content.path}: keypoints_2d[{_shown(rows)}]"
        joints_at = f"{content.path}: joints_3d[{_shown(rows)}]"
        if keypoints is None and joints is not None and camera is not None:
            keypoints = np.asarray(camera.project(joints), np.float32)
            skeleton_in, at, scores = content.skeleton_3d, f"{joints_at}, projected", None
        if joints is None and keypoints is None:
            raise ValueError(f"joints_3d, keypoints_2d: all NaN in frames {_shown(rows)}")
        width, height = _size(arrays, s, camera)
        if keypoints is not None and not (width and height):
            raise ValueError("width, height: missing; keypoints_2d need a camera or a size")
        return Sequence(
            subject,
            action,
            camera,
            float(arrays["fps"][s]),
            width,
            height,
            None if keypoints is None else skeleton_in,
            keypoints,
            None if keypoints is None else scores,
            None if joints is None else content.skeleton_3d,
            joints,
            space,
            at,
            joints_at,
        )


def _size(arrays: Arrays, s: int, camera: DatasetCamera | None) -> tuple[int, int]:
    if camera is not None:
        return camera.width, camera.height
    width, height = (int(arrays[k][s]) if k in arrays else 0 for k in ("width", "height"))
    return width, height


def _span(arrays: Arrays, key: str, rows: slice) -> Float | None:
    """The rows of an array; None where it is missing or all NaN."""
    if key not in arrays:
        return None
    span = np.asarray(arrays[key][rows], np.float32)
    return None if np.isnan(span).all() else span


def _shown(rows: slice) -> str:
    return f"{rows.start}:{rows.stop}"
