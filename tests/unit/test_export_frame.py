"""Where exported joints are, and when."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_result, make_video
from vp3d_cli import export
from vp3d_cli.export import _frame
from vp3d_cli.types import Result, World


def in_the_world(result: Result) -> Result:
    """The same, seen from a level camera 1.5 m above the floor."""
    to_world = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]], float)
    return replace(result, world=World(to_world, "a test says so"))


def at_times(result: Result, times_s: np.ndarray) -> Result:
    """The same with one person at other times."""
    return replace(result, tracks2d=(replace(result.tracks2d[0], times_s=times_s),))


def test_the_best_frame_of_reference_that_is_known_of_everybody() -> None:
    placed, unplaced = make_result(with_gaps=False), make_result()
    assert _frame.reference_of(in_the_world(placed)) == "world"
    assert _frame.reference_of(placed) == "camera"
    assert _frame.reference_of(in_the_world(unplaced)) == "root"
    half = replace(placed, tracks3d=(placed.tracks3d[0], unplaced.tracks3d[1]))
    assert _frame.reference_of(in_the_world(half)) == "root"


def test_world_and_camera_agree_on_up_right_and_towards_the_viewer() -> None:
    result = make_result(num_tracks=1, with_gaps=False)
    track = result.tracks3d[0]
    camera = _frame.positions(result, track, "camera")
    world = _frame.positions(in_the_world(result), track, "world")
    lifted = _frame.with_y_up(world, "world") - _frame.with_y_up(camera, "camera")
    np.testing.assert_allclose(lifted, np.broadcast_to([0, 1.5, 0], lifted.shape), atol=1e-6)
    lifted = _frame.with_z_up(world, "world") - _frame.with_z_up(camera, "camera")
    np.testing.assert_allclose(lifted, np.broadcast_to([0, 0, 1.5], lifted.shape), atol=1e-6)


@pytest.mark.parametrize("reference", ["world", "camera", "root"])
@pytest.mark.parametrize("turn", [_frame.with_y_up, _frame.with_z_up])
def test_turning_does_not_mirror(turn, reference: str) -> None:
    assert np.linalg.det(turn(np.eye(3), reference)) == pytest.approx(1)


def test_people_side_by_side_with_missing_rows_where_one_is_not_there() -> None:
    result = make_result(num_tracks=2, length=8, with_gaps=False)  # frames 2 to 9, and 4 to 11
    rows = _frame.side_by_side(result, every_frame=False)
    assert rows.people == (1, 2)
    np.testing.assert_array_equal(rows.frames, np.arange(2, 12))
    np.testing.assert_array_equal(np.isnan(rows.points[:, 0, 0]), rows.frames > 9)
    np.testing.assert_array_equal(np.isnan(rows.points[:, 17, 0]), rows.frames < 4)
    where = result.tracks3d[1].joints[0] + result.tracks3d[1].root[0]
    np.testing.assert_allclose(rows.points[2, 17:], where, atol=1e-6)


def test_frames_with_nobody_between_two_people_are_rows_where_wanted() -> None:
    result = make_result(num_tracks=5, length=1, with_gaps=False)  # frames 2, 4, 6, 8, 10
    assert len(_frame.side_by_side(result, every_frame=False).frames) == 5
    rows = _frame.side_by_side(result, every_frame=True)
    assert len(rows.frames) == _frame.num_frames(result) == 9
    np.testing.assert_allclose(rows.times_s, rows.frames * 1001 / 30000, atol=1e-6)


def test_nobody_is_one_frame_in_which_all_is_missing() -> None:
    rows = _frame.side_by_side(make_result(num_tracks=0), every_frame=True)
    assert rows.points.shape == (1, 17, 3)
    assert np.isnan(rows.points).all()


def test_times_that_do_not_rise_are_made_to() -> None:
    given = np.array([0, 0.1, 0.1, 0.05, 0.2])
    made = _frame.rising(given)
    assert (np.diff(made) > 0).all()
    np.testing.assert_allclose(made, [0, 0.1, 0.1, 0.1, 0.2], atol=1e-5)
    even = np.arange(50) / 30
    np.testing.assert_array_equal(_frame.rising(even), even)


def test_the_rate_is_the_videos_unless_the_times_say_otherwise() -> None:
    result = make_result(num_tracks=1, length=31, video=make_video(fps=30))
    assert _frame.rate(at_times(result, np.arange(31) * 1.0002 / 30)) == 30
    assert _frame.rate(at_times(result, np.arange(31) / 240)) == pytest.approx(240)
    assert _frame.rate(at_times(result, np.zeros(31))) == 30
    assert _frame.rate(make_result(num_tracks=0, video=make_video(fps=24))) == 24


def test_names_are_plain_and_differ() -> None:
    assert _frame.plain_names(["left\tknee", "left knee", "hüfte", ""]) == [
        "left_knee",
        "left_knee.2",
        "h_fte",
        "joint",
    ]


def test_slow_motion_is_as_fast_as_it_was_where_motion_is_measured(tmp_path: Path) -> None:
    result = make_result(1, 40, with_gaps=False, video=make_video(fps=Fraction(30)))
    slow = replace(result, provenance={**result.provenance, "options": {"real_fps": 240.0}})
    assert _frame.slowed(slow) == 8
    assert _frame.in_real_time(result) is result
    export.write(slow, "trc", tmp_path / "a.trc")
    export.write(slow, "bvh", tmp_path / "a.bvh")
    export.write(slow, "csv", tmp_path / "a.csv")
    rates = (tmp_path / "a.trc").read_text().splitlines()[2].split()
    assert float(rates[0]) == pytest.approx(240, rel=1e-3)
    (frame_time,) = re.findall(r"Frame Time: ([\d.]+)", (tmp_path / "a.bvh").read_text())
    assert float(frame_time) == pytest.approx(1 / 240, rel=1e-2)
    last = (tmp_path / "a.csv").read_text().splitlines()[-1].split(",")
    assert float(last[1]) == pytest.approx(result.tracks2d[0].times_s[-1], abs=1e-5)
