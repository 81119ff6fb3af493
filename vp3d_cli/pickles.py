"""Pickles of NumPy arrays, read without executing anything in them.

The files that Detectron2 and VideoPose3D publish are pickles, which are programs. This reader
knows plain containers, numbers, text and arrays, rebuilds the arrays itself from their bytes, and
refuses everything else.
"""

from __future__ import annotations

import codecs
import math
import pickle
import re
from collections import OrderedDict
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

# Booleans, integers, floats, complex numbers, bytes and text. Objects only as lists.
_PLAIN = re.compile(r"[|<>=]?([biufcSU]\d*|\?|O\d?)")
# What pickle lets out when a stream is damaged.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class UnsafePickleError(ValueError):
    """The stream asks for more than data."""


def load(stream: IO[bytes], encoding: str = "ASCII") -> Any:
    """The containers, numbers, text and NumPy arrays of a pickle.

    Args:
        stream: at the start of the pickle.
        encoding: of text that Python 2 wrote; "latin1" for its arrays.

    Raises:
        UnsafePickleError: it asks for anything else; nothing was executed.
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        return _plain(_Unpickler(stream, encoding=encoding).load(), {})
    except UnsafePickleError:
        raise
    except pickle.UnpicklingError as error:
        raise ValueError(f"damaged pickle: {error}") from error
    except _DAMAGE as error:
        raise ValueError(f"damaged pickle: {type(error).__name__}: {error}") from error


class _Dtype:
    """`numpy.dtype`, from its name and byte order only."""

    def __init__(self, name: Any, *_: Any) -> None:
        name = name.decode("ascii") if isinstance(name, bytes) else name
        if not isinstance(name, str) or not _PLAIN.fullmatch(name):
            raise UnsafePickleError(f"it holds arrays of type {str(name)[:40]}")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # (version, byte order, sub-array, names, fields, item size, alignment, flags)
        if any(part is not None for part in state[2:5]):
            raise UnsafePickleError("it holds arrays of records")
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        if self.dtype.kind in "SU" and isinstance(state[5], int) and 0 <= state[5] < 1 << 20:
            size = state[5] // (4 if self.dtype.kind == "U" else 1)
            self.dtype = np.dtype(f"{self.dtype.kind}{size}")
        if order == ">":
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    """`numpy.ndarray` on its way: filled by `__setstate__`, an array after `_plain`."""

    value: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, dtype, fortran, content = state[-4:]
        self.value = _array(content, dtype, shape, bool(fortran))


def _array(content: Any, dtype: Any, shape: Any, fortran: bool) -> NDArray[Any]:
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
        raise UnsafePickleError("it describes an array in an unknown way")
    if any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"an array of shape {shape}")
    order: Any = "F" if fortran else "C"
    if dtype.dtype.hasobject:
        if not isinstance(content, list) or len(content) != math.prod(shape):
            raise ValueError(f"an array of shape {shape} whose content does not fit")
        objects = np.empty(len(content), object)
        objects[:] = content
        return objects.reshape(shape, order=order)
    raw = content.encode("latin1") if isinstance(content, str) else content
    if len(raw) != math.prod(shape) * dtype.dtype.itemsize:
        raise ValueError(f"an array of shape {shape} in {len(raw)} bytes")
    return np.frombuffer(raw, dtype.dtype).reshape(shape, order=order).copy(order=order)


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    return _array(bytes(content), dtype, shape, order == "F")


def _scalar(dtype: Any, content: Any = None) -> Any:
    return content if content is None else _array(content, dtype, (), False)[()]


def _encode(text: Any, encoding: Any = "latin1", *_: Any) -> bytes:
    """How Python 3 writes bytes into a pickle that Python 2 can read."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8"):
        raise UnsafePickleError("it asks for a codec")
    return bytes(codecs.encode(text, encoding))


def _no_bytes() -> bytes:
    """How protocols below 3 write b""."""
    return b""


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
    ("_codecs", "encode"): _encode,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    **{
        (f"numpy.{core}.{module}", name): function
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise UnsafePickleError(f"it asks for {module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise UnsafePickleError("it refers to objects outside itself")


def _plain(value: Any, seen: dict[int, Any]) -> Any:
    """`value` with every `_Array` replaced by its array; containers may hold themselves."""
    if isinstance(value, _Array):
        if value.value is None:
            raise ValueError("an array without content")
        return _plain(value.value, seen)
    if isinstance(value, _Dtype):
        return value.dtype
    if id(value) in seen:
        return seen[id(value)][0]
    if isinstance(value, dict):
        filled: Any = {}
        seen[id(value)] = (filled, value)
        filled.update((_plain(k, seen), _plain(v, seen)) for k, v in value.items())
        return filled
    if isinstance(value, list):
        items: list[Any] = []
        seen[id(value)] = (items, value)
        items.extend(_plain(item, seen) for item in value)
        return items
    if isinstance(value, tuple):
        return tuple(_plain(item, seen) for item in value)
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        seen[id(value)] = (value, value)
        flat = value.reshape(-1)
        for index, item in enumerate(flat):
            flat[index] = _plain(item, seen)
        return flat.reshape(value.shape)
    return value
