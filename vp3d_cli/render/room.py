"""One large 3D view with everybody where they stand."""

from __future__ import annotations

import numpy as np

from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.ground import Ground
from vp3d_cli.render.panel import doubts_about, nobody
from vp3d_cli.render.scene import Eye, View, in_a_room
from vp3d_cli.render.stage import Stage, reach_of
from vp3d_cli.render.style import Style
from vp3d_cli.render.view3d import Figure
from vp3d_cli.types import Image, Result

_MARGINS = (20, 44, 20, 34)
# The viewer of a room stands higher than that of one person, and so many reaches away from it.
_TURN, _PITCH = float(np.deg2rad(18.0)), float(np.deg2rad(15.0))
_NEAR_M, _REACHES = 3.5, 2.2
_AROUND_M = 1.1
# Over the crown, metres.
_TAG_OVER_M = 0.14
_FITTED = 40_000
# From there on a line goes down to the floor, in so many dashes, to a ring of this radius.
_HIGH_M, _DASHES, _RING_M = 0.4, 16, 0.12
_TURNS = np.linspace(0, 2 * np.pi, 24, endpoint=False, dtype=np.float32)
_RING = np.stack([np.cos(_TURNS), 0 * _TURNS, np.sin(_TURNS)], -1) * np.float32(_RING_M)


class Room:
    """Draws everybody who is there, with their ids over their heads.

    Args:
        result: the poses.
        size: width and height, px.
        style: the looks.
        unit: how many times larger than usual text and lines are.
    """

    def __init__(self, result: Result, size: tuple[int, int], style: Style, unit: float) -> None:
        self._result, self._size, self._theme, self._unit = result, size, style.theme, unit
        self._empty = nobody(size, style, unit) if not result.tracks3d else None
        scenes, self._how = in_a_room(result)
        typical = palette.typical_confidence(result)
        several = len(scenes) > 1
        figures = [
            Figure(
                track3d,
                scene,
                track2d.observed,
                typical,
                style.theme,
                style.theme.accent(track3d.track_id) if several else None,
            )
            for track2d, track3d, scene in zip(
                result.tracks2d, result.tracks3d, scenes, strict=True
            )
        ]
        reach = reach_of(scenes)
        rows = max(1, sum(len(scene) for scene in scenes) * 17 // _FITTED)
        flat = [scene[::rows].reshape(-1, 3) for scene in scenes]
        eye = Eye(_TURN, _PITCH, _NEAR_M + _REACHES * reach, orbits=style.orbit_deg_s != 0)
        left, top, right, bottom = (round(side * unit) for side in _MARGINS)
        points = np.concatenate([*flat, np.zeros((1, 3), np.float32)])
        view = View(points, size, (left, top, right, bottom), eye)
        ground = Ground(size, view, style.theme, unit, reach + _AROUND_M)
        self.grid_m = ground.step_m
        self._stage = Stage(
            figures,
            view,
            ground,
            style.theme,
            unit,
            trail=round(style.trail_s * float(result.video.fps)),
            angles=style.angles,
        )

    def draw(self, panel: Image, frame: int, turn: float = 0.0) -> None:
        """Draw the room at a video frame, in place; `turn` radians further around."""
        if self._empty is not None:
            np.copyto(panel, self._empty)
            return
        tracks = self._result.tracks2d
        rows = {k: frame - int(track.frames[0]) for k, track in enumerate(tracks)}
        rows = {k: row for k, row in rows.items() if 0 <= row < len(tracks[k])}
        view = self._stage.draw(panel, rows, turn)
        for person, row in rows.items():
            self._draw_plumb_line(panel, view, person, row)
            self._draw_tag(panel, view, person, row)
        muted, size = self._theme.muted, 13 * self._unit
        right, y = self._size[0] - 16 * self._unit, 22 * self._unit
        draw.text(panel, self._how, right, y, muted, size=size, align=1)

    def _draw_plumb_line(self, panel: Image, view: View, person: int, row: int) -> None:
        """From somebody high over the floor down to it, so that one sees where that is."""
        joints = self._stage.figures[person].scene[row]
        joints = joints[np.isfinite(joints).all(-1)]
        if not len(joints) or joints[:, 1].min() < _HIGH_M:
            return
        x, _, z = joints.mean(0)
        heights = np.linspace(0, joints[:, 1].min() - 0.05, 2 * _DASHES, dtype=np.float32)
        line = np.stack([np.full_like(heights, x), heights, np.full_like(heights, z)], -1)
        ring = np.array([x, 0, z], np.float32) + _RING
        thickness = max(round(self._unit), 1)
        for way in (line.reshape(-1, 2, 3), np.stack([ring, np.roll(ring, 1, 0)], 1)):
            ends = view.project(way)[..., :2]
            ends = ends[np.isfinite(ends).all((1, 2))]
            draw.lines(panel, ends, self._theme.muted, thickness)

    def _draw_tag(self, panel: Image, view: View, person: int, row: int) -> None:
        figure, track = self._stage.figures[person], self._result.tracks2d[person]
        joints = figure.scene[row]
        joints = joints[np.isfinite(joints).all(-1)]
        if not len(joints):
            return
        crown = joints[joints[:, 1].argmax()] + np.array([0, _TAG_OVER_M, 0], np.float32)
        x, y, _ = view.project(crown[None])[0]
        if not np.isfinite(x + y):
            return
        doubts = doubts_about(not track.observed[row], bool(track.at_risk[row]))
        words = f"{track.track_id}?" if track.at_risk[row] else str(track.track_id)
        colour = palette.mix(
            self._theme.accent(track.track_id), self._theme.panel_top, 0.5 if doubts else 0.0
        )
        width, high = draw.tag_width(words, self._unit), round(draw.TAG_HEIGHT * self._unit)
        left = round(float(np.clip(x - width / 2, 4, max(self._size[0] - width - 4, 4))))
        top = round(float(np.clip(y - high - 3 * self._unit, 4, max(self._size[1] - high - 4, 4))))
        draw.tag(panel, words, left, top, colour, self._unit)
