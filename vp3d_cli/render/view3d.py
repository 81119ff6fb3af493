"""One person's 3D joints as a shaded, jointed figure, and its shadow on the floor."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.scene import View
from vp3d_cli.render.style import Theme
from vp3d_cli.types import Bool, Float, Image, Int, Real, Track3D

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
# The far side is darkest this far behind the middle of the figure, the near side brightest.
_DEPTH_RANGE_M = 0.75
# How bold a joint without any confidence still is, and how bold rows that were filled in are.
_FAINTEST, _FILLED = 0.4, 0.7
# The shadow is drawn this much smaller, or a metre as so many px if that is smaller still; it fades
# with the height above the floor.
_SHADOW_SHRINK, _SHADOW_METRE_PX, _SHADOW_BLUR, _SHADOW_FADE_M = 4, 50, 1.6, 0.7
# How much of a person's own colour the trunk has where several stand together.
_TINT = 0.55


class Figure:
    """One person, to be drawn row by row.

    Args:
        track: the person.
        scene: (T, J, 3) metres, the joints in scene coordinates.
        observed: (T,) False where a row was filled in.
        typical: what a well-seen joint's confidence is.
        theme: the colours.
        accent: the person's own colour, for the trunk; None: as everybody's.

    Attributes:
        scene: as given.
        skeleton: of the joints.
        track_id: who it is.
        boldness: (T, J) how boldly each joint is drawn, 0 to 1.
    """

    def __init__(
        self,
        track: Track3D,
        scene: Float,
        observed: Bool,
        typical: float,
        theme: Theme,
        accent: palette.Colour | None = None,
    ) -> None:
        self.scene, self.skeleton, self.track_id = scene, track.skeleton, track.track_id
        self.boldness = np.maximum(palette.strength(track.confidence, typical), _FAINTEST)
        self.boldness *= np.where(observed, 1, _FILLED).astype(np.float32)[:, None]
        self._theme = theme
        self._edges = np.array(track.skeleton.edge_indices, np.intp).reshape(-1, 2)
        if accent is not None:
            theme = replace(theme, middle=palette.mix(theme.middle, accent, _TINT))
        colours = palette.edge_colours(track.skeleton, theme)
        colours += palette.joint_colours(track.skeleton, theme)
        self._colours = np.array(colours, np.float32)
        names = [j.removeprefix("left_").removeprefix("right_") for j in track.skeleton.joints]
        self._radii_m = np.array([_RADII_M.get(name, _RADIUS_M) for name in names], np.float32)

    def parts(self, view: View, row: int) -> list[tuple[float, Part]]:
        """Limbs and joints of row `row`, each with its distance from the viewer, metres."""
        points = view.project(self.scene[row])
        seen = np.asarray(np.isfinite(points).all(-1))
        edges = np.flatnonzero(seen[self._edges].all(-1))
        joints = np.flatnonzero(seen)
        if not len(joints):
            return []
        bones = self._edges[edges]
        depth, bold = points[:, 2], self.boldness[row]
        colours = self._colours[np.concatenate([edges, len(self._edges) + joints])]
        away = np.concatenate([depth[bones].mean(-1), depth[joints]])
        boldness = np.concatenate([bold[bones].min(-1), bold[joints]])
        tones = self._tones(colours, away - depth[joints].mean(), boldness)
        radii = view.radius_px(self._radii_m, depth)
        parts = _limbs(points[bones, :2], radii[bones], tones[: len(bones)], self._theme)
        parts += _discs(points[joints, :2], radii[joints], tones[len(bones) :], self._theme)
        away[len(bones) :] -= _JOINT_BIAS_M
        return list(zip(away.tolist(), parts, strict=True))

    def draw_shadow(self, panel: Image, view: View, row: int) -> None:
        """Darken the floor straight under the limbs, the more the closer they are to it."""
        shrink = max(_SHADOW_SHRINK, round(view.length_px(1) / _SHADOW_METRE_PX))
        scene = self.scene[row]
        points = view.project(scene * np.array([1, 0, 1], np.float32))
        seen = np.asarray(np.isfinite(points).all(-1))
        bones = self._edges[seen[self._edges].all(-1)]
        radii = view.radius_px(self._radii_m, points[:, 2]) / shrink
        patch, low = _around(panel, points[bones.ravel(), :2], shrink)
        if patch.size == 0:
            return
        small = np.zeros([-(-n // shrink) for n in patch.shape[:2]], np.uint8)
        ends = (points[bones, :2] - low) / shrink
        above = np.maximum(scene[bones, 1].mean(-1), 0)
        inks = 255 * self._theme.shadow * np.exp(-above / _SHADOW_FADE_M)
        thickness = np.maximum(np.rint(radii[bones].sum(-1)), 1).astype(int)
        for k in np.argsort(inks):
            draw.lines(small, ends[k : k + 1], (int(inks[k]),) * 3, int(thickness[k]))
        small = np.asarray(cv2.GaussianBlur(small, (0, 0), _SHADOW_BLUR), np.uint8)
        dark = cv2.resize(small, patch.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        cv2.multiply(patch, cv2.cvtColor(255 - dark, cv2.COLOR_GRAY2BGR), patch, 1 / 255)

    def _tones(self, colours: Float, away_m: Real, bold: Real) -> Float:
        """Colours (N, 3), darker with distance and sinking into the panel where unsure."""
        shade = self._theme.far_shade
        shade = shade * np.clip(away_m / _DEPTH_RANGE_M * 0.5 + 0.5, 0, 1)[:, None]
        toned = colours + (np.array(self._theme.ink, np.float32) - colours) * shade
        panel = np.array(self._theme.panel_top, np.float32)
        return np.asarray(panel + (toned - panel) * bold[:, None], np.float32)


def _lit(tones: Float, light: float, theme: Theme) -> list[palette.Colour]:
    """Tones (N, 3) mixed with white, or with ink where `light` is negative."""
    target = np.array(theme.ink if light < 0 else palette.WHITE, np.float32)
    mixed = tones + (target - tones) * np.float32(abs(light))
    return [(blue, green, red) for blue, green, red in np.rint(mixed).astype(int).tolist()]


def _limbs(ends: Float, radii: Float, tones: Float, theme: Theme) -> list[Part]:
    """Limbs between `ends` (E, 2, 2), px, with the radii (E, 2) there."""
    share, extra, shift, _ = np.array(_LIMB, np.float32).T[:, :, None, None]
    lit = (ends + (shift * radii)[..., None] * _LIGHT).reshape(-1, 2, 2)
    widths = (share * radii + extra).reshape(-1, 2)
    outlines = draw.capsules(lit[:, 0], lit[:, 1], widths[:, 0], widths[:, 1])
    return _parts(outlines, [_lit(tones, light, theme) for *_, light in _LIMB])


def _discs(centres: Float, radii: Float, tones: Float, theme: Theme) -> list[Part]:
    """Joints at `centres` (J, 2), px."""
    share, extra, _ = np.array(_JOINT, np.float32).T[:, :, None]
    outlines = draw.discs(np.tile(centres, (len(_JOINT), 1)), (share * radii + extra).ravel())
    return _parts(outlines, [_lit(tones, light, theme) for *_, light in _JOINT])


def _parts(outlines: Float, colours: list[list[palette.Colour]]) -> list[Part]:
    """Parts from the outlines (layers * N, V, 2) and the N colours of each layer."""
    layers = draw.fixed(outlines).reshape(len(colours), -1, *outlines.shape[1:])
    return [
        list(zip(part, tones, strict=True))
        for part, tones in zip(layers.swapaxes(0, 1), zip(*colours, strict=True), strict=True)
    ]


def _around(panel: Image, points: Float, shrink: int) -> tuple[Image, Float]:
    """The part of the panel around points (N, 2), with room for a soft edge; its top left."""
    if not len(points):
        return panel[:0], np.zeros(2, np.float32)
    pad = 8 * shrink
    size = np.array(panel.shape[1::-1])
    low = np.clip(points.min(0) - pad, 0, size).astype(int) // shrink * shrink
    high = np.clip(points.max(0) + pad, 0, size).astype(int)
    return panel[low[1] : high[1], low[0] : high[0]], low.astype(np.float32)
