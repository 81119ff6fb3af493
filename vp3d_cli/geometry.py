"""Pure frame changes and flips.

Arrays may carry any leading axes; the last is the coordinate.
"""

from __future__ import annotations

import numpy as np

from vp3d_cli.types import Float, Real, Skeleton


def flip_pixels(keypoints: Float, width: int, skeleton: Skeleton) -> Float:
    """Keypoints (..., J, 2) px of the mirrored image: x becomes width - x, sides swap."""
    flipped = keypoints[..., skeleton.flip_order, :].copy()
    flipped[..., 0] = width - flipped[..., 0]
    return flipped


def flip_centred(points: Float, skeleton: Skeleton) -> Float:
    """Points (..., J, C) mirrored about x = 0: x is negated, sides swap."""
    flipped = points[..., skeleton.flip_order, :].copy()
    flipped[..., 0] *= -1
    return flipped


def rotate(rotations: Real, points: Real) -> Float:
    """Apply rotations (..., 3, 3) to points (..., J, 3), one rotation per leading index."""
    return np.asarray(np.einsum("...ij,...kj->...ki", rotations, points), np.float32)


def look_at_rotations(rays: Float) -> Float:
    """Rotations (..., 3, 3) that turn a camera by yaw, then pitch, to face each ray.

    `rays` (..., 2) are x/z and y/z. The camera is not rolled: a level camera's vertical stays
    in the vertical plane. R maps camera axes to the turned camera's; the ray becomes +z.
    """
    x, y = rays[..., 0], rays[..., 1]
    flat = np.sqrt(1 + x * x)
    length = np.sqrt(1 + x * x + y * y)
    cos_yaw, sin_yaw = 1 / flat, x / flat
    cos_pitch, sin_pitch = flat / length, y / length
    zero = np.zeros_like(x)
    rows = (
        (cos_yaw, zero, -sin_yaw),
        (-sin_pitch * sin_yaw, cos_pitch, -sin_pitch * cos_yaw),
        (cos_pitch * sin_yaw, sin_pitch, cos_pitch * cos_yaw),
    )
    return np.stack([np.stack(row, -1) for row in rows], -2)


def rays(keypoints: Float, width: int, height: int, focal_px: float) -> Float:
    """Pixels (..., 2) to directions x/z, y/z of a pinhole camera centred in the frame."""
    centre = np.array([width / 2, height / 2], np.float32)
    return np.asarray((keypoints - centre) / np.float32(focal_px), np.float32)
