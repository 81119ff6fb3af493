"""A thread that reads, and keeps nothing but the newest frame.

Whoever is behind misses frames instead of falling back ever farther. A camera or a stream that
breaks off is opened again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from time import monotonic
from types import TracebackType

from vp3d_cli.errors import VideoError, Vp3dError
from vp3d_cli.live.source import Reader, Source
from vp3d_cli.types import Frame

_log = logging.getLogger(__name__)

GIVE_UP_S = 30.0
# Between two tries to open a source again.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 5.0
_POLL_S = 0.2
# For a decoder to end; it is killed with us at the latest.
_JOIN_S = 3.0


@dataclass(frozen=True)
class Captured:
    """A frame.

    Attributes:
        frame: its index counts all that were read, its time goes on over losses and repetitions.
        captured_s: when it was read, of `time.monotonic`.
        fps: what the source promises; None where it does not.
    """

    frame: Frame
    captured_s: float
    fps: Fraction | None


class Capture:
    """A context manager and an iterator: the newest frame each time, until the source ends.

    Attributes:
        num_read: how many frames came.
        num_losses: how often the source broke off.
        until_s: iterating ends then, of `time.monotonic`; None: not before the source.
    """

    def __init__(
        self,
        source: Source,
        *,
        loop: bool = False,
        every_frame: bool = False,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        """Nothing is opened yet.

        Args:
            source: what to read.
            loop: begin a file again at its end.
            every_frame: wait for whoever takes the frames, and play a file as fast as they do.
            give_up_s: for how long a source may be lost.
        """
        self._source, self._loop, self._every_frame = source, loop, every_frame
        self._give_up_s = give_up_s
        self.until_s: float | None = None
        self.num_read = self.num_losses = 0
        self._changed = threading.Condition()
        self._newest: Captured | None = None
        self._ended = False
        self._error: Vp3dError | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._began_s: float | None = None  # of the first frame
        self._time_s = 0.0

    def __enter__(self) -> Capture:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(_JOIN_S)

    def __iter__(self) -> Iterator[Captured]:
        """The newest frame that was not taken yet.

        Raises:
            VideoError: the source cannot be opened, or is lost for good.
        """
        while (captured := self._take()) is not None:
            yield captured

    def wait(self) -> None:
        """Until the first frame is there.

        Raises:
            VideoError: it does not come.
        """
        with self._changed:
            while self._newest is None and not self._ended:
                self._changed.wait(_POLL_S)
            if self._newest is None and self._error:
                raise self._error

    def _take(self) -> Captured | None:
        with self._changed:
            while self._newest is None:
                if self.until_s is not None and monotonic() >= self.until_s:
                    return None
                if self._ended:
                    if self._error:
                        raise self._error
                    return None
                self._changed.wait(_POLL_S)
            captured, self._newest = self._newest, None
            self._changed.notify_all()
            return captured

    def _put(self, captured: Captured) -> None:
        with self._changed:
            while self._every_frame and self._newest is not None and not self._stopped.is_set():
                self._changed.wait(_POLL_S)
            self._newest = captured
            self.num_read += 1
            self._changed.notify_all()

    def _run(self) -> None:
        """Read until the end; whatever goes wrong is raised where frames are taken."""
        try:
            self._read_on()
        except Vp3dError as error:
            self._error = error
        except Exception as error:  # a fault of ours must not look like the end of the source
            self._error = Vp3dError(f"{self._source.name}: {type(error).__name__}: {error}")
            _log.debug("capture", exc_info=True)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _read_on(self) -> None:
        source, last_s, pause_s, is_lost = self._source, monotonic(), _FIRST_PAUSE_S, False
        while not self._stopped.is_set():
            before, reason = self.num_read, "it ended"
            try:
                with source.open(self._stopped) as reader:
                    for captured in self._played(reader):
                        if is_lost:
                            lost_s = captured.captured_s - last_s
                            _log.info("%s is back after %.1f s", source.name, lost_s)
                            is_lost, pause_s = False, _FIRST_PAUSE_S
                        last_s = captured.captured_s
                        self._put(captured)
                        if self._stopped.is_set():
                            return
            except VideoError as error:
                if source.ends or self.num_read == 0:
                    raise
                reason = str(error)
            if source.ends and not (self._loop and self.num_read > before):
                return
            if self.num_read == 0:
                raise VideoError(f"{source.name}: gives no picture; check that it works elsewhere")
            if not source.ends:
                is_lost = self._told_lost(reason, again=is_lost, since_s=monotonic() - last_s)
                self._stopped.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _told_lost(self, reason: str, *, again: bool, since_s: float) -> bool:
        """Say it once; True."""
        if self._stopped.is_set():
            return True
        name = self._source.name
        if since_s > self._give_up_s:
            raise VideoError(
                f"{name}: lost for {since_s:.0f} s ({reason.removeprefix(f'{name}: ')}); check it, "
                "and wait longer with --give-up"
            )
        if not again:
            self.num_losses += 1
            _log.warning("%s is lost (%s); opening it again", name, reason)
        return True

    def _played(self, reader: Reader) -> Iterator[Captured]:
        """The frames of one opening, a file's when they are due."""
        begin_s, opened_s, first_s = self._time_s, 0.0, None
        for frame in reader:
            if first_s is None:
                opened_s, first_s = monotonic(), frame.time_s
                self._began_s = self._began_s or opened_s
                # What was lost passed too: a file goes on where it was, others at the time it is.
                if not self._source.ends:
                    begin_s = opened_s - self._began_s
            shown_s = frame.time_s - first_s
            if self._source.kind == "file" and not self._every_frame:
                self._stopped.wait(max(opened_s + shown_s - monotonic(), 0))
            self._time_s = max(begin_s + shown_s, self._time_s)
            frame = replace(frame, index=self.num_read, time_s=self._time_s)
            yield Captured(frame, monotonic(), reader.fps)
        self._time_s += 1 / float(reader.fps or 30)
