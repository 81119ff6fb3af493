"""People and frame numbers in JSON, each value checked and named by its place in the file."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vp3d_cli.keypoints._rows import Rows
from vp3d_cli.types import Double, Json

_HALF_PX = 0.5
_MAX_INT32 = (1 << 31) - 1
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Person:
    """One person in one frame, as the file has it.

    Attributes:
        frame: its number.
        points: (J, 3) x, y and a score or flag; NaN where missing.
        score: of the person; None where the file does not say.
        box: x0 y0 x1 y1; None where the file does not say.
        track_id: None where the file does not say.
    """

    frame: int
    points: Double
    score: float | None = None
    box: tuple[float, ...] | None = None
    track_id: int | None = None


def entry_of(value: Any, where: str) -> Json:
    """A JSON object.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object, got {_kind(value)}")
    return value


def list_of(value: Any, where: str) -> list[Any]:
    """A JSON list.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, list):
        raise ValueError(f"{where}: expected a list, got {_kind(value)}")
    return value


def number(value: Any, where: str) -> float:
    """A finite number.

    Raises:
        ValueError: it is something else.
    """
    _check_number(value, where)
    if math.isnan(value):
        raise ValueError(f"{where}: expected a number, got NaN")
    return float(value)


def whole(value: Any, where: str) -> int:
    """A whole number of 32 bits, perhaps written as 3.0.

    Raises:
        ValueError: it is something else.
    """
    only = number(value, where)
    if only != int(only) or abs(only) > _MAX_INT32:
        raise ValueError(f"{where}: expected a whole number of 32 bits, got {only}")
    return int(only)


def numbers(value: Any, where: str) -> list[float]:
    """A list of numbers; NaN is one, infinity is not.

    Raises:
        ValueError: it is something else.
    """
    values = list_of(value, where)
    for index, item in enumerate(values):
        if type(item) is not float or not abs(item) <= _LARGEST:
            _check_number(item, f"{where}[{index}]")
    return values


def _check_number(value: Any, where: str) -> None:
    """Raise ValueError unless it is a number or NaN."""
    if type(value) not in (int, float):
        raise ValueError(f"{where}: expected a number, got {_kind(value)}")
    if abs(value) > _LARGEST:
        raise ValueError(f"{where}: expected a number, got infinity or nearly so")


def points_of(value: Any, where: str, counts: Sequence[int]) -> Double:
    """Keypoints (J, 3) from x0, y0, c0, x1, y1, c1, ...: NaN where nothing was found.

    Missing is 0, 0, 0, or a NaN.

    Raises:
        ValueError: they are not numbers, or not of one of the `counts`.
    """
    values = numbers(value, where)
    if len(values) not in [3 * count for count in counts]:
        wanted = " or ".join(f"{3 * count} ({count} keypoints)" for count in counts)
        raise ValueError(f"{where}: expected {wanted} numbers, got {len(values)}")
    points = np.array(values, np.float64).reshape(-1, 3)
    points[np.isnan(points).any(-1) | (points == 0).all(-1)] = np.nan
    return points


def box_of(value: Any, where: str) -> tuple[float, ...]:
    """x0 y0 x1 y1 from x, y, width, height.

    Raises:
        ValueError: it is no such box.
    """
    values = numbers(value, where)
    if len(values) != 4 or any(math.isnan(v) for v in values) or min(values[2:]) < 0:
        raise ValueError(f"{where}: expected x, y, width, height, got {values[:8]}")
    x, y, width, height = values
    return x, y, x + width, y + height


def frame_number(image: Any, where: str) -> int:
    """The number of a frame: itself, or the last one in a file name.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(image, str):
        name = re.split(r"[/\\]", image)[-1]
        found = re.findall(r"[0-9]{1,18}", name.rpartition(".")[0] or name)
        if not found:
            raise ValueError(f"{where}: expected a file name with a number, got {image[:80]!a}")
        image = int(found[-1])
    if type(image) is not int or not 0 <= image <= _MAX_INT32:
        what = image if type(image) is int and abs(image) < 1 << 63 else _kind(image)
        raise ValueError(f"{where}: expected a frame number or a file name, got {what}")
    return image


def require_own_frames(entries: Sequence[Any], people: Sequence[Person]) -> None:
    """Refuse different pictures that have the same number, or people would share a frame.

    Args:
        entries: of the people, with `image_id`.
        people: in the same order.

    Raises:
        ValueError: there are such.
    """
    pictures: dict[int, Any] = {}
    for entry, person in zip(entries, people, strict=True):
        image = entry["image_id"]
        if pictures.setdefault(person.frame, image) != image:
            raise ValueError(
                f"image_id: {pictures[person.frame]!a} and {image!a} both give frame "
                f"{person.frame}; write the frame's number as the last one in the name"
            )


def counted_from_0(numbers: Sequence[int]) -> int:
    """What to add to the numbers of all frames of a video so that the first is 0: 0 or -1.

    Tools count from 0 or from 1. A list that names every frame, those without people included,
    tells which. Any other beginning is a part of a video, whose numbers are right as they are.
    """
    return -1 if numbers and min(numbers) == 1 else 0


def rows_of(people: Sequence[Person], num_joints: int, half_px: bool, shift: int = 0) -> Rows:
    """Rows of people, the first `num_joints` of their points.

    Args:
        people: in any order.
        num_joints: of the skeleton.
        half_px: the points are indices of pixels; half a pixel makes them positions.
        shift: added to frame numbers.
    """
    points = np.array([p.points[:num_joints] for p in people], np.float64)
    points = points.reshape(-1, num_joints, 3)
    unknown = (math.nan,) * 4
    known = [p.track_id for p in people if p.track_id is not None]
    return Rows(
        frames=np.array([p.frame + shift for p in people], np.int64),
        keypoints=points[..., :2] + (_HALF_PX if half_px else 0),
        scores=points[..., 2],
        boxes=np.array([p.box or unknown for p in people], np.float64).reshape(-1, 4),
        box_scores=np.array([1.0 if p.score is None else p.score for p in people], np.float64),
        track_ids=np.array(known, np.int64) if len(known) == len(people) > 0 else None,
    )


def _kind(value: Any) -> str:
    names = {
        str: "text",
        dict: "an object",
        list: "a list",
        bool: "true or false",
        type(None): "null",
    }
    return names.get(type(value), "a number")
