"""Where exported joints are: their frame of reference, their axes, and the time of each row.

One frame of reference for a whole result, the best that is known of all its people:

- "world": z up, floor at z = 0, y where the camera looks, metres
- "camera": x right, y down, z forward, origin at the camera, metres
- "root": axes of the camera, origin at each person's hip: where nobody's place is known

Turned so that y is up, x stays, and z points to the viewer; so that z is up, x stays, and y
points away. Without a world that takes the camera for level.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from vp3d_cli.pose_file import skeletons_of
from vp3d_cli.types import Double, Int, Real, Result, Skeleton, Track3D

# What a file says about itself.
ABOUT = {
    "world": "world, floor at height 0",
    "camera": "camera, taken for level: origin at the camera",
    "root": "camera, taken for level: origin at the hip of the person",
}
# Programs refuse times that do not rise; by so much they do, seconds.
_STEP_S = 2e-6
# Clocks this close to the frame rate of the video go by it.
_SAME_RATE = 1e-3


def reference_of(result: Result) -> str:
    """The frame of reference: world, camera or root."""
    seen = [t for t in result.tracks3d if np.isfinite(t.joints).any()]
    if not all(np.isfinite(track.root).all(1).any() for track in seen):
        return "root"
    return "world" if result.world.is_known else "camera"


def positions(result: Result, track: Track3D, reference: str) -> Double:
    """The joints (T, J, 3) of a track in a frame of reference, metres; NaN where unknown."""
    if reference == "world":
        points = result.world.of(track).astype(np.float64)
    else:
        points = track.joints.astype(np.float64)
        if reference == "camera":
            points = points + track.root[:, None]
    return np.where(np.isfinite(points).all(-1, keepdims=True), points, np.nan)


def with_y_up(points: Real, reference: str) -> Double:
    """Points (..., 3) of a frame of reference with x right, y up, z to the viewer."""
    x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
    return np.stack([x, z, -y] if reference == "world" else [x, -y, -z], -1)


def with_z_up(points: Real, reference: str) -> Double:
    """Points (..., 3) of a frame of reference with x right, y away, z up."""
    x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
    return np.stack([x, y, z] if reference == "world" else [x, z, -y], -1)


@dataclass(frozen=True)
class Rows:
    """All people side by side, a row a frame.

    Attributes:
        frames: (F,) frame indices, rising.
        times_s: (F,) rising.
        fps: rows a second, on average.
        people: ids; empty where nobody was found.
        skeleton: of everybody.
        points: (F, P * J, 3) metres, person by person; where there is nobody, one row of NaN for
            one person.
        reference: the frame of reference.
    """

    frames: Int
    times_s: Double
    fps: float
    people: tuple[int, ...]
    skeleton: Skeleton
    points: Double
    reference: str


def side_by_side(result: Result, *, every_frame: bool) -> Rows:
    """The joints of all people, in the axes of their frame of reference.

    Args:
        result: what to export.
        every_frame: rows also for frames between, in which nobody is.
    """
    skeleton, reference = skeletons_of(result)[1], reference_of(result)
    frames, times_s = row_times(result, every_frame=every_frame)
    people = sorted(result.tracks3d, key=lambda track: track.track_id)
    joints = skeleton.num_joints
    points = np.full((len(frames), max(len(people), 1) * joints, 3), np.nan)
    for place, track in enumerate(people):
        rows = np.searchsorted(frames, track.frames)
        where = slice(place * joints, (place + 1) * joints)
        points[rows, where] = positions(result, track, reference)
    return Rows(
        frames=frames,
        times_s=times_s,
        fps=rate(result),
        people=tuple(track.track_id for track in people),
        skeleton=skeleton,
        points=points,
        reference=reference,
    )


def row_times(result: Result, *, every_frame: bool) -> tuple[Int, Double]:
    """Frames (F,) and their rising times (F,); the first frame alone where nobody was found.

    A frame in which nobody is has the time that those beside it suggest.
    """
    if not result.tracks2d:
        return np.zeros(1, np.int32), np.zeros(1)
    told = np.concatenate([track.frames for track in result.tracks2d])
    frames, first = np.unique(told, return_index=True)
    times_s = np.concatenate([track.times_s for track in result.tracks2d])[first]
    if every_frame:
        whole = np.arange(frames[0], frames[-1] + 1, dtype=np.int32)
        frames, times_s = whole, np.interp(whole, frames, times_s)
    return frames.astype(np.int32), rising(times_s)


def slowed(result: Result) -> float:
    """How many times slower the video shows the motion than it was (`--real-fps`)."""
    options = result.provenance.get("options")
    real_fps = options.get("real_fps") if isinstance(options, dict) else None
    if isinstance(real_fps, bool) or not isinstance(real_fps, int | float):
        return 1.0
    return real_fps / float(result.video.fps) if 0 < real_fps < math.inf else 1.0


def in_real_time(result: Result) -> Result:
    """The result with times and a rate as fast as the motion was, for programs that measure it."""
    share = slowed(result)
    if share == 1:
        return result
    fps = Fraction(float(result.video.fps) * share).limit_denominator(1001)
    tracks = tuple(replace(track, times_s=track.times_s / share) for track in result.tracks2d)
    return replace(result, video=replace(result.video, fps=fps), tracks2d=tracks)


def num_frames(result: Result) -> int:
    """From the first frame with somebody to the last."""
    ends = [int(track.frames[end]) for track in result.tracks2d for end in (0, -1)]
    return max(ends) - min(ends) + 1 if ends else 1


def rising(times_s: Real) -> Double:
    """The same times, but for those that do not rise: they follow the one before closely."""
    step = _STEP_S * np.arange(len(times_s))
    return np.asarray(np.maximum.accumulate(times_s - step) + step, np.float64)


def rate(result: Result) -> float:
    """Frames a second: the video's, or the average by the times where these say otherwise."""
    fps = float(result.video.fps)
    frames, times_s = row_times(result, every_frame=False)
    lasts = float(times_s[-1] - times_s[0])
    if len(frames) < 2 or lasts <= _STEP_S * len(frames):
        return fps
    measured = float(frames[-1] - frames[0]) / lasts
    return fps if abs(measured / fps - 1) < _SAME_RATE else measured


def plain_names(names: Sequence[str]) -> list[str]:
    """Names that any program takes, each once: letters, digits, "_", "-" and "." alone."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:60] or "joint"
        found.append(f"{plain}.{len(found) + 1}" if plain in found else plain)
    return found
