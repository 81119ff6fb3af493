"""What a video is, read with PyAV: the ffprobe program need not be installed."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from vp3d_cli.errors import VideoError
from vp3d_cli.types import VideoInfo
from vp3d_cli.video.lens import lens_of_image, lens_of_tags
from vp3d_cli.video.opening import (
    MAX_PIXELS,
    input_options,
    require_readable_file,
    sequence_numbers,
)
from vp3d_cli.video.program import file_url

_STILL_FPS = Fraction(25)  # ffmpeg's own rate for stills and numbered images
_MAX_FPS = 1000  # beyond it a rate is the container's clock, not the frames'
_MEASURED_PACKETS = 120  # packets that tell the frame rate where the container does not
_MAX_REORDER = 16  # frames by which storage and display order may differ
_RAW_SUFFIXES = frozenset((".yuv", ".rgb", ".cif", ".qcif"))  # that ffmpeg takes for raw video
_ENDS_TOLD = frozenset(("matroska,webm", "nut"))  # where a duration is the time of the end
_CLOCK_RATIO = 1.5  # of the rate told to the rate seen, where the rate told is a clock's
MAX_STRETCH = 4  # pixels more oblong than this are a broken header


def probe(path: Path) -> VideoInfo:
    """Read a video's size, frame rate and length.

    Args:
        path: a video, GIF or still image, or numbered images such as `frames/%04d.png`.

    Returns:
        Sizes as seen upright and with square pixels. A still has one frame and 25 fps.

    Raises:
        VideoError: there is no such file or no frame in it can be read.
    """
    import av

    numbers = sequence_numbers(path)
    if not numbers:
        require_readable_file(path)
    try:
        with av.open(
            file_url(path), options=input_options(path), metadata_errors="replace"
        ) as container:
            return _describe(path, container, len(numbers))
    except av.FFmpegError as error:
        raise VideoError(_refusal(path, str(error.strerror))) from error


def _refusal(path: Path, reason: str) -> str:
    if path.suffix.lower() in _RAW_SUFFIXES:
        return (
            f"{path}: holds raw pictures without a header that tells their size; convert it: "
            f"ffmpeg -f rawvideo -pixel_format yuv420p -video_size WxH -i {path.name} out.mp4"
        )
    return (
        f"{path}: is not a video that can be read ({reason}); "
        "check that it plays, or convert it to MP4"
    )


def _describe(path: Path, container: Any, num_images: int) -> VideoInfo:
    stream = _video_stream(path, container)
    frame, packet_fps = _first_frame(path, container, stream)
    width, height, rotation = _upright_size(frame, stream)
    _require_size(path, width, height)
    duration_s = _duration_s(container, stream)
    name = container.format.name
    is_image = name == "image2" or name.endswith("_pipe")
    if is_image:
        fps = stream.guessed_rate or _STILL_FPS
        num_frames: int | None = num_images or 1
        duration_s = float((num_images or 1) / fps)
    else:
        fps = _frame_rate(container, stream, duration_s, packet_fps)
        num_frames = stream.frames or _number_tag(stream)
        if packet_fps and name == "avi" and fps > _CLOCK_RATIO * packet_fps:
            fps, num_frames = packet_fps, None  # it counts its clock's ticks
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        fps=Fraction(fps),
        num_frames=num_frames,
        rotation=rotation,
        duration_s=duration_s,
        has_audio=bool(container.streams.audio),
        lens_mm=lens_of_image(path) if is_image else lens_of_tags(container, stream),
    )


def _video_stream(path: Path, container: Any) -> Any:
    """The first video stream that is no cover picture, as ffmpeg's `V:0` chooses."""
    import av

    pictures = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & pictures]
    # ffmpeg shows any .txt file as ANSI art
    if container.format.name == "tty":
        raise VideoError(f"{path}: is a text file, not a video")
    if not streams:
        what = "holds only sound" if container.streams.audio else "holds no pictures"
        raise VideoError(f"{path}: {what}; give a file with a video stream")
    context = streams[0].codec_context
    if context is None:
        raise VideoError(f"{path}: its codec is unknown; convert it to MP4 (H.264)")
    _require_size(path, context.width, context.height)
    context.options = {"max_pixels": str(MAX_PIXELS)}
    return streams[0]


