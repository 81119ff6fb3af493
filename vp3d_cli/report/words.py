"""How times, numbers and a file's own words are written for people."""

from __future__ import annotations

import math
from typing import Any

from vp3d_cli.types import Json, Result

_MOST_LETTERS = 600
# Stretches that are listed one by one.
_MOST_STRETCHES = 4

Stretch = tuple[float, float]


def clean(value: object, most: int = _MOST_LETTERS) -> str:
    """Something of a file on one line; what a terminal obeys, or cannot be written, is spelled."""
    text = " ".join(str(value)[: 4 * most].split())
    text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def clock(seconds: float) -> str:
    """Minutes and seconds, as players show them: 1:02.5."""
    if not math.isfinite(seconds):
        return "?"
    sign, tenths = "-" if seconds < 0 else "", round(abs(seconds) * 10)
    minutes, tenths = divmod(tenths, 600)
    return f"{sign}{minutes}:{tenths // 10:02d}.{tenths % 10}"


def number(value: float, decimals: int = 0) -> str:
    """A number; a dash where it is unknown."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else "–"


def stretches(parts: tuple[Stretch, ...]) -> str:
    """When: 0:12.0 to 0:14.2, 0:20.0."""
    told = [
        clock(a) if clock(a) == clock(b) else f"{clock(a)} to {clock(b)}"
        for a, b in parts[:_MOST_STRETCHES]
    ]
    more = len(parts) - len(told)
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")


def count(amount: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{amount} {one if amount == 1 else many}"


def options_of(result: Result) -> Json:
    """The options that made a result; empty where the file does not say."""
    told = result.provenance.get("options")
    return told if isinstance(told, dict) else {}


def left_out(result: Result, part: str) -> bool:
    """Whether a part of the refinement was left out on purpose."""
    options = options_of(result)
    without = options.get("without")
    named = isinstance(without, list | tuple) and part in without
    return options.get("faithful") is True or named


def positive(value: Any) -> float | None:
    """A number of a file above 0, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < math.inf else None
