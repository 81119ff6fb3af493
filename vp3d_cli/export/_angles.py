"""Angles of the body from joint centres, in degrees; NaN where a joint is not known.

Axes of a segment are those of the ISB: X forward, Y up, Z to the right (Wu and Cavanagh, "ISB
recommendations for standardization in the reporting of kinematic data", J. Biomech. 28, 1995,
doi:10.1016/0021-9290(95)00017-C). Joint centres stand for its bony landmarks, so that angles about
the long axis of a limb are seen only where the next limb is bent, or not at all.

- pelvis: Z from the left hip to the right; Y towards the spine, at right angles to Z
- trunk: Y from the middle of the hips to the thorax; Z from the left shoulder to the right, at
  right angles to Y
- heading: where the pelvis faces, on the ground
- a limb: the line from its upper joint to its lower one

Left and right mirror each other: the same movement has the same sign on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vp3d_cli.types import Double, Real, Skeleton

# Below this bend of the knee the turn of the thigh cannot be seen.
_BENT_DEG = 20.0
# With the arm this close to the trunk's axis it is raised in no plane.
_RAISED_DEG = 10.0
_SIDES = ("right", "left")
_OTHER_NAMES = {"hip": "pelvis", "foot": "ankle"}

# What the columns mean; "{}" stands for right and left.
MEANINGS = {
    "pelvis_tilt": "forward positive: pelvis Y against the vertical, seen from the side",
    "pelvis_obliquity": "right hip higher positive: the hips' line against the ground",
    "pelvis_rotation": "heading, to the left (anticlockwise from above) positive; 0 faces x (the "
    "right of the picture), 90 away from the camera, -90 the camera",
    "trunk_lean": "forward positive: trunk Y against the vertical, along the heading",
    "trunk_side_bend": "to the right positive: trunk Y against the plane of vertical and heading",
    "trunk_rotation": "to the left positive: the shoulders' line against the hips', about trunk Y",
    "hip_flexion_{}": "thigh forward of the pelvis positive",
    "hip_adduction_{}": "thigh to the other side positive, abduction negative",
    "hip_rotation_{}": f"internal positive; missing where the knee is bent less than {_BENT_DEG:g}",
    "knee_flexion_{}": "0 straight; never negative",
    "shank_inclination_{}": "knee ahead of the ankle positive: shank against the vertical, along "
    "the heading (without toes there is no ankle angle)",
    "shoulder_elevation_{}": "0 along the trunk, 90 level, 180 overhead",
    "shoulder_plane_{}": "plane of elevation: 0 sideways, 90 forward, 180 across; missing within "
    f"{_RAISED_DEG:g} of the trunk's axis",
    "shoulder_flexion_{}": "upper arm forward of the trunk positive",
    "shoulder_adduction_{}": "upper arm to the other side positive, abduction negative",
    "elbow_flexion_{}": "0 straight; never negative",
}
COLUMNS = tuple(n.format(s) for n in MEANINGS for s in (_SIDES if "{}" in n else _SIDES[:1]))


@dataclass(frozen=True)
class Body:
    """Joints (T, 3) by name, and the axes (T, 3, 3) of pelvis and trunk, columns X, Y, Z; y up."""

    joints: dict[str, Double]
    pelvis: Double
    trunk: Double

    @staticmethod
    def of(points: Real, skeleton: Skeleton) -> Body:
        """From joints (T, J, 3), y up, z to the viewer."""
        unknown = np.full((len(points), 3), np.nan)
        joints = {
            name: np.asarray(points[:, i], np.float64) for i, name in enumerate(skeleton.joints)
        }
        for ours, other in _OTHER_NAMES.items():
            for prefix in ("", "left_", "right_"):
                if f"{prefix}{ours}" not in joints and f"{prefix}{other}" in joints:
                    joints[f"{prefix}{ours}"] = joints[f"{prefix}{other}"]
        for name in ("hip", "spine", "thorax"):
            joints.setdefault(name, unknown)
        for side in _SIDES:
            for part in ("hip", "knee", "foot", "shoulder", "elbow", "wrist"):
                joints.setdefault(f"{side}_{part}", unknown)
        across = _unit(joints["right_hip"] - joints["left_hip"])
        ahead = _unit(np.cross(joints["spine"] - joints["hip"], across))
        pelvis = np.stack([ahead, np.cross(across, ahead), across], -1)
        up = _unit(joints["thorax"] - joints["hip"])
        ahead = _unit(np.cross(up, joints["right_shoulder"] - joints["left_shoulder"]))
        return Body(joints, pelvis, np.stack([ahead, up, np.cross(ahead, up)], -1))

    def limb(self, side: str, upper: str, lower: str) -> Double:
        """The direction (T, 3) of a limb, down it."""
        return _unit(self.joints[f"{side}_{lower}"] - self.joints[f"{side}_{upper}"])


def measured(body: Body) -> dict[str, Double]:
    """All of `COLUMNS`, (T,) degrees."""
    found = {**_pelvis(body), **_trunk(body)}
    for side in _SIDES:
        found |= {f"{name}_{side}": value for name, value in _leg(body, side).items()}
        found |= {f"{name}_{side}": value for name, value in _arm(body, side).items()}
    return {name: np.degrees(found[name]) for name in COLUMNS}


def cardan_zxy(axes: Double) -> tuple[Double, Double, Double]:
    """Turns (T,) about Z, then X, then Y, radians, of axes (T, 3, 3); OpenSim's order."""
    about_z = np.arctan2(-axes[:, 0, 1], axes[:, 1, 1])
    about_x = np.arcsin(np.clip(axes[:, 2, 1], -1, 1))
    return about_z, about_x, np.arctan2(-axes[:, 2, 0], axes[:, 2, 2])


