"""The video that people judge a result by: pictures of its moments, one after the other."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from vp3d_cli.errors import DataError, OutputError
from vp3d_cli.render.picture import Picture as Picture
from vp3d_cli.render.style import Style
from vp3d_cli.render.timing import (
    Moment,
    count_without_video,
    moments_without_video,
    paced,
    slowed,
    span_of,
)
from vp3d_cli.types import Result
from vp3d_cli.video import StillsWriter, VideoReader, VideoWriter, open_writer

_log = logging.getLogger(__name__)

# Sound and picture this close together are in time, and the sound can be copied as it is.
_IN_TIME_S = 0.04

Progress = Callable[[int, int | None], None]
Span = tuple[float | None, float | None]


def render_video(
    result: Result,
    out: Path,
    *,
    video: Path | None = None,
    progress: Progress | None = None,
    style: Style | None = None,
) -> None:
    """Write a video of the 2D skeletons beside a 3D view of each person, or as the style says.

    It lasts as long as the source, at its average frame rate and with its sound, or as long as
    the part that the poses were limited to; slower ones are silent.

    Args:
        result: the poses.
        out: the file to write, or numbered images such as `frames/%04d.png`; the suffix chooses
            the container.
        video: the video that the poses were found in; without it they are drawn on plain ground.
        progress: called with the number of frames done and, where known, of all.
        style: the looks; None: a video beside 3D views on dark ground.

    Raises:
        DataError: the video is not the one that the poses were found in.
        VideoError: the video cannot be read.
        OutputError: `out` cannot be written.
        OptionsError: the style cannot be written to such a file.
    """
    if video is not None and out.exists() and out.samefile(video):
        raise OutputError(f"{out}: is the video itself; give another name")
    style = style or Style()
    picture = Picture(result, style)
    with contextlib.ExitStack() as stack:
        moments, total, fps = _source(result, video, style, stack)
        last_s = style.slow / float(fps)
        fps = style.fps or fps
        sound = video if style.slow == 1 else None
        writer: VideoWriter | StillsWriter | None = None
        written = 0
        pace = paced(slowed(moments, style.slow), fps, last_s)
        for done, (moment, lasting) in enumerate(pace, 1):
            index, time_s, image = moment
            if writer is None:
                late_s = time_s if time_s > _IN_TIME_S else 0.0
                writer = _writer(out, picture, fps, sound, late_s)
                stack.enter_context(writer)
            for k in range(lasting):
                if k == 0 or style.orbit_deg_s:
                    shown = picture.draw(index, time_s / style.slow, image, written / float(fps))
                writer.write(shown)
                written += 1
            if progress is not None:
                progress(done, total)
        if writer is None:
            raise DataError(f"{out}: there is no frame to draw in that part of the video")
    if writer.warning:
        _log.warning(writer.warning)


def _writer(
    out: Path, picture: Picture, fps: Fraction, sound: Path | None, late_s: float
) -> VideoWriter | StillsWriter:
    style, layout = picture.style, picture.layout
    return open_writer(
        out, layout.width, layout.height, fps, sound, late_s, style.codec, style.transparent
    )


def _source(
    result: Result, video: Path | None, style: Style, stack: contextlib.ExitStack
) -> tuple[Iterator[Moment], int | None, Fraction]:
    """The moments to draw, how many they are if that is known, and how many a second."""
    span = _common(span_of(result), (style.start_s, style.end_s))
    if video is None:
        total = count_without_video(result) if span == span_of(result) else None
        return moments_without_video(result, style.start_s, style.end_s), total, result.video.fps
    reader = stack.enter_context(VideoReader(video, *span))
    _require_same_size(result, reader)
    total = reader.info.num_frames if span == (None, None) else None
    return _watched(result, reader, style.end_s is None), total, reader.info.fps


def _common(first: Span, second: Span) -> Span:
    """The part of a video that lies in both spans."""
    starts = [start for start, _ in (first, second) if start is not None]
    ends = [end for _, end in (first, second) if end is not None]
    return max(starts, default=None), min(ends, default=None)


def _require_same_size(result: Result, reader: VideoReader) -> None:
    theirs, ours = reader.info, result.video
    if (theirs.width, theirs.height) != (ours.width, ours.height):
        raise DataError(
            f"{theirs.path}: is {theirs.width} x {theirs.height} pixels, but the poses were found "
            f"in a video of {ours.width} x {ours.height}; give the video they were found in"
        )


def _watched(result: Result, reader: VideoReader, to_the_end: bool) -> Iterator[Moment]:
    """The moments of the video.

    Raises:
        DataError: it should be shown to the end, and ends before the poses do.
    """
    last = -1
    for frame in reader:
        last = frame.index
        yield frame.index, frame.time_s, frame.image
    needed = max((int(track.frames[-1]) for track in result.tracks2d), default=-1)
    if to_the_end and last < needed:
        raise DataError(
            f"{reader.info.path}: has {last + 1} frames, but the poses go on to frame {needed}; "
            "give the video they were found in"
        )
