"""2D/3D pairs from motion capture: other bodies, virtual cameras, a detector's faults.

Every function takes a batch: B sequences of T frames. All lengths are metres. The order is:
sample motion, change the body, place a camera, mark COCO keypoints, spoil them
(`train.noise`), look at the person as the lifter will (`lift.normalise`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from vp3d_cli.geometry import rotate
from vp3d_cli.lift.normalise import HALF_WINDOW_S, person
from vp3d_cli.skeletons import get
from vp3d_cli.train.mocap import Mocap
from vp3d_cli.train.noise import Noise, spoil
from vp3d_cli.train.tables import require_above_zero, require_ascending, require_range
from vp3d_cli.types import Float, Real

_H36M = get("h36m17")
_COCO = get("coco17")
# Nose, eyes and ears, 17 to 21, hang on the neck.
_PARENT = {child: parent for parent, child in _H36M.edge_indices} | dict.fromkeys(range(17, 22), 9)
_LEFT_ARM, _RIGHT_ARM = (11, 12, 13), (14, 15, 16)
_LEFT_LEG, _RIGHT_LEG = (4, 5, 6), (1, 2, 3)
_SPINE, _THORAX, _NECK = 7, 8, 9

# Bone lengths of an adult, metres, by child joint; hips and shoulders are laid out by width. They
# lie where annotators and detectors mark them, not where Human3.6M has them (hips higher and
# 40 mm wider, shoulders 70 mm narrower), so that a figure projected into its picture fits. On
# unposed clips detectors see thigh and shin at 0.8 of the trunk (shoulders to hips) each, which
# these lengths reproduce: longer legs would make every camera seem to look down.
_BONES = {2: 0.405, 3: 0.405, 5: 0.405, 6: 0.405, 7: 0.28, 8: 0.262, 9: 0.116, 10: 0.115}
_BONES |= {12: 0.277, 13: 0.25, 15: 0.277, 16: 0.25}
_HIP_WIDTH, _SHOULDER_WIDTH, _SHOULDERS_UP_M = 0.227, 0.336, 0.02


@dataclass(frozen=True)
class Synthesis:
    """What is drawn at random; every probability is per sequence.

    Attributes:
        fps: frame rates, low and high.
        speed_sigma: log-normal spread of playing speed.
        arm_swap, leg_swap: chance, for each limb, to move as in another sequence.
        limb_bend: spread of a constant change of limb directions (unit vectors).
        lean: spread of a constant turn of the upper body about any axis, radians.
        tilt: turn the whole body over, up to lying.
        distance: metres from camera to person, low and high, log-uniform.
        focal_sigma: log-normal error of the focal length that the lifter is told.
    """

    fps: tuple[float, float] = (22, 62)
    speed_sigma: float = 0.15
    arm_swap: float = 0.4
    leg_swap: float = 0.25
    limb_bend: float = 0.12
    lean: float = 0.2
    tilt: float = 0.08
    distance: tuple[float, float] = (1.8, 12)
    focal_sigma: float = 0.15
    noise: Noise = Noise()  # noqa: RUF009  (frozen, so sharing it is safe)

    def __post_init__(self) -> None:
        require_range(self, ("speed_sigma", "limb_bend", "lean", "focal_sigma"), 0)
        require_range(self, ("arm_swap", "leg_swap", "tilt"), 0, 1)
        require_above_zero(self, ("fps", "distance"))
        require_ascending(self, ("fps", "distance"))

    def as_recorded(self) -> Synthesis:
        """The same with everybody moving as the mocap has it."""
        return dataclasses.replace(
            self, speed_sigma=0, arm_swap=0, leg_swap=0, limb_bend=0, lean=0, tilt=0
        )


@dataclass(frozen=True)
class Batch:
    """Training pairs in the axes of the virtual camera that looks at the person.

    Attributes:
        inputs: (B, T, 17, 3) keypoints as `lift.normalise` gives them.
        targets: (B, T, 17, 3) metres, relative to the hip.
        roots: (B, T, 1, 3) where the hip is, metres, times the person's size in the picture.
    """

    inputs: Float
    targets: Float
    roots: Float


def synthesize(
    mocap: Mocap,
    size: int,
    length: int,
    options: Synthesis,
    rng: np.random.Generator,
    *,
    causal: bool = False,
) -> Batch:
    """Draw `size` sequences of `length` frames; `causal` as the lifter is."""
    fps = rng.uniform(*options.fps, size)
    body = sample_motion(mocap, fps, length, options, rng)
    body = vary_directions(body, options, rng)
    body = change_bones(body, rng)
    body = tilted(body, options.tilt, rng)
    camera = look(body, options, rng)  # (B, T, 22, 3) camera axes
    points = mark_coco(camera, rng)
    directions: Real = points[..., :2] / points[..., 2:]
    # The lifter divides by the focal length it is told, not by the true one.
    told = np.exp(rng.normal(0, options.focal_sigma, (size, 1, 1, 1)))
    directions = directions * told
    spoiled, scores = spoil(directions, face_turned(camera), fps, options.noise, rng)
    half_window = np.round(fps * HALF_WINDOW_S).astype(np.int32)
    view = person(spoiled, scores, _COCO, half_window, causal=causal)
    joints = camera[..., :17, :]
    targets = rotate(view.rotations, joints - joints[..., :1, :])
    # With a wrong focal length the same picture shows the person as much nearer or farther.
    told_root = joints[..., :1, :] / np.concatenate([np.ones_like(told)] * 2 + [told], -1)
    roots = rotate(view.rotations, told_root) * view.sizes[..., None, None]
    return Batch(view.inputs, targets.astype(np.float32), roots.astype(np.float32))


def sample_motion(
    mocap: Mocap, fps: Real, length: int, options: Synthesis, rng: np.random.Generator
) -> Real:
    """Pieces of clips at other frame rates and speeds, (B, T, 22, 3) world metres.

    Clips shorter than asked for play forth and back. Positions between mocap frames come from
    Catmull-Rom splines.
    """
    size = len(fps)
    lengths = np.diff(mocap.clip_start)
    # Long clips would crowd out the short ones, which hold the rarer actions.
    weights = lengths**0.7
    clips = rng.choice(mocap.num_clips, size, p=weights / weights.sum())
    speed = np.exp(rng.normal(0, options.speed_sigma, size)) * mocap.fps / fps
    last = (lengths[clips] - 1).astype(np.float64)
    spare = np.maximum(last - speed * (length - 1), 0)
    start = rng.uniform(0, np.where(spare > 0, spare, last))
    at = start[:, None] + speed[:, None] * np.arange(length)
    period = np.maximum(2 * last, 1)[:, None]
    at = last[:, None] - np.abs(last[:, None] - at % period)
    at = np.clip(at, 0, last[:, None])
    base = np.floor(at).astype(np.int64)
    t = (at - base).astype(np.float32)[..., None, None]

    def frame(offset: int) -> Real:
        index = np.clip(base + offset, 0, last[:, None].astype(np.int64))
        return np.asarray(mocap.joints[mocap.clip_start[clips][:, None] + index])

    a, b, c, d = frame(-1), frame(0), frame(1), frame(2)
    return np.asarray(
        b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    )


def _unit(vectors: Real) -> Real:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6))


def _torso_axes(body: Real) -> Real:
    """Rotations (B, T, 3, 3) from world to the torso's axes: left, front, up."""
    up = _unit(body[..., _THORAX, :] - (body[..., 1, :] + body[..., 4, :]) / 2)
    left = body[..., 11, :] - body[..., 14, :]
    front = _unit(np.cross(left, up))
    return np.stack([np.cross(up, front), front, up], -2)


