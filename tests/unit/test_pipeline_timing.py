"""The rates that a lifter sees: chosen, resampled to, and put back."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest

from tests.factories import make_track2d
from tests.walkers import film, walk
from vp3d_cli.pipeline import timing
from vp3d_cli.types import Double, Float, Track2D, Track3D, VideoInfo

TRAINED = (20.0, 61.0)


def _video(fps: Fraction | float) -> VideoInfo:
    rate = Fraction(fps).limit_denominator(1001)
    return dataclasses.replace(film(walk(seconds=0.1)).video, fps=rate)


def _timed(times_s: Double) -> Track2D:
    track = make_track2d(length=len(times_s))
    return dataclasses.replace(track, times_s=np.asarray(times_s, np.float64))


def _rate(fps: Fraction | float, trained: tuple[float, float] | None = TRAINED) -> Fraction | None:
    video = _video(fps)
    even = _timed(np.arange(30) / float(video.fps))
    return timing.rate_for([even], video, trained)


@pytest.mark.parametrize("fps", [20, 24, 25, 30, Fraction(30000, 1001), 50, 60, 61])
def test_frames_in_range_will_do(fps: Fraction | float) -> None:
    assert _rate(fps) is None


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (120, 60), (240, 60), (100, 50), (90, 45), (62, 31), (960, 60), (15, 30), (10, 20),
        (12.5, 25), (1, 20), (19, 38), (Fraction(120000, 1001), Fraction(60000, 1001)),
        (Fraction(15000, 1001), Fraction(30000, 1001)),
    ],
)  # fmt: skip
def test_others_are_brought_into_it_by_whole_multiples(
    fps: Fraction | float, rate: Fraction | float
) -> None:
    assert _rate(fps) == rate


def test_a_narrow_range_is_met_all_the_same() -> None:
    for fps in (24, 33, 45, 70, 120, 240, 7):
        rate = _rate(fps, (50.0, 51.0)) or Fraction(fps)
        assert 50 <= rate <= 51
    assert _rate(100, (50.0, 50.0)) == 50
    assert _rate(50, (50.0, 50.0)) is None


def test_any_rate_will_do_for_a_lifter_that_does_not_say() -> None:
    assert all(_rate(fps, None) is None for fps in (1, 30, 1000))


def test_uneven_times_are_evened_out() -> None:
    rng = np.random.default_rng(0)
    even = np.arange(60) / 30
    jittered = even + rng.uniform(-0.002, 0.002, 60)
    dropped = np.delete(np.arange(70), [10, 20, 21, 40, 50]) / 30
    assert timing.rate_for([_timed(jittered)], _video(30), TRAINED) is None
    assert timing.rate_for([_timed(dropped)], _video(30), TRAINED) == 30
    assert timing.rate_for([_timed(even), _timed(dropped)], _video(30), TRAINED) == 30
    assert timing.rate_for([_timed(dropped)], _video(30), None) == 30
    one_late = np.arange(200) / 30
    one_late[77] += 0.02
    assert timing.rate_for([_timed(one_late)], _video(30), TRAINED) is None
    assert timing.rate_for([], _video(30), TRAINED) is None
    assert timing.rate_for([_timed(np.zeros(1)), _timed(np.zeros(2))], _video(30), TRAINED) is None


def test_slow_motion_is_sped_up() -> None:
    track, video = _timed(np.arange(30) / 30), _video(30)
    (fast,), real = timing.in_real_time([track], video, 240)
    np.testing.assert_allclose(fast.times_s, track.times_s / 8)
    assert real.fps == 240
    np.testing.assert_array_equal(fast.keypoints, track.keypoints)
    (same,), as_shown = timing.in_real_time([track], video, None)
    assert same is track
    assert as_shown is video
    (_,), ntsc = timing.in_real_time([track], video, 119.88)
    assert float(ntsc.fps) == pytest.approx(119.88, abs=1e-3)
    (slow,), _ = timing.in_real_time([track], video, 5)
    assert slow.times_s[-1] == pytest.approx(6 * track.times_s[-1])


def _round_trip(fps: float, rate: Fraction) -> tuple[Track3D, Track3D, Track2D]:
    """What is true, what comes back, and what the lifter saw, if it saw it right."""
    shot = film(walk(fps=fps))
    seen = timing.resampled(shot.track, rate)
    ideal = film(walk(fps=float(rate))).person
    extra = len(seen) - len(ideal)
    assert abs(extra) <= 1 + float(rate) / fps
    count = min(len(seen), len(ideal))
    lifted = dataclasses.replace(ideal.rows(slice(count)), track_id=shot.track.track_id)
    seen = seen.rows(slice(count))
    inside = shot.track.times_s <= seen.times_s[-1]
    back = timing.put_back(lifted, seen, shot.track)
    assert len(back) == len(shot.track)
    return shot.person.rows(inside), back.rows(inside), seen


@pytest.mark.parametrize("fps", [30, 25, 15, 10, 120])
@pytest.mark.parametrize("rate", [30, 50, 60])
def test_there_and_back_again(fps: float, rate: int) -> None:
    """Smooth motion comes back to a millimetre or two, at any pair of rates."""
    true, back, _ = _round_trip(fps, Fraction(rate))
    # A foot that touches down changes its speed at once; the rest of a walk is smooth.
    feet = [true.skeleton.index(f"{side}_{part}") for side in ("left", "right")
            for part in ("foot", "knee")]  # fmt: skip
    others = np.delete(np.arange(17), feet)
    assert np.abs(back.joints[:, others] - true.joints[:, others]).max() < 0.002
    assert np.abs(back.joints - true.joints).max() < 0.01
    assert np.abs(back.root - true.root).max() < 0.002
    np.testing.assert_array_equal(back.frames, true.frames)
    np.testing.assert_array_equal(back.raw, back.joints)
    np.testing.assert_allclose(back.confidence, 0.9, atol=1e-6)
    np.testing.assert_allclose(back.spread, 0.03, atol=1e-6)


@pytest.mark.parametrize(("fps", "rate"), [(120, 60), (240, 60), (15, 30), (10, 60), (25, 25)])
def test_whole_multiples_keep_the_frames_that_there_are(fps: int, rate: int) -> None:
    track = make_track2d(length=49)
    track = dataclasses.replace(track, times_s=7 + np.arange(49) / fps)
    seen = timing.resampled(track, Fraction(rate))
    there, here = np.arange(0, 49, max(1, fps // rate)), slice(None, None, max(1, rate // fps))
    np.testing.assert_allclose(seen.times_s[here], track.times_s[there], atol=1e-9)
    np.testing.assert_allclose(seen.keypoints[here], track.keypoints[there], atol=1e-3)
    np.testing.assert_allclose(seen.scores[here], track.scores[there], atol=1e-5)
    np.testing.assert_allclose(seen.boxes[here], track.boxes[there], atol=1e-3)
    assert seen.observed.all()
    np.testing.assert_allclose(np.diff(seen.times_s), 1 / rate)
    assert seen.skeleton == track.skeleton
    assert seen.track_id == track.track_id


def test_what_was_filled_in_and_at_risk_stays_so() -> None:
    track = dataclasses.replace(
        make_track2d(length=40, filled=range(10, 20)), times_s=np.arange(40) / 10
    )
    track.at_risk[30] = True
    seen = timing.resampled(track, Fraction(30))
    assert not seen.observed[(seen.times_s > 0.96) & (seen.times_s < 1.94)].any()
    assert seen.observed[(seen.times_s < 0.9) | (seen.times_s > 2.0)].all()
    assert seen.at_risk[90]
    assert not seen.at_risk[:87].any()
    assert not seen.at_risk[94:].any()


@pytest.mark.parametrize(
    ("length", "fps", "rate"), list(itertools.product([1, 2, 3], [10, 30, 240], [20, 60]))
)
def test_tracks_of_a_few_frames(length: int, fps: int, rate: int) -> None:
    shot = film(walk(fps=fps, seconds=1))
    track = shot.track.rows(slice(length))
    seen = timing.resampled(track, Fraction(rate))
    assert len(seen) >= 1
    assert np.isfinite(seen.keypoints).all()
    count = len(seen)
    joints: Float = np.repeat(shot.person.joints[:1], count, 0)
    lifted = dataclasses.replace(
        shot.person.rows(np.zeros(count, int)), frames=seen.frames, joints=joints
    )
    back = timing.put_back(lifted, seen, track)
    assert len(back) == length
    np.testing.assert_allclose(back.joints, np.repeat(joints[:1], length, 0), atol=1e-6)


def test_times_that_stand_still_or_go_back_do_no_harm() -> None:
    shot = film(walk())
    times = shot.track.times_s.copy()
    times[10:14] = times[10]
    times[50] = times[49] - 0.01
    track = dataclasses.replace(shot.track, times_s=times)
    seen = timing.resampled(track, Fraction(30))
    assert np.isfinite(seen.keypoints).all()
    assert (np.diff(seen.times_s) > 0).all()
    back = timing.put_back(
        dataclasses.replace(shot.person.rows(slice(len(seen))), frames=seen.frames), seen, track
    )
    assert np.isfinite(back.joints).all()
    nowhere = dataclasses.replace(track, times_s=np.full(len(track), 3.0))
    assert len(timing.resampled(nowhere, Fraction(30))) == 1


def test_a_clock_that_leaps_does_not_make_hours() -> None:
    times = np.arange(40) / 30
    late = np.where(np.arange(40) < 20, times, times + 36_000)
    track = dataclasses.replace(_timed(late), keypoints=_timed(times).keypoints)
    seen = timing.resampled(track, Fraction(60))
    assert len(seen) < 300
    there = Track3D(
        1,
        seen.frames,
        np.repeat(seen.keypoints, 3, -1)[..., :3],
        np.ones(seen.scores.shape, np.float32),
        track.skeleton,
        np.zeros((len(seen), 3), np.float32),
    )
    back = timing.put_back(there, seen, track)
    np.testing.assert_allclose(back.joints[..., 0], track.keypoints[..., 0], rtol=1e-3, atol=0.5)


def test_what_is_unknown_does_not_spread() -> None:
    shot = film(walk(fps=15))
    shot.track.keypoints[20, 3] = np.nan
    seen = timing.resampled(shot.track, Fraction(30))
    assert np.isfinite(np.delete(seen.keypoints, 3, 1)).all()
    assert np.isnan(seen.keypoints[:, 3]).any(1).sum() <= 3
    lifted = film(walk(fps=30)).person.rows(slice(len(seen)))
    lifted.joints[40] = np.nan
    lifted.root[:] = np.nan
    back = timing.put_back(lifted, seen, shot.track)
    assert np.isnan(back.joints).any((1, 2)).sum() <= 2
    assert np.isnan(back.root).all()
