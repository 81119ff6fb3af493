"""PyTorch's own files, read without PyTorch: nothing in them is executed.

`torch.load` is not used on files of others: it picks its reader by what the file says of itself,
and one of those readers runs programs. Both layouts that `torch.save` has had are read here, the
archive and the older stream of pickles; tensors come back as NumPy arrays.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import pickles

_TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
# What the older layout begins with.
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_MAX_DIMENSIONS = 32
# What zipfile and a stream of odd content raise.
_DAMAGE = (
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    struct.error,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class _Type:
    """A storage's type, as a global of the stream."""

    dtype: str


@dataclass(frozen=True)
class _Storage:
    content: bytes | memoryview
    dtype: str


def load(blob: bytes) -> Any:
    """The containers, numbers, text and arrays of a file that `torch.save` wrote.

    Raises:
        pickles.UnsafePickleError: it holds more than that; nothing was executed.
        ValueError: it is damaged, or no such file.
    """
    try:
        return _archive(blob) if blob[:2] == b"PK" else _stream(blob)
    except _DAMAGE as error:
        raise ValueError(f"damaged: {error}") from error


def _archive(blob: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        names = archive.namelist()
        if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
            raise pickles.UnsafePickleError("it is a TorchScript program, not weights")
        tables = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
        if len(tables) != 1 or len(set(names)) != len(names):
            raise ValueError("no archive of torch.save")
        folder = tables[0].removesuffix("data.pkl")
        if sum(member.file_size for member in archive.infolist()) > len(blob):
            raise ValueError("its parts overlap")
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("packed, as torch.save never does")
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("written by a machine of another byte order")
        return _load(
            io.BytesIO(archive.read(tables[0])),
            lambda key: archive.read(f"{folder}data/{key}"),
            beside=len(blob),
        )


def _stream(blob: bytes) -> Any:
    stream = io.BytesIO(blob)
    if (pickles.load(stream), pickles.load(stream)) != (_MAGIC, _PROTOCOL):
        raise ValueError("no file of torch.save")
    pickles.load(stream)  # sizes of C's types where it was written
    table = stream.tell()
    # The storages follow the table that they fill, so it is read twice.
    types: dict[str, str] = {}
    _load(stream, None, types)
    contents: dict[str, memoryview] = {}
    keys = pickles.load(stream)
    for key in keys if isinstance(keys, list) else ():
        start = stream.tell() + 8
        count = int.from_bytes(stream.read(8), "little")
        size = count * np.dtype(types[key]).itemsize
        if start + size > len(blob):
            raise ValueError("cut off")
        contents[key] = memoryview(blob)[start : start + size]
        stream.seek(start + size)
    stream.seek(table)
    return _load(stream, lambda key: contents[key])


def _load(
    stream: io.BytesIO,
    read: Callable[[str], bytes | memoryview] | None,
    types: dict[str, str] | None = None,
    beside: int = 0,
) -> Any:
    """One table; without `read` its tensors are empty, and `types` learns what storages it has."""
    storages: dict[str, _Storage] = {}

    def persistent(pid: Any) -> _Storage:
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise pickles.UnsafePickleError("it refers to something that is no tensor")
        kind, key = pid[1], pid[2]
        if not isinstance(kind, pickles.Known) or not isinstance(key, str):
            raise pickles.UnsafePickleError("it refers to a storage in an unknown way")
        dtype = kind.make().dtype
        if types is not None:
            types[key] = dtype
        if key not in storages:
            storages[key] = _Storage(read(key) if read else b"", dtype)
        return storages[key]

    def tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Any:
        return _tensor(storage, offset, size, stride) if read else np.zeros(0)

    def find(module: str, name: str) -> pickles.Known | None:
        if module == "torch" and name in _TYPES:
            return pickles.Known(lambda: _Type(_TYPES[name]))
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return pickles.Known(tensor)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return pickles.Known(lambda data, *_: data)
        # The state of random generators, which a file of a stopped training holds.
        return pickles.Known(pickles.Ignored) if module.startswith("numpy.random") else None

    return pickles.load(stream, "latin1", find, persistent, beside)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any) -> NDArray[Any]:
    """A part of a storage; views that repeat or skip its numbers are refused."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, _Storage) or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError("a tensor described in an unknown way")
    if len(size) > _MAX_DIMENSIONS or any(n >= 1 << 48 for n in numbers):
        raise ValueError("a tensor of an impossible shape")
    expected = [math.prod(size[i + 1 :]) for i in range(len(size))]
    if any(n > 1 and s != e for n, s, e in zip(size, stride, expected, strict=True)):
        raise ValueError("a tensor whose numbers are not in order")
    dtype, count = np.dtype(storage.dtype), math.prod(size)
    if (offset + count) * dtype.itemsize > len(storage.content):
        raise ValueError("a tensor larger than its storage")
    if 0 in size and max(size) > pickles.MAX_EMPTY_LENGTH:
        raise ValueError(f"an empty tensor of shape {size}")
    flat = np.frombuffer(storage.content, dtype, count, offset * dtype.itemsize)
    return flat.reshape(size).copy()
