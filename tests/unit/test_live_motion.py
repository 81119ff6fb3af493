"""Keypoints that come as they come, and the joints that are made of them."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vp3d_cli.errors import SkeletonMismatchError
from vp3d_cli.lift.checkpoint import Checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.live.motion import Beat, Motion, Moving
from vp3d_cli.live.people import Sighted
from vp3d_cli.refine import reprojection
from vp3d_cli.skeletons import get
from vp3d_cli.types import Camera, Float, Track2D, VideoInfo

COCO = get("coco17")
VIDEO = VideoInfo(Path("live"), 1280, 720, Fraction(30))
CAMERA = Camera(1100.0, "test")
CAUSAL = LifterConfig((3, 3, 3), 16, 3, normalisation="person", causal=True, fps_range=(22, 62))
SYMMETRIC = dataclasses.replace(CAUSAL, causal=False)


def seeded(config: LifterConfig) -> Lifter:
    torch.manual_seed(0)
    return Lifter(Checkpoint(config, TemporalModel(config, 17, 17).state_dict()), "seeded", "00")


def walking(length: int) -> tuple[Float, Float]:
    """Keypoints (T, 17, 2) that move evenly, each its own way, and scores."""
    rng = np.random.default_rng(0)
    start = rng.uniform((500, 200), (700, 600), (17, 2))
    speed = rng.normal((2, 0), 1.0, (17, 2))
    keypoints = start + np.arange(length)[:, None, None] * speed
    return keypoints.astype(np.float32), np.full((length, 17), 0.7, np.float32)


def watched(motion: Motion, keypoints: Float, scores: Float, frames: range) -> dict[int, Moving]:
    """What comes of those frames of one person."""
    seen = {}
    for i in frames:
        box = np.concatenate([keypoints[i].min(0), keypoints[i].max(0)])
        person = Sighted(1, box, keypoints[i], scores[i])
        (seen[i],) = motion.step([person], i / 30)
    return seen


def lifted(lifter: Lifter, keypoints: Float, scores: Float, video: VideoInfo = VIDEO) -> Float:
    """The same as a whole."""
    length = len(keypoints)
    frames, boxes = np.arange(length, dtype=np.int32), np.zeros((length, 4), np.float32)
    seen = np.ones(length, bool)
    track = Track2D(1, frames, frames / 30, boxes, keypoints, scores, seen, COCO)
    return lifter.lift([track], video, CAMERA)[0].joints


@given(st.lists(st.floats(0.001, 0.3), min_size=1, max_size=100), st.floats(20, 65))
def test_there_are_as_many_beats_as_time_has_passed(steps: list[float], rate_hz: float) -> None:
    beat, time_s, count = Beat(rate_hz), 5.0, 0
    assert beat.beats(time_s) is None
    for step in steps:
        time_s += step
        beats = beat.beats(time_s)
        assert beats is not None
        count += beats
        assert abs(count - (time_s - 5.0) * rate_hz) <= 0.5 + 1e-6


def test_frames_a_little_out_of_step_are_a_beat_each() -> None:
    late = np.random.default_rng(0).uniform(0, 0.4 / 30, 300)
    beat = Beat(30.0)
    beats = [beat.beats(i / 30 + late[i]) for i in range(300)]
    assert beats[1:] == [1] * 299


@pytest.mark.parametrize("time_s", [7.0, 4.9])
def test_after_a_long_gap_and_a_step_back_it_begins_again(time_s: float) -> None:
    beat = Beat(30.0)
    beat.beats(5.0)
    assert beat.beats(time_s) is None
    assert beat.beats(time_s + 1 / 30) == 1


@pytest.mark.parametrize("config", [CAUSAL, SYMMETRIC])
def test_joints_equal_those_of_the_whole(config: LifterConfig) -> None:
    lifter, (keypoints, scores) = seeded(config), walking(60)
    keypoints += np.random.default_rng(1).normal(0, 3, keypoints.shape).astype(np.float32)
    motion = Motion(lifter, COCO, VIDEO, CAMERA, smooth=False)
    seen = watched(motion, keypoints, scores, range(60))
    whole = lifted(lifter, keypoints, scores)
    delay = round(motion.delay_s * motion.rate_hz)
    assert (delay == 0) == config.causal
    assert all(seen[i].joints is None for i in range(delay))
    for i in range(delay, 60):
        np.testing.assert_allclose(seen[i].joints, whole[i - delay], atol=1e-4)
        np.testing.assert_array_equal(seen[i].sighted.keypoints, keypoints[i])


@pytest.mark.parametrize("every", [2, 3, 5])
@pytest.mark.parametrize("config", [CAUSAL, SYMMETRIC])
def test_dropped_frames_change_nothing_about_even_motion(config: LifterConfig, every: int) -> None:
    """The lifter sees how fast people really are."""
    lifter, (keypoints, scores) = seeded(config), walking(121)
    motion = Motion(lifter, COCO, VIDEO, CAMERA, smooth=False)
    seen = watched(motion, keypoints, scores, range(0, 121, every))
    whole = lifted(lifter, keypoints, scores)
    delay = round(motion.delay_s * motion.rate_hz)
    for i in range(60, 121, every):
        np.testing.assert_allclose(seen[i].joints, whole[i - delay], atol=1e-3)


@pytest.mark.parametrize(
    ("fps", "rate_hz"), [(30, 30), (24, 24), (15, 30), (10, 30), (60, 60), (120, 60), (5, 25)]
)
def test_the_lifter_sees_a_rate_that_it_knows(fps: int, rate_hz: float) -> None:
    video = dataclasses.replace(VIDEO, fps=Fraction(fps))
    assert Motion(seeded(CAUSAL), COCO, video, CAMERA).rate_hz == rate_hz


def test_between_the_beats_the_last_joints_hold() -> None:
    lifter, (keypoints, scores) = seeded(CAUSAL), walking(20)
    video = dataclasses.replace(VIDEO, fps=Fraction(120))
    motion = Motion(lifter, COCO, video, CAMERA, smooth=False)
    seen = []
    for i in range(20):
        person = Sighted(1, np.zeros(4, np.float32), keypoints[i], scores[i])
        seen.append(motion.step([person], i / 120)[0].joints)
    known = [joints for joints in seen if joints is not None]
    assert len(known) == 20
    assert len({joints.tobytes() for joints in known}) == 10


def test_after_a_gap_nothing_of_the_past_is_left() -> None:
    lifter, (keypoints, scores) = seeded(CAUSAL), walking(30)
    motion = Motion(lifter, COCO, VIDEO, CAMERA)
    watched(motion, keypoints, scores, range(10))
    person = Sighted(1, np.array([0, 0, 200, 400], np.float32), keypoints[29] + 300, scores[29])
    (again,) = motion.step([person], 60.0)
    (fresh,) = Motion(lifter, COCO, VIDEO, CAMERA).step([person], 0.0)
    np.testing.assert_allclose(again.joints, fresh.joints, atol=1e-6)
    np.testing.assert_array_equal(again.sighted.keypoints, person.keypoints)


def test_everybody_has_a_past_of_their_own() -> None:
    lifter, (keypoints, scores) = seeded(CAUSAL), walking(30)
    box = np.array([0, 0, 200, 400], np.float32)
    both, alone = (Motion(lifter, COCO, VIDEO, CAMERA) for _ in range(2))
    for i in range(30):
        one = Sighted(1, box, keypoints[i], scores[i])
        other = Sighted(2, box, keypoints[i] + 200, scores[i])
        together = both.step([one] if i < 10 else [other, one], i / 30)
        (single,) = alone.step([one], i / 30)
    np.testing.assert_allclose(together[1].joints, single.joints, atol=1e-6)
    np.testing.assert_allclose(together[1].root, single.root, atol=1e-6)


def test_smoothing_calms_who_stands_still_and_lags_little_behind_who_moves() -> None:
    lifter = load_lifter("bundled-causal")
    keypoints, scores = walking(90)
    still = np.repeat(keypoints[:1], 90, 0)
    noise = np.random.default_rng(0).normal(0, 3, keypoints.shape).astype(np.float32)
    calm = watched(Motion(lifter, COCO, VIDEO, CAMERA), still + noise, scores, range(90))
    found = np.stack([calm[i].sighted.keypoints for i in range(30, 90)])
    assert found.std(0).mean() < 0.8 * 3
    fast = still + 20 * np.arange(90, dtype=np.float32)[:, None, None]  # 600 px/s
    moved = watched(Motion(lifter, COCO, VIDEO, CAMERA), fast, scores, range(90))
    behind = fast[89] - moved[89].sighted.keypoints
    assert behind.mean() / 600 < 0.03  # seconds


@pytest.mark.parametrize("smooth", [False, True])
def test_the_root_is_where_the_picture_has_it(smooth: bool) -> None:
    lifter, (keypoints, scores) = load_lifter("bundled-causal"), walking(40)
    motion = Motion(lifter, COCO, VIDEO, CAMERA, smooth=smooth)
    last = watched(motion, keypoints, scores, range(40))[39]
    assert last.joints is not None
    assert last.root is not None
    placed = last.joints[reprojection.JOINTS] + last.root
    seen = placed[:, :2] / placed[:, 2:] * CAMERA.focal_px + (640, 360)
    body = keypoints[39, reprojection.FIRST_KEYPOINT :]
    assert np.linalg.norm(seen.mean(0) - body.mean(0)) < 0.1 * np.ptp(body, 0).max()


def test_keypoints_that_the_lifter_does_not_take_are_refused() -> None:
    with pytest.raises(SkeletonMismatchError, match="takes coco17"):
        Motion(seeded(CAUSAL), get("h36m17"), VIDEO, CAMERA)
