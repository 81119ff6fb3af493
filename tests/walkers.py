"""People who walk and stand on a level floor before a camera, and what is true of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vp3d_cli import skeletons
from vp3d_cli.refine import reprojection
from vp3d_cli.types import Bool, Camera, Double, Float, Track2D, Track3D, VideoInfo

# A standing figure from the hip, metres, camera axes: Human3.6M-17, then nose, eyes, ears. He
# faces the camera: his left is on the right of the picture.
_FIGURE = """
0 0 0  -.1 .02 0  -.1 .45 0  -.1 .89 0  .1 .02 0  .1 .45 0  .1 .89 0  0 -.23 0  0 -.47 0
0 -.57 -.02  0 -.69 0  .16 -.45 0  .2 -.17 0  .2 .07 -.02  -.16 -.45 0  -.2 -.17 0  -.2 .07 -.02
0 -.6 -.1  .03 -.63 -.08  -.03 -.63 -.08  .07 -.61 0  -.07 -.61 0
"""
FIGURE: Float = np.array(_FIGURE.split(), np.float32).reshape(22, 3)
COCO, H36M = skeletons.get("coco17"), skeletons.get("h36m17")
# Of one foot from a step to its next, seconds; it stands for this share.
_CYCLE_S, _STANDS = 1.2, 0.6
_ANKLE_M, _HIP_M = 0.08, 0.88
_LEGS = ((4, 5, 6), (1, 2, 3))  # left, right: hip, knee, foot


@dataclass(frozen=True)
class Motion:
    """Somebody in the world: z up, floor at 0.

    Attributes:
        points: (T, 22, 3) Human3.6M-17, then nose, eyes, ears; metres.
        standing: (T, 2) the left and the right foot stand.
        fps: frames a second.
    """

    points: Double
    standing: Bool
    fps: float


def walk(
    seconds: float = 4.0,
    fps: float = 30,
    speed: float = 1.0,
    *,
    heading: float = 0.0,
    at: tuple[float, float, float] = (0, 0, 0),
    lean: float = 0.0,
) -> Motion:
    """Walk by `at`, half way through, towards `heading`; with a speed of 0 stand there."""
    times = np.arange(round(seconds * fps)) / fps
    ahead = np.array([np.cos(heading), np.sin(heading), 0])
    left = np.array([-ahead[1], ahead[0], 0])
    up = np.array([0, 0, 1.0])
    along = speed * (times - seconds / 2)
    hip = np.array(at) + along[:, None] * ahead + _HIP_M * up
    tilted, top = np.cos(lean) * ahead - np.sin(lean) * up, np.cos(lean) * up + np.sin(lean) * ahead
    still = FIGURE.astype(np.float64)
    points = hip[:, None] + still @ np.stack([left, -top, -tilted])
    standing = np.ones((len(times), 2), bool)
    for foot, joints in enumerate(_LEGS):
        points[:, joints[0]] = hip + still[joints[0]] @ np.stack([left, -up, -ahead])
        step, lift, standing[:, foot] = _steps(times, foot / 2, speed)
        place = (step - speed * seconds / 2)[:, None] * ahead + np.array(at)
        side = still[joints[0], 0]
        points[:, joints[2]] = place + side * left + (_ANKLE_M + lift)[:, None] * up
        points[:, joints[1]] = _knee(points[:, joints[0]], points[:, joints[2]], ahead)
    return Motion(points, standing, fps)


def _steps(times: Double, offset: float, speed: float) -> tuple[Double, Double, Bool]:
    """How far along and how high a foot is (T,), and whether it stands."""
    if speed == 0:
        return np.zeros_like(times), np.zeros_like(times), np.ones(len(times), bool)
    cycle = times / _CYCLE_S + offset
    number, phase = np.floor(cycle), cycle % 1
    swing = np.clip((phase - _STANDS) / (1 - _STANDS), 0, 1)
    begins = (number - offset + _STANDS / 2) * _CYCLE_S
    eased = swing * swing * (3 - 2 * swing)
    return speed * (begins + _CYCLE_S * eased), 0.1 * np.sin(np.pi * swing), phase < _STANDS


def _knee(hip: Double, foot: Double, ahead: Double) -> Double:
    """Half way, and so far ahead that thigh and shin have their lengths."""
    half = np.linalg.norm(foot - hip, axis=-1, keepdims=True) / 2
    line = (foot - hip) / (2 * half)
    side = ahead - (line @ ahead)[:, None] * line
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    return np.asarray((hip + foot) / 2 + side * np.sqrt(np.maximum(0.44**2 - half**2, 0)))


@dataclass(frozen=True)
class Shot:
    """What a camera sees of somebody, exactly.

    Attributes:
        track: the keypoints.
        person: what is true, relative to the root, and the root; confident.
        video, camera: that saw it.
        camera_to_world: (4, 4) as `World` has it: origin below the camera, y where it looks.
    """

    track: Track2D
    person: Track3D
    video: VideoInfo
    camera: Camera
    camera_to_world: Double


def film(
    motion: Motion,
    *,
    height: float = 1.4,
    distance: float = 5.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    aside: float = 0.0,
    size: tuple[int, int] = (1280, 720),
    focal: float = 900.0,
    track_id: int = 1,
) -> Shot:
    """From `distance` metres before the origin, looking along +y, `pitch` radians down.

    `aside` is where the camera stands to the left of the origin, metres.
    """
    rows = camera_axes(pitch, roll)
    seen = (motion.points - [-aside, -distance, height]) @ rows.T
    points = np.concatenate([seen[:, 17:], seen[:, reprojection.JOINTS]], 1)
    keypoints = points[..., :2] / points[..., 2:] * focal + np.array(size) / 2
    frames = np.arange(len(seen), dtype=np.int32)
    track = Track2D(
        track_id=track_id,
        frames=frames,
        times_s=frames / motion.fps,
        boxes=np.concatenate([keypoints.min(1), keypoints.max(1)], 1).astype(np.float32),
        keypoints=keypoints.astype(np.float32),
        scores=np.full(keypoints.shape[:2], 0.9, np.float32),
        observed=np.ones(len(frames), bool),
        skeleton=COCO,
    )
    joints = (seen[:, :17] - seen[:, :1]).astype(np.float32)
    person = Track3D(
        track_id=track_id,
        frames=frames,
        joints=joints,
        confidence=np.full(joints.shape[:2], 0.9, np.float32),
        skeleton=H36M,
        root=seen[:, 0].astype(np.float32),
        raw=joints,
        spread=np.full(joints.shape[:2], 0.03, np.float32),
    )
    fps = Fraction(motion.fps).limit_denominator(1001)
    video = VideoInfo(Path("walk.mp4"), *size, fps, len(frames))
    to_world = np.eye(4)
    to_world[:3, :3], to_world[2, 3] = rows.T, height
    return Shot(track, person, video, Camera(focal, "given"), to_world)


def camera_axes(pitch: float, roll: float) -> Double:
    """Right, down and ahead (3, 3) of a camera in the world, one a row."""
    ahead = np.array([0, np.cos(pitch), -np.sin(pitch)])
    level, down = np.array([1.0, 0, 0]), np.array([0, -np.sin(pitch), -np.cos(pitch)])
    right = np.cos(roll) * level + np.sin(roll) * down
    return np.stack([right, np.cross(ahead, right), ahead])


def angle_between(one: Double, other: Double) -> float:
    """Degrees."""
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
