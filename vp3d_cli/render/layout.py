"""Where things stand in the picture: the video, 3D panels, a line below and a title above."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vp3d_cli.render.style import MOST_SIDE, OVERLAY, ROOM, SIDE_BY_SIDE, Style
from vp3d_cli.types import Image

# Pixels of a picture that is 720 high; larger ones have larger margins and letters.
MARGIN, FOOTER, HEADER = 14, 34, 40
_HEIGHT = 720
_LEAST_UNIT = 0.6
# Panels beside the video, and in a grid.
MAX_PANELS, MAX_GRID = 6, 25
# Content of a small video is enlarged to this, and that of a long one no lower, px.
_LEAST_HEIGHT, _LEAST_CONTENT = 480, 260
_WIDEST = 1920
# The video's share of the width, or of the height where all stands one above the other, at most.
_MOST_VIDEO = 0.72
_PANEL = 0.74
_WIDE = 16 / 9

# Panels in each row, and the grid's width as a share of its height, by the number of panels.
_GRIDS = {
    1: ((1,), 0.74),
    2: ((1, 1), 0.74),
    3: ((2, 1), 1.0),
    4: ((2, 2), 1.0),
    5: ((3, 2), 1.3),
    6: ((3, 3), 1.3),
}
_TWO_ABREAST = ((2,), 1.2)


@dataclass(frozen=True)
class Box:
    """A rectangle of the picture, px."""

    left: int
    top: int
    width: int
    height: int

    def of(self, picture: Image) -> Image:
        """This part of the picture, to be drawn on."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Layout:
    """Boxes of the parts in a picture of `width` x `height` px.

    Attributes:
        width, height: of the picture.
        video: where the video stands, if it is shown.
        panels: of the 3D views.
        footer: of the time and the legend, if there are any.
        header: of the title, if there is one.
        unit: how many times larger than in a picture 720 high letters and lines are.
    """

    width: int
    height: int
    video: Box | None
    panels: tuple[Box, ...]
    footer: Box | None
    header: Box | None
    unit: float


def arrange(video_size: tuple[int, int], num_panels: int, style: Style | None = None) -> Layout:
    """Lay out a video of `video_size` (width, height) px and panels as the style wants them."""
    style = style or Style()
    if style.layout == OVERLAY:
        return _alone(video_size, style.size)
    frame = _Frame.of(style)
    if style.layout == SIDE_BY_SIDE:
        if style.size and style.size[0] and style.size[0] < 0.9 * style.size[1]:
            return _stacked(frame, video_size, num_panels, style.size[0])
        return _abreast(frame, video_size, num_panels, style.size)
    width = style.size[0] if style.size else None
    if style.layout == ROOM:
        content = width or _even(frame.height * _WIDE)
        box = Box(0, 0, content - 2 * frame.margin, frame.content)
        return frame.around(None, (box,), content)
    return _gridded(frame, num_panels, width)


def _even(length: float) -> int:
    return max(2 * round(length / 2), 2)


def _alone(video_size: tuple[int, int], size: tuple[int | None, int] | None) -> Layout:
    """The video only, at its own size, or in the middle of another."""
    aspect = video_size[0] / video_size[1]
    if size is None:
        width, height = video_size
        box = Box(0, 0, width, height)
    else:
        height = size[1]
        width = size[0] or min(_even(height * aspect), MOST_SIDE)
        box = _fitted(video_size, Box(0, 0, width, height))
    unit = max(min(width, height) / _HEIGHT, _LEAST_UNIT)
    return Layout(width, height, box, (), None, None, unit)


def _fitted(video_size: tuple[int, int], room: Box) -> Box:
    """The largest box of the video's shape in the middle of a room."""
    scale = min(room.width / video_size[0], room.height / video_size[1])
    width = min(max(round(video_size[0] * scale), 1), room.width)
    height = min(max(round(video_size[1] * scale), 1), room.height)
    left, top = room.left + (room.width - width) // 2, room.top + (room.height - height) // 2
    return Box(left, top, width, height)


