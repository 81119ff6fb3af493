"""People who face the camera, and what is seen of them in a picture."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli import skeletons
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.compose import Picture
from vp3d_cli.render.style import Style
from vp3d_cli.types import Bool, Camera, Float, Image, Result, Track2D, Track3D, VideoInfo

WIDTH, HEIGHT, FPS = 320, 240, 30
COCO, H36M = skeletons.get("coco17"), skeletons.get("h36m17")

# A person who faces the camera, arms hanging: x right, y down, metres; the left is at +x.
STANDING = {
    "hip": (0, 0), "spine": (0, -0.25), "thorax": (0, -0.5), "neck": (0, -0.6),
    "head": (0, -0.75), "left_shoulder": (0.18, -0.5), "left_elbow": (0.3, -0.25),
    "left_wrist": (0.35, 0.0), "left_hip": (0.12, 0), "left_knee": (0.13, 0.45),
    "left_foot": (0.13, 0.9), "nose": (0, -0.62), "left_eye": (0.03, -0.65),
    "left_ear": (0.07, -0.64), "left_ankle": (0.13, 0.9),
}  # fmt: skip


def stand(names: tuple[str, ...]) -> Float:
    """The standing person's joints (J, 2), metres."""
    points = []
    for name in names:
        x, y = STANDING[name.replace("right_", "left_")]
        points.append((-x if name.startswith("right_") else x, y))
    return np.array(points, np.float32)


def make_tracks(
    track_id: int = 1, start: int = 0, length: int = 6, at: tuple[float, float] = (160, 110)
) -> tuple[Track2D, Track3D]:
    frames = np.arange(start, start + length, dtype=np.int32)
    flat = np.tile(stand(COCO.joints), (length, 1, 1)) * 100 + np.array(at, np.float32)
    boxes = np.concatenate([flat.min(1) - 5, flat.max(1) + 5], -1)
    scores = np.full((length, 17), 0.9, np.float32)
    observed = np.ones(length, bool)
    keypoints = flat.astype(np.float32)
    track2d = Track2D(track_id, frames, frames / FPS, boxes, keypoints, scores, observed, COCO)
    joints = np.zeros((length, 17, 3), np.float32)
    joints[..., :2] = stand(H36M.joints)
    unknown = np.full((length, 3), np.nan, np.float32)
    return track2d, Track3D(track_id, frames, joints, scores.copy(), H36M, unknown)


def make_result(*pairs: tuple[Track2D, Track3D], num_frames: int = 6, **options: Any) -> Result:
    return Result(
        VideoInfo(Path("clip.mp4"), WIDTH, HEIGHT, Fraction(FPS), num_frames),
        Camera(400, "assumed"),
        tuple(pair[0] for pair in pairs),
        tuple(pair[1] for pair in pairs),
        {"options": options},
    )


def near(image: Image, colour: palette.Colour, within: int = 60) -> Bool:
    """Which pixels have about this colour."""
    return np.asarray(np.abs(image.astype(int) - np.array(colour)).max(-1) < within)


def placed(track_id: int, x: float, z: float, **changes: Any) -> tuple[Track2D, Track3D]:
    """Somebody whose hip stands at x and z metres from the camera, 0.9 over the floor."""
    track2d, track3d = make_tracks(track_id, **changes)
    root = np.tile(np.array([x, 0.5, z], np.float32), (len(track3d), 1))
    return track2d, replace(track3d, root=root)


def picture(result: Result, frame: int = 2, orbited_s: float = 0.0, **style: Any) -> Image:
    return Picture(result, Style(**style)).draw(frame, frame / 30, None, orbited_s).copy()
