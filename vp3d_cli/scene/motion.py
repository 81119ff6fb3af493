"""Motion of the background between two thumbnails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from vp3d_cli.types import Float, Image, Real

_MOST_POINTS, _CORNER, _APART = 50, 0.01, 7
_WINDOW = (11, 11)
_LEVELS = 3
# Thumbnail pixels that a point, tracked there and back, may miss where it started.
_RETURN = 0.7
# Mean difference of brightness around a point, 0 to 255, that still is the same thing.
_SAME = 22.0
# Fewest points that tell a motion, and how well, px, what share of them must agree on it.
_FEWEST, _AGREE, _AGREED = 8, 0.6, 0.5
# People are larger than their boxes, which end at eyes and wrists: share of the box's diagonal.
_WIDER = 0.12


@dataclass(frozen=True)
class Flow:
    """Where points went.

    Attributes:
        starts, steps: (N, 2) thumbnail pixels, of the points that were found again.
        share_found: of all points; NaN where there were too few to say.
    """

    starts: Float
    steps: Float
    share_found: float

    @staticmethod
    def none() -> Flow:
        nothing = np.zeros((0, 2), np.float32)
        return Flow(nothing, nothing, float("nan"))


def between(before: Image, after: Image) -> Flow:
    """Track the corners of one grey thumbnail to the next, and back, to know who is lost."""
    if before.shape != after.shape:
        return Flow.none()
    corners = cv2.goodFeaturesToTrack(before, _MOST_POINTS, _CORNER, _APART)
    if corners is None or len(corners) < _FEWEST:
        return Flow.none()
    there, found, error = _track(before, after, corners)
    back, found_back, _ = _track(after, before, there)
    missed = np.linalg.norm((back - corners)[:, 0], axis=-1)
    good = (found[:, 0] > 0) & (found_back[:, 0] > 0) & (missed < _RETURN) & (error[:, 0] < _SAME)
    starts = corners[good, 0]
    steps = there[good, 0] - starts
    return Flow(starts.astype(np.float32), steps.astype(np.float32), float(good.mean()))


def _track(before: Image, after: Image, points: Any) -> tuple[Any, Any, Any]:
    return cv2.calcOpticalFlowPyrLK(  # type: ignore[call-overload,no-any-return]  # takes None
        before, after, points, None, winSize=_WINDOW, maxLevel=_LEVELS
    )


def drift_of(flow: Flow, boxes: Float) -> float:
    """How far the background moved, thumbnail pixels; NaN where it cannot be said.

    A turn, a zoom and a shift together are fitted to the points outside of people's boxes
    (thumbnail pixels), and to those of them that agree.
    """
    starts, steps = flow.starts.astype(np.float64), flow.steps.astype(np.float64)
    keep = np.ones(len(starts), bool)
    for box in boxes[np.isfinite(boxes).all(1)]:
        rim = _WIDER * float(np.hypot(*(box[2:] - box[:2])))
        keep &= ((starts < box[:2] - rim) | (starts > box[2:] + rim)).any(1)
    starts, steps = starts[keep], steps[keep]
    if len(starts) < _FEWEST:
        return float("nan")
    fitted: Real = np.broadcast_to(np.median(steps, 0), steps.shape)
    for _ in range(5):
        away = np.linalg.norm(steps - fitted, axis=-1)
        fitted = _fit(starts, steps, 1 / np.maximum(away, 0.05))
    agree = np.linalg.norm(steps - fitted, axis=-1) < _AGREE
    if agree.mean() < _AGREED:
        return float("nan")
    return float(np.linalg.norm(fitted[agree], axis=-1).mean())


def _fit(points: Real, steps: Real, weights: Real) -> Real:
    """Steps (N, 2) of the similarity that fits best: a x - b y + c, b x + a y + d."""
    shares = (weights / weights.sum())[:, None]
    centre, shift = (shares * points).sum(0), (shares * steps).sum(0)
    (x, y), (u, v) = (points - centre).T, (steps - shift).T
    spread = max(float((shares[:, 0] * (x * x + y * y)).sum()), 1e-9)
    a = float((shares[:, 0] * (x * u + y * v)).sum()) / spread
    b = float((shares[:, 0] * (x * v - y * u)).sum()) / spread
    return np.asarray(np.stack([a * x - b * y, b * x + a * y], -1) + shift)
