"""Antialiased shapes at sub-pixel accuracy, drawn in place.

Positions are pixels of the picture as everywhere in vp3d: continuous, pixel centres at +0.5.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import cv2
import numpy as np

from vp3d_cli.render._palette import INK, Colour
from vp3d_cli.types import Float, Image, Int, Real

_SHIFT = 4
# Beyond any picture, px, and yet within what cv2 can clip.
_FARTHEST = 30_000
_ARC = np.linspace(0, 1, 12, dtype=np.float32)
_AROUND = np.linspace(0, 2 * np.pi, 24, endpoint=False, dtype=np.float32)
_CIRCLE = np.stack([np.cos(_AROUND), np.sin(_AROUND)], -1)
TAG_HEIGHT = 22
_TEXT_DETAIL = 4
# Before OpenCV 5 letters are ASCII, and each byte of another one would be a question mark.
_ASCII_ALONE = int(cv2.__version__.partition(".")[0]) < 5
_IN_ASCII = str.maketrans({"°": "", "–": "-", "—": "-", "…": "...", "×": "x"})
# Height of the font at scale 1, px, capitals being 0.72 of it.
_CAPITALS = 30


def fixed(points: Real) -> Int:
    """Pixel positions as the fixed-point numbers that cv2's `shift` stands for."""
    near = np.clip(points, -_FARTHEST, _FARTHEST)
    return np.asarray(np.rint((near - 0.5) * (1 << _SHIFT)), np.int32)


def capsules(starts: Float, ends: Float, start_radii: Float, end_radii: Float) -> Float:
    """Outlines (N, V, 2) of round-ended, tapered strokes from `starts` to `ends` (N, 2), px.

    The outline is the hull of two circles: an arc around each, joined by their common tangents.
    """
    along = ends - starts
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)
    heading = np.arctan2(along[:, 1], along[:, 0])[:, None]
    tangent = np.arccos(np.clip((start_radii - end_radii) / length, -1, 1))[:, None]
    near = heading + tangent + _ARC * (2 * np.pi - 2 * tangent)
    far = heading - tangent + _ARC * 2 * tangent
    around = np.concatenate([near, far], 1)
    circle = np.stack([np.cos(around), np.sin(around)], -1)
    half = len(_ARC)
    circle[:, :half] = starts[:, None] + circle[:, :half] * start_radii[:, None, None]
    circle[:, half:] = ends[:, None] + circle[:, half:] * end_radii[:, None, None]
    return circle


def discs(centres: Float, radii: Float) -> Float:
    """Outlines (N, V, 2) of circles; cv2.circle would make the small ones a cross."""
    return np.asarray(centres[:, None] + _CIRCLE * np.maximum(radii, 0.5)[:, None, None])


