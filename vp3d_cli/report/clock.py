"""A video's time, as far as its poses tell: frames, steps, empty stretches, cuts."""

from __future__ import annotations

import numpy as np

from vp3d_cli.report.values import Clock
from vp3d_cli.report.words import Stretch, options_of, positive
from vp3d_cli.types import Bool, Double, Int, Real, Result

# Steps this much shorter or longer than the frame rate's are uneven, in shares.
_SHORT, _LONG = 0.5, 1.5
# Shorter stretches without anybody are not worth a word, seconds.
_EMPTY_S = 0.5
# After a cut the next person is there within so many frames.
_CUT_FRAMES = 2


def clock_of(result: Result) -> Clock:
    """What can be known of the video's time."""
    video, fps = result.video, float(result.video.fps)
    read = positive(result.provenance.get("num_frames_read"))
    frames, times_s = known_times(result)
    steps = np.diff(times_s)[np.diff(frames) == 1]
    off = (steps < _SHORT / fps) | (steps > _LONG / fps)
    posed = np.unique(np.concatenate([np.zeros(0, np.int32), *_posed(result)]))
    options = options_of(result)
    whole = options.get("start_s") is None and options.get("end_s") is None
    promised = video.num_frames
    known = whole and promised is not None and read is not None
    return Clock(
        frames_read=None if read is None else int(read),
        frames_promised=promised,
        missing_frames=max(promised - int(read), 0) if known and promised and read else None,
        fps=fps,
        largest_step_s=float(steps.max()) if len(steps) else float("nan"),
        uneven_percent=float(off.mean() * 100) if len(steps) else float("nan"),
        covered_percent=min(100 * len(posed) / read, 100.0) if read else float("nan"),
        empty=_empty(frames, times_s),
        cuts_s=_cuts(result),
    )


def known_times(result: Result) -> tuple[Int, Double]:
    """Frames (N,) that anybody is in, ascending, and their times (N,), seconds."""
    tracks = result.tracks2d
    frames = np.concatenate([np.zeros(0, np.int32), *(track.frames for track in tracks)])
    times_s = np.concatenate([np.zeros(0, np.float64), *(track.times_s for track in tracks)])
    frames, rows = np.unique(frames, return_index=True)
    return frames, times_s[rows]


def stretches(mask: Bool, times_s: Real, join_s: float = 0.0) -> tuple[Stretch, ...]:
    """Start and end, seconds, of each run of True; runs closer than `join_s` are one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    found: list[Stretch] = []
    for first, after in edges.reshape(-1, 2):
        start, end = float(times_s[first]), float(times_s[after - 1])
        if found and start - found[-1][1] <= join_s:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return tuple(found)


def _posed(result: Result) -> list[Int]:
    """The frames in which each person has a pose."""
    return [track.frames[np.isfinite(track.joints).any((1, 2))] for track in result.tracks3d]


def _empty(frames: Int, times_s: Double) -> tuple[Stretch, ...]:
    """Stretches between the first and the last person in which nobody is there."""
    gaps = np.flatnonzero(np.diff(frames) > 1)
    found = [(float(times_s[row]), float(times_s[row + 1])) for row in gaps]
    return tuple((start, end) for start, end in found if end - start >= _EMPTY_S)


def _cuts(result: Result) -> tuple[float, ...]:
    """When another shot begins: as seen, else where all end and somebody else begins at once."""
    told, (frames, times_s) = result.provenance.get("cuts"), known_times(result)
    if isinstance(told, list) and all(type(frame) is int for frame in told) and len(frames):
        return tuple(float(np.interp(frame, frames, times_s)) for frame in told)
    tracks = result.tracks2d
    found = []
    for last in sorted({int(track.frames[-1]) for track in tracks}):
        later = [track for track in tracks if last < track.frames[0] <= last + _CUT_FRAMES]
        going_on = any(track.frames[0] <= last < track.frames[-1] for track in tracks)
        if later and not going_on:
            found.append(min(float(track.times_s[0]) for track in later))
    return tuple(found)
