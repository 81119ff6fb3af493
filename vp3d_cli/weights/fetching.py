"""Bring a file into the cache: from its publisher, a mirror, or a copy on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from vp3d_cli.errors import OutputError, WeightsError
from vp3d_cli.files import sha256, written_whole
from vp3d_cli.weights import cache
from vp3d_cli.weights.download import Patience, Progress, discard, download
from vp3d_cli.weights.entries import WeightsEntry

T = TypeVar("T")
_log = logging.getLogger(__name__)

# Raises WeightsError unless the bytes are what the entry stands for; is told their origin.
Check = Callable[[bytes, str], None]

_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")


def fetch(
    weights: WeightsEntry,
    check: Check,
    source: str | None = None,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Path:
    """Bring the file of an entry into the cache, unless it is there.

    It is checked by structure and by the hash that is published, or that was pinned when it was
    fetched before; only then does it get its name. Of several processes one fetches.

    Args:
        weights: an entry; one that is bundled is only verified.
        check: looks at the structure, without executing anything.
        source: another URL (http, https, file), or the path of a copy; its publisher if None.
        progress: told bytes done and bytes in all.
        patience: with a bad connection.

    Returns:
        Where the file is.

    Raises:
        WeightsError: unreachable or cut off, and what came is kept for the next call; or not the
            file it should be, and nothing is kept.
        OutputError: the cache cannot be written to.
    """
    target = cache.where(weights)
    if weights.bundled:
        cache.verify(weights)
        return target
    origin = source or weights.files[0].url or ""
    copy = _local_copy(origin)
    if cache.available(weights.name):
        return _already_there(weights, target, copy)
    with _only_one(target):
        if cache.available(weights.name):  # another process did it while this one waited
            return _already_there(weights, target, copy)
        if copy:
            _take(weights, check, copy, target)
        else:
            _download(weights, check, origin, target, progress, patience)
        discard(_part(target))  # or what an earlier call left of it
    return target


def _already_there(weights: WeightsEntry, target: Path, copy: Path | None) -> Path:
    cache.verify(weights)
    if copy:
        _require_pinned(weights, _readable(sha256, copy), str(copy))
    return target


def _take(weights: WeightsEntry, check: Check, copy: Path, target: Path) -> None:
    blob = _readable(Path.read_bytes, copy)
    cache.pin(target, _checked(weights, check, blob, str(copy)))
    if copy.resolve() != target.resolve():
        with written_whole(target) as temporary:
            temporary.write_bytes(blob)


def _download(
    weights: WeightsEntry,
    check: Check,
    url: str,
    target: Path,
    progress: Progress | None,
    patience: Patience | None,
) -> None:
    part = _part(target)
    try:
        download(url, part, progress, patience)
    except WeightsError as error:
        by_hand = f"`vp3d weights fetch {weights.name} --from FILE` takes a copy from elsewhere"
        raise WeightsError(f"{error}; {by_hand}") from error
    blob = _readable(Path.read_bytes, part)
    try:
        digest = _checked(weights, check, blob, url)
    except WeightsError as error:
        discard(part)
        raise WeightsError(f"{error} ({len(blob):,} bytes came, none are kept)") from error
    # The pin first: a file without one would look as if somebody had put it there by hand.
    cache.pin(target, digest)
    try:
        part.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _checked(weights: WeightsEntry, check: Check, blob: bytes, origin: str) -> str:
    """The hash of bytes that are what they should be."""
    if blob[:99].lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(_PAGES):
        raise WeightsError(f"{origin}: a web page, not weights; is it a login or a proxy's answer?")
    digest = hashlib.sha256(blob).hexdigest()
    _require_pinned(weights, digest, origin)
    check(blob, origin)
    return digest


def _require_pinned(weights: WeightsEntry, digest: str, origin: str) -> None:
    file = weights.files[0]
    expected = cache.pinned_hash(weights, file)
    if expected is None or expected == digest:
        return
    remedy = "take it from another place with --from"
    if not file.sha256:
        remedy = (
            "it is not the file that was fetched here first. "
            f"If you trust this one more, delete {cache.where(weights)} and "
            f"{cache.pin_path(cache.where(weights))}, then fetch again"
        )
    raise WeightsError(
        f"weights '{weights.name}': SHA-256 of {origin} differs "
        f"(expected {expected[:12]}…, got {digest[:12]}…); {remedy}"
    )


def _local_copy(origin: str) -> Path | None:
    """The path that is meant, or None for a URL of the network.

    Raises:
        WeightsError: neither http, https nor a file.
    """
    try:
        parts = urlsplit(origin)
        scheme, host = parts.scheme.lower(), parts.hostname
    except ValueError as error:
        raise WeightsError(f"'{origin}' is not an address: {error}") from error
    if scheme in ("http", "https") and host:
        return None
    if scheme == "file" and host in (None, "localhost"):
        return Path(urllib.request.url2pathname(parts.path))
    if "://" in origin:
        raise WeightsError(f"'{origin}': give a file, or an address with http, https or file")
    return Path(origin)


def _readable(read: Callable[[Path], T], path: Path) -> T:
    try:
        if not path.is_file():
            raise WeightsError(f"{path}: not a file")
        return read(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error


@contextlib.contextmanager
def _only_one(target: Path) -> Iterator[None]:
    """Keep other processes from fetching the same file; the system frees it of whoever dies."""
    lock = FileLock(target.with_name(f"{target.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("another process is fetching %s; waiting for it", target.name)
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise OutputError(
            f"{target.parent}: cannot be written to: {getattr(error, 'strerror', None) or error}; "
            "set VP3D_CACHE to a folder that can"
        ) from error
    try:
        yield
    finally:
        lock.release()
