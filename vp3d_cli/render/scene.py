"""Where a person stands in the 3D view, and where that lies on the panel.

Scene coordinates: metres, x right, y up from the floor, z away from the camera, the hip over
the origin. Joints come in camera axes, so a figure is upright where the world is known, or the
camera level. Faithful results are turned as the reference turns them instead. In a room the
origin lies between all people.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from vp3d_cli.types import Double, Float, Result, Track3D, World

# Nothing is drawn that is closer to the viewer.
_NEAREST_M = 0.3
# From so many places around it everything is kept inside where the viewer walks.
_ORBIT_STOPS = 12
# The figure's reach is what holds for all but this share of the rows, in percent, so that one
# bad row does not shrink the whole clip; it is never taken for less than this.
_OUTLIERS = 0.5
_LEAST_HEIGHT_M, _LEAST_SIDE_M = 1.3, 0.55
# The floor is where the lowest joint is most of the time around each moment: a single bad row
# does not lift it, yet it follows when someone sits down and the hip comes to the floor.
_FLOOR_WINDOW_S, _FLOOR_PERCENTILE = 0.8, 10.0
_SOLE_M = 0.03
# Between people whose places are unknown.
_APART_M = 1.2
# How the reference turns every camera into the world: the quaternion (w, x, y, z) of one of
# Human3.6M's, pitched 10.7 degrees down; and from where it looks at that world.
_REFERENCE_TURN = (0.1407056450843811, -0.1500701755285263, -0.755240797996521, 0.6223280429840088)
_REFERENCE_AZIMUTH = np.deg2rad(70.0)


@dataclass(frozen=True)
class Eye:
    """Where the viewer stands: a little to the side of the camera and a little above it.

    Attributes:
        turn, pitch: radians around the scene's origin, and down.
        distance_m: from the point looked at, which lies `aim_m` over the origin.
        orbits: the viewer walks around, so that everything is to be kept inside all the way.
    """

    turn: float = float(np.deg2rad(28.0))
    pitch: float = float(np.deg2rad(11.0))
    distance_m: float = 5.0
    aim_m: float = 0.85
    orbits: bool = False


class View:
    """A pinhole view of the scene: where a point of it lies on the panel.

    Args:
        points: (N, 3) metres, the scene points to be kept inside; NaN is passed over.
        size: width and height of the panel, px.
        margins: left, top, right, bottom, px, to be kept free.
        eye: where the viewer stands.
    """

    def __init__(
        self,
        points: Float,
        size: tuple[int, int],
        margins: tuple[int, int, int, int],
        eye: Eye | None = None,
    ) -> None:
        self.eye = eye or Eye()
        self._turn = self.eye.turn
        self._focal, self._centre = 1.0, np.zeros(2, np.float32)
        turns = np.linspace(0, 2 * np.pi, _ORBIT_STOPS, endpoint=False) if self.eye.orbits else [0]
        seen = [self.turned(float(turn)).project(points)[..., :2].reshape(-1, 2) for turn in turns]
        flat = np.concatenate(seen)
        flat = flat[np.isfinite(flat).all(-1)]
        side, top, bottom = _reach(flat, self)
        width = max(size[0] - margins[0] - margins[2], 1)
        height = max(size[1] - margins[1] - margins[3], 1)
        self._focal = float(min(width / (2 * side), height / (bottom - top)))
        spare = height - self._focal * (bottom - top)
        x = margins[0] + width / 2
        y = margins[1] + spare * 0.55 - self._focal * top
        self._centre = np.array([x, y], np.float32)

    def turned(self, angle: float) -> View:
        """The same from elsewhere: `angle` radians further around the origin."""
        if angle == 0:
            return self
        other = copy.copy(self)
        other._turn = self.eye.turn + angle
        return other

    def project(self, points: Float) -> Float:
        """Scene points (..., 3), metres, to x px, y px and distance from the viewer in metres."""
        eye = self.eye
        x, y, z = points[..., 0], points[..., 1] - eye.aim_m, points[..., 2]
        across = x * np.cos(self._turn) + z * np.sin(self._turn)
        away = z * np.cos(self._turn) - x * np.sin(self._turn)
        up = y * np.cos(eye.pitch) + away * np.sin(eye.pitch)
        depth = eye.distance_m + away * np.cos(eye.pitch) - y * np.sin(eye.pitch)
        seen = np.stack([across / depth, -up / depth, depth], -1).astype(np.float32)
        seen[..., :2] = seen[..., :2] * self._focal + self._centre
        seen[depth < _NEAREST_M] = np.nan  # behind the viewer, or too near
        return np.asarray(seen, np.float32)

    def radius_px(self, radius_m: Float, depth: Float) -> Float:
        """What `radius_m` metres at `depth` metres from the viewer measure on the panel."""
        return np.asarray(radius_m * self._focal / depth, np.float32)

    def length_px(self, metres: float) -> float:
        """What a length across the view, at the point looked at, measures on the panel."""
        return metres * self._focal / self.eye.distance_m


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


def in_a_room(result: Result) -> tuple[list[Float], str]:
    """Everybody's joints (T, J, 3) in one scene, metres, and how it is known where they stand.

    In the world where that is known, else where the camera sees them, else side by side. Those
    who have no place of their own stand at the side of the others.
    """
    fps, world = float(result.video.fps), result.world
    placed: list[int] = []
    lone: list[int] = []
    scenes: list[Float] = []
    for k, track in enumerate(result.tracks3d):
        there = bool(np.isfinite(track.root).all(-1).any()) and not is_faithful(result)
        scenes.append(_placed(track, world) if there else _alone(result, track, fps))
        (placed if there else lone).append(k)
    if placed and not world.is_known:
        feet = np.concatenate([scenes[k][..., 1].min(1) for k in placed])
        feet = feet[np.isfinite(feet)]
        level = float(np.percentile(feet, _FLOOR_PERCENTILE)) if len(feet) else 0.0
        for k in placed:
            scenes[k][..., 1] -= level - _SOLE_M
    if placed:
        centre = _middle(np.concatenate([scenes[k].reshape(-1, 3) for k in placed]))
        for k in placed:
            scenes[k][..., [0, 2]] -= centre
    right = [np.nanmax(scenes[k][..., 0]) for k in placed if np.isfinite(scenes[k]).any()]
    begin = max(right) + _APART_M if right else -_APART_M * (len(lone) - 1) / 2
    for place, k in enumerate(sorted(lone, key=lambda k: _across(result, k))):
        scenes[k][..., 0] += np.float32(begin + place * _APART_M)
    if not placed:
        return scenes, "places unknown: side by side"
    how = "" if world.is_known else "floor estimated"
    return scenes, how


def _placed(track: Track3D, world: World) -> Float:
    if world.is_known:
        return np.ascontiguousarray(world.of(track)[..., [0, 2, 1]])
    return np.asarray((track.joints + track.root[:, None]) * np.array([1, -1, 1]), np.float32)


def _alone(result: Result, track: Track3D, fps: float) -> Float:
    if is_faithful(result):
        return as_the_reference(track)
    return on_the_floor(track, fps, result.world)


def _middle(points: Float) -> Float:
    """The middle (2,) of where points (N, 3) are over the floor, but for a few."""
    ground = points[np.isfinite(points).all(-1)][:, [0, 2]]
    if not len(ground):
        return np.zeros(2, np.float32)
    return np.asarray(np.percentile(ground, [1, 99], axis=0).mean(0), np.float32)


def _across(result: Result, person: int) -> float:
    """Where somebody is in the picture from left to right, px."""
    boxes = result.tracks2d[person].boxes
    middle = boxes[np.isfinite(boxes).all(-1)][:, [0, 2]]
    return float(middle.mean()) if len(middle) else 0.0


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
