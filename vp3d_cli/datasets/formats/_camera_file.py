"""Cameras in a JSON file that the user writes: {subject: [camera, ...]}.

The cameras of a subject come in the order of the 2D. One is an object of

- `name`: text; optional, its place in the list
- `width`, `height`: of the picture, pixels
- `focal` [x, y] and `centre` [x, y]: pixels, from the picture's top-left corner
- `radial` [k1, k2, k3] and `tangential` [p1, p2]: of the lens; optional, 0
- `rotation`: 3 rows of 3, world axes to camera axes (x right, y down, z forward)
- `position` [x, y, z]: of the camera in the world, metres

`rotation` and `position` are needed for 3D. Tables that give a quaternion from camera to world,
as those published for Human3.6M do, need the transpose of its matrix here, and metres.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli import sources
from vp3d_cli.datasets.cameras import DatasetCamera
from vp3d_cli.errors import DataError, one_line
from vp3d_cli.types import Double, Json

_MAX_JSON_BYTES = 16 << 20
_KEYS = {"name", "width", "height", "focal", "centre", "radial", "tangential"}
_KEYS |= {"rotation", "position"}
_FARTHEST_M = 100
_MOST_PX = 1 << 16


def read(path: Path) -> dict[str, tuple[DatasetCamera, ...]]:
    """The cameras of each subject.

    Raises:
        DataError: it is malformed.
    """
    try:
        content = sources.load_json(path, _MAX_JSON_BYTES)
        if not isinstance(content, dict) or not all(isinstance(c, list) for c in content.values()):
            raise ValueError("expected an object of lists of cameras, by subject")
        return {
            subject: tuple(
                _camera(f"{subject[:80]}[{i}]", entry, i) for i, entry in enumerate(entries)
            )
            for subject, entries in content.items()
        }
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{path}: {one_line(error)}") from error


def _camera(where: str, entry: Any, index: int) -> DatasetCamera:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: expected an object")
    if unknown := sorted(entry.keys() - _KEYS):
        raise ValueError(
            f"{where}: expected some of {', '.join(sorted(_KEYS))}, got {unknown[0][:80]!a}"
        )
    placed = "rotation" in entry or "position" in entry
    with sources.named(where):
        camera = DatasetCamera(
            str(entry.get("name", index)),
            _size(entry, "width"),
            _size(entry, "height"),
            _numbers(entry, "focal", (2,)),
            _numbers(entry, "centre", (2,)),
            _numbers({"radial": [0, 0, 0], **entry}, "radial", (3,)),
            _numbers({"tangential": [0, 0], **entry}, "tangential", (2,)),
            _numbers(entry, "rotation", (3, 3)) if placed else None,
            _numbers(entry, "position", (3,)) if placed else None,
        )
        require_plausible(camera)
    return camera


def require_plausible(camera: DatasetCamera) -> None:
    """Raise ValueError for numbers in other units than ours."""
    if camera.focal.min() <= 0:
        raise ValueError(f"focal: expected pixels above 0, got {camera.focal.tolist()}")
    if camera.focal.max() < 10:
        raise ValueError(f"focal: expected pixels, got {camera.focal.tolist()}: normalised?")
    if camera.position is not None and np.abs(camera.position).max() > _FARTHEST_M:
        raise ValueError(f"position: expected metres, got {camera.position.tolist()}: millimetres?")


def _size(entry: Json, key: str) -> int:
    value = entry.get(key)
    if type(value) is not int or not 0 < value <= _MOST_PX:
        raise ValueError(f"{key}: expected whole pixels, got {_shown(value)}")
    return value


def _numbers(entry: Json, key: str, shape: tuple[int, ...]) -> Double:
    if key not in entry:
        raise ValueError(f"{key}: is missing")
    try:
        array = np.array(entry[key], np.float64)
    except (TypeError, ValueError, OverflowError, RecursionError):
        array = np.array(np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{key}: expected numbers of shape {shape}, got {_shown(entry[key])}")
    return array


def _shown(value: Any) -> str:
    try:
        return ascii(value)[:60]
    except RecursionError:
        return "lists in lists in lists"
