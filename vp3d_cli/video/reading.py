"""Streams a video's frames with their real presentation times."""

from __future__ import annotations

import math
import queue
import re
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import ffmpeg
import numpy as np

from vp3d_cli.errors import NoFramesError, VideoError
from vp3d_cli.types import Frame, Image
from vp3d_cli.video.hardware import hardware_options
from vp3d_cli.video.opening import input_options
from vp3d_cli.video.probing import MAX_STRETCH, probe
from vp3d_cli.video.program import Program, ffmpeg_path, file_url, has_fps_mode

_SLACK_FRAMES = 3  # by which a container's duration may differ from its frames'
_MAX_LAG_S = 60  # a line is there within microseconds, or never
# A message of another part may stand before these in the line, so that ffmpeg leaves out the part's
# name; what a file says of itself follows a longer indent.
_ABOUT_FILE = ("[info]  ", "  ")
_CLOCK = re.compile(r"config in time_base: *(\d+)/(\d+)")
_STAMP = re.compile(r"\bn: *\d+ pts: *(-?\d+|NOPTS) +pts_time:\S*( +duration: *(\d+))?")
# What software decoders deliver, the usual ones first; ffmpeg takes the nearest.
_PLANAR = "|".join(
    f"yuv{j}{chroma}p{bits}"
    for bits in ("", "10le", "12le")
    for chroma in ("420", "422", "444")
    for j in (("", "j") if not bits else ("",))
)
_PQ = "color_trc:smpte2084"  # of HDR video; HLG, the other kind, is made to look right untreated


class _Stamps:
    """Index and time of each delivered frame, from what the `showinfo` filter prints.

    Raw video carries no times. `showinfo` sees every decoded frame before `select` drops those
    ahead of the start, so that lines count all frames. Its decimal seconds are rounded, hence
    the integer pts; times are computed as `select` computes them, and so agree to the last bit.

    Attributes:
        num_decoded: how many frames were decoded.
        num_repaired: how many of them had no time later than the one before, and were given one.
        first_s, last_s: times of the first and the last of them.
        lasting_s: for how long the last is shown, 0 where it is not told.
        is_pq: a frame has HDR's brightness curve PQ.
    """

    def __init__(
        self, start_s: float | None, frame_s: float, on_decoded: Callable[[int], None] | None
    ) -> None:
        self.num_decoded = 0
        self.num_repaired = 0
        self.first_s = 0.0
        self.last_s = 0.0
        self.lasting_s = 0.0
        self.is_pq = False
        self._on_decoded = on_decoded
        self._start_s = start_s
        self._frame_s = frame_s
        self._told_s = -math.inf
        self._tick_s = 0.0
        self._queue: queue.SimpleQueue[tuple[int, float]] = queue.SimpleQueue()

    def read_line(self, line: str) -> None:
        if line.startswith(_ABOUT_FILE):
            return
        if found := _STAMP.search(line):
            self.lasting_s = int(found[3] or 0) * self._tick_s
            self._add(None if found[1] == "NOPTS" else int(found[1]) * self._tick_s)
        elif found := _CLOCK.search(line):
            self._tick_s = int(found[1]) / int(found[2])
        elif _PQ in line:
            self.is_pq = True

    def _add(self, told_s: float | None) -> None:
        selected = self._start_s is None or (told_s is not None and told_s >= self._start_s)
        time_s = self._rising(told_s)
        if self.num_decoded == 0:
            self.first_s = time_s
        self.last_s = time_s
        if selected:
            self._queue.put((self.num_decoded, time_s))
        self.num_decoded += 1
        if self._on_decoded:
            self._on_decoded(self.num_decoded)

    def _rising(self, told_s: float | None) -> float:
        """The time that the file tells, or one after the last frame's where it tells none."""
        if told_s is None:
            return self.last_s + self._frame_s if self.num_decoded else 0.0
        again, self._told_s = told_s == self._told_s, told_s
        if self.num_decoded == 0 or told_s > self.last_s:
            return told_s
        self.num_repaired += 1
        # Half a step lets true times catch up after a swap; a clock that stands never does.
        return self.last_s + self._frame_s * (1.0 if again else 0.5)

    def next(self) -> tuple[int, float]:
        """Index and time of the next delivered frame; its line was printed before its pixels."""
        return self._queue.get(timeout=_MAX_LAG_S)


