"""The paper's error measures (Pavllo et al. 2019, section 5), in the unit of their input.

All take `predicted` and `target` (..., T, J, 3) and give one number per frame, (..., T), unless
said otherwise. The root joint counts like any other, as in the paper.
"""

from __future__ import annotations

import numpy as np

from vp3d_cli.types import Real


def mpjpe(predicted: Real, target: Real) -> Real:
    """Mean per-joint position error (protocol 1)."""
    return np.asarray(np.linalg.norm(predicted - target, axis=-1).mean(-1))


def n_mpjpe(predicted: Real, target: Real) -> Real:
    """MPJPE after the best scale of each frame (protocol 3; Rhodin et al. 2018)."""
    across = (predicted * target).sum((-1, -2), keepdims=True)
    within = (predicted * predicted).sum((-1, -2), keepdims=True)
    return mpjpe(predicted * (across / np.maximum(within, 1e-12)), target)


def p_mpjpe(predicted: Real, target: Real) -> Real:
    """MPJPE after the best similarity of each frame, without reflection (protocol 2)."""
    centre_p, centre_t = predicted.mean(-2, keepdims=True), target.mean(-2, keepdims=True)
    p, t = (predicted - centre_p).astype(np.float64), (target - centre_t).astype(np.float64)
    u, singular, vt = np.linalg.svd(np.swapaxes(p, -1, -2) @ t)
    # A reflection fits better than any rotation where the determinant is negative.
    sign = np.ones_like(singular)
    sign[..., -1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[..., None, :]) @ vt
    power = np.square(p).sum((-1, -2))
    scale = (singular * sign).sum(-1) / np.maximum(power, 1e-12)
    return mpjpe(scale[..., None, None] * (p @ rotation), t)


def mpjve(predicted: Real, target: Real) -> Real:
    """Mean per-joint velocity error per frame step: (..., T - 1)."""
    return mpjpe(np.diff(predicted, axis=-3), np.diff(target, axis=-3))
