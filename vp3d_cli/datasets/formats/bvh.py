"""BVH motion capture that no camera saw: a skeleton file a clip.

Y is up, as in most files; a file with another axis up is told by `vp3d data check`. BVH has no
units: metres, centimetres or millimetres, whichever make a body of 1 to 2.3 m. The joints of
Human3.6M are found by the names that MotionBuilder, Mixamo and the CMU conversions use (Hips,
LeftUpLeg, LeftLeg, LeftFoot, Spine1, Neck, Head, LeftArm, LeftForeArm, LeftHand) and their
usual variants; "mixamorig:" and other prefixes are not looked at. The subject is the name of the
folder, the action that of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vp3d_cli import sources
from vp3d_cli.datasets.choice import Choice
from vp3d_cli.datasets.formats import _bvh_motion
from vp3d_cli.datasets.sequence import Sequence
from vp3d_cli.skeletons import get
from vp3d_cli.types import Double

DESCRIPTION = "motion capture without cameras: a BVH file a clip, in a folder a subject"
SUFFIX = ".bvh"
COMPANION = ""
TOGETHER = False

_SKELETON = get("h36m17")
_MAX_BYTES = 256 << 20
_HEIGHTS_M = (1.0, 2.3)
_UNITS_M = (1.0, 0.01, 0.001)

# Our joint: what it is called, the likeliest first; "{}" stands for the side.
_NAMES = {
    "hip": ("hips", "hip", "pelvis", "root"),
    "hip_side": ("{}upleg", "{}upperleg", "{}thigh", "{}hip"),
    "knee": ("{}leg", "{}lowerleg", "{}shin", "{}calf", "{}knee"),
    "foot": ("{}foot", "{}ankle"),
    "spine": ("spine1", "spine01", "spine", "chest", "abdomen"),
    "thorax": ("neck", "neck01", "neck1"),
    "neck": ("head",),
    "head": ("head/end", "headend", "headtopend", "headtop"),
    "shoulder": ("{}arm", "{}upperarm", "{}uparm", "{}shoulder"),
    "elbow": ("{}forearm", "{}lowerarm", "{}lowarm", "{}elbow"),
    "wrist": ("{}hand", "{}wrist"),
}


def recognise(path: Path) -> bool:
    """Whether it begins as BVH files do."""
    return sources.head(path).startswith("HIERARCHY")


def read(paths: tuple[Path, ...], choice: Choice) -> Iterator[Sequence]:
    """Read every file as one sequence; joints are in the world, without 2D.

    Raises:
        DataError: a file is malformed, or lacks a joint.
    """
    for path in paths:
        subject, action = path.resolve().parent.name, path.stem
        if not choice.takes(subject, action):
            continue
        with sources.explained(path, "bvh"):
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError(f"expected {_MAX_BYTES >> 20} MiB at most; split it")
            motion = _bvh_motion.parse(path.read_text(encoding="utf-8-sig"))
            joints = _joints(motion)
            sequence = Sequence(
                subject,
                action,
                None,
                round(1 / motion.frame_time_s, 3),
                0,
                0,
                skeleton_out=_SKELETON,
                joints=np.asarray(joints, np.float32),
                space="world",
                joints_at=f"{path}: MOTION",
            )
        yield sequence


def _joints(motion: _bvh_motion.Motion) -> Double:
    """(T, 17, 3) metres, z up."""
    there = {_plain(joint.name): i for i, joint in reversed(list(enumerate(motion.joints)))}
    found = [_found(there, name) for name in _SKELETON.joints]
    if missing := [n for n, i in zip(_SKELETON.joints, found, strict=True) if i is None]:
        names = sources.listed([joint.name for joint in motion.joints])
        raise ValueError(f"HIERARCHY: expected a joint that is the {missing[0]}, got {names}")
    where = _bvh_motion.positions(motion)[:, [index for index in found if index is not None]]
    bones = [
        float(np.linalg.norm(where[0, _SKELETON.index(a)] - where[0, _SKELETON.index(b)]))
        for a, b in (
            *(("head", "neck"), ("neck", "thorax"), ("thorax", "hip")),
            *(("left_hip", "left_knee"), ("left_knee", "left_foot")),
        )
    ]
    tall = sum(bones)
    units = [unit for unit in _UNITS_M if _HEIGHTS_M[0] <= tall * unit <= _HEIGHTS_M[1]]
    if not units:
        what = "expected a body of 1 to 2.3 m in metres, centimetres or millimetres"
        raise ValueError(f"OFFSET: {what}, got {tall:.4g} along the bones; scale it")
    x, y, z = np.moveaxis(where * units[0], -1, 0)
    return np.stack([x, -z, y], -1)


def _found(there: dict[str, int], joint: str) -> int | None:
    side, _, part = joint.partition("_")
    if not part:
        return next((there[name] for name in _NAMES[joint] if name in there), None)
    names = _NAMES["hip_side" if part == "hip" else part]
    forms = [name.format(s) for name in names for s in (side, side[0])]
    forms += [name.format("") + s for name in names for s in (side, side[0])]
    return next((there[form] for form in forms if form in there), None)


def _plain(name: str) -> str:
    """Without a prefix such as "mixamorig:", capitals and signs."""
    return re.sub(r"[^a-z0-9/]", "", name.rpartition(":")[2].lower())
