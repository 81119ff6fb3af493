"""Markers for OpenSim and Pose2Sim: TRC, a row of tab-separated numbers a frame.

Metres, y up, x right, z to the viewer (`_frame.py`); the first line ends with the frame of
reference. Times are those of the video, DataRate is their average, Frame# is the frame's index
plus 1. NaN is missing, the word that OpenSim reads: blanks at the end of a line are an error to it.
Nobody found: one frame in which everything is missing, since OpenSim never ends reading none.

Markers are the joints, named as Pose2Sim names the same points (Hip, RHip, RKnee, RAnkle, ...,
Head), and Spine, Thorax (between the shoulders) and UpperNeck (below the chin), which it has not.
A file holds one person; `write` puts several side by side, as person1_RHip.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vp3d_cli import files
from vp3d_cli.export import _frame
from vp3d_cli.types import Result

SUFFIX = ".trc"
REAL_TIME = True
DESCRIPTION = "markers for OpenSim and Pose2Sim: a file a person, metres, y up"
ONE_PERSON = True

_KEYS = (
    *("DataRate", "CameraRate", "NumFrames", "NumMarkers"),
    *("Units", "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames"),
)
_PARTS = {"foot": "Ankle", "neck": "UpperNeck"}


def write(result: Result, path: Path) -> None:
    """Write the markers.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    rows = _frame.side_by_side(result, every_frame=False)
    markers = [_marker(joint) for joint in rows.skeleton.joints]
    if len(rows.people) > 1:
        markers = [f"person{person}_{marker}" for person in rows.people for marker in markers]
    markers = _frame.plain_names(markers)
    count, fps = len(rows.frames), f"{rows.fps:.6f}"
    name = _frame.plain_names([result.video.path.stem])[0]
    values = (fps, fps, count, len(markers), "m", fps, int(rows.frames[0]) + 1, count)
    axes = [f"{axis}{number}" for number in range(1, len(markers) + 1) for axis in "XYZ"]
    head = (
        ("PathFileType", "4", "(X/Y/Z)", f"{name}.trc", _frame.ABOUT[rows.reference]),
        _KEYS,
        values,
        ("Frame#", "Time", *(cell for marker in markers for cell in (marker, "", ""))),
        ("", "", *axes),
        (),
    )
    points = (_frame.with_y_up(rows.points, rows.reference).round(6) + 0.0).reshape(count, -1)
    with (
        files.written_whole(path) as temporary,
        temporary.open("w", encoding="ascii", newline="\n") as stream,
    ):
        stream.writelines("\t".join(map(str, line)) + "\n" for line in head)
        for frame, time_s, numbers in zip(rows.frames, rows.times_s, points, strict=True):
            cells = ["NaN" if np.isnan(number) else f"{number:.6f}" for number in numbers.tolist()]
            stream.write("\t".join([str(frame + 1), f"{time_s:.6f}", *cells]) + "\n")


def _marker(joint: str) -> str:
    """left_knee is LKnee, as Pose2Sim says."""
    side, _, part = joint.rpartition("_")
    named = _PARTS.get(part, part.capitalize())
    return (
        f"{side[0].upper()}{named}"
        if side in ("left", "right")
        else _PARTS.get(joint, joint.capitalize())
    )
