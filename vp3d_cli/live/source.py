"""What is watched: a camera, a stream, a pipe, or a video file played at its own speed."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

from vp3d_cli.errors import OptionsError, VideoError
from vp3d_cli.types import Frame
from vp3d_cli.video.camera import CameraReader
from vp3d_cli.video.probing import probe
from vp3d_cli.video.reading import VideoReader
from vp3d_cli.video.streaming import PROTOCOLS, StreamReader

CAMERA_SIZE = (1280, 720)
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^/?#]*@)?([^?]*).*", re.DOTALL)


class Reader(Protocol):
    """Gives frames while the context lasts.

    `fps` is the rate that the source promises, None where it does not.
    """

    @property
    def fps(self) -> Fraction | None: ...

    def __enter__(self) -> Reader: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __iter__(self) -> Iterator[Frame]: ...


@dataclass(frozen=True)
class Source:
    """Where pictures come from.

    Attributes:
        kind: "camera", "stream", "pipe" or "file".
        place: the camera's number, the address or the path; "-" for the pipe.
        name: what to call it; an address without what may be a password in it.
        size: width and height that a camera is asked for.
    """

    kind: str
    place: str
    name: str
    size: tuple[int, int] = CAMERA_SIZE

    @property
    def ends(self) -> bool:
        """Whether its end is the end, and not a loss."""
        return self.kind in ("pipe", "file")

    def check(self) -> None:
        """Look at what can be looked at without taking anything from it.

        Raises:
            VideoError: it cannot be read.
        """
        if self.kind == "file":
            probe(Path(self.place))
        elif self.kind == "pipe" and (sys.stdin is None or sys.stdin.isatty()):
            raise VideoError("-: nothing is piped in; for example: ffmpeg … | vp3d live -")

    def open(self, stopped: threading.Event) -> Reader:
        """Open it, or open it again.

        Args:
            stopped: set by whoever wants no more frames.

        Raises:
            VideoError: that is not possible.
            BackendUnavailableError: there is no ffmpeg.
        """
        if self.kind == "camera":
            return CameraReader(int(self.place), self.size, stopped)
        if self.kind == "file":
            return _File(Path(self.place))
        return StreamReader(self.place if self.kind == "stream" else None, self.name, stopped)


def source_of(text: str, size: tuple[int, int] = CAMERA_SIZE) -> Source:
    """What a user calls a source.

    Raises:
        OptionsError: it is an address of a kind that is not read, or no such file is there.
    """
    if text == "-":
        return Source("pipe", text, "the pipe")
    if re.fullmatch(r"[0-9]{1,3}", text):
        return Source("camera", text, f"camera {int(text)}", size)
    if found := _ADDRESS.fullmatch(text):
        scheme = found[1].lower()
        if scheme not in PROTOCOLS or not found[2]:
            raise OptionsError(
                f"'{scheme}://{found[2]}' is no address that is read; there are "
                f"{', '.join(f'{known}://' for known in PROTOCOLS)}"
            )
        # Only a lower-case scheme is known to ffmpeg.
        return Source("stream", scheme + text[len(scheme) :], f"{scheme}://{found[2]}")
    if not text or not Path(text).exists():
        raise OptionsError(
            f"'{text}': no such file; give a video file, a camera's number (0), an address "
            "(rtsp://…, http://…, udp://…) or - for a pipe"
        )
    return Source("file", text, Path(text).name)


class _File:
    """`VideoReader`, as a `Reader`."""

    def __init__(self, path: Path) -> None:
        self._reader = VideoReader(path)
        self.fps = self._reader.info.fps

    def __enter__(self) -> _File:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.close()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._reader)
