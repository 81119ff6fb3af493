"""The faults of a 2D detector, drawn at random: what a lifter must learn not to believe.

Points are (B, T, 17, 2) in COCO order; spreads are in units of the person's size in the picture
(root mean square distance of the keypoints from their mean).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vp3d_cli.lift.normalise import body_size
from vp3d_cli.train.tables import require_above_zero, require_ascending, require_range
from vp3d_cli.types import Bool, Float, Real

_FACE = slice(0, 5)
_LEGS = ((13, 14), (15, 16))
_ARMS = ((7, 8), (9, 10))
_LOWER_BODY = (13, 14, 15, 16)
_CHANCES = ("face", "outlier", "occlusion", "limb", "swap", "merge", "cut", "gap")
_LIMBS = ((7, 9), (8, 10), (13, 15), (14, 16))
# How much each keypoint errs over time beside their mean: MoveNet against reprojected references
# on two real views (tests/bench/detector_noise.py), left and right as one. The face is measured
# against triangulated faces, on the second view, since they are wrong on the first.
_ERRS_PAIRS = (2.0, 1.1, 1.0, 1.4, 0.9, 0.75, 0.7)  # face, then shoulders down to ankles
_ERRS = np.array([_ERRS_PAIRS[0]] * 5 + [e for e in _ERRS_PAIRS[1:] for _ in range(2)])


@dataclass(frozen=True)
class Noise:
    """How much of each fault; chances are per sequence, or per frame and joint for `outlier`.

    Attributes:
        offset: constant misplacement of each keypoint.
        jitter: noise over time; its scale varies from sequence to sequence and joint to joint.
        memory_s: how long a misplacement lasts, low and high, log-uniform.
        face: chance that the face is taken for being elsewhere, as where it is blurred.
        outlier: chance that a keypoint is anywhere, for one frame.
        occlusion: chance that a joint is guessed for a while.
        limb: the same for each whole arm and leg.
        swap: chance that both legs, or both arms, trade sides for up to `swap_frames`.
        merge: chance that one limb is drawn on the other for a while, as in profile views.
        cut: chance that the lower body is outside the frame for a while.
        gap: chance that frames are missing and were interpolated.
    """

    offset: float = 0.03
    jitter: float = 0.02
    memory_s: tuple[float, float] = (0.02, 0.4)
    face: float = 0.12
    outlier: float = 0.006
    occlusion: float = 0.05
    limb: float = 0.03
    swap: float = 0.1
    swap_frames: int = 7
    merge: float = 0.06
    cut: float = 0.05
    gap: float = 0.12

    def __post_init__(self) -> None:
        require_range(self, ("offset", "jitter"), 0)
        require_range(self, _CHANCES, 0, 1)
        require_range(self, ("swap_frames",), 1)
        require_above_zero(self, ("memory_s",))
        require_ascending(self, ("memory_s",))


def spoil(
    points: Real, face_turned: Real, fps: Real, noise: Noise, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Return the points as a detector might report them, and its scores (B, T, 17).

    `face_turned` (B, T) is 1 towards the camera and -1 away from it; `fps` is (B,).
    """
    size, length = points.shape[:2]
    sizes: Real = body_size(points, np.ones(points.shape[:-1], np.float32))
    unit = np.median(sizes, 1)[:, None, None, None]
    points = points + unit * rng.normal(0, noise.offset, (size, 1, 17, 2))

    level = np.exp(rng.normal(0, 0.4, (size, 1, 17))) * np.exp(rng.normal(0, 0.4, (size, 1, 1)))
    low, high = np.log(noise.memory_s)
    memory = np.exp(rng.uniform(low, high, size))
    shake = _correlated(rng.normal(0, 1, points.shape), np.exp(-1 / (fps * memory)))
    points = points + unit * noise.jitter * (level * _ERRS)[..., None] * shake
    flicker = _correlated(rng.normal(0, 1, (size, length, 17)), np.full(size, 0.8))
    scores: Real = rng.uniform(0.45, 0.95, (size, 1, 1)) + rng.normal(0, 0.06, (size, 1, 17))
    scores = scores - 0.06 * level + 0.05 * flicker
    away = 1 / (1 + np.exp(-4 * (face_turned - 0.1)))
    scores[..., _FACE] *= 0.45 + 0.55 * away[..., None]
    points[..., _FACE, :] += (
        unit * 0.12 * (1 - away[..., None, None]) * rng.normal(0, 1, (size, 1, 5, 2))
    )

    points, scores = _lose_face(points, scores, unit, noise.face, rng)
    points, scores = _trade_sides(points, scores, noise, rng)
    points, scores = _occlude(points, scores, unit, noise, rng)
    lost = rng.random(scores.shape) < noise.outlier
    points = points + unit * lost[..., None] * rng.normal(0, 0.6, points.shape)
    scores = np.where(lost, scores * rng.uniform(0.1, 0.8, scores.shape), scores)
    points, scores = _interpolate_gaps(points, scores, noise.gap, rng)
    return points.astype(np.float32), np.clip(scores, 0, 1).astype(np.float32)


