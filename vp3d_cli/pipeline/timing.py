"""The lifter sees the frame rate that it was trained at, whatever the video's.

Slow motion is told how fast it really was; other rates and uneven times are resampled for the
lifter, and what it answers is put back at the times of the frames.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from vp3d_cli.types import Bool, Double, Float, Real, Track2D, Track3D, VideoInfo

# Frames this far from an even beat, in beats, are out of step; so many of them, in shares, and
# times count as uneven.
_OUT_OF_STEP, _MANY = 0.3, 0.02
_SMALLEST_VIDEO = 3
# Nobody knows what happens between two frames that lie farther apart, seconds; the lifter sees no
# more of it, since a clock that leaps by hours would have it see hours.
_LONGEST_STEP_S = 2.0


def in_real_time(
    tracks: Sequence[Track2D], video: VideoInfo, real_fps: float | None
) -> tuple[tuple[Track2D, ...], VideoInfo]:
    """Tracks and video as if they were shown as fast as they were taken."""
    if real_fps is None:
        return tuple(tracks), video
    share = float(video.fps) / real_fps
    sped_up = tuple(dataclasses.replace(t, times_s=t.times_s * share) for t in tracks)
    return sped_up, dataclasses.replace(video, fps=Fraction(real_fps).limit_denominator(1001))


def rate_for(
    tracks: Sequence[Track2D], video: VideoInfo, trained: tuple[float, float] | None
) -> Fraction | None:
    """The rate that a lifter is to see; None where the frames will do as they are.

    Args:
        tracks: with their times.
        video: its rate.
        trained: lowest and highest rate; None where any will do.
    """
    fps = float(video.fps)
    low, high = trained or (0.0, math.inf)
    if low <= fps <= high:
        return video.fps if any(_is_uneven(track, fps) for track in tracks) else None
    # Whole multiples and parts keep the frames that there are.
    if fps < low:
        many = Fraction(math.ceil(low / fps))
        return video.fps * many if fps * many <= high else Fraction(low).limit_denominator(1000)
    part = Fraction(math.ceil(fps / high))
    return video.fps / part if fps / part >= low else Fraction(high).limit_denominator(1000)


def resampled(track: Track2D, rate: Fraction) -> Track2D:
    """The track at even times; in between keypoints and scores move linearly."""
    at = _without_leaps(track.times_s)
    first, last = float(at[0]), float(at[-1])
    count = max(1, round((last - first) * float(rate)) + 1)
    times = first + np.arange(count) / float(rate)
    observed = np.interp(times, at, track.observed.astype(np.float64)) > 0.5
    at_risk = np.interp(times, at, track.at_risk.astype(np.float64)) > 0
    return Track2D(
        track.track_id,
        np.arange(count, dtype=np.int32),
        times,
        _linear(times, at, track.boxes),
        _linear(times, at, track.keypoints),
        _linear(times, at, track.scores),
        observed,
        track.skeleton,
        at_risk,
    )


def put_back(lifted: Track3D, seen: Track2D, track: Track2D) -> Track3D:
    """What was lifted from `seen` at the times of `track`; joints move along cubic splines."""
    times = np.clip(_without_leaps(track.times_s), seen.times_s[0], seen.times_s[-1])
    joints = _cubic(times, seen.times_s, lifted.joints)
    return Track3D(
        track.track_id,
        track.frames,
        joints,
        np.clip(_linear(times, seen.times_s, lifted.confidence), 0, 1),
        lifted.skeleton,
        _cubic(times, seen.times_s, lifted.root),
        raw=joints,
        spread=_linear(times, seen.times_s, lifted.spread),
    )


def _is_uneven(track: Track2D, fps: float) -> bool:
    beats = np.diff(track.times_s) * fps
    late: Bool = np.asarray(np.abs(beats - 1) > _OUT_OF_STEP)
    return bool(len(beats) >= _SMALLEST_VIDEO and late.mean() > _MANY)


def _without_leaps(times: Double) -> Double:
    """Times that never go back, as interpolation needs them, and never leap ahead."""
    ascending: Double = np.asarray(np.maximum.accumulate(times))
    steps = np.diff(ascending)
    if not np.any(steps > _LONGEST_STEP_S):
        return ascending
    return np.asarray(times[0] + np.append(0, np.cumsum(np.minimum(steps, _LONGEST_STEP_S))))


def _linear(times: Double, at: Double, values: Real) -> Float:
    """Values (T, ...) known at `at`, linear at `times`."""
    flat = values.reshape(len(values), -1)
    columns = [np.interp(times, at, column) for column in flat.T]
    return np.stack(columns, -1).reshape(len(times), *values.shape[1:]).astype(np.float32)


def _cubic(times: Double, at: Double, values: Float) -> Float:
    from scipy.interpolate import CubicSpline

    if len(at) < 4 or not np.isfinite(values).all():
        return _linear(times, at, values)
    return np.asarray(CubicSpline(at, values)(times), np.float32)
