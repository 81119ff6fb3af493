"""Where things stand in the picture: the video, a grid of panels beside it, a line below."""

from __future__ import annotations

from dataclasses import dataclass

from vp3d_cli.types import Image

MARGIN, FOOTER = 14, 34
MAX_PANELS = 6
# A small video is enlarged to this, px, or the text beside it would not fit.
_LEAST_HEIGHT = 480
_WIDEST = 1920

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
    """Boxes of the parts in a picture of `width` x `height` px, both even."""

    width: int
    height: int
    video: Box
    panels: tuple[Box, ...]
    footer: Box


def arrange(video_size: tuple[int, int], num_panels: int, max_height: int) -> Layout:
    """Lay out a video of `video_size` (width, height) px with 1 to 6 panels.

    The picture is at most `max_height` high and about 1920 wide.
    """
    aspect = video_size[0] / video_size[1]
    upright = num_panels == 2 and aspect < 1
    rows, share = _TWO_ABREAST if upright else _GRIDS[num_panels]
    content = min(max_height - 2 * MARGIN - FOOTER, max(video_size[1], _LEAST_HEIGHT))
    content = min(content, int((_WIDEST - 3 * MARGIN) / (aspect + share)))
    content = max(content - content % 2, 64)
    video_width = max(2 * round(content * aspect / 2), 2)
    grid_width = 2 * round(content * share / 2)
    left = 2 * MARGIN + video_width
    panels = [
        Box(left + x, MARGIN + y, panel_width, panel_height)
        for (y, panel_height), columns in zip(_parts(content, len(rows)), rows, strict=True)
        for x, panel_width in _parts(grid_width, columns)
    ]
    width, height = left + grid_width + MARGIN, 2 * MARGIN + content + FOOTER
    return Layout(
        width,
        height,
        Box(MARGIN, MARGIN, video_width, content),
        tuple(panels),
        Box(MARGIN, MARGIN + content, width - 2 * MARGIN, MARGIN + FOOTER),
    )


def _parts(length: int, count: int) -> list[tuple[int, int]]:
    """Start and length of each of `count` equal parts with half a margin between them, px."""
    gap = MARGIN // 2
    part = (length - gap * (count - 1)) // count
    return [(k * (part + gap), part) for k in range(count)]


def share_panels(spans: list[tuple[int, int]], sizes: list[float]) -> list[list[int]]:
    """Give people panels; those who are never in view together may share one.

    Args:
        spans: first and last frame of each person.
        sizes: how large each person is; with more than six at once, the larger ones are shown.

    Returns:
        For each panel the people it shows, by position in `spans`, in order of appearance.
    """
    shown: list[int] = []
    for person in sorted(range(len(spans)), key=lambda p: -sizes[p]):
        # The crowd around a person is densest at the moment when somebody enters.
        entries = [spans[person][0], *(spans[other][0] for other in shown)]
        entries = [frame for frame in entries if _holds(spans[person], frame)]
        if all(sum(_holds(spans[o], frame) for o in shown) < MAX_PANELS for frame in entries):
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
