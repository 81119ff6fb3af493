"""The people of a result as moving rigs, in the axes of animation programs: metres, Y up.

In the world's frame, where it is known, X and the floor stay what they are and what is far from
the camera has negative Z. In the camera's frame up is up in the picture, which is upright only
where the camera is level; the origin is the camera. A person whose place is not known at all
stands on the spot, a metre beside the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vp3d_cli.export import _rig as rig
from vp3d_cli.export._frame import rising
from vp3d_cli.types import Bool, Double, Result, Track3D

# World: x, z up, y away from the camera; camera: y down, z away from the camera.
_FROM_WORLD = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
_FROM_CAMERA = np.diag([1.0, -1, -1])
_ANKLE_M, _APART_M = 0.08, 1.0
_HIP = rig.SKELETON.index("hip")


@dataclass(frozen=True)
class Person:
    """One person.

    Attributes:
        track_id: from 1.
        times_s: (T,) presentation times of all rows.
        known: (T,) False where the joints are missing.
        motion: at the times of the known rows; has one at least.
        joints: (K, 17, 3) of the known rows, metres, with bones of one length.
        is_placed: it is known where the person is.
    """

    track_id: int
    times_s: Double
    known: Bool
    motion: rig.Motion
    joints: Double
    is_placed: bool


def frame_of(result: Result) -> str:
    """Which frame of reference an export of joints in space is in: "world" or "camera"."""
    return "world" if result.world.is_known else "camera"


def of(result: Result) -> list[Person]:
    """Everybody whose joints are known at any time, by track id.

    Raises:
        SkeletonMismatchError: the joints are not those of Human3.6M.
    """
    found: list[Person] = []
    pairs = zip(result.tracks2d, result.tracks3d, strict=True)
    for track2d, track in sorted(pairs, key=lambda pair: pair[0].track_id):
        rig.require_skeleton(track.skeleton)
        times_s = rising(track2d.times_s)
        known = np.asarray(np.isfinite(track.joints).all((1, 2)))
        if known.any():
            found.append(_person(result, track, times_s, known, len(found)))
    return found


def _person(result: Result, track: Track3D, times_s: Double, known: Bool, number: int) -> Person:
    joints = track.joints[known].astype(np.float64)
    joints, lengths = rig.one_length(joints, track.confidence[known])
    root = track.root[known].astype(np.float64) + joints[:, _HIP]
    joints = joints - joints[:, _HIP, None]
    if result.world.is_known:
        to_world = result.world.camera_to_world
        turn, shift = _FROM_WORLD @ to_world[:3, :3], _FROM_WORLD @ to_world[:3, 3]
    else:
        turn, shift = _FROM_CAMERA, np.zeros(3)
    there = np.isfinite(root).all(1)
    if there.any():
        when = times_s[known]
        root = np.stack([np.interp(when, when[there], column[there]) for column in root.T], 1)
        root = root @ turn.T + shift
    else:
        size = {child: n for (_, child), n in zip(track.skeleton.edges, lengths, strict=True)}
        height = size["left_knee"] + size["left_foot"] + _ANKLE_M
        root = np.broadcast_to([_APART_M * number, height, 0.0], root.shape)
    joints = joints @ turn.T + root[:, None]
    motion = rig.moved(joints, lengths, times_s[known])
    return Person(track.track_id, times_s, known, motion, joints, bool(there.any()))
