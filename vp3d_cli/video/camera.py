"""Reads a camera of this computer, with OpenCV: it numbers them alike on every system."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import numpy as np

from vp3d_cli.errors import VideoError
from vp3d_cli.types import Frame

_READ_TIMEOUT_MS = 5000
# Rates beyond these are no camera's: some drivers answer 0, or the ticks of their clock.
_FPS = (1, 1000)
# Where the system has no list of its cameras, these are tried.
_TRIED = range(5)
_DEVICES = Path("/sys/class/video4linux")


class CameraReader:
    """The frames of a camera, as they come.

    A context manager and an iterator; it ends where the camera gives no picture.

    Attributes:
        fps: what the driver promises; None where it does not say.
    """

    fps: Fraction | None = None

    def __init__(self, number: int, size: tuple[int, int], stopped: threading.Event) -> None:
        """Open it.

        Args:
            number: from 0, as the system numbers its cameras.
            size: width and height that are asked for; the camera takes the nearest that it has.
            stopped: set by whoever wants no more frames.

        Raises:
            VideoError: there is no such camera, or it cannot be opened.
        """
        import cv2

        self._stopped = stopped
        self._camera: Any = _opened(number)
        if self._camera is None:
            raise VideoError(_refusal(number))
        # Compressed first: uncompressed, USB carries such pictures only a few times a second.
        for setting, value in (
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            (cv2.CAP_PROP_FRAME_WIDTH, size[0]),
            (cv2.CAP_PROP_FRAME_HEIGHT, size[1]),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
            (cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_TIMEOUT_MS),
        ):
            self._camera.set(setting, value)  # a driver may know none of them
        fps = self._camera.get(cv2.CAP_PROP_FPS)
        if _FPS[0] <= fps <= _FPS[1]:
            self.fps = Fraction(fps).limit_denominator(1001)

    def __enter__(self) -> CameraReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._camera.release()

    def __iter__(self) -> Iterator[Frame]:
        """The frames; times are those of arrival, from 0."""
        began_s, index = None, 0
        while not self._stopped.is_set():
            is_there, image = self._camera.read()
            if not is_there:
                return
            now_s = monotonic()
            began_s = now_s if began_s is None else began_s
            yield Frame(index, now_s - began_s, np.asarray(image, np.uint8))
            index += 1


def cameras() -> list[int]:
    """Numbers of the cameras that there are."""
    if not sys.platform.startswith("linux"):
        return [number for number in _TRIED if _is_there(number)]
    found = (re.fullmatch(r"video(\d+)", device.name) for device in _DEVICES.glob("video*"))
    return sorted(int(name[1]) for name in found if name and _takes_pictures(int(name[1])))


def _takes_pictures(number: int) -> bool:
    """A camera has several devices; only the first of them is for pictures."""
    try:
        return (_DEVICES / f"video{number}" / "index").read_text(encoding="ascii").strip() == "0"
    except OSError:
        return False


def _is_there(number: int) -> bool:
    camera = _opened(number)
    if camera is not None:
        camera.release()
    return camera is not None


def _opened(number: int) -> Any:
    """OpenCV's camera; None where it cannot be opened."""
    import cv2

    backends = {"linux": cv2.CAP_V4L2, "darwin": cv2.CAP_AVFOUNDATION}
    log = cv2.utils.logging
    before = log.setLogLevel(log.LOG_LEVEL_SILENT)  # we say it ourselves
    try:
        camera = cv2.VideoCapture(number, backends.get(sys.platform, cv2.CAP_ANY))
    finally:
        log.setLogLevel(before)
    return camera if camera.isOpened() else None


def _refusal(number: int) -> str:
    there = cameras()
    if number in there:
        device = Path(f"/dev/video{number}")
        if device.exists() and not os.access(device, os.R_OK | os.W_OK):
            return f"camera {number}: no permission to read {device}; join the group 'video'"
        return f"camera {number} cannot be opened; close other programs that use it"
    if not there:
        return (
            f"camera {number} does not exist; there is none. Plug one in, or give a stream or a "
            "video file"
        )
    return f"camera {number} does not exist; there are {', '.join(map(str, there))}"
