"""Reads what comes as it comes: a network stream, or a pipe on stdin."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from time import monotonic
from types import TracebackType

import ffmpeg
import numpy as np

from vp3d_cli.errors import VideoError
from vp3d_cli.types import Frame, Image
from vp3d_cli.video.opening import only_this_stream
from vp3d_cli.video.probing import MAX_STRETCH
from vp3d_cli.video.program import Program, ffmpeg_path, has_fps_mode

# What an address may begin with, and the protocols of ffmpeg that it takes.
PROTOCOLS: dict[str, tuple[str, ...]] = {
    "http": ("http", "https", "tls", "tcp"),  # a server may send us on
    "https": ("https", "http", "tls", "tcp"),
    "rtsp": ("rtsp", "rtp", "udp", "tcp"),
    "rtsps": ("rtsps", "rtsp", "rtp", "srtp", "tls", "udp", "tcp"),
    "udp": ("udp",),
}
# Playlists of a server, and what a camera describes itself with.
_FOLLOWED = ("hls", "rtp", "rtsp", "sdp")
# Nothing came for so long: it is gone.
STALL_S = 10.0
_POLL_S = 0.2
# What a stream says about itself is looked at for so long; ffmpeg's own 5 s delay every start.
_ANALYSED_US = 1_000_000
# Pictures one after the other, which carry no times: ffmpeg makes some up.
_TIMELESS = re.compile(r"Input #0, (mpjpeg|mjpeg|h264|hevc|m4v|image2pipe|\w+_pipe)\b")
_RECORDING = re.compile(r"^\[info\]   Duration: (\d+:\d\d:\d\d)")
_RATE = re.compile(r"config in time_base: *(\d+)/(\d+), frame_rate: *(\d+)/(\d+)")
_STAMP = re.compile(r"\bn: *\d+ pts: *(-?\d+|NOPTS) .*\bs:(\d+)x(\d+)")
# A step of the stream's clock beyond is a leap: then the time of arrival tells.
_LONGEST_STEP_S = 2.0


@dataclass(frozen=True)
class _Stamp:
    """What is told of a frame before it comes: its time where the stream says it, and its size."""

    told_s: float | None
    width: int
    height: int


class StreamReader:
    """The frames of a stream, as they come.

    A context manager and an iterator; it ends where the stream does. Frames are upright, with
    square pixels, and all of the first one's size.

    Attributes:
        fps: what the stream promises, once the first frame is there; None where it does not say.
        stall_s: where nothing came for so long it has failed; stdin may wait as it likes.
    """

    stall_s = STALL_S

    def __init__(self, url: str | None, name: str, stopped: threading.Event) -> None:
        """Begin to open it; the first frame tells whether that went well.

        Args:
            url: begins with one of `PROTOCOLS`; None reads our stdin.
            name: what to call it in messages: an address may hold a password.
            stopped: set by whoever wants no more frames.

        Raises:
            BackendUnavailableError: there is no ffmpeg.
        """
        self._url, self._name, self._stopped = url, name, stopped
        self.fps: Fraction | None = None
        self._stamps: queue.SimpleQueue[_Stamp] = queue.SimpleQueue()
        self._tick_s, self._is_timeless = 0.0, False
        self._lasts: str | None = None
        self._program = Program(
            self._graph(), on_line=self._read_line, pipe_out=True, our_stdin=url is None
        )

    def __enter__(self) -> StreamReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._program.stop()

    def __iter__(self) -> Iterator[Frame]:
        """The frames; their times are those of the stream, or of arrival where it has none.

        Raises:
            VideoError: nothing could be read, or nothing came for too long.
        """
        first: _Stamp | None = None
        index, time_s, arrived_s, told_s = 0, 0.0, 0.0, None
        while (stamp := self._next_stamp()) is not None:
            first = first or stamp
            image: Image = np.empty((first.height, first.width, 3), np.uint8)
            if not self._program.read_into(image):
                break
            now_s = monotonic()
            if index:
                time_s += _step(told_s, stamp.told_s, now_s - arrived_s)
            arrived_s, told_s = now_s, stamp.told_s
            yield Frame(index, time_s, image)
            index += 1
        if first is None and not self._stopped.is_set():
            raise VideoError(f"{self._name}: {self._reason()}")

    def _next_stamp(self) -> _Stamp | None:
        """Of the next frame; None at the end."""
        waited_s = 0.0
        while not self._stopped.is_set():
            stamp: _Stamp | None = None
            try:
                stamp = self._stamps.get(timeout=_POLL_S)
            except queue.Empty:
                waited_s += _POLL_S  # counted, for a computer asleep lets no time pass
            if self._lasts and self._url is not None:
                raise VideoError(
                    f"{self._name}: is a recording of {self._lasts}, not a stream; "
                    "download it and give the file"
                )
            if stamp is not None:
                return stamp
            if self._program.process.poll() is not None:
                self._program.finish()  # reads its last lines too
                return None if self._stamps.empty() else self._stamps.get()
            if waited_s >= self.stall_s and self._url is not None:
                raise VideoError(f"{self._name}: nothing came for {self.stall_s:g} s")
        return None

    def _reason(self) -> str:
        """Why there is no frame."""
        told = self._program.last_message
        # The cause comes first; the last lines say only that it could not be opened.
        causes = (m for m in self._program.messages if not m.startswith("Error opening input"))
        told = next(causes, told)
        if self._url is None:
            return f"no video came through the pipe ({told}); check the program before it"
        told = told.replace(self._url, self._name)
        return f"no video could be read ({told}); check the address and that the server runs"

    def _graph(self) -> object:
        if self._url is None:
            options = only_this_stream(("pipe",))
        else:
            scheme = self._url.partition(":")[0].lower()
            options = only_this_stream(PROTOCOLS[scheme], _FOLLOWED)
            if scheme.startswith("rtsp"):
                options |= {"rtsp_flags": "prefer_tcp"}  # over UDP packets are lost
        modern = has_fps_mode(ffmpeg_path())
        # Frames worked on beside each other hold each back until the next ones are there: one
        # thread encodes, and several decode parts of one frame.
        options |= {"flags": "low_delay", "thread_type": "slice"}
        stream = ffmpeg.input(self._url or "pipe:0", analyzeduration=_ANALYSED_US, **options)["V:0"]
        stretch = f"if(between(sar,1/{MAX_STRETCH},{MAX_STRETCH}),sar,1)"
        stream = (
            stream.filter("scale", f"trunc(iw*{stretch}+0.5)", "ih")
            .filter("setsar", 1)
            .filter("showinfo", **({"checksum": 0} if modern else {}))
        )
        timing = {"fps_mode": "passthrough"} if modern else {"vsync": 0}
        sent = {"format": "rawvideo", "pix_fmt": "bgr24", "threads": 1}
        return stream.output("pipe:1", max_error_rate=1, **sent, **timing)

    def _read_line(self, line: str) -> None:
        if found := _STAMP.search(line):
            unknown = found[1] == "NOPTS" or self._is_timeless
            told_s = None if unknown else int(found[1]) * self._tick_s
            self._stamps.put(_Stamp(told_s, int(found[2]), int(found[3])))
        elif found := _RATE.search(line):
            self._tick_s = int(found[1]) / int(found[2])
            if not self._is_timeless and int(found[3]) and int(found[4]):
                self.fps = Fraction(int(found[3]), int(found[4]))
        elif _TIMELESS.search(line):
            self._is_timeless = True
        elif found := _RECORDING.search(line):
            self._lasts = found[1]


def _step(before_s: float | None, told_s: float | None, arrived_s: float) -> float:
    """Seconds since the last frame: as the stream says, unless its clock leapt or there is none."""
    if before_s is None or told_s is None or not 0 < told_s - before_s <= _LONGEST_STEP_S:
        return max(arrived_s, 0.0)
    return told_s - before_s
