"""Scenes with a known answer: held-out motion capture before virtual cameras on a level floor.

People have bodies of random proportions, a detector's faults (`train.noise`) and a camera that
stands still, pitched and a little rolled. Motion is as it was recorded, so that feet stay where
they stood; clips that do not travel truly (`in_place`) are left out by their length.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vp3d_cli.skeletons import get
from vp3d_cli.train import synthesize as draw
from vp3d_cli.train.mocap import Mocap
from vp3d_cli.train.noise import Noise, spoil
from vp3d_cli.types import Camera, Double, Float, Track2D, VideoInfo

WIDTH, HEIGHT = 1280, 720
# Of mocap frames: shorter clips are loops and stills.
_LEAST_FRAMES = 90


@dataclass(frozen=True)
class Scene:
    """One person before one camera.

    Attributes:
        name: of the clip.
        track: what a detector saw.
        video, camera: with the true focal length.
        joints: (T, 17, 3) in camera axes, metres, not relative to the root.
        camera_to_world: (4, 4), floor at 0.
    """

    name: str
    track: Track2D
    video: VideoInfo
    camera: Camera
    joints: Float
    camera_to_world: Double


def make_scenes(
    mocap: Mocap,
    count: int,
    *,
    fps: int = 30,
    seconds: float = 8.0,
    seed: int = 0,
    noise: Noise | None = None,
) -> list[Scene]:
    """Draw scenes; the same seed draws the same. `noise` is that of training where None."""
    rng = np.random.default_rng(seed)
    options = draw.Synthesis(fps=(fps, fps + 1e-6), noise=noise or Noise()).as_recorded()
    long = [i for i in range(mocap.num_clips) if np.diff(mocap.clip_start)[i] >= _LEAST_FRAMES]
    mocap = mocap.select(long)
    lengths = np.diff(mocap.clip_start) / mocap.fps
    scenes: list[Scene] = []
    while len(scenes) < count:
        which = int(rng.choice(len(lengths), p=lengths**0.7 / (lengths**0.7).sum()))
        length = int(min(seconds, lengths[which]) * fps)
        body = draw.sample_motion(mocap.select([which]), np.array([fps]), length, options, rng)
        body = draw.change_bones(body, rng)
        body = body - np.array([0, 0, _floor(body[0])], np.float32)
        scene = _before_a_camera(mocap.names[which], body, fps, options, rng)
        if scene is not None:
            scenes.append(scene)
    return scenes


def _floor(body: Float) -> float:
    """Height of the soles where most feet stand: ankles are 8 cm above them."""
    return float(np.percentile(body[:, [3, 6], 2].min(-1), 10)) - 0.08


def _before_a_camera(
    name: str, body: Float, fps: int, options: draw.Synthesis, rng: np.random.Generator
) -> Scene | None:
    """None where the person leaves the picture or comes too near."""
    focal = WIDTH * rng.uniform(0.65, 1.3)
    path = body[0, :, 0]
    middle = (path.min(0) + path.max(0)) / 2
    azimuth, distance = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(np.log(2.5), np.log(9)))
    centre = middle + distance * np.array([np.cos(azimuth), np.sin(azimuth), 0])
    centre[2] = np.clip(rng.normal(1.3, 0.5), 0.2, 3)
    ahead = middle - centre
    yaw = np.arctan2(ahead[1], ahead[0]) + rng.normal(0, 0.1)
    pitch = np.arctan2(ahead[2], np.hypot(ahead[0], ahead[1])) + rng.normal(0, 0.06)
    roll = rng.normal(0, 0.04)
    forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0])
    right = np.cos(roll) * right + np.sin(roll) * np.cross(forward, right)
    rows = np.stack([right, np.cross(forward, right), forward])
    seen = ((body - centre) @ rows.T).astype(np.float32)
    points = draw.mark_coco(seen, rng)
    if points[..., 2].min() < 0.8:
        return None
    rays = points[..., :2] / points[..., 2:]
    reach = np.quantile(np.abs(rays), 0.98, axis=(0, 1, 2)) * focal
    if reach[0] > WIDTH / 2 or reach[1] > HEIGHT / 2:
        return None
    rates = np.array([float(fps)])
    spoilt, scores = spoil(rays, draw.face_turned(seen), rates, options.noise, rng)
    pixels = (spoilt[0] * focal + [WIDTH / 2, HEIGHT / 2]).astype(np.float32)
    frames = np.arange(len(pixels), dtype=np.int32)
    to_world = np.eye(4)
    to_world[:3, :3], to_world[:3, 3] = rows.T, centre
    return Scene(
        name,
        Track2D(
            1,
            frames,
            frames / fps,
            np.concatenate([pixels.min(1), pixels.max(1)], -1),
            pixels,
            scores[0].astype(np.float32),
            np.ones(len(frames), bool),
            get("coco17"),
        ),
        VideoInfo(Path(f"{name}.mp4"), WIDTH, HEIGHT, Fraction(fps), len(frames)),
        Camera(float(focal), "known"),
        seen[0, :, :17],
        to_world,
    )
