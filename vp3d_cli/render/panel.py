"""One panel of the picture: a person in 3D, who it is, and what is missing."""

from __future__ import annotations

import bisect

import numpy as np

from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.scene import is_faithful
from vp3d_cli.render.view3d import PersonView, draw_background
from vp3d_cli.types import Image, Result

# Left, top, right, bottom, px, kept free of the figure.
_MARGINS = (14, 34, 14, 14)
_DIMMED = 0.6


class Panel:
    """Shows, one after the other, people who are never in view together.

    Args:
        result: the poses.
        people: positions of the people in the result, in order of appearance; empty where
            nobody was found.
        size: width and height, px.
    """

    def __init__(self, result: Result, people: list[int], size: tuple[int, int]) -> None:
        self._result = result
        self._people = people
        self._entries = [int(result.tracks2d[person].frames[0]) for person in people]
        self._size = size
        self._typical = palette.typical_confidence(result)
        self._shown: int | None = None
        self._view: PersonView | None = None
        self._still = self._absent = self._nobody()

    def draw(self, panel: Image, frame: int) -> None:
        """Draw the panel at a video frame, in place."""
        if not self._people:
            np.copyto(panel, self._still)
            return
        person = self._at(frame)
        if person != self._shown:
            self._show(person)
        track = self._result.tracks2d[person]
        row = frame - int(track.frames[0])
        if self._view is None or not 0 <= row < len(track):
            np.copyto(panel, self._absent)
            return
        np.copyto(panel, self._still)
        self._view.draw(panel, row)
        if not track.observed[row]:
            draw.text(panel, "filled in", self._size[0] - 14, 20, palette.MUTED, size=13, align=1)

    def _at(self, frame: int) -> int:
        """Who is in view, or was last, or will be first."""
        return self._people[max(bisect.bisect_right(self._entries, frame) - 1, 0)]

    def _show(self, person: int) -> None:
        track2d, track3d = self._result.tracks2d[person], self._result.tracks3d[person]
        self._view = PersonView(
            track3d,
            track2d.observed,
            float(self._result.video.fps),
            self._size,
            _MARGINS,
            self._typical,
            world=self._result.world,
            faithful=is_faithful(self._result),
        )
        self._shown = person
        self._still = self._view.background.copy()
        self._tag(self._still, track2d.track_id, 0.0)
        self._absent = _dimmed(self._view.background)
        self._tag(self._absent, track2d.track_id, _DIMMED)
        middle = (self._size[0] / 2, self._size[1] / 2)
        draw.text(self._absent, "not visible", *middle, palette.MUTED, align=0.5)

    def _tag(self, panel: Image, track_id: int, dimmed: float) -> None:
        colour = palette.mix(palette.accent(track_id), palette.PANEL_BOTTOM, dimmed)
        draw.tag(panel, str(track_id), 10, 10, colour)

    def _nobody(self) -> Image:
        panel = _dimmed(draw_background(self._size, None))
        middle = (self._size[0] / 2, self._size[1] / 2)
        draw.text(panel, "nobody was found", *middle, palette.MUTED, size=16, align=0.5)
        return panel


def _dimmed(panel: Image) -> Image:
    """A copy that has sunk into the canvas."""
    dark = panel + (np.asarray(palette.CANVAS, np.float32) - panel) * 0.55
    return np.asarray(np.rint(dark), np.uint8)
