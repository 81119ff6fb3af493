"""The four losses of the paper, all weighted 1.

B batch, T frames, J joints. "3D human pose estimation in video with temporal convolutions and
semi-supervised training" (Pavllo et al., CVPR 2019), section 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def mpjpe(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean distance of joints (B, T, J, 3), metres."""
    distance: Tensor = torch.linalg.vector_norm(predicted - target, dim=-1)
    return distance.mean()


def weighted_mpjpe(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean distance of the trajectory (B, T, 1, 3), each frame weighted by 1 / depth.

    Far away the same error is harder to see and matters less.
    """
    distance: Tensor = torch.linalg.vector_norm(predicted - target, dim=-1)
    return (distance / target[..., 2]).mean()


def project(points: Tensor, cameras: Tensor, *, linear: bool) -> Tensor:
    """Points (B, T, J, 3) metres in camera axes to the screen (B, T, J, 2), x in [-1, 1].

    Args:
        points: positions in front of the camera.
        cameras: (B, 9) focal x, y; centre x, y; k1, k2, k3; p1, p2; in units of half the width.
        linear: without the lens.

    Rays outside of 45 degrees are clamped, so that a network that is not trained yet gets
    gradients that help.
    """
    focal, centre, radial, tangential = (
        part[:, None, None] for part in cameras.split_with_sizes((2, 2, 3, 2), dim=1)
    )
    xy = (points[..., :2] / points[..., 2:]).clamp(-1, 1)
    if linear:
        return focal * xy + centre
    r2 = (xy * xy).sum(-1, keepdim=True)
    powers = torch.cat([r2, r2**2, r2**3], dim=-1)
    bend = 1 + (radial * powers).sum(-1, keepdim=True) + (tangential * xy).sum(-1, keepdim=True)
    return focal * (xy * bend + tangential * r2) + centre


def reprojection(projected: Tensor, seen: Tensor) -> Tensor:
    """Mean distance on the screen of joints (B, T, J, 2) from where they were seen.

    Joints that were not seen (NaN) do not count.
    """
    known = torch.isfinite(seen).all(-1)
    offsets = torch.where(known[..., None], projected - seen, 0)
    # The square root of zero has no slope, and what was not seen is zero.
    distances = (offsets.square().sum(-1) + 1e-12).sqrt() * known
    return distances.sum() / known.sum().clamp(min=1)


def bone_lengths(joints: Tensor, bones: Sequence[tuple[int, int]]) -> Tensor:
    """Mean length (bones,) of each bone over the frames and the batch of joints (B, T, J, 3)."""
    parents, children = (list(ends) for ends in zip(*bones, strict=True))
    lengths: Tensor = torch.linalg.vector_norm(
        joints[:, :, children] - joints[:, :, parents], dim=-1
    )
    return lengths.mean((0, 1))


def bone_length_gap(
    labelled: Tensor, unlabelled: Tensor, bones: Sequence[tuple[int, int]]
) -> Tensor:
    """How much the people predicted without labels differ in size from those with, metres.

    Predictions are compared with predictions, as in the paper's code.
    """
    gap = bone_lengths(labelled, bones) - bone_lengths(unlabelled, bones)
    return gap.abs().mean()
