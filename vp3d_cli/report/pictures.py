"""Pictures of moments: the video's frame around a person, with everybody's skeleton."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vp3d_cli import files
from vp3d_cli.errors import DataError
from vp3d_cli.report.values import Moment
from vp3d_cli.types import Image, Real, Result
from vp3d_cli.video import VideoReader

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

# Width and height, pixels, and how finely it is packed.
SIZE = (400, 300)
_QUALITY = 80
# Beside the person's box there is so much more of the picture; no less than this of its height.
_ROOM, _LEAST = 1.5, 0.35
# Enlarging more shows nothing more; a larger frame is not drawn on, pixels.
_MOST_ZOOM, _MOST_SIDE = 2.5, 2200
# After the last moment reading goes on for this long, so that its frame is surely read.
_AFTER_S = 1.0

Progress = Callable[[int, "int | None"], None]


def pictures_of(
    result: Result, moments: Sequence[Moment], video: Path, progress: Progress | None = None
) -> tuple[dict[tuple[int, int], bytes], str]:
    """JPEGs of moments by frame and person, and a sentence if the video's bytes are others.

    The video is read once, up to the last of the moments.

    Raises:
        DataError: its frames have another size than the poses', or it ends too early.
        VideoError: it cannot be read.
    """
    wanted: dict[int, list[Moment]] = {}
    for moment in moments:
        wanted.setdefault(moment.frame, []).append(moment)
    last = max(wanted, default=-1)
    end_s = max((moment.time_s for moment in moments), default=0.0) + _AFTER_S
    found: dict[tuple[int, int], bytes] = {}
    with VideoReader(video, None, end_s if end_s > 0 else None) as reader:
        _require_same_size(result, video, (reader.info.width, reader.info.height))
        for frame in reader:
            for moment in wanted.get(frame.index, []):
                jpeg = _drawn(result, frame.image, moment)
                found[moment.frame, moment.track_id] = jpeg
            if progress is not None:
                progress(frame.index + 1, last + 1)
            if frame.index >= last:
                break
    if len(found) < len({(moment.frame, moment.track_id) for moment in moments}):
        raise DataError(
            f"{video}: ends before frame {last}, to which the poses go; give the video they were "
            "found in"
        )
    return found, _other_video(result, video)


def _require_same_size(result: Result, video: Path, size: tuple[int, int]) -> None:
    ours = (result.video.width, result.video.height)
    if size != ours:
        raise DataError(
            f"{video}: is {size[0]} x {size[1]} pixels, but the poses were found in a video of "
            f"{ours[0]} x {ours[1]}; give the video they were found in"
        )


def _other_video(result: Result, video: Path) -> str:
    source = result.provenance.get("source")
    digest = source.get("sha256") if isinstance(source, dict) else None
    if not isinstance(digest, str) or not video.is_file() or files.sha256(video) == digest:
        return ""
    return (
        f"{video.name}: is not the very file that the poses were found in (its SHA-256 differs); "
        "the pictures may show something else"
    )


def _drawn(result: Result, image: Image, moment: Moment) -> bytes:
    """One picture, packed."""
    from PIL import Image as Pillow

    from vp3d_cli.render.overlay import Overlay

    track = next(track for track in result.tracks2d if track.track_id == moment.track_id)
    box = track.boxes[moment.frame - int(track.frames[0])]
    height, width = image.shape[:2]
    left, top, right, bottom = _around(box, width, height)
    zoom = min(
        SIZE[0] / (right - left),
        SIZE[1] / (bottom - top),
        _MOST_ZOOM,
        _MOST_SIDE / max(image.shape),
    )
    whole: Picture = Pillow.fromarray(np.ascontiguousarray(image[..., ::-1]))
    whole = whole.resize((max(round(width * zoom), 1), max(round(height * zoom), 1)))
    canvas: Image = np.ascontiguousarray(np.asarray(whole)[..., ::-1])
    Overlay(result, zoom).draw(canvas, moment.frame)
    edges = np.array([top, bottom, left, right]) * zoom
    y0, y1, x0, x1 = (round(float(edge)) for edge in edges)
    cut = Pillow.fromarray(np.ascontiguousarray(canvas[y0:y1, x0:x1, ::-1]))
    packed = io.BytesIO()
    cut.save(packed, "JPEG", quality=_QUALITY)
    return packed.getvalue()


def _around(box: Real, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of what is shown, in the shape of `SIZE` where there is room."""
    sides = np.nan_to_num(box, nan=0.0).astype(np.float64)
    middle = (sides[:2] + sides[2:]) / 2
    across, down = np.maximum(sides[2:] - sides[:2], 1) * _ROOM
    down = max(down, across * SIZE[1] / SIZE[0], _LEAST * height)
    across = min(down * SIZE[0] / SIZE[1], width)
    down = min(down, height)
    left = float(np.clip(middle[0] - across / 2, 0, width - across))
    top = float(np.clip(middle[1] - down / 2, 0, height - down))
    return left, top, left + float(across), top + float(down)
