"""NPZ archives: read without trusting what they claim, written without pickles and clocks."""

from __future__ import annotations

import contextlib
import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import files, pickles

Shape = tuple[int, ...]
# Raises ValueError unless the shape and the type that a member claims will do.
Check = Callable[[Shape, np.dtype[Any]], None]

# Real arrays shrink to a half when packed; one that would grow this much is a bomb.
_MAX_GROWTH = 100
_MAX_SMALL_BYTES = 64 << 20
# A byte of a pickle can become an object of a hundred.
_MAX_PICKLE_GROWTH = 20
_MAX_SMALL_PICKLE_BYTES = 2 << 20

# What zipfile, zlib and NumPy, which parses headers as Python text, let out when a file is
# damaged.
_DAMAGE = (
    EOFError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def max_bytes(path: Path) -> int:
    """The most that an array in this file may claim to hold."""
    return max(_MAX_SMALL_BYTES, _MAX_GROWTH * path.stat().st_size)


def keys(path: Path) -> frozenset[str]:
    """The names of the arrays in an archive; none where the file is no archive."""
    try:
        if not path.is_file():  # opening a pipe would wait
            return frozenset()
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (*_DAMAGE, ValueError):
        return frozenset()
    return frozenset(name.removesuffix(".npy") for name in names if name.endswith(".npy"))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive to read from.

    Raises:
        ValueError: it is none, or is cut off.
        OSError: it cannot be read.
    """
    try:
        archive = zipfile.ZipFile(path)
    except OSError:
        raise
    except _DAMAGE as error:
        raise ValueError(f"is not a readable .npz, or is cut off ({error})") from error
    with archive:
        most = max_bytes(path)
        # Many parts can be a bomb, too; one that is too large alone is refused by its name.
        parts = (member.file_size for member in archive.infolist())
        _check_size(sum(size for size in parts if size <= most), most)
        yield archive


def read_array(
    archive: zipfile.ZipFile, key: str, max_bytes: int, check: Check | None = None
) -> NDArray[Any]:
    """One member, its header checked before any value is read.

    Args:
        archive: open.
        key: its name without ".npy".
        max_bytes: it may claim no more.
        check: raises ValueError where the claimed shape and type will not do.

    Raises:
        ValueError: it is missing, damaged, pickled, too large, or refused by `check`.
    """

    def checked(shape: Shape, dtype: np.dtype[Any]) -> None:
        if dtype.hasobject:
            raise ValueError("holds pickled Python objects, but is read without pickles")
        if check:
            check(shape, dtype)

    return _read(archive, key, max_bytes, checked)


def read_objects(archive: zipfile.ZipFile, key: str, path: Path) -> NDArray[Any]:
    """One member that may hold Python's containers of arrays, read by `pickles`.

    Raises:
        ValueError: it is missing, damaged, too large, or holds more than data.
    """
    return _read(archive, key, max_bytes(path), None, path.stat().st_size)


def _read(
    archive: zipfile.ZipFile,
    key: str,
    max_bytes: int,
    check: Check | None,
    packed: int = 0,
) -> NDArray[Any]:
    try:
        return _read_member(archive, key, max_bytes, check, packed)
    except KeyError:
        raise ValueError("is missing") from None
    except _DAMAGE as error:
        raise ValueError(f"is damaged ({error})") from error


def _read_member(
    archive: zipfile.ZipFile, key: str, max_bytes: int, check: Check | None, packed: int
) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, about how a header is written
        member = archive.getinfo(f"{key}.npy")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("is packed in a way that NPZ files are not")
        with archive.open(member) as stream:
            shape, dtype = _read_header(stream)
            endless = 0 in shape and max(shape) > pickles.MAX_EMPTY_LENGTH
            if endless or any(size < 0 for size in shape):
                raise ValueError(f"claims the shape {shape}")
            if check:
                check(shape, dtype)
            if dtype.hasobject:
                most = max(_MAX_SMALL_PICKLE_BYTES, _MAX_PICKLE_GROWTH * packed)
                _check_size(member.file_size, most)
                return _unpickled(stream.read(), shape)
            size = stream.tell() + math.prod(shape) * dtype.itemsize
        if size != member.file_size:
            raise ValueError(f"expected {size} bytes, got {member.file_size}")
        _check_size(size, max_bytes)
        with archive.open(member) as stream:
            array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        pickles.check_text(array.tobytes() if dtype.kind == "U" else b"", dtype)
        return array


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"claims {size} bytes, more than a file this small can hold")


def _read_header(stream: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"expected NPY format 1.0 or 2.0, got {version}")
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    return shape, dtype


def _unpickled(content: bytes, shape: Shape) -> NDArray[Any]:
    value = pickles.load(io.BytesIO(content), encoding="latin1")
    if not isinstance(value, np.ndarray) or value.shape != shape:
        raise ValueError("holds something else than its header says")
    return value


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays whole or not at all; equal arrays give equal bytes.

    This is `np.savez_compressed` without its pickle, and without the ".npz" it would add to the
    name the user chose. A member opened by name is dated 1980, so no clock gets in.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    with (
        files.written_whole(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
