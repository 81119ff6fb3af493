"""The picture people judge the result by: the video, each person in 3D, and the time."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from vp3d_cli.errors import DataError, OutputError
from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.layout import Layout, arrange, share_panels
from vp3d_cli.render.overlay import Overlay
from vp3d_cli.render.panel import Panel
from vp3d_cli.render.timing import (
    Moment,
    frames_without_video,
    moments_without_video,
    paced,
    span_of,
)
from vp3d_cli.types import Image, Result
from vp3d_cli.video import VideoReader, VideoWriter

_log = logging.getLogger(__name__)

# Sound and picture this close together are in time, and the sound can be copied as it is.
_IN_TIME_S = 0.04
_DIGITS = re.compile(r"(\d)")

Progress = Callable[[int, int | None], None]


def render_video(
    result: Result,
    out: Path,
    *,
    video: Path | None = None,
    progress: Progress | None = None,
    height: int = 720,
) -> None:
    """Write a video of the 2D skeletons beside a 3D view of each person.

    It lasts as long as the source, at its average frame rate and with its sound, or as long as
    the part that the poses were limited to.

    Args:
        result: the poses.
        out: the file to write; the suffix chooses the container.
        video: the video that the poses were found in; without it they are drawn on plain ground.
        progress: called with the number of frames done and, where known, of all.
        height: of the picture at most, pixels.

    Raises:
        DataError: the video is not the one that the poses were found in.
        VideoError: the video cannot be read.
        OutputError: `out` cannot be written.
    """
    if video is not None and out.exists() and out.samefile(video):
        raise OutputError(f"{out}: is the video itself; give another name")
    picture = Picture(result, height)
    size, fps = (picture.layout.width, picture.layout.height), result.video.fps
    with contextlib.ExitStack() as stack:
        if video is None:
            moments: Iterator[Moment] = moments_without_video(result)
            total: int | None = len(frames_without_video(result))
        else:
            reader = stack.enter_context(VideoReader(video, *span_of(result)))
            _require_same_size(result, reader)
            moments, fps = _watched(result, reader), reader.info.fps
            total = reader.info.num_frames if span_of(result) == (None, None) else None
        writer: VideoWriter | None = None
        for done, (moment, lasting) in enumerate(paced(moments, fps), 1):
            if writer is None:
                late_s = moment[1] if moment[1] > _IN_TIME_S else 0.0
                writer = stack.enter_context(VideoWriter(out, *size, fps, video, late_s))
            if lasting:
                image = picture.draw(*moment)
                for _ in range(lasting):
                    writer.write(image)
            if progress is not None:
                progress(done, total)
    if writer is not None and writer.warning:
        _log.warning(writer.warning)


def _require_same_size(result: Result, reader: VideoReader) -> None:
    theirs, ours = reader.info, result.video
    if (theirs.width, theirs.height) != (ours.width, ours.height):
        raise DataError(
            f"{theirs.path}: is {theirs.width} x {theirs.height} pixels, but the poses were found "
            f"in a video of {ours.width} x {ours.height}; give the video they were found in"
        )


def _watched(result: Result, reader: VideoReader) -> Iterator[Moment]:
    """The moments of the video.

    Raises:
        DataError: it ends before the poses do.
    """
    last = -1
    for frame in reader:
        last = frame.index
        yield frame.index, frame.time_s, frame.image
    needed = max((int(track.frames[-1]) for track in result.tracks2d), default=-1)
    if last < needed:
        raise DataError(
            f"{reader.info.path}: has {last + 1} frames, but the poses go on to frame {needed}; "
            "give the video they were found in"
        )


class Picture:
    """Draws whole pictures, one per video frame, over and over on the same canvas.

    Args:
        result: the poses.
        height: of the picture at most, pixels.
    """

    def __init__(self, result: Result, height: int = 720) -> None:
        tracks = result.tracks2d
        spans = [(int(t.frames[0]), int(t.frames[-1])) for t in tracks]
        areas = [t.boxes[:, 2:] - t.boxes[:, :2] for t in tracks]
        sharing = share_panels(spans, [float(np.nansum(area.prod(-1))) for area in areas])
        source = (result.video.width, result.video.height)
        self.layout = arrange(source, max(len(sharing), 1), height)
        self._overlay = Overlay(result, self.layout.video.height / result.video.height)
        sizes = [(box.width, box.height) for box in self.layout.panels]
        self._panels = [
            Panel(result, people, size) for people, size in zip(sharing or [[]], sizes, strict=True)
        ]
        self._num_frames = result.video.num_frames
        self._canvas = _empty_canvas(self.layout)
        self._footer = self.layout.footer.of(self._canvas).copy()
        self._ground = _plain_ground(self.layout)

    def draw(self, index: int, time_s: float, image: Image | None) -> Image:
        """The picture of a video frame; the next call draws over it.

        Args:
            index: of the video frame.
            time_s: when it is shown.
            image: the frame (H, W, 3), BGR; without it the ground stays plain.
        """
        ground = self.layout.video.of(self._canvas)
        if image is None:
            np.copyto(ground, self._ground)
        else:
            _shrink(image, ground)
        self._overlay.draw(ground, index)
        draw.round_corners(ground, palette.CORNER, palette.CANVAS)
        for box, panel in zip(self.layout.panels, self._panels, strict=True):
            panel.draw(box.of(self._canvas), index)
        footer = self.layout.footer.of(self._canvas)
        np.copyto(footer, self._footer)
        self._write_time(footer, index, time_s)
        return self._canvas

    def _write_time(self, footer: Image, index: int, time_s: float) -> None:
        minutes, seconds = divmod(max(time_s, 0.0), 60)
        middle = footer.shape[0] / 2
        x = 2.0
        of_all = f" / {self._num_frames}" if self._num_frames else ""
        for words, colour in (
            (f"{int(minutes)}:{seconds:05.2f}", palette.TEXT),
            (f"frame {index}{of_all}", palette.MUTED),
        ):
            for part in filter(None, _DIGITS.split(words)):
                # Digits keep their places, so that running ones do not shake the line.
                digit = part.isdigit()
                x += 4 * (len(part) - len(part.lstrip()))
                draw.text(footer, part, x + 4.5 * digit, middle, colour, align=0.5 * digit)
                x += 9 if digit else draw.text_width(part, 14) + 2
                x += 4 * (len(part) - len(part.rstrip()))
            x += 16


def _shrink(image: Image, target: Image) -> None:
    """Scale a frame into `target`, in place.

    Whole-number averaging first, where the frame is much larger, then linear: as good as
    INTER_AREA in one go and several times as fast.
    """
    height, width = target.shape[:2]
    whole = min(image.shape[0] // height, image.shape[1] // width)
    if whole > 1:
        rough = (image.shape[1] // whole, image.shape[0] // whole)
        image = np.asarray(cv2.resize(image, rough, interpolation=cv2.INTER_AREA), np.uint8)
    cv2.resize(image, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)


def _plain_ground(layout: Layout) -> Image:
    ground = np.empty((layout.video.height, layout.video.width, 3), np.uint8)
    ground[:] = palette.PANEL_BOTTOM
    return ground


def _empty_canvas(layout: Layout) -> Image:
    """The picture without anything that moves: the ground, the legend and the mark."""
    canvas = np.empty((layout.height, layout.width, 3), np.uint8)
    canvas[:] = palette.CANVAS
    footer = layout.footer.of(canvas)
    middle, right = footer.shape[0] / 2, float(footer.shape[1]) - 2
    draw.text(footer, "3d", right, middle, palette.SIDES["right"], size=17, weight=1.7, align=1)
    right -= draw.text_width("3d", 17, 1.7) + 2
    draw.text(footer, "vp", right, middle, palette.TEXT, size=17, weight=1.7, align=1)
    right -= 52
    draw.text(footer, "grid 0.5 m", right, middle, palette.MUTED, align=1)
    right -= draw.text_width("grid 0.5 m", 14) + 24
    for side in ("right", "left"):
        draw.text(footer, side, right, middle, palette.MUTED, align=1)
        right -= draw.text_width(side, 14) + 12
        dot = draw.discs(np.array([[right, middle]], np.float32), np.array([4.5], np.float32))
        draw.fill(footer, draw.fixed(dot)[0], palette.SIDES[side])
        right -= 20
    return canvas
