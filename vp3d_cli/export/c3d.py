"""Joints as the points of a C3D file, for motion-capture programs.

Millimetres, z up, x right, y away (POINT:X_SCREEN +X, Y_SCREEN +Z); VP3D:REFERENCE holds the frame
of reference (`_frame.py`). Labels are our joint names, with several people "person1:left_knee",
as Vicon's programs write subjects. A point that is missing has the residual -1. The format has one
rate and no times: there is a frame for every video frame from the first with somebody to the last,
at the average rate, and numbers start at the frame's index plus 1. Nobody found: one frame in which
all is missing. The format counts to 65535 frames. Needs ezc3d: pip install 'vp3d[c3d]'.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli import files
from vp3d_cli.errors import DataError
from vp3d_cli.export import _frame, _needs
from vp3d_cli.types import Bool, Result

SUFFIX = ".c3d"
REAL_TIME = True
DESCRIPTION = "points for motion-capture programs: all people, millimetres, z up; needs vp3d[c3d]"
NEEDS = ("ezc3d", "c3d")

_MOST_FRAMES = 65535


def write(result: Result, path: Path) -> None:
    """Write the points.

    Raises:
        BackendUnavailableError: ezc3d is not installed.
        DataError: there are more frames than a C3D file can count.
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    ezc3d = _needs.loaded("ezc3d", "c3d")
    if (count := _frame.num_frames(result)) > _MOST_FRAMES:
        raise DataError(
            f"{path}: a C3D file holds {_MOST_FRAMES} frames, but there are {count}; "
            "make poses of parts of the video, with --start and --end"
        )
    rows = _frame.side_by_side(result, every_frame=True)
    points = np.moveaxis(1000 * _frame.with_z_up(rows.points, rows.reference), 0, -1)
    missing: Bool = np.isnan(points.sum(1))  # (points, frames)
    count = points.shape[-1]
    first = int(rows.frames[0])
    made = ezc3d.c3d()
    _describe(made, rows, missing)
    made["header"]["points"]["first_frame"] = first if first + count <= _MOST_FRAMES else 0
    whole = np.ones((4, *missing.shape))
    whole[:3] = np.where(missing[:, None], 0, points).swapaxes(0, 1)
    made["data"]["points"] = whole
    made["data"]["meta_points"]["residuals"] = np.where(missing, -1.0, 0.0)[None]
    made["data"]["meta_points"]["camera_masks"] = np.zeros((7, *missing.shape), bool)
    with files.written_whole(path) as temporary:
        made.write(str(temporary))


def _describe(made: Any, rows: _frame.Rows, missing: Bool) -> None:
    """The parameters of the file."""
    joints = _frame.plain_names(rows.skeleton.joints)
    several = len(rows.people) > 1
    prefixes = [f"person{person}:" if several else "" for person in rows.people or (1,)]
    point = made["parameters"]["POINT"]
    point["RATE"]["value"] = [rows.fps]
    point["UNITS"]["value"] = ["mm"]
    point["LABELS"]["value"] = [f"{prefix}{joint}" for prefix in prefixes for joint in joints]
    point["DESCRIPTIONS"]["value"] = ["" for _ in range(len(missing))]
    made.add_parameter("POINT", "X_SCREEN", ["+X"])
    made.add_parameter("POINT", "Y_SCREEN", ["+Z"])
    made.add_parameter("VP3D", "REFERENCE", [_frame.ABOUT[rows.reference]])