def _correlated(white: Real, keep: Real) -> Real:
    """First-order autoregression of white noise (B, T, ...) with unit variance."""
    out = white.copy()
    k = keep.reshape(-1, *(1,) * (white.ndim - 2))
    fresh = np.sqrt(1 - k * k)
    for t in range(1, white.shape[1]):
        out[:, t] = k * out[:, t - 1] + fresh * white[:, t]
    return out


def _runs(
    shape: tuple[int, ...], length: int, longest: int, chance: float, rng: np.random.Generator
) -> Bool:
    """For each index of `shape`, perhaps one stretch of up to `longest` frames: (*shape, T)."""
    first = rng.integers(0, length, shape)[..., None]
    frames = rng.integers(1, longest + 1, shape)[..., None]
    at = np.arange(length)
    happens = (rng.random(shape) < chance)[..., None]
    return np.asarray(happens & (at >= first) & (at < first + frames))


def _lose_face(
    points: Real, scores: Real, unit: Real, chance: float, rng: np.random.Generator
) -> tuple[Real, Real]:
    """Faces elsewhere; as far and unsteady as MoveNet has a pixelated one on the first view."""
    points, scores = points.copy(), scores.copy()
    size, length = points.shape[:2]
    lost: Bool = np.asarray(rng.random(size) < chance)[:, None, None, None]
    wander = _correlated(rng.normal(0, 0.12, (size, length, 1, 2)), np.full(size, 0.85))
    shake = _correlated(rng.normal(0, 0.06, (size, length, 5, 2)), np.full(size, 0.7))
    away = rng.normal(0, 0.2, (size, 1, 1, 2)) + wander + shake
    points[..., _FACE, :] += unit * lost * away
    scores[..., _FACE] *= np.where(lost[..., 0], rng.uniform(0.5, 1, (size, 1, 1)), 1)
    return points, scores


def _trade_sides(
    points: Real, scores: Real, noise: Noise, rng: np.random.Generator
) -> tuple[Real, Real]:
    size, length = points.shape[:2]
    points, scores = points.copy(), scores.copy()
    for pairs in (_LEGS, _ARMS):
        swapped = _runs((size,), length, noise.swap_frames, noise.swap, rng)
        merged = _runs((size,), length, 40, noise.merge, rng)
        keep_left: Bool = np.asarray(rng.random(size) < 0.5)
        for left, right in pairs:
            for values in (points, scores[..., None]):
                both = values[:, :, [left, right]]
                values[:, :, [left, right]] = np.where(
                    swapped[..., None, None], both[:, :, ::-1], both
                )
            source = np.where(keep_left[:, None, None], points[:, :, left], points[:, :, right])
            for joint, kept in ((left, keep_left), (right, np.logical_not(keep_left))):
                drawn_over = merged & np.logical_not(kept)[:, None]
                points[:, :, joint] = np.where(drawn_over[..., None], source, points[:, :, joint])
                scores[:, :, joint] *= np.where(drawn_over, 0.6, 1)
    return points, scores


def _occlude(
    points: Real, scores: Real, unit: Real, noise: Noise, rng: np.random.Generator
) -> tuple[Real, Real]:
    """Hidden joints, guessed near the truth, and lower bodies outside the frame."""
    size, length = points.shape[:2]
    hidden = _runs((size, 17), length, 60, noise.occlusion, rng).transpose(0, 2, 1)
    limbs = _runs((size, len(_LIMBS)), length, 60, noise.limb, rng).transpose(0, 2, 1)
    for limb, joints in enumerate(_LIMBS):
        hidden[..., joints] |= limbs[..., limb, None]
    cut = _runs((size,), length, 2 * length, noise.cut, rng)
    hidden[..., _LOWER_BODY] |= cut[..., None]
    spread = rng.uniform(0.05, 0.35, (size, 1, 17, 1))
    drift = _correlated(rng.normal(0, 1, points.shape), np.full(size, 0.9))
    guessed = points + unit * spread * drift
    low = scores * rng.uniform(0.05, 0.6, (size, 1, 17))
    return np.where(hidden[..., None], guessed, points), np.where(hidden, low, scores)


def _interpolate_gaps(
    points: Real, scores: Real, chance: float, rng: np.random.Generator
) -> tuple[Real, Real]:
    """Frames without a detection: filled as `track` fills them, scored 0."""
    points, scores = points.copy(), scores.copy()
    length = points.shape[1]
    missing = _runs((len(points),), length, 20, chance, rng)
    for row in np.flatnonzero(missing.any(1)):
        gone = np.flatnonzero(missing[row])
        before, after = gone[0] - 1, gone[-1] + 1
        if before < 0 or after >= length:
            continue
        share = ((gone - before) / (after - before))[:, None, None]
        points[row, gone] = (1 - share) * points[row, before] + share * points[row, after]
        scores[row, gone] = 0
    return points, scores
