"""Curves over the epochs of a run as a PNG, in the look of the bar charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vp3d_cli.errors import OutputError
from vp3d_cli.files import written_whole
from vp3d_cli.render._draw import discs, fill, fixed, lines, text, text_width
from vp3d_cli.render._palette import INK, MUTED, Colour
from vp3d_cli.render.bars import nice_step
from vp3d_cli.types import Image, Real

# BGR: first the two of the sides, then others that stay apart from them and each other.
_COLOURS: tuple[Colour, ...] = (
    *((200, 110, 20), (20, 120, 235), (110, 150, 30), (160, 70, 170)),
    *((110, 100, 95), (40, 40, 190)),
)
_GRID: Colour = (226, 222, 220)
# Pixels.
_MARGIN, _LEFT, _WIDTH, _HEIGHT = 20, 66, 700, 240
_TOP, _HEADING, _FOOT = 76, 46, 58
_LETTERS, _TITLE = 14, 19
_LABEL_GAP = 18
_MOST_DOTS = 40
# Beyond a panel: what dots need, and where a curve that leaves it goes to at most.
_EDGE, _FAR_OFF = 4, 4000


@dataclass(frozen=True)
class Curve:
    """`values`, one a row; NaN where there is none."""

    label: str
    values: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """Curves that share an axis, which begins at 0 unless some are below; `unit` is its name."""

    heading: str
    unit: str
    curves: Sequence[Curve]


def write_curves(
    path: Path,
    title: str,
    note: str,
    epochs: Sequence[int],
    panels: Sequence[Panel],
    marked: int | None = None,
) -> None:
    """Write a PNG of panels one below the other, whole or not at all.

    Args:
        path: ends in .png.
        title: one line.
        note: a smaller line below it.
        epochs: ascending, one a row.
        panels: from top to bottom.
        marked: an epoch that a line goes through.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    picture = _picture(title, note, epochs, panels, marked)
    with written_whole(path) as temporary:
        done, packed = cv2.imencode(".png", picture)
        if not done:
            raise OutputError(f"{path}: the picture cannot be packed as PNG")
        temporary.write_bytes(packed.tobytes())


def _picture(
    title: str, note: str, epochs: Sequence[int], panels: Sequence[Panel], marked: int | None
) -> Image:
    labels = [curve.label for panel in panels for curve in panel.curves]
    beside = max((text_width(label, _LETTERS) for label in labels), default=0) + 70
    width = max(_LEFT + _WIDTH + beside, text_width(title, _TITLE, 1.3), text_width(note, _LETTERS))
    each = _HEADING + _HEIGHT + _FOOT
    picture: Image = np.full((_TOP + each * len(panels) + 6, width + _MARGIN, 3), 255, np.uint8)
    text(picture, title, _MARGIN, 26, INK, size=_TITLE, weight=1.3)
    text(picture, note, _MARGIN, 50, MUTED, size=_LETTERS)
    for number, panel in enumerate(panels):
        _draw(picture, _TOP + number * each, epochs, panel, marked)
    return picture


