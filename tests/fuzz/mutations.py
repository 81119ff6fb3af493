"""What can be wrong with a file, as strategies: damaged bytes, and content of another kind."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

Draw = Callable[..., Any]
MARKER = Path("executed")


class Program:
    """Unpickling this by Python's own means makes a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(MARKER),)

    def __deepcopy__(self, memo: Any) -> Program:
        return self  # copying would run it


def pick(draw: Draw, items: Sequence[Any]) -> Any:
    """One of them, by its place: their own forms would fill pages of a report."""
    return items[draw(st.integers(0, len(items) - 1))]


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


# Of JSON and of pickles.
PLAIN: list[Any] = [
    *(None, True, False, "x", "", -1, 0, 1, 2, 0.5, 1e300, -1e300, 1e-320, 10**400, 1 << 40),
    *(float("nan"), float("inf"), -(1 << 63), 1 << 64, [], {}, [[]], [None], {"a": 1}, [1] * 51),
    *(["1"] * 51, "9" * 400, "\ud800", [[[0]]], "7.jpg", "../../x", "\x1b[31m\n\0", "é" * 5000),
    *([1e300, -1e300], [[0, 1], [2]], {"name": {}}, [10**400], ["a", 1], nested(60), nested(900)),
    *("30/0", "1e999999999", [3] * 40, [999999999], [3, 3, 3], 99999999, "h36m17", "stick"),
]
DTYPES = ["<f2", ">f4", "<f8", "i1", ">i8", "u8", "?", "<c8", "<U3", "S4", "M8[s]", "m8[ns]", "<g"]
VALUES: list[Any] = [np.nan, np.inf, -np.inf, 1e38, -1e38, 1e300, -1, 0, 1, 2**31, -(2**31), 2**63]
ARRAYS: list[Any] = [
    np.zeros(0),
    np.zeros((0, 17, 2), np.float32),
    np.zeros((3, 0, 2)),
    np.array(5),
    np.array("text"),
    np.array("\ud800\x1b[31m"),
    np.array([["a", "b"]]),
    np.array([b"bytes"]),
    np.array(1e300),
    np.array(np.inf),
    np.full((2, 17, 2), np.longdouble("1e4000")),
    np.full((2, 17), 1e300),
    np.array([2**64 - 1], np.uint64),
    np.zeros(3, "f4,i4"),
    np.array([None, [1], {"a": np.zeros(2)}], object),
    np.zeros((1,) * 20),
    np.array(["2020-01-01"], "M8[D]"),
    np.array([1 + 2j]),
    np.array(["x" * 100_000]),
]

_POSITION = st.integers(0, 1 << 20)
_OPERATION = st.one_of(
    st.tuples(st.just("flip"), _POSITION, st.integers(0, 7)),
    st.tuples(st.just("set"), _POSITION, st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x5B, 0x22])),
    st.tuples(st.just("cut"), _POSITION, st.just(0)),
    st.tuples(st.just("drop"), _POSITION, st.integers(1, 64)),
    st.tuples(st.just("insert"), _POSITION, st.binary(min_size=1, max_size=16)),
    st.tuples(st.just("ones"), _POSITION, st.integers(1, 16)),
    st.tuples(st.just("repeat"), _POSITION, st.integers(1, 300)),
    st.tuples(st.just("move"), _POSITION, _POSITION),
    st.tuples(st.just("foreign"), _POSITION, _POSITION),
)
OPERATIONS = st.lists(_OPERATION, min_size=1, max_size=5)


def damaged(whole: bytes, operations: list[tuple[str, int, Any]], foreign: bytes = b"") -> bytes:
    """The bytes after some operations on them; `foreign` is part of another kind of file."""
    content = bytearray(whole)
    for kind, position, how in operations:
        at = position % (len(content) + 1)
        if kind == "cut":
            del content[at:]
        elif kind == "drop":
            del content[at : at + how]
        elif kind == "insert":
            content[at:at] = how
        elif kind == "ones":
            content[at : at + how] = b"\xff" * how
        elif kind == "repeat":
            content[at:at] = bytes(content[at : at + 40]) * how
        elif kind == "move":
            start = how % (len(content) + 1)
            content[at : at + 64] = content[start : start + 64]
        elif kind == "foreign":
            start = how % (len(foreign) + 1)
            content[at : at + 200] = foreign[start : start + 200]
        elif content and kind == "flip":
            content[at % len(content)] ^= 1 << how
        elif content:
            content[at % len(content)] = how
    return bytes(content)