def _require_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise VideoError(
            f"{path}: is {width} x {height} pixels; more than {MAX_PIXELS // 10**6} million "
            "are not read, scale it down"
        )


def _first_frame(path: Path, container: Any, stream: Any) -> tuple[Any, Fraction | None]:
    """The first frame that decodes, and the frame rate of the first packets."""
    import av

    frame, times = None, []
    measured = container.duration is None or container.format.name == "avi"
    for count, packet in enumerate(container.demux(stream)):
        # AVI stores only when a frame is decoded
        ticks = packet.dts if container.format.name == "avi" else packet.pts
        if ticks is not None and packet.time_base and packet.size:
            times.append(ticks * packet.time_base)
        if frame is None:
            try:
                frame = next(iter(packet.decode()), None)
            except av.FFmpegError:
                continue  # a recording cut from a stream may start between key frames
        elif count >= _MEASURED_PACKETS or not measured:
            break
    if frame is None and container.format.name.startswith("webp"):
        raise VideoError(f"{path}: animated WebP is not read; convert it to MP4 or GIF")
    if frame is None:
        raise VideoError(
            f"{path}: no frame can be decoded: the file is damaged (copy or download it again), or "
            f"its pictures have over {MAX_PIXELS // 10**6} million pixels (scale it down)"
        )
    return frame, _rate_of(times)


def _rate_of(times: list[Fraction]) -> Fraction | None:
    """Frames per second of presentation times in storage order."""
    if len(times) > _MEASURED_PACKETS // 2:
        times = sorted(times)[:-_MAX_REORDER]  # the last ones have gaps that later packets fill
    span = max(times) - min(times) if times else 0
    return Fraction((len(times) - 1) / span).limit_denominator(1001) if span else None


def _upright_size(frame: Any, stream: Any) -> tuple[int, int, int]:
    """Width and height in square pixels after turning, and the turn in degrees clockwise.

    The reader's filters do the same arithmetic.
    """
    rotation = -frame.rotation % 360
    if abs(rotation - 90 * round(rotation / 90)) <= 1:  # ffmpeg calls that a quarter turn
        rotation = 90 * round(rotation / 90) % 360
    else:
        rotation = 0
    width, height = frame.width, frame.height
    stretch = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, MAX_STRETCH) <= stretch <= MAX_STRETCH:
        stretch = Fraction(1)
    if rotation in (90, 270):
        width, height, stretch = height, width, 1 / stretch
    return int(width * float(stretch) + 0.5), height, rotation


def _duration_s(container: Any, stream: Any) -> float | None:
    """The video's own duration, else the file's; None where neither is stored."""
    if stream.duration and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    # Matroska keeps it as "00:00:03.000000000"
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        end_s = int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    else:
        end_s = (container.duration or 0) / 1e6
    if container.format.name in _ENDS_TOLD:
        start_s = (container.start_time or 0) / 1e6
        end_s -= start_s if 0 < start_s < end_s else 0.0
    return end_s if end_s > 0 else None


def _frame_rate(
    container: Any, stream: Any, duration_s: float | None, measured: Fraction | None
) -> Fraction:
    rates = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    if duration_s is None:
        rates = [measured, stream.guessed_rate]  # libav's average is a guess then
    elif container.format.name == "gif" and stream.frames and stream.duration:
        rates = [stream.frames / (stream.duration * stream.time_base)]  # else the fastest delay
    return next((rate for rate in rates if rate and 0 < rate <= _MAX_FPS), _STILL_FPS)


def _number_tag(stream: Any) -> int | None:
    """The frame count that mkvmerge stores as a tag."""
    for key, value in stream.metadata.items():
        if key.upper().startswith("NUMBER_OF_FRAMES") and value.isdecimal():
            return int(value)
    return None