def vary_directions(body: Real, options: Synthesis, rng: np.random.Generator) -> Real:
    """Limbs of other sequences, a leaning trunk, bent limbs; lengths stay; (B, T, 22, 3).

    Directions are compared and changed in the axes of the torso.
    """
    size = len(body)
    axes = _torso_axes(body)
    source = np.stack([body[..., j, :] - body[..., _PARENT[j], :] for j in range(1, 22)], -2)
    local: Real = rotate(axes, source)
    lengths: Real = np.linalg.norm(local, axis=-1, keepdims=True)
    local = np.asarray(_unit(local))
    for chance, limbs in (
        (options.arm_swap, (_LEFT_ARM, _RIGHT_ARM)),
        (options.leg_swap, (_LEFT_LEG, _RIGHT_LEG)),
    ):
        for limb in limbs:
            donor = rng.permutation(size)
            taken = rng.random(size) < chance
            lower = [joint - 1 for joint in limb[1:]]
            swapped: Real = local[..., lower, :]
            swapped[taken] = swapped[donor[taken]]
            local[..., lower, :] = swapped
    bend = rng.normal(0, options.limb_bend, (size, 1, 8, 3))
    rows = [joint - 1 for joint in (2, 3, 5, 6, 12, 13, 15, 16)]
    local[..., rows, :] = _unit(local[..., rows, :] + bend)
    lean = _axis_rotations(_unit(rng.normal(size=(size, 3))), rng.normal(0, options.lean, size))
    upper = slice(_SPINE - 1, 21)
    local[..., upper, :] = rotate(lean[:, None], local[..., upper, :])
    bones: Real = rotate(np.swapaxes(axes, -1, -2), local * lengths)
    out = body.copy()
    for joint in range(1, 22):
        out[..., joint, :] = out[..., _PARENT[joint], :] + bones[..., joint - 1, :]
    return out


