"""Small words on a picture: the angles beside the joints."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vp3d_cli.render import _draw as draw
from vp3d_cli.render.style import Theme
from vp3d_cli.types import Float, Image, Skeleton

_SIZE, _HEIGHT, _GAP = 11.0, 16.0, 4.0
_VEIL = 0.72
# So many places are tried, each further down, before one word stands on another.
_TRIES = 4


def draw_angles(
    image: Image,
    skeleton: Skeleton,
    points: Float,
    angles: Mapping[str, float],
    theme: Theme,
    unit: float,
    away: float,
) -> None:
    """Write angles beside their joints, away from the body's middle, in place.

    Args:
        image: the picture.
        skeleton: names of the joints.
        points: (J, 2) px, where they lie.
        angles: degrees by joint; NaN is left out, and so is a joint that is nowhere.
        theme: the colours.
        unit: how many times larger than usual.
        away: how thick a limb is around its joint, px.
    """
    seen = np.isfinite(points).all(-1)
    if not seen.any():
        return
    middle, high = float(points[seen, 0].mean()), round(_HEIGHT * unit)
    taken: list[tuple[int, int, int]] = []
    for name, angle in angles.items():
        if name not in skeleton.joints or not np.isfinite(angle):
            continue
        x, y = points[skeleton.index(name)]
        if not np.isfinite(x + y):
            continue
        words = f"{angle:.0f}°"
        width = round(draw.text_width(words, _SIZE * unit, 1.2) + 10 * unit)
        centre = x + (1 if x >= middle else -1) * (away + _GAP * unit + width / 2)
        left, top = round(centre - width / 2), round(y - high / 2)
        for _ in range(_TRIES):
            if not any(_meet((left, top), width, other, high) for other in taken):
                break
            top += high + 1
        taken.append((left, top, width))
        draw.rounded_box(image, left, top, width, high, theme.panel_bottom, high // 3, _VEIL)
        colour = theme.left if name.startswith("left_") else theme.right
        row = top + high / 2
        draw.text(image, words, centre, row, colour, size=_SIZE * unit, weight=1.2, align=0.5)


def _meet(corner: tuple[int, int], width: int, other: tuple[int, int, int], high: int) -> bool:
    """Whether two words of the same height cover one another."""
    left, top, wide = other
    return abs(corner[1] - top) < high and corner[0] < left + wide and left < corner[0] + width
