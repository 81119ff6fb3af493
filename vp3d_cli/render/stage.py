"""A 3D view: figures on a floor, the ways they took, their angles, and a scale bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.angles import joint_angles
from vp3d_cli.render.ground import Ground
from vp3d_cli.render.labels import draw_angles
from vp3d_cli.render.scene import View
from vp3d_cli.render.style import Theme
from vp3d_cli.render.view3d import Figure
from vp3d_cli.types import Float, Image

# Whose ways are drawn, by the joint's name without its side.
_TRAILED = ("wrist", "foot", "ankle", "hip", "pelvis")
_TRAIL_PARTS = 12
_FAINTEST_TRAIL = 0.12
# How thick a limb is around a joint, metres.
_LIMB_M = 0.045
# Lengths that a scale bar may have, metres, and how wide it is at most in shares
# of the panel and in pixels.
_BARS_M = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_WIDEST_BAR, _LONGEST_BAR = 0.36, 220


class Stage:
    """Draws figures by rows, from where the viewer stands at the moment.

    Args:
        figures: who stands on it.
        view: from where it is seen at first.
        ground: what they stand on, as large as the panel.
        theme: the colours.
        unit: how many times larger than usual text and lines are.
        trail: rows for which the ways stay; 0: none.
        angles: write the angles beside the joints.
    """

    def __init__(
        self,
        figures: Sequence[Figure],
        view: View,
        ground: Ground,
        theme: Theme,
        unit: float,
        *,
        trail: int = 0,
        angles: bool = False,
    ) -> None:
        self.figures, self.view = figures, view
        self._ground, self._theme, self._unit = ground, theme, unit
        self._trail = trail
        self._angles = (
            [joint_angles(figure.scene, figure.skeleton) for figure in figures] if angles else []
        )
        self._still: Image | None = None
        self._seen_from = 0.0

    def draw(self, panel: Image, rows: Mapping[int, int], turn: float = 0.0) -> View:
        """Draw the panel, in place.

        Args:
            panel: the panel (H, W, 3).
            rows: for those who are there, by position among the figures, the row.
            turn: radians by which the viewer has walked around.

        Returns:
            How it was seen.
        """
        view = self.view.turned(turn)
        self._draw_ground(panel, view, turn)
        for figure, row in rows.items():
            self.figures[figure].draw_shadow(panel, view, row)
        if self._trail:
            for figure, row in rows.items():
                self._draw_trail(panel, view, self.figures[figure], row)
        parts = [
            part for figure, row in rows.items() for part in self.figures[figure].parts(view, row)
        ]
        for _, part in sorted(parts, key=lambda part: -part[0]):
            for outline, colour in part:
                draw.fill(panel, outline, colour)
        for figure, row in rows.items() if self._angles else ():
            person = self.figures[figure]
            points = view.project(person.scene[row])[:, :2]
            values = {name: float(angle[row]) for name, angle in self._angles[figure].items()}
            thick = view.length_px(_LIMB_M)
            draw_angles(panel, person.skeleton, points, values, self._theme, self._unit, thick)
        return view

    def _draw_ground(self, panel: Image, view: View, turn: float) -> None:
        """The floor and the scale bar, which are kept as long as nobody walks."""
        if self._still is None or self._seen_from != turn:
            self._still = np.empty_like(panel)
            self._ground.draw(self._still, view)
            draw_scale_bar(self._still, view, self._theme, self._unit)
            self._seen_from = turn
        np.copyto(panel, self._still)

    def _draw_trail(self, panel: Image, view: View, figure: Figure, row: int) -> None:
        """Where hands, feet and hip were, the fainter the longer ago."""
        first = max(row - self._trail, 0)
        if row - first < 1:
            return
        ground = np.array(self._theme.panel_bottom, np.float32)
        names = figure.skeleton.joints
        chosen = [k for k, name in enumerate(names) if name.split("_")[-1] in _TRAILED]
        # The root stands for the hips.
        chosen = [k for k in chosen if not (names[k].endswith("_hip") and figure.skeleton.root)]
        colours = palette.joint_colours(figure.skeleton, self._theme)
        points = view.project(figure.scene[first : row + 1, chosen])[..., :2]
        ages = np.arange(row - first)[::-1] / self._trail
        bins = np.minimum((ages * _TRAIL_PARTS).astype(int), _TRAIL_PARTS - 1)
        for age in range(_TRAIL_PARTS - 1, -1, -1):
            at = np.flatnonzero(bins == age)
            share = max(1 - (age + 0.5) / _TRAIL_PARTS, _FAINTEST_TRAIL)
            for k, joint in enumerate(chosen):
                ends = np.stack([points[at, k], points[at + 1, k]], 1)
                ends = ends[np.isfinite(ends).all((1, 2))]
                tone = ground + (np.array(colours[joint], np.float32) - ground) * share
                blue, green, red = (round(float(c)) for c in tone)
                thickness = max(round((1 + 1.5 * share) * self._unit), 1)
                draw.lines(panel, ends, (blue, green, red), thickness)


def draw_scale_bar(panel: Image, view: View, theme: Theme, unit: float) -> None:
    """A bar as long as its label says at the distance of the point looked at, bottom left."""
    room = min(panel.shape[1] * _WIDEST_BAR, _LONGEST_BAR * unit)
    metres = max((m for m in _BARS_M if view.length_px(m) <= room), default=_BARS_M[0])
    length = view.length_px(metres)
    left, y = 16 * unit, panel.shape[0] - 16 * unit
    if length > panel.shape[1] - 2 * left:
        return
    tick = 4 * unit
    segments = [
        [[left, y], [left + length, y]],
        [[left, y - tick], [left, y + tick]],
        [[left + length, y - tick], [left + length, y + tick]],
    ]
    draw.lines(panel, np.array(segments, np.float32), theme.muted, max(round(1.5 * unit), 1))
    words = f"{metres:g} m"
    draw.text(panel, words, left + length + 8 * unit, y, theme.muted, size=12 * unit)


def reach_of(scenes: Sequence[Float]) -> float:
    """How far from the origin people get over the floor, metres, but for a few moments."""
    ground = [np.hypot(scene[..., 0], scene[..., 2]).ravel() for scene in scenes]
    flat = np.concatenate(ground) if ground else np.zeros(0, np.float32)
    flat = flat[np.isfinite(flat)]
    return float(np.percentile(flat, 99)) if len(flat) else 0.0