def change_bones(body: Real, rng: np.random.Generator) -> Real:
    """The same directions on a skeleton of random proportions; (B, T, 22, 3)."""
    size = len(body)
    stature = np.clip(rng.normal(1, 0.07, size), 0.72, 1.2)

    def draw(mean: float, sigma: float = 0.07) -> Real:
        drawn = mean * stature * np.exp(rng.normal(0, sigma, size))
        return np.asarray(drawn, np.float32)[:, None, None]

    length = {joint: draw(mean) for joint, mean in _BONES.items() if joint not in (2, 3, 12, 13)}
    # Left and right are one length.
    length |= {2: length[5], 3: length[6], 12: length[15], 13: length[16]}
    bone = {j: _unit(body[..., j, :] - body[..., _PARENT[j], :]) for j in length}
    hips = (body[..., 1, :] + body[..., 4, :]) / 2
    legs = np.linalg.norm(body[..., 1, :] - body[..., 2, :], axis=-1) + np.linalg.norm(
        body[..., 2, :] - body[..., 3, :], axis=-1
    )
    # The path scales with the legs, so that feet slide no more than before.
    out = np.empty_like(body)
    out[..., 0, :] = hips * ((length[2] + length[3])[..., 0] / np.maximum(legs, 0.3))[:, :1, None]
    across = _unit(body[..., 4, :] - body[..., 1, :]) * draw(_HIP_WIDTH) / 2
    out[..., 4, :], out[..., 1, :] = out[..., 0, :] + across, out[..., 0, :] - across
    spine = _unit(body[..., 7, :] - hips)
    out[..., 7, :] = out[..., 0, :] + spine * length[7]
    out[..., _THORAX, :] = out[..., 7, :] + bone[_THORAX] * length[_THORAX]
    shoulders = (body[..., 11, :] + body[..., 14, :]) / 2 - body[..., _THORAX, :]
    shoulders = shoulders + bone[_THORAX] * _SHOULDERS_UP_M
    middle = out[..., _THORAX, :] + shoulders * stature[:, None, None]
    across = _unit(body[..., 11, :] - body[..., 14, :]) * draw(_SHOULDER_WIDTH) / 2
    out[..., 11, :], out[..., 14, :] = middle + across, middle - across
    for joint in (9, 10, 2, 3, 5, 6, 12, 13, 15, 16):
        out[..., joint, :] = out[..., _PARENT[joint], :] + bone[joint] * length[joint]
    face = (body[..., 17:, :] - body[..., _NECK, None, :]) * stature[:, None, None, None]
    out[..., 17:, :] = out[..., _NECK, None, :] + face
    return out


def _axis_rotations(axis: Real, angle: Real) -> Real:
    """Rodrigues' formula: rotations (B, 3, 3) by `angle` (B,) about unit `axis` (B, 3)."""
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    s, c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.asarray(np.eye(3) + s * cross + (1 - c) * cross @ cross, np.float32)


