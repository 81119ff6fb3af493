"""Left and right limbs that a detector exchanged for some frames are put back.

Legs and arms are decided by themselves: for each frame a limb pair is as it was detected, or its
far joints (knees and ankles, elbows and wrists) are exchanged, or all of it with hips or
shoulders. The sequence whose points move most steadily is found by dynamic programming over two
frames of memory, so that legs which pass each other in profile are understood as passing. Only
exchanges that begin and end with a clear jump, and are over soon, are believed: a person who
turns round has none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vp3d_cli.overlap import area
from vp3d_cli.track.filling import between
from vp3d_cli.types import Bool, Int, Real, Track2D

_LIMBS = {
    "leg": (("hip",), ("knee", "ankle")),
    "arm": (("shoulder",), ("elbow", "wrist")),
}
# Longest exchange that is believed, seconds; longer ones may be somebody who turned.
_LONGEST_S = 0.6
# Distances are in units of the body: a share of the square root of the box's area.
# Change of velocity that a detector's jitter makes, and the most that one joint counts.
_JITTER, _MOST = 0.05, 12.0
# What an exchange must gain: for each change of state, and for each frame exchanged.
_CHANGE, _EACH = 5.0, 0.35
# How far apart the joints of a pair must be where an exchange begins and ends.
_APART = 0.09
# Share of a person's mean score from which a joint is believed.
_SURE = 0.3
# Frames farther apart, seconds, do not tell of each other's motion.
_NEXT_S = 0.2


def repair_swaps(track: Track2D) -> tuple[Track2D, int]:
    """The track with exchanged limbs put back, and in how many observed rows that was done.

    Scores go with their keypoints. Rows that were filled in are filled in again.
    """
    rows = np.flatnonzero(track.observed).astype(np.int32)
    if len(rows) < 5:
        return track, 0
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    changed = np.zeros(len(rows), bool)
    for near, far in _LIMBS.values():
        names = [*near, *far]
        if not all(f"{side}_{n}" in track.skeleton.joints for n in names for side in _SIDES):
            continue
        pairs = np.array([[track.skeleton.index(f"{s}_{n}") for s in _SIDES] for n in names])
        states = _states(track, rows, pairs, len(near))
        for state, first in ((1, len(near)), (2, 0)):
            at = rows[states == state]
            for left, right in pairs[first:]:
                keypoints[at[:, None], [left, right]] = keypoints[at[:, None], [right, left]]
                scores[at[:, None], [left, right]] = scores[at[:, None], [right, left]]
        changed |= states > 0
    if not changed.any():
        return track, 0
    repaired = replace(track, keypoints=keypoints, scores=scores)
    return between(repaired), int(changed.sum())


_SIDES = ("left", "right")


def _states(track: Track2D, rows: Int, pairs: Int, num_near: int) -> Int:
    """For each observed row 0 as detected, 1 far joints exchanged, 2 all joints exchanged.

    Args:
        track: the person.
        rows: (T,) observed.
        pairs: (K, 2) joints, left and right, from the body outward.
        num_near: how many of the K are left alone in state 1.
    """
    sizes = np.sqrt(area(track.boxes[rows]).astype(np.float64))
    size = max(float(np.median(sizes)), 1.0)
    points = track.keypoints[rows][:, pairs].astype(np.float64) / size
    scores = track.scores[rows][:, pairs]
    least = _SURE * np.nan_to_num(track.scores[rows]).mean(1)[:, None, None]
    sure = (scores >= least) & np.isfinite(points).all(-1)
    points = np.nan_to_num(points)
    variants = np.stack([points] * 3)
    variants[1, :, num_near:] = points[:, num_near:, ::-1]
    variants[2] = points[:, :, ::-1]
    trust = np.stack([sure.astype(np.float64)] * 3)
    trust[1, :, num_near:] = sure[:, num_near:, ::-1]
    trust[2] = sure[:, :, ::-1]
    times_s = track.times_s[rows]
    path = _steadiest(variants, trust, times_s)
    return _believed(path, points, sure, times_s, num_near)


def _steadiest(variants: Real, trust: Real, times_s: Real) -> Int:
    """The states (T,) of least cost: a Viterbi search over pairs of neighbouring states.

    Args:
        variants: (3, T, K, 2, 2) positions in each state.
        trust: (3, T, K, 2) 1 where a position is known.
        times_s: (T,).
    """
    length = variants.shape[1]
    change = _CHANGE * (1 - np.eye(3))
    each = _EACH * np.array([0.0, 1.0, 1.0])
    cost = change + each[:, None] + each[None]
    cost[1:] += _CHANGE  # tracks begin as they are, mostly
    came = np.zeros((length, 3, 3), np.int8)
    for t in range(2, length):
        bend = _bend(variants[:, t - 2 : t + 1], trust[:, t - 2 : t + 1], times_s[t - 2 : t + 1])
        total = cost[:, :, None] + bend + (change + each[None])[None]
        came[t] = total.argmin(0)
        cost = total.min(0)
    cost = cost + _CHANGE * (np.arange(3) > 0)[None]
    path = np.zeros(length, np.int32)
    path[-2], path[-1] = np.unravel_index(int(cost.argmin()), cost.shape)
    for t in range(length - 1, 1, -1):
        path[t - 2] = came[t, path[t - 1], path[t]]
    return path


def _bend(variants: Real, trust: Real, times_s: Real) -> Real:
    """Cost (3, 3, 3) of the states of three frames: how much velocities change."""
    first_s, second_s = np.diff(times_s)
    if first_s > _NEXT_S or second_s > _NEXT_S or first_s <= 0:
        return np.zeros((3, 3, 3))
    a, b, c = variants[:, 0], variants[:, 1], variants[:, 2]
    ahead = b[None] + (b[None] - a[:, None]) * (second_s / first_s)
    off = np.linalg.norm(c[None, None] - ahead[:, :, None], axis=-1)
    known = trust[:, None, None, 0] * trust[None, :, None, 1] * trust[None, None, :, 2]
    price = np.minimum((off / _JITTER) ** 2 / 2, _MOST) * known
    return np.asarray(price.sum((-1, -2)))


def _believed(path: Int, points: Real, sure: Bool, times_s: Real, num_near: int) -> Int:
    """The exchanges that are short, and far enough apart to be seen at both ends."""
    both = sure.all(-1)
    apart = np.where(both, np.linalg.norm(points[:, :, 0] - points[:, :, 1], axis=-1), 0.0)
    kept = np.zeros_like(path)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], path > 0, [0]])))
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        begins_inside, ends_inside = first > 0, end < len(path)
        if not (begins_inside and ends_inside):
            continue
        if times_s[end - 1] - times_s[first] > _LONGEST_S:
            continue
        ends = (first - 1, first, end - 1, end)
        if all(apart[t, num_near:].max() >= _APART for t in ends):
            kept[first:end] = path[first:end]
    return kept
