"""What the starting lifter sees in videos, as motion capture: people of the user's own footage.

The poses need not be right: seen by virtual cameras they make pairs that are, of poses like those
in the videos.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vp3d_cli import geometry
from vp3d_cli.lift import normalise
from vp3d_cli.refine import reprojection
from vp3d_cli.skeletons import get
from vp3d_cli.train.mocap import Mocap
from vp3d_cli.types import Double, Float, Real, Result, Track2D, Track3D

_COCO, _H36M = get("coco17"), get("h36m17")
_NECK, _HEAD = _H36M.index("neck"), _H36M.index("head")
_LEFT, _RIGHT = _H36M.index("left_shoulder"), _H36M.index("right_shoulder")
_FEET = [_H36M.index("left_foot"), _H36M.index("right_foot")]
# Nose, eyes, ears (left first) from the neck joint, metres: left, front, up of an upright head.
_FACE = np.array(
    [[0, 0.055, 0.02], [0.032, 0.057, 0.054], [-0.032, 0.057, 0.054],
     [0.074, -0.025, 0.062], [-0.074, -0.025, 0.062]]
)  # fmt: skip
# How far a head is turned beside the shoulders, radians: what is tried.
_TURNS = np.linspace(-1.4, 1.4, 29)
_SMOOTH_S = 0.25
# Everybody's frame rate: what is slower or faster is resampled.
FPS = 30.0
# The world's axes (right, away, up) in those of a level camera.
_TO_WORLD = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)


def as_mocap(videos: Sequence[Result]) -> Mocap:
    """One clip a person, in a world that takes the camera as level.

    The feet stand on the floor, where the camera's height is not known. Tracks that cannot be
    placed are left out.
    """
    clips, names = [], []
    for video in videos:
        for track, lifted in zip(video.tracks2d, video.tracks3d, strict=True):
            joints = _placed(video, track, lifted)
            if joints is not None:
                clips.append(_standing(_resampled(joints, track.times_s)))
                names.append(f"{video.video.path.stem} {track.track_id}")
    starts = np.cumsum([0, *(len(clip) for clip in clips)]).astype(np.int32)
    return Mocap(np.concatenate(clips), starts, FPS, tuple(names))


def _placed(video: Result, track: Track2D, lifted: Track3D) -> Double | None:
    """Joints and face (T, 22, 3), camera axes, metres from the camera; None if nowhere."""
    root = reprojection.fit(track, lifted, video.video, video.camera).root
    known = np.isfinite(root).all(-1)
    if not known.any():
        return None
    at = np.arange(len(root))
    steady = np.stack([np.interp(at, at[known], axis[known]) for axis in root.T], -1)
    half = np.asarray(round(float(video.video.fps) * _SMOOTH_S))
    steady = normalise.moving_average(steady, half, causal=False)
    joints = lifted.joints.astype(np.float64) + steady[:, None]
    face = slice(0, reprojection.FIRST_KEYPOINT)
    directions = geometry.rays(
        track.keypoints[:, face], video.video.width, video.video.height, video.camera.focal_px
    )
    scores = np.where(np.isfinite(directions).all(-1), np.nan_to_num(track.scores[:, face]), 0)
    turned = _head(joints, np.nan_to_num(directions), scores, half)
    return np.concatenate([joints, turned], 1)


def _head(joints: Double, directions: Real, scores: Real, half_window: np.ndarray) -> Double:
    """Nose, eyes and ears (T, 5, 3): the head turned to where they are seen."""
    up = _unit(joints[:, _HEAD] - joints[:, _NECK])
    left = joints[:, _LEFT] - joints[:, _RIGHT]
    left = _unit(left - (left * up).sum(-1, keepdims=True) * up)
    axes = np.stack([left, np.cross(left, up), up], 1)  # (T, 3, 3): left, front, up
    cos, sin, zero = np.cos(_TURNS), np.sin(_TURNS), np.zeros_like(_TURNS)
    turns = np.stack([cos, sin, zero, -sin, cos, zero, zero, zero, zero + 1], -1).reshape(-1, 3, 3)
    shapes = np.einsum("kp,npq->nkq", _FACE, turns)  # (turns, 5, 3)
    points = np.einsum("nkp,tpq->tnkq", shapes, axes) + joints[:, None, _NECK, None]
    seen = points[..., :2] / np.maximum(points[..., 2:], 0.1)
    off = np.linalg.norm(seen - directions[:, None], axis=-1) * scores[:, None]
    turn = _TURNS[off.sum(-1).argmin(1)][:, None]
    steady = normalise.moving_average(turn, half_window, causal=False)[:, 0]
    nearest = np.abs(_TURNS - steady[:, None]).argmin(1)
    return np.asarray(points[np.arange(len(points)), nearest])


def _unit(vectors: Double) -> Double:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6))


def _resampled(joints: Double, times_s: Double) -> Double:
    count = max(2, round((times_s[-1] - times_s[0]) * FPS) + 1)
    at = np.linspace(times_s[0], times_s[-1], count)
    flat = joints.reshape(len(joints), -1)
    columns = [np.interp(at, times_s, column) for column in flat.T]
    return np.stack(columns, -1).reshape(count, *joints.shape[1:])


def _standing(joints: Double) -> Float:
    world = joints @ _TO_WORLD.T
    world[..., 2] -= np.quantile(world[:, _FEET, 2], 0.05)
    return np.asarray(world, np.float32)
