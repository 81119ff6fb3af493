"""The ffmpeg program: where it is, and one running instance of it."""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

import ffmpeg

from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.types import Image

_MAX_LINE = 2000  # bytes of one message that are kept
_STALL_S = 120  # nothing comes, neither a picture nor a line: longer than any picture takes
_MAX_MESSAGES = 20  # messages that are kept
_FPS_MODE_SINCE = (8, 44)  # libavfilter of ffmpeg 5.1, which brought -fps_mode
# A stream's lost packets are told as warnings only.
_MESSAGE = re.compile(r"\[(?:error|fatal|panic)\] (.*)|\[warning\] (.*\bcorrupt.*)", re.IGNORECASE)
_ABOUT_PIPE = "increasing dts to muxer"  # real times are no even grid; raw video has none anyway


def ffmpeg_path() -> str:
    """The system's ffmpeg, else the one that imageio-ffmpeg carries.

    Raises:
        BackendUnavailableError: there is neither.
    """
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise BackendUnavailableError(
            "ffmpeg is not installed; `python -m pip install imageio-ffmpeg` brings one"
        ) from error


@functools.cache
def has_fps_mode(program: str) -> bool:
    """Whether this ffmpeg is 5.1 or newer; older ones call the option -vsync.

    Raises:
        BackendUnavailableError: the program does not run.
    """
    try:
        answer = subprocess.run(
            [program, "-version"], stdin=subprocess.DEVNULL, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise BackendUnavailableError(
            f"{program}: does not run ({error}); reinstall ffmpeg"
        ) from error
    found = re.search(rb"libavfilter +(\d+)\. *(\d+)", answer.stdout)
    return found is None or (int(found[1]), int(found[2])) >= _FPS_MODE_SINCE


def stay_in_session() -> None:
    """From now on ffmpeg starts in this process's session, so that ending its group ends both."""
    Program.own_session = False


def file_url(path: object) -> str:
    """A path as ffmpeg's file protocol wants it.

    Without the prefix a name such as `-i.mp4` is taken for an option and `a:b.mp4` for a
    protocol.
    """
    return f"file:{path}"


class Program:
    """A running ffmpeg whose messages are drained by a thread, so that it never blocks on them.

    It has a session of its own: the terminal's Ctrl-C reaches us, not it, and leaving the
    context ends it.

    Attributes:
        own_session: False in a process that has a session of its own already.
        messages: the last errors that it printed.
        num_errors: how many it printed in all.
        stalled: it was ended, since nothing came from it for `stall_s` seconds.
    """

    own_session = True
    stall_s = _STALL_S

    def __init__(
        self,
        graph: Any,
        *,
        on_line: Callable[[str], None] | None = None,
        pipe_in: bool = False,
        pipe_out: bool = False,
        our_stdin: bool = False,
    ) -> None:
        """Start it.

        Args:
            graph: an output node of ffmpeg-python.
            on_line: called in the draining thread with every line that it prints.
            pipe_in: `write` will be used.
            pipe_out: `read_into` will be used.
            our_stdin: it reads what is piped into us.
        """
        options = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+level+info"]
        command = ffmpeg.compile(graph, cmd=[ffmpeg_path(), *options], overwrite_output=True)
        self.messages: deque[str] = deque(maxlen=_MAX_MESSAGES)
        self.num_errors = 0
        self.stalled = False
        self._on_line = on_line
        self._events = 0
        self._waited_for = False
        self._ended = threading.Event()
        try:
            self.process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE if pipe_in else None if our_stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe_out else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=self.own_session,
            )
        except OSError as error:
            raise BackendUnavailableError(
                f"{command[0]}: does not run ({error}); reinstall ffmpeg"
            ) from error
        self._drain = threading.Thread(target=self._read_messages, daemon=True)
        self._drain.start()
        if pipe_out:
            threading.Thread(target=self._end_if_stalled, daemon=True).start()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _read_messages(self) -> None:
        assert self.process.stderr is not None
        while line := self.process.stderr.readline(_MAX_LINE):
            self._events += 1
            text = line.decode("utf-8", "replace").rstrip()
            found = _MESSAGE.search(text)
            if found and _ABOUT_PIPE not in text:
                self.messages.append(found[1] or found[2])
                self.num_errors += 1
            if self._on_line:
                self._on_line(text)

    def _end_if_stalled(self) -> None:
        """Kill it where we wait for it and nothing comes.

        Seconds are counted one by one, for a computer asleep or a job stopped lets none pass.
        """
        idle, before = 0, -1
        while idle < self.stall_s:
            if self._ended.wait(1):
                return
            idle = idle + 1 if self._waited_for and self._events == before else 0
            before = self._events
        self.stalled = True
        self.process.kill()

    @property
    def last_message(self) -> str:
        """The last error that it printed, for a sentence of ours."""
        return self.messages[-1] if self.messages else "it gave no reason"

    def read_into(self, image: Image) -> bool:
        """Fill `image` from its output; False at the end, also when only a part came."""
        assert self.process.stdout is not None
        rest = image.data.cast("B")
        self._waited_for = True
        while rest:
            count = self.process.stdout.readinto(rest)  # type: ignore[attr-defined]
            self._events += 1
            if not count:
                return False  # the end is waited for too
            rest = rest[count:]
        self._waited_for = False
        return True

    def write(self, image: Image) -> None:
        """Send a contiguous image to its input; BrokenPipeError when it is gone."""
        assert self.process.stdin is not None
        rest = image.data.cast("B")
        while rest:
            rest = rest[self.process.stdin.write(rest) :]

    def finish(self) -> int:
        """Close its input, wait for it to end by itself; its exit code."""
        if self.process.stdin:
            self.process.stdin.close()
        code = self.process.wait()
        self._ended.set()
        self._drain.join()
        return code

    def stop(self) -> None:
        """End it now if it still runs, and collect it."""
        self._ended.set()
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.wait()
        self._drain.join()
        if self.process.stderr:
            self.process.stderr.close()