def _draw(
    picture: Image, top: int, epochs: Sequence[int], panel: Panel, marked: int | None
) -> None:
    upper, lower = top + _HEADING, top + _HEADING + _HEIGHT
    text(picture, f"{panel.heading}, {panel.unit}", _MARGIN, top + 14, INK, size=_LETTERS)
    values = np.array([curve.values for curve in panel.curves], np.float64)
    known = values[np.isfinite(values)]
    low, high, step = _axis(known)
    first, last = epochs[0], max(epochs[-1], epochs[0] + 1)

    def x(epoch: float | Real) -> Real:
        return np.asarray(_LEFT + _WIDTH * (epoch - first) / (last - first))

    def y(value: float | Real) -> Real:
        return np.asarray(lower - _HEIGHT * (value - low) / (high - low))

    for tick in np.arange(low, high + step / 2, step):
        at = float(y(float(tick)))
        lines(picture, np.array([[[_LEFT, at], [_LEFT + _WIDTH, at]]]), _GRID)
        text(picture, f"{round(tick / step) * step:.6g}", _LEFT - 10, at, MUTED, align=1.0)
    every = max(1, round(nice_step(last - first)))
    for epoch in range(-(-first // every) * every, last + 1, every):
        at = float(x(epoch))
        lines(picture, np.array([[[at, lower], [at, lower + 5]]]), MUTED)
        text(picture, f"{epoch}", at, lower + 17, MUTED, size=_LETTERS, align=0.5)
    text(picture, "epoch", _LEFT + _WIDTH / 2, lower + 36, MUTED, size=_LETTERS, align=0.5)
    if marked is not None:
        at = float(x(marked))
        dashes = np.arange(upper, lower, 8.0)
        lines(picture, np.array([[[at, d], [at, d + 4]] for d in dashes]), MUTED)
        text(picture, f"best: {marked}", at, upper - 10, MUTED, size=_LETTERS, align=_align(at))
    ends: list[tuple[float, str, Colour]] = []
    for number, curve in enumerate(panel.curves):
        colour = _COLOURS[number % len(_COLOURS)]
        at_x, at_y = x(np.asarray(epochs, np.float64)), y(values[number])
        # Whatever is above the axis ends at the panel's edge; so far off it is as good as vertical.
        inside = picture[upper - _EDGE : lower + _EDGE]
        at_y = np.maximum(at_y, upper - _FAR_OFF)
        _curve(inside, at_x, at_y - (upper - _EDGE), colour)
        seen = np.flatnonzero(np.isfinite(at_y))
        if len(seen):
            words = f"{curve.label}  {values[number][seen[-1]]:.4g}"
            ends.append((max(float(at_y[seen[-1]]), upper), words, colour))
    _labels(picture, ends, upper, lower)


def _curve(picture: Image, x: Real, y: Real, colour: Colour) -> None:
    """A line through what is known, broken where it is not, and dots where there is room."""
    points = np.stack([x, y], -1)
    both = np.isfinite(points[:-1]).all(-1) & np.isfinite(points[1:]).all(-1)
    if both.any():
        lines(picture, np.stack([points[:-1][both], points[1:][both]], 1), colour, 2)
    known = points[np.isfinite(points).all(-1)]
    if 0 < len(known) <= _MOST_DOTS:
        radii = np.full(len(known), 3.0, np.float32)
        for outline in fixed(discs(known.astype(np.float32), radii)):
            fill(picture, outline, colour)


def _labels(
    picture: Image, ends: list[tuple[float, str, Colour]], upper: float, lower: float
) -> None:
    """Names at the right ends of the curves, moved apart where they would touch."""
    ends = sorted(ends, key=lambda end: end[0])
    places = [end[0] for end in ends]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + _LABEL_GAP)
    over = max(places[-1] - lower, 0.0) if places else 0.0
    for index in range(len(places) - 1, -1, -1):
        limit = places[index + 1] - _LABEL_GAP if index + 1 < len(places) else lower
        places[index] = min(places[index], limit) if over else places[index]
    for place, (_, words, colour) in zip(places, ends, strict=True):
        text(picture, words, _LEFT + _WIDTH + 12, place, colour, size=_LETTERS, weight=1.2)


def _axis(known: Real) -> tuple[float, float, float]:
    """Low and high end, and the step of the ticks, from the values that are known."""
    if not len(known):
        return 0.0, 1.0, 0.2
    low, high = min(0.0, float(known.min())), max(0.0, float(known.max()))
    # A first epoch that is far above the rest would flatten all that matters.
    if len(known) >= 10:
        high = min(high, 3 * float(np.percentile(known, 90)) or high)
    step = nice_step(high - low or 1.0)
    return math.floor(low / step) * step, math.ceil(high / step) * step or step, step


def _align(at: float) -> float:
    """Of a label that must stay within the panel: 0 at its left edge, 1 at the right."""
    return float(np.clip((at - _LEFT) / _WIDTH, 0, 1))