class VideoReader:
    """The frames of a video from `start_s` up to, not including, `end_s`.

    A context manager and an iterator. Frames are decoded as they are asked for: memory does not
    depend on the length. They are upright, with square pixels, all of the size in `info`.

    Attributes:
        info: what the file promises.
        frames_read: how many frames were delivered so far.
        warning: after the last frame, a sentence if the file is truncated, damaged or HDR.
    """

    def __init__(
        self,
        path: Path,
        start_s: float | None = None,
        end_s: float | None = None,
        on_decoded: Callable[[int], None] | None = None,
        hwaccel: str | None = None,
    ) -> None:
        """Probe the file.

        Args:
            path: a video, GIF or still image, or numbered images such as `frames/%04d.png`.
            start_s: skip the frames shown before it, seconds. They are decoded, to count them.
            end_s: stop at the first frame shown at or after it, seconds.
            on_decoded: told, in another thread, how many frames were decoded, skipped ones too.
            hwaccel: ffmpeg's name of a hardware decoder, "auto" for whichever is there.

        Raises:
            VideoError: it cannot be read, or `start_s` is not before `end_s`.
            BackendUnavailableError: the hardware decoder does not work here.
        """
        if start_s is not None and end_s is not None and start_s >= end_s:
            raise VideoError(f"{path}: the start ({start_s:g} s) must lie before {end_s:g} s")
        self.info = probe(path)
        self.frames_read = 0
        self.warning: str | None = None
        self._start_s = None if start_s is None else float(start_s)  # numpy's repr is no number
        self._end_s = end_s
        self._hardware = hardware_options(path, hwaccel)
        self._stamps = _Stamps(self._start_s, float(1 / self.info.fps), on_decoded)
        self._program: Program | None = None
        self._ended = False

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        if self._ended:
            raise StopIteration
        if self._program is None:
            self._program = self._start()
            weakref.finalize(self, self._program.stop)  # where neither `with` nor the end came
        image: Image = np.empty((self.info.height, self.info.width, 3), np.uint8)
        if not self._program.read_into(image):
            self._finish(self._program)
            raise StopIteration
        try:
            index, time_s = self._stamps.next()
        except queue.Empty:
            raise VideoError(
                f"{self.info.path}: ffmpeg ({ffmpeg_path()}) tells no frame times; install another"
            ) from None
        if self._end_s is not None and time_s >= self._end_s:
            self.close()
            self._require_frames()
            self.warning = self._caution(None)
            raise StopIteration
        self.frames_read += 1
        return Frame(index, time_s, image)

    def close(self) -> None:
        """End the decoder; nothing more is delivered."""
        self._ended = True
        if self._program is not None:
            self._program.stop()

    def _start(self) -> Program:
        width, height = self.info.width, self.info.height
        modern = has_fps_mode(ffmpeg_path())
        # PyAV chose the first video stream that is no cover picture; so does V
        options = input_options(self.info.path) | self._hardware
        stream = ffmpeg.input(file_url(self.info.path), **options)["V:0"]
        if self._hardware:  # delivers the same samples packed otherwise, which is undone exactly
            stream = stream.filter("format", _PLANAR)
        stream = stream.filter("showinfo", **({"checksum": 0} if modern else {}))
        if self._start_s is not None:
            stream = stream.filter("select", f"gte(t,{self._start_s!r})")
        # No-ops but for oblong pixels and a size that changes within the video
        stretch = f"if(between(sar,1/{MAX_STRETCH},{MAX_STRETCH}),sar,1)"
        stream = (
            stream.filter("scale", f"trunc(iw*{stretch}+0.5)", "ih")
            .filter("setsar", 1)
            .filter("scale", width, height, force_original_aspect_ratio="decrease")
            .filter("pad", width, height, "(ow-iw)/2", "(oh-ih)/2")
        )
        timing = {"fps_mode": "passthrough"} if modern else {"vsync": 0}
        # One decoder error among few frames must not make it give up
        output = stream.output(
            "pipe:", format="rawvideo", pix_fmt="bgr24", max_error_rate=1, **timing
        )
        return Program(output, on_line=self._stamps.read_line, pipe_out=True)

    def _finish(self, program: Program) -> None:
        """Judge how the decoder ended."""
        code = program.finish()
        self.close()
        if program.stalled:
            raise VideoError(
                f"{self.info.path}: ffmpeg delivered nothing for {program.stall_s} s after "
                f"{self._stamps.num_decoded} frames; check the disk, or convert the file to MP4"
            )
        if code < 0:
            cause = "memory may be short" if code == -9 else "try another ffmpeg, or another file"
            raise VideoError(
                f"{self.info.path}: ffmpeg ({ffmpeg_path()}) died of signal {-code} after "
                f"{self._stamps.num_decoded} frames ({program.last_message}); {cause}"
            )
        if self._stamps.num_decoded == 0:
            raise VideoError(
                f"{self.info.path}: no frame can be decoded ({program.last_message}); "
                "copy or download it again, or convert it to MP4"
            )
        self._require_frames()
        self.warning = self._caution(self._damage(program, code))

    def _require_frames(self) -> None:
        if self.frames_read == 0:
            start_s = self._start_s or 0.0
            end = "its end" if self._end_s is None else f"{self._end_s:g} s"
            length = f"; it lasts {self.info.duration_s:.2f} s" if self.info.duration_s else ""
            raise NoFramesError(
                f"{self.info.path}: has no frame between {start_s:g} s and {end}{length}"
            )

    def _caution(self, damage: str | None) -> str | None:
        """One sentence of all that speaks against what was read."""
        cautions = [damage] if damage else []
        if count := self._stamps.num_repaired:
            cautions.append(
                f"{count} of the frames' times do not rise; they were estimated at "
                f"{float(self.info.fps):.4g} frames/s"
            )
        if self._stamps.is_pq:
            cautions.append(
                "is HDR video (PQ), read without tone mapping: its pictures look flat; convert it "
                "to SDR if people are missed"
            )
        return f"{self.info.path}: {'; '.join(cautions)}" if cautions else None

    def _damage(self, program: Program, code: int) -> str | None:
        """A clause if fewer frames came than were promised, or some may be damaged."""
        info, stamps = self.info, self._stamps
        read_s = stamps.last_s - stamps.first_s + max(float(1 / info.fps), stamps.lasting_s)
        read = f"{stamps.num_decoded} frames ({read_s:.2f} s)"
        if self._is_short(read_s):
            count = "" if info.num_frames is None else f"{info.num_frames} frames, "
            return (
                f"is truncated or damaged: it promises {count}"
                f"{info.duration_s:.2f} s but only {read} could be read"
            )
        if code != 0 or program.num_errors:
            return (
                f"may be damaged: ffmpeg reported errors ({program.num_errors}) "
                f"while reading {read}, the last: {program.last_message}"
            )
        return None

    def _is_short(self, read_s: float) -> bool:
        """Whether both the count, where stored, and the time fall short of the promise.

        An edit list makes the count alone too high; a long last frame, the time alone. Without
        a count, the time may be the sound's.
        """
        info = self.info
        if info.duration_s is None:
            return False
        if info.num_frames is None:
            least_s = 1.0 if info.has_audio else float(_SLACK_FRAMES / info.fps)
            return read_s < info.duration_s - max(least_s, 0.01 * info.duration_s)
        missing = info.num_frames - self._stamps.num_decoded
        return missing > 0 and read_s < info.duration_s - float(0.5 / info.fps)