def fill(image: Image, outline: Int, colour: Colour, alpha: float = 1.0) -> None:
    """Fill one convex outline (V, 2), fixed-point; fade it into what it covers by `alpha`.

    Only the rectangle around the outline is ever blended, so a faded limb stays cheap.
    """
    if alpha > 0.98:
        cv2.fillConvexPoly(image, outline, colour, cv2.LINE_AA, _SHIFT)
        return
    low = np.maximum((outline.min(0) >> _SHIFT) - 2, 0)
    high = (outline.max(0) >> _SHIFT) + 3
    patch = image[low[1] : max(high[1], 0), low[0] : max(high[0], 0)]
    if patch.size == 0 or alpha < 0.02:
        return
    layer = patch.copy()
    cv2.fillConvexPoly(layer, outline - (low << _SHIFT), colour, cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(layer, alpha, patch, 1 - alpha, 0, dst=patch)


def lines(image: Image, segments: Real, colour: Colour, thickness: int = 1) -> None:
    """Draw segments (N, 2, 2), px, in one colour."""
    cv2.polylines(image, list(fixed(segments)), False, colour, thickness, cv2.LINE_AA, _SHIFT)


@lru_cache(maxsize=256)
def _lettering(text: str, size: float, weight: float) -> Float:
    """Coverage (h, w), 0 to 1, of a line of text, drawn large and shrunk to be smooth."""
    if _ASCII_ALONE:
        text = _in_ascii(text)
    scale = size * _TEXT_DETAIL / _CAPITALS
    thick = max(1, round(weight * size * _TEXT_DETAIL / 14))
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    pad = 2 * _TEXT_DETAIL
    rows = 2 * round(0.9 * size) * _TEXT_DETAIL
    columns = -(-(width + 2 * pad) // _TEXT_DETAIL) * _TEXT_DETAIL
    # Capitals are centred whatever the letters, so that neighbouring texts share a line.
    baseline = round(rows / 2 + size * _TEXT_DETAIL * 0.36)
    large = np.zeros((rows, columns), np.uint8)
    cv2.putText(
        large,
        text,
        (pad, baseline),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        255,
        thick,
        cv2.LINE_AA,
    )
    small = cv2.resize(
        large, (columns // _TEXT_DETAIL, rows // _TEXT_DETAIL), interpolation=cv2.INTER_AREA
    )
    used = np.flatnonzero(small.max(0) > 8)
    if len(used):
        small = small[:, used[0] : used[-1] + 1]
    return small / np.float32(255)


def _in_ascii(words: str) -> str:
    """Letters without their accents; a question mark for each that has nothing like it."""
    apart = unicodedata.normalize("NFKD", words.translate(_IN_ASCII))
    kept = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return kept.encode("ascii", "replace").decode("ascii")


def text_width(text: str, size: float, weight: float = 1.0) -> int:
    """Pixels that a line of text takes."""
    return int(_lettering(text, size, weight).shape[1])


def text(
    image: Image,
    words: str,
    x: float,
    y: float,
    colour: Colour,
    *,
    size: float = 14,
    weight: float = 1.0,
    align: float = 0.0,
) -> None:
    """Write one line whose vertical middle is `y`; `align` 0 starts, 0.5 centres, 1 ends at `x`.

    Args:
        image: the picture.
        words: one line.
        x, y: px.
        colour: BGR.
        size: height of a line, px.
        weight: 1 is regular.
        align: the share of the width left of `x`.
    """
    ink = _lettering(words, size, weight)
    height, width = ink.shape
    left, top = round(x - align * width), round(y - height / 2)
    blend(image, ink, left, top, colour)


def blend(image: Image, coverage: Float, left: int, top: int, colour: Colour) -> None:
    """Lay one colour over `image` by `coverage` (h, w), 0 to 1, cut at the picture's edges."""
    bottom, right = top + coverage.shape[0], left + coverage.shape[1]
    rows = slice(max(top, 0), max(0, min(bottom, image.shape[0])))
    columns = slice(max(left, 0), max(0, min(right, image.shape[1])))
    patch = image[rows, columns]
    if patch.size == 0:
        return
    part = coverage[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    mixed = patch + (np.asarray(colour, np.float32) - patch) * part[..., None]
    patch[:] = np.rint(mixed)


@lru_cache(maxsize=64)
def _rounded(height: int, width: int, radius: int) -> Float:
    """Coverage (height, width), 0 to 1, of a rectangle with round corners."""
    y, x = np.arange(height) + 0.5, np.arange(width) + 0.5
    over_x = np.maximum(radius - np.minimum(x, width - x), 0)
    over_y = np.maximum(radius - np.minimum(y, height - y), 0)
    away = np.hypot(over_x[None, :], over_y[:, None])
    return np.asarray(np.clip(radius + 0.5 - away, 0, 1), np.float32)


def rounded_box(
    image: Image,
    left: int,
    top: int,
    width: int,
    height: int,
    colour: Colour,
    radius: int,
    alpha: float = 1.0,
) -> None:
    """Fill a rectangle with round corners, px; fade it into what it covers by `alpha`."""
    coverage = _rounded(height, width, radius)
    blend(image, coverage if alpha == 1 else coverage * np.float32(alpha), left, top, colour)


def round_corners(image: Image, radius: int, outside: Colour) -> None:
    """Paint the four corners of `image` with what lies outside, in place."""
    radius = min(radius, image.shape[0] // 2, image.shape[1] // 2)
    if radius < 1:
        return
    keep = _rounded(2 * radius, 2 * radius, radius)
    height, width = image.shape[:2]
    for rows, top in ((slice(0, radius), 0), (slice(radius, None), height - radius)):
        for columns, left in ((slice(0, radius), 0), (slice(radius, None), width - radius)):
            blend(image, 1 - keep[rows, columns], left, top, outside)


def tag(image: Image, words: str, left: int, top: int, colour: Colour, unit: float = 1.0) -> None:
    """A person's id in a small flag; `unit` is how many times larger than usual."""
    width, height = tag_width(words, unit), round(TAG_HEIGHT * unit)
    rounded_box(image, left, top, width, height, colour, round(6 * unit))
    middle = (left + width / 2, top + height / 2)
    text(image, words, *middle, INK, size=15 * unit, weight=1.4, align=0.5)


def tag_width(words: str, unit: float = 1.0) -> int:
    """Pixels that a tag takes."""
    wide = text_width(words, 15 * unit, 1.4) + round(14 * unit)
    return max(wide, round(TAG_HEIGHT * unit))


def shortened(words: str, room: float, size: float, weight: float = 1.0) -> str:
    """As much of a line of text as `room` px hold, with an ellipsis where it is cut."""
    if text_width(words, size, weight) <= room:
        return words
    fits = [k for k in range(len(words)) if text_width(words[:k] + "...", size, weight) <= room]
    return words[: fits[-1]].rstrip() + "..." if fits else ""
