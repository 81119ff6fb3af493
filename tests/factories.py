"""Builders of the values that tests need: plausible, small, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli import skeletons
from vp3d_cli.types import Camera, Float, Json, Result, Skeleton, Track2D, Track3D, VideoInfo

FPS = Fraction(30000, 1001)
PROVENANCE: Json = {
    "version": "0.1.0",
    "source": {"name": "clip.mp4", "sha256": "ab" * 32},
    "num_frames_read": 240,
    "detector": {"name": "movenet", "weights": [{"sha256": "cd" * 32}]},
    "lifter": {"name": "bundled", "sha256": "ef" * 32},
    "options": {"person": "all", "start_s": 0.5, "end_s": None},
    "warnings": ["the file ends early: 240 of 241 frames read – für immer"],
}


def make_video(**changes: Any) -> VideoInfo:
    """A portrait phone clip."""
    fields: Json = {
        "path": Path("clip.mp4"),
        "width": 720,
        "height": 1280,
        "fps": FPS,
        "num_frames": 241,
        "rotation": 90,
        "duration_s": 8.04,
        "has_audio": True,
    }
    return VideoInfo(**{**fields, **changes})


def make_track2d(
    track_id: int = 1,
    length: int = 8,
    seed: int = 0,
    start: int = 0,
    skeleton: Skeleton | None = None,
    filled: Sequence[int] = (),
) -> Track2D:
    """A person who drifts through the picture; `filled` are positions not observed."""
    rng = np.random.default_rng([seed, track_id])
    skeleton = skeleton or skeletons.get("coco17")
    joints = skeleton.num_joints
    drift = np.linspace(0, 40, length)[:, None, None]
    keypoints = _float(rng.uniform(200, 600, (1, joints, 2)) + drift + _noise(rng, length, joints))
    observed = np.ones(length, bool)
    observed[list(filled)] = False
    frames = np.arange(start, start + length, dtype=np.int32)
    return Track2D(
        track_id=track_id,
        frames=frames,
        times_s=frames / float(FPS),
        boxes=np.concatenate([keypoints.min(1), keypoints.max(1)], 1),
        keypoints=keypoints,
        scores=_float(rng.uniform(0.2, 1, (length, joints)) * observed[:, None]),
        observed=observed,
        skeleton=skeleton,
    )


def make_track3d(track: Track2D, seed: int = 0, skeleton: Skeleton | None = None) -> Track3D:
    """3D joints for `track`: about a metre around the root, which stands 4 m away."""
    rng = np.random.default_rng([seed, track.track_id, 3])
    skeleton = skeleton or skeletons.get("h36m17")
    shape = (len(track), skeleton.num_joints)
    joints = _float(rng.normal(0, 0.4, (*shape, 3)))
    joints[:, skeleton.index(skeleton.root or skeleton.joints[0])] = 0
    return Track3D(
        track_id=track.track_id,
        frames=track.frames,
        joints=joints,
        confidence=_float(rng.uniform(0, 1, shape)),
        skeleton=skeleton,
        root=_float(rng.normal((0, 0, 4), 0.1, (len(track), 3))),
    )


def make_result(
    num_tracks: int = 2,
    length: int = 8,
    seed: int = 0,
    skeleton_2d: Skeleton | None = None,
    skeleton_3d: Skeleton | None = None,
    video: VideoInfo | None = None,
    with_gaps: bool = True,
) -> Result:
    """Several people, each starting two frames after the other.

    With gaps, each has one frame filled in, one joint never seen and an unknown root.
    """
    tracks2d, tracks3d = [], []
    for track_id in range(1, num_tracks + 1):
        filled = [length // 2] if with_gaps else []
        track2d = make_track2d(track_id, length, seed, 2 * track_id, skeleton_2d, filled)
        track3d = make_track3d(track2d, seed, skeleton_3d)
        if with_gaps:
            track2d.keypoints[:, -1] = np.nan
            track3d.joints[0] = np.nan
            track3d.root[:] = np.nan
        tracks2d.append(track2d)
        tracks3d.append(track3d)
    camera = Camera(focal_px=1100.5, how="assumed: 60 degrees")
    return Result(
        video=video or make_video(),
        camera=camera,
        tracks2d=tuple(tracks2d),
        tracks3d=tuple(tracks3d),
        provenance=PROVENANCE,
    )


def _noise(rng: np.random.Generator, length: int, joints: int) -> Float:
    return _float(rng.normal(0, 1, (length, joints, 2)))


def _float(values: Any) -> Float:
    return np.asarray(values, np.float32)