def _pelvis(body: Body) -> dict[str, Double]:
    """Rotation, obliquity, tilt, in that order; the first two need the hips alone.

    As Baker, "Pelvic angles: a mathematically rigorous definition which is consistent with a
    conventional clinical understanding of the terms", Gait & Posture 13 (2001).
    """
    across = _unit(body.joints["right_hip"] - body.joints["left_hip"])
    return {
        "pelvis_tilt": np.arctan2(-body.pelvis[:, 1, 0], body.pelvis[:, 1, 1]),
        "pelvis_obliquity": np.arcsin(np.clip(across[:, 1], -1, 1)),
        "pelvis_rotation": np.arctan2(across[:, 0], across[:, 2]),
    }


def _trunk(body: Body) -> dict[str, Double]:
    hips = body.joints["right_hip"] - body.joints["left_hip"]
    ahead, right = _heading(hips)
    up = _unit(body.joints["thorax"] - body.joints["hip"])
    shoulders = body.trunk[..., 2]
    turned = np.arctan2(_dot(up, np.cross(hips, shoulders)), _dot(hips, shoulders))
    return {
        "trunk_lean": np.arctan2(_dot(up, ahead), up[:, 1]),
        "trunk_side_bend": np.arcsin(np.clip(_dot(up, right), -1, 1)),
        "trunk_rotation": turned,
    }


def _leg(body: Body, side: str) -> dict[str, Double]:
    """Hip, knee and shank; the hip turns about Z of the pelvis, X, and Y of the thigh.

    As Grood and Suntay, "A joint coordinate system for the clinical description of
    three-dimensional motions", J. Biomech. Eng. 105 (1983), doi:10.1115/1.3138397.
    """
    thigh, shank = body.limb(side, "hip", "knee"), body.limb(side, "knee", "foot")
    flexion, adduction = _swing(body.pelvis, thigh, side)
    knee = _between(thigh, shank)
    # The shank, as a thigh that hangs straight down would see it.
    x, y, z = np.moveaxis(_seen_from(body.pelvis, shank, side), -1, 0)
    x, y = np.cos(flexion) * x + np.sin(flexion) * y, -np.sin(flexion) * x + np.cos(flexion) * y
    z = -np.sin(adduction) * y + np.cos(adduction) * z
    rotation = np.where(knee >= np.radians(_BENT_DEG), np.arctan2(z, -x), np.nan)
    ahead, _ = _heading(body.joints["right_hip"] - body.joints["left_hip"])
    return {
        "hip_flexion": flexion,
        "hip_adduction": adduction,
        "hip_rotation": rotation,
        "knee_flexion": knee,
        "shank_inclination": np.arctan2(-_dot(shank, ahead), -shank[:, 1]),
    }


def _arm(body: Body, side: str) -> dict[str, Double]:
    """Shoulder and elbow; flexion and adduction of the shoulder are as those of the hip.

    Plane and elevation are the ISB's: Wu et al., J. Biomech. 38 (2005),
    doi:10.1016/j.jbiomech.2004.05.042.
    """
    upper, lower = body.limb(side, "shoulder", "elbow"), body.limb(side, "elbow", "wrist")
    x, y, z = np.moveaxis(_seen_from(body.trunk, upper, side), -1, 0)
    level = np.hypot(x, z)
    plane = np.where(level >= np.sin(np.radians(_RAISED_DEG)), np.arctan2(x, z), np.nan)
    flexion, adduction = _swing(body.trunk, upper, side)
    return {
        "shoulder_elevation": np.arctan2(level, -y),
        "shoulder_plane": plane,
        "shoulder_flexion": flexion,
        "shoulder_adduction": adduction,
        "elbow_flexion": _between(upper, lower),
    }


def _swing(axes: Double, limb: Double, side: str) -> tuple[Double, Double]:
    """Flexion and adduction of a limb that hangs from a segment, radians."""
    x, y, z = np.moveaxis(_seen_from(axes, limb, side), -1, 0)
    return np.arctan2(x, -y), np.arcsin(np.clip(-z, -1, 1))


def _seen_from(axes: Double, vectors: Double, side: str) -> Double:
    """Vectors (T, 3) along the axes of a segment; on the left, Z points to the left."""
    seen = np.einsum("tij,ti->tj", axes, vectors)
    return np.asarray(seen * (1, 1, -1 if side == "left" else 1), np.float64)


def _heading(hips: Double) -> tuple[Double, Double]:
    """Ahead and to the right, (T, 3), on the ground."""
    right = _unit(hips * (1, 0, 1))
    return np.stack([right[:, 2], right[:, 1], -right[:, 0]], -1), right


def _between(first: Double, second: Double) -> Double:
    """The angle between unit vectors (T, 3), radians."""
    across = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.asarray(np.arctan2(across, _dot(first, second)), np.float64)


def _dot(first: Double, second: Double) -> Double:
    return np.asarray((first * second).sum(-1), np.float64)


def _unit(vectors: Double) -> Double:
    size = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(size > 1e-6, size, np.nan), np.float64)
