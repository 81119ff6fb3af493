"""The ground of a 3D view: a floor that is lit in the middle, with a grid on it."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.scene import View
from vp3d_cli.render.style import Theme
from vp3d_cli.types import Float, Image

_REACH_M, _STEP_M = 2.0, 0.5
# A floor that is larger has a coarser grid.
_WIDE_M = 5.0


class Ground:
    """Draws an empty panel; a floor only where there is a view of it.

    Args:
        size: width and height of the panel, px.
        view: the view of the floor.
        theme: the colours.
        unit: how many times larger than usual lines and corners are.
        reach_m: how far the floor goes from the origin; never less than usual.

    Attributes:
        step_m: between the lines of the grid.
    """

    def __init__(
        self,
        size: tuple[int, int],
        view: View | None,
        theme: Theme,
        unit: float = 1.0,
        reach_m: float = _REACH_M,
    ) -> None:
        self._theme, self._unit = theme, unit
        self._reach_m = max(reach_m, _REACH_M)
        self.step_m = _STEP_M if self._reach_m <= _WIDE_M else 2 * _STEP_M
        width, height = size
        ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
        top, bottom = (np.array(c, np.float32) for c in (theme.panel_top, theme.panel_bottom))
        panel = np.broadcast_to(top + (bottom - top) * ramp, (height, width, 3))
        self._glow = np.zeros((height, width), np.uint8)
        if view is not None:
            self._glow = self._light(view)
            lit = np.float32(1 / 255) * self._glow[..., None]
            panel = panel + (np.array(theme.floor, np.float32) - panel) * lit
        self._bare: Image = np.rint(panel).astype(np.uint8)
        draw.round_corners(self._bare, round(palette.CORNER * unit), theme.canvas)

    def draw(self, panel: Image, view: View | None) -> None:
        """The empty panel, in place."""
        np.copyto(panel, self._bare)
        if view is None:
            return
        grid = np.zeros_like(self._glow)
        for ground in self._lines():
            ends = view.project(ground)[:, :2].reshape(-1, 2, 2)
            ends = ends[np.isfinite(ends).all((1, 2))]
            draw.lines(grid, ends, palette.WHITE, max(round(self._unit), 1))
        y, x = np.nonzero(cv2.bitwise_and(grid, self._glow))
        share = (grid[y, x].astype(np.float32) * self._glow[y, x] / 255**2)[:, None]
        under = panel[y, x]
        panel[y, x] = np.rint(under + (np.array(self._theme.grid, np.float32) - under) * share)

    def _lines(self) -> Iterator[Float]:
        """Ends of the grid's lines, in both directions, metres."""
        count = int(self._reach_m / self.step_m)
        marks = np.arange(-count, count + 1, dtype=np.float32) * np.float32(self.step_m)
        reach = self._reach_m
        ends = np.array([[m, 0, s * reach] for m in marks for s in (-1, 1)], np.float32)
        yield ends
        yield ends[:, ::-1]

    def _light(self, view: View) -> Image:
        """How brightly the floor is lit (H, W); the same from wherever around the origin."""
        angle = np.linspace(0, 2 * np.pi, 97, dtype=np.float32)
        circle = np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], -1)
        glow = np.zeros_like(self._glow)
        for brightness in range(4, 256, 4):
            # Straight down outwards, then flattening, so that the edge is nowhere to be seen.
            reach = self._reach_m * (1 - (brightness / 255) ** 0.9)
            ring = view.project(circle * np.float32(reach))[:, :2]
            if np.isfinite(ring).all():
                draw.fill(glow, draw.fixed(ring), (brightness,) * 3)
        return np.asarray(cv2.GaussianBlur(glow, (0, 0), 3 * self._unit), np.uint8)