def tilted(body: Real, chance: float, rng: np.random.Generator) -> Real:
    """Turn some bodies about a horizontal axis through the hip, up to lying."""
    size = len(body)
    heading = rng.uniform(0, 2 * np.pi, size)
    axis = np.stack([np.cos(heading), np.sin(heading), np.zeros(size)], -1)
    angle = rng.uniform(0.2, 1.7, size) * (rng.random(size) < chance)
    turn = _axis_rotations(axis, angle)[:, None]
    root = body[..., :1, :]
    return np.asarray(root + rotate(turn, body - root))


def look(body: Real, options: Synthesis, rng: np.random.Generator) -> Real:
    """Place one camera before each person: (B, T, 22, 3) camera axes, metres.

    The camera stands at a random height and distance anywhere around the person, is aimed near
    the middle of the person's path, and mostly rolled little.
    """
    size = len(body)
    path = body[..., 0, :]
    middle = (path.min(1) + path.max(1)) / 2
    azimuth = rng.uniform(0, 2 * np.pi, size)
    low, high = np.log(options.distance)
    distance = np.exp(rng.uniform(low, high, size))
    height = np.clip(rng.normal(1.4, 0.5, size), 0.1, None)
    high_up = rng.random(size) < 0.3
    height = np.where(high_up, height + rng.uniform(0.3, 2.5, size), height)
    centre = middle + distance[:, None] * np.stack(
        [np.cos(azimuth), np.sin(azimuth), np.zeros(size)], -1
    )
    centre[:, 2] = height
    # Forward turned off the person: people are seldom in the middle of the frame.
    ahead = middle - centre
    yaw = np.arctan2(ahead[:, 1], ahead[:, 0]) + rng.normal(0, 0.2, size)
    pitch = np.arctan2(ahead[:, 2], np.hypot(ahead[:, 0], ahead[:, 1]))
    pitch = pitch + rng.normal(0, 0.12, size)
    # Most cameras are held nearly level; some are not.
    roll = rng.normal(0, np.where(rng.random(size) < 0.35, 0.35, 0.06))
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    forward = np.stack([cp * cy, cp * sy, sp], -1)
    right = np.stack([sy, -cy, np.zeros(size)], -1)
    down = np.cross(forward, right)
    rolled = np.cos(roll)[:, None] * right + np.sin(roll)[:, None] * down
    rows = np.stack([rolled, np.cross(forward, rolled), forward], -2)
    seen = rotate(rows.astype(np.float32)[:, None], body - centre[:, None, None].astype("f4"))
    # Step back until everything is well before the lens.
    nearest = seen[..., 2].min((1, 2))
    seen[..., 2] += np.maximum(0.8 - nearest, 0)[:, None, None]
    return np.asarray(seen)


def mark_coco(camera: Real, rng: np.random.Generator) -> Real:
    """Where a COCO annotator would put the 17 keypoints, in camera axes; (B, T, 17, 3).

    Nobody sees where in the flesh hips and shoulders are: each annotator has another idea.
    """
    size = len(camera)

    def spread(left: int, right: int, sigma: float) -> Real:
        middle = (camera[..., left, :] + camera[..., right, :]) / 2
        half = (camera[..., left, :] - camera[..., right, :]) / 2
        scale = np.exp(rng.normal(0, sigma, (size, 1, 1)))
        up = _unit(camera[..., _THORAX, :] - camera[..., 0, :])
        middle = middle + up * rng.normal(0, 0.02, (size, 1, 1))
        return np.stack([middle + half * scale, middle - half * scale], -2)

    shoulders, hips = spread(11, 14, 0.08), spread(4, 1, 0.1)
    face = camera[..., 17:22, :]
    limbs = camera[..., [12, 15, 13, 16], :]
    legs = camera[..., [5, 2, 6, 3], :]
    return np.concatenate([face, shoulders, limbs, hips, legs], -2)


def face_turned(camera: Real) -> Real:
    """How far the face looks at the camera, (B, T) from -1 (away) to 1 (towards)."""
    nose, ears = camera[..., 17, :], (camera[..., 20, :] + camera[..., 21, :]) / 2
    return np.asarray((_unit(nose - ears) * _unit(-nose)).sum(-1))
