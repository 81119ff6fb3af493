"""A person's bones do not change: one length for each, the same left and right."""

from __future__ import annotations

import numpy as np

from vp3d_cli.bones import fitted as fitted
from vp3d_cli.bones import lengths as lengths
from vp3d_cli.types import Real, Skeleton, Track3D

# Ankles are so far above the floor, metres.
ANKLE_HEIGHT_M = 0.08
# From the sole to the crown: what is added up for a stature, one side of the body.
_STATURE = ("left_knee", "left_foot", "spine", "thorax", "neck", "head")


def variation(joints: Real, skeleton: Skeleton) -> float:
    """How much bones change their lengths: mean over edges of deviation by mean; NaN if none."""
    ends = np.array(skeleton.edge_indices)
    measured = np.linalg.norm(joints[:, ends[:, 1]] - joints[:, ends[:, 0]], axis=-1)
    measured = measured[np.isfinite(measured).all(1)]
    means = measured.mean(0) if len(measured) else np.zeros(0)
    whole = means > 1e-6
    return float((measured.std(0)[whole] / means[whole]).mean()) if whole.any() else float("nan")


def stature(track: Track3D) -> float:
    """How tall a person is, metres: legs, trunk, neck and head, and what is below the ankles.

    NaN where the skeleton has not all of these bones.
    """
    skeleton = track.skeleton
    children = {skeleton.joints[child]: e for e, (_, child) in enumerate(skeleton.edge_indices)}
    if any(joint not in children for joint in _STATURE):
        return float("nan")
    found = lengths(track.joints, track.confidence, skeleton)
    return float(sum(found[children[joint]] for joint in _STATURE)) + ANKLE_HEIGHT_M
