"""One whole picture: the video with skeletons, the 3D views, the time, the legend, the title."""

from __future__ import annotations

import re
from collections.abc import Sequence

import cv2
import numpy as np

from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.layout import MAX_GRID, MAX_PANELS, arrange, share_panels
from vp3d_cli.render.overlay import Overlay
from vp3d_cli.render.panel import Panel
from vp3d_cli.render.room import Room
from vp3d_cli.render.style import GRID, OVERLAY, ROOM, Style
from vp3d_cli.types import Image, Result

_DIGITS = re.compile(r"(\d)")
# Over the video: how much of it the ground of a title covers.
_VEIL = 0.66


class Picture:
    """Draws whole pictures, one per video frame, over and over on the same canvas.

    Args:
        result: the poses.
        style: the looks.
    """

    def __init__(self, result: Result, style: Style | None = None) -> None:
        self.style = style = style or Style()
        self._result = result
        sharing = _sharing(result, style)
        self.layout = layout = arrange(
            (result.video.width, result.video.height), max(len(sharing), 1), style
        )
        self._shown = sum(map(len, sharing)) if style.layout != OVERLAY else None
        unit = layout.unit
        self._overlay: Overlay | None = None
        if layout.video:
            scale = max(
                layout.video.width / result.video.width, layout.video.height / result.video.height
            )
            alone = style.layout == OVERLAY
            self._overlay = Overlay(result, scale, style.theme, unit, angles=style.angles and alone)
        sizes = [(box.width, box.height) for box in layout.panels]
        self._panels: Sequence[Panel | Room]
        if style.layout == ROOM:
            self._panels = [Room(result, sizes[0], style, unit)]
        else:
            people = sharing or [[]]
            pairs = zip(people, sizes, strict=False)
            self._panels = [Panel(result, group, size, style, unit) for group, size in pairs]
        self._canvas = self._empty_canvas()
        self._footer = layout.footer.of(self._canvas).copy() if layout.footer else None

    def draw(self, index: int, time_s: float, image: Image | None, orbited_s: float = 0.0) -> Image:
        """The picture of a video frame; the next call draws over it.

        Args:
            index: of the video frame.
            time_s: when it is shown.
            image: the frame (H, W, 3), BGR; without it the ground stays plain.
            orbited_s: for how long the viewer has been walking, seconds.

        Returns:
            (H, W, 3) BGR, or where it is transparent (H, W, 4) BGRA.
        """
        if self.style.transparent:
            return self._draw_transparent(index)
        if self.layout.video and self._overlay:
            self._draw_video(index, image)
        turn = float(np.deg2rad(self.style.orbit_deg_s * orbited_s))
        for box, panel in zip(self.layout.panels, self._panels, strict=False):
            panel.draw(box.of(self._canvas), index, turn)
        if self.layout.footer and self._footer is not None:
            footer = self.layout.footer.of(self._canvas)
            np.copyto(footer, self._footer)
            self._write_time(footer, index, time_s)
        return self._canvas

    def _draw_video(self, index: int, image: Image | None) -> None:
        assert self.layout.video is not None
        assert self._overlay is not None
        ground = self.layout.video.of(self._canvas)
        if image is None:
            ground[:] = self.style.theme.panel_bottom
        else:
            _shrink(image, ground)
        self._overlay.draw(ground, index)
        if self.style.layout == OVERLAY:
            _write_title_over(ground, self.style, self.layout.unit)
        else:
            corner = round(palette.CORNER * self.layout.unit)
            draw.round_corners(ground, corner, self.style.theme.canvas)

    def _draw_transparent(self, index: int) -> Image:
        """What is drawn on black and on white differs by how much of the ground is seen."""
        assert self.layout.video is not None
        assert self._overlay is not None
        drawn = []
        for level in (0, 255):
            canvas = np.full((self.layout.height, self.layout.width, 3), level, np.uint8)
            ground = self.layout.video.of(canvas)
            self._overlay.draw(ground, index)
            _write_title_over(ground, self.style, self.layout.unit)
            drawn.append(canvas)
        black, white = drawn
        alpha = 255 - np.asarray(cv2.subtract(white, black)).min(-1)
        y, x = np.nonzero(alpha)
        both: Image = np.zeros((*alpha.shape, 4), np.uint8)
        both[..., 3] = alpha
        colours = black[y, x] * np.float32(255) / alpha[y, x][:, None]
        both[y, x, :3] = np.clip(np.rint(colours), 0, 255)
        return both

    def _write_time(self, footer: Image, index: int, time_s: float) -> None:
        minutes, seconds = divmod(max(time_s, 0.0), 60)
        unit, theme = self.layout.unit, self.style.theme
        middle, x, size = footer.shape[0] / 2, 2.0 * unit, 14 * unit
        num_frames = self._result.video.num_frames
        of_all = f" / {num_frames}" if num_frames else ""
        for words, colour in (
            (f"{int(minutes)}:{seconds:05.2f}", theme.text),
            (f"frame {index}{of_all}", theme.muted),
        ):
            for part in filter(None, _DIGITS.split(words)):
                # Digits keep their places, so that running ones do not shake the line.
                digit = part.isdigit()
                x += 4 * unit * (len(part) - len(part.lstrip()))
                place = x + 4.5 * unit * digit
                draw.text(footer, part, place, middle, colour, size=size, align=0.5 * digit)
                x += 9 * unit if digit else draw.text_width(part, size) + 2 * unit
                x += 4 * unit * (len(part) - len(part.rstrip()))
            x += 16 * unit

    def _empty_canvas(self) -> Image:
        """The picture without anything that moves: the ground, the title, the legend, the mark."""
        layout, theme = self.layout, self.style.theme
        canvas: Image = np.empty((layout.height, layout.width, 3), np.uint8)
        canvas[:] = theme.canvas
        if layout.header:
            header = layout.header.of(canvas)
            size, room = 19 * layout.unit, header.shape[1] - 4 * layout.unit
            words = draw.shortened(self.style.heading, room, size, 1.3)
            place = (2 * layout.unit, header.shape[0] / 2)
            draw.text(header, words, *place, theme.text, size=size, weight=1.3)
        if layout.footer:
            self._write_legend(layout.footer.of(canvas))
        return canvas

    def _write_legend(self, footer: Image) -> None:
        """From the right end on, as long as the time has room enough."""
        theme, unit = self.style.theme, self.layout.unit
        middle, right = footer.shape[0] / 2, float(footer.shape[1]) - 2 * unit
        least = 240 * unit
        if right < least:
            return
        big, size = 17 * unit, 14 * unit
        draw.text(footer, "3d", right, middle, theme.right, size=big, weight=1.7, align=1)
        right -= draw.text_width("3d", big, 1.7) + 2 * unit
        draw.text(footer, "vp", right, middle, theme.text, size=big, weight=1.7, align=1)
        right -= 52 * unit
        for words, side in self._legend():
            wide = draw.text_width(words, size)
            if right - wide - 32 * unit < least:
                return
            draw.text(footer, words, right, middle, theme.muted, size=size, align=1)
            right -= wide + 12 * unit
            if side:
                centre = np.array([[right, middle]], np.float32)
                dot = draw.discs(centre, np.array([4.5 * unit], np.float32))
                draw.fill(footer, draw.fixed(dot)[0], theme.sides[side])
            right -= (20 if side else 12) * unit

    def _legend(self) -> list[tuple[str, str]]:
        """Words, and the side whose colour they have, from right to left."""
        grids = [panel.grid_m for panel in self._panels if isinstance(panel, Room)]
        words = [(f"grid {(grids or [0.5])[0]:g} m", ""), ("right", "right"), ("left", "left")]
        people = len(self._result.tracks2d)
        if self._shown is not None and self._shown < people:
            words.append((f"the {self._shown} largest of {people} people in 3D", ""))
        return words


