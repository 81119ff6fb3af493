"""A bar chart as a PNG, in the shapes and letters of the other pictures, on white paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vp3d_cli.errors import OutputError
from vp3d_cli.files import written_whole
from vp3d_cli.render._draw import lines, rounded_box, text, text_width
from vp3d_cli.render._palette import INK, MUTED, SIDES, WHITE, Colour
from vp3d_cli.types import Image

# BGR of bars that are neither left nor right, and of the grid on white paper.
_MIDDLE: Colour = (120, 108, 100)
_GRID: Colour = (226, 222, 220)
# Pixels.
_ROW, _BAR, _TOP, _BOTTOM, _MARGIN, _PLOT = 26, 16, 74, 34, 20, 640
_LETTERS, _TITLE = 14, 19
_MOST_TICKS = 6


@dataclass(frozen=True)
class Bar:
    """One bar: `value` of NaN has none; `side` "left", "right" or "middle" gives its colour."""

    label: str
    value: float
    side: str = "middle"


def write_bar_chart(path: Path, title: str, note: str, bars: Sequence[Bar]) -> None:
    """Write a PNG of horizontal bars with their values, whole or not at all.

    Args:
        path: ends in .png.
        title: one line.
        note: a smaller line below it.
        bars: from top to bottom, none below 0.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    picture = _chart(title, note, bars)
    with written_whole(path) as temporary:
        done, packed = cv2.imencode(".png", picture)
        if not done:
            raise OutputError(f"{path}: the picture cannot be packed as PNG")
        temporary.write_bytes(packed.tobytes())


def _chart(title: str, note: str, bars: Sequence[Bar]) -> Image:
    labels = max((text_width(bar.label, _LETTERS) for bar in bars), default=0)
    left = _MARGIN + labels + 12
    values = max(text_width(f"{bar.value:.1f}", _LETTERS) for bar in bars) if bars else 0
    width = max(left + _PLOT + values, text_width(title, _TITLE, 1.3), text_width(note, _LETTERS))
    width += 2 * _MARGIN
    bottom = _TOP + _ROW * len(bars)
    picture: Image = np.full((bottom + _BOTTOM, width, 3), 255, np.uint8)
    text(picture, title, _MARGIN, 26, INK, size=_TITLE, weight=1.3)
    text(picture, note, _MARGIN, 52, MUTED, size=_LETTERS)
    most = max((bar.value for bar in bars if math.isfinite(bar.value)), default=0.0) or 1.0
    step = nice_step(most)
    for tick in np.arange(0, most + step, step):
        x = left + _PLOT * tick / (most + step)
        lines(picture, np.array([[[x, _TOP], [x, bottom]]]), _GRID)
        text(picture, f"{tick:g}", x, bottom + 14, MUTED, size=_LETTERS, align=0.5)
    for row, bar in enumerate(bars):
        middle = _TOP + _ROW * (row + 0.5)
        text(picture, bar.label, left - 12, middle, INK, size=_LETTERS, align=1.0)
        if math.isfinite(bar.value):
            length = round(_PLOT * bar.value / (most + step))
            top = round(middle - _BAR / 2)
            colour = SIDES[bar.side] if bar.side != "middle" else _MIDDLE
            _bar(picture, left, top, length, colour)
            text(picture, f"{bar.value:.1f}", left + length + 6, middle, INK, size=_LETTERS)
        else:
            text(picture, "not measured", left + 6, middle, MUTED, size=_LETTERS)
    return picture


def _bar(picture: Image, left: int, top: int, length: int, colour: Colour) -> None:
    """Round at its end only."""
    if length > 0:
        rounded_box(picture, left - 6, top, length + 6, _BAR, colour, min(4, length))
        picture[top : top + _BAR, left - 6 : left] = WHITE


def nice_step(most: float) -> float:
    """Between the ticks of an axis from 0 to `most`: 1, 2 or 5 times a power of ten."""
    rough = most / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= rough * (1 - 1e-9))
