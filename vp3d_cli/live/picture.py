"""The camera's picture with the people drawn on it, as `vp3d render` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vp3d_cli.live.people import Sighted
from vp3d_cli.render.overlay import Overlay
from vp3d_cli.types import Camera, Image, Result, Skeleton, Track2D, Track3D, VideoInfo


def draw(image: Image, people: Sequence[Sighted], skeleton: Skeleton) -> None:
    """Draw everybody on a picture (H, W, 3) BGR, in place; who is not seen now is dashed."""
    height, width = image.shape[:2]
    video = VideoInfo(Path(), width, height, Fraction(1))
    tracks = tuple(_track(person, skeleton) for person in people)
    nowhere = np.full((1, skeleton.num_joints, 3), np.nan, np.float32)
    unplaced = tuple(
        Track3D(t.track_id, t.frames, nowhere, nowhere[..., 0], skeleton, nowhere[:, 0])
        for t in tracks
    )
    Overlay(Result(video, Camera(1.0, ""), tracks, unplaced), 1.0).draw(image, 0)


def _track(person: Sighted, skeleton: Skeleton) -> Track2D:
    return Track2D(
        person.track_id,
        np.zeros(1, np.int32),
        np.zeros(1),
        person.box[None],
        person.keypoints[None],
        person.scores[None],
        np.array([person.scores.any()]),
        skeleton,
    )