def _sharing(result: Result, style: Style) -> list[list[int]]:
    """Who is shown in which panel."""
    tracks = result.tracks2d
    if style.layout in (OVERLAY, ROOM):
        return [list(range(len(tracks)))] if tracks else []
    if style.layout == GRID and len(tracks) <= MAX_GRID:
        return [[k] for k in range(len(tracks))]
    spans = [(int(t.frames[0]), int(t.frames[-1])) for t in tracks]
    areas = [t.boxes[:, 2:] - t.boxes[:, :2] for t in tracks]
    sizes = [float(np.nansum(area.prod(-1))) for area in areas]
    return share_panels(spans, sizes, MAX_GRID if style.layout == GRID else MAX_PANELS)


def _write_title_over(image: Image, style: Style, unit: float) -> None:
    """The title of a picture that is all video: in its corner, on ground of its own."""
    if not style.heading:
        return
    size, pad = 18 * unit, 12 * unit
    room = image.shape[1] - 4 * pad
    words = draw.shortened(style.heading, room, size, 1.3)
    if not words:
        return
    width, height = draw.text_width(words, size, 1.3) + 2 * pad, 34 * unit
    left = top = round(14 * unit)
    ground, radius = style.theme.panel_bottom, round(9 * unit)
    draw.rounded_box(image, left, top, round(width), round(height), ground, radius, _VEIL)
    place = (left + pad, top + height / 2)
    draw.text(image, words, *place, style.theme.text, size=size, weight=1.3)


def _shrink(image: Image, target: Image) -> None:
    """Scale a frame into `target`, in place.

    Whole-number averaging first, where the frame is much larger, then linear: as good as
    INTER_AREA in one go and several times as fast.
    """
    height, width = target.shape[:2]
    if image.shape == target.shape:
        np.copyto(target, image)
        return
    whole = min(image.shape[0] // height, image.shape[1] // width)
    if whole > 1:
        rough = (image.shape[1] // whole, image.shape[0] // whole)
        image = np.asarray(cv2.resize(image, rough, interpolation=cv2.INTER_AREA), np.uint8)
    cv2.resize(image, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
