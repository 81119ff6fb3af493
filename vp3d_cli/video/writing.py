"""Encodes frames into a video that appears whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import ffmpeg
import numpy as np

from vp3d_cli.errors import BackendUnavailableError, DiskFullError, OutputError
from vp3d_cli.files import written_whole
from vp3d_cli.types import Image
from vp3d_cli.video.formats import container_of
from vp3d_cli.video.opening import only_this_file
from vp3d_cli.video.program import Program, ffmpeg_path, file_url

_COLOUR = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}
_MAX_GIF_FPS = 50  # browsers slow faster GIFs down to 10


class VideoWriter:
    """Writes frames of one size at a constant rate; a context manager.

    The suffix chooses the container: .mp4, .mov and .mkv hold H.264 where no codec is named,
    .webm VP9; .gif works too. `formats` has them all.
    Nothing stands at `path` until the context ends without an exception.

    Attributes:
        frames_written: how many frames `write` took so far.
        warning: after the context, a sentence if the sound could not be carried over.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        fps: Fraction,
        audio_from: Path | None = None,
        audio_start_s: float = 0.0,
        codec: str | None = None,
        alpha: bool = False,
    ) -> None:
        """Choose the container; the file is opened by `with`.

        Args:
            path: the file to write.
            width, height: of the images, pixels. An odd size grows by one row or column, a copy
                of the last: H.264 as browsers play it needs even sizes.
            fps: constant frame rate.
            audio_from: a file whose sound, if any, is carried over, cut to the video's length.
            audio_start_s: where in it the first image lies, seconds.
            codec: h264, hevc, vp9 or prores; None: what goes with the suffix.
            alpha: images have a fourth channel, 0 where they are transparent.

        Raises:
            OutputError: the suffix is none of the known ones.
            OptionsError: such a file holds no such codec, or no alpha.
        """
        if width < 1 or height < 1 or fps <= 0:
            raise ValueError(f"size and fps: expected positive, got {width}x{height}, {fps}")
        self.path = path
        self.frames_written = 0
        self.warning: str | None = None
        self._shape = (height, width, 4 if alpha else 3)
        self._fps = Fraction(fps)
        self._container = container_of(path, codec, alpha)
        self._is_gif = path.suffix.lower() == ".gif"
        self._audio_from = audio_from
        self._audio_start_s = audio_start_s
        self._program: Program | None = None
        self._session = self._open()

    def __enter__(self) -> VideoWriter:
        self._session.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.__exit__(kind, error, trace)

    def write(self, image: Image) -> None:
        """Append one image (H, W, 3), uint8 BGR, or (H, W, 4) BGRA with alpha.

        Raises:
            OutputError: the encoder ended; the disk may be full.
        """
        if self._program is None:
            raise ValueError("write: the writer is not open; use it in a `with` statement")
        if image.shape != self._shape or image.dtype != np.uint8:
            raise ValueError(
                f"image: expected {self._shape} uint8, got {image.shape} {image.dtype}"
            )
        try:
            self._program.write(np.ascontiguousarray(self._even(image)))
        except OSError:
            self._program.finish()
            raise self._failure(self._program) from None
        self.frames_written += 1

    def _even(self, image: Image) -> Image:
        height, width, _ = self._shape
        if height % 2 == 0 and width % 2 == 0:
            return image
        return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")

    @contextlib.contextmanager
    def _open(self) -> Iterator[None]:
        audio = _audio_codec(self._audio_from) if self._container.audio_encoder else None
        with written_whole(self.path) as whole, contextlib.ExitStack() as stack:
            silent = whole
            if audio:
                # The sound is cut to the video's length, known only at the end
                silent = whole.with_name(f"{whole.stem}-silent{whole.suffix}")
                stack.callback(silent.unlink, missing_ok=True)
            with Program(self._encoding(silent), pipe_in=True) as self._program:
                yield
                self._finish(self._program)
            if audio and not self._add_audio(audio, silent, whole):
                silent.replace(whole)

    def _encoding(self, target: Path) -> Any:
        height, width, _ = self._shape
        stream = ffmpeg.input(
            "pipe:",
            format="rawvideo",
            pix_fmt="bgra" if self._container.alpha else "bgr24",
            s=f"{width + width % 2}x{height + height % 2}",
            framerate=_fraction(self._fps),
        )
        options = self._container.video | self._container.muxer
        if self._is_gif:
            stream = _gif_palette(stream, self._fps)
        else:
            pixels = self._container.pixels
            stream = _browser_colours(stream, pixels)
            options = options | _COLOUR | {"color_range": "tv", "pix_fmt": pixels}
        return ffmpeg.output(stream, file_url(target), **options)

    def _finish(self, program: Program) -> None:
        if self.frames_written == 0:
            raise OutputError(f"{self.path}: not written, since it would hold no frame")
        if program.finish() != 0 or _disk_full(program):
            raise self._failure(program)

    def _failure(self, program: Program) -> Exception:
        if _disk_full(program):
            return DiskFullError(f"{self.path}: the disk is full; free some space and run it again")
        if any("Unknown encoder" in message for message in program.messages):
            return BackendUnavailableError(
                f"{ffmpeg_path()}: was built without {self._container.video['c:v']}; install a "
                "complete ffmpeg, or take it off PATH to use imageio-ffmpeg's"
            )
        code = program.process.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return OutputError(
            f"{self.path}: the encoder ended with {how} after {self.frames_written} frames: "
            f"{program.last_message}"
        )

    def _add_audio(self, codec: str, silent: Path, whole: Path) -> bool:
        """Copy the sound, or encode it where it cannot be copied; whether that succeeded."""
        encoder = str(self._container.audio_encoder)
        for how in ("copy", encoder) if codec in self._container.copied_audio else (encoder,):
            with Program(self._muxing(how, silent, whole)) as program:
                if program.finish() == 0 and not _disk_full(program):
                    return True
        self.warning = (
            f"{self.path}: has no sound: that of {self._audio_from} could not be carried over "
            f"({program.last_message})"
        )
        return False

    def _muxing(self, audio_codec: str, silent: Path, whole: Path) -> Any:
        # The limit stands on the sound alone: -shortest would cut the video where sound ends early
        length_s = float(self.frames_written / self._fps)
        sound = ffmpeg.input(
            file_url(self._audio_from),
            ss=self._audio_start_s,
            t=length_s,
            **only_this_file(),
        )
        # Chapters of the source would outlast a clip
        options = {"c:v": "copy", "c:a": audio_codec, "map_chapters": -1} | self._container.muxer
        return ffmpeg.output(
            ffmpeg.input(file_url(silent))["v:0"], sound["a:0"], file_url(whole), **options
        )


