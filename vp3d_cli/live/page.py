"""The page that `vp3d live` serves: the camera's picture and the people in 3D, as they happen.

The server has a thread and an event loop of its own. What is given to it replaces what nobody
has fetched yet: a watcher gets the newest when it is ready for more, and nothing waits in line.
The page's source is in `_page/`, and in `export/_page/` what it shares with the page of a result.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import html
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

import vp3d_cli
from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.live.guard import refusal
from vp3d_cli.live.listening import address, is_loopback, listen
from vp3d_cli.types import Image, Json
from vp3d_cli.video.jpeg import pack_jpeg

if TYPE_CHECKING:
    from aiohttp import web

_LIVE = Path(__file__).parent / "_page"
_SHARED = Path(vp3d_cli.__file__).parent / "export" / "_page"
# The files of each are joined in this order.
_SCRIPTS = (
    _SHARED / "data.js",
    _SHARED / "panels.js",
    _SHARED / "figure.js",
    _SHARED / "scene.js",
    _LIVE / "crowd.js",
    _LIVE / "feed.js",
    _LIVE / "gauges.js",
    _LIVE / "live.js",
)
_STYLES = (_SHARED / "style.css", _LIVE / "live.css")
_LIBRARY = _SHARED / "vendor" / "three.min.js"

_LARGEST_SIDE_PX = 1280
_QUALITY = 80
_BOUNDARY = "picture"
# A watcher that takes nothing for so long is gone.
_PATIENCE_S = 10.0
_GOODBYE_S = 0.2
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Page:
    """Serves the page until it is closed; a context manager.

    Its methods are for one thread, and return at once whoever watches.

    Attributes:
        address: where a browser finds the page, such as "http://127.0.0.1:8765/".
    """

    def __init__(self, host: str, port: int, title: str) -> None:
        """Begin to serve.

        Args:
            host: name or address of this machine to listen at; "0.0.0.0" or "::" for all it has.
            port: 0 for any that is free.
            title: of the page: the camera or the file.

        Raises:
            BackendUnavailableError: aiohttp is not installed.
            OptionsError: there is no such port.
            OutputError: the port is taken, or the host is none of this machine's.
        """
        _require_aiohttp()
        self._host = host
        self._socket = listen(host, port)
        self.address = address(host, self._socket.getsockname()[1])
        self._files = _files(title)
        self._lock = threading.Lock()  # guards the three below
        self._handed: dict[str, Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._told = ("", "")
        self._messages: _Newest[tuple[str, str]] = _Newest()
        self._pictures: _Newest[Image] = _Newest()
        self._packed = (0, b"")
        self._viewers: dict[web.StreamResponse, web.Request] = {}
        self._listeners: dict[web.WebSocketResponse, web.Request] = {}
        self._stopping = asyncio.Event()
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="vp3d-page", daemon=True
        )
        self._thread.start()
        started.result()
        if not is_loopback(host):
            _log.warning(
                "whoever reaches this machine over the network can watch at %s", self.address
            )

    def __enter__(self) -> Page:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def num_watchers(self) -> int:
        """How many watch: connections for pictures or for poses, a browser having one of each."""
        return max(len(self._viewers), len(self._listeners))

    def show_picture(self, image: Image) -> None:
        """Show a picture (H, W, 3), uint8 BGR, in place of the one before.

        It is packed only when somebody watches, in the server's thread: do not draw on it later.

        Raises:
            ValueError: it is no such picture.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
        self._hand_over("picture", image)

    def send(self, state: Json) -> None:
        """Tell every watcher of a frame, or (a message with a "schema") of what is to follow.

        Whoever comes later is told the newest of both kinds.

        Raises:
            ValueError: a number is not finite, which JSON cannot say.
        """
        text = json.dumps(state, separators=(",", ":"), allow_nan=False)
        self._told = (text, "") if "schema" in state else (self._told[0], text)
        self._hand_over("messages", self._told)

    def close(self) -> None:
        """End the server and its thread; watchers are told. Closing twice does nothing."""
        with self._lock:
            if not self._closed and self._loop is not None:
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._closed = True
        self._thread.join()

    def _hand_over(self, name: str, value: object) -> None:
        """Replace what the loop has not taken yet; it is woken once, however often this is."""
        with self._lock:
            if not self._handed and not self._closed and self._loop is not None:
                self._loop.call_soon_threadsafe(self._take)
            self._handed[name] = value

    def _take(self) -> None:
        with self._lock:
            handed, self._handed = self._handed, {}
        if "messages" in handed:
            self._messages.put(handed["messages"])
        if "picture" in handed:
            self._pictures.put(handed["picture"])

    async def _serve(self, started: concurrent.futures.Future[None]) -> None:
        requests_log = _log.getChild("requests")
        requests_log.addFilter(_is_our_fault)
        try:
            from aiohttp import web

            runner = web.AppRunner(
                self._application(),
                access_log=None,
                logger=requests_log,
                handler_cancellation=True,
                shutdown_timeout=_GOODBYE_S,
            )
            await runner.setup()
            await web.SockSite(runner, self._socket).start()
            self._loop = asyncio.get_running_loop()
        except BaseException as error:
            self._socket.close()
            started.set_exception(error)
            return
        started.set_result(None)
        await self._stopping.wait()
        watching = [*self._viewers.values(), *self._listeners.values()]
        self._pictures.end()
        self._messages.end()
        await runner.cleanup()
        for request in watching:  # whoever would not take the end
            _hang_up(request)

    def _application(self) -> web.Application:
        from aiohttp import web

        @web.middleware
        async def guarded(
            request: web.Request,
            handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        ) -> web.StreamResponse:
            if why := refusal(request.headers, self._host):
                raise web.HTTPForbidden(text=f"vp3d: {why}\n")
            return await handler(request)

        async def hardened(request: web.Request, response: web.StreamResponse) -> None:
            response.headers.update(_HEADERS)

        application = web.Application(middlewares=[guarded])
        application.on_response_prepare.append(hardened)
        application.router.add_get("/video", self._video, allow_head=False)
        application.router.add_get("/poses", self._poses, allow_head=False)
        for path in self._files:
            application.router.add_get(path, self._file)
        return application

    async def _file(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        kind, content = self._files[request.path]
        return web.Response(body=content, content_type=kind, charset="utf-8")

    async def _video(self, request: web.Request) -> web.StreamResponse:
        """JPEGs without end. A boundary follows each at once: browsers wait for it to show one."""
        from aiohttp import web

        kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        self._viewers[response] = request
        try:
            await response.write(f"--{_BOUNDARY}\r\n".encode())
            number = 0
            while True:
                number, image = await self._pictures.after(number)
                await _taken(request, response.write(self._part(number, image)))
        except (ConnectionError, asyncio.TimeoutError, _EndedError):
            return response
        finally:
            del self._viewers[response]

    def _part(self, number: int, image: Image) -> bytes:
        """A picture as part of the stream; packed once, however many watch."""
        if self._packed[0] != number:
            jpeg = pack_jpeg(image, _LARGEST_SIDE_PX, _QUALITY)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self._packed = number, head.encode() + jpeg + f"\r\n--{_BOUNDARY}\r\n".encode()
        return self._packed[1]

    async def _poses(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        listener = web.WebSocketResponse(
            heartbeat=_PATIENCE_S, timeout=_GOODBYE_S, compress=False, max_msg_size=1 << 10
        )
        await listener.prepare(request)
        self._listeners[listener] = request
        telling = asyncio.create_task(self._tell(request, listener))
        try:
            async for _ in listener:  # it has nothing to say; this notices when it leaves
                pass
        finally:
            del self._listeners[listener]
            telling.cancel()
            await asyncio.wait([telling])
        return listener

    async def _tell(self, request: web.Request, listener: web.WebSocketResponse) -> None:
        number, known = 0, ""
        from aiohttp import WSCloseCode

        with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
            try:
                while True:
                    number, (about, state) = await self._messages.after(number)
                    if about is not known:
                        await _taken(request, listener.send_str(about))
                        known = about
                    if state:
                        await _taken(request, listener.send_str(state))
            except _EndedError:
                await listener.close(code=WSCloseCode.GOING_AWAY)


class _EndedError(Exception):
    """Nothing newer comes: the page is closed."""


class _Newest(Generic[_T]):
    """A value that is replaced; whoever asks for the next gets the newest, and all the same one."""

    def __init__(self) -> None:
        self._number = 0
        self._value: _T
        self._changed = asyncio.Event()
        self._is_ended = False

    def put(self, value: _T) -> None:
        self._number += 1
        self._value = value
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self) -> None:
        self._is_ended = True
        self._changed.set()

    async def after(self, number: int) -> tuple[int, _T]:
        """The newest value with its number, which counts from 1, once that is another one.

        Raises:
            _EndedError: there will be none.
        """
        while self._number == number and not self._is_ended:
            await self._changed.wait()
        if self._is_ended:
            raise _EndedError
        return self._number, self._value


async def _taken(request: web.Request, writing: Awaitable[None]) -> None:
    """Write, and wait until the watcher's side has taken it.

    Raises:
        asyncio.TimeoutError: it did not; the connection is ended.
    """

    async def written() -> None:
        await writing
        await request.writer.drain()

    if request.transport is not None:
        request.transport.set_write_buffer_limits(0)
    try:
        await asyncio.wait_for(written(), _PATIENCE_S)
    except asyncio.TimeoutError:
        _hang_up(request)
        raise


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Whether a failed request was at least well-formed: whoever sends nonsense was answered."""
    from aiohttp.http_exceptions import HttpProcessingError

    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


def _require_aiohttp() -> None:
    try:
        import aiohttp  # noqa: F401
    except ImportError as error:
        raise BackendUnavailableError(
            f"the live page needs aiohttp ({error}); install it with pip install 'vp3d[live]'"
        ) from error


def _files(title: str) -> dict[str, tuple[str, bytes]]:
    """What is served, by path: media type and content."""
    page = (_LIVE / "page.html").read_text(encoding="utf-8")
    script = '(() => {\n"use strict";\n' + _joined(_SCRIPTS) + "})();\n"
    texts = {
        "/": ("text/html", page.replace("{{title}}", html.escape(title))),
        "/live.css": ("text/css", _joined(_STYLES)),
        "/live.js": ("text/javascript", script),
        "/three.min.js": ("text/javascript", _joined([_LIBRARY])),
    }
    return {path: (kind, text.encode()) for path, (kind, text) in texts.items()}


def _joined(paths: tuple[Path, ...] | list[Path]) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)
