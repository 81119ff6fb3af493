"""Joint angles as text, in degrees: a row per person and frame.

Columns: frame, time_s, track_id, reference, then the angles of `_angles.py`, which defines them,
each with _deg. An empty cell is missing. `reference` is world, or camera, where up is the
camera's, taken for level. Nobody found: the names of the columns alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vp3d_cli import files
from vp3d_cli.export import _angles, _frame
from vp3d_cli.export.csv import lines
from vp3d_cli.pose_file import Table
from vp3d_cli.types import Result

INFIX = ".angles"
SUFFIX = ".csv"
DESCRIPTION = "joint angles as a table, degrees: a row per person and frame"

_COLUMNS: dict[str, int | None] = {"frame": None, "time_s": 6, "track_id": None, "reference": None}
_COLUMNS |= {f"{name}_deg": 3 for name in _angles.COLUMNS}


def write(result: Result, path: Path) -> None:
    """Write the angles, a person at a time.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    # Angles do not depend on where a person is.
    reference = "world" if _frame.reference_of(result) == "world" else "camera"
    pairs = zip(result.tracks2d, result.tracks3d, strict=True)
    with (
        files.written_whole(path) as temporary,
        temporary.open("w", encoding="ascii", newline="\n") as stream,
    ):
        stream.write(",".join(_COLUMNS) + "\n")
        for track2d, track in sorted(pairs, key=lambda pair: pair[0].track_id):
            points = _frame.positions(result, track, reference if reference == "world" else "root")
            body = _angles.Body.of(_frame.with_y_up(points, reference), track.skeleton)
            table: Table = {
                "frame": track.frames,
                "time_s": track2d.times_s,
                "track_id": np.full(len(track), track.track_id),
                "reference": np.full(len(track), reference),
                **{f"{name}_deg": value for name, value in _angles.measured(body).items()},
            }
            stream.writelines(lines(table, _COLUMNS))
