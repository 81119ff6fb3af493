"""Pickles of arrays: NumPy's own come back, programs do not run, damage is a ValueError."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vp3d_cli import pickles

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def _load(content: bytes, encoding: str = "ASCII") -> Any:
    return pickles.load(io.BytesIO(content), encoding)


def _ragged() -> np.ndarray:
    """Detectron's class lists: per frame an empty list and an array."""
    frames = np.empty((2, 2), object)
    frames[0, 0], frames[1, 0], frames[1, 1] = [], [], []
    frames[0, 1] = np.arange(10, dtype=np.float32).reshape(2, 5)
    return frames


def _lists() -> np.ndarray:
    """Objects that NumPy would rather take for another dimension."""
    objects = np.empty(3, object)
    for index in range(3):
        objects[index] = [1, 2]
    return objects


def _fortran_objects() -> np.ndarray:
    objects = np.empty((2, 3), object, order="F")
    objects[:] = [["a", "b", "c"], ["d", "e", "f"]]
    return objects


VALUES: dict[str, Any] = {
    "float32": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
    "float64": np.array([[np.nan, np.inf, -0.0]]),
    "integers": np.arange(-5, 5, dtype=np.int64),
    "bytes": np.arange(256, dtype=np.uint8),
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "text": np.array(["é", "long text"]),
    "raw text": np.array([b"a", b"bcd"]),
    "big endian": np.arange(4, dtype=">f4"),
    "little endian": np.arange(4, dtype="<u2"),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "turned": np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
    "every second": np.arange(10)[::2],
    "empty": np.zeros((0, 5), np.float32),
    "no dimensions": np.array(2.5),
    "ragged objects": _ragged(),
    "lists in an array": _lists(),
    "columns of objects": _fortran_objects(),
    "a dictionary in an array": np.array({"a": np.arange(3)}),
    "array in an array": np.array([None, np.float64(1)], object),
    "numbers": [np.float32(0.1), np.int64(-3), np.bool_(True), np.str_("é"), 1, -1.5, 2**80, None],
    "containers": {"a": (1, [2, {"b": b"\x00\xff"}]), 3: True, None: "", 2.5: b"", (1, "x"): ()},
    "ordered": collections.OrderedDict([("b", np.ones(2)), ("a", 1)]),
    "type": np.dtype("float32"),
}


def _assert_same(got: Any, want: Any) -> None:
    if isinstance(want, np.ndarray):
        assert isinstance(got, np.ndarray)
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        if want.dtype.hasobject:
            for a, b in zip(got.ravel(), want.ravel(), strict=True):
                _assert_same(a, b)
        else:
            np.testing.assert_array_equal(got, want)
            got.copy()
    elif isinstance(want, dict):
        assert list(got) == list(want)
        for key in want:
            _assert_same(got[key], want[key])
    elif isinstance(want, list | tuple):
        assert (type(got), len(got)) == (type(want), len(want))
        for a, b in zip(got, want, strict=True):
            _assert_same(a, b)
    else:
        assert type(got) is type(want)
        assert got == want


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", VALUES)
def test_what_numpy_writes_comes_back(name: str, protocol: int) -> None:
    _assert_same(_load(pickle.dumps(VALUES[name], protocol)), VALUES[name])


@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_names_of_numpy_1(protocol: int) -> None:
    value = {"weights": np.arange(6.0).reshape(2, 3), "score": np.float32(0.5)}
    content = pickle.dumps(value, protocol)
    old = content.replace(b"numpy._core.", b"numpy.core.")
    if protocol >= 4:  # the names carry their length
        for module in (b"multiarray", b"numeric"):
            new, short = b"numpy._core." + module, b"numpy.core." + module
            old = old.replace(bytes([len(new)]) + short, bytes([len(short)]) + short)
        at = 3  # and so does the frame
        size = int.from_bytes(old[at : at + 8], "little") - (len(content) - len(old))
        old = old[:at] + size.to_bytes(8, "little") + old[at + 8 :]
    assert b"_core" not in old
    _assert_same(pickle.loads(old), value)
    _assert_same(_load(old), value)


def test_arrays_can_be_changed() -> None:
    """They are ours, not views of the file."""
    array = _load(pickle.dumps(np.arange(3.0)))
    array[0] = 7
    assert array.tolist() == [7, 1, 2]


