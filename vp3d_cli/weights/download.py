"""One file over HTTP: resumed after a cut, tried again, never mixed of two versions."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from email.message import Message
from pathlib import Path
from typing import IO, Any

from vp3d_cli import __version__
from vp3d_cli.errors import OutputError, WeightsError

_log = logging.getLogger(__name__)

# Told the bytes that are here, and how many there are in all where the server says.
Progress = Callable[[int, "int | None"], None]

_BLOCK = 1 << 18
# A cut after this many new bytes is a slow line, not a dead one: the attempts count anew.
_HEADWAY = 1 << 20
# Too busy, or broken for the moment.
_PASSING = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Patience:
    """How much trouble is borne.

    Attributes:
        stall_s: seconds without a byte after which a connection counts as dead.
        attempts: in a row, without headway.
        wait_s: before the second attempt; doubles with each further one.
    """

    stall_s: float = 30.0
    attempts: int = 5
    wait_s: float = 1.0


class _CutError(Exception):
    """Trouble that may pass. `reached`: the server was there."""

    def __init__(self, message: str, *, reached: bool = True) -> None:
        super().__init__(message)
        self.reached = reached


@dataclass(frozen=True)
class _Origin:
    """Of which version a partial file is a part; kept beside it.

    Attributes:
        url: it came from.
        validator: an ETag or a date that changes with the file; None where a server states none.
        total: bytes of the whole file, where the server said.
    """

    url: str
    validator: str | None
    total: int | None


def download(
    url: str, part: Path, progress: Progress | None = None, patience: Patience | None = None
) -> None:
    """Bring a file to `part`, going on from what an earlier call left there.

    Whatever happens, what came stays in `part`, so that the next call can go on.

    Raises:
        WeightsError: the server does not have it, or cannot be reached.
        OutputError: no room on the disk.
    """
    patience = patience or Patience()
    furthest = failures = 0
    reached = False
    while True:
        try:
            return _attempt(url, part, progress, patience.stall_s)
        except _CutError as cut:
            reached |= cut.reached
            size = _size(part)
            failures = 1 if size >= furthest + _HEADWAY else failures + 1
            furthest = max(furthest, size)
            if failures >= patience.attempts or not reached:
                raise WeightsError(_gave_up(url, str(cut), size, failures)) from cut
            wait_s = patience.wait_s * 2 ** (failures - 1)
            _log.info("%s; trying again in %.0f s", cut, wait_s)
            time.sleep(wait_s)


def discard(part: Path) -> None:
    """Remove a partial file and what is known of it.

    Raises:
        OutputError: it cannot be removed.
    """
    try:
        part.unlink(missing_ok=True)
        _origin_path(part).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{part}: cannot be removed: {error.strerror or error}") from error


def _gave_up(url: str, trouble: str, size: int, failures: int) -> str:
    times = f", {failures} times" if failures > 1 else ""
    kept = f"; {size:,} bytes are kept and the same command goes on from there" if size else ""
    return f"{url}: {trouble}{times}{kept}"


def _attempt(url: str, part: Path, progress: Progress | None, stall_s: float) -> None:
    offset, origin = _left_before(part, url)
    if origin and offset == origin.total:
        return  # all there; whoever called last was stopped before looking at it
    request = urllib.request.Request(url, headers={"User-Agent": f"vp3d/{__version__}"})
    if origin and origin.validator:
        request.add_header("Range", f"bytes={offset}-")
        request.add_header("If-Range", origin.validator)
    try:
        response = _opener().open(request, timeout=stall_s)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and origin:
                return _past_the_end(part, offset, error.headers)
            if error.code in _PASSING:
                raise _CutError(f"the server answers {error.code} {error.reason}") from error
            answer = f"the server answers {error.code} {error.reason}"
            raise WeightsError(f"{url}: {answer}") from error
    except (http.client.InvalidURL, UnicodeError) as error:
        raise WeightsError(f"'{url}' is not an address that can be fetched: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _trouble(url, error, stall_s) from error
    with response:
        offset, origin = _accept(response, part, offset, origin, url)
        _receive(response, part, offset, origin, progress, stall_s)


def _left_before(part: Path, url: str) -> tuple[int, _Origin | None]:
    """How much an earlier call left, and of what; (0, None) where nothing can be gone on from."""
    try:
        fields = json.loads(_origin_path(part).read_text(encoding="utf-8"))
        origin = _Origin(**fields)
    except (OSError, RecursionError, ValueError, TypeError):
        return 0, None
    if type(origin.total) not in (int, type(None)):
        return 0, None
    offset = _size(part)
    too_long = origin.total is not None and offset > origin.total
    if origin.url != url or offset == 0 or too_long:
        return 0, None
    return (offset, origin) if origin.validator or offset == origin.total else (0, None)


def _past_the_end(part: Path, offset: int, headers: Message) -> None:
    """416: there is nothing after what we have, or the file is another now."""
    whole = re.fullmatch(r"bytes \*/(\d+)", headers.get("Content-Range", ""))
    if whole and int(whole[1]) == offset:
        return
    discard(part)
    raise _CutError("the file there has changed; beginning again")


def _accept(
    response: Any, part: Path, offset: int, origin: _Origin | None, url: str
) -> tuple[int, _Origin]:
    """Where the answer's bytes belong, and what they are part of."""
    headers, status = response.headers, response.status
    validator = _validator(headers)
    if status == 206 and origin:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", headers.get("Content-Range", ""))
        total = int(found[3]) if found and found[3] != "*" else origin.total
        other = origin.total is not None and total != origin.total
        if not found or int(found[1]) != offset or other or validator not in (
            None, origin.validator,
        ):  # fmt: skip
            discard(part)
            raise _CutError("the file there has changed; beginning again")
        _log.info("going on after %.1f MB", offset / 1e6)
        return offset, replace(origin, total=total)
    if status != 200:
        raise WeightsError(f"{url}: the server answers {status} {response.reason} without a file")
    if offset:
        _log.info("from the start again: the file there has changed, or the server knows no ranges")
    discard(part)
    length = headers.get("Content-Length", "")
    origin = _Origin(url, validator, int(length) if re.fullmatch(r"\d+", length) else None)
    _require_room(part, origin.total)
    try:
        _origin_path(part).write_text(json.dumps(asdict(origin)), encoding="utf-8")
    except OSError as error:
        raise _no_room(part, error) from error
    return 0, origin


