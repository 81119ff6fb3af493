"""The paper's protocol: errors of clips, averaged over frames, then over actions (numpy only).

Inside an action clips count by their frames; actions count alike. So a long action weighs no
more than a short one, and a long clip more than a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vp3d_cli.datasets.choice import first_word
from vp3d_cli.evaluate.metrics import mpjpe, mpjve, n_mpjpe, p_mpjpe
from vp3d_cli.types import Bool, Double, Real, require_shape

_MM = 1000


@dataclass(frozen=True)
class Errors:
    """Errors of one clip, or the mean of several. NaN where nothing could be measured.

    Attributes:
        frames: that were measured.
        reference_frames: that could have been, had the person been found in all of them.
        mpjpe_mm: mean per-joint position error.
        p_mpjpe_mm: after the best similarity of each frame.
        n_mpjpe_mm: after the best scale of each frame.
        mpjve_mm: velocity error, mm per frame step.
        similarity_mm: after the one best similarity of a whole clip.
        joints_mm: (J,) position error of each joint.
    """

    frames: int
    reference_frames: int
    mpjpe_mm: float
    p_mpjpe_mm: float
    n_mpjpe_mm: float
    mpjve_mm: float
    similarity_mm: float
    joints_mm: Double

    @property
    def coverage(self) -> float:
        """Measured frames, % of those that could have been."""
        return 100 * self.frames / self.reference_frames if self.reference_frames else float("nan")


@dataclass(frozen=True)
class Summary:
    """Errors of each action, by name, and their mean."""

    actions: dict[str, Errors]
    mean: Errors


def clip_errors(predicted: Real, target: Real) -> Errors:
    """The errors of one clip, in millimetres.

    Args:
        predicted, target: (T, J, 3) metres. A frame counts where all joints of both are finite;
            a velocity, where both of its frames do.

    Returns:
        The reference frames are those with a finite target.
    """
    require_shape("predicted", predicted, target.shape)
    known = np.isfinite(target).all((1, 2))
    use: Bool = np.asarray(known & np.isfinite(predicted).all((1, 2)))
    num_joints, num_known = target.shape[1], int(known.sum())
    if not use.any():
        return _errors(np.full(5 + num_joints, np.nan), 0, num_known)
    a, b = predicted[use].astype(np.float64), target[use].astype(np.float64)
    values = [
        mpjpe(a, b).mean(),
        p_mpjpe(a, b).mean(),
        n_mpjpe(a, b).mean(),
        _velocity_error(predicted, target, use),
        similarity_mpjpe(a, b),
        *np.linalg.norm(a - b, axis=-1).mean(0),
    ]
    return _errors(_MM * np.array(values, np.float64), len(a), num_known)


def _velocity_error(predicted: Real, target: Real, use: Bool) -> float:
    steps = use[1:] & use[:-1]
    if not steps.any():
        return float("nan")
    wide = predicted.astype(np.float64), target.astype(np.float64)
    return float(mpjve(*wide)[steps].mean())


def similarity_mpjpe(predicted: Real, target: Real) -> float:
    """MPJPE of (T, J, 3) after the one best similarity of the whole clip, without reflection.

    The similarity is the least-squares one of all T x J points; unlike with one for each frame,
    a pose that turns or grows over time stays wrong.
    """
    return float(p_mpjpe(predicted.reshape(-1, 3), target.reshape(-1, 3)))


def summarise(clips: Iterable[tuple[str, Errors]]) -> Summary:
    """Average clips by action, then actions.

    Args:
        clips: (name of the action, errors); only the first word of the name counts.
    """
    groups: dict[str, list[Errors]] = {}
    for action, errors in clips:
        groups.setdefault(first_word(action), []).append(errors)
    actions = {action: _average(groups[action], by_frames=True) for action in sorted(groups)}
    return Summary(actions, _average(list(actions.values()), by_frames=False))


def _average(errors: Sequence[Errors], *, by_frames: bool) -> Errors:
    """The mean over those in which the number is known."""
    if not errors:
        raise ValueError("expected at least one clip to average")
    values = np.stack([_values(e) for e in errors])
    weights = np.array([e.frames if by_frames else 1 for e in errors], np.float64)
    counted = weights[:, None] * np.isfinite(values)
    total = counted.sum(0)
    sums = (counted * np.nan_to_num(values)).sum(0)
    mean = np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)
    return _errors(mean, sum(e.frames for e in errors), sum(e.reference_frames for e in errors))


def _values(errors: Errors) -> Double:
    return np.array(
        [
            errors.mpjpe_mm,
            errors.p_mpjpe_mm,
            errors.n_mpjpe_mm,
            errors.mpjve_mm,
            errors.similarity_mm,
            *errors.joints_mm,
        ]
    )


def _errors(values_mm: Double, frames: int, reference_frames: int) -> Errors:
    """The inverse of `_values`."""
    mpjpe_mm, p_mpjpe_mm, n_mpjpe_mm, mpjve_mm, similarity_mm = values_mm[:5].tolist()
    return Errors(
        frames=frames,
        reference_frames=reference_frames,
        mpjpe_mm=mpjpe_mm,
        p_mpjpe_mm=p_mpjpe_mm,
        n_mpjpe_mm=n_mpjpe_mm,
        mpjve_mm=mpjve_mm,
        similarity_mm=similarity_mm,
        joints_mm=values_mm[5:],
    )
