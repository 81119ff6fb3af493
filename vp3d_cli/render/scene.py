"""Where a person stands in the 3D view, and where that lies on the panel.

Scene coordinates: metres, x right, y up from the floor, z away from the camera, the hip over
the origin. Joints come in camera axes, so a figure is upright where the world is known, or the
camera level. Faithful
results are turned as the reference turns them instead.
"""

from __future__ import annotations

import numpy as np

from vp3d_cli.types import Double, Float, Result, Track3D, World

# The viewer stands a little to the side of the camera and a little above it.
_TURN, _PITCH = np.deg2rad(28.0), np.deg2rad(11.0)
DISTANCE_M, _AIM_M = 5.0, 0.85
# The figure's reach is what holds for all but this share of the rows, in percent, so that one
# bad row does not shrink the whole clip; it is never taken for less than this.
_OUTLIERS = 0.5
_LEAST_HEIGHT_M, _LEAST_SIDE_M = 1.3, 0.55
# The floor is where the lowest joint is most of the time around each moment: a single bad row
# does not lift it, yet it follows when someone sits down and the hip comes to the floor.
_FLOOR_WINDOW_S, _FLOOR_PERCENTILE = 0.8, 10.0
_SOLE_M = 0.03
# How the reference turns every camera into the world: the quaternion (w, x, y, z) of one of
# Human3.6M's, pitched 10.7 degrees down; and from where it looks at that world.
_REFERENCE_TURN = (0.1407056450843811, -0.1500701755285263, -0.755240797996521, 0.6223280429840088)
_REFERENCE_AZIMUTH = np.deg2rad(70.0)


class View:
    """A fixed pinhole view of the scene: where a point of it lies on the panel.

    Args:
        points: (N, 3) metres, the scene points to be kept inside; NaN is passed over.
        size: width and height of the panel, px.
        margins: left, top, right, bottom, px, to be kept free.
    """

    def __init__(
        self, points: Float, size: tuple[int, int], margins: tuple[int, int, int, int]
    ) -> None:
        self._focal, self._centre = 1.0, np.zeros(2, np.float32)
        flat = self.project(points)[..., :2].reshape(-1, 2)
        flat = flat[np.isfinite(flat).all(-1)]
        side, top, bottom = _reach(flat, self)
        width = size[0] - margins[0] - margins[2]
        height = size[1] - margins[1] - margins[3]
        self._focal = float(min(width / (2 * side), height / (bottom - top)))
        spare = height - self._focal * (bottom - top)
        x = margins[0] + width / 2
        y = margins[1] + spare * 0.55 - self._focal * top
        self._centre = np.array([x, y], np.float32)

    def project(self, points: Float) -> Float:
        """Scene points (..., 3), metres, to x px, y px and distance from the viewer in metres."""
        x, y, z = points[..., 0], points[..., 1] - _AIM_M, points[..., 2]
        across = x * np.cos(_TURN) + z * np.sin(_TURN)
        away = z * np.cos(_TURN) - x * np.sin(_TURN)
        up = y * np.cos(_PITCH) + away * np.sin(_PITCH)
        depth = DISTANCE_M + away * np.cos(_PITCH) - y * np.sin(_PITCH)
        seen = np.stack([across / depth, -up / depth, depth], -1).astype(np.float32)
        seen[..., :2] = seen[..., :2] * self._focal + self._centre
        return np.asarray(seen, np.float32)

    def radius_px(self, radius_m: Float, depth: Float) -> Float:
        """What `radius_m` metres at `depth` metres from the viewer measure on the panel."""
        return np.asarray(radius_m * self._focal / depth, np.float32)


