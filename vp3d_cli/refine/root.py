"""Where a person stands: the path on which the lifted joints are seen where the picture has them.

With the focal length f a joint at (X, Y, Z) of the camera is seen in the direction X / Z, Y / Z.
Frame by frame that says where the root is (`reprojection.fit_root`); of its coordinates depth is
known worst, from the person's size alone, so it is calmed most.
"""

from __future__ import annotations

import numpy as np

from vp3d_cli import geometry, smoothing
from vp3d_cli.refine import reprojection
from vp3d_cli.types import Camera, Double, Float, Real, Track2D, VideoInfo

# People hardly change their distance faster, in shares of it; depth beyond is a lifter's noise.
_DEPTH_HZ = 0.7
# What the lifter's own path of depths counts beside the picture's in a frame that says as much
# about depth as the median frame does. Alone it is no better, see tests/bench/placement.py.
_PRIOR_WEIGHT = 0.2
# A guessed keypoint still says more about where a person is than nothing.
_GUESSED = 0.1
_DEPTHS_M = (0.3, 300.0)


def path(
    track: Track2D, joints: Real, prior: Real, video: VideoInfo, camera: Camera, cutoff_hz: float
) -> Float:
    """The root in the camera frame, (T, 3) metres.

    Args:
        track: keypoints, calmed.
        joints: (T, 17, 3) of Human3.6M, metres, relative to the root.
        prior: (T, 3) the lifter's own path, or NaN; only how its depth changes counts.
        video, camera: that saw it.
        cutoff_hz: of the motion across the picture.

    Returns:
        NaN where nobody can say: without any frame that shows four keypoints, or where joints
        are unknown.
    """
    seen = track.keypoints[:, reprojection.FIRST_KEYPOINT :]
    weights = _weights(track, seen)
    directions = geometry.rays(
        np.where(np.isfinite(seen), seen, 0).astype(np.float32),
        video.width,
        video.height,
        camera.focal_px,
    )
    points = joints[:, reprojection.JOINTS].astype(np.float64)
    weights = np.where(np.isfinite(points).all(-1), weights, 0)
    points = np.nan_to_num(points)
    depth = reprojection.fit_root(points, directions, weights)[:, 2]
    sure = _depth_weights(directions, weights, depth)
    if not (sure > 0).any():
        return np.full((len(track), 3), np.nan, np.float32)
    depth = _calmed(depth, sure, prior, track.times_s)
    across = _across(points, directions, weights, depth)
    across = smoothing.smooth(across, weights.mean(1)[:, None], track.times_s, cutoff_hz)
    root = np.concatenate([across, depth[:, None]], -1)
    root[~np.isfinite(joints).all((1, 2))] = np.nan
    return np.asarray(root, np.float32)


def residuals(track: Track2D, joints: Real, root: Real, video: VideoInfo, camera: Camera) -> Float:
    """Root mean square distance (T,) px of projected joints from the keypoints that count.

    NaN where nothing counts, or the root is unknown.
    """
    placed = joints[:, reprojection.JOINTS].astype(np.float64) + root[:, None]
    depth = np.where(placed[..., 2:] > _DEPTHS_M[0], placed[..., 2:], np.nan)
    middle = np.array([video.width, video.height]) / 2
    seen = placed[..., :2] / depth * camera.focal_px + middle
    weights = reprojection.trusted(track)
    off = np.square(seen - track.keypoints[:, reprojection.FIRST_KEYPOINT :]).sum(-1)
    counted = (weights > 0) & np.isfinite(off)
    total = np.where(counted, off, 0).sum(1) / np.maximum(counted.sum(1), 1)
    return np.where(counted.any(1), np.sqrt(total), np.nan).astype(np.float32)


def _weights(track: Track2D, seen: Float) -> Double:
    """Weights (T, K) of keypoints: their scores, less where they are guessed."""
    trusted = reprojection.trusted(track).astype(np.float64)
    scores = np.clip(np.nan_to_num(track.scores[:, reprojection.FIRST_KEYPOINT :]), 0.01, 1)
    weights = np.where(trusted > 0, trusted, _GUESSED * scores)
    return np.where(np.isfinite(seen).all(-1), weights, 0)


def _depth_weights(directions: Real, weights: Real, depth: Real) -> Double:
    """How much each frame (T,) says about the logarithm of its depth; the median says 1."""
    total = np.maximum(weights.sum(1), 1e-9)[:, None]
    middle = (weights[..., None] * directions).sum(1) / total
    spread = (weights[..., None] * np.square(directions - middle[:, None])).sum((1, 2))
    usable = np.isfinite(depth) & (depth > _DEPTHS_M[0]) & (depth < _DEPTHS_M[1])
    told = np.where(usable, spread * np.square(np.where(usable, depth, 0)), 0)
    return np.asarray(told / np.median(told[told > 0]) if (told > 0).any() else told)


def _calmed(depth: Real, sure: Real, prior: Real, times_s: Real) -> Double:
    """Depths (T,) smoothed as logarithms, together with the lifter's own."""
    logs = np.log(np.clip(np.where(sure > 0, depth, 1), *_DEPTHS_M))
    ahead = np.asarray(prior, np.float64)[:, 2]
    told = np.isfinite(ahead) & (ahead > _DEPTHS_M[0])
    own = np.log(np.where(told, ahead, 1))
    both = told & (sure > 0)
    if both.any():
        own = own + np.median((logs - own)[both])  # body size and focal length differ
        weight = np.where(told, _PRIOR_WEIGHT, 0)
        logs = (sure * logs + weight * own) / np.maximum(sure + weight, 1e-9)
        sure = sure + weight
    return np.asarray(np.exp(smoothing.smooth(logs[:, None], sure[:, None], times_s, _DEPTH_HZ)))[
        :, 0
    ]


def _across(points: Real, directions: Real, weights: Real, depth: Real) -> Double:
    """X and Y of the root (T, 2) that fit best at a given depth; NaN where nothing counts."""
    target = directions * (points[..., 2:] + depth[:, None, None]) - points[..., :2]
    total = weights.sum(1)[:, None]
    return np.asarray(
        np.where(total > 0, (weights[..., None] * target).sum(1) / np.maximum(total, 1e-9), np.nan)
    )
