"""Frames with real times, made to last so that a constant rate shows each at its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from vp3d_cli.types import Double, Image, Int, Result

# No frame stays longer: a jump beyond this, or backwards, is a broken clock.
_LONGEST_S = 600.0

Moment = tuple[int, float, Image | None]


def paced(
    moments: Iterable[Moment], fps: Fraction, last_s: float | None = None
) -> Iterator[tuple[Moment, int]]:
    """Each moment (frame index, seconds, image) with the number of pictures it lasts.

    Pictures lie 1/fps apart from the first moment on. A moment begins at the picture nearest to
    its time, so that times rounded to milliseconds neither drop nor double a frame; it may last
    none at all where frames come faster than pictures. The last one lasts `last_s` seconds, or a
    picture, and of all together there is one at least.
    """
    before: Moment | None = None
    origin_s, slot = 0.0, 0
    for moment in moments:
        time_s = moment[1]
        if before is None:
            origin_s = time_s
        else:
            if not 0 <= time_s - before[1] <= _LONGEST_S:
                origin_s += time_s - before[1] - float(1 / fps)
            following = max(slot, round((time_s - origin_s) * float(fps)))
            yield before, following - slot
            slot = following
        before = moment
    if before is not None:
        end_s = before[1] - origin_s + (float(1 / fps) if last_s is None else last_s)
        yield before, max(round(end_s * float(fps)) - slot, 0 if slot else 1)


def slowed(moments: Iterable[Moment], times: float) -> Iterator[Moment]:
    """The same moments, each lasting so many times longer."""
    for index, time_s, image in moments:
        yield index, time_s * times, image


def span_of(result: Result) -> tuple[float | None, float | None]:
    """The start and end, seconds, that the poses were limited to; None where they were not."""
    options = result.provenance.get("options", {})
    return options.get("start_s"), options.get("end_s")


def frames_without_video(result: Result) -> range:
    """The frames of a video that is not at hand, as far as its poses tell."""
    ends = [(int(track.frames[0]), int(track.frames[-1])) for track in result.tracks2d]
    last = max((last for _, last in ends), default=0)
    if ends and span_of(result) != (None, None):
        return range(min(first for first, _ in ends), last + 1)
    video = result.video
    promised = video.num_frames or round((video.duration_s or 0) * float(video.fps))
    return range(max(result.provenance.get("num_frames_read") or promised, last + 1))


def count_without_video(result: Result) -> int:
    """How many moments a video that is not at hand has."""
    return len(frames_without_video(result))


def moments_without_video(
    result: Result, start_s: float | None = None, end_s: float | None = None
) -> Iterator[Moment]:
    """The moments of a video that is not at hand, without images; or a part of them."""
    frames, times_s = _known_times(result)
    step_s = float(1 / result.video.fps)
    for index in frames_without_video(result):
        time_s = _time_of(index, frames, times_s, step_s)
        if (start_s is None or time_s >= start_s) and (end_s is None or time_s < end_s):
            yield index, time_s, None


def _known_times(result: Result) -> tuple[Int, Double]:
    """Frames (N,) that anyone is in, ascending, and their times (N,), seconds."""
    if not result.tracks2d:
        return np.zeros(0, np.int32), np.zeros(0, np.float64)
    frames = np.concatenate([track.frames for track in result.tracks2d])
    times_s = np.concatenate([track.times_s for track in result.tracks2d])
    frames, rows = np.unique(frames, return_index=True)
    return frames, times_s[rows]


def _time_of(index: int, frames: Int, times_s: Double, step_s: float) -> float:
    """Seconds at which a frame is shown: known, or between its neighbours, or by the rate."""
    if not len(frames):
        return index * step_s
    if index < frames[0]:
        return float(times_s[0] - (frames[0] - index) * step_s)
    if index > frames[-1]:
        return float(times_s[-1] + (index - frames[-1]) * step_s)
    return float(np.interp(index, frames, times_s))
