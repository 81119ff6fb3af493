"""Smoothing over time: without lag where the whole is known, with little where it is not.

`smooth` is Whittaker's smoother with third differences: it minimises

    sum_t w_t |x_t - y_t|² dt_t + tau⁶ ∫ |x'''(t)|² dt,   tau = 1 / (2 pi cutoff)

Where samples are even and weights 1 that is a filter without phase whose gain is
1 / (1 + (f / cutoff)⁶): a half at the cutoff, 0.98 at half of it (Eilers 2003, "A perfect
smoother", doi:10.1021/ac034173t). Uncertain samples count less and times need not be even.

`OneEuro` is the filter of Casiez et al. (2012, doi:10.1145/2207676.2208639), for live pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from vp3d_cli.types import Double, Real

_ORDER = 3
# Times that stand still or go back would divide by zero.
_LEAST_STEP_S = 1e-4
# How much stiffer neighbours may be joined than they are held to their values: beyond, doubles do
# not tell what the values are. A cutoff below a 300th of the frame rate is raised by it.
_STIFFEST = 1e11
# What is unknown is held to its neighbours by this share of the largest weight.
_TRACE = 1e-4
# Where doubles still do not tell, it is tried again at this share of the stiffness, down to the
# last: then it is no matter of stiffness.
_SOFTER, _SOFTEST = 1e-2, 1e-12


def smooth(values: Real, weights: Real, times_s: Real, cutoff_hz: float) -> Double:
    """Smooth columns over time.

    Args:
        values: (T, ...) where NaN counts as unknown, and is filled in: in between along a smooth
            curve, before and after by what is next to it.
        weights: (T, ...) at least 0, how much each value counts; broadcast to `values`. Columns
            share the same work if their weights are alike, so give (T, J, 1) for (T, J, 3).
        times_s: (T,) ascending.
        cutoff_hz: what moves faster is taken for noise.

    Returns:
        (T, ...); as it was where there are fewer than four frames, NaN in a column without any
        value that counts.
    """
    values = values.astype(np.float64)
    length = len(values)
    if length <= _ORDER:
        return np.asarray(values, np.float64)
    known = np.isfinite(values)
    shape = np.broadcast_shapes(weights.shape, values.shape)
    if weights.shape[-1:] == (1,) and values.ndim == weights.ndim:
        known = np.repeat(known.all(-1, keepdims=True), values.shape[-1], -1)
        groups = math.prod(shape[1:-1])
    else:
        groups = math.prod(shape[1:])
    per_value: Double = np.where(known, np.broadcast_to(weights, shape), 0).astype(np.float64)
    columns = np.where(known, values, 0).reshape(length, groups, -1)
    counted = per_value.reshape(length, groups, -1)[..., 0]
    steps = np.maximum(np.diff(np.asarray(times_s, np.float64)), _LEAST_STEP_S)
    spacing = np.concatenate([steps[:1], (steps[1:] + steps[:-1]) / 2, steps[-1:]])
    times = np.concatenate([[0], np.cumsum(steps)])
    penalty = _penalty(times, spacing, cutoff_hz)
    smoothed = np.full_like(columns, np.nan)
    for group in range(groups):
        weight = counted[:, group] * spacing
        if np.count_nonzero(weight) > 0:
            smoothed[:, group] = _solve(penalty, weight, columns[:, group], times)
    return smoothed.reshape(values.shape)


def _solve(penalty: Double, weight: Double, columns: Double, times: Double) -> Double:
    """The minimum for columns (T, C) of one weight (T,)."""
    from scipy.linalg import LinAlgError, solveh_banded

    # Polynomials through a few known values would soon be far away from them.
    known, trace = weight > 0, _TRACE * weight.max()
    held = [np.interp(times, times[known], column[known]) for column in columns.T]
    # Around the mean: rounding errors are shares of the values.
    mean = np.average(columns, axis=0, weights=weight)
    right = weight[:, None] * (columns - mean) + trace * (np.stack(held, -1) - mean)
    # What weighs little is held by little: `_penalty` knows times, but no weights.
    share = min(1.0, 3 * _STIFFEST * float(weight.max() / penalty[-1].max()))
    while True:
        matrix = share * penalty
        matrix[-1] += weight + trace
        try:
            return np.asarray(solveh_banded(matrix, right, check_finite=False) + mean)
        except LinAlgError:
            if share < _SOFTEST:
                raise
            share *= _SOFTER


def _penalty(times: Double, spacing: Double, cutoff_hz: float) -> Double:
    """tau⁶ D' D as the upper diagonals (4, T) that `solveh_banded` takes."""
    length = len(times)
    count = length - _ORDER
    # Third derivative of the cubic through four neighbours, by divided differences.
    stencil = np.empty((count, _ORDER + 1))
    for i in range(_ORDER + 1):
        others = [times[k : k + count] for k in range(_ORDER + 1) if k != i]
        here = times[i : i + count]
        stencil[:, i] = math.factorial(_ORDER) / np.prod([here - other for other in others], 0)
    lasting = (times[_ORDER:] - times[:-_ORDER]) / _ORDER
    scale = (2 * np.pi * cutoff_hz) ** (-2 * _ORDER) * lasting
    least = np.min([spacing[k : k + count] for k in range(_ORDER + 1)], 0)
    scale = np.minimum(scale, _STIFFEST * least / np.square(stencil).max(1))
    bands = np.zeros((_ORDER + 1, length))
    for i in range(_ORDER + 1):
        for k in range(i, _ORDER + 1):
            product = scale * stencil[:, i] * stencil[:, k]
            bands[_ORDER - (k - i), k : k + count] += product
    return bands


@dataclass
class OneEuro:
    """Smooths one sample after the other; calm when slow, without lag when fast.

    Attributes:
        cutoff_hz: for what stands still.
        beta: by how much the cutoff grows with speed, Hz per unit a second.
        speed_cutoff_hz: for the speed itself.
    """

    cutoff_hz: float = 1.0
    beta: float = 1.0
    speed_cutoff_hz: float = 1.0
    _value: Double | None = field(default=None, init=False)
    _speed: Double | None = field(default=None, init=False)
    _time_s: float = field(default=0.0, init=False)

    def __call__(self, value: Real, time_s: float) -> Double:
        """The next value, smoothed; where it is NaN the last one holds."""
        value = np.asarray(value.astype(np.float64))
        if self._value is None or self._speed is None:
            self._value, self._speed = np.array(value, np.float64), np.zeros(value.shape)
            self._time_s = time_s
            return self._value.copy()
        step = max(time_s - self._time_s, _LEAST_STEP_S)
        self._time_s = time_s
        fresh = np.isnan(self._value) & np.isfinite(value)
        last = np.where(fresh, value, self._value)
        value = np.where(np.isnan(value), last, value)
        # Nothing was seen yet where both are NaN; a speed that is NaN would stay so.
        moving = np.nan_to_num(value - last) / step
        speed = self._speed + _share(self.speed_cutoff_hz, step) * (moving - self._speed)
        cutoff = self.cutoff_hz + self.beta * np.abs(speed)
        moved: Double = last + _share(cutoff, step) * (value - last)
        self._value, self._speed = moved, speed
        return moved.copy()


def _share(cutoff_hz: Real | float, step_s: float) -> Double:
    """How much of a new sample an exponential filter takes."""
    turn = 2 * np.pi * np.asarray(cutoff_hz) * step_s
    return np.asarray(turn / (turn + 1), np.float64)
