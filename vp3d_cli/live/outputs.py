"""Where the messages go: JSON lines, UDP, OSC, the page. None of them makes the loop wait.

Whoever takes messages slower than they come loses some, and how many is counted.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from vp3d_cli.errors import BackendUnavailableError, OutputError
from vp3d_cli.types import Json

if TYPE_CHECKING:
    from vp3d_cli.live.page import Page

# Lines that wait for whoever reads them: about a second.
_MOST_LINES = 30
# At the end they have so long to be read.
_DRAIN_S = 1.0
# The largest datagram that every system sends without being asked twice (that of macOS).
_MOST_BYTES = 9216
# Who listens to datagrams may come late: what is to come is told again so often.
_AGAIN_S = 5.0


class Output(Protocol):
    """Takes the messages of `live.message`, the first of them first.

    Attributes:
        name: for people.
        num_lost: messages that were not taken in time.
    """

    @property
    def name(self) -> str: ...

    @property
    def num_lost(self) -> int: ...

    def send(self, message: Json) -> None: ...

    def close(self, *, at_once: bool = False) -> None: ...


class Lines:
    """Messages as lines of JSON to a file descriptor, written by a thread of its own."""

    name = "JSON lines"

    def __init__(self, descriptor: int, *, wait: bool = False) -> None:
        """Begin.

        Args:
            descriptor: of an open file, written without buffer; stays open.
            wait: lose nothing, however long the reader takes.
        """
        self._descriptor, self._wait = descriptor, wait
        self.num_lost = 0
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._is_writing = self._closed = False
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._write_on, name="lines", daemon=True)
        self._thread.start()

    def send(self, message: Json) -> None:
        """Put it in line; the oldest in line makes room for it, but what is to come stays.

        Raises:
            BrokenPipeError: the reader has gone.
            OutputError: it cannot be written.
        """
        line = (json.dumps(message, separators=(",", ":"), allow_nan=False) + "\n").encode()
        with self._changed:
            self._raise()
            while self._wait and len(self._lines) >= _MOST_LINES:
                self._changed.wait(_DRAIN_S)
                self._raise()
            if len(self._lines) >= _MOST_LINES:
                del self._lines[1 if b'"schema"' in self._lines[0] else 0]
                self.num_lost += 1
            self._lines.append(line)
            self._changed.notify_all()

    def close(self, *, at_once: bool = False) -> None:
        """Let the reader take what is in line: for a moment, or all of it where that is waited for.

        Args:
            at_once: the run broke off: for a moment at most, and nothing is raised.

        Raises:
            BrokenPipeError, OutputError: as `send`.
        """
        until_s, patient = monotonic() + _DRAIN_S, self._wait and not at_once
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            while (self._lines or self._is_writing) and not self._error:
                if (left_s := until_s - monotonic()) <= 0 and not patient:
                    break
                self._changed.wait(max(left_s, _DRAIN_S if patient else 0))
            if not at_once:
                self._raise()

    def _raise(self) -> None:
        if isinstance(self._error, BrokenPipeError):
            raise self._error
        if self._error is not None:
            reason = self._error.strerror or self._error
            raise OutputError(f"the JSON lines cannot be written ({reason}); make room for them")

    def _write_on(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                while not self._lines:
                    if self._closed:
                        return
                    self._changed.wait()
                rest = memoryview(self._lines.popleft())
                self._is_writing = True
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return


class Datagrams:
    """Each message a datagram of JSON; one that is too large goes as one for each person."""

    def __init__(self, host: str, port: int) -> None:
        """Find the address.

        Raises:
            OutputError: there is no such host.
        """
        self.name = f"UDP {host}:{port}"
        self.num_lost = 0
        self._target = _Target(host, port)
        self._opening: Json | None = None
        self._told_s = 0.0

    def send(self, message: Json) -> None:
        """Send it, whether or not somebody listens."""
        if "schema" in message:
            self._opening, self._told_s = message, monotonic()
        elif self._opening and monotonic() - self._told_s >= _AGAIN_S:
            self.send(self._opening)
        for part in _parts(message):
            self.num_lost += not self._target.send(part)

    def close(self, *, at_once: bool = False) -> None:
        self._target.close()


class Osc:
    """Open Sound Control: a bundle for the frame, and one for each person in it."""

    def __init__(self, host: str, port: int) -> None:
        """Find the address.

        Raises:
            BackendUnavailableError: python-osc is not installed.
            OutputError: there is no such host.
        """
        try:
            from pythonosc import osc_bundle_builder, osc_message_builder
        except ImportError as error:
            raise BackendUnavailableError(
                f"--osc needs python-osc ({error}); install it with pip install 'vp3d[live]'"
            ) from error
        self._messages, self._bundles = osc_message_builder, osc_bundle_builder
        self.name = f"OSC {host}:{port}"
        self.num_lost = 0
        self._target = _Target(host, port)
        self._joints: list[str] = []

    def send(self, message: Json) -> None:
        """Send a frame; its opening only tells the names of the joints."""
        if "schema" in message:
            self._joints = message["skeleton_3d"]["joints"]
            return
        people = message["people"]
        frame = ("/vp3d/frame", [message["frame"], float(message["time_s"]), len(people)])
        self._send([frame])
        for person in people:
            about = f"/vp3d/person/{person['id']}"
            rows: list[tuple[str, list[Any]]] = []
            if person["root_camera"] is not None:
                rows.append((f"{about}/root", person["root_camera"]))
            for name, place in zip(self._joints, person["joints_3d"] or (), strict=False):
                rows.append((f"{about}/joint/{name}", place))
            if rows:
                self._send(rows)

    def _send(self, rows: Iterable[tuple[str, list[Any]]]) -> None:
        bundle = self._bundles.OscBundleBuilder(self._bundles.IMMEDIATELY)
        for address, values in rows:
            builder = self._messages.OscMessageBuilder(address)
            for value in values:
                builder.add_arg(value)
            bundle.add_content(builder.build())
        self.num_lost += not self._target.send(bundle.build().dgram)

    def close(self, *, at_once: bool = False) -> None:
        self._target.close()


class _Target:
    """A socket for datagrams to one address."""

    def __init__(self, host: str, port: int) -> None:
        self._place: Any
        try:
            family, *_, self._place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(
                f"{host}: no such host ({reason}); check the name, or give an address"
            ) from error
        self._socket.setblocking(False)

    def send(self, datagram: bytes) -> bool:
        """Whether it could be sent: its buffer may be full, or the network away for a moment."""
        try:
            self._socket.sendto(datagram, self._place)
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


class Watched:
    """The page, which shows each watcher the newest message, and no other."""

    name = "page"
    num_lost = 0

    def __init__(self, page: Page) -> None:
        self._page = page

    def send(self, message: Json) -> None:
        self._page.send(message)

    def close(self, *, at_once: bool = False) -> None:
        self._page.close()


class Outputs:
    """All of them; a context manager that closes them."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        self._outputs = list(outputs)

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            for output in self._outputs:
                stack.callback(output.close, at_once=error is not None)

    def send(self, message: Json) -> None:
        for output in self._outputs:
            output.send(message)

    def losses(self) -> list[str]:
        """A clause for each output that lost messages."""
        return [f"{o.num_lost} lost by {o.name}" for o in self._outputs if o.num_lost]


def _parts(message: Json) -> list[bytes]:
    whole = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    people = message.get("people", [])
    if len(whole) <= _MOST_BYTES or len(people) < 2:
        return [whole]
    return [part for one in people for part in _parts({**message, "people": [one]})]