# What Python 2.7 with NumPy 1.11 writes for np.array([[1, 2], [3, 4]], "f4") in a dictionary with
# the key "w", from `pickletools.dis`. Its text is bytes that have no encoding.
PYTHON_2 = {
    2: b"\x80\x02}q\x00U\x01wq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\n"
    b"q\x03K\x00\x85q\x04U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x02K\x02\x86q\x08cnumpy\ndtype\nq\t"
    b"U\x02f4q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01<q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
    b"K\x00tq\x0eb\x89U\x10\x00\x00\x80?\x00\x00\x00@\x00\x00@@\x00\x00\x80@q\x0ftq\x10bs.",
    0: b"(dp0\nS'w'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\n"
    b"S'b'\np5\ntp6\nRp7\n(I1\n(I2\nI2\ntp8\ncnumpy\ndtype\np9\n(S'f4'\np10\nI0\nI1\ntp11\nRp12\n"
    b"(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
    b"S'\\x00\\x00\\x80?\\x00\\x00\\x00@\\x00\\x00@@\\x00\\x00\\x80@'\np15\ntp16\nbs.",
}


@pytest.mark.parametrize("protocol", PYTHON_2)
def test_python_2_arrays(protocol: int) -> None:
    value = {"w": np.array([[1, 2], [3, 4]], np.float32)}
    _assert_same(_load(PYTHON_2[protocol], "latin1"), value)
    with pytest.raises(ValueError, match="damaged pickle: UnicodeDecodeError"):
        _load(PYTHON_2[protocol])


