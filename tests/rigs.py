"""People in any pose, for formats that turn bones, and what such files say, read by others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from tests.factories import make_result, make_track2d, make_track3d, make_video
from tests.walkers import FIGURE, H36M
from vp3d_cli.export import _rig
from vp3d_cli.export._rig import Motion
from vp3d_cli.types import Double, Real, Result, World

# Which node of the rig stands at which joint.
NODES = {
    "hip": "Hips",
    "right_hip": "RightUpLeg",
    "right_knee": "RightLeg",
    "right_foot": "RightFoot",
    "left_hip": "LeftUpLeg",
    "left_knee": "LeftLeg",
    "left_foot": "LeftFoot",
    "spine": "Spine",
    "thorax": "Neck",
    "neck": "Head",
    "head": "HeadTop_End",
    "left_shoulder": "LeftArm",
    "left_elbow": "LeftForeArm",
    "left_wrist": "LeftHand",
    "right_shoulder": "RightArm",
    "right_elbow": "RightForeArm",
    "right_wrist": "RightHand",
}
# Y up, facing the camera, as `FIGURE` does.
STANDING: Double = FIGURE[:17].astype(np.float64) * [1, -1, -1]
LEVEL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def dance(length: int = 40, wild: float = 0.5, seed: int = 0, turns: float = 0.0) -> Double:
    """(T, 17, 3) Y up, hip at the origin: every bone sways by itself, and keeps its length."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, length)[:, None]
    body = Rotation.from_rotvec(2 * np.pi * turns * time * [[0, 1.0, 0]])
    out = np.zeros((length, 17, 3))
    for parent, child in H36M.edge_indices:
        phase, speed = rng.uniform(0, 6, 3), rng.uniform(2, 8, 3)
        sway = Rotation.from_rotvec(wild * np.sin(speed * time + phase))
        bone = body.apply(sway.apply(STANDING[child] - STANDING[parent]))
        out[:, child] = out[:, parent] + bone
    return out


def bent(angles: Real, joint: str) -> Double:
    """(T, 17, 3) Y up: somebody who stands and bends an elbow or a knee by angles, degrees."""
    out = np.repeat(STANDING[None], len(angles), 0)
    # A straight limb first.
    side, part = joint.split("_")
    upper, lower = ("hip", "foot") if part == "knee" else ("shoulder", "wrist")
    a, b, c = (H36M.index(f"{side}_{name}") for name in (upper, part, lower))
    straight = (STANDING[b] - STANDING[a]) / np.linalg.norm(STANDING[b] - STANDING[a])
    # The heel goes back, the hand ahead.
    axis = np.cross(straight, [0, 0, -1.0 if part == "knee" else 1.0])
    axis /= np.linalg.norm(axis)
    turn = Rotation.from_rotvec(np.radians(np.asarray(angles))[:, None] * axis)
    out[:, c] = out[:, b] + turn.apply(straight * np.linalg.norm(STANDING[c] - STANDING[b]))
    return out


def tilted_world(degrees: float = 20.0, height: float = 1.5) -> World:
    """A camera that looks down by so much."""
    tilt = Rotation.from_euler("x", -degrees, degrees=True).as_matrix()
    to_world = np.eye(4)
    to_world[:3, :3], to_world[2, 3] = LEVEL @ tilt, height
    return World(to_world, "made up")


def result_of(
    people: Sequence[Real],
    *,
    world: World | None = None,
    roots: Sequence[Real | None] | None = None,
    starts: Sequence[int] | None = None,
    fps: Fraction = Fraction(30),
    times_s: Real | None = None,
) -> Result:
    """A result with people whose joints are (T, 17, 3) Y up, upright in `world`."""
    world = world or World.unknown("not estimated")
    turn = world.camera_to_world[:3, :3].T @ LEVEL if world.is_known else np.eye(3)
    tracks2d, tracks3d = [], []
    for number, joints in enumerate(people):
        length, start = len(joints), starts[number] if starts else 0
        track2d = make_track2d(number + 1, length, start=start)
        clock = track2d.frames / float(fps) if times_s is None else np.asarray(times_s, np.float64)
        tracks2d.append(replace(track2d, times_s=clock))
        # Axes of a level camera, then of this one.
        seen = (np.asarray(joints) - np.asarray(joints)[:, :1]) * [1, -1, -1] @ turn.T
        root = roots[number] if roots else np.tile([0.3 * number, 0.1, 4.0], (length, 1))
        track3d = replace(
            make_track3d(track2d),
            joints=seen.astype(np.float32),
            confidence=np.ones((length, 17), np.float32),
            root=np.asarray(np.full((length, 3), np.nan) if root is None else root, np.float32),
        )
        tracks3d.append(track3d)
    base = make_result(num_tracks=0, video=make_video(fps=fps))
    return replace(base, tracks2d=tuple(tracks2d), tracks3d=tuple(tracks3d), world=world)


def expected(result: Result, number: int = 0) -> Double:
    """(T, 17, 3) where a person's joints are to be found, metres, Y up."""
    track = result.tracks3d[number]
    if result.world.is_known:
        return result.world.of(track).astype(np.float64)[..., [0, 2, 1]] * [1, 1, -1]
    return (track.joints + track.root[:, None]).astype(np.float64) * [1, -1, -1]


def bvh_positions(path: Path) -> Double:
    """(T, 17, 3) metres, by pybvh."""
    import pybvh

    motion = pybvh.read_bvh_file(str(path))
    index = {node.name: i for i, node in enumerate(motion.nodes)}
    index["HeadTop_End"] = next(i for i, node in enumerate(motion.nodes) if _ends_head(node))
    columns = [index[NODES[joint]] for joint in H36M.joints]
    return np.asarray(motion.node_positions())[:, columns] / 100


def _ends_head(node: Any) -> bool:
    return bool(node.is_end_site() and node.parent.name == "Head")


def chained(motion: Motion) -> tuple[Double, dict[str, Rotation]]:
    """Where a rig's nodes are, (T, N, 3), and how each is turned in the world."""
    where = np.zeros((len(motion), len(_rig.NODES), 3))
    turned: dict[str, Rotation] = {}
    for index, node in enumerate(_rig.NODES):
        local = Rotation.from_quat(motion.turns[:, index])
        if not node.parent:
            where[:, index], turned[node.name] = motion.root, local
            continue
        above = turned[node.parent]
        place = where[:, _rig.NAMES.index(node.parent)]
        where[:, index] = place + above.apply(motion.offsets[index])
        turned[node.name] = above * local
    return where, turned


def steps(turned: Rotation) -> Double:
    """(T - 1,) degrees from one frame to the next."""
    return np.asarray(np.degrees((turned[1:] * turned[:-1].inv()).magnitude()))
