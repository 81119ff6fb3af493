"""C3D motion capture that no camera saw: a file of points a clip.

The points are joints, found by their names, or markers as Plug-in Gait and the CMU set name them,
from which joint centres follow: `_c3d_joints.py` says how, and how well. "Subject:" before a name
is not looked at, unless several people are in the file. Metres, as POINT:UNITS says; where it says
nothing, metres, centimetres or millimetres, whichever make a body of 1 to 2.3 m. The axis up is
that of POINT:Y_SCREEN, or the one along which the body stands. A joint is NaN where its points
were not seen; frames before the first and after the last that has all joints are left out.
The subject is the name of the folder, the action that of the file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from vp3d_cli import sources
from vp3d_cli.datasets.choice import Choice
from vp3d_cli.datasets.formats import _c3d_file, _c3d_joints
from vp3d_cli.datasets.formats._c3d_joints import SKELETON
from vp3d_cli.datasets.sequence import Sequence
from vp3d_cli.types import Double

DESCRIPTION = "motion capture without cameras: a C3D file a clip, in a folder a subject"
SUFFIX = ".c3d"
COMPANION = ""
TOGETHER = False

recognise = _c3d_file.recognise

_log = logging.getLogger(__name__)
_UNITS_M = {
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 0.001),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 0.01),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1.0),
    **dict.fromkeys(("in", "inch", "inches"), 0.0254),
}
_GUESSED_M, _GUESSED_HEIGHTS_M = (0.001, 0.01, 1.0), (1.0, 2.3)
_HEIGHTS_M = (0.5, 2.5)
_BODY = ("head", "neck", "thorax", "hip"), ("left_hip", "left_knee", "left_foot")
# Joints that only follow from others last: the first that is missing should be worth saying.
_ORDER = sorted(SKELETON.joints, key=lambda joint: joint in ("hip", "spine", "thorax", "neck"))
# Mean cosine between body and axis: of standing people, and where a parameter is surely wrong.
_STANDING, _SURELY = 0.5, 0.9
_TURNS = {  # rows that bring an axis up to our z
    "+x": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "-x": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
    "+y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "-y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "+z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "-z": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
}


def read(paths: tuple[Path, ...], choice: Choice) -> Iterator[Sequence]:
    """Read every file as one sequence a person; joints are in the world, without 2D.

    Raises:
        BackendUnavailableError: the library c3d is not installed.
        DataError: a file is malformed, or lacks a joint.
    """
    for path in paths:
        folder, action = path.resolve().parent.name, path.stem
        with sources.explained(path, "c3d"):
            with sources.named("cannot be read as C3D"):
                points = _c3d_file.read_points(path)
            people = _people(points)
            sequences = [
                Sequence(
                    folder if len(people) == 1 else who,
                    action,
                    None,
                    round(points.fps, 3),
                    0,
                    0,
                    skeleton_out=SKELETON,
                    joints=np.asarray(_joints(path, points, named), np.float32),
                    space="world",
                    joints_at=f"{path}: POINT",
                )
                for who, named in people.items()
                if choice.takes(folder if len(people) == 1 else who, action)
            ]
        yield from sequences


def _people(points: _c3d_file.Points) -> dict[str, dict[str, Double]]:
    """The points of each person that has all joints, by plain name, in the file's units.

    Raises:
        ValueError: there is nobody; says what the likeliest lacks.
    """
    groups: dict[str, dict[str, Double]] = {}
    seen: list[str] = []
    for index, label in enumerate(points.labels):
        where = points.where[:, index].astype(np.float64)
        if np.isfinite(where).any():  # a name without a point is none
            seen.append(label)
            group = groups.setdefault(label.rpartition(":")[0], {})
            group.setdefault(_c3d_joints.plain(label), where)
    lacking = {
        who: [j for j in _ORDER if j not in found]
        for who, found in ((who, _c3d_joints.centres(named)) for who, named in groups.items())
    }
    if whole := {who: named for who, named in groups.items() if not lacking[who]}:
        return whole
    fewest = min(lacking.values(), key=len, default=list(_ORDER))
    wanted = "; ".join(f"{joint} (of {_c3d_joints.needed(joint)})" for joint in fewest[:3])
    more = f" and {len(fewest) - 3} more joints" if len(fewest) > 3 else ""
    got = sources.listed(seen)
    raise ValueError(f"POINT:LABELS: expected points for {wanted}{more}, got {got}")


def _joints(path: Path, points: _c3d_file.Points, named: dict[str, Double]) -> Double:
    """(T, 17, 3) metres, z up."""
    if _c3d_joints.mirrored(named):
        raise ValueError(
            "POINT:LABELS: expected the left markers on the left of the body, got them on its "
            "right; the names are exchanged, or an axis is mirrored"
        )
    scales: tuple[float, ...] = _GUESSED_M
    if points.units:
        if points.units not in _UNITS_M:
            raise ValueError(f"POINT:UNITS: expected mm, cm, m or in, got {points.units[:20]!a}")
        scales = (_UNITS_M[points.units],)
    lowest, highest = _HEIGHTS_M if points.units else _GUESSED_HEIGHTS_M
    for scale in scales:
        found = _c3d_joints.centres({name: where * scale for name, where in named.items()})
        joints = _trimmed(np.stack([found[joint] for joint in SKELETON.joints], 1))
        tall = _height(joints)
        if lowest <= tall <= highest:
            return _turned(path, joints, points.up)
    units = points.units or "metres, centimetres or millimetres"
    what = f"POINT:UNITS: expected a body of {lowest:g} to {highest:g} m along the bones"
    raise ValueError(f"{what} in {units}, got {tall / scale:.4g}")


def _trimmed(joints: Double) -> Double:
    """Without what lies before the first and after the last frame that has all joints."""
    missing = np.isnan(joints).any(-1)
    whole = np.flatnonzero(~np.any(missing, 1))
    if not len(whole):
        worst = int(np.argmax(np.sum(missing, 0)))
        share = np.mean(missing, 0)[worst]
        raise ValueError(
            "POINT: expected a frame in which all joints were seen, got none; the "
            f"{SKELETON.joints[worst]} is missing in {share:.0%} of the frames"
        )
    return joints[whole[0] : whole[-1] + 1]


def _height(joints: Double) -> float:
    """Along the bones, of the frames in which they are known."""
    index = SKELETON.index
    bones = [(index(a), index(b)) for line in _BODY for a, b in pairwise(line)]
    lengths = np.linalg.norm([joints[:, a] - joints[:, b] for a, b in bones], axis=-1)
    known = lengths[:, np.isfinite(lengths).all(0)]
    return float(np.median(known, axis=1).sum()) if known.size else float("nan")


def _turned(path: Path, joints: Double, said: str) -> Double:
    """The axis up to z; what the file says of it counts, unless the body clearly stands on another.

    Many programs write POINT:Y_SCREEN without meaning it.
    """
    feet = joints[:, [SKELETON.index("left_foot"), SKELETON.index("right_foot")]].mean(1)
    body = joints[:, SKELETON.index("head")] - feet
    body = body[np.isfinite(body).all(-1)]
    mean = (body / np.maximum(np.linalg.norm(body, axis=-1, keepdims=True), 1e-9)).mean(0)
    axis = int(np.abs(mean).argmax())
    stands = f"{'+' if mean[axis] > 0 else '-'}{'xyz'[axis]}"
    said = said if said in _TURNS else f"+{said}" if f"+{said}" in _TURNS else ""
    up = said or (stands if np.abs(mean[axis]) >= _STANDING else "+z")
    if said and said != stands and np.abs(mean[axis]) >= _SURELY:
        _log.warning(
            "%s: POINT:Y_SCREEN says that %s is up, but the body stands along %s, which is taken",
            *(path, said, stands),
        )
        up = stands
    return np.asarray(joints @ np.array(_TURNS[up], np.float64).T)
