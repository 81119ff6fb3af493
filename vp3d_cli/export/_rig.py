"""A skeleton of bones that turn: names, rest pose, and how it moves through given joints.

The rest pose is a T: upright with Y up, facing +Z, the left arm along +X, every rotation zero,
every node's axes those of the world. Bones have one length each. `docs/export_rig.md` says
more to those who import it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vp3d_cli import bones
from vp3d_cli.errors import SkeletonMismatchError
from vp3d_cli.export import _turning as turning
from vp3d_cli.skeletons import get
from vp3d_cli.types import Double, Real, Skeleton

SKELETON = get("h36m17")
# Bones off by more than this are brought to one length, metres.
_UNEVEN_M = 1e-4
# What stands in for a bone that was never seen, or is as good as a point, metres.
_LEAST_LENGTH_M, _UNSEEN_LENGTH_M = 1e-3, 0.1
# How strongly a limb that is nearly straight goes back to its natural turn; the head's is
# never seen well.
_LIMB_HABIT, _HEAD_HABIT, _CHEST_HABIT = 0.1, 0.3, 0.05

# Toes from the ankle by the length of the shin, and fingers from the wrist by the forearm's.
_TOES, _FINGERS = np.array([0, -0.15, 0.35]), 0.4

_X, _Y = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])


@dataclass(frozen=True)
class Node:
    """One joint of the hierarchy.

    Attributes:
        name: as common retargeting tools know it (Mixamo's; the hip joints are CMU's).
        parent: the name of the node that it hangs on; "" for the root.
        joint: the joint of Human3.6M where it is.
    """

    name: str
    parent: str
    joint: str


def _limbs(side: str, letter: str) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    low = side.lower()
    leg = (
        Node(f"{letter}HipJoint", "Hips", "hip"),
        Node(f"{side}UpLeg", f"{letter}HipJoint", f"{low}_hip"),
        Node(f"{side}Leg", f"{side}UpLeg", f"{low}_knee"),
        Node(f"{side}Foot", f"{side}Leg", f"{low}_foot"),
    )
    arm = (
        Node(f"{side}Shoulder", "Spine", "thorax"),
        Node(f"{side}Arm", f"{side}Shoulder", f"{low}_shoulder"),
        Node(f"{side}ForeArm", f"{side}Arm", f"{low}_elbow"),
        Node(f"{side}Hand", f"{side}ForeArm", f"{low}_wrist"),
    )
    return leg, arm


_LEFT_LEG, _LEFT_ARM = _limbs("Left", "L")
_RIGHT_LEG, _RIGHT_ARM = _limbs("Right", "R")
# Parents first, each node followed by all that hangs on it.
NODES: tuple[Node, ...] = (
    Node("Hips", "", "hip"),
    *_LEFT_LEG,
    *_RIGHT_LEG,
    Node("Spine", "Hips", "spine"),
    Node("Neck", "Spine", "thorax"),
    Node("Head", "Neck", "neck"),
    Node("HeadTop_End", "Head", "head"),
    *_LEFT_ARM,
    *_RIGHT_ARM,
)
NAMES = tuple(node.name for node in NODES)
PARENTS = tuple(NAMES.index(node.parent) if node.parent else -1 for node in NODES)
# They turn with what they hang on.
STILL = ("LeftFoot", "RightFoot", "LeftHand", "RightHand")


def _slanted(degrees: float, toward: Double, then: Double) -> Double:
    angle = np.deg2rad(degrees)
    return np.asarray(np.cos(angle) * toward + np.sin(angle) * then)


_Z = np.cross(_X, _Y)
# Where the bone that ends at a joint points in the rest pose. The joint "neck" lies in front,
# between neck and nose; these are the angles of a person who stands and looks ahead.
REST: dict[str, Double] = {
    "left_hip": _X,
    "right_hip": -_X,
    "spine": _Y,
    "thorax": _Y,
    "neck": _slanted(45, _Y, _Z),
    "head": _slanted(-8, _Y, _Z),
    "left_shoulder": _slanted(-15, _X, _Y),
    "right_shoulder": _slanted(-15, -_X, _Y),
    **{f"{side}_{joint}": -_Y for side in ("left", "right") for joint in ("knee", "foot")},
    **{f"left_{joint}": _X for joint in ("elbow", "wrist")},
    **{f"right_{joint}": -_X for joint in ("elbow", "wrist")},
}


def tip(offsets: Double, name: str) -> Double:
    """Where a foot or hand ends, from its node: made up, in proportion to shin and forearm."""
    length = float(np.linalg.norm(offsets[NAMES.index(name)]))
    side = _X if name.startswith("Left") else -_X
    return np.asarray(length * (_TOES if name.endswith("Foot") else _FINGERS * side))


@dataclass(frozen=True)
class Motion:
    """A rig and how it moves.

    Attributes:
        offsets: (N, 3) of each node from its parent in the rest pose, metres; of the root zero.
        times_s: (T,).
        root: (T, 3) where the root is, metres.
        turns: (T, N, 4) rotation of each node in its parent's axes, x y z w.
    """

    offsets: Double
    times_s: Double
    root: Double
    turns: Double

    def __len__(self) -> int:
        return len(self.times_s)


def require_skeleton(skeleton: Skeleton) -> None:
    """Raise SkeletonMismatchError unless the rig fits."""
    if skeleton.joints != SKELETON.joints:
        raise SkeletonMismatchError(
            f"joints of {skeleton.name}: the rig needs the 17 of Human3.6M; "
            "export to json, csv, trc or c3d instead"
        )


def one_length(joints: Real, confidence: Real) -> tuple[Double, Double]:
    """Joints (T, 17, 3) whose bones have one length each, and those lengths (E,), metres.

    They are the given ones where their bones are so already, as in refined results.
    """
    found = bones.lengths(joints, confidence, SKELETON)
    lengths = np.where(found > _LEAST_LENGTH_M, found, np.nan)
    ends = np.array(SKELETON.edge_indices)
    measured = np.linalg.norm(joints[:, ends[:, 1]] - joints[:, ends[:, 0]], axis=-1)
    off = np.abs(measured - np.nan_to_num(lengths))
    if len(joints) and off.max() > _UNEVEN_M:
        # From the root, since single precision is coarse far from the origin.
        root = np.asarray(joints[:, :1], np.float64)
        joints = bones.fitted(joints - root, lengths, SKELETON) + root
    return np.asarray(joints, np.float64), np.where(np.isnan(lengths), _UNSEEN_LENGTH_M, lengths)


def moved(joints: Double, lengths: Double, times_s: Double) -> Motion:
    """How the rig goes through joints.

    Args:
        joints: (T, 17, 3) metres, Y up, with bones of the given lengths; none missing.
        lengths: (E,) of the skeleton's edges, metres.
        times_s: (T,) ascending.
    """
    by_joint = {name: joints[:, i] for i, name in enumerate(SKELETON.joints)}
    size = {child: float(n) for (_, child), n in zip(SKELETON.edges, lengths, strict=True)}
    offsets = np.zeros((len(NODES), 3))
    for index, node in enumerate(NODES):
        if node.parent and node.joint != NODES[PARENTS[index]].joint:
            offsets[index] = size[node.joint] * REST[node.joint]
    world = _world_turns(by_joint, times_s)
    for name in (*STILL, "HeadTop_End"):
        world[name] = world[NODES[NAMES.index(name)].parent]
    turns = np.empty((len(joints), len(NODES), 4))
    for index, node in enumerate(NODES):
        local = world[node.name]
        if node.parent:
            local = np.swapaxes(world[node.parent], -1, -2) @ local
        turns[:, index] = quaternions(local)
    return Motion(offsets, times_s, by_joint["hip"], turns)


def _world_turns(joints: dict[str, Double], times_s: Double) -> dict[str, Double]:
    """Rotation (T, 3, 3) in the world of each node that turns."""
    bone = {child: turning.unit(joints[child] - joints[parent]) for parent, child in SKELETON.edges}
    still = np.broadcast_to(np.eye(3), (len(times_s), 3, 3))
    across = turning.unit(joints["left_hip"] - joints["right_hip"])
    hips = turning.aimed((_Y, _X), bone["spine"], across, still, times_s)
    across = turning.unit(joints["left_shoulder"] - joints["right_shoulder"])
    chest = turning.aimed((_Y, _X), bone["thorax"], across, hips, times_s, _CHEST_HABIT)
    # Neck and head lie in the plane that halves the face, and say where it looks.
    face = np.cross(bone["head"], bone["neck"])
    rest = (REST["neck"], _X)
    neck = turning.aimed(rest, bone["neck"], face, chest, times_s, _HEAD_HABIT, forward=True)
    head = turning.hinged((REST["head"], _X), bone["head"], neck)
    turns = {"Hips": hips, "Spine": chest, "Neck": neck, "Head": head}
    for side, letter, out in (("Left", "L", _X), ("Right", "R", -_X)):
        low = side.lower()
        thigh, shin = bone[f"{low}_knee"], bone[f"{low}_foot"]
        rest, normal = (-_Y, _X), np.cross(thigh, shin)
        upper = turning.aimed(rest, thigh, normal, hips, times_s, _LIMB_HABIT, forward=True)
        turns[f"{letter}HipJoint"] = turning.swung(out, bone[f"{low}_hip"], hips)
        turns[f"{side}UpLeg"] = upper
        turns[f"{side}Leg"] = turning.hinged(rest, shin, upper)
        arm, forearm = bone[f"{low}_elbow"], bone[f"{low}_wrist"]
        rest, normal = (out, np.cross(out, _Z)), np.cross(arm, forearm)
        upper = turning.aimed(rest, arm, normal, chest, times_s, _LIMB_HABIT, forward=True)
        collar = bone[f"{low}_shoulder"]
        turns[f"{side}Shoulder"] = turning.swung(REST[f"{low}_shoulder"], collar, chest)
        turns[f"{side}Arm"] = upper
        turns[f"{side}ForeArm"] = turning.hinged(rest, forearm, upper)
    return turns


def quaternions(rotations: Double) -> Double:
    """Rotations (T, 3, 3) as quaternions (T, 4), x y z w, each near the one before."""
    from scipy.spatial.transform import Rotation

    found = Rotation.from_matrix(rotations).as_quat()
    turned = (found[1:] * found[:-1]).sum(-1) < 0
    signs = np.concatenate([[1.0], np.cumprod(np.where(turned, -1.0, 1.0))])[: len(found)]
    if len(found) and found[0, 3] < 0:
        signs = -signs
    return np.asarray(found * signs[:, None])


def at_times(motion: Motion, times_s: Double) -> Motion:
    """The motion at other times: turned evenly between, and held at its ends."""
    after = np.clip(np.searchsorted(motion.times_s, times_s), 1, max(len(motion) - 1, 1))
    if len(motion) == 1:
        rows = np.zeros(len(times_s), int)
        return Motion(motion.offsets, times_s, motion.root[rows], motion.turns[rows])
    before, gap = after - 1, np.diff(motion.times_s)
    share = np.clip((times_s - motion.times_s[before]) / gap[before], 0, 1)[:, None]
    root = motion.root[before] * (1 - share) + motion.root[after] * share
    a, b = motion.turns[before], motion.turns[after]
    cosine = np.clip((a * b).sum(-1, keepdims=True), -1, 1)
    b, angle = np.where(cosine < 0, -b, b), np.arccos(np.abs(cosine))
    even = angle < 1e-6
    part, sine = share[:, None], np.where(even, 1, np.sin(angle))
    first = np.where(even, 1 - part, np.sin((1 - part) * angle) / sine)
    second = np.where(even, part, np.sin(part * angle) / sine)
    turns = first * a + second * b
    return Motion(motion.offsets, times_s, root, turns / np.linalg.norm(turns, axis=-1)[..., None])
