"""The live page's server, asked by real clients. What a browser makes of it is in e2e."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from vp3d_cli.errors import BackendUnavailableError, OptionsError, OutputError
from vp3d_cli.live import guard, page
from vp3d_cli.live.page import Page
from vp3d_cli.types import Json

ABOUT: Json = {"schema": "vp3d.live/1", "width": 64, "height": 48}
PATHS = ("/", "/live.css", "/live.js", "/three.min.js")
_PATIENCE_S = 20.0  # a machine that has other things to do


def plain(grey: int, size: tuple[int, int] = (48, 64)) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((*size, 3), grey, np.uint8)


def noise(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture whose JPEG is large: what a slow watcher has to swallow."""
    return np.random.default_rng(seed).integers(0, 255, (720, 1280, 3), dtype=np.uint8)


@pytest.fixture
def served() -> Iterator[Page]:
    with Page("127.0.0.1", 0, "camera 0") as live:
        yield live


def asked(client: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Any]]) -> Any:
    async def ask() -> Any:
        limits = aiohttp.ClientTimeout(total=_PATIENCE_S)
        async with aiohttp.ClientSession(timeout=limits) as session:
            return await client(session)

    return asyncio.run(ask())


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


async def told(socket_: aiohttp.ClientWebSocketResponse) -> Json:
    message: Json = json.loads((await socket_.receive()).data)
    return message


async def picture(reader: aiohttp.MultipartReader) -> Image.Image:
    part = await reader.next()
    assert isinstance(part, aiohttp.BodyPartReader)
    assert part.headers["Content-Type"] == "image/jpeg"
    return Image.open(io.BytesIO(bytes(await part.read())))


