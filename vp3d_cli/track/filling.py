"""Sightings of one person become a track: consecutive rows, gaps filled in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vp3d_cli.errors import DataError
from vp3d_cli.types import Detections, Double, Float, Int, Keypoints2D, Real, Skeleton, Track2D

# Gaps up to this long are filled where nobody says.
MAX_GAP_S = 0.5
# Four days at 30 frames a second; a frame number beyond it is a fault of the file.
_MOST_FRAMES = 10_000_000

# Indices (F,) of the frames that were read, and their presentation times (F,), seconds.
Clock = tuple[Int, Double]


def clock_of(keypoints: Keypoints2D) -> Clock:
    """The frames that were read; by the frame rate where the file does not say.

    Raises:
        DataError: there are too many to be true.
    """
    if keypoints.frames_read is not None and keypoints.times_s is not None:
        _require_few(int(keypoints.frames_read[-1]) + 1 if len(keypoints.frames_read) else 0)
        return keypoints.frames_read, keypoints.times_s
    if keypoints.fps is None:
        raise ValueError("fps: expected a frame rate where there are no times")
    last = int(keypoints.frames[-1]) if len(keypoints.frames) else -1
    count = max(keypoints.num_frames or 0, last + 1)
    _require_few(count)
    frames = np.arange(count, dtype=np.int32)
    return frames, frames / float(keypoints.fps)


def _require_few(count: int) -> None:
    if count > _MOST_FRAMES:
        raise DataError(
            f"keypoints of frame {count - 1}: vp3d takes {_MOST_FRAMES} frames at most; "
            "number them from 0"
        )


def looked_at(keypoints: Keypoints2D) -> Int:
    """The frames in which people were looked for."""
    frames, _ = clock_of(keypoints)
    return frames if keypoints.looked_at is None else frames[keypoints.looked_at]


def filled_track(
    track_id: int,
    seen_frames: Int,
    seen: Detections,
    clock: Clock,
    skeleton: Skeleton,
    *,
    looks: Int | None = None,
    span: tuple[int, int] | None = None,
    over_time: bool = True,
) -> Track2D:
    """One person's track; between sightings points and boxes move linearly.

    Args:
        track_id: from 1.
        seen_frames: (S,) frames of the sightings, ascending.
        seen: the S sightings.
        clock: frames and their times; those of frames in between lie in between.
        skeleton: of the keypoints.
        looks: frames in which people were looked for, by default all. A score is 0 where they
            were and this one was not found; between looks it changes linearly.
        span: first and last frame of the track, those of the sightings by default. Outside the
            sightings the nearest holds.
        over_time: linear in time, as motion is; else in the frame index, as the reference does.
    """
    first, last = span or (int(seen_frames[0]), int(seen_frames[-1]))
    frames = np.arange(first, last + 1, dtype=np.int32)
    times_s = np.interp(frames, *clock)
    rows = seen_frames - first
    observed = np.zeros(len(frames), bool)
    observed[rows] = True
    scores = np.zeros((len(frames), skeleton.num_joints), np.float32)
    scores[rows] = seen.scores
    if looks is not None:
        looked = np.isin(frames, looks)
        between, at_looks = np.flatnonzero(~looked), np.flatnonzero(looked)
        for column in scores.T:
            column[between] = np.interp(between, at_looks, column[at_looks])
    at: Real = times_s if over_time else frames.astype(np.float64)
    return Track2D(
        track_id=track_id,
        frames=frames,
        times_s=times_s,
        boxes=_interpolated(at, at[rows], seen.boxes),
        keypoints=_interpolated(at, at[rows], seen.keypoints),
        scores=scores,
        observed=observed,
        skeleton=skeleton,
    )


def between(track: Track2D) -> Track2D:
    """The track with the rows that were filled in filled anew from what was observed."""
    seen = np.flatnonzero(track.observed)
    filled = _interpolated(track.times_s, track.times_s[seen], track.keypoints[seen])
    keypoints = np.where(track.observed[:, None, None], track.keypoints, filled)
    return replace(track, keypoints=keypoints)


def _interpolated(at: Real, seen_at: Real, values: Float) -> Float:
    """Values (S, ...) at `seen_at`, linear at `at` (T,), as (T, ...).

    A coordinate that is missing here and there is filled likewise; one never seen stays NaN.
    """
    filled = np.full((len(at), values[0].size), np.nan, np.float32)
    for column, source in zip(filled.T, values.reshape(len(values), -1).T, strict=True):
        known = np.isfinite(source)
        if known.any():
            column[:] = np.interp(at, seen_at[known], source[known])
    return filled.reshape(len(at), *values.shape[1:])
