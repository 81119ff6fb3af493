"""How far a joint can be trusted: the chance that it is within 10 cm of where it is.

A logistic model of what is known at the time, fitted to errors on held-out motion capture by
`tests/bench/confidence.py`, which prints the table below and shows on other people how often it
is right.
"""

from __future__ import annotations

import numpy as np

from vp3d_cli.types import Double, Float, Track2D, Track3D

# The distance from the root-relative truth that counts as right, metres.
RIGHT_M = 0.1
# Weights of `features`, then what each joint adds.
WEIGHTS = (0.509, -0.398, -1.256, -0.517)
JOINTS = {
    "elbow": -1.293, "foot": -2.141, "head": -1.705, "hip": 2.407, "knee": -1.051, "neck": -1.357,
    "shoulder": -0.812, "spine": -0.201, "thorax": -0.66, "wrist": -2.018,
}  # fmt: skip
# Where two people are mixed up all else is worthless. How often that is was not measured.
_AT_RISK = 0.7
_LEAST_SPREAD_M, _UNKNOWN_SPREAD_M = 0.01, 0.2
# Keypoints of a higher score are seen; above it the score says nothing more.
_SEEN = 0.3
_MOST_RESIDUAL, _MOST_GAP_S = 0.3, 1.0


def features(track: Track2D, person: Track3D, support: Float) -> Double:
    """What is known of each joint, (T, J, 4).

    Whether its keypoints are seen (see `lift.lifter.confidence`), 0 to 1; the logarithm of the
    distance between the lifter's answers to the picture and its mirror image; how far the whole
    body is beside its keypoints, in sizes of its box; seconds to the nearest frame in which it
    was seen.
    """
    shape = person.confidence.shape
    told_m = np.where(np.isfinite(person.spread), person.spread, _UNKNOWN_SPREAD_M)
    spread = np.log(np.maximum(told_m, _LEAST_SPREAD_M))
    sides = np.maximum(track.boxes[:, 2:] - track.boxes[:, :2], 1)
    size = np.sqrt(sides.prod(-1))
    off = np.where(np.isfinite(person.residual_px), person.residual_px / size, _MOST_RESIDUAL)
    away = _away_s(track)
    columns = [
        np.minimum(support, _SEEN) / _SEEN,
        spread,
        np.broadcast_to(np.minimum(off, _MOST_RESIDUAL)[:, None], shape),
        np.broadcast_to(np.minimum(away, _MOST_GAP_S)[:, None], shape),
    ]
    return np.stack(columns, -1).astype(np.float64)


def _away_s(track: Track2D) -> Double:
    """Seconds (T,) to the nearest frame in which the person was seen."""
    seen = np.flatnonzero(track.observed)
    if not len(seen):
        return np.full(len(track), _MOST_GAP_S)
    after = np.searchsorted(seen, np.arange(len(track)))
    nearest = [seen[np.clip(after - step, 0, len(seen) - 1)] for step in (0, 1)]
    return np.asarray(np.min([np.abs(track.times_s - track.times_s[n]) for n in nearest], 0))


def confidence(track: Track2D, person: Track3D) -> Float:
    """The chance (T, J) that each joint is within `RIGHT_M` of its place relative to the root.

    That of the root, which is in its place by definition, is the lower one of the hips'.

    Args:
        track: keypoints as they were detected.
        person: lifted, with spread and residuals; its confidence is the support of keypoints.
    """
    told = features(track, person, person.confidence)
    names = person.skeleton.joints
    base = np.array([JOINTS.get(_unsided(name), 0.0) for name in names])
    chance = 1 / (1 + np.exp(-(told @ np.array(WEIGHTS) + base)))
    root = person.skeleton.index(person.skeleton.root or names[0])
    chance[:, root] = chance[:, [names.index("left_hip"), names.index("right_hip")]].min(1)
    chance[track.at_risk] *= _AT_RISK
    return np.asarray(np.clip(chance, 0, 1), np.float32)


def _unsided(joint: str) -> str:
    return joint.removeprefix("left_").removeprefix("right_")
