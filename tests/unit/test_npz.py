"""NPZ members: read only where their claims hold, written the same every time."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vp3d_cli import npz
from vp3d_cli.errors import OutputError


def _archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, content in members.items():
            archive.writestr(f"{key}.npy", content)
    return path


def _npy(shape: tuple[int, ...], dtype: str, payload: bytes = b"") -> bytes:
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + payload


def _read(path: Path, objects: bool, key: str = "a") -> Any:
    with npz.opened(path) as archive:
        if objects:
            return npz.read_objects(archive, key, path)
        return npz.read_array(archive, key, npz.max_bytes(path))


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array("text"), "c": np.zeros((0, 4))}
    npz.write(tmp_path / "x.npz", arrays)
    npz.write(tmp_path / "y", arrays)
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y").read_bytes()
    assert npz.keys(tmp_path / "y") == {"a", "b", "c"}
    for key, array in arrays.items():
        for objects in (False, True):
            np.testing.assert_array_equal(_read(tmp_path / "y", objects, key), array)
    with zipfile.ZipFile(tmp_path / "y") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_arrays_are_packed(tmp_path: Path) -> None:
    npz.write(tmp_path / "x.npz", {"a": np.zeros(10_000)})
    assert (tmp_path / "x.npz").stat().st_size < 1000


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_text("old")
    with pytest.raises(ValueError, match="allow_pickle"):
        npz.write(path, {"a": np.zeros(3), "b": np.array([{}], object)})
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]
    with pytest.raises(OutputError, match="does not exist"):
        npz.write(tmp_path / "nowhere" / "x.npz", {"a": np.zeros(3)})


def test_pickled_objects_are_read_where_they_are_expected(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    ragged = np.empty(2, object)
    ragged[0], ragged[1] = [1, 2], np.arange(3)
    np.savez(path, a=ragged, b=np.array({"k": [np.ones(2)]}))
    with pytest.raises(ValueError, match="holds pickled Python objects"):
        _read(path, False)
    loaded = _read(path, True)
    assert loaded[0] == [1, 2]
    assert loaded[1].tolist() == [0, 1, 2]
    assert _read(path, True, "b").item()["k"][0].tolist() == [1, 1]


class _Marker:
    """Unpickling this creates a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_program_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.array([_Marker(tmp_path / "marker")], object))
    for objects in (False, True):
        with pytest.raises(ValueError, match=r"pickled Python objects|it asks for \w+\.mkdir"):
            _read(path, objects)
    assert not (tmp_path / "marker").exists()
    np.load(path, allow_pickle=True)["a"]  # the bomb is a live one
    assert (tmp_path / "marker").exists()


NONSENSE: dict[str, tuple[bytes, str]] = {
    "huge claim": (_npy((10**12,), "<f4", bytes(64)), "expected 4000000000"),
    "overflowing claim": (_npy((10**12, 10**12), "<f4", bytes(64)), "expected"),
    "negative": (_npy((-1,), "<f4"), "claims the shape"),
    "honest bomb": (_npy((30_000_000,), "<f4", bytes(120_000_000)), "claims 120000"),
    "bomb of objects": (_npy((), "|O", b"\x80\x02" + b"]" * (17 << 20) + b"."), "claims 178"),
    "too long": (_npy((4,), "<f4", bytes(20)), "expected 144 bytes, got 148"),
    "too short": (_npy((4,), "<f4", bytes(12)), "expected 144 bytes, got 140"),
    "no text": (_npy((), "<U2", b"\xff\xff\xff\xff" * 2), "text that is no text"),
    "no array": (b"hello", "magic|EOF"),
    "odd header": (b"\x93NUMPY\x01\x00\x10\x00{'descr': (((   \n", "."),
    "later format": (b"\x93NUMPY\x09\x00\x10\x00{}", "NPY format"),
    "other objects": (_npy((2,), "|O", pickle.dumps([1, 2])), "something else than its header"),
    "another shape": (_npy((2,), "|O", pickle.dumps(np.zeros(3, object))), "than its header says"),
    "damaged objects": (_npy((2,), "|O", b"\x80\x04"), "damaged pickle"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_a_value_error(case: str, tmp_path: Path) -> None:
    content, message = NONSENSE[case]
    path = _archive(tmp_path / "x.npz", a=content)
    with pytest.raises(ValueError, match=message):
        _read(path, True)
    with pytest.raises(ValueError, match=r"."):
        _read(path, False)


def test_a_missing_member(tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.npz", a=_npy((), "<f4", bytes(4)))
    with pytest.raises(ValueError, match="is missing"):
        _read(path, False, "b")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", _npy((4,), "<u1", b"abcd"))
    path.write_bytes(path.read_bytes().replace(b"abcd", b"abce"))
    with pytest.raises(ValueError, match="is damaged"):
        _read(path, False)


def test_odd_packing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.npy", _npy((4,), "<u1", b"abcd"))
    with pytest.raises(ValueError, match="packed in a way"):
        _read(path, False)


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    for content in (b"", b"text", b"PK\x03\x04 broken", b"PK\x05\x06"):
        path.write_bytes(content)
        assert npz.keys(path) == frozenset()
        with pytest.raises(ValueError, match=r"not a readable \.npz"), npz.opened(path):
            pass
    for absent in (tmp_path, tmp_path / "nowhere"):
        assert npz.keys(absent) == frozenset()
        with pytest.raises(OSError, match=r"\w"), npz.opened(absent):
            pass


def test_a_later_zip_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.npz", a=_npy((4,), "<u1", b"abcd"))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 99  # the version needed to extract it
    path.write_bytes(content)
    assert npz.keys(path) == frozenset()
    with pytest.raises(ValueError, match="zip file version"), npz.opened(path):
        pass


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert npz.keys(tmp_path / "pipe") == frozenset()
