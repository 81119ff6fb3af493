"""Pickles of NumPy arrays, read without executing anything in them.

The files that Detectron2 and VideoPose3D publish are pickles, which are programs. This reader
knows plain containers, numbers, text and arrays, rebuilds the arrays itself from their bytes, and
refuses everything else. It stands on pickle's machine in Python, not the one in C: there every
opcode can be replaced, and a few bytes of damage cannot reserve gigabytes. All that a stream makes
may take a few times its own length, no more.
"""

from __future__ import annotations

import codecs
import io
import math
import pickle
import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Booleans, integers, floats, complex numbers, bytes and text. Objects only as lists.
_PLAIN = re.compile(r"[|<>=]?([biufcSU]\d{0,9}|\?|O\d?)")
_MAX_ITEM_BYTES = 1 << 20
_MAX_DIMENSIONS = 32  # of NumPy 1
_LAST_CHARACTER = 0x10FFFF  # of Unicode
# An array without content can claim any length; a video of nobody is not longer than this.
MAX_EMPTY_LENGTH = 1 << 20
# What a stream makes, in its own lengths, and beyond. Honest ones need one length.
_MAX_GROWTH, _MAX_SMALL_BYTES = 4, 1 << 20
_PLAIN_KEYS = (str, bytes, bool, int, float, type(None), np.generic)
# What a damaged stream makes pickle raise.
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
    pickle.UnpicklingError,
    struct.error,
)


class UnsafePickleError(ValueError):
    """The stream asks for more than data."""


@dataclass(frozen=True)
class Known:
    """What a global of a stream stands for; the stream can call it, but not change it."""

    make: Callable[..., Any] = field(repr=False)


class Ignored:
    """An object of a stream that nobody needs, whatever its state."""

    def __init__(self, *_: Any) -> None: ...


def load(
    stream: io.BytesIO,
    encoding: str = "ASCII",
    find: Callable[[str, str], Known | None] | None = None,
    persistent: Callable[[Any], Any] | None = None,
    beside: int = 0,
) -> Any:
    """The containers, numbers, text and NumPy arrays of a pickle.

    Args:
        stream: at the start of the pickle; left at its end.
        encoding: of text that Python 2 wrote; "latin1" for its arrays.
        find: more globals, by module and name, than those of NumPy's arrays.
        persistent: the object that a persistent id stands for; without it they are refused.
        beside: bytes of content that lie beside the stream, for such objects.

    Raises:
        UnsafePickleError: it asks for anything else; nothing was executed.
        ValueError: it is damaged, or grows beyond what its length explains.
    """
    machine = _Machine(stream, encoding=encoding)
    machine.find, machine.persistent = find, persistent
    machine.budget = _MAX_GROWTH * (stream.getbuffer().nbytes + beside) + _MAX_SMALL_BYTES
    try:
        return _plain(machine.load(), {})
    except UnsafePickleError:
        raise
    except _DAMAGE as error:
        what = ascii(str(error)[:200])[1:-1]
        raise ValueError(f"damaged pickle: {type(error).__name__}: {what}") from error


