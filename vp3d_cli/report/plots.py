"""Plots over time as SVG inside HTML: shapes stretch with the page, letters do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from vp3d_cli.render.bars import nice_step
from vp3d_cli.report.clock import stretches
from vp3d_cli.report.values import Moment, Person
from vp3d_cli.report.words import clock, number
from vp3d_cli.types import Bool, Double, Real

# Of the SVG's own units; a page stretches them.
_WIDTH, _HEIGHT = 1000.0, 100.0
# Longer curves are told by the lowest and the highest value of so many parts.
_MOST_POINTS = 500
# A stretch is drawn at least so wide.
_LEAST_WIDTH = 3.0
# Values that are so many times above nearly all others, percent, would flatten what matters.
_NEARLY_ALL, _FAR_ABOVE = 95.0, 3.0
_ROOM = 1.1


@dataclass(frozen=True)
class Curve:
    """`values` (T,), NaN where unknown; `kind` is "before" or "after"."""

    label: str
    values: Double
    kind: str = "after"


@dataclass(frozen=True)
class Panel:
    """Curves on one axis, which begins at 0 unless `floats`, and ends at `top` where it is given.

    Attributes:
        title, unit: above the plot.
        curves: what is drawn.
        why: what is said where there is nothing to draw.
        top: end of the axis.
        floats: the axis follows the values.
    """

    title: str
    unit: str
    curves: tuple[Curve, ...]
    why: str
    top: float | None = None
    floats: bool = False


def panels_of(person: Person) -> tuple[Panel, ...]:
    """What is drawn of a person."""
    series, missing = person.series, person.missing
    place = "Hip above the floor" if series.is_height else "Distance of the hip from the camera"
    return (
        Panel(
            "Confidence",
            "%",
            (Curve("confidence", 100 * series.confidence),),
            missing.get("confidence_percent", ""),
            top=100.0,
        ),
        Panel(
            "Reprojection error",
            "px",
            (Curve("error", series.residual_px),),
            missing.get("residual_px", ""),
        ),
        Panel(
            "Jitter",
            "m/s²",
            (
                Curve("before", series.jitter_before, "before"),
                Curve("after", series.jitter),
            ),
            missing.get("jitter_m_s2", ""),
        ),
        Panel(
            place,
            "m",
            (Curve("hip", series.place_m),),
            missing.get("distance_m", "") or "where the person stands is not known",
            floats=True,
        ),
    )


def figure(person: Person, moments: Sequence[tuple[int, Moment]]) -> str:
    """All plots of a person, one below the other.

    Args:
        person: with at least two frames.
        moments: of this person, with their numbers.
    """
    times_s = person.series.times_s
    start, end = float(times_s[0]), float(times_s[-1])
    x = _WIDTH * (times_s - start) / max(end - start, 1e-9)
    shades = _shades(person, x)
    parts = [_marks(moments, start, end)]
    parts += [_panel(person, panel, x, shades) for panel in panels_of(person)]
    parts.append(_ticks(start, end))
    return f'<div class="plots">{"".join(parts)}</div>'


def _marks(moments: Sequence[tuple[int, Moment]], start: float, end: float) -> str:
    """Numbers of the worst moments above the plots, each leading to its picture."""
    if not moments:
        return ""
    spans = "".join(
        f'<a href="#moment-{order}" style="left:{_percent(moment.time_s, start, end)}" '
        f'aria-label="worst moment {order} at {clock(moment.time_s)}">{order}</a>'
        for order, moment in moments
    )
    return f'<div class="marks">{spans}</div>'


def _panel(person: Person, panel: Panel, x: Double, shades: str) -> str:
    keys = ""
    if len(panel.curves) > 1:
        keys = "".join(f'<span class="key {c.kind}">{escape(c.label)}</span>' for c in panel.curves)
    heading = (
        f'<h4>{escape(panel.title)}, {escape(panel.unit)}<span class="keys">{keys}</span></h4>'
    )
    known = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in panel.curves])
    if not len(known):
        return f'{heading}<p class="none">Not known: {escape(panel.why or "no values")}.</p>'
    low, high, step = _axis(known, panel)
    ticks = np.arange(low, high + step / 2, step)
    lines = "".join(
        f'<line class="grid" x1="0" x2="{_WIDTH:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        for y in _down(ticks, low, high)
    )
    curves = "".join(
        f'<path class="{curve.kind}" d="{_path(x, _down(curve.values, low, high))}"/>'
        for curve in panel.curves
    )
    labels = "".join(
        f'<span style="top:{y:.1f}%">{round(tick / step) * step:.6g}</span>'
        for tick, y in zip(ticks, 100 / _HEIGHT * _down(ticks, low, high), strict=True)
    )
    return (
        f'{heading}<div class="plot"><div class="axis" aria-hidden="true">{labels}</div>'
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(_said(person, panel))}">{shades}{lines}{curves}</svg></div>'
    )


def _down(values: Real, low: float, high: float) -> Double:
    """Where values lie below the upper edge, in the SVG's units."""
    return np.asarray(_HEIGHT * (1 - (values - low) / (high - low)))


