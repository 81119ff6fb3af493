"""How well people in 3D fit the picture: where their keypoints would be seen, and how far off.

T frames, J joints of Human3.6M, K = 12 keypoints of COCO: shoulders, elbows, wrists, hips, knees,
ankles, in COCO's order. The five of the face have no joint that stands for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vp3d_cli import geometry, skeletons
from vp3d_cli.types import Bool, Camera, Double, Float, Real, Track2D, Track3D, VideoInfo

_COCO, _H36M = skeletons.get("coco17"), skeletons.get("h36m17")
_RENAMED = {"left_ankle": "left_foot", "right_ankle": "right_foot"}
FIRST_KEYPOINT = 5
# The joint (K,) that each keypoint from the first on shows.
JOINTS = [_H36M.index(_RENAMED.get(name, name)) for name in _COCO.joints[FIRST_KEYPOINT:]]
# Below this score a detector guesses.
LEAST_SCORE = 0.3
_LEAST_DEPTH_M = 0.3
# Fewer keypoints than this do not say where a person stands.
LEAST_KEYPOINTS = 4
# Beside a person's median size: in a smaller frame the keypoints have collapsed.
_LEAST_SIZE = 0.25


def trusted(track: Track2D) -> Float:
    """Weights (T, K) of the keypoints: their scores; 0 where they are guessed or filled in."""
    scores = track.scores[:, FIRST_KEYPOINT:]
    known: Bool = np.asarray(np.isfinite(track.keypoints[:, FIRST_KEYPOINT:]).all(-1))
    sure: Bool = np.asarray(np.nan_to_num(scores) >= LEAST_SCORE)
    believed = known & track.observed[:, None] & sure
    return np.where(believed, np.clip(scores, 0, 1), 0).astype(np.float32)


def fit_root(points: Real, directions: Real, weights: Real) -> Double:
    """Where people stand so that their keypoints are seen where they were: (T, 3) metres.

    The root r solves x + r_x = u (z + r_z), y + r_y = v (z + r_z) for all keypoints by weighted
    least squares, frame by frame. NaN where fewer than four keypoints count.

    Args:
        points: (T, K, 3) keypoints relative to the root, camera axes.
        directions: (T, K, 2) x/z and y/z of where they were seen.
        weights: (T, K).
    """
    counted = (weights > 0).sum(-1) >= LEAST_KEYPOINTS
    uv = np.where(weights[..., None] > 0, directions, 0).astype(np.float64)
    w = weights.astype(np.float64)[..., None]
    target = uv * points[..., 2:] - points[..., :2]
    # Normal equations of rows (1, 0, -u) and (0, 1, -v).
    normal = np.zeros((len(points), 3, 3))
    normal[:, 0, 0] = normal[:, 1, 1] = w.sum((-1, -2))
    normal[:, :2, 2] = normal[:, 2, :2] = -(w * uv).sum(-2)
    normal[:, 2, 2] = (w * uv * uv).sum((-1, -2))
    right = np.zeros((len(points), 3))
    right[:, :2] = (w * target).sum(-2)
    right[:, 2] = -(w * uv * target).sum((-1, -2))
    normal[~counted] = np.eye(3)
    root = np.linalg.solve(normal + 1e-9 * np.eye(3), right[..., None])[..., 0]
    root[~counted] = np.nan
    return np.asarray(root)


@dataclass(frozen=True)
class Fit:
    """A person put where the picture shows them.

    Attributes:
        root: (T, 3) camera axes, metres, see `fit_root`.
        distances_px: (T, K) between where keypoints were seen and where the joints project to;
            NaN where they do not count.
        sizes_px: (T,) of the body in the picture: root mean square distance of the keypoints
            that count from their mean, at least a quarter of the person's median.
    """

    root: Double
    distances_px: Double
    sizes_px: Double


def fit(track: Track2D, lifted: Track3D, video: VideoInfo, camera: Camera) -> Fit:
    """Put a lifted person where their keypoints were seen, and measure what is left."""
    seen = track.keypoints[:, FIRST_KEYPOINT:]
    weights = trusted(track)
    directions = geometry.rays(seen, video.width, video.height, camera.focal_px)
    points = lifted.joints[:, JOINTS]
    root = fit_root(points, directions, weights)
    placed = points + root[:, None]
    projected = placed[..., :2] / np.maximum(placed[..., 2:], _LEAST_DEPTH_M)
    off = np.linalg.norm(projected - directions, axis=-1) * camera.focal_px
    return Fit(root, np.where(weights > 0, off, np.nan), _sizes(seen, weights))


def _sizes(seen: Real, weights: Real) -> Double:
    """`Fit.sizes_px` of keypoints (T, K, 2); the median where too few count."""
    points = np.where(weights[..., None] > 0, seen, 0).astype(np.float64)
    share = (weights / np.maximum(weights.sum(-1, keepdims=True), 1e-6))[..., None]
    centre = (points * share).sum(-2, keepdims=True)
    sizes = np.sqrt((np.square(points - centre) * share).sum((-1, -2)))
    counted = (weights > 0).sum(-1) >= LEAST_KEYPOINTS
    middle = max(float(np.median(sizes[counted])), 1.0) if counted.any() else 1.0
    return np.where(counted, np.maximum(sizes, _LEAST_SIZE * middle), middle)
