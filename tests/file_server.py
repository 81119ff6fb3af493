"""A file server on this machine that misbehaves as told, and weights that are fetched from it."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vp3d_cli import weights
from vp3d_cli.weights import WeightsEntry, WeightsFile


@dataclass
class Answer:
    """How one request is answered; by default as it should be.

    Attributes:
        status: this error instead of the file.
        send: cut the connection after so many bytes of the body.
        stall: hold the connection before it is cut.
        length: what Content-Length claims; "" leaves it out.
        location: redirect to there.
        changed: serve ranges although `If-Range` names another version.
    """

    status: int | None = None
    send: int | None = None
    stall: bool = False
    length: str | None = None
    location: str | None = None
    changed: bool = False


@dataclass
class FileServer:
    """Serves `content` at every path.

    Attributes:
        url: of the file.
        content, etag, modified: the file and what identifies its version.
        ranges: False for a server that knows none.
        answers: one for each request to come; then all is well.
        requests: headers of the requests that came, and their paths as ":path".
        release: ends a stall.
    """

    url: str
    content: bytes = b""
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    answers: list[Answer] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def asked(self) -> list[str | None]:
        """The Range of each request."""
        return [request.get("Range") for request in self.requests]


class _Handler(http.server.BaseHTTPRequestHandler):
    file: FileServer

    def do_GET(self) -> None:
        file = self.file
        file.requests.append({":path": self.path, **dict(self.headers.items())})
        answer = file.answers.pop(0) if file.answers else Answer()
        if answer.status:
            self.send_error(answer.status)
        elif answer.location:
            self.send_response(302)
            self.send_header("Location", answer.location)
            self.end_headers()
        else:
            self._send_file(file, answer)

    def _send_file(self, file: FileServer, answer: Answer) -> None:
        begin, total = 0, len(file.content)
        asked, version = self.headers.get("Range"), self.headers.get("If-Range")
        if asked and file.ranges and (answer.changed or version in (file.etag, file.modified)):
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
        else:
            self.send_response(200)
        length = str(total - begin) if answer.length is None else answer.length
        for name, value in (
            ("Content-Length", length), ("ETag", file.etag), ("Last-Modified", file.modified)
        ):  # fmt: skip
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(file.content[begin:][: answer.send])
        self.wfile.flush()
        if answer.stall:
            file.release.wait(20)

    def log_message(self, *_: object) -> None: ...


@contextlib.contextmanager
def serving() -> Iterator[FileServer]:
    """Run a server while the block runs."""

    class Handler(_Handler):
        pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        Handler.file = FileServer(f"http://127.0.0.1:{server.server_port}/w.bin")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield Handler.file
        finally:
            Handler.file.release.set()
            server.shutdown()


def make_entry(url: str | None, name: str = "small", **changes: object) -> WeightsEntry:
    """An entry whose file is fetched from `url`."""
    fields: dict[str, object] = {
        "name": name,
        "kind": "lifter",
        "files": (WeightsFile(f"{name}.bin", None, None, url),),
        "licence": "CC-BY-NC-4.0",
        "source": "a test",
        "description": "numbers",
    }
    return WeightsEntry(**(fields | changes))  # type: ignore[arg-type]


def use_entries(
    monkeypatch: pytest.MonkeyPatch, cache: Path, *entries: WeightsEntry
) -> WeightsEntry:
    """Let these be all the weights that there are; the cache is `cache`. Returns the first."""
    monkeypatch.setattr(weights, "ENTRIES", entries)
    monkeypatch.setattr(weights.entries, "ENTRIES", entries)
    monkeypatch.setenv("VP3D_CACHE", str(cache))
    return entries[0]