def members(whole: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(content: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as made:
        for name, member in content.items():
            made.writestr(name, member)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    return stream.getvalue()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items)[:40]:
        yield value, key
        if isinstance(inner, dict | list) or (
            isinstance(inner, np.ndarray) and inner.dtype.hasobject and inner.ndim
        ):
            yield from _places(inner)


def changed(draw: Draw, content: Any, strange: Sequence[Any]) -> Any:
    """A copy of containers with one value exchanged, removed or added, each key alike."""
    whole = [copy.deepcopy(content)]
    kinds: dict[Any, list[tuple[Any, Any]]] = {}
    for holder, key in _places(whole):
        kinds.setdefault(key if isinstance(key, str) else f"item {type(holder)}", []).append(
            (holder, key)
        )
    chosen = pick(draw, sorted(kinds.items(), key=lambda item: str(item[0])))[1]
    holder, key = pick(draw, chosen)
    how = draw(st.integers(0, 9))
    if how == 0 and isinstance(holder, dict):
        del holder[key]
    elif how == 1 and isinstance(holder, dict):
        holder[pick(draw, ["extra", "\x1b[31m", "é" * 2000])] = pick(draw, strange)
    elif how == 2 and isinstance(holder[key], list):
        holder[key] = holder[key] * 2
    else:
        with contextlib.suppress(ValueError):  # an array of objects takes no list of another length
            holder[key] = pick(draw, strange)
    return whole[0]


def changed_json(draw: Draw, text: bytes) -> bytes:
    """JSON with some values of another kind, perhaps a key twice, or no UTF-8."""
    content = json.loads(text)
    for _ in range(draw(st.integers(1, 2))):
        if isinstance(content, dict | list) and content:
            content = changed(draw, content, PLAIN)
    try:
        made = json.dumps(content, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")
    except RecursionError:
        return b"[" * 5000
    how = draw(st.integers(0, 9))
    if how == 0:
        made = made.replace(b'": ', b'": 1e999, "twice": ', 1)
    if how == 1:
        start = made.find(b'"')
        key = made[start : made.find(b'"', start + 1) + 1]
        made = (
            made[:start]
            + key
            + b": "
            + json.dumps(pick(draw, PLAIN)).encode()
            + (b", " + made[start:])
        )
    if how == 2:
        made = made.replace(b'"', b'"\xff\xfe', 1)
    return made


def strange_array(draw: Draw, array: np.ndarray) -> np.ndarray:
    """An array of another type, shape, order or value."""
    how = draw(st.integers(0, 7))
    if how == 0:
        return np.asarray(pick(draw, ARRAYS))
    if how == 1:
        with np.errstate(all="ignore"):
            try:
                return array.astype(pick(draw, DTYPES))
            except (TypeError, ValueError, OverflowError):
                return array.reshape(-1)[:0]
    if how == 2:
        return array[..., None] if draw(st.booleans()) else array.reshape(-1)
    if how == 3:
        return np.asarray(array.T, order="F")
    if how == 4 and array.ndim:
        return array[pick(draw, [slice(0, 0), slice(0, 1), slice(1, None)])]
    if how == 5 and array.ndim:
        return np.repeat(array, draw(st.integers(2, 5)), axis=draw(st.integers(0, array.ndim - 1)))
    poked = np.array(array)
    if poked.dtype.kind in "fiu?" and poked.size:
        value = pick(draw, VALUES)
        index = draw(st.integers(0, poked.size - 1))
        with np.errstate(all="ignore"):
            try:
                poked.reshape(-1)[index if how == 6 else slice(None)] = value
            except (OverflowError, ValueError):
                poked.reshape(-1)[index] = 77
    return poked


def changed_npz(draw: Draw, whole: bytes) -> bytes:
    """An archive with members missing, added, packed otherwise, or of other content."""
    with np.load(io.BytesIO(whole), allow_pickle=True) as data:
        arrays = {key: data[key] for key in data}
    for _ in range(draw(st.integers(1, 2))):
        key = pick(draw, sorted(arrays))
        array = arrays[key]
        if draw(st.integers(0, 9)) == 0 and len(arrays) > 1:
            del arrays[key]
        elif array.dtype.hasobject and draw(st.integers(0, 4)):
            arrays[key] = _changed_objects(draw, array)
        elif key == "meta" and array.dtype.kind == "U" and draw(st.integers(0, 4)):
            text = changed_json(draw, str(array).encode("utf-8", "replace"))
            arrays[key] = np.array(text.decode("utf-8", "replace"))
        else:
            arrays[key] = strange_array(draw, array)
    content = {f"{key}.npy": npy(array) for key, array in arrays.items()}
    packing = pick(draw, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    return archive(content, packing)


OBJECTS = [*PLAIN, *ARRAYS, Program(), (1, 2), b"x", 1j, np.float64(2), np.str_("x")]


def _changed_objects(draw: Draw, array: np.ndarray) -> np.ndarray:
    if array.shape == () and isinstance(array.item(), dict):
        holder = np.empty((), object)
        holder[()] = changed(draw, array.item(), OBJECTS)
        return holder
    return np.asarray(changed(draw, array, OBJECTS))


def changed_safetensors(draw: Draw, whole: bytes) -> bytes:
    """Other claims in the header, or other settings in the configuration that is in it."""
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    if draw(st.booleans()):
        config = header["__metadata__"]["config"].encode()
        header["__metadata__"]["config"] = changed_json(draw, config).decode("utf-8", "replace")
        text = json.dumps(header).encode()
    else:
        text = changed_json(draw, json.dumps(header).encode())
    claimed = pick(draw, [len(text)] * 8 + [0, 1, 1 << 40, (1 << 64) - 1])
    return claimed.to_bytes(8, "little") + text + whole[8 + length :]


def torch_values() -> list[Any]:
    tensors = [
        *(torch.zeros(0), torch.zeros(()), torch.ones(3), torch.full((8,), float("nan"))),
        *(torch.zeros(8, 34, 3, dtype=torch.float64), torch.zeros(1, 1, 1, 1, dtype=torch.int8)),
        *(torch.zeros(51, 8), torch.zeros((0, 34, 3)), torch.ones(8, dtype=torch.bool)),
    ]
    return OBJECTS + tensors


def changed_torch(draw: Draw, content: Any, in_archive: bool) -> bytes:
    for _ in range(draw(st.integers(1, 2))):
        if isinstance(content, dict) and content:
            content = changed(draw, content, torch_values())
    stream = io.BytesIO()
    try:
        torch.save(content, stream, _use_new_zipfile_serialization=in_archive)
    except RecursionError:
        return b"\x80\x02" + b"]" * 5000
    return stream.getvalue()


def changed_pickle(draw: Draw, content: Any) -> bytes:
    made = changed(draw, content, OBJECTS)
    try:
        return pickle.dumps(made, draw(st.integers(0, pickle.HIGHEST_PROTOCOL)))
    except RecursionError:
        return b"\x80\x02" + b"]" * 5000


def changed_blocks(draw: Draw, whole: bytes) -> bytes:
    """Other numbers in the first blocks of a file, where its parameters are."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, min(len(content), 2048) - 3))
        content[at : at + 2] = pick(draw, [0, 1, 255, 256, 32767, 65535]).to_bytes(2, "little")
    return bytes(content)


WORDS = [
    *("nan", "inf", "-1", "0", "1e300", "9" * 400, "true", "''", '"x"', "[]", "{}", "[[1]]"),
    *("1979-05-27", "{a = 1}", "[1, 'a']", "}", "{", "End", "ROOT", "JOINT", "MOTION", "7"),
    *("\x1b[31m", "é" * 3000, "a." * 3000 + "a", "[" * 3000, "-0", "\0", "1_0", "0x10", "\ud800"),
]


def changed_text(draw: Draw, whole: bytes) -> bytes:
    """Text with words exchanged, lines doubled, left out or moved."""
    lines = whole.decode().splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        how = draw(st.integers(0, 5))
        words = lines[at].split(" ")
        if how == 0:
            lines[at : at + 1] = []
        elif how == 1:
            lines[at:at] = lines[at : at + draw(st.integers(1, 5))]
        elif how == 2:
            key, equals, _ = lines[at].partition("=")
            lines[at] = f"{key}{equals} {pick(draw, WORDS)}"
        else:
            words[draw(st.integers(0, len(words) - 1))] = pick(draw, WORDS)
            lines[at] = " ".join(words)
        lines = lines or [""]
    return "\n".join(lines).encode("utf-8", "surrogatepass")
