"""Colours of the pictures that have no theme, and what all of them share."""

from __future__ import annotations

import numpy as np

from vp3d_cli.palette import Colour as Colour
from vp3d_cli.palette import accent as accent
from vp3d_cli.render.style import DARK, Theme
from vp3d_cli.types import Float, Result, Skeleton

CANVAS, PANEL_TOP, PANEL_BOTTOM = DARK.canvas, DARK.panel_top, DARK.panel_bottom
TEXT, MUTED, INK = DARK.text, DARK.muted, DARK.ink
WHITE: Colour = (255, 255, 255)
SIDES = DARK.sides
# Radius of every rounded card, px.
CORNER = 12


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with a share (0 to 1) of `b`."""
    blue, green, red = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return blue, green, red


def joint_colours(skeleton: Skeleton, theme: Theme = DARK) -> list[Colour]:
    """One colour per joint, by its side."""
    return [theme.sides[side] for side in skeleton.sides]


def edge_colours(skeleton: Skeleton, theme: Theme = DARK) -> list[Colour]:
    """One colour per edge: the side it reaches; the middle where it crosses or touches neither."""
    colours = []
    for a, b in skeleton.edge_indices:
        reached = {skeleton.sides[a], skeleton.sides[b]} - {"middle"}
        colours.append(theme.sides[reached.pop() if len(reached) == 1 else "middle"])
    return colours


def strength(scores: Float, typical: float) -> Float:
    """How boldly to draw, 0 to 1, in proportion to the score.

    Scores rank and have no common scale between detectors, so they are measured against what
    is `typical` of the result: the full strength begins at 70% of that.
    """
    share = np.nan_to_num(scores, nan=0.0) / max(0.7 * typical, 1e-6)
    return np.asarray(np.clip(share, 0.0, 1.0), np.float32)


def typical_confidence(result: Result) -> float:
    """What a well-seen joint's confidence is.

    Where confidence is calibrated a joint fades that is less than about a third sure; elsewhere
    it rests on scores, and is measured as they are.
    """
    options = result.provenance.get("options")
    told = options if isinstance(options, dict) else {}
    left_out = told.get("without")
    known = isinstance(left_out, list | tuple) and not told.get("faithful")
    if known and "calibration" not in (left_out or ()):
        return 0.5
    return typical_score([track.confidence for track in result.tracks3d])


def typical_score(groups: list[Float]) -> float:
    """What a well-seen joint scores in this result: the 80th percentile of what was seen."""
    seen = [scores[scores > 0] for scores in groups]
    flat = np.concatenate(seen) if seen else np.zeros(0, np.float32)
    return float(np.percentile(flat, 80)) if len(flat) else 1.0
