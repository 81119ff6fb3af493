"""Joints as turning bones: they go where the joints are, and do not spin about themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.rigs import NODES, STANDING, bent, chained, dance, steps
from tests.walkers import H36M
from vp3d_cli import skeletons
from vp3d_cli.errors import SkeletonMismatchError
from vp3d_cli.export import _rig as rig
from vp3d_cli.export import _turning as turning
from vp3d_cli.export._figure import rest_positions
from vp3d_cli.types import Double

COLUMNS = [rig.NAMES.index(NODES[joint]) for joint in H36M.joints]
LENGTHS = np.array([np.linalg.norm(STANDING[b] - STANDING[a]) for a, b in H36M.edge_indices])


def _moved(joints: Double, fps: float = 30) -> rig.Motion:
    return rig.moved(joints, LENGTHS, np.arange(len(joints)) / fps)


def _farthest_mm(motion: rig.Motion, joints: Double) -> float:
    where, _ = chained(motion)
    return float(1000 * np.linalg.norm(where[:, COLUMNS] - joints, axis=-1).max())


def _angles(motion: rig.Motion, name: str) -> Double:
    turns = Rotation.from_quat(motion.turns[:, rig.NAMES.index(name)])
    return np.asarray(turns.as_euler("YZX", degrees=True))[:, ::-1]  # about X, Z, Y


def _about(axis: list[float], degrees: Double) -> Rotation:
    return Rotation.from_rotvec(np.radians(degrees)[:, None] * np.array([axis]))


def test_the_rest_pose_is_a_t_that_faces_z_with_the_left_arm_along_x() -> None:
    motion = _moved(STANDING[None])
    at = dict(zip(rig.NAMES, rest_positions(motion.offsets), strict=True))
    left = [at[f"Left{name}"] for name in ("Arm", "ForeArm", "Hand")]
    np.testing.assert_allclose(np.diff([p[1:] for p in left], axis=0), 0, atol=1e-12)
    assert 0 < left[0][0] < left[1][0] < left[2][0]
    assert at["LeftFoot"][1] < at["LeftLeg"][1] < at["LeftUpLeg"][1] == 0
    assert at["HeadTop_End"][1] > at["Neck"][1] > at["Spine"][1] > 0
    assert at["Head"][2] > at["Neck"][2]
    for name in rig.NAMES:
        if name.startswith("Left"):
            twin = at[name.replace("Left", "Right")]
            np.testing.assert_allclose(at[name] * [-1, 1, 1], twin, atol=1e-12)
    assert rig.tip(motion.offsets, "LeftFoot")[2] > 0
    assert rig.tip(motion.offsets, "RightHand")[0] < 0 < rig.tip(motion.offsets, "LeftHand")[0]


def test_the_rest_pose_has_no_turns() -> None:
    rest = rest_positions(_moved(STANDING[None]).offsets)[COLUMNS]
    motion = _moved(np.repeat(rest[None], 3, 0))
    np.testing.assert_allclose(motion.turns[..., 3], 1, atol=1e-9)


@pytest.mark.parametrize("wild", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_nodes_are_where_the_joints_are(wild: float, seed: int) -> None:
    joints = dance(60, wild, seed, turns=seed) + np.array([1, 2, 3])
    assert _farthest_mm(_moved(joints), joints) < 1e-3


def test_bones_of_changing_length_get_one() -> None:
    rng = np.random.default_rng(0)
    rough = dance(50) + rng.normal(0, 0.01, (50, 17, 3))
    joints, lengths = rig.one_length(rough, np.ones((50, 17)))
    motion = rig.moved(joints, lengths, np.arange(50) / 30)
    assert _farthest_mm(motion, joints) < 0.1
    assert np.linalg.norm(joints - rough, axis=-1).max() < 0.06
    np.testing.assert_allclose(lengths, LENGTHS, atol=0.02)


def test_bones_of_one_length_are_left_alone() -> None:
    joints = dance(20) + np.array([3, 0, 9])
    same, lengths = rig.one_length(joints, np.ones((20, 17)))
    np.testing.assert_array_equal(same, joints)
    np.testing.assert_allclose(lengths, LENGTHS, rtol=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_knee_is_a_hinge_that_bends_back(side: str) -> None:
    bend = np.linspace(0, 150, 40)
    found = _angles(_moved(bent(bend, f"{side}_knee")), f"{side.capitalize()}Leg")
    np.testing.assert_allclose(found[:, 0], bend, atol=2)
    np.testing.assert_allclose(found[:, 1:], 0, atol=3)


@pytest.mark.parametrize(("side", "sign"), [("left", -1), ("right", 1)])
def test_an_elbow_is_a_hinge_that_bends_ahead(side: str, sign: float) -> None:
    bend = np.linspace(40, 140, 40)
    found = _angles(_moved(bent(bend, f"{side}_elbow")), f"{side.capitalize()}ForeArm")
    turns = Rotation.from_euler("xzy", found, degrees=True).as_rotvec(degrees=True)
    np.testing.assert_allclose(turns[:, 1], sign * bend, atol=2)
    np.testing.assert_allclose(turns[:, [0, 2]], 0, atol=2)


@pytest.mark.parametrize(("side", "sign"), [("left", -1), ("right", 1)])
def test_an_upper_arm_turns_with_the_plane_of_its_elbow(side: str, sign: float) -> None:
    look = np.linspace(-70, 70, 40)
    joints = bent(np.full(40, 90.0), f"{side}_elbow")
    elbow, wrist = H36M.index(f"{side}_elbow"), H36M.index(f"{side}_wrist")
    upper = STANDING[elbow] - STANDING[H36M.index(f"{side}_shoulder")]
    turn = _about((upper / np.linalg.norm(upper)).tolist(), look)
    joints[:, wrist] = joints[:, elbow] + turn.apply(joints[:, wrist] - joints[:, elbow])
    found = _angles(_moved(joints), f"{side.capitalize()}ForeArm")
    np.testing.assert_allclose(found[:, 2], sign * 90, atol=2)
    np.testing.assert_allclose(found[:, :2], 0, atol=2)


def test_opposite_directions_are_half_a_turn_apart() -> None:
    rng = np.random.default_rng(0)
    start = turning.unit(np.concatenate([np.eye(3), rng.normal(size=(9, 3))]))
    for goal in (-start, -turning.unit(start + 1e-6), start[::-1]):
        turns = turning.shortest_arc(start, goal)
        np.testing.assert_allclose(np.einsum("tij,tj->ti", turns, start), goal, atol=3e-6)
        np.testing.assert_allclose(np.linalg.det(turns), 1)


def test_a_bone_along_its_hinge_is_still_turned_to_where_it_points() -> None:
    bone, side = np.array([0, -1.0, 0]), np.array([1.0, 0, 0])
    turns = turning.hinged((bone, side), side[None], np.eye(3)[None])
    np.testing.assert_allclose(turns[0] @ bone, side, atol=1e-9)
    np.testing.assert_allclose(turns[0] @ turns[0].T, np.eye(3), atol=1e-9)


def test_a_knee_that_bends_the_wrong_way_does_not_turn_the_thigh_round() -> None:
    """Noise does that to a leg that is stretched; positions stay what they are."""
    bend = np.linspace(30, -40, 30)
    joints = bent(bend, "left_knee")
    motion = _moved(joints)
    assert _farthest_mm(motion, joints) < 1e-3
    _, turned = chained(motion)
    assert turned["LeftUpLeg"].apply([1.0, 0, 0])[:, 0].min() > 0.9
    assert turned["LeftFoot"].apply([0, 0, 1.0])[:, 2].min() > 0.6  # toes stay ahead
    assert steps(turned["LeftUpLeg"]).max() < 4


@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-3])
def test_a_straight_arm_keeps_the_turn_it_had(noise: float) -> None:
    bend = np.interp(np.arange(60), [0, 20, 40, 60], [60, 0, 0, 60])
    joints = bent(bend, "right_elbow")
    joints += np.random.default_rng(1).normal(0, noise, joints.shape)
    _, turned = chained(rig.moved(*rig.one_length(joints, np.ones((60, 17))), np.arange(60) / 30))
    assert steps(turned["RightArm"]).max() < 2
    _, still = chained(_moved(bent(np.full(60, 60.0), "right_elbow")))
    off = np.degrees((turned["RightArm"] * still["RightArm"].inv()).magnitude())
    assert off.max() < 12


def test_a_straight_arm_that_reaches_across_does_not_spin() -> None:
    """There the least turn from the rest pose goes round quickly: the opposite of the rest."""
    swing = _about([0, 1.0, 0], np.linspace(-80, 80, 60))
    aims = swing.apply([1.0, 0.07, 0])
    joints = np.repeat(STANDING[None], 60, 0)
    shoulder, elbow, wrist = (
        H36M.index(f"right_{name}") for name in ("shoulder", "elbow", "wrist")
    )
    for upper, lower in ((shoulder, elbow), (elbow, wrist)):
        size = np.linalg.norm(STANDING[lower] - STANDING[upper])
        joints[:, lower] = joints[:, upper] + size * aims / np.linalg.norm(aims[0])
    _, turned = chained(_moved(joints))
    assert steps(turned["RightArm"]).max() < 3 * 160 / 59


@pytest.mark.parametrize("turns", [1.0, 3.0])
def test_somebody_who_spins_with_straight_limbs_does_not_wind_up(turns: float) -> None:
    joints = dance(120, 0.0, turns=turns)
    motion = _moved(joints)
    _, turned = chained(motion)
    most = 360 * turns / 119
    for name, found in turned.items():
        assert steps(found).max() < most + 0.01, name
    local = np.degrees(2 * np.arccos(np.clip(np.abs(motion.turns[:, 1:, 3]), 0, 1)))
    assert np.ptp(local, axis=0).max() < 0.1


def test_upside_down_and_over_again() -> None:
    angles = np.linspace(0, 720, 180)
    over = _about([1.0, 0, 0], angles).as_matrix()
    joints = np.einsum("tij,tkj->tki", over, dance(180, 0.2))
    motion = _moved(joints)
    assert _farthest_mm(motion, joints) < 1e-3
    _, turned = chained(motion)
    _, upright = chained(_moved(dance(180, 0.2)))
    for name in rig.NAMES:
        assert steps(turned[name]).max() < 720 / 179 + 1.5 * steps(upright[name]).max() + 0.2, name


def test_exactly_upside_down() -> None:
    joints = np.repeat(STANDING[None] * [1, -1, -1], 5, 0)
    motion = _moved(joints)
    assert _farthest_mm(motion, joints) < 1e-3
    _, turned = chained(motion)
    np.testing.assert_allclose(turned["Hips"].apply([0, 0, 1.0]), [[0, 0, -1.0]] * 5, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_flips(seed: int) -> None:
    """Limbs that bend any way, more than bodies can; no bone turns by more than 2.5 a frame.

    What a limb that passes through straight leaves open takes several frames to turn round.
    """
    joints = dance(120, 0.4, seed)
    for a, b in H36M.edge_indices:
        bone = joints[:, b] - joints[:, a]
        bone /= np.linalg.norm(bone, axis=-1, keepdims=True)
        assert np.degrees(np.linalg.norm(np.diff(bone, axis=0), axis=-1)).max() < 2.5
    _, turned = chained(_moved(joints))
    assert max(steps(found).max() for found in turned.values()) < 15


def test_the_head_looks_where_the_face_is() -> None:
    look = np.linspace(-70, 70, 30)
    joints = np.repeat(STANDING[None], 30, 0)
    neck, thorax, head = (H36M.index(name) for name in ("neck", "thorax", "head"))
    nose = np.linalg.norm(STANDING[neck] - STANDING[thorax]) * np.array([0, 0.7, 0.714])
    turn = _about([0, 1.0, 0], look)
    joints[:, neck] = joints[:, thorax] + turn.apply(nose)
    joints[:, head] = joints[:, neck] + [0, 0.12, 0]
    _, turned = chained(_moved(joints))
    ahead = turned["Head"].apply([0, 0, 1.0])
    np.testing.assert_allclose(np.degrees(np.arctan2(ahead[:, 0], ahead[:, 2])), look, atol=8)


def test_one_frame_and_joints_in_one_place() -> None:
    motion = _moved(STANDING[None])
    assert _farthest_mm(motion, STANDING[None]) < 1e-3
    joints, lengths = rig.one_length(np.zeros((3, 17, 3)), np.ones((3, 17)))
    nowhere = rig.moved(joints, lengths, np.arange(3) / 30)
    assert np.isfinite(nowhere.turns).all()
    assert (np.linalg.norm(nowhere.offsets, axis=-1) <= 0.1 + 1e-9).all()


def test_between_frames_bones_turn_evenly() -> None:
    motion = _moved(bent(np.array([20.0, 140.0]), "left_knee"), fps=10)
    between = rig.at_times(motion, np.array([-1.0, 0.0, 0.025, 0.1, 9.0]))
    angles = _angles(between, "LeftLeg")[:, 0]
    np.testing.assert_allclose(angles, [20, 20, 50, 140, 140], atol=1)
    alone = rig.at_times(_moved(STANDING[None]), np.array([0.0, 1.0]))
    assert len(alone) == 2


def test_quaternions_do_not_change_sign() -> None:
    spin = _about([0, 1.0, 0], np.linspace(0, 1000, 90)).as_matrix()
    found = rig.quaternions(spin)
    assert (found[1:] * found[:-1]).sum(-1).min() > 0.9
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1)


def test_names_are_told_once_and_parents_come_first() -> None:
    assert len(set(rig.NAMES)) == len(rig.NAMES)
    assert all(parent < index for index, parent in enumerate(rig.PARENTS))


def test_other_skeletons_are_refused() -> None:
    with pytest.raises(SkeletonMismatchError, match="humaneva15: the rig needs the 17"):
        rig.require_skeleton(skeletons.get("humaneva15"))