def _reach(flat: Float, view: View) -> tuple[float, float, float]:
    """Half width, top and bottom of the window for points (N, 2) at focal length 1."""
    box = np.array(
        [[s * _LEAST_SIDE_M, y, 0] for s in (-1, 1) for y in (0.0, _LEAST_HEIGHT_M)], np.float32
    )
    least = view.project(box)[:, :2]
    front = view.project(np.array([[0, 0, -0.35], [0.35, 0, 0]], np.float32))
    bottom = float(front[:, 1].max())
    side, top = float(np.abs(least[:, 0]).max()), float(least[:, 1].min())
    if len(flat):
        side = max(side, float(np.percentile(np.abs(flat[:, 0]), 100 - _OUTLIERS)) * 1.04)
        top = min(top, float(np.percentile(flat[:, 1], _OUTLIERS)) * 1.04)
        bottom = max(bottom, float(np.percentile(flat[:, 1], 100 - _OUTLIERS)) * 1.04)
    return side, top, bottom


def on_the_floor(track: Track3D, fps: float, world: World | None = None) -> Float:
    """A track's joints in scene coordinates (T, J, 3), metres; upright where up is known."""
    joints = track.joints.copy()
    if world is not None and world.is_known:
        right, ahead, up = world.camera_to_world[:3, :3]
        joints = (joints @ np.stack([right, -up, ahead]).T).astype(np.float32)
    root = track.skeleton.root
    if root is not None:
        joints -= joints[:, track.skeleton.index(root), None]
    joints[..., 1] *= -1
    joints[..., 1] -= (_floor(joints[..., 1], fps) - _SOLE_M)[:, None]
    return joints


def is_faithful(result: Result) -> bool:
    """Whether a result is the reference's, number for number, and is to be shown as there."""
    options = result.provenance.get("options")
    return isinstance(options, dict) and options.get("faithful") is True


def as_the_reference(track: Track3D) -> Float:
    """A track's joints in scene coordinates (T, J, 3), metres, as the reference shows them.

    Its fixed rotation, and a floor at the lowest joint of the whole clip. The root stays over
    the origin, since the reference's window moves along with it.
    """
    joints = track.joints + np.nan_to_num(track.root)[:, None]
    world = joints @ reference_rotation().T
    sine, cosine = np.sin(_REFERENCE_AZIMUTH), np.cos(_REFERENCE_AZIMUTH)
    to_scene = np.array([[-sine, cosine, 0], [0, 0, 1], [-cosine, -sine, 0]])
    scene = world @ to_scene.T
    root = track.skeleton.index(track.skeleton.root or track.skeleton.joints[0])
    scene[..., [0, 2]] -= scene[:, root, None][..., [0, 2]]
    if np.isfinite(scene[..., 1]).any():
        scene[..., 1] -= np.nanmin(scene[..., 1])
    return np.asarray(scene, np.float32)


def reference_rotation() -> Double:
    """The reference's rotation (3, 3) from camera axes to a world with z up."""
    w, axis = _REFERENCE_TURN[0], np.array(_REFERENCE_TURN[1:])
    eye = np.eye(3)
    once = np.cross(axis, eye)  # rows are axis x each unit vector
    return np.asarray(eye + 2 * (w * once + np.cross(axis, once))).T


def _floor(heights: Float, fps: float) -> Float:
    """Height of the floor (T,) under joints at `heights` (T, J), metres, gliding over time."""
    lowest = np.where(np.isfinite(heights), heights, np.inf).min(1)
    lowest = np.where(np.isfinite(lowest), lowest, np.nan)
    if np.isnan(lowest).all():
        return np.zeros(len(lowest), np.float32)
    lowest = np.where(np.isnan(lowest), np.nanmedian(lowest), lowest)
    reach = max(1, round(_FLOOR_WINDOW_S * fps / 2))
    moments = np.arange(0, len(lowest) + reach, reach)
    level = [
        np.percentile(lowest[max(0, m - reach) : m + reach + 1], _FLOOR_PERCENTILE)
        for m in np.minimum(moments, len(lowest) - 1)
    ]
    padded = np.pad(level, 1, mode="edge")
    smooth = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return np.asarray(np.interp(np.arange(len(lowest)), moments, smooth), np.float32)
