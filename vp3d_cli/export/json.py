"""The pose file's fields as JSON for other programs: names, edges, units and axes spelled out.

Numbers are rounded to what a reader can use: 0.01 px, 0.1 mm, 0.001 of a score, 1 µs. Missing
is `null`; a field that is missing throughout a track is a single `null`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import files, pose_file
from vp3d_cli.types import Json, Result

SUFFIX = ".json"
DESCRIPTION = "everything, for other programs; docs/pose.schema.json is its schema"

_PIXEL = "x right, y down, from the top-left corner of the upright frame; pixel centres at +0.5"
_CAMERA = "x right, y down, z forward"
_WORLD = "z up, floor at z = 0"
_2D, _3D = "meta.skeleton_2d.joints", "meta.skeleton_3d.joints"

# Field: what the numbers are, and the decimals kept. Every list has one entry per frame.
FIELDS: dict[str, tuple[Json, int]] = {
    "frame": ({"unit": "index of the decoded video frame, from 0"}, 0),
    "time_s": ({"unit": "s", "meaning": "presentation time"}, 6),
    "boxes": ({"unit": "px", "order": ["x0", "y0", "x1", "y1"], "axes": _PIXEL}, 2),
    "keypoints_2d": ({"unit": "px", "order": [_2D, ["x", "y"]], "axes": _PIXEL}, 2),
    "scores_2d": ({"order": [_2D], "meaning": "the detector's; ranks, no probability"}, 3),
    "observed": ({"meaning": "false: the frame was filled in"}, 0),
    "joints_3d": (
        {
            "unit": "m",
            "order": [_3D, ["x", "y", "z"]],
            "axes": _CAMERA,
            "origin": "meta.skeleton_3d.root",
        },
        4,
    ),
    "confidence_3d": ({"order": [_3D], "meaning": "from 0 to 1"}, 3),
    "root_camera": (
        {
            "unit": "m",
            "order": ["x", "y", "z"],
            "axes": _CAMERA,
            "origin": "the camera",
            "meaning": "the joint meta.skeleton_3d.root",
        },
        4,
    ),
    "joints_world": ({"unit": "m", "order": [_3D, ["x", "y", "z"]], "axes": _WORLD}, 4),
    "joints_3d_raw": (
        {
            "unit": "m",
            "order": [_3D, ["x", "y", "z"]],
            "axes": _CAMERA,
            "origin": "meta.skeleton_3d.root",
            "meaning": "as the lifter gave them: neither smoothed nor of constant bones",
        },
        4,
    ),
    "residual_px": (
        {"unit": "px", "meaning": "root mean square distance of projected joints from keypoints"},
        2,
    ),
    "foot_contacts": ({"order": ["left", "right"], "meaning": "the foot is on the ground"}, 0),
    "identity_risk": ({"meaning": "somebody else was so close that the two may be mixed up"}, 0),
}


def write(result: Result, path: Path) -> None:
    """Write one JSON object, a field of a track at a time.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    head = {
        "schema": pose_file.SCHEMA,
        "meta": pose_file.metadata(result),
        "fields": {key: about for key, (about, _) in FIELDS.items()},
        "camera_to_world": _matrix(result),
    }
    with (
        files.written_whole(path) as temporary,
        # The same bytes on every system.
        temporary.open("w", encoding="ascii", newline="\n") as stream,
    ):
        stream.write("{\n")
        stream.writelines(f"{_dump(key)}: {_dump(value)},\n" for key, value in head.items())
        stream.write('"tracks": [')
        stream.writelines(_track_lines(result))
        stream.write("\n]\n}\n")


def _matrix(result: Result) -> list[list[float]] | None:
    return result.world.camera_to_world.tolist() if result.world.is_known else None


def _track_lines(result: Result) -> Iterator[str]:
    for position, columns in enumerate(pose_file.track_columns(result)):
        opening = "," if position else ""
        yield f'{opening}\n{{\n"track_id": {int(columns["track_id"][0])}'
        for key, (_, decimals) in FIELDS.items():
            yield f",\n{_dump(key)}: {_dump(_plain(columns[key], decimals))}"
        yield "\n}"


def _plain(column: NDArray[Any], decimals: int) -> list[Any] | None:
    """Rounded numbers with None for NaN; None alone where nothing is known."""
    if column.dtype.kind != "f":
        values: list[Any] = column.tolist()
        return values
    missing = np.isnan(column)
    if missing.all():
        return None
    # Double, so that 0.1 prints as 0.1; adding 0 turns -0.0 into 0.0.
    rounded = (column.astype(np.float64).round(decimals) + 0.0).astype(object)
    rounded[missing] = None
    values = rounded.tolist()
    return values


def _dump(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
