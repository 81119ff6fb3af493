"""Made-up people in made-up videos, with the 3D that they were made from."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from tests.walkers import FIGURE
from vp3d_cli import skeletons
from vp3d_cli.lift.checkpoint import Checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.refine import reprojection
from vp3d_cli.types import Camera, Float, Result, Track2D, Track3D, VideoInfo

FOCAL = 900.0
SIZE = (1280, 720)
FPS = Fraction(25)


def make_footage(
    name: str = "a.mp4", length: int = 60, seed: int = 0, people: int = 1, score: float = 0.9
) -> Result:
    """A video of people who sway and drift 4 m from the camera, and what they truly do."""
    tracks2d, tracks3d = [], []
    for person in range(1, people + 1):
        rng = np.random.default_rng([seed, person])
        phase = np.arange(length)[:, None, None] / 6 + rng.uniform(0, 6, (1, 22, 3))
        body = FIGURE + 0.05 * np.sin(phase)
        body -= body[:, :1]
        root = np.array([person - 1.5, 0.1, 4]) + np.linspace(0, 0.3, length)[:, None]
        tracks2d.append(_seen(person, body, root, score))
        tracks3d.append(_told(tracks2d[-1], body, root))
    video = VideoInfo(Path(name), *SIZE, FPS, length)
    source = {"source": {"name": name, "sha256": f"{seed:064d}"}}
    camera = Camera(FOCAL, "given")
    return Result(video, camera, tuple(tracks2d), tuple(tracks3d), source)


def _seen(person: int, body: Float, root: Float, score: float) -> Track2D:
    placed = body + root[:, None]
    points = np.concatenate([placed[:, 17:], placed[:, reprojection.JOINTS]], 1)
    centre = np.array(SIZE) / 2
    keypoints = (points[..., :2] / points[..., 2:] * FOCAL + centre).astype(np.float32)
    frames = np.arange(len(body), dtype=np.int32)
    return Track2D(
        track_id=person,
        frames=frames,
        times_s=frames / float(FPS),
        boxes=np.concatenate([keypoints.min(1), keypoints.max(1)], 1),
        keypoints=keypoints,
        scores=np.full(keypoints.shape[:2], score, np.float32),
        observed=np.ones(len(body), bool),
        skeleton=skeletons.get("coco17"),
    )


def _told(track: Track2D, body: Float, root: Float) -> Track3D:
    return Track3D(
        track_id=track.track_id,
        frames=track.frames,
        joints=body[:, :17].astype(np.float32),
        confidence=np.ones((len(track), 17), np.float32),
        skeleton=skeletons.get("h36m17"),
        root=root.astype(np.float32),
    )


def make_lifter(
    normalisation: str = "person", *, head: bool = True, skeleton_in: str = "coco17"
) -> Lifter:
    """A small untrained lifter, the same every time."""
    torch.manual_seed(0)
    features = 3 if normalisation == "person" else 2
    config = LifterConfig((3, 3), 8, features, skeleton_in, normalisation=normalisation)
    pose, trajectory = TemporalModel(config, 17, 17), TemporalModel(config, 17, 1)
    # In front of the camera, as every lifter puts people.
    trajectory.shrink.weight.data.mul_(0.01)
    trajectory.shrink.bias.data = torch.tensor([0.0, 0.0, 0.5])
    state = trajectory.state_dict() if head else None
    return Lifter(Checkpoint(config, pose.state_dict(), state), "tiny", "ab" * 32)


def lifted(video: Result, lifter: Lifter) -> Result:
    """The same people, as the lifter sees them."""
    return dataclasses.replace(
        video, tracks3d=lifter.lift(video.tracks2d, video.video, video.camera)
    )
