"""What readers of others' files need around their parsing: beginnings, JSON, errors, origin."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli import files, npz
from vp3d_cli.errors import DataError, one_line
from vp3d_cli.types import Json

_HEAD_BYTES = 1 << 16
# Ten people for an hour are about this much; Python needs ten times as much memory to hold it.
MAX_JSON_BYTES = 256 << 20
_LISTED = 12
_MAX_TOML_BYTES = 256 << 10
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){33}""")


class ChoiceError(ValueError):
    """The file is well, but holds several videos, or another one."""


@contextlib.contextmanager
def explained(path: Path, format: str) -> Iterator[None]:
    """Turn what goes wrong while reading `path` as `format` into a DataError that says so."""
    try:
        with np.errstate(all="ignore"):  # what overflows is found and said by the checks
            yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ChoiceError as error:
        raise DataError(f"{path}: {error}") from error
    except MemoryError as error:
        raise DataError(f"{path}: does not fit into memory; split it") from error
    except (OverflowError, RecursionError, ValueError) as error:
        raise DataError(
            f"{path}: {one_line(error)} "
            f"(read as {format}; write the file again, or choose another --format)"
        ) from error


@contextlib.contextmanager
def named(where: str) -> Iterator[None]:
    """Put a name before the message of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def provenance(path: Path, format: str, **told: Any) -> Json:
    """Format, file name and SHA-256, and whatever else is not None."""
    said = {key: value for key, value in told.items() if value is not None}
    return {"format": format, "file": path.name, "sha256": _sha256(path), **said}


def _sha256(path: Path) -> str:
    """Of a file; of a folder, that of its JSON files' names and hashes."""
    if path.is_file():
        return files.sha256(path)
    digest = hashlib.sha256()
    for inner in sorted(path.glob("*.json")):
        digest.update(f"{inner.name}\0{files.sha256(inner)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def head(path: Path) -> str:
    """The beginning of a file as text; empty where it cannot be read."""
    try:
        if not path.is_file():  # opening a pipe would wait
            return ""
        with path.open("rb") as stream:
            return stream.read(_HEAD_BYTES).decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    except OSError:
        return ""


def first_entry(path: Path) -> Json | None:
    """The first object of a JSON list of objects; an empty one of an empty list."""
    text = head(path)
    if not text.startswith("["):
        return None
    rest = text[1:].lstrip()
    if rest.startswith("]"):
        return {}
    try:
        entry, _ = json.JSONDecoder().raw_decode(rest)
    except (RecursionError, ValueError):
        return None
    return entry if isinstance(entry, dict) else None


def load_json(path: Path, max_bytes: int | None = None) -> Any:
    """What a JSON file holds. NaN is accepted, since Python's writers produce it.

    Raises:
        ValueError: it is too large, no UTF-8, no JSON, or nested too deeply.
        OSError: it cannot be read.
    """
    most, size = max_bytes or MAX_JSON_BYTES, path.stat().st_size
    if size > most:
        raise ValueError(
            f"{path.name}: has {size >> 20} MiB of JSON, more than the {most >> 20} that are read; "
            "split it by time"
        )
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        raise ValueError(f"{path.name}: is packed with gzip; unpack it first")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: byte {error.start} is not UTF-8 text") from error
    except RecursionError:
        raise ValueError(f"{path.name}: is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path.name}: is not JSON, or is cut off: {error}") from error


def load_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ValueError: it is too large, no UTF-8, no TOML, or nested too deeply.
        OSError: it cannot be read.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    with path.open("rb") as stream:
        content = stream.read(_MAX_TOML_BYTES + 1)
    if len(content) > _MAX_TOML_BYTES:
        raise ValueError(f"has more than {_MAX_TOML_BYTES >> 10} KiB")
    text = content.decode("utf-8")
    if _LONG_KEY.search(text):  # the parser needs the square of their length in memory
        raise ValueError("a key of too many parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def looks_like(path: Path) -> str:
    """ ", but a folder", or whatever else a file of no known format is; perhaps nothing."""
    try:
        if path.is_dir():
            return ", but a folder without *_keypoints.json in it"
        with path.open("rb") as stream:
            start = stream.read(16)
    except OSError as error:
        return f": {error.strerror}"
    known = {
        b"\x93NUMPY": ", but a single array (.npy)",
        b"\x1f\x8b": ", but packed with gzip; unpack it first",
        b"\x80": ", but a pickle, which is a program and not opened",
    }
    if not start:
        return ": it is empty"
    if start.startswith(b"PK"):
        held = npz.keys(path)
        return f", but an archive of {listed(sorted(held))}" if held else ", but a damaged archive"
    return next((what for magic, what in known.items() if start.startswith(magic)), "")


def listed(names: Sequence[str]) -> str:
    """The first of some names of a file, fit to be printed."""
    shown = ", ".join(ascii(name[:80]) for name in names[:_LISTED]) or "nothing"
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def choose(names: Sequence[str], video: str | None) -> str:
    """The video among `names` that is asked for, with or without folder and suffix.

    Raises:
        ChoiceError: it is not there, or none was asked for and there are several.
    """
    if video is None and len(names) == 1:
        return names[0]
    if video is None:
        raise ChoiceError(f"holds {len(names)} videos; choose one of {listed(names)}")
    file_name = re.split(r"[/\\]", video)[-1]
    for key in (lambda name: name == video, lambda name: name == file_name):
        if any(map(key, names)):
            return next(filter(key, names))
    alike = [name for name in names if _bare(name) in (_bare(video), _bare(file_name))]
    if len(alike) != 1:
        raise ChoiceError(f"has no video {video[:80]!a}; it has {listed(names)}")
    return alike[0]


def _bare(name: str) -> str:
    """Without a suffix such as ".mp4"."""
    return re.sub(r"\.(?=\w*[A-Za-z])\w{2,5}$", "", name)
