"""How much two people in an image are the same one: boxes (IoU) and keypoints (OKS)."""

from __future__ import annotations

import numpy as np

from vp3d_cli.types import Bool, Detections, Float

# COCO's OKS has one sigma per joint, 0.025 (eyes) to 0.107 (hips). The mean of the limbs serves
# all here: the question is "which person", not "how exact", and it then holds for any skeleton.
_SIGMA = 0.08
# Different people measured below 0.35, the same one found twice mostly above 0.6.
_SAME = 0.5


def iou(a: Float, b: Float) -> Float:
    """Intersection over union (A, B) of boxes (A, 4) and (B, 4) xyxy px."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = area(a)[:, None] + area(b)[None] - shared
    return np.asarray(shared / np.maximum(union, 1e-6), np.float32)


def area(boxes: Float) -> Float:
    """Areas (...,) px² of boxes (..., 4) xyxy."""
    sides = np.clip(boxes[..., 2:] - boxes[..., :2], 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float32)


def oks(a: Float, b: Float, valid: Bool, areas: Float) -> Float:
    """Object keypoint similarity, 0 to 1, of people (..., J, 2) px against (..., J, 2) px.

    Args:
        a, b: keypoints, broadcast against each other.
        valid: (..., J) the joints that count; with none the similarity is 0.
        areas: (...,) px², the size that distances are measured against.
    """
    squared = np.sum((a - b) ** 2, axis=-1)
    scale = 2 * np.maximum(areas, 1.0)[..., None] * (2 * _SIGMA) ** 2
    usable = valid & np.isfinite(squared)
    alike = np.where(usable, np.exp(-np.where(usable, squared, 0) / scale), 0)
    return np.asarray(alike.sum(-1) / np.maximum(usable.sum(-1), 1), np.float32)


def alike(a: Detections, b: Detections) -> Bool:
    """Which people (A, B) are the same, by the keypoints that both are sure of."""
    valid = sure(a)[:, None] & sure(b)[None]
    areas = np.minimum(area(a.boxes)[:, None], area(b.boxes)[None])
    return np.asarray(oks(a.keypoints[:, None], b.keypoints[None], valid, areas) >= _SAME, bool)


def sure(people: Detections) -> Bool:
    """Keypoints (P, J) with at least half of the person's mean score, on any detector's scale."""
    scores = np.nan_to_num(people.scores)
    return np.asarray(scores >= 0.5 * scores.mean(1, keepdims=True), bool)


def box_around(keypoints: Float, chosen: Bool) -> Float:
    """Tight box (4,) xyxy px around the chosen of the keypoints (J, 2); NaN when none is."""
    points = keypoints[chosen & np.isfinite(keypoints).all(-1)]
    if not len(points):
        return np.full(4, np.nan, np.float32)
    return np.concatenate([points.min(0), points.max(0)]).astype(np.float32)