def status(address: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    async def client(session: aiohttp.ClientSession) -> tuple[int, str]:
        async with session.get(address, headers=headers) as response:
            return response.status, await response.text()

    code, text = asked(client)
    return code, text


def watcher_that_never_reads(live: Page, path: str = "/video") -> socket.socket:
    port = int(live.address.rsplit(":", 1)[1].rstrip("/"))
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(_PATIENCE_S)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    until(lambda: live.num_watchers == 1)
    return client


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The grey of every picture that is packed."""
    greys: list[int] = []
    pack = page.pack_jpeg

    def counted(image: Any, side: int, quality: int) -> bytes:
        greys.append(int(image[0, 0, 0]))
        return pack(image, side, quality)

    monkeypatch.setattr(page, "pack_jpeg", counted)
    return greys


def test_what_the_page_is_made_of(served: Page) -> None:
    async def client(session: aiohttp.ClientSession) -> dict[str, tuple[str, str]]:
        found = {}
        for path in PATHS:
            async with session.get(served.address.rstrip("/") + path) as response:
                assert response.status == 200
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
                found[path] = response.content_type, await response.text()
        return found

    found = asked(client)
    assert [kind for kind, _ in found.values()] == [
        "text/html", "text/css", "text/javascript", "text/javascript",
    ]  # fmt: skip
    html = found["/"][1]
    assert "<h1>camera 0</h1>" in html
    named = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert {f"/{name}" for name in named if not name.startswith("data:")} == set(PATHS[1:])
    ids = set(re.findall(r'id="([^"]+)"', html))
    wanted = set(re.findall(r'byId\("([^"]+)"\)', _own_scripts()))
    assert wanted <= ids


def _own_scripts() -> str:
    folder = Path(page.__file__).parent / "_page"
    return "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.js"))


def test_a_title_is_text() -> None:
    with Page("127.0.0.1", 0, "<script>alert(1)</script>") as live:
        assert "&lt;script&gt;alert(1)" in status(live.address)[1]


def test_a_watcher_is_told_what_is_to_come_then_every_frame(served: Page) -> None:
    async def client(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(served.address + "poses") as poses:
            served.send(ABOUT)
            assert await told(poses) == ABOUT
            for frame in range(5):
                served.send({"frame": frame, "people": []})
                assert await told(poses) == {"frame": frame, "people": []}
            assert served.num_watchers == 1

    asked(client)
    until(lambda: served.num_watchers == 0)


def test_who_comes_late_is_told_the_newest(served: Page) -> None:
    served.send(ABOUT)
    for frame in range(9):
        served.send({"frame": frame})
    served.show_picture(plain(10))
    served.show_picture(plain(200))

    async def client(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(served.address + "poses") as poses:
            assert [await told(poses), await told(poses)] == [ABOUT, {"frame": 8}]
            served.send({"schema": "vp3d.live/1", "width": 1})
            assert await told(poses) == {"schema": "vp3d.live/1", "width": 1}
            served.send({"frame": 0})
            assert await told(poses) == {"frame": 0}
        async with session.get(served.address + "video") as response:
            shown = await picture(aiohttp.MultipartReader.from_response(response).stream)
            assert np.abs(np.asarray(shown) - 200.0).max() < 4

    asked(client)


def test_pictures_come_whole_and_at_once(served: Page) -> None:
    """Each before the next one is there: a browser shows a picture when its boundary came."""

    async def client(session: aiohttp.ClientSession) -> None:
        async with session.get(served.address + "video") as response:
            assert response.content_type == "multipart/x-mixed-replace"
            reader = aiohttp.MultipartReader.from_response(response).stream
            for grey in (0, 90, 250):
                served.show_picture(plain(grey))
                shown = np.asarray(await picture(reader), np.float64)
                assert shown.shape == (48, 64, 3)
                assert np.abs(shown - grey).max() < 4
            colours = plain(0)
            colours[..., 2] = 255
            served.show_picture(colours)
            assert np.asarray(await picture(reader))[20, 20].tolist() == pytest.approx(
                [255, 0, 0], abs=6
            )

    asked(client)


@pytest.mark.parametrize(
    ("size", "shown"), [((1080, 1920), (1280, 720)), ((3000, 2), (1, 1280)), ((1, 1), (1, 1))]
)
def test_large_pictures_are_made_smaller(
    served: Page, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    served.show_picture(plain(80, size))

    async def client(session: aiohttp.ClientSession) -> None:
        async with session.get(served.address + "video") as response:
            reader = aiohttp.MultipartReader.from_response(response).stream
            assert (await picture(reader)).size == shown

    asked(client)


def test_pictures_are_packed_for_watchers_only_and_once(served: Page, packed: list[int]) -> None:
    for grey in range(20):
        served.show_picture(plain(grey))

    async def client(session: aiohttp.ClientSession) -> None:
        async with (
            session.get(served.address + "video") as one,
            session.get(served.address + "video") as two,
        ):
            readers = [aiohttp.MultipartReader.from_response(r).stream for r in (one, two)]
            for grey in (19, 50, 90):
                if grey != 19:
                    served.show_picture(plain(grey))
                for reader in readers:
                    await picture(reader)

    asked(client)
    assert packed == [19, 50, 90]
    until(lambda: served.num_watchers == 0)


def test_a_watcher_that_never_reads_gets_no_queue(served: Page, packed: list[int]) -> None:
    with watcher_that_never_reads(served):
        pictures = [noise(seed) for seed in range(3)]
        for i in range(40):
            served.show_picture(pictures[i % 3])
            before = len(packed)
            end = time.monotonic() + 0.05
            while len(packed) == before and time.monotonic() < end:
                time.sleep(0.002)
        assert 1 <= len(packed) < 10  # as many as fit between the two

        async def client(session: aiohttp.ClientSession) -> None:
            async with session.get(served.address + "video") as response:
                reader = aiohttp.MultipartReader.from_response(response).stream
                await picture(reader)
                served.show_picture(plain(33))
                assert np.abs(np.asarray(await picture(reader)) - 33.0).max() < 4

        asked(client)


@pytest.mark.parametrize("path", ["/video", "/poses"])
def test_a_watcher_that_takes_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(page, "_PATIENCE_S", 0.3)
    with Page("127.0.0.1", 0, "camera 0") as live:
        upgrade = (
            " HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nX:"
        )
        with watcher_that_never_reads(live, path + upgrade * (path == "/poses")):
            picture_, text = noise(0), "x" * 200_000
            end = time.monotonic() + _PATIENCE_S
            while live.num_watchers and time.monotonic() < end:
                live.show_picture(picture_)
                live.send({"text": text})
                time.sleep(0.01)
            assert live.num_watchers == 0


@pytest.mark.parametrize("path", ["/", "/live.js", "/video", "/poses"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
    ],
)
def test_other_sites_see_nothing(served: Page, path: str, headers: dict[str, str]) -> None:
    served.send(ABOUT)
    served.show_picture(plain(9))
    code, text = status(served.address.rstrip("/") + path, headers)
    assert code == 403
    assert text.startswith("vp3d: ")
    assert served.num_watchers == 0


def test_a_web_socket_of_another_site_is_refused(served: Page) -> None:
    async def client(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(served.address + "poses", origin="http://evil.example")
        own = served.address.rstrip("/")
        await (await session.ws_connect(served.address + "poses", origin=own)).close()

    asked(client)


MACHINE = socket.gethostname()


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({"Host": "127.0.0.1:8765"}, False),
        ({"Host": "localhost:9000", "Origin": "http://localhost:9000"}, False),
        ({"Host": "[::1]:8765", "Origin": "http://[::1]:8765"}, False),
        ({"Host": "192.168.1.20:8765"}, False),
        ({"Host": f"{MACHINE}:8765"}, False),
        ({"Host": f"{MACHINE.upper()}.local"}, False),
        ({"Host": "studio.example:80"}, False),
        ({"Host": "studio.example.evil:80"}, True),
        ({"Host": f"{MACHINE}.evil.example"}, True),
        ({"Host": "localhost.evil.example"}, True),
        ({"Host": "localhost@evil.example"}, True),
        ({"Host": "127.0.0.1.evil.example"}, True),
        ({"Host": ""}, True),
        ({"Host": "[::1"}, True),
        ({}, True),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, True),
        ({"Host": "localhost", "Origin": "http://evil.example@localhost"}, True),
        ({"Host": "localhost", "Origin": "http://[::1"}, True),
        ({"Host": "localhost", "Origin": ""}, True),
        ({"Host": "localhost", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Host": "localhost", "Sec-Fetch-Site": "none"}, False),
        ({"Host": "localhost", "Sec-Fetch-Site": "same-site"}, True),
        (
            {
                "Host": "localhost",
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Dest": "document",
            },
            False,
        ),
        (
            {
                "Host": "localhost",
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Dest": "iframe",
            },
            True,
        ),
    ],
)
def test_who_may_watch(headers: dict[str, str], is_refused: bool) -> None:
    assert (guard.refusal(headers, "Studio.example") is not None) == is_refused


@pytest.mark.parametrize(
    "path",
    [
        "/../page.py", "/%2e%2e/page.py", "/..%2f..%2fpage.py", "//etc/passwd", "/_page/live.js",
        "/live.js/", "/vendor/three.min.js", "/page.html", "/%00", "/C:/windows/win.ini",
    ],
)  # fmt: skip
def test_there_are_no_other_files(served: Page, path: str) -> None:
    port = int(served.address.rsplit(":", 1)[1].rstrip("/"))
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert raw.recv(64).split()[1] in {b"404", b"400"}


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # https
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        b"POST /video HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
        b"HEAD /video HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /poses HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_nonsense_is_answered_and_not_a_tale(
    served: Page, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    port = int(served.address.rsplit(":", 1)[1].rstrip("/"))
    with (
        caplog.at_level(logging.WARNING),
        socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as raw,
    ):
        raw.sendall(request_)
        assert raw.recv(64).split()[1][:1] == b"4"
    assert status(served.address)[0] == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_taken_port_is_told(served: Page) -> None:
    port = int(served.address.rsplit(":", 1)[1].rstrip("/"))
    with pytest.raises(OutputError, match=f"127.0.0.1, port {port}: Address already in use"):
        Page("127.0.0.1", port, "camera 1")
    assert status(served.address)[0] == 200


@pytest.mark.parametrize("host", ["198.51.100.7", "x" * 300, "a..b"])
def test_a_host_that_is_not_here_is_told(host: str) -> None:
    with pytest.raises(OutputError, match="cannot be served at"):
        Page(host, 0, "camera 0")


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_told(port: int) -> None:
    with pytest.raises(OptionsError, match=f"port {port}"):
        Page("127.0.0.1", port, "camera 0")


def test_without_aiohttp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(BackendUnavailableError, match=re.escape("pip install 'vp3d[live]'")):
        Page("127.0.0.1", 0, "camera 0")


def test_listening_to_the_network_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Page("0.0.0.0", 0, "camera 0") as live:
        assert live.address.startswith(f"http://{socket.gethostname()}:")
    assert "can watch" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING), Page("localhost", 0, "camera 0") as live:
        assert status(live.address)[0] == 200
    assert caplog.text == ""


def test_closing_ends_every_watcher_and_the_thread() -> None:
    threads = set(threading.enumerate())
    live = Page("127.0.0.1", 0, "camera 0")
    live.send(ABOUT)
    live.show_picture(plain(1))
    stuck = watcher_that_never_reads(live)
    for seed in range(8):
        live.show_picture(noise(seed))
        time.sleep(0.02)

    async def client(session: aiohttp.ClientSession) -> None:
        async with (
            session.ws_connect(live.address + "poses") as poses,
            session.get(live.address + "video") as video,
        ):
            assert await told(poses) == ABOUT
            await asyncio.to_thread(live.close)
            end = await poses.receive()
            assert (end.type, end.data) == (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSCloseCode.GOING_AWAY,
            )
            await video.content.read()  # comes to an end

    asked(client)
    assert set(threading.enumerate()) <= threads
    assert live.num_watchers == 0
    live.close()
    live.send(ABOUT)
    live.show_picture(plain(1))
    stuck.close()
    port = int(live.address.rsplit(":", 1)[1].rstrip("/"))
    with Page("127.0.0.1", port, "the port is free again"):
        pass


def test_what_cannot_be_shown_is_refused_at_once(served: Page) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        served.send({"latency_ms": float("nan")})
    for image in (np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="expected \\(H, W, 3\\) uint8"):
            served.show_picture(image)
