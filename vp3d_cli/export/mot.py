"""Joint angles as an OpenSim motion: MOT, degrees, a row a frame.

Columns are coordinates of OpenSim's full-body models (Rajagopal 2016), whose turns follow each
other about Z, X, Y; `_angles.py` says from which joints axes come. pelvis_t* is the middle of the
hips, metres, y up as in `trc`, left out where it is not known; OpenSim's pelvis has its origin
between the front spines instead. What 17 joints do not show (feet, wrists, turns of thigh and upper
arm about themselves) is left out, and stays as the model has it. Times rise
as OpenSim wants them. A frame in which something is missing is not there, since OpenSim drops
what follows a NaN; a coordinate that is never known has no column. Nobody found: no row. A file
holds one person.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vp3d_cli import files
from vp3d_cli.export import _angles, _frame
from vp3d_cli.types import Double, Result, Skeleton

SUFFIX = ".mot"
REAL_TIME = True
DESCRIPTION = "joint angles as an OpenSim motion: a file a person, degrees"
ONE_PERSON = True

_COPIED = {
    "hip_flexion": "hip_flexion",
    "hip_adduction": "hip_adduction",
    "knee_angle": "knee_flexion",
    "arm_flex": "shoulder_flexion",
    "arm_add": "shoulder_adduction",
    "elbow_flex": "elbow_flexion",
}


def write(result: Result, path: Path) -> None:
    """Write the motion of one person.

    Raises:
        ValueError: there are several people.
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    if len(result.tracks3d) > 1:
        raise ValueError(f"MOT holds one person a file, got {len(result.tracks3d)}")
    rows = _frame.side_by_side(result, every_frame=False)
    points = _frame.with_y_up(rows.points, rows.reference)
    found = _coordinates(points, rows.skeleton, placed=rows.reference != "root")
    known = {name: values for name, values in found.items() if np.isfinite(values).any()}
    columns = known or found
    table = np.stack(list(columns.values()), -1).round(6) + 0.0
    whole = np.isfinite(table).all(1)
    head = (
        f"{_frame.plain_names([result.video.path.stem])[0]}",
        "version=1",
        f"nRows={whole.sum()}",
        f"nColumns={len(columns) + 1}",
        "inDegrees=yes",
        f"Made by vp3d; y up, metres; {_frame.ABOUT[rows.reference]}",
        "endheader",
        "\t".join(["time", *columns]),
    )
    with (
        files.written_whole(path) as temporary,
        temporary.open("w", encoding="ascii", newline="\n") as stream,
    ):
        stream.writelines(f"{line}\n" for line in head)
        for row in np.column_stack([rows.times_s, table])[whole].tolist():
            stream.write("\t".join(f"{number:.6f}" for number in row) + "\n")


def _coordinates(points: Double, skeleton: Skeleton, *, placed: bool) -> dict[str, Double]:
    """Coordinates (T,) of one person: degrees and metres."""
    body = _angles.Body.of(points, skeleton)
    tilt, side, turn = map(np.degrees, _angles.cardan_zxy(body.pelvis))
    found = {"pelvis_tilt": tilt, "pelvis_list": side, "pelvis_rotation": turn}
    if placed:
        found |= {f"pelvis_t{axis}": body.joints["hip"][:, i] for i, axis in enumerate("xyz")}
    angles = _angles.measured(body)
    for short, whole in (("r", "right"), ("l", "left")):
        found |= {f"{ours}_{short}": angles[f"{of}_{whole}"] for ours, of in _COPIED.items()}
    back = np.einsum("tij,tik->tjk", body.pelvis, body.trunk)
    extension, bending, rotation = map(np.degrees, _angles.cardan_zxy(back))
    found |= {"lumbar_extension": extension, "lumbar_bending": bending}
    return {**found, "lumbar_rotation": rotation}