@dataclass(frozen=True)
class _Frame:
    """What stands around the content of a picture of some height, px."""

    height: int
    unit: float
    margin: int
    footer: int
    header: int

    @staticmethod
    def of(style: Style, height: int | None = None) -> _Frame:
        height = height or (style.size[1] if style.size else _HEIGHT)
        shorter = min(height, style.size[0] or height) if style.size else height
        unit = max(shorter / _HEIGHT, _LEAST_UNIT)
        header = round(HEADER * unit) if style.heading else 0
        return _Frame(height, unit, round(MARGIN * unit), round(FOOTER * unit), header)

    @property
    def content(self) -> int:
        """The height left."""
        return max(self.height - 2 * self.margin - self.footer - self.header, 16)

    def around(self, video: Box | None, panels: tuple[Box, ...], width: int) -> Layout:
        """The layout of boxes placed in a content that begins at 0, 0."""
        margin, top = self.margin, self.margin + self.header
        bottom = top + self.content

        def moved(box: Box) -> Box:
            return Box(box.left + margin, box.top + top, max(box.width, 1), max(box.height, 1))

        footer = Box(margin, bottom, width - 2 * margin, self.height - bottom)
        header = Box(margin, margin // 2, width - 2 * margin, self.header) if self.header else None
        placed = tuple(moved(panel) for panel in panels)
        there = moved(video) if video else None
        return Layout(width, self.height, there, placed, footer, header, self.unit)


def _abreast(
    frame: _Frame,
    video_size: tuple[int, int],
    num_panels: int,
    size: tuple[int | None, int] | None,
) -> Layout:
    """The video and the panels to its right."""
    aspect = video_size[0] / video_size[1]
    upright = num_panels == 2 and aspect < 1
    rows, share = _TWO_ABREAST if upright else _GRIDS[num_panels]
    margin = frame.margin
    content, width = frame.content, size[0] if size else None
    if width is None:
        widest = (_WIDEST if size is None else MOST_SIDE) - 3 * margin
        least = round(_LEAST_CONTENT * frame.unit)
        if size is None:
            content = min(content, max(video_size[1], _LEAST_HEIGHT))
            content = max(min(content, int(widest / (aspect + share))), min(least, content))
            content -= content % 2
            frame = _Frame(content + frame.height - frame.content, *_rest(frame))
        grid = _even(content * share)
        video_width = max(min(_even(content * aspect), widest - grid), 2)
        width = 3 * margin + video_width + grid
        width += width % 2
    else:
        room = width - 3 * margin
        video_width = max(min(round(content * aspect), round(room * _MOST_VIDEO)), 1)
        grid = max(room - video_width, 1)
    box = _fitted(video_size, Box(0, 0, video_width, content))
    left = video_width + margin
    return frame.around(box, _rows(rows, Box(left, 0, grid, content), margin // 2), width)


def _rest(frame: _Frame) -> tuple[float, int, int, int]:
    return frame.unit, frame.margin, frame.footer, frame.header


def _stacked(frame: _Frame, video_size: tuple[int, int], num_panels: int, width: int) -> Layout:
    """The video and the panels under it."""
    room, aspect = max(width - 2 * frame.margin, 1), video_size[0] / video_size[1]
    height = max(min(round(room / aspect), round(frame.content * _MOST_VIDEO)), 1)
    box = _fitted(video_size, Box(0, 0, room, height))
    top = box.height + frame.margin
    columns = num_panels if num_panels <= 3 else -(-num_panels // 2)
    rows = tuple(min(columns, num_panels - k) for k in range(0, num_panels, columns))
    rest = Box(0, top, room, max(frame.content - top, 1))
    return frame.around(box, _rows(rows, rest, frame.margin // 2), width)


def _gridded(frame: _Frame, num_panels: int, width: int | None) -> Layout:
    """Panels only, in rows that fill a picture as wide as a screen, or of the given width."""
    gap = frame.margin // 2
    target = (width - 2 * frame.margin) / frame.content if width else _WIDE
    shapes = {
        columns: columns / -(-num_panels // columns) * _PANEL
        for columns in range(1, num_panels + 1)
    }
    columns = min(shapes, key=lambda c: abs(math.log(shapes[c] / target)))
    rows = tuple(min(columns, num_panels - k) for k in range(0, num_panels, columns))
    if width is None:
        panel = (frame.content - gap * (len(rows) - 1)) / len(rows) * _PANEL
        least = round(0.9 * frame.content)
        across = max(round(panel * columns) + gap * (columns - 1), least)
        width = min(across + 2 * frame.margin, MOST_SIDE)
        width += width % 2
    inner = Box(0, 0, max(width - 2 * frame.margin, 1), frame.content)
    even = (columns,) * len(rows)
    return frame.around(None, _rows(even, inner, gap)[:num_panels], width)


def _rows(rows: tuple[int, ...], room: Box, gap: int) -> tuple[Box, ...]:
    """Boxes in rows of so many columns, with gaps between them, px."""
    return tuple(
        Box(room.left + x, room.top + y, width, height)
        for (y, height), columns in zip(_parts(room.height, len(rows), gap), rows, strict=True)
        for x, width in _parts(room.width, columns, gap)
    )


def _parts(length: int, count: int, gap: int) -> list[tuple[int, int]]:
    """Start and length of each of `count` equal parts, px."""
    part = max((length - gap * (count - 1)) // count, 1)
    return [(k * (part + gap), part) for k in range(count)]


def share_panels(
    spans: list[tuple[int, int]], sizes: list[float], most: int = MAX_PANELS
) -> list[list[int]]:
    """Give people panels; those who are never in view together may share one.

    Args:
        spans: first and last frame of each person.
        sizes: how large each person is; with more than `most` at once, the larger are shown.
        most: panels.

    Returns:
        For each panel the people it shows, by position in `spans`, in order of appearance.
    """
    shown: list[int] = []
    for person in sorted(range(len(spans)), key=lambda p: -sizes[p]):
        # The crowd around a person is densest at the moment when somebody enters.
        entries = [spans[person][0], *(spans[other][0] for other in shown)]
        entries = [frame for frame in entries if _holds(spans[person], frame)]
        if all(sum(_holds(spans[o], frame) for o in shown) < most for frame in entries):
            shown.append(person)
    panels: list[list[int]] = []
    for person in sorted(shown, key=lambda p: (spans[p][0], p)):
        free = (panel for panel in panels if spans[panel[-1]][1] < spans[person][0])
        panel = next(free, None)
        if panel is None:
            panels.append([person])
        else:
            panel.append(person)
    return panels


def _holds(span: tuple[int, int], frame: int) -> bool:
    return span[0] <= frame <= span[1]
