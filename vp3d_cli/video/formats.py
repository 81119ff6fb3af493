"""What kinds of files pictures are written to, and how each is encoded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vp3d_cli.errors import OptionsError, OutputError

CODECS = ("h264", "hevc", "vp9", "prores")

# Per frame of 1200x600 with sensor noise: veryfast 14 ms of CPU and 1.3 kB, superfast 15 to 19 ms
# and 30 kB or more; on clean pictures 12 and 9 ms. Of 1920x1080 with texture: veryfast 61 ms and
# 15 kB, with the motion search of superfast 47 ms and 17 kB, superfast itself 45 ms and 38 kB
_H264 = {
    "c:v": "libx264",
    "preset": "veryfast",
    "crf": 20,
    "profile:v": "high",
    "x264-params": "subme=1:me=dia",
}
# Players of Apple want the tag; x265 has a log of its own.
_HEVC = {
    "c:v": "libx265",
    "preset": "veryfast",
    "crf": 23,
    "tag:v": "hvc1",
    "x265-params": "log-level=error",
}
_VP9 = {
    "c:v": "libvpx-vp9",
    "deadline": "realtime",
    "cpu-used": 8,
    "row-mt": 1,
    "crf": 32,
    "b:v": 0,
}
_PRORES = {"c:v": "prores_ks", "profile:v": "hq", "vendor": "apl0"}
_ENCODERS: dict[str, dict[str, Any]] = {
    "h264": _H264,
    "hevc": _HEVC,
    "vp9": _VP9,
    "prores": _PRORES,
}
_WITH_ALPHA: dict[str, dict[str, Any]] = {
    "vp9": _VP9 | {"auto-alt-ref": 0},
    "prores": _PRORES | {"profile:v": "4444"},
}
_PIXELS = {"h264": "yuv420p", "hevc": "yuv420p", "vp9": "yuv420p", "prores": "yuv422p10le"}
_ALPHA_PIXELS = {"vp9": "yuva420p", "prores": "yuva444p10le"}


@dataclass(frozen=True)
class Container:
    """How one kind of file is written.

    Attributes:
        codecs: for the pictures, the usual one first; none where it has one of its own.
        muxer: options of the container.
        copied_audio: codecs that it takes and players expect in it.
        audio_encoder: for the other codecs; None where it holds no sound.
        codec: what was chosen; None where it has one of its own.
        alpha: the pictures have a fourth channel.
    """

    codecs: tuple[str, ...]
    muxer: dict[str, Any]
    copied_audio: frozenset[str] = frozenset()
    audio_encoder: str | None = None
    codec: str | None = None
    alpha: bool = False

    @property
    def video(self) -> dict[str, Any]:
        """ffmpeg's output options for the pictures."""
        if self.codec is None:
            return {}
        return (_WITH_ALPHA if self.alpha else _ENCODERS)[self.codec]

    @property
    def pixels(self) -> str:
        """The pixel format, as ffmpeg calls it."""
        return (_ALPHA_PIXELS if self.alpha else _PIXELS)[self.codec or "h264"]


_FASTSTART = {"movflags": "+faststart"}
_MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
_CONTAINERS = {
    ".mp4": Container(("h264", "hevc", "vp9"), _FASTSTART, _MP4_AUDIO, "aac"),
    ".mov": Container(("h264", "hevc", "prores"), _FASTSTART, _MP4_AUDIO, "aac"),
    ".mkv": Container(CODECS, {}, _MP4_AUDIO | {"opus", "vorbis", "flac"}, "aac"),
    ".webm": Container(("vp9",), {}, frozenset({"opus", "vorbis"}), "libopus"),
    ".gif": Container((), {}),
}
# Where alpha goes.
_ALPHA = {".webm": "vp9", ".mov": "prores"}


def container_of(path: Path, codec: str | None = None, alpha: bool = False) -> Container:
    """How a file is to be written.

    Args:
        path: the suffix says what it is.
        codec: one of `CODECS`; None: what goes with the suffix.
        alpha: the pictures are partly transparent.

    Raises:
        OutputError: the suffix is none of the known ones.
        OptionsError: the file holds no such codec, or no alpha.
    """
    suffix = path.suffix.lower()
    if suffix not in _CONTAINERS:
        raise OutputError(
            f"{path}: '{suffix}' videos cannot be written; choose {', '.join(_CONTAINERS)}, or "
            "numbered images such as frames/%04d.png"
        )
    container = _CONTAINERS[suffix]
    if codec is not None and codec not in container.codecs:
        able = [name for name, other in _CONTAINERS.items() if codec in other.codecs]
        raise OptionsError(
            f"{path}: a {suffix} file does not hold {codec}; choose {' or '.join(able)}"
            if able
            else f"codec '{codec}': expected one of {', '.join(CODECS)}"
        )
    if not alpha:
        return replace(container, codec=codec or next(iter(container.codecs), None))
    carried = _ALPHA.get(suffix)
    if carried is None:
        raise OptionsError(
            f"{path}: a {suffix} file is never transparent here; choose .webm (VP9), .mov (ProRes "
            "4444) or frames/%04d.png"
        )
    if codec not in (None, carried):
        raise OptionsError(f"{path}: {codec} holds no alpha; in {suffix} files {carried} does")
    return replace(container, codec=carried, alpha=True)