def check_text(raw: bytes | bytearray, dtype: np.dtype[Any]) -> None:
    """Raise ValueError where an array of text holds what is no text: NumPy does not look.

    Python trusts it, and then fails wherever such text is used.
    """
    if dtype.kind == "U":
        points = np.frombuffer(raw, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if (points > _LAST_CHARACTER).any():
            raise ValueError("an array of text that is no text")


@dataclass
class _Dtype:
    """`numpy.dtype`, from its name, byte order and size only."""

    dtype: np.dtype[Any]

    def fill(self, state: Any) -> None:
        # (version, byte order, sub-array, names, fields, item size, alignment, flags)
        _, order, *records, size = state[:6]
        if any(part is not None for part in records):
            raise UnsafePickleError("it holds arrays of records")
        kind = self.dtype.kind
        if kind in "SU":
            if type(size) is not int or not 0 <= size <= _MAX_ITEM_BYTES:
                raise ValueError("an array of text of an odd length")
            self.dtype = np.dtype(f"{kind}{size // (4 if kind == 'U' else 1)}")
        if order in ("<", b"<"):
            self.dtype = self.dtype.newbyteorder("<")
        if order in (">", b">"):
            self.dtype = self.dtype.newbyteorder(">")


@dataclass
class _Array:
    """`numpy.ndarray` on its way: made empty, then filled, an array after `_plain`."""

    value: NDArray[Any] | None = None

    def fill(self, state: Any) -> None:
        shape, dtype, fortran, content = state[-4:]
        self.value = _array(content, dtype, shape, "F" if fortran else "C")


def _array(content: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
        raise UnsafePickleError("it describes an array in an unknown way")
    if any(type(size) is not int or not 0 <= size < 1 << 48 for size in shape):
        raise ValueError("an array of an impossible shape")
    if 0 in shape and max(shape) > MAX_EMPTY_LENGTH:
        raise ValueError(f"an empty array of shape {shape}")
    if len(shape) > _MAX_DIMENSIONS:
        raise ValueError(f"an array of {len(shape)} dimensions")
    if dtype.dtype.hasobject:
        if not isinstance(content, list) or len(content) != math.prod(shape):
            raise ValueError(f"an array of shape {shape} whose content does not fit")
        objects = np.empty(len(content), object)
        objects[:] = content
        return objects.reshape(shape)  # NumPy lists them row by row, whatever the order
    raw = content.encode("latin1") if isinstance(content, str) else content
    if not isinstance(raw, bytes | bytearray):
        raise ValueError("an array whose content is not bytes")
    if len(raw) != math.prod(shape) * dtype.dtype.itemsize:
        raise ValueError(f"an array of shape {shape} in {len(raw)} bytes")
    check_text(raw, dtype.dtype)
    return np.frombuffer(raw, dtype.dtype).reshape(shape, order=order).copy(order=order)


def _new_dtype(name: Any, *_: Any) -> _Dtype:
    name = name.decode("ascii") if isinstance(name, bytes) else name
    if not isinstance(name, str) or not _PLAIN.fullmatch(name):
        what = name[:40] if isinstance(name, str) else "unknown"
        raise UnsafePickleError(f"it holds arrays of type {what}")
    return _Dtype(np.dtype(name))


def _new_array(*_: Any) -> _Array:
    return _Array()


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> _Array:
    """How protocol 5 writes arrays; `axes` since NumPy 2.3, for those turned in memory."""
    if order == "K":
        if not isinstance(axes, tuple) or any(type(axis) is not int for axis in axes):
            raise ValueError("an array whose axes are not known")
        return _Array(_array(content, dtype, shape, "C").transpose(axes))
    return _Array(_array(content, dtype, shape, "F" if order == "F" else "C"))


def _new_scalar(dtype: Any, content: Any = None) -> Any:
    return content if content is None else _array(content, dtype, (), "C")[()]


def _new_bytes(text: Any = "", encoding: Any = "latin1") -> bytes:
    """How protocols below 3 write bytes: as text to be encoded, or as nothing at all."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8"):
        raise UnsafePickleError("it asks for a codec")
    return bytes(codecs.encode(text, encoding))


def _new_ordered(items: Any = ()) -> OrderedDict[Any, Any]:
    ordered: OrderedDict[Any, Any] = OrderedDict()
    for key, value in items if isinstance(items, list | tuple) else ():
        _put(ordered, key, value)
    return ordered


def _put(target: Any, key: Any, value: Any) -> None:
    """`target[key] = value` for dictionaries and plain keys: to hash deep nesting can crash."""
    if not isinstance(target, dict):
        raise ValueError("items for something that is no dictionary")
    parts = key if isinstance(key, tuple) else (key,)
    if not all(isinstance(part, _PLAIN_KEYS) for part in parts):
        raise ValueError("a dictionary whose keys are no plain values")
    target[key] = value


_KNOWN = {
    ("collections", "OrderedDict"): Known(_new_ordered),
    ("__builtin__", "bytes"): Known(_new_bytes),
    ("builtins", "bytes"): Known(_new_bytes),
    ("_codecs", "encode"): Known(_new_bytes),
    ("numpy", "ndarray"): Known(_new_array),
    ("numpy", "dtype"): Known(_new_dtype),
    **{
        (f"numpy.{core}.{module}", name): Known(make)
        for core in ("core", "_core")
        for module, name, make in (
            ("multiarray", "_reconstruct", _new_array),
            ("multiarray", "scalar", _new_scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


def _reduce(machine: Any) -> None:
    arguments, known = machine.stack.pop(), machine.stack[-1]
    if not isinstance(known, Known):
        raise UnsafePickleError("it calls something that is no type of data")
    machine.stack[-1] = known.make(*arguments)
    machine.charge(machine.stack[-1])


def _build(machine: Any) -> None:
    state, target = machine.stack.pop(), machine.stack[-1]
    if isinstance(target, _Array | _Dtype):
        target.fill(state)
        machine.charge(target)
    elif not isinstance(target, OrderedDict | Ignored):  # whose attributes are not needed
        raise UnsafePickleError("it changes something that is no array")


def _set_items(machine: Any, items: list[Any]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=True):
        _put(machine.stack[-1], key, value)


def _set_item(machine: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _set_items(machine, [key, value])


def _make_dict(machine: Any) -> None:
    items = machine.pop_mark()
    machine.append({})
    _set_items(machine, items)


def _read_bytes(machine: Any) -> None:
    """A bytearray; pickle itself would reserve the claimed length first."""
    (length,) = struct.unpack("<Q", machine.read(8))
    machine.append(machine.read(length))


def _refuse(_: Any) -> None:
    raise UnsafePickleError("it asks for objects that are no arrays")


def _persistent(machine: Any) -> None:
    if machine.persistent is None:
        _refuse(machine)
    machine.append(machine.persistent(machine.stack.pop()))


def _dispatch() -> dict[int, Callable[[Any], None]]:
    def codes(opcodes: Iterable[bytes]) -> tuple[int, ...]:
        return tuple(opcode[0] for opcode in opcodes)

    refused = codes(
        (
            *(pickle.PERSID, pickle.INST, pickle.OBJ, pickle.NEWOBJ),
            *(pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.EMPTY_SET),
            *(pickle.ADDITEMS, pickle.FROZENSET, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
        )
    )
    ours: dict[bytes, Callable[[Any], None]] = {
        pickle.REDUCE: _reduce,
        pickle.BUILD: _build,
        pickle.BINPERSID: _persistent,
        pickle.SETITEM: _set_item,
        pickle.SETITEMS: lambda machine: _set_items(machine, machine.pop_mark()),
        pickle.DICT: _make_dict,
        pickle.BYTEARRAY8: _read_bytes,
    }
    return {
        **pickle._Unpickler.dispatch,
        **dict.fromkeys(refused, _refuse),
        **{opcode[0]: step for opcode, step in ours.items()},
    }


class _Machine(pickle._Unpickler):
    dispatch = _dispatch()
    find: Callable[[str, str], Known | None] | None = None
    persistent: Callable[[Any], Any] | None = None
    budget = 0

    def find_class(self, module: str, name: str) -> Any:
        known = _KNOWN.get((module, name)) or (self.find and self.find(module, name))
        if known:
            return known
        what = ascii(f"{module}.{name}"[:80])[1:-1]
        raise UnsafePickleError(f"it asks for {what}")

    def charge(self, made: Any) -> None:
        """Take what was made off the budget."""
        if isinstance(made, _Array):
            made = made.value
        sizes: Mapping[type, Callable[[Any], int]] = {
            np.ndarray: lambda array: int(array.nbytes),
            bytes: len,
            OrderedDict: lambda items: 64 * len(items),
        }
        self.budget -= sizes.get(type(made), lambda _: 0)(made) + 64
        if self.budget < 0:
            raise ValueError("it grows beyond what its length explains")


def _plain(value: Any, seen: dict[int, Any]) -> Any:
    """`value` with every `_Array` replaced by its array; containers may hold themselves."""
    if isinstance(value, Known):
        raise UnsafePickleError("it holds a type, not data")
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
        filled.update((key, _plain(item, seen)) for key, item in value.items())
        return filled
    if isinstance(value, list):
        items: list[Any] = []
        seen[id(value)] = (items, value)
        items.extend(_plain(item, seen) for item in value)
        return items
    if isinstance(value, tuple):
        fixed = tuple(_plain(item, seen) for item in value)
        seen[id(value)] = (fixed, value)  # held many times, it is still walked once
        return fixed
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        seen[id(value)] = (value, value)
        flat = value.reshape(-1)
        for index, item in enumerate(flat):
            flat[index] = _plain(item, seen)
    return value
