"""BVH files, read back by pybvh: joints within a millimetre, Y up, centimetres, the right rate."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pybvh
import pytest
from scipy.spatial.transform import Rotation

from tests.factories import make_result
from tests.rigs import STANDING, bent, bvh_positions, dance, expected, result_of, tilted_world
from tests.walkers import H36M
from vp3d_cli import export, skeletons
from vp3d_cli.datasets.formats import bvh as reader
from vp3d_cli.errors import DataError, SkeletonMismatchError
from vp3d_cli.export import bvh
from vp3d_cli.types import Double, Result

HIP, HEAD = H36M.index("hip"), H36M.index("head")


def _written(result: Result, folder: Path) -> Path:
    path = folder / "pose.bvh"
    bvh.write(result, path)
    return path


def _farthest_mm(path: Path, wanted: Double) -> float:
    return float(1000 * np.linalg.norm(bvh_positions(path) - wanted, axis=-1).max())


def _rows(path: Path) -> Double:
    lines = path.read_text().partition("Frame Time:")[2].splitlines()[1:]
    return np.array([line.split() for line in lines], float)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("wild", [0.3, 1.5])
def test_joints_are_within_a_millimetre(known: bool, wild: float, tmp_path: Path) -> None:
    roots = [np.linspace([-3, 0.2, 3], [3, 0, 8], 50)]
    world = tilted_world() if known else None
    result = result_of([dance(50, wild, 1, turns=1.5)], world=world, roots=roots)
    assert _farthest_mm(_written(result, tmp_path), expected(result)) < 0.01


@pytest.mark.parametrize("known", [True, False])
def test_somebody_who_stands_is_upright_and_faces_the_camera(known: bool, tmp_path: Path) -> None:
    world = tilted_world() if known else None
    result = result_of([np.repeat(STANDING[None], 3, 0)], world=world)
    found = bvh_positions(_written(result, tmp_path))
    up = found[:, HEAD] - found[:, HIP]
    np.testing.assert_allclose(
        up / np.linalg.norm(up, axis=-1, keepdims=True), [[0, 1, 0]] * 3, atol=1e-6
    )
    left = found[0, H36M.index("left_hip")] - found[0, H36M.index("right_hip")]
    np.testing.assert_allclose(left, [0.2, 0, 0], atol=1e-6)
    assert found[0, HIP, 2] < -3  # the camera is at the origin, and looks along -Z


def test_feet_stand_on_the_floor_of_the_world(tmp_path: Path) -> None:
    ankle = STANDING[H36M.index("left_foot"), 1]
    level = tilted_world(degrees=0.0, height=1.5)
    hip = np.array([[0, 1.5 + ankle - 0.08, 4]])
    result = result_of([STANDING[None]], world=level, roots=[hip])
    found = bvh_positions(_written(result, tmp_path))
    assert found[0, H36M.index("left_foot"), 1] == pytest.approx(0.08, abs=1e-5)


def test_the_rest_pose_is_upright_and_faces_ahead(tmp_path: Path) -> None:
    motion = pybvh.read_bvh_file(str(_written(result_of([dance(5)]), tmp_path)))
    assert (motion.rest_up, motion.rest_forward) == ("+y", "+z")


def test_units_rate_and_order(tmp_path: Path) -> None:
    fps = Fraction(30000, 1001)
    path = _written(result_of([dance(30)], fps=fps), tmp_path)
    text = path.read_text()
    assert "Frames: 30\nFrame Time: 0.033366667\n" in text
    thigh = np.linalg.norm(STANDING[5] - STANDING[4])
    assert f"JOINT LeftLeg\n\t\t\t{{\n\t\t\t\tOFFSET 0.000000 {-100 * thigh:.6f} 0.000000" in text
    assert text.count("Zrotation Xrotation Yrotation") == text.count("CHANNELS") == 20
    assert text.count("position") == 3


def test_our_own_reader_finds_every_joint(tmp_path: Path) -> None:
    from vp3d_cli.datasets.choice import Choice

    result = result_of([dance(20)], world=tilted_world())
    (sequence,) = reader.read((_written(result, tmp_path),), Choice())
    np.testing.assert_allclose(sequence.joints, result.world.of(result.tracks3d[0]), atol=1e-4)


def test_gaps_are_filled_by_turning_evenly(tmp_path: Path) -> None:
    bend = np.linspace(0, 95, 20)
    result = result_of([bent(bend, "left_knee")], world=tilted_world())
    whole = expected(result)
    result.tracks3d[0].joints[7:12] = np.nan
    found = bvh_positions(_written(result, tmp_path))
    np.testing.assert_allclose(found, whole, atol=5e-4)


def test_before_the_first_and_after_the_last_pose_it_stands_still(tmp_path: Path) -> None:
    result = result_of([dance(20)])
    whole = expected(result)
    result.tracks3d[0].joints[:4] = np.nan
    result.tracks3d[0].joints[-3:, 2] = np.nan
    found = bvh_positions(_written(result, tmp_path))
    assert len(found) == 20
    np.testing.assert_allclose(found[4:17], whole[4:17], atol=1e-5)
    np.testing.assert_allclose(found[:4], whole[[4] * 4], atol=1e-5)
    np.testing.assert_allclose(found[17:], whole[[16] * 3], atol=1e-5)


def test_a_place_that_is_lost_for_a_while_is_filled_in(tmp_path: Path) -> None:
    roots = [np.linspace([-1.0, 0, 4], [1, 0, 4], 21)]
    result = result_of([dance(21)], roots=roots)
    whole = expected(result)
    result.tracks3d[0].root[5:9] = np.nan
    assert _farthest_mm(_written(result, tmp_path), whole) < 0.01


@pytest.mark.parametrize("known", [True, False])
def test_somebody_whose_place_is_not_known_stands_on_the_spot(known: bool, tmp_path: Path) -> None:
    world = tilted_world() if known else None
    result = result_of([np.repeat(STANDING[None], 4, 0)], world=world, roots=[None])
    found = bvh_positions(_written(result, tmp_path))
    np.testing.assert_allclose(found[:, HIP, [0, 2]], 0, atol=1e-6)
    np.testing.assert_allclose(found[:, H36M.index("left_foot"), 1], 0.08, atol=0.03)
    np.testing.assert_allclose(found - found[:, :1], expected_bones(result), atol=1e-5)


def expected_bones(result: Result) -> Double:
    """Relative to the hip."""
    there = replace(result.tracks3d[0], root=np.zeros((len(result.tracks3d[0]), 3), np.float32))
    found = expected(replace(result, tracks3d=(there,)))
    return found - found[:, :1]


def test_uneven_times_become_even(tmp_path: Path) -> None:
    """Every third frame late by half a frame: 59 rows, and joints where they are in between."""
    even = np.arange(60) / 30
    late = even + np.where(np.arange(60) % 3 == 1, 0.5 / 30, 0)
    roots = [np.stack([late, 0 * late, 4 + 0 * late], 1)]
    result = result_of([np.repeat(STANDING[None], 60, 0)], roots=roots, times_s=late)
    path = _written(result, tmp_path)
    found = bvh_positions(path)
    assert "Frame Time: 0.033333333" in path.read_text()
    assert len(found) == 60
    np.testing.assert_allclose(found[:, HIP, 0], even, atol=1e-4)


def test_clocks_of_milliseconds_are_even(tmp_path: Path) -> None:
    times = np.round(np.arange(40) / 29.97, 3)
    result = result_of([dance(40)], fps=Fraction(2997, 100), times_s=times)
    assert _farthest_mm(_written(result, tmp_path), expected(result)) < 0.01


def test_a_clock_that_contradicts_the_rate_is_believed(tmp_path: Path) -> None:
    times = np.arange(40) / 15
    result = result_of([dance(40)], fps=Fraction(30), times_s=times)
    path = _written(result, tmp_path)
    assert "Frames: 40\nFrame Time: 0.066666667" in path.read_text()
    assert _farthest_mm(path, expected(result)) < 0.01


@pytest.mark.parametrize("times", [np.zeros(5), np.array([0, 0.1, 0.05, 0.2, 50.0])])
def test_broken_clocks_give_files_that_open(times: Double, tmp_path: Path) -> None:
    path = _written(result_of([dance(5)], times_s=times), tmp_path)
    assert 1 <= len(bvh_positions(path)) < 10


def test_a_rate_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    quick = result_of([dance(1)], fps=Fraction(10**11))
    slow = result_of([dance(5)], times_s=np.array([0, 0.1, 0.2, 0.3, 1e6]))
    for result in (quick, slow):
        with pytest.raises(DataError, match=r"cannot be played at (1e\+11|4e-06) frames"):
            _written(result, tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_frame(tmp_path: Path) -> None:
    result = result_of([dance(1)])
    assert _farthest_mm(_written(result, tmp_path), expected(result)) < 0.01


def test_angles_do_not_jump_when_somebody_spins(tmp_path: Path) -> None:
    rows = _rows(_written(result_of([dance(200, 0.1, turns=5)]), tmp_path))
    assert np.abs(np.diff(rows, axis=0)).max() < 360 * 5 / 199 + 2
    assert np.ptp(rows[:, 5]) == pytest.approx(1800, abs=10)  # root: X Y Z, then Z X Y


def test_knees_and_elbows_pass_a_right_angle_without_a_jump(tmp_path: Path) -> None:
    """A quarter turn about X is where these angles are not unique."""
    bend = np.linspace(5, 150, 146)
    for joint in ("left_knee", "right_elbow"):
        rows = _rows(_written(result_of([bent(bend, joint)]), tmp_path))
        assert np.abs(np.diff(rows, axis=0)).max() < 3, joint


@pytest.mark.parametrize("quarter", [90.0, -90.0])
def test_angles_mean_the_same_rotation_at_a_right_angle_too(quarter: float) -> None:
    rng = np.random.default_rng(0)
    wanted = rng.uniform(-180, 180, (50, 3))
    wanted[10:20, 1] = quarter
    turns = Rotation.from_euler("ZXY", wanted, degrees=True)
    found = bvh.angles_zxy(turns.as_quat())
    back = Rotation.from_euler("ZXY", found, degrees=True)
    assert np.degrees((turns.inv() * back).magnitude()).max() < 1e-3


def test_somebody_upside_down(tmp_path: Path) -> None:
    over = Rotation.from_rotvec(np.linspace(0, 3 * np.pi, 90)[:, None] * np.array([[1.0, 0, 0]]))
    joints = np.einsum("tij,tkj->tki", over.as_matrix(), dance(90, 0.2))
    result = result_of([joints], world=tilted_world())
    path = _written(result, tmp_path)
    assert _farthest_mm(path, expected(result)) < 0.01


def test_uneven_bones_become_even(tmp_path: Path) -> None:
    result = result_of([dance(40)])
    joints = result.tracks3d[0].joints
    joints += np.random.default_rng(0).normal(0, 0.01, joints.shape).astype(np.float32)
    found = bvh_positions(_written(result, tmp_path))
    for a, b in H36M.edge_indices:
        assert np.ptp(np.linalg.norm(found[:, b] - found[:, a], axis=-1)) < 1e-4
    assert np.linalg.norm(found - expected(result), axis=-1).max() < 0.08


def test_nobody_is_an_error_and_no_file(tmp_path: Path) -> None:
    unseen = result_of([dance(4)])
    unseen.tracks3d[0].joints[:] = np.nan
    for result in (make_result(num_tracks=0), unseen):
        with pytest.raises(DataError, match="no joints are known of anybody"):
            _written(result, tmp_path)
    assert not list(tmp_path.iterdir())


def test_several_people_are_for_the_caller_to_part(tmp_path: Path) -> None:
    assert bvh.ONE_PERSON
    with pytest.raises(ValueError, match="one person a file, got 2"):
        _written(result_of([dance(4), dance(4)]), tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_skeletons_are_refused(tmp_path: Path) -> None:
    other = make_result(num_tracks=1, skeleton_3d=skeletons.get("humaneva15"))
    with pytest.raises(SkeletonMismatchError, match="17 of Human3"):
        _written(other, tmp_path)
    assert not list(tmp_path.iterdir())


def test_faithful_joints_with_a_root_of_their_own(tmp_path: Path) -> None:
    """There the root joint is as predicted, not zero, and the bones are not even."""
    result = result_of([dance(10)])
    result.tracks3d[0].joints[:] += np.float32(0.05)
    assert _farthest_mm(_written(result, tmp_path), expected(result)) < 0.01


def test_equal_bytes_twice(tmp_path: Path) -> None:
    first = _written(result_of([dance(10)]), tmp_path).read_bytes()
    assert first == _written(result_of([dance(10)]), tmp_path).read_bytes()
    assert b"-0.000000 " not in first


def test_of_several_people_those_that_are_known_get_a_file(tmp_path: Path) -> None:
    result = make_result(2, 20, with_gaps=False)
    lost = replace(result.tracks3d[0], joints=np.full_like(result.tracks3d[0].joints, np.nan))
    result = replace(result, tracks3d=(lost, result.tracks3d[1]))
    assert export.write(result, "bvh", tmp_path / "a.bvh") == [tmp_path / "a.person2.bvh"]
    nobody = replace(result.tracks3d[1], joints=lost.joints)
    with pytest.raises(DataError):
        export.write(replace(result, tracks3d=(lost, nobody)), "bvh", tmp_path / "b.bvh")
