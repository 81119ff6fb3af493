"""The losses of a step, in metres or in units of the body's size. B windows, T frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vp3d_cli.refine import reprojection

# Body sizes by which a good detector errs: nearer than this there is little left to be learnt.
_NOISE = 0.03
# Keypoints farther off than this many body sizes are the detector's mistakes and do not pull.
_OUTLIER = 0.35
_LEAST_DEPTH_M = 0.3
# Of a path, which is metres times the body's size in the picture.
_LEAST_PATH = 0.05


def path_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean distance of paths (B, T, 1, 3) beside their depth: how far off they are seen."""
    distance: Tensor = torch.linalg.vector_norm(predicted - target, dim=-1)
    return (distance / target[..., 2].clamp(min=_LEAST_PATH)).mean()


def depth_drift(poses: Tensor, before: Tensor, weights: Tensor) -> Tensor:
    """How far joints (B, T, J, 3) moved in depth from where they were before, metres.

    Depth is what a picture does not show; frames without weights (B, T, K) do not count.
    """
    seen = (weights.sum(-1) > 0).float()
    moved = (poses[..., 2] - before[..., 2]).abs().mean(-1)
    return (moved * seen).sum() / seen.sum().clamp(min=1)


def stretching(poses: Tensor, bones: Sequence[tuple[int, int]]) -> Tensor:
    """How far bones of joints (B, T, J, 3) are from their mean length in the window, metres."""
    parents, children = (list(ends) for ends in zip(*bones, strict=True))
    lengths: Tensor = torch.linalg.vector_norm(poses[:, :, children] - poses[:, :, parents], dim=-1)
    return (lengths - lengths.mean(1, keepdim=True)).abs().mean()


def unsteadiness(poses: Tensor, weights: Tensor) -> Tensor:
    """Mean second difference over time of joints (B, T, J, 3), metres a frame squared.

    A detector's jitter would else come through where keypoints are to be met ever closer.
    """
    seen = (weights.sum(-1) > 0).float()[:, 1:-1]
    bent: Tensor = torch.linalg.vector_norm(poses.diff(n=2, dim=1), dim=-1).mean(-1)
    return (bent * seen).sum() / seen.sum().clamp(min=1)


def fitted_roots(points: Tensor, directions: Tensor, weights: Tensor) -> Tensor:
    """`reprojection.fit_root` of tensors (B, T, K, ...): (B, T, 1, 3), without gradients.

    At the best place a small step of the place changes nothing, so that none are needed.
    """
    parts = (points, directions, weights)
    flat = (part.detach().flatten(0, 1).cpu().numpy() for part in parts)
    roots = np.nan_to_num(reprojection.fit_root(*flat))
    return torch.from_numpy(roots).to(points).reshape(*points.shape[:2], 1, 3)


def off_the_picture(points: Tensor, zooms: Tensor, seen: Tensor, weights: Tensor) -> Tensor:
    """How far keypoints are seen from where they should be, in body sizes, by weight.

    Pseudo-Huber: within a detector's noise the pull fades, and beyond it is the same everywhere,
    up to what can only be a mistake.

    Args:
        points: (B, T, K, 3) metres, from the camera.
        zooms: (B, T), see `pairs`.
        seen: (B, T, K, 2) where keypoints were seen, in the units of the inputs.
        weights: (B, T, K).
    """
    projected = points[..., :2] / points[..., 2:].clamp(min=_LEAST_DEPTH_M)
    offsets = projected * zooms[..., None, None] - seen
    share = weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)
    centre = (seen * share[..., None]).sum(-2, keepdim=True)
    body = ((seen - centre).square().sum(-1) * share).sum(-1, keepdim=True).sqrt()
    squares = offsets.square().sum(-1) / body.clamp(min=1e-4).square()
    errors = ((squares + _NOISE**2).sqrt() - _NOISE).clamp(max=_OUTLIER)
    return (errors * weights).sum() / weights.sum().clamp(min=1e-6)
