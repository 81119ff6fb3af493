"""Angles of a body's hinges, from its 3D joints, in degrees; 0 is a body that stands straight.

Knee and elbow: how far they are bent, of the two bones that meet in them. Shoulder: the upper arm
against the trunk, 0 where it hangs, 90 level, 180 overhead. These are knee_flexion, elbow_flexion
and shoulder_elevation of `vp3d export --to angles`. Hip: the thigh against the trunk, whatever the
pelvis does, so another angle than hip_flexion there.
"""

from __future__ import annotations

import numpy as np

from vp3d_cli.types import Double, Float, Real, Skeleton

# What some skeletons call the joints that others know by another name.
_OTHER_NAMES = {"foot": "ankle", "hip": "pelvis"}


def joint_angles(joints: Float, skeleton: Skeleton) -> dict[str, Float]:
    """Degrees (T,) by the joint they are written beside, of joints (T, J, 3) in metres.

    NaN where a joint is missing, or two that make a bone are in one place.
    """
    points = _Points(joints, skeleton)
    trunk = points.of("thorax", "shoulder") - points.of("hip", "hip")
    angles = {}
    for side in ("left", "right"):
        hip, knee, foot = (points.at(f"{side}_{name}") for name in ("hip", "knee", "foot"))
        shoulder, elbow, wrist = (
            points.at(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist")
        )
        angles[f"{side}_knee"] = _between(knee - hip, foot - knee)
        angles[f"{side}_elbow"] = _between(elbow - shoulder, wrist - elbow)
        angles[f"{side}_hip"] = _between(-trunk, knee - hip)
        angles[f"{side}_shoulder"] = _between(-trunk, elbow - shoulder)
    return angles


class _Points:
    """Joints (T, 3) by name; NaN for one that the skeleton has not."""

    def __init__(self, joints: Float, skeleton: Skeleton) -> None:
        self._joints, self._names = np.asarray(joints, np.float64), skeleton.joints

    def at(self, name: str) -> Double:
        side, _, part = name.rpartition("_")
        other = "_".join(filter(None, (side, _OTHER_NAMES.get(part, part))))
        known = next((n for n in (name, other) if n in self._names), None)
        if known is None:
            return np.full((len(self._joints), 3), np.nan)
        return np.asarray(self._joints[:, self._names.index(known)])

    def of(self, name: str, pair: str) -> Double:
        """A joint of the middle, or where there is none the middle of a pair."""
        if name in self._names or _OTHER_NAMES.get(name) in self._names:
            return self.at(name)
        return (self.at(f"left_{pair}") + self.at(f"right_{pair}")) / 2


def _between(a: Real, b: Real) -> Float:
    """Degrees (T,) between directions (T, 3)."""
    across = np.linalg.norm(np.cross(a, b), axis=-1)
    angle = np.degrees(np.arctan2(across, (a * b).sum(-1)))
    angle[(a == 0).all(-1) | (b == 0).all(-1)] = np.nan
    return np.asarray(angle, np.float32)
