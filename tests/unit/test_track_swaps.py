"""Left and right that a detector exchanged, on people who walk as we say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vp3d_cli import skeletons
from vp3d_cli.track import repair_swaps
from vp3d_cli.types import Float, Track2D

COCO = skeletons.get("coco17")
FPS, HEIGHT = 30, 300.0
LEGS, HIPS = [(13, 14), (15, 16)], [(11, 12)]
ARMS, SHOULDERS = [(7, 8), (9, 10)], [(5, 6)]
# Across (left is positive, seen from the front) and down, in body heights.
_STAND = np.array(
    [(0, 0.08), (0.02, 0.06), (-0.02, 0.06), (0.04, 0.07), (-0.04, 0.07),
     (0.12, 0.2), (-0.12, 0.2), (0.15, 0.35), (-0.15, 0.35), (0.17, 0.48), (-0.17, 0.48),
     (0.08, 0.52), (-0.08, 0.52), (0.09, 0.75), (-0.09, 0.75), (0.09, 0.97), (-0.09, 0.97)]
)  # fmt: skip


def _walker(length: int = 60, facing: float = 0.3, fps: float = FPS, noise: float = 0.004) -> Float:
    """Keypoints (T, 17, 2) of a walk; `facing` 1 to the camera, 0 in profile."""
    at = np.arange(length) / fps
    points = np.repeat(_STAND[None], length, 0)
    points[..., 0] *= facing
    stride = np.sin(2 * np.pi * 0.9 * at)
    for side, joints in ((1, (13, 15, 10, 8)), (-1, (14, 16, 9, 7))):
        for joint, reach in zip(joints, (0.1, 0.2, 0.12, 0.06), strict=True):
            points[:, joint, 0] += side * reach * stride * np.sqrt(1 - facing**2)
    points[..., 0] += 0.5 * at[:, None]
    points += np.random.default_rng(length).normal(0, noise, points.shape)
    return np.asarray(100 + HEIGHT * points, np.float32)


def _track(keypoints: Float, fps: float = FPS) -> Track2D:
    length = len(keypoints)
    scores = np.random.default_rng(1).uniform(0.5, 0.9, (length, 17)).astype(np.float32)
    return Track2D(
        1,
        np.arange(length, dtype=np.int32),
        np.arange(length) / fps,
        np.concatenate([keypoints.min(1), keypoints.max(1)], 1),
        keypoints,
        scores,
        np.ones(length, bool),
        COCO,
    )


def _exchanged(track: Track2D, pairs: list[tuple[int, int]], first: int, end: int) -> Track2D:
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    for left, right in pairs:
        for values in (keypoints, scores):
            values[first:end, [left, right]] = values[first:end, [right, left]]
    return replace(track, keypoints=keypoints, scores=scores)


@pytest.mark.parametrize("pairs", [LEGS, HIPS + LEGS, ARMS, SHOULDERS + ARMS, LEGS + ARMS])
@pytest.mark.parametrize(("first", "end"), [(10, 11), (20, 24), (38, 45)])
def test_what_is_exchanged_for_a_while_is_put_back(
    pairs: list[tuple[int, int]], first: int, end: int
) -> None:
    track = _track(_walker(facing=0.8))
    repaired, count = repair_swaps(_exchanged(track, pairs, first, end))
    assert count == end - first
    np.testing.assert_array_equal(repaired.keypoints, track.keypoints)
    np.testing.assert_array_equal(repaired.scores, track.scores)


@pytest.mark.parametrize("facing", [1.0, 0.7, 0.3, 0.0])
@pytest.mark.parametrize("fps", [15, 30, 60, 120])
def test_sound_people_are_left_as_they_are(facing: float, fps: float) -> None:
    track = _track(_walker(3 * int(fps), facing, fps), fps)
    repaired, count = repair_swaps(track)
    assert count == 0
    assert repaired is track


@pytest.mark.parametrize("turn_s", [0.4, 1.0])
def test_somebody_who_turns_round_is_not_turned_back(turn_s: float) -> None:
    at = np.arange(90) / FPS
    facing = np.cos(np.pi * np.clip((at - 1) / turn_s, 0, 1))
    points = np.repeat(_STAND[None], 90, 0)
    points[..., 0] *= facing[:, None]
    points += np.random.default_rng(3).normal(0, 0.003, points.shape)
    track = _track(np.asarray(100 + HEIGHT * points, np.float32))
    assert repair_swaps(track)[1] == 0


def test_legs_that_pass_in_profile_are_passing() -> None:
    """Halfway between two frames: exchanging them would make both stand still."""
    length = 40
    points = np.repeat(_STAND[None], length, 0) * (0, 1)
    for side, joints in ((1, (13, 15)), (-1, (14, 16))):
        for joint in joints:
            points[:, joint, 0] = side * 0.02 * (np.arange(length) - 19.5)
    track = _track(np.asarray(100 + HEIGHT * points, np.float32))
    assert repair_swaps(track)[1] == 0


def test_a_lasting_change_is_not_touched() -> None:
    track = _track(_walker(120, facing=0.9))
    for first, end in ((40, 120), (0, 50), (30, 80)):
        assert repair_swaps(_exchanged(track, HIPS + LEGS, first, end))[1] == 0


def test_it_does_not_matter_where_and_how_large_somebody_is() -> None:
    spoilt = _exchanged(_track(_walker(facing=0.8)), LEGS, 20, 24)
    moved = replace(
        spoilt, keypoints=3 * spoilt.keypoints + 500, boxes=3 * spoilt.boxes + np.float32(500)
    )
    assert repair_swaps(moved)[1] == repair_swaps(spoilt)[1] == 4


def test_again_changes_nothing() -> None:
    once, _ = repair_swaps(_exchanged(_track(_walker(facing=0.8)), ARMS, 20, 24))
    assert repair_swaps(once)[1] == 0


def test_filled_rows_are_filled_anew() -> None:
    track = _track(_walker(facing=0.8))
    spoilt = _exchanged(track, LEGS, 20, 24)
    gone = np.zeros(60, bool)
    gone[[24, 25]] = True
    between = spoilt.keypoints.copy()
    for row, share in ((24, 1 / 3), (25, 2 / 3)):
        between[row] = (1 - share) * between[23] + share * between[26]
    repaired, count = repair_swaps(replace(spoilt, keypoints=between, observed=~gone))
    assert count == 4
    for row, share in ((24, 1 / 3), (25, 2 / 3)):
        expected = (1 - share) * track.keypoints[23] + share * track.keypoints[26]
        np.testing.assert_allclose(repaired.keypoints[row], expected, atol=1e-2)


def test_missing_and_unsure_joints_are_no_evidence() -> None:
    track = _track(_walker(facing=0.8))
    track.keypoints[:, 15] = np.nan
    track.scores[:, 13:17] *= 0.05
    rng = np.random.default_rng(0)
    track.keypoints[:, 13:15] += rng.normal(0, 60, (60, 2, 2)).astype(np.float32)
    assert repair_swaps(track)[1] == 0


def test_joints_that_come_and_go_hide_no_exchange() -> None:
    """Where nothing is known nothing jumps, although what is missing is stored somewhere."""
    track = _track(_walker(facing=0.8))
    spoilt = _exchanged(track, LEGS, 36, 40)
    spoilt.keypoints[::2, 15] = np.nan
    spoilt.scores[::2, 15] = 0
    repaired, _ = repair_swaps(spoilt)
    np.testing.assert_array_equal(repaired.keypoints[:, 13:15], track.keypoints[:, 13:15])


@pytest.mark.parametrize("length", [1, 2, 4, 5, 7])
def test_short_tracks_are_fine(length: int) -> None:
    track = _track(_walker(length))
    assert repair_swaps(track) == (track, 0)


def test_another_skeleton_is_passed_over() -> None:
    other = replace(COCO, joints=tuple(f"point_{i}" for i in range(17)), edges=())
    track = replace(_exchanged(_track(_walker(facing=0.8)), LEGS, 20, 24), skeleton=other)
    assert repair_swaps(track)[1] == 0


def test_rows_that_are_far_apart_in_time_do_not_tell() -> None:
    track = _exchanged(_track(_walker(facing=0.8)), LEGS, 20, 24)
    assert repair_swaps(replace(track, times_s=track.times_s * 20))[1] == 0
