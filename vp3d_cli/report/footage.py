"""Advice about a video as a whole: its camera, its time, and who is in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from vp3d_cli.report.values import Advice, Clock, Person
from vp3d_cli.report.words import clock as at
from vp3d_cli.report.words import count, left_out, number, options_of, positive, stretches
from vp3d_cli.types import Bool, Double, Result, Track2D

# Rates that lifters are trained at, frames a second.
_SLOWEST, _FASTEST = 20.0, 62.0
# Percent of steps in time, and of frames without anybody.
_UNEVEN, _EMPTY = 2.0, 10.0
# A camera that looks down more steeply sees people from above, degrees.
_STEEP = 40.0
# Two boxes are one where this share of both is common, in so large a share of their frames.
_SAME_BOX, _MOST_FRAMES, _LEAST_FRAMES = 0.8, 0.3, 3
_MOST_PAIRS = 3


def about_the_video(result: Result, people: Sequence[Person], clock: Clock) -> Iterator[Advice]:
    """Advice that is not about one person, or about several together."""
    if not people:
        yield Advice(
            "problem",
            "Nobody was found",
            "The detector saw nobody it could believe in: people may be too small, too dark, "
            "hidden, or there for less than a moment.",
            "Look at the video; try a larger --detect-size or --detector keypoint-rcnn, or a part "
            "of it with --start and --end.",
        )
        yield from _time(result, clock)
        return
    yield from _company(result)
    yield from _cuts(clock)
    yield from _camera(result)
    yield from _ground(result)
    yield from _focal(result)
    yield from _empty(clock)
    yield from _time(result, clock)
    if options_of(result).get("faithful") is True:
        yield Advice(
            "note",
            "Made with --faithful",
            "The reference's own pipeline: one person, nothing smoothed, no constant bones, no "
            "place in the room.",
            "Run again without --faithful for calm motion.",
        )


def _company(result: Result) -> Iterator[Advice]:
    """Pairs of people who are in one place."""
    tracks = sorted(result.tracks2d, key=lambda track: int(track.frames[0]))
    pairs: list[tuple[int, int, str]] = []
    for position, first in enumerate(tracks):
        for second in tracks[position + 1 :]:
            if second.frames[0] > first.frames[-1]:
                break
            same, times_s = _in_one_place(first, second)
            if same.sum() >= _LEAST_FRAMES and same.mean() >= _MOST_FRAMES:
                one, two = sorted((first.track_id, second.track_id))
                share, when = number(100 * float(same.mean())), at(float(times_s[same][0]))
                pairs.append((one, two, f"{one} and {two} ({share} % of the time, from {when})"))
    if pairs:
        told = ", ".join(words for *_, words in pairs[:_MOST_PAIRS])
        more = f" and {len(pairs) - _MOST_PAIRS} pairs more" if len(pairs) > _MOST_PAIRS else ""
        yield Advice(
            "check",
            "Two people in one place",
            f"The boxes of person {told}{more} are the same: one person found twice, or two "
            "exactly behind each other, of whom one is a guess.",
            "Look at the video; keep one of them with --person ID.",
            tuple(sorted({track_id for one, two, _ in pairs for track_id in (one, two)})),
        )


def _in_one_place(a: Track2D, b: Track2D) -> tuple[Bool, Double]:
    """Where (T,) two boxes are the same, and the times of their common frames."""
    low = max(a.frames[0], b.frames[0])
    length = int(min(a.frames[-1], b.frames[-1]) - low) + 1
    rows = slice(int(low - a.frames[0]), int(low - a.frames[0]) + length)
    one, two = a.boxes[rows], b.boxes[int(low - b.frames[0]) :][:length]
    sides = np.minimum(one[:, 2:], two[:, 2:]) - np.maximum(one[:, :2], two[:, :2])
    common = np.maximum(sides, 0).prod(-1)
    areas = [(box[:, 2:] - box[:, :2]).prod(-1) for box in (one, two)]
    union = np.maximum(areas[0] + areas[1] - common, 1e-6)
    return np.asarray(common / union >= _SAME_BOX), a.times_s[rows]


def _cuts(clock: Clock) -> Iterator[Advice]:
    if clock.cuts_s:
        times = stretches(tuple((time_s, time_s) for time_s in clock.cuts_s))
        yield Advice(
            "check",
            "Cut in the video",
            f"At {times} another shot begins: people get new ids there, and all share one camera "
            "and one ground, which may be wrong.",
            "Treat each shot on its own, with --start and --end.",
        )


def _camera(result: Result) -> Iterator[Advice]:
    if "camera moves" in result.world.how:
        yield Advice(
            "check",
            "Camera moves",
            "The background moves, so the path of people through the room is mixed with that of "
            "the camera; there is no floor. Poses relative to the hip (joints_3d) are not "
            "affected.",
            "For places in the room, film from a tripod. Do not use root_camera as a path.",
        )
    if result.world.is_known:
        ahead = float(np.clip(result.world.camera_to_world[2, 2], -1, 1))
        pitch = math.degrees(math.asin(ahead))
        if pitch < -_STEEP:
            yield Advice(
                "check",
                "Camera looks down steeply",
                f"By {number(-pitch)} degrees. Lifters learn from cameras that are nearly level: "
                "depth and the lean of bodies are less certain.",
                "If you can choose, put the camera at chest height.",
            )


def _ground(result: Result) -> Iterator[Advice]:
    how = result.world.how
    if result.world.is_known or "camera moves" in how or left_out(result, "world"):
        return
    yield Advice(
        "note",
        "No floor found",
        f"joints_world is unknown: {how}.",
        "Film from a tripod with standing feet in the picture; joints_3d does not need a floor.",
    )


def _focal(result: Result) -> Iterator[Advice]:
    how, focal_px = result.camera.how, result.camera.focal_px
    if how.startswith(("default", "assumed")):
        longer = max(result.video.width, result.video.height)
        yield Advice(
            "note",
            "Focal length is assumed",
            f"{number(focal_px)} px, {number(focal_px / longer, 2)} of the longer side. Distances "
            "from the camera are in proportion to it; poses hardly depend on it.",
            "Give --focal PIXELS where you know it (a phone's main camera: about 0.8 of the "
            "longer side).",
        )


def _empty(clock: Clock) -> Iterator[Advice]:
    missing = 100 - clock.covered_percent
    if clock.empty or missing > _EMPTY:
        where = f" In between: {stretches(clock.empty)}." if clock.empty else ""
        yield Advice(
            "note",
            "Stretches without anybody",
            f"In {number(missing)} % of the frames nobody has a pose.{where}"
            if math.isfinite(missing)
            else f"Nobody has a pose at {stretches(clock.empty)}.",
            "If somebody is there, film closer, or try a larger --detect-size or another "
            "--detector.",
        )


def _time(result: Result, clock: Clock) -> Iterator[Advice]:
    if positive(options_of(result).get("real_fps")) is None:
        if clock.fps > _FASTEST:
            yield Advice(
                "note",
                "High frame rate",
                f"{number(clock.fps, 1)} frames/s: the lifter saw fewer, and the poses in between "
                "were put back.",
                "Nothing, if the video plays in real time.",
            )
        elif clock.fps < _SLOWEST:
            yield Advice(
                "check",
                "Low frame rate",
                f"{number(clock.fps, 1)} frames/s: what happens between two frames is guessed, and "
                "fast motion is lost.",
                "Film at 25 frames/s or more. If it is a time lapse, or slow motion, give the true "
                "rate with --real-fps.",
            )
    if clock.uneven_percent > _UNEVEN:
        yield Advice(
            "note",
            "Uneven frame times",
            f"{number(clock.uneven_percent)} % of the steps are off the beat, the longest "
            f"{number(1000 * clock.largest_step_s)} ms: the video's rate varies, or frames were "
            "dropped.",
            "Use time_s instead of frame numbers.",
        )
    if clock.missing_frames:
        yield Advice(
            "check" if clock.missing_frames > 1 else "note",
            "Frames are missing",
            f"{clock.frames_read} of {clock.frames_promised} were read: "
            f"{count(clock.missing_frames, 'frame', 'frames')} could not be, or never was there.",
            "If the video is truncated, copy or download it again.",
        )