def _said(person: Person, panel: Panel) -> str:
    """The plot in words, for those who do not see it."""
    told = []
    for curve in panel.curves:
        known = curve.values[np.isfinite(curve.values)]
        if len(known):
            name = f"{curve.label}: " if len(panel.curves) > 1 else ""
            low, middle, high = (number(float(v), 1) for v in np.percentile(known, (0, 50, 100)))
            told.append(f"{name}median {middle}, lowest {low}, highest {high} {panel.unit}")
    return f"{panel.title} of person {person.track_id} over time. {'; '.join(told)}"


def _axis(known: Real, panel: Panel) -> tuple[float, float, float]:
    """Low and high end, and the step of the ticks."""
    if panel.top is not None:
        return 0.0, panel.top, panel.top / 2
    if panel.floats:
        low, high = float(known.min()), float(known.max())
        spare = max((high - low) * (_ROOM - 1), 0.05)
        step = nice_step(2 * (high - low + 2 * spare))
        low, high = (
            float(np.floor((low - spare) / step) * step),
            float(np.ceil((high + spare) / step) * step),
        )
        return low, high, step
    usual = float(np.percentile(known, _NEARLY_ALL))
    high = max(min(float(known.max()), _FAR_ABOVE * usual) * _ROOM, 1e-3)
    step = nice_step(2 * high)
    return 0.0, float(np.ceil(high / step) * step), step


def _path(x: Double, y: Double) -> str:
    """A line through what is known, broken where it is not."""
    x, y = _thinned(x, np.clip(y, -_HEIGHT, 2 * _HEIGHT))
    known = np.isfinite(y)
    follows = np.concatenate([[False], known[:-1]])
    alone = known & ~follows & ~np.concatenate([known[1:], [False]])
    parts = []
    for column in np.flatnonzero(known):
        letter = "L" if follows[column] else "M"
        parts.append(f"{letter}{x[column]:.1f} {y[column]:.1f}")
        if alone[column]:  # round ends make it a dot
            parts.append("h0.1")
    return "".join(parts)


def _thinned(x: Double, y: Double) -> tuple[Double, Double]:
    """The lowest and the highest of each part, in their order, of a curve with many points."""
    if len(x) <= 2 * _MOST_POINTS:
        return x, y
    rows = []
    for part in np.array_split(np.arange(len(x)), _MOST_POINTS):
        known = part[np.isfinite(y[part])]
        ends = {known[y[known].argmin()], known[y[known].argmax()]} if len(known) else {part[0]}
        rows += sorted(int(row) for row in ends)
    return x[rows], y[rows]


def _shades(person: Person, x: Double) -> str:
    """Where frames were filled in or ids are at risk."""
    series = person.series
    return _bands(series.filled, x, "filled") + _bands(series.at_risk, x, "risky")


def _bands(mask: Bool, x: Double, kind: str) -> str:
    bands = []
    for start, end in stretches(mask, x, _LEAST_WIDTH):
        width = max(end - start, _LEAST_WIDTH)
        bands.append(
            f'<rect class="{kind}" x="{start:.1f}" y="0" width="{width:.1f}" height="{_HEIGHT:g}"/>'
        )
    return "".join(bands)


def _ticks(start: float, end: float) -> str:
    """Times below the plots."""
    step = max(nice_step(max(end - start, 1e-3)), 0.1)
    if step > 10:
        step = next(s for s in (15, 30, 60, 120, 300, 600, 1200, 3600, 7200, 10**9) if s >= step)
    times = np.arange(np.ceil(start / step - 1e-6) * step, end + 1e-6, step)
    spans = "".join(
        f'<span style="left:{_percent(float(time), start, end)}">{clock(float(time))}</span>'
        for time in times
    )
    return f'<div class="times" aria-hidden="true">{spans}</div>'


def _percent(time_s: float, start: float, end: float) -> str:
    return f"{100 * (time_s - start) / max(end - start, 1e-9):.2f}%"
