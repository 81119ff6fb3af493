"""How a picture looks: one frozen `Style` of values, and the themes.

Left and right are a warm and a cold colour in every theme, which people with any colour
blindness tell apart; a person's own accent is never one of the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from vp3d_cli import palette
from vp3d_cli.errors import OptionsError
from vp3d_cli.palette import Colour

SIDE_BY_SIDE, OVERLAY, ROOM, GRID = "side-by-side", "overlay", "3d", "grid"
LAYOUTS = (SIDE_BY_SIDE, OVERLAY, ROOM, GRID)
# Pixels of a side.
LEAST_SIDE, MOST_SIDE = 64, 8192
_MOST_TITLE = 200


@dataclass(frozen=True)
class Theme:
    """The colours of a picture, BGR as OpenCV wants them.

    Attributes:
        canvas: behind everything.
        panel_top, panel_bottom: the ground of a 3D view, which runs from one to the other.
        floor, grid: of the 3D view, where it is lit.
        text, muted: of what matters more and less.
        ink: of edges and dark sides.
        left, right, middle: of the body.
        accents: of people; after the last they begin again.
        far_shade: how much darker the far side of a figure is than the near one, 0 to 1.
        shadow: how dark the floor gets under a figure, 0 to 1.
    """

    canvas: Colour
    panel_top: Colour
    panel_bottom: Colour
    floor: Colour
    grid: Colour
    text: Colour
    muted: Colour
    ink: Colour
    left: Colour
    right: Colour
    middle: Colour
    accents: tuple[Colour, ...] = palette.ACCENTS
    far_shade: float = 0.42
    shadow: float = 0.75

    @property
    def sides(self) -> dict[str, Colour]:
        """Colour by the side of a joint."""
        return {"left": self.left, "right": self.right, "middle": self.middle}

    def accent(self, track_id: int) -> Colour:
        """The colour of one person."""
        return self.accents[(track_id - 1) % len(self.accents)]


DARK = Theme(
    canvas=(20, 15, 13),
    panel_top=(46, 37, 33),
    panel_bottom=(27, 21, 18),
    floor=(88, 74, 65),
    grid=(140, 122, 110),
    text=(238, 233, 230),
    muted=(158, 146, 138),
    ink=(24, 18, 15),
    left=(46, 152, 255),
    right=(255, 168, 64),
    middle=(228, 224, 220),
)
LIGHT = Theme(
    canvas=(238, 235, 232),
    panel_top=(255, 254, 253),
    panel_bottom=(248, 245, 243),
    floor=(226, 220, 214),
    grid=(176, 166, 158),
    text=(44, 36, 31),
    muted=(122, 110, 102),
    ink=(44, 34, 28),
    left=(16, 124, 240),
    right=(226, 124, 24),
    middle=(186, 178, 171),
    far_shade=0.34,
    shadow=0.34,
)
# Okabe and Ito's colours but for the two that the sides are near.
_SAFE_ACCENTS: tuple[Colour, ...] = (
    (115, 158, 0),
    (167, 121, 204),
    (66, 228, 240),
    (0, 94, 213),
    (220, 220, 220),
)
THEMES = {"dark": DARK, "light": LIGHT}
PALETTES = ("standard", "colour-blind")
# Amber and blue: apart in hue for every kind of colour blindness, and in grey.
_SAFE = {
    "dark": replace(DARK, left=(20, 200, 255), right=(232, 128, 22), accents=_SAFE_ACCENTS),
    "light": replace(LIGHT, left=(0, 166, 234), right=(164, 72, 0), accents=_SAFE_ACCENTS),
}


def theme_named(name: str, colours: str = "standard") -> Theme:
    """One of `THEMES` in the colours of one of `PALETTES`."""
    return {"standard": THEMES, "colour-blind": _SAFE}[colours][name]


@dataclass(frozen=True)
class Style:
    """What `render_video` draws, and how.

    Attributes:
        layout: one of `LAYOUTS`: the video beside each person in 3D, only the video, everybody
            in one room, or a 3D panel for each person.
        theme: the colours.
        size: width and height, px; a width of None follows from the height. None: as the video,
            or 720 high at most.
        fps: pictures a second; None: as the video.
        codec: h264, hevc, vp9 or prores; None: what the file's suffix goes with.
        slow: how many times longer it lasts than the video.
        trail_s: the way of hands, feet and hip stays in the 3D view for so long, seconds.
        angles: write the angles of knees, hips, elbows and shoulders beside the joints.
        title: a line over the picture.
        orbit_deg_s: degrees a second that the viewer of the 3D view walks around.
        transparent: nothing but the skeletons, with alpha.
        start_s, end_s: the part of the video, seconds; None: all of it.
    """

    layout: str = SIDE_BY_SIDE
    theme: Theme = DARK
    size: tuple[int | None, int] | None = None
    fps: Fraction | None = None
    codec: str | None = None
    slow: float = 1.0
    trail_s: float = 0.0
    angles: bool = False
    title: str = ""
    orbit_deg_s: float = 0.0
    transparent: bool = False
    start_s: float | None = None
    end_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            OptionsError: two of them contradict each other, or one is out of its range.
        """
        if self.layout not in LAYOUTS:
            raise OptionsError(f"layout '{self.layout}': expected one of {', '.join(LAYOUTS)}")
        for given, name in ((self.trail_s, "trail"), (self.orbit_deg_s, "orbit")):
            if given and self.layout == OVERLAY:
                raise OptionsError(
                    f"the {name} is drawn in 3D, of which the layout overlay has nothing; "
                    f"choose {SIDE_BY_SIDE}, {ROOM} or {GRID}"
                )
        if self.transparent and self.layout != OVERLAY:
            raise OptionsError(
                f"transparent is for the layout {OVERLAY}, and the layout is {self.layout}"
            )
        self._require_numbers()

    def _require_numbers(self) -> None:
        ranges = {
            "slow": (self.slow, 0.01, 1000.0),
            "trail": (self.trail_s, 0.0, 600.0),
            "orbit": (self.orbit_deg_s, -3600.0, 3600.0),
            "fps": (float(self.fps or 30), 0.01, 1000.0),
        }
        for name, (value, least, most) in ranges.items():
            if not (math.isfinite(value) and least <= value <= most):
                raise OptionsError(f"{name} {value:g}: expected {least:g} to {most:g}")
        for side in self.size or ():
            if side is not None and not LEAST_SIDE <= side <= MOST_SIDE:
                raise OptionsError(f"size {side}: expected {LEAST_SIDE} to {MOST_SIDE} pixels")
        if self.start_s is not None and self.end_s is not None and self.start_s >= self.end_s:
            raise OptionsError(
                f"the start ({self.start_s:g} s) must lie before the end ({self.end_s:g} s)"
            )

    @property
    def heading(self) -> str:
        """The title as one line that can be drawn."""
        line = " ".join(self.title.split())
        return "".join(letter for letter in line if letter.isprintable())[:_MOST_TITLE]