class _Marker:
    """Unpickling this creates a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("hidden", ["plain", "in a list", "in an array", "as a key"])
def test_a_program_is_refused_and_not_run(hidden: str, protocol: int, tmp_path: Path) -> None:
    marker: Any = _Marker(tmp_path / "marker")
    value = {
        "plain": marker,
        "in a list": [1, {"a": (marker,)}],
        "in an array": np.array([1, marker], object),
        "as a key": {marker: 1},
    }[hidden]
    content = pickle.dumps(value, protocol)
    with pytest.raises(pickles.UnsafePickleError, match=r"it asks for (posix|nt)\.mkdir"):
        _load(content)
    assert not marker.path.exists()
    pickle.loads(content)  # the bomb is a live one
    assert marker.path.exists()


def _call(name: str, argument: str) -> bytes:
    return f"c{name}\n(S'{argument}'\ntR.".encode()


@pytest.mark.parametrize(
    "content",
    {
        "eval": _call("builtins\neval", "1"),
        "Python 2 eval": _call("__builtin__\neval", "1"),
        "getattr": _call("builtins\ngetattr", "x"),
        "attribute of NumPy": _call("numpy\nload", "x"),
        "loads": _call("numpy.core.multiarray\n_reconstruct.__globals__", "x"),
        "runstring": _call("numpy.testing\nrunstring", "x"),
        "protocol 4": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.",
        "instance": b"(S'x'\nios\nsystem\n.",
        "object": b"(cos\nsystem\nS'x'\no.",
        "new object": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
        "new with names": b"\x80\x04ccollections\nOrderedDict\n)}\x92.",
        "extension": b"\x80\x02\x82\x01.",
        "persistent": b"Pos\n.",
        "persistent, binary": b"S'os'\nQ.",
        "another buffer": b"\x80\x05\x97.",
        "codec": b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        "a type": b"cnumpy\nndarray\n.",
        "changed function": b"cnumpy.core.multiarray\nscalar\n}S'__defaults__'\nNsb.",
        "called text": b"S'x'\n)R.",
        "records": pickle.dumps(np.zeros(2, [("a", "f4"), ("b", "i4")])),
        "dates": pickle.dumps(np.array(["2020-01-01"], "M8[D]")),
    }.values(),
)
def test_whatever_is_no_array_is_refused(content: bytes) -> None:
    with pytest.raises(pickles.UnsafePickleError, match=r"^it "):
        _load(content)


U1 = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
TEXT = b"cnumpy\ndtype\nU\x02U1K\x00K\x01\x87R"
FOUR = b"U\x04abcd"


def _ndarray(shape: bytes = b"K\x04\x85", dtype: bytes = U1, content: bytes = FOUR) -> bytes:
    """An array, its parts given as opcodes."""
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01" + shape + dtype + b"\x89" + content + b"tb."
    )


def _state(*parts: bytes) -> bytes:
    """Text of four bytes whose type has a state: version, order, ..., item size."""
    return _ndarray(b"K\x01\x85", TEXT + b"(K\x03" + b"".join(parts) + b"K\x04K\x00tb")


ODD: dict[str, tuple[bytes, str]] = {
    "type": (_ndarray(dtype=b"U\x02u1"), "in an unknown way"),
    "shape": (_ndarray(shape=b"K\x04"), "in an unknown way"),
    "negative": (_ndarray(shape=b"J\xff\xff\xff\xff\x85"), "impossible shape"),
    "huge": (_ndarray(shape=b"\x8a\x07\0\0\0\0\0\0\x01\x85"), "impossible shape"),
    "text in a shape": (_ndarray(shape=b"U\x01a\x85"), "impossible shape"),
    "dimensions": (_ndarray(shape=b"(" + b"K\x01" * 33 + b"t"), "an array of 33 dimensions"),
    "longer": (_ndarray(content=b"U\x05abcde"), r"shape \(4,\) in 5 bytes"),
    "shorter": (_ndarray(content=b"U\x03abc"), r"shape \(4,\) in 3 bytes"),
    "list": (_ndarray(content=b"(K\x01K\x02K\x03K\x04l"), "content is not bytes"),
    "number": (_ndarray(content=b"K\x04"), "content is not bytes"),
    "no content": (_ndarray()[: -len(b"(K\x01K\x04\x85" + U1 + b"\x89" + FOUR + b"tb.")] + b".",
                   "an array without content"),
    "no text": (_state(b"U\x01<NNN", b"K\x04"), "text that is no text"),
    "length of text": (_state(b"U\x01<NNN", b"J\xff\xff\xff\xff"), "text of an odd length"),
    "no length of text": (_state(b"U\x01<NNN", b"N"), "text of an odd length"),
    "long text": (_state(b"U\x01<NNN", b"J\0\0\0\x7f"), "text of an odd length"),
    "records": (_state(b"U\x01<N(l}", b"K\x04"), "arrays of records"),
    "name of a type": (b"cnumpy\ndtype\nK\x01\x85R.", "arrays of type unknown"),
    "bytes": (b"c_codecs\nencode\nK\x05\x85R.", "asks for a codec"),
    "items of a list": (b"\x80\x02]K\x00K\x01s.", "something that is no dictionary"),
    "items of an array": (_ndarray()[:-1] + b"K\x00K\x01s.", "something that is no dictionary"),
    "key": (b"\x80\x02}]K\x01s.", "keys are no plain values"),
    "nested key": (b"\x80\x02}))\x86K\x01s.", "keys are no plain values"),
    "odd items": (b"\x80\x02}(K\x01u.", "damaged pickle"),
    "state of a list": (b"\x80\x02]}b.", "changes something that is no array"),
    "state of a number": (b"\x80\x02K\x01}b.", "changes something that is no array"),
    "axes": (
        b"\x80\x02cnumpy.core.numeric\n_frombuffer\n(" + FOUR + U1 + b"K\x04\x85U\x01KNtR.",
        "axes are not known",
    ),
    "axes of text": (
        b"\x80\x02cnumpy.core.numeric\n_frombuffer\n("
        + FOUR + U1 + b"K\x04\x85U\x01KU\x01a\x85tR.",
        "axes are not known",
    ),
    "objects": (
        _ndarray(dtype=U1.replace(b"u1", b"O8"), content=b"(K\x01l"), "content does not fit"
    ),
    "objects of text": (_ndarray(dtype=U1.replace(b"u1", b"O8")), "content does not fit"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_what_is_odd_about_an_array_is_said(case: str) -> None:
    content, message = ODD[case]
    with pytest.raises(ValueError, match=message):
        _load(content, "latin1")


def test_what_is_barely_right_is_read() -> None:
    """The cases above differ from these by one thing only."""
    assert _load(_ndarray(), "latin1").tolist() == [97, 98, 99, 100]
    shape = b"(" + b"K\x01" * 31 + b"K\x04t"
    assert _load(_ndarray(shape), "latin1").ndim == 32
    last = _state(b"U\x01<NNN", b"K\x04").replace(b"abcd", b"\xff\xff\x10\x00")
    assert _load(last, "latin1").tolist() == [chr(0x10FFFF)]
    beyond = last.replace(b"\xff\xff\x10\x00", b"\x00\x00\x11\x00")
    with pytest.raises(ValueError, match="no text"):
        _load(beyond, "latin1")
    ordered = b"\x80\x02ccollections\nOrderedDict\n)R}U\x01aK\x01sb."
    assert _load(ordered, "latin1") == {}


def test_the_stream_cannot_change_the_reader() -> None:
    """In the original, BUILD would set attributes of the functions that it may call."""
    scalar = b"cnumpy.core.multiarray\nscalar\n"
    with pytest.raises(pickles.UnsafePickleError):
        _load(b"(l" + scalar + b"(N}S'__defaults__'\n(I7\ntstba.")
    _assert_same(_load(pickle.dumps(np.float32(1))), np.float32(1))


DOS = {
    "memo index": b"\x80\x02Nr\xff\xff\xff\xff.",
    "bytearray": b"\x80\x05\x96" + (1 << 28).to_bytes(8, "little") + b"x.",
    "bytes": b"\x80\x04\x8e" + (1 << 62).to_bytes(8, "little") + b"x.",
    "text": b"\x80\x04\x8d" + (1 << 62).to_bytes(8, "little") + b"x.",
    "frame": b"\x80\x04\x95" + (1 << 62).to_bytes(8, "little") + b"N.",
    "number": b"\x80\x02\x8b\xff\xff\xff\x7fx.",
    "buffer of a number": b"\x80\x02cnumpy.core.numeric\n_frombuffer\n(J\xff\xff\xff\x7fcnumpy\n"
    b"dtype\nU\x02u1\x85RJ\xff\xff\xff\x7f\x85U\x01CtR.",
    "long text in an array": b"\x80\x02cnumpy\ndtype\nU\x0aS999999999\x85R.",
}


@pytest.mark.parametrize("case", DOS)
def test_absurd_claims_take_no_memory(case: str) -> None:
    tracemalloc.start()
    try:
        _load(DOS[case], "latin1")
    except ValueError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1 << 24


def test_shared_parts_are_walked_once() -> None:
    """Sixty pairs of pairs of pairs: 2**60 leaves if each were visited by itself."""
    start = time.monotonic()
    value = _load(b"\x80\x02)" + b"2\x86" * 60 + b".")
    lists = _load(b"\x80\x02]" + b"q\x00](h\x00h\x00e" * 60 + b".")
    assert value[0] is value[1]
    assert lists[0] is lists[1]
    laughing = b"\x80\x02]" + b"q\x00](h\x00h\x00e" * 60
    dtype = b"cnumpy\ndtype\n"
    for content in (
        dtype + b"q\x01" + laughing[2:] + b"\x85R.",  # as the name of a type
        b"cnumpy.core.multiarray\nscalar\n" + dtype + b"U\x01O\x85R" + laughing[2:] + b"\x86R.",
    ):
        with pytest.raises(ValueError, match=r"it |damaged"):
            _load(b"\x80\x02" + content)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "content",
    {
        "lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "tuples": b"\x80\x02)" + b"\x85" * 300_000 + b".",
        "a deep key": b"\x80\x02})" + b"\x85" * 300_000 + b"Ns.",
        "a deep key of a whole": b"\x80\x02()" + b"\x85" * 300_000 + b"Nd.",
        "a deep key of pairs": b"\x80\x02ccollections\nOrderedDict\n]])"
        + b"\x85" * 300_000
        + b"aNaa\x85R.",
    }.values(),
)
def test_deep_nesting_is_damage(content: bytes) -> None:
    with pytest.raises(ValueError, match="damaged pickle"):
        _load(content)


def test_a_list_may_hold_itself() -> None:
    value: list[Any] = [np.ones(2)]
    value.append({"me": value})
    loaded = _load(pickle.dumps(value))
    assert loaded[1]["me"] is loaded
    array = np.empty((2, 2), object, order="F")
    array[0, 1] = array
    loaded = _load(pickle.dumps(array))
    assert loaded[0, 1] is loaded


def test_an_empty_stream() -> None:
    with pytest.raises(ValueError, match="damaged pickle: EOFError"):
        _load(b"")


def _samples() -> list[bytes]:
    contents = [pickle.dumps(VALUES, protocol) for protocol in PROTOCOLS]
    return [*contents, *PYTHON_2.values()]


def test_cut_anywhere_it_is_damage() -> None:
    for content in _samples():
        for stop in range(0, len(content), max(1, len(content) // 150)):
            with pytest.raises(ValueError, match=r"damaged|^it "):
                _load(content[:stop], "latin1")


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*is an invalid escape sequence:DeprecationWarning")
def test_flipped_bits_raise_nothing_else() -> None:
    rng = np.random.default_rng(0)
    refused = 0
    for content in _samples():
        for _ in range(100):
            damaged = bytearray(content)
            for position in rng.integers(0, len(content), rng.integers(1, 4)):
                damaged[position] ^= 1 << rng.integers(8)
            try:
                _load(bytes(damaged), "latin1")
            except ValueError:
                refused += 1
    assert refused > 200


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*is an invalid escape sequence:DeprecationWarning")
def test_random_opcodes_raise_nothing_else() -> None:
    rng = np.random.default_rng(1)
    known = b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\nscalar\n"
    opcodes = [op.code.encode("latin1") for op in pickletools.opcodes]
    for _ in range(1500):
        parts = [opcodes[i] for i in rng.integers(0, len(opcodes), 30)]
        parts[rng.integers(30)] = known[rng.integers(len(known))]
        try:
            _load(b"".join(parts) + b".")
        except ValueError:
            continue
