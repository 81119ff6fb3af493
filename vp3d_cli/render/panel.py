"""One panel of the picture: a person in 3D, who it is, and what is missing."""

from __future__ import annotations

import bisect

import numpy as np

from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.ground import Ground
from vp3d_cli.render.scene import Eye, View, as_the_reference, is_faithful, on_the_floor
from vp3d_cli.render.stage import Stage
from vp3d_cli.render.style import Style, Theme
from vp3d_cli.render.view3d import Figure
from vp3d_cli.types import Image, Result

# Left, top, right, bottom, px, kept free of the figure.
_MARGINS = (14, 34, 14, 30)
# Of the rows, at most so many tell how large a figure is.
_FITTED = 2000
_DIMMED = 0.6


class Panel:
    """Shows, one after the other, people who are never in view together.

    Args:
        result: the poses.
        people: positions of the people in the result, in order of appearance; empty where
            nobody was found.
        size: width and height, px.
        style: the looks.
        unit: how many times larger than usual text and lines are.
    """

    def __init__(
        self,
        result: Result,
        people: list[int],
        size: tuple[int, int],
        style: Style | None = None,
        unit: float = 1.0,
    ) -> None:
        self._result = result
        self._people = people
        self._entries = [int(result.tracks2d[person].frames[0]) for person in people]
        self._size = size
        self._style, self._unit = style or Style(), unit
        self._theme = self._style.theme
        self._typical = palette.typical_confidence(result)
        self._shown: int | None = None
        self._stage: Stage | None = None
        self._absent = nobody(size, self._style, unit)

    def draw(self, panel: Image, frame: int, turn: float = 0.0) -> None:
        """Draw the panel at a video frame, in place; `turn` radians further around."""
        if not self._people:
            np.copyto(panel, self._absent)
            return
        person = self._at(frame)
        if person != self._shown:
            self._show(person)
        track = self._result.tracks2d[person]
        row = frame - int(track.frames[0])
        if self._stage is None or not 0 <= row < len(track):
            np.copyto(panel, self._absent)
            return
        self._stage.draw(panel, {0: row}, turn)
        self._tag(panel, track.track_id, 0.0)
        doubts = doubts_about(not track.observed[row], bool(track.at_risk[row]))
        right, y = self._size[0] - 14 * self._unit, 21 * self._unit
        draw.text(panel, doubts, right, y, self._theme.muted, size=13 * self._unit, align=1)

    def _at(self, frame: int) -> int:
        """Who is in view, or was last, or will be first."""
        return self._people[max(bisect.bisect_right(self._entries, frame) - 1, 0)]

    def _show(self, person: int) -> None:
        result, style = self._result, self._style
        track2d, track3d = result.tracks2d[person], result.tracks3d[person]
        fps = float(result.video.fps)
        if is_faithful(result):
            scene = as_the_reference(track3d)
        else:
            scene = on_the_floor(track3d, fps, result.world)
        figure = Figure(track3d, scene, track2d.observed, self._typical, style.theme)
        left, top, right, bottom = (round(side * self._unit) for side in _MARGINS)
        fitted = scene[:: max(1, len(scene) // _FITTED)]
        eye = Eye(orbits=style.orbit_deg_s != 0)
        view = View(fitted, self._size, (left, top, right, bottom), eye)
        ground = Ground(self._size, view, style.theme, self._unit)
        self._stage = Stage(
            [figure],
            view,
            ground,
            style.theme,
            self._unit,
            trail=round(style.trail_s * fps),
            angles=style.angles,
        )
        self._shown = person
        self._absent = np.empty((self._size[1], self._size[0], 3), np.uint8)
        ground.draw(self._absent, view)
        self._absent = dimmed(self._absent, self._theme)
        self._tag(self._absent, track2d.track_id, _DIMMED)
        _note(self._absent, "not visible", 14 * self._unit, self._theme)

    def _tag(self, panel: Image, track_id: int, faded: float) -> None:
        theme = self._theme
        colour = palette.mix(theme.accent(track_id), theme.panel_bottom, faded)
        place = round(10 * self._unit)
        draw.tag(panel, str(track_id), place, place, colour, self._unit)


def doubts_about(filled: bool, at_risk: bool) -> str:
    """What is unsure about a person in a frame, in words; empty where nothing is."""
    if at_risk:
        return "may be mixed up"
    return "filled in" if filled else ""


def nobody(size: tuple[int, int], style: Style, unit: float) -> Image:
    """An empty panel (H, W, 3) that says so."""
    panel = np.empty((size[1], size[0], 3), np.uint8)
    Ground(size, None, style.theme, unit).draw(panel, None)
    panel = dimmed(panel, style.theme)
    _note(panel, "nobody was found", 16 * unit, style.theme)
    return panel


def _note(panel: Image, words: str, size: float, theme: Theme) -> None:
    middle = (panel.shape[1] / 2, panel.shape[0] / 2)
    draw.text(panel, words, *middle, theme.muted, size=size, align=0.5)


def dimmed(panel: Image, theme: Theme) -> Image:
    """A copy that has sunk into the canvas."""
    dark = panel + (np.asarray(theme.canvas, np.float32) - panel) * 0.55
    return np.asarray(np.rint(dark), np.uint8)
