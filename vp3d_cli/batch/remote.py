"""An output folder behind a URL, such as s3://bucket/results; fsspec opens it.

A `Mirror` is a folder of its own on this machine: a job fetches into it what it reads, and each
file that it finishes is sent on at once, whole. So the files at the URL are those of a folder.

Such a place has no lock that dies with its holder. Two batches at once do the same work twice, but
break nothing: each file is whole, and equal options make equal files. The last report is kept.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vp3d_cli.batch.layout import Layout, Looks
from vp3d_cli.errors import BackendUnavailableError, DiskFullError, OptionsError, OutputError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# Stores in which a file appears whole, or not at all; in all others it is renamed when it is whole.
_OBJECT_STORES = frozenset({"abfs", "abfss", "az", "gcs", "gs", "oci", "oss", "s3", "s3a"})
# What shows that a file is another one, the best first, as the stores call it.
_MARKS = ("ETag", "etag", "mtime", "last_modified", "LastModified", "modified", "created")


class Mirror(Layout):
    """The part of such a folder that a job needs.

    Args:
        url: of the folder.
        folder: an empty one here.

    Raises:
        BackendUnavailableError: what the URL needs is not installed.
        OptionsError: workers cannot meet there.
    """

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(folder)
        self._url = url.rstrip("/")
        self._store, self._top = _opened(self._url)
        self._here: dict[Path, Looks | None] = {}
        self._listed: dict[str, Looks] | None = None

    def called(self, path: Path) -> str:
        return f"{self._url}/{path.relative_to(self.root).as_posix()}"

    def looks(self, path: Path) -> Looks | None:
        there = self._there(path)
        if self._listed is not None:
            return self._listed.get(there)
        with self._telling(path, "looked at"):
            try:
                return _looks(self._store.info(there))
            except FileNotFoundError:
                return None

    def fetch(self, path: Path) -> Path:
        looks = self.looks(path)
        if looks is None:
            path.unlink(missing_ok=True)
        elif self._here.get(path) != looks:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._telling(path, "read"):
                self._store.get_file(self._there(path), str(path))
            self._here[path] = looks
        return path

    def keep(self, path: Path) -> None:
        with self._telling(path, "written"):
            self._send(path, self._there(path))
        self._here[path] = self.looks(path)

    def discard(self, path: Path) -> None:
        super().discard(path)
        with self._telling(path, "removed"), contextlib.suppress(FileNotFoundError):
            self._store.rm_file(self._there(path))

    def forget_parts(self, key: str) -> None:
        super().forget_parts(key)
        with self._telling(self.keypoints, "cleared"):
            for there in self._store.glob(f"{self._there(self.keypoints)}/{key}.part-*"):
                self._store.rm_file(there)

    def require_writable(self) -> None:
        probe = self.scratch / f"probe-{secrets.token_hex(6)}"
        probe.write_bytes(b"vp3d")
        with self._telling(self.root, "written"):
            self._send(probe, self._there(probe))
            self._store.rm_file(self._there(probe))

    @contextlib.contextmanager
    def looked_through(self) -> Iterator[None]:
        """One listing and one transfer instead of two questions for each video."""
        self.make_folders()
        with self._telling(self.root, "listed"):
            found = self._store.find(self._top, detail=True)
            listed = {name: looks for name, info in found.items() if (looks := _looks(info))}
            records = f"{self._there(self.records)}/"
            wanted = [name for name in listed if name.startswith(records)]
            here = [self.records / name.removeprefix(records) for name in wanted]
            if wanted:
                self._store.get(wanted, [str(path) for path in here])
        self._here |= {path: listed[name] for path, name in zip(here, wanted, strict=True)}
        self._listed = listed
        try:
            yield
        finally:
            self._listed = None

    def _there(self, path: Path) -> str:
        name = path.relative_to(self.root).as_posix()
        return self._top if name == "." else f"{self._top}/{name}"

    def _send(self, path: Path, there: str) -> None:
        protocol = self._store.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        if names & _OBJECT_STORES:
            self._store.put_file(str(path), there)
            return
        unfinished = f"{self._there(self.scratch)}/{secrets.token_hex(8)}"
        self._store.makedirs(self._store._parent(unfinished), exist_ok=True)
        self._store.makedirs(self._store._parent(there), exist_ok=True)
        try:
            self._store.put_file(str(path), unfinished)
            self._store.mv(unfinished, there)
        except BaseException:
            with contextlib.suppress(Exception):
                self._store.rm_file(unfinished)
            raise

    @contextlib.contextmanager
    def _telling(self, path: Path, what: str) -> Iterator[None]:
        """Whatever a store raises, and they agree on nothing, as ours."""
        name = self._url if path == self.root else self.called(path)
        try:
            yield
        except Exception as error:
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            kind = DiskFullError if full else OutputError
            raise kind(f"{name}: cannot be {what}: {_said(error)}") from error


def _opened(url: str) -> tuple[AbstractFileSystem, str]:
    try:
        import fsspec
    except ImportError as error:
        raise BackendUnavailableError(
            f"{url}: a URL needs fsspec; fix: pip install fsspec"
        ) from error
    if url.partition(":")[0] == "memory":
        raise OptionsError(f"{url}: the workers do not share their memory; give a folder or store")
    try:
        store, top = fsspec.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:  # it names the package
        raise BackendUnavailableError(f"{url}: {error}, with pip") from error
    except ValueError as error:
        raise OptionsError(f"{url}: {error}; expected a folder, or a URL such as s3://") from error
    except Exception as error:
        raise OutputError(f"{url}: cannot be opened: {_said(error)}") from error
    return store, top.rstrip("/")


def _looks(info: dict[str, Any]) -> Looks | None:
    if info.get("type") != "file":
        return None
    mark = next((str(info[name]) for name in _MARKS if info.get(name)), "")
    number = int.from_bytes(hashlib.sha256(mark.encode()).digest()[:7], "big")
    return int(info["size"]), number, 0


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
