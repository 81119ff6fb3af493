"""Whole files or none: temporary names, renames, hashes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from vp3d_cli.errors import DiskFullError, OutputError

_BLOCK = 1 << 20


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; it takes the name when all went well.

    The temporary file keeps the suffix, since encoders choose the container by it. On any
    exception, Ctrl-C included, it is removed and what stood at `path` is untouched.

    Raises:
        OutputError: the folder is missing or not writable; DiskFullError where the disk is full.
    """
    try:
        if path.exists() and not path.is_file():  # renaming would replace even /dev/null
            raise OutputError(f"{path}: is a folder or a device; give a file name")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")
        temporary = path.with_name(f".vp3d-{secrets.token_hex(6)}{path.suffix}")
        try:
            temporary.touch()
            yield temporary
            temporary.replace(path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error.filename, str) and Path(error.filename).parent != path.parent:
            raise  # it is about another file, opened while this one was being written
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> OutputError:
    """What to raise where `path` cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    kind = DiskFullError if full else OutputError
    return kind(f"{path}: cannot be written: {error.strerror or error}")


def sha256(path: Path, beat: Callable[[], None] | None = None) -> str:
    """SHA-256 of a file's bytes, in hex; `beat` is called now and then meanwhile."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            if beat:
                beat()
    return digest.hexdigest()
