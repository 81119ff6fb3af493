"""Where two people are so close that they may be mixed up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from vp3d_cli.overlap import area
from vp3d_cli.types import Bool, Float, Track2D

# Share of the smaller box that lies in the other's: from the first on two people are close, below
# the second they are apart again.
CLOSE, APART = 0.3, 0.1


def covering(a: Float, b: Float) -> Float:
    """Intersection over the smaller (A, B) of boxes (A, 4) and (B, 4), 0 to 1."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    smaller = np.minimum(area(a)[:, None], area(b)[None])
    return np.asarray(shared / np.maximum(smaller, 1e-6), np.float32)


def mark_risk(
    tracks: Sequence[Track2D], same_person: Sequence[Sequence[int]], lost_s: float
) -> tuple[Track2D, ...]:
    """The tracks, with the rows marked where somebody else was close.

    Whoever vanishes beside another may be behind them, or be taken for them: the other stays at
    risk until the one is back, or for `lost_s` seconds where nobody comes back.
    """
    risk = [track.at_risk.copy() for track in tracks]
    by_id = {track.track_id: track for track in tracks}
    later = {a: by_id[b] for group in same_person for a, b in pairwise(group)}
    for i, one in enumerate(tracks):
        for j, other in enumerate(tracks[:i]):
            first = int(max(one.frames[0], other.frames[0]))
            last = int(min(one.frames[-1], other.frames[-1]))
            if first > last:
                continue
            rows = [slice(first - t.frames[0], last + 1 - t.frames[0]) for t in (one, other)]
            close = _hysteresis(_pairwise(one.boxes[rows[0]], other.boxes[rows[1]]))
            risk[i][rows[0]] |= close
            risk[j][rows[1]] |= close
            if close[-1] and one.frames[-1] != other.frames[-1]:
                gone, left = (one, j) if one.frames[-1] == last else (other, i)
                until = _until(gone, tracks[left], later.get(gone.track_id), lost_s)
                start = int(tracks[left].frames[0])
                risk[left][last - start : until - start] = True
    return tuple(replace(t, at_risk=r) for t, r in zip(tracks, risk, strict=True))


def _until(gone: Track2D, left: Track2D, back: Track2D | None, lost_s: float) -> int:
    """The frame up to which the one who is left is at risk, after the other is gone."""
    if back is not None and left.frames[0] <= back.frames[0] <= left.frames[-1]:
        row = int(back.frames[0] - left.frames[0])
        if _pairwise(back.boxes[:1], left.boxes[row : row + 1])[0] >= APART:
            return int(back.frames[0])
    late = np.searchsorted(left.times_s, gone.times_s[-1] + lost_s)
    return int(left.frames[0] + late)


def _pairwise(a: Float, b: Float) -> Float:
    """Intersection over the smaller (T,) of boxes (T, 4) row by row; 0 where one is unknown."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    return np.asarray(
        np.nan_to_num(shared / np.maximum(np.minimum(area(a), area(b)), 1e-6)), np.float32
    )


def _hysteresis(share: Float) -> Bool:
    """True where people overlap, from the first touch to the last, if they do so much at all."""
    some = np.flatnonzero(np.diff(np.concatenate([[False], share >= APART, [False]])))
    close = np.zeros(len(share), bool)
    for first, end in zip(some[::2], some[1::2], strict=True):
        close[first:end] = (share[first:end] >= CLOSE).any()
    return close
