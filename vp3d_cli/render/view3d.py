"""One person's 3D joints as a shaded, jointed figure that stands on a floor."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.scene import DISTANCE_M, View, as_the_reference, on_the_floor
from vp3d_cli.types import Bool, Float, Image, Int, Real, Track3D, World

Indices = NDArray[np.intp]
# What a limb or a joint is drawn with, from back to front: fixed-point outlines and colours.
Part = list[tuple[Int, palette.Colour]]

# Radius of the figure at a joint, metres; by the joint's name without its side.
_RADII_M = {
    "hip": 0.046, "spine": 0.052, "thorax": 0.05, "neck": 0.034, "head": 0.06,
    "shoulder": 0.042, "elbow": 0.033, "wrist": 0.024, "knee": 0.04, "foot": 0.027,
    "pelvis": 0.046, "ankle": 0.027,
}  # fmt: skip
_RADIUS_M = 0.036
# A limb is round: layers from its dark edge to its gloss. For each the share of the radius, the
# pixels added to it, the shift towards the light in radii, and how much lighter (or darker).
_LIMB = ((1, 1.1, 0, -0.75), (1, 0, 0, -0.22), (0.8, 0, 0.14, 0), (0.52, 0, 0.26, 0.13),
         (0.24, 0, 0.36, 0.27))  # fmt: skip
# A joint is a disc over the limbs that meet in it: share of the radius, pixels, lightness.
_JOINT = ((0.8, 0, -0.45), (0.8, -1, 0.25))
_JOINT_BIAS_M = 0.05
_LIGHT = np.array([-0.66, -0.75], np.float32)
# How much darker the far side is than the near side, this far from the hip.
_FAR_SHADE, _DEPTH_RANGE_M = 0.42, 0.75
# How bold a joint without any confidence still is, and how bold rows that were filled in are.
_FAINTEST, _FILLED = 0.4, 0.7
# The shadow is drawn this much smaller; it fades with the height above the floor.
_SHADOW_SHRINK, _SHADOW_BLUR, _SHADOW_DARKEST, _SHADOW_FADE_M = 4, 1.6, 190, 0.7
_GRID_STEP_M, _GRID_REACH_M = 0.5, 2.0


class PersonView:
    """Draws one person, row by row, always at the same scale.

    Args:
        track: the person.
        observed: (T,) False where a row was filled in.
        fps: rows per second.
        size: width and height of the panel, px.
        margins: left, top, right, bottom, px, to be kept free for text.
        typical: what a well-seen joint's confidence is.
        world: which way is up, if that is known.
        faithful: show it as the reference does.
    """

    def __init__(
        self,
        track: Track3D,
        observed: Bool,
        fps: float,
        size: tuple[int, int],
        margins: tuple[int, int, int, int],
        typical: float,
        *,
        world: World | None = None,
        faithful: bool = False,
    ) -> None:
        self._scene = as_the_reference(track) if faithful else on_the_floor(track, fps, world)
        self._observed = observed
        self._boldness = np.maximum(palette.strength(track.confidence, typical), _FAINTEST)
        step = max(1, len(track) // 2000)
        self._view = View(self._scene[::step], size, margins)
        self._edges = np.array(track.skeleton.edge_indices, np.intp).reshape(-1, 2)
        colours = palette.edge_colours(track.skeleton) + palette.joint_colours(track.skeleton)
        self._colours = np.array(colours, np.float32)
        names = [j.removeprefix("left_").removeprefix("right_") for j in track.skeleton.joints]
        self._radii_m = np.array([_RADII_M.get(name, _RADIUS_M) for name in names], np.float32)
        self.background = draw_background(size, self._view)

    def draw(self, panel: Image, row: int) -> None:
        """Draw row `row` over a copy of the background, in place, farthest parts first."""
        scene = self._scene[row]
        points = self._view.project(scene)
        seen = np.asarray(np.isfinite(points).all(-1))
        edges = np.flatnonzero(seen[self._edges].all(-1))
        joints = np.flatnonzero(seen)
        bones = self._edges[edges]
        self._draw_shadow(panel, scene, bones)
        depth = points[:, 2]
        boldness = self._boldness[row] * np.float32(1 if self._observed[row] else _FILLED)
        colours = self._colours[np.concatenate([edges, len(self._edges) + joints])]
        away = np.concatenate([depth[bones].mean(-1), depth[joints]])
        bold = np.concatenate([boldness[bones].min(-1), boldness[joints]])
        tones = _tones(colours, away - DISTANCE_M, bold)
        radii = self._view.radius_px(self._radii_m, depth)
        parts = _limbs(points[bones, :2], radii[bones], tones[: len(bones)])
        parts += _discs(points[joints, :2], radii[joints], tones[len(bones) :])
        away[len(bones) :] -= _JOINT_BIAS_M
        for part in np.argsort(-away):
            for outline, colour in parts[part]:
                draw.fill(panel, outline, colour)

    def _draw_shadow(self, panel: Image, scene: Float, bones: Indices) -> None:
        """Darken the floor straight under the limbs, the more the closer they are to it."""
        points = self._view.project(scene * np.array([1, 0, 1], np.float32))
        radii = self._view.radius_px(self._radii_m, points[:, 2]) / _SHADOW_SHRINK
        patch, low = _around(panel, points[bones.ravel(), :2])
        if patch.size == 0:
            return
        small = np.zeros([-(-n // _SHADOW_SHRINK) for n in patch.shape[:2]], np.uint8)
        ends = (points[bones, :2] - low) / _SHADOW_SHRINK
        above = np.maximum(scene[bones, 1].mean(-1), 0)
        inks = _SHADOW_DARKEST * np.exp(-above / _SHADOW_FADE_M)
        thickness = np.maximum(np.rint(radii[bones].sum(-1)), 1).astype(int)
        for k in np.argsort(inks):
            draw.lines(small, ends[k : k + 1], (int(inks[k]),) * 3, int(thickness[k]))
        small = np.asarray(cv2.GaussianBlur(small, (0, 0), _SHADOW_BLUR), np.uint8)
        dark = cv2.resize(small, patch.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        cv2.multiply(patch, cv2.cvtColor(255 - dark, cv2.COLOR_GRAY2BGR), patch, 1 / 255)


def _tones(colours: Float, away_m: Real, bold: Real) -> Float:
    """Colours (N, 3), darker with distance and sinking into the panel where they are unsure."""
    shade = _FAR_SHADE * np.clip(away_m / _DEPTH_RANGE_M * 0.5 + 0.5, 0, 1)[:, None]
    toned = colours + (np.array(palette.INK, np.float32) - colours) * shade
    panel = np.array(palette.PANEL_TOP, np.float32)
    return np.asarray(panel + (toned - panel) * bold[:, None], np.float32)


def _lit(tones: Float, light: float) -> list[palette.Colour]:
    """Tones (N, 3) mixed with white, or with ink where `light` is negative."""
    target = np.array(palette.INK if light < 0 else palette.WHITE, np.float32)
    mixed = tones + (target - tones) * np.float32(abs(light))
    return [(blue, green, red) for blue, green, red in np.rint(mixed).astype(int).tolist()]


def _limbs(ends: Float, radii: Float, tones: Float) -> list[Part]:
    """Limbs between `ends` (E, 2, 2), px, with the radii (E, 2) there."""
    share, extra, shift, _ = np.array(_LIMB, np.float32).T[:, :, None, None]
    lit = (ends + (shift * radii)[..., None] * _LIGHT).reshape(-1, 2, 2)
    widths = (share * radii + extra).reshape(-1, 2)
    outlines = draw.capsules(lit[:, 0], lit[:, 1], widths[:, 0], widths[:, 1])
    return _parts(outlines, [_lit(tones, light) for *_, light in _LIMB])


def _discs(centres: Float, radii: Float, tones: Float) -> list[Part]:
    """Joints at `centres` (J, 2), px."""
    share, extra, _ = np.array(_JOINT, np.float32).T[:, :, None]
    outlines = draw.discs(np.tile(centres, (len(_JOINT), 1)), (share * radii + extra).ravel())
    return _parts(outlines, [_lit(tones, light) for *_, light in _JOINT])


def _parts(outlines: Float, colours: list[list[palette.Colour]]) -> list[Part]:
    """Parts from the outlines (layers * N, V, 2) and the N colours of each layer."""
    layers = draw.fixed(outlines).reshape(len(colours), -1, *outlines.shape[1:])
    return [
        list(zip(part, tones, strict=True))
        for part, tones in zip(layers.swapaxes(0, 1), zip(*colours, strict=True), strict=True)
    ]


def _around(panel: Image, points: Float) -> tuple[Image, Float]:
    """The part of the panel around points (N, 2), with room for a soft edge; its top left."""
    if not len(points):
        return panel[:0], np.zeros(2, np.float32)
    pad = 8 * _SHADOW_SHRINK
    size = np.array(panel.shape[1::-1])
    low = np.clip(points.min(0) - pad, 0, size).astype(int) // _SHADOW_SHRINK * _SHADOW_SHRINK
    high = np.clip(points.max(0) + pad, 0, size).astype(int)
    return panel[low[1] : high[1], low[0] : high[0]], low.astype(np.float32)


def draw_background(size: tuple[int, int], view: View | None) -> Image:
    """An empty panel (H, W, 3); with a view, one with a floor that fades outwards."""
    width, height = size
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    top, bottom = (np.array(c, np.float32) for c in (palette.PANEL_TOP, palette.PANEL_BOTTOM))
    panel = np.broadcast_to(top + (bottom - top) * ramp, (height, width, 3))
    if view is not None:
        glow, grid = _floor_light(size, view)
        panel = panel + (np.array(palette.FLOOR, np.float32) - panel) * glow[..., None]
        panel = panel + (np.array(palette.GRID, np.float32) - panel) * (glow * grid)[..., None]
    image: Image = np.rint(panel).astype(np.uint8)
    draw.round_corners(image, palette.CORNER, palette.CANVAS)
    return image


def _floor_light(size: tuple[int, int], view: View) -> tuple[Float, Float]:
    """How brightly the floor is lit, and where its grid runs: (H, W) each, 0 to 1."""
    angle = np.linspace(0, 2 * np.pi, 97, dtype=np.float32)
    circle = np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], -1)
    glow, grid = np.zeros(size[::-1], np.uint8), np.zeros(size[::-1], np.uint8)
    for brightness in range(4, 256, 4):
        # Straight down outwards, then flattening, so that the edge is nowhere to be seen.
        reach = _GRID_REACH_M * (1 - (brightness / 255) ** 0.9)
        ring = draw.fixed(view.project(circle * np.float32(reach))[:, :2])
        draw.fill(glow, ring, (brightness,) * 3)
    marks = np.arange(-_GRID_REACH_M, _GRID_REACH_M + 1e-6, _GRID_STEP_M, dtype=np.float32)
    ends = np.array([[m, 0, s * _GRID_REACH_M] for m in marks for s in (-1, 1)], np.float32)
    for ground in (ends, ends[:, ::-1]):
        draw.lines(grid, view.project(ground)[:, :2].reshape(-1, 2, 2), palette.WHITE)
    glow = np.asarray(cv2.GaussianBlur(glow, (0, 0), 3), np.uint8)
    return np.float32(1 / 255) * glow, np.float32(1 / 255) * grid
