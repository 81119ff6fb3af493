"""Videos as browsers play them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import ffmpeg

from vp3d_cli.errors import VideoError
from vp3d_cli.video.opening import input_options, only_this_file, sequence_numbers
from vp3d_cli.video.probing import probe
from vp3d_cli.video.program import Program, ffmpeg_path, file_url, has_fps_mode

_log = logging.getLogger(__name__)

# Which pictures every browser decodes, by the container's name in libav.
_PLAYED = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("video/mp4", frozenset(("h264", "vp9", "av1"))),
    "matroska,webm": ("video/webm", frozenset(("vp8", "vp9", "av1"))),
}
_PIXELS = frozenset(("yuv420p", "yuvj420p"))
# A key frame in every second or so: stepping back decodes from the last one.
_SMALL = {"c:v": "libx264", "preset": "veryfast", "crf": 27, "profile:v": "high", "g": 30}


def browser_type(path: Path) -> str | None:
    """The media type of a file that browsers play as it is; None for other files."""
    import av

    if sequence_numbers(path):
        return None
    try:
        with av.open(
            file_url(path), options=only_this_file(), metadata_errors="replace"
        ) as container:
            stream: Any = next(iter(container.streams.video), None)
            if container.format.name not in _PLAYED or stream is None:
                return None
            kind, codecs = _PLAYED[container.format.name]
            coded = stream.codec_context
            is_played = coded.codec.canonical_name in codecs and coded.pix_fmt in _PIXELS
            return kind if is_played else None
    except (av.FFmpegError, AttributeError):
        return None


def write_small(path: Path, out: Path, height: int) -> None:
    """Write an MP4 that browsers play: at most `height` pixels high, with the same frame times.

    Raises:
        VideoError: it cannot be read, or not encoded.
    """
    info = probe(path)
    scale = min(1.0, height / info.height)
    size = [max(2, 2 * round(side * scale / 2)) for side in (info.width, info.height)]
    for with_sound in (True, False) if info.has_audio else (False,):
        with Program(_graph(path, out, (size[0], size[1]), with_sound)) as program:
            if program.finish() == 0 and out.stat().st_size:
                return
            reason = program.last_message
    if not (out.exists() and out.stat().st_size):
        raise VideoError(
            f"{path}: cannot be made smaller for the page ({reason}); convert it to MP4"
        )
    _log.warning("%s: may be damaged, its copy in the page too (%s)", path.name, reason)


def _graph(path: Path, out: Path, size: tuple[int, int], with_sound: bool) -> Any:
    source = ffmpeg.input(file_url(path), **input_options(path))
    picture = source["V:0"].filter("scale", *size).filter("setsar", 1).filter("format", "yuv420p")
    timing = {"fps_mode": "passthrough"} if has_fps_mode(ffmpeg_path()) else {"vsync": 0}
    options = (
        _SMALL | timing | {"enc_time_base": "1:90000", "movflags": "+faststart", "map_metadata": -1}
    )
    if not with_sound:
        return ffmpeg.output(picture, file_url(out), **options)
    return ffmpeg.output(picture, source["a:0"], file_url(out), **{"c:a": "aac"}, **options)
