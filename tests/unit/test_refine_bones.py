"""Bones of one length: found, kept, and moved no more than they must be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.walkers import FIGURE
from vp3d_cli import skeletons
from vp3d_cli.refine import bones
from vp3d_cli.types import Double, Float, Real, Skeleton, Track3D

H36M = skeletons.get("h36m17")
ENDS = np.array(H36M.edge_indices)
ROOT = H36M.index("hip")
STICK = Skeleton("stick", ("base", "mid", "tip"), (("base", "mid"), ("mid", "tip")), "base")


def _measured(joints: Real) -> Double:
    """(T, E)."""
    ends = joints[:, ENDS[:, 1]].astype(np.float64) - joints[:, ENDS[:, 0]]
    return np.asarray(np.linalg.norm(ends, axis=-1))


def _people(length: int = 20, noise: float = 0.03, seed: int = 0) -> Float:
    """The figure of the tests in poses of its own, each joint off by some centimetres."""
    rng = np.random.default_rng(seed)
    still = FIGURE[:17].astype(np.float64)
    out = np.zeros((length, 17, 3))
    for parent, child in H36M.edge_indices:
        bone = still[child] - still[parent] + rng.normal(0, 0.1, (length, 3))
        size = np.linalg.norm(still[child] - still[parent])
        out[:, child] = out[:, parent] + bone / np.linalg.norm(bone, axis=-1, keepdims=True) * size
    out += rng.normal(0, noise, out.shape)
    return (out - out[:, ROOT : ROOT + 1]).astype(np.float32)


def _sure(joints: Float) -> Float:
    return np.ones(joints.shape[:2], np.float32)


def _right() -> Double:
    return _measured(FIGURE[None, :17])[0]


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_fitted_joints_have_the_lengths(noise: float, seed: int) -> None:
    joints = _people(noise=noise, seed=seed) + np.float32([0.3, 0.1, 4])
    before = joints.copy()
    got = bones.fitted(joints, _right(), H36M)
    assert got.dtype == np.float32
    assert np.abs(_measured(got) - _right()).max() < 2e-6
    np.testing.assert_allclose(got[:, ROOT], joints[:, ROOT], atol=1e-6)
    np.testing.assert_array_equal(joints, before)


def test_right_joints_stay_and_twice_is_once() -> None:
    joints = _people(noise=0)
    np.testing.assert_allclose(bones.fitted(joints, _right(), H36M), joints, atol=1e-5)
    once = bones.fitted(_people(), _right(), H36M)
    np.testing.assert_allclose(bones.fitted(once, _right(), H36M), once, atol=1e-5)


def test_fitting_knows_no_direction() -> None:
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    joints = _people()
    turned = bones.fitted((joints @ turn).astype(np.float32), _right(), H36M)
    np.testing.assert_allclose(turned, bones.fitted(joints, _right(), H36M) @ turn, atol=1e-5)
    larger = bones.fitted(1.7 * joints, 1.7 * _right(), H36M)
    np.testing.assert_allclose(larger, 1.7 * bones.fitted(joints, _right(), H36M), atol=1e-5)


def test_joints_move_less_than_if_they_were_rebuilt_from_the_root() -> None:
    joints = _people(length=200)
    rebuilt = joints.copy()
    for (parent, child), length in zip(H36M.edge_indices, _right(), strict=True):
        bone = rebuilt[:, child] - rebuilt[:, parent]
        size = np.linalg.norm(bone, axis=-1, keepdims=True)
        rebuilt[:, child] = rebuilt[:, parent] + bone * (length / size)

    def moved(to: Float) -> float:
        """As a body: where its root is does not count."""
        off = to - joints
        return float(np.square(off - off.mean(1, keepdims=True)).sum(-1).mean())

    assert moved(bones.fitted(joints, _right(), H36M)) < 0.7 * moved(rebuilt)


def test_a_bone_of_unknown_length_is_left_to_itself() -> None:
    joints = _people(noise=0)
    wanted = _right() * 1.2
    wanted[[2, 9]] = np.nan  # right shin and head: at the ends
    got = bones.fitted(joints, wanted, H36M)
    known = np.isfinite(wanted)
    assert np.abs(_measured(got)[:, known] - wanted[known]).max() < 1e-4
    assert np.isfinite(got).all()
    nothing = bones.fitted(joints, np.full(len(wanted), np.nan), H36M)
    np.testing.assert_allclose(nothing, joints, atol=1e-6)


def test_missing_joints_stay_missing_alone() -> None:
    joints = _people()
    whole = bones.fitted(joints, _right(), H36M)
    wrist, elbow = H36M.index("left_wrist"), H36M.index("left_elbow")
    joints[3, wrist] = np.nan
    joints[7, elbow, 1] = np.nan
    got = bones.fitted(joints, _right(), H36M)
    others = np.delete(np.arange(len(joints)), [3, 7])
    np.testing.assert_array_equal(got[others], whole[others])
    missing = np.zeros(got.shape[:2], bool)
    missing[3, wrist] = missing[7, elbow] = True
    np.testing.assert_array_equal(np.isnan(got).any(-1), missing)
    off = np.abs(_measured(got) - _right())
    assert np.nanmax(off) < 1e-4


def test_joints_in_one_place_do_no_harm() -> None:
    joints = np.zeros((2, 17, 3), np.float32)
    assert np.isfinite(bones.fitted(joints, _right(), H36M)).all()
    assert bones.fitted(joints[:0], _right(), H36M).shape == (0, 17, 3)


def test_lengths_are_the_middle_of_what_was_seen_left_and_right_as_one() -> None:
    joints = _people(length=400, noise=0.01)
    found = bones.lengths(joints, _sure(joints), H36M)
    np.testing.assert_allclose(found, _right(), atol=0.003)
    names = {edge: i for i, edge in enumerate(H36M.edges)}
    pairs = 0
    for (a, b), i in names.items():
        other = tuple(joint.replace("left_", "right_") for joint in (a, b))
        pairs += other != (a, b)
        assert found[names[other]] == found[i]  # type: ignore[index]
    assert pairs == 6
    # One leg is measured longer: both get a length in between.
    joints[:, H36M.index("left_foot")] += [0, 0.2, 0]
    longer = bones.lengths(joints, _sure(joints), H36M)
    assert _right()[2] < longer[2] == longer[5] < _right()[2] + 0.2


def test_wild_frames_and_untrusted_joints_do_not_decide() -> None:
    joints = _people(length=50, noise=0)
    joints[:20] *= 3
    np.testing.assert_allclose(bones.lengths(joints, _sure(joints), H36M), _right(), rtol=1e-3)
    joints[20:35] *= 3
    weights = _sure(joints)
    weights[:35] = 0.1
    np.testing.assert_allclose(bones.lengths(joints, weights, H36M), _right(), rtol=1e-3)
    weights[:] = 0  # nobody is sure of anything: all count alike
    np.testing.assert_allclose(bones.lengths(joints, weights, H36M), 3 * _right(), rtol=1e-3)
    weights[:] = np.nan
    np.testing.assert_allclose(bones.lengths(joints, weights, H36M), 3 * _right(), rtol=1e-3)


def test_a_bone_is_as_sure_as_its_less_sure_end() -> None:
    joints = np.zeros((3, 3, 3), np.float32)
    joints[:, 1, 0] = [1, 5, 5]
    joints[:, 2, 0] = joints[:, 1, 0] + 2
    weights = np.ones((3, 3), np.float32)
    weights[1:, 0] = 0.2
    np.testing.assert_allclose(bones.lengths(joints, weights, STICK), [1, 2])


def test_bones_never_seen_have_no_length() -> None:
    joints = _people()
    joints[:, H36M.index("head")] = np.nan
    joints[::2, H36M.index("neck")] = np.nan
    found = bones.lengths(joints, _sure(joints), H36M)
    assert [H36M.edges[e] for e in np.flatnonzero(np.isnan(found))] == [("neck", "head")]
    assert np.isnan(bones.lengths(joints[:0], _sure(joints[:0]), H36M)).all()


def _track(joints: Float, skeleton: Skeleton = H36M) -> Track3D:
    length = len(joints)
    return Track3D(
        1,
        np.arange(length, dtype=np.int32),
        joints,
        np.ones(joints.shape[:2], np.float32),
        skeleton,
        np.zeros((length, 3), np.float32),
    )


def test_stature_is_from_the_sole_to_the_crown_whatever_the_pose() -> None:
    # Shin, thigh, trunk, neck, head: 0.44 + 0.43 + 0.23 + 0.24 + 0.1 + 0.12, and the ankle.
    assert bones.stature(_track(_people(noise=0))) == pytest.approx(1.64, abs=0.005)
    assert bones.stature(_track(1.1 * _people(noise=0))) == pytest.approx(1.80, abs=0.005)


def test_stature_is_unknown_without_its_bones() -> None:
    assert np.isnan(bones.stature(_track(np.zeros((4, 3, 3), np.float32), STICK)))
    joints = _people()
    joints[:, H36M.index("spine")] = np.nan
    assert np.isnan(bones.stature(_track(joints)))
    half = _people(noise=0)
    half[:, H36M.index("left_foot")] = np.nan  # the right one says how long the shin is
    assert bones.stature(_track(half)) == pytest.approx(1.64, abs=0.005)


def test_variation_is_the_share_by_which_bones_change() -> None:
    joints = np.zeros((4, 3, 3))
    joints[:, 1, 0] = [0.9, 1.1, 0.9, 1.1]
    joints[:, 2, 0] = joints[:, 1, 0] + 1
    assert bones.variation(joints, STICK) == pytest.approx(0.05)
    assert bones.variation(7 * joints, STICK) == pytest.approx(0.05)
    joints[1] = np.nan  # 0.9, 0.9, 1.1 are left
    assert bones.variation(joints, STICK) == pytest.approx(0.0488, abs=1e-4)
    assert np.isnan(bones.variation(joints[:0], STICK))
    assert np.isnan(bones.variation(np.full((2, 3, 3), np.nan), STICK))
    fitted = bones.fitted(_people(), _right(), H36M)
    assert bones.variation(fitted, H36M) < 1e-5


def test_what_is_trusted_less_changes_a_stature_less() -> None:
    joints = np.concatenate([_people(length=10, noise=0), 2 * _people(length=11, noise=0)])
    track = _track(joints)
    track.confidence[10:] = 0.05
    assert bones.stature(track) == pytest.approx(1.64, abs=0.005)
    sure = dataclasses.replace(track, confidence=np.ones_like(track.confidence))
    assert bones.stature(sure) == pytest.approx(2 * 1.56 + 0.08, abs=0.01)