def _browser_colours(stream: Any, pixels: str) -> Any:
    """BGR to BT.709 limited range, saying so in the file; players guess otherwise."""
    stream = stream.filter("scale", out_color_matrix="bt709", out_range="tv")
    return stream.filter("format", pixels).filter("setparams", range="tv", **_COLOUR)


def _gif_palette(stream: Any, fps: Fraction) -> Any:
    """A palette for each frame: one for all would need all frames in memory."""
    if fps > _MAX_GIF_FPS:
        stream = stream.filter("fps", _MAX_GIF_FPS)
    split = stream.filter_multi_output("split")
    palette = split[0].filter("palettegen", stats_mode="single")
    return ffmpeg.filter([split[1], palette], "paletteuse", new=1)


def _audio_codec(path: Path | None) -> str | None:
    """The codec of a file's first sound stream; None where there is none."""
    import av

    if path is None:
        return None
    try:
        with av.open(
            file_url(path), options=only_this_file(), metadata_errors="replace"
        ) as container:
            stream = next(iter(container.streams.audio), None)
            return str(stream.codec_context.codec.canonical_name) if stream else None
    except (av.FFmpegError, AttributeError):
        return None


def _disk_full(program: Program) -> bool:
    # Some ffmpeg versions print this and yet end with exit code 0
    return any("No space left on device" in message for message in program.messages)


def _fraction(value: Fraction) -> str:
    """As ffmpeg reads it, which is in 32 bits."""
    value = value.limit_denominator(1 << 16)
    return f"{value.numerator}/{value.denominator}"
