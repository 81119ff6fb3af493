"""A camera of the network: pictures over HTTP (MJPEG), from a server that fails as told."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2

DEMO = Path(__file__).parents[1] / "examples" / "demo.mp4"
_FPS = 25


def jpegs(count: int, width: int = 640) -> list[bytes]:
    """The first frames of the example, each a JPEG."""
    video, packed = cv2.VideoCapture(str(DEMO)), []
    for _ in range(count):
        _, image = video.read()
        height = round(image.shape[0] * width / image.shape[1])
        packed.append(cv2.imencode(".jpg", cv2.resize(image, (width, height)))[1].tobytes())
    return packed


@dataclass
class Streaming:
    """Sends `pictures` again and again to whoever asks.

    Attributes:
        url: of the stream.
        pictures: JPEGs.
        answers: for each request to come: after so many pictures the connection ends, or with
            "stall" behind the number nothing more comes; then endless ones.
        requests: how many came.
        release: ends all.
    """

    url: str
    pictures: list[bytes]
    answers: list[tuple[int, str]] = field(default_factory=list)
    requests: int = 0
    release: threading.Event = field(default_factory=threading.Event)


class _Handler(http.server.BaseHTTPRequestHandler):
    stream: Streaming

    def do_GET(self) -> None:
        stream = self.stream
        stream.requests += 1
        most, then = stream.answers.pop(0) if stream.answers else (1 << 30, "end")
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
        self.end_headers()
        with contextlib.suppress(OSError):
            for number in range(most):
                picture = stream.pictures[number % len(stream.pictures)]
                head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")
                if stream.release.wait(1 / _FPS):
                    return
            if then == "stall":
                stream.release.wait(30)

    def log_message(self, *_: object) -> None: ...


@contextlib.contextmanager
def streaming(pictures: list[bytes], answers: list[tuple[int, str]]) -> Iterator[Streaming]:
    """Run a server while the block runs."""

    class Handler(_Handler):
        pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        url = f"http://127.0.0.1:{server.server_port}/video"
        Handler.stream = Streaming(url, pictures, answers)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield Handler.stream
        finally:
            Handler.stream.release.set()
            server.shutdown()
