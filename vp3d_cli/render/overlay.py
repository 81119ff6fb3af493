"""2D skeletons over the video frame: bones, joints, and a tag with each person's id."""

from __future__ import annotations

import cv2
import numpy as np

from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.angles import joint_angles
from vp3d_cli.render.labels import draw_angles
from vp3d_cli.render.style import DARK, Theme
from vp3d_cli.types import Float, Image, Result, Track2D

# Rows over which a person's box is averaged for tag and stroke width: these should glide.
_CALM_ROWS = 9
# Stroke radius as a share of the box's diagonal, and its limits in pixels.
_STROKE, _THIN, _THICK = 0.0062, 1.3, 6.0
# How bold a joint without any score still is, and how bold frames that were filled in are.
_FAINTEST, _FILLED = 0.12, 0.6
_MOST_DASHES = 60


class Overlay:
    """Draws everyone who is in a frame.

    Args:
        result: tracks in pixels of the video.
        scale: size of the picture drawn on, relative to the video.
        theme: the colours.
        unit: how many times larger than usual tags and strokes are.
        angles: write the angles of the 3D joints beside the 2D ones.
    """

    def __init__(
        self,
        result: Result,
        scale: float,
        theme: Theme = DARK,
        unit: float = 1.0,
        *,
        angles: bool = False,
    ) -> None:
        typical = palette.typical_score([t.scores[t.observed] for t in result.tracks2d])
        self._people = [_Person(track, scale, typical, theme, unit) for track in result.tracks2d]
        self._angles = [
            joint_angles(track.joints, track.skeleton) if angles else {}
            for track in result.tracks3d
        ]

    def draw(self, image: Image, frame: int) -> None:
        """Draw the people of video frame `frame` on `image`, in place; the nearest come last."""
        here = [(person, frame - person.first) for person in self._people]
        here = [(person, row) for person, row in here if 0 <= row < person.length]
        here.sort(key=lambda pair: pair[0].stroke[pair[1]])
        for person, row in here:
            person.draw_bones(image, row)
        for person, row in here:
            values = self._angles[self._people.index(person)]
            person.draw_angles(image, row, {name: float(a[row]) for name, a in values.items()})
            person.draw_tag(image, row)


class _Person:
    def __init__(
        self, track: Track2D, scale: float, typical: float, theme: Theme, unit: float
    ) -> None:
        self._theme, self._unit = theme, unit
        self.first, self.length = int(track.frames[0]), len(track)
        self._track = track
        self._scale = scale
        self._boldness = np.maximum(palette.strength(track.scores, typical), _FAINTEST)
        self._edges = np.array(track.skeleton.edge_indices, np.intp).reshape(-1, 2)
        self._edge_colours = palette.edge_colours(track.skeleton, theme)
        self._joint_colours = [
            palette.mix(colour, palette.WHITE, 0.75)
            for colour in palette.joint_colours(track.skeleton, theme)
        ]
        self._boxes = _calm(track.boxes) * np.float32(scale)
        size = self._boxes[:, 2:] - self._boxes[:, :2]
        thickest = _THICK * max(unit, 1.0)
        self.stroke = np.clip(_STROKE * np.hypot(size[:, 0], size[:, 1]), _THIN, thickest)

    def draw_bones(self, image: Image, row: int) -> None:
        """Bones with a dark edge, then joints; the unsure are fainter, the unknown left out."""
        points = self._track.keypoints[row] * np.float32(self._scale)
        seen = np.isfinite(points).all(-1)
        edges = np.flatnonzero(seen[self._edges].all(-1))
        starts, ends = points[self._edges[edges, 0]], points[self._edges[edges, 1]]
        colours = [self._edge_colours[edge] for edge in edges]
        if not self._track.observed[row]:
            self._draw_filled(image, starts, ends, colours, row)
            return
        bold = self._boldness[row]
        alphas = bold[self._edges[edges]].min(-1)
        radii = np.full(len(edges), self.stroke[row], np.float32)
        casing = draw.fixed(draw.capsules(starts, ends, radii + 1.2, radii + 1.2))
        bones = draw.fixed(draw.capsules(starts, ends, radii, radii))
        for outline, alpha in zip(casing, alphas, strict=True):
            draw.fill(image, outline, palette.INK, float(alpha) ** 3)
        for outline, colour, alpha in zip(bones, colours, alphas, strict=True):
            draw.fill(image, outline, colour, float(alpha))
        joints = np.flatnonzero(seen & (bold > 2 * _FAINTEST))
        radii = np.full(len(joints), 0.75 * self.stroke[row], np.float32)
        dots = draw.fixed(draw.discs(points[joints], radii))
        for outline, joint in zip(dots, joints, strict=True):
            draw.fill(image, outline, self._joint_colours[joint])

    def _draw_filled(
        self, image: Image, starts: Float, ends: Float, colours: list[palette.Colour], row: int
    ) -> None:
        """Thin dashes: nobody saw these bones, they were interpolated."""
        radius = max(0.55 * float(self.stroke[row]), 0.9)
        for start, end, colour in zip(starts, ends, colours, strict=True):
            length = float(np.hypot(*(end - start)))
            dashes = int(np.clip(length / (7 * radius), 2, _MOST_DASHES))
            at = np.arange(dashes, dtype=np.float32)[:, None] / dashes
            begin, finish = start + (end - start) * at, start + (end - start) * (at + 0.5 / dashes)
            radii = np.full(dashes, radius, np.float32)
            for outline in draw.fixed(draw.capsules(begin, finish, radii, radii)):
                draw.fill(image, outline, colour, _FILLED)

    def draw_angles(self, image: Image, row: int, angles: dict[str, float]) -> None:
        """Angles in degrees, by joint, beside the keypoints."""
        points = self._track.keypoints[row] * np.float32(self._scale)
        skeleton = self._track.skeleton
        away = 2 * float(self.stroke[row])
        draw_angles(image, skeleton, points, angles, self._theme, self._unit, away)

    def draw_tag(self, image: Image, row: int) -> None:
        """The id in a small flag in the person's colour, over the head and inside the picture.

        A question mark says that the person may be mixed up with somebody else.
        """
        unit = self._unit
        colour = self._theme.accent(self._track.track_id)
        if not self._track.observed[row]:
            colour = palette.mix(colour, self._theme.panel_top, 0.5)
        words = str(self._track.track_id) + ("?" if self._track.at_risk[row] else "")
        left, top, right, bottom = self._boxes[row]
        top -= 0.08 * (bottom - top)  # boxes end at the eyes, not at the crown
        width, height = draw.tag_width(words, unit), round(draw.TAG_HEIGHT * unit)
        x = int(np.clip((left + right - width) / 2, 4, max(image.shape[1] - width - 4, 4)))
        y = int(np.clip(top - height - 4, 4, max(image.shape[0] - height - 4, 4)))
        draw.tag(image, words, x, y, colour, unit)


def _calm(boxes: Float) -> Float:
    """Boxes (T, 4) averaged over neighbouring rows; gaps of NaN are left to their neighbours."""
    kernel = (_CALM_ROWS, 1)
    known = np.isfinite(boxes).astype(np.float32).T
    total = cv2.blur(np.nan_to_num(boxes).T * known, kernel, borderType=cv2.BORDER_REPLICATE)
    share = cv2.blur(known, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray((total / np.maximum(share, 1e-6)).T, np.float32)