def _receive(
    response: Any,
    part: Path,
    done: int,
    origin: _Origin,
    progress: Progress | None,
    stall_s: float,
) -> None:
    total = origin.total
    with _opened(part) as stream:
        while total is None or done < total:
            try:
                # Not `read`: that would wait for the whole block and lose it to a cut.
                block = response.read1(_BLOCK if total is None else min(_BLOCK, total - done))
            except (OSError, http.client.HTTPException) as error:
                raise _trouble(origin.url, error, stall_s) from error
            if not block:
                break
            _write(stream, block, part)
            done += len(block)
            if progress:
                progress(done, total)
    if total is not None and done < total:
        raise _CutError(f"the connection ended after {done:,} of {total:,} bytes")


def _opened(part: Path) -> IO[bytes]:
    try:
        return part.open("ab", buffering=0)  # a killed process loses nothing that came
    except OSError as error:
        raise _no_room(part, error) from error


def _write(stream: IO[bytes], block: bytes, part: Path) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[stream.write(rest) :]
    except OSError as error:
        raise _no_room(part, error) from error


def _trouble(url: str, error: Exception, stall_s: float) -> Exception:
    """What an exception of the network means for us."""
    # urllib wraps what happens before the request is sent, and nothing later.
    connecting = isinstance(error, urllib.error.URLError)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return WeightsError(
            f"{url}: its certificate cannot be trusted: {reason.verify_message}; "
            "behind a proxy with its own certificates set SSL_CERT_FILE"
        )
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    if isinstance(reason, TimeoutError):
        text = f"nothing came for {stall_s:g} s"
    if connecting:
        return _CutError(f"cannot be reached: {text}", reached=False)
    return _CutError(f"the connection was cut: {text or type(reason).__name__}")


def _validator(headers: Message) -> str | None:
    """What `If-Range` may name: a strong ETag, or a date."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified")


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise WeightsError(
                f"{req.full_url}: leads to {newurl}, which anybody on the way can change"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """HTTP and HTTPS only, by way of the environment's proxies; redirected to nothing else."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _require_room(part: Path, needed: int | None) -> None:
    with contextlib.suppress(OSError):  # some file systems do not say
        free = shutil.disk_usage(part.parent).free
        if needed and needed > free:
            raise OutputError(
                f"{part.parent}: {needed / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free; "
                "make room or set VP3D_CACHE to a folder elsewhere"
            )


def _no_room(part: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{part}: cannot be written: {error.strerror or error}; "
        "make room or set VP3D_CACHE to a folder elsewhere"
    )


def _origin_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except OSError:
        return 0
