"""One long video in parts: each is detected by itself, and together they equal the whole.

Parts abut at presentation times, people are found in a frame as they are in the whole video, and
what looks across frames, tracking and lifting, runs over the joined keypoints. For people who are
followed, cuts and the camera's motion a part looks at the frames around it too (see `looking` and
`surroundings`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli.errors import NoFramesError, OptionsError
from vp3d_cli.options import Options, Span
from vp3d_cli.pipeline.detecting import FirstHalf, Progress
from vp3d_cli.pipeline.models import Models
from vp3d_cli.types import Bool, Detections, Keypoints2D
from vp3d_cli.video import probe


def require_splittable(options: Options) -> None:
    """Refuse what would not give the result of the whole.

    Raises:
        OptionsError: which frames it looks at is not known before.
    """
    if options.look_every > 1 and options.start_s is not None:
        raise OptionsError(
            "--detect-every and --quality fast count from --start, which parts of a video do not "
            "know; leave out that or --split-minutes"
        )


def spans_of(path: Path, options: Options, span_s: float) -> tuple[Span, ...]:
    """The equal parts, at most `span_s` seconds each, of a video; none where one is all.

    Raises:
        VideoError: it cannot be read.
    """
    info = probe(path)
    if info.duration_s is None:
        return ()
    start_s = options.start_s or 0.0
    end_s = info.duration_s if options.end_s is None else min(options.end_s, info.duration_s)
    count = math.ceil((end_s - start_s) / span_s)
    if count < 2:
        return ()
    inner = [start_s + (end_s - start_s) * i / count for i in range(1, count)]
    ends = [options.start_s, *inner, options.end_s]
    return tuple(Span(i, count, ends[i], ends[i + 1]) for i in range(count))


def detect_span(
    path: Path,
    options: Options,
    span: Span,
    models: Models | None = None,
    progress: Progress | None = None,
) -> Keypoints2D | None:
    """Everybody in one part of a video; None where it ends before.

    Args:
        path: the video.
        options: for the whole video.
        span: the part.
        models: as in `detect_video`.
        progress: told ("detect", frames done, frames in all), and before that ("skip", frames
            decoded, None), in another thread: frames are counted from the video's beginning.

    Raises:
        VideoError, WeightsError, BackendUnavailableError: as `detect_video`.
    """
    half = FirstHalf(path, options, models.detector if models else None)

    def skipped(frames: int) -> None:
        if progress:
            progress("skip", frames, None)

    try:
        by_index = options.start_s is None
        return half.run(progress, span=span, by_index=by_index, on_decoded=skipped)
    except NoFramesError:
        if span.number == 0:
            raise
        return None


def joined(parts: Sequence[Keypoints2D | None], options: Options) -> Keypoints2D | None:
    """The keypoints of the whole video; None where its times go back, so that frames are missing.

    Args:
        parts: of all spans in order.
        options: for the whole video.
    """
    found = [part for part in parts if part is not None]
    if not found:
        return None
    looked = [_looked_at(part, options.look_every) for part in found[:-1]]
    last = found[-1]
    looked.append(_all(last) if last.looked_at is None else last.looked_at)
    read = np.concatenate([np.asarray(part.frames_read) for part in found])
    if np.any(np.diff(read) != 1):
        return None
    rows = [
        np.isin(part.frames, np.asarray(part.frames_read)[seen])
        for part, seen in zip(found, looked, strict=True)
    ]
    people = [part.people.select(kept) for part, kept in zip(found, rows, strict=True)]
    looked_at = np.concatenate(looked)
    scene = {name: _concatenated(found, name) for name in ("cuts", "drift")}
    return dataclasses.replace(
        last,
        frames=np.concatenate([part.frames[kept] for part, kept in zip(found, rows, strict=True)]),
        people=Detections.concatenated(people),
        provenance={**last.provenance, "options": options.detection_to_json()},
        frames_read=read,
        times_s=np.concatenate([np.asarray(part.times_s) for part in found]),
        looked_at=None if looked_at.all() else looked_at,
        **scene,
    )


def _looked_at(part: Keypoints2D, every: int) -> Bool:
    """Where the whole video would have been looked at: not in the last frame of each part."""
    looked = _all(part) if part.looked_at is None else part.looked_at.copy()
    frames = np.asarray(part.frames_read)
    if every > 1 and frames[-1] % every:
        looked[-1] = False
    return looked


def _concatenated(parts: Sequence[Keypoints2D], name: str) -> Any:
    """A column of all parts; None where one does not have it."""
    columns = [getattr(part, name) for part in parts]
    return None if any(column is None for column in columns) else np.concatenate(columns)


def _all(part: Keypoints2D) -> Bool:
    return np.ones(len(np.asarray(part.frames_read)), bool)
