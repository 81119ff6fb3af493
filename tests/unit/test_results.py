"""The pose file: what is written comes back, and what was tampered with is refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.factories import make_result, make_track2d, make_track3d, make_video
from vp3d_cli import registry, results
from vp3d_cli.errors import DataError
from vp3d_cli.pose_file import COLUMNS, KEYS
from vp3d_cli.types import Camera, Result, Skeleton

write = registry.load("export", "npz").write

STICK_2D = Skeleton("stick", ("top", "bottom"), (("top", "bottom"),))
STICK_3D = Skeleton("stick3", ("base", "mid", "tip"), (("base", "mid"), ("mid", "tip")), "base")


def _assert_same(got: Any, want: Any) -> None:
    assert type(got) is type(want)
    for field in fields(want):
        a, b = getattr(got, field.name), getattr(want, field.name)
        if isinstance(b, np.ndarray):
            assert a.dtype == b.dtype, field.name
            np.testing.assert_array_equal(a, b, err_msg=field.name)
        else:
            assert a == b, field.name


def _round_trip(result: Result, path: Path) -> Result:
    write(result, path)
    loaded = results.load_result(path)
    assert len(loaded.tracks2d) == len(result.tracks2d)
    for got, want in zip(
        loaded.tracks2d + loaded.tracks3d, result.tracks2d + result.tracks3d, strict=True
    ):
        _assert_same(got, want)
    assert loaded.camera == result.camera
    assert loaded.provenance == result.provenance
    assert loaded.video == replace(result.video, path=Path(result.video.path.name))
    return loaded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pose.npz"


@pytest.mark.parametrize("seed", range(8))
def test_round_trip(seed: int, path: Path) -> None:
    rng = np.random.default_rng(seed)
    result = make_result(
        num_tracks=int(rng.integers(0, 5)),
        length=int(rng.integers(1, 40)),
        seed=seed,
        with_gaps=bool(rng.integers(2)),
        skeleton_2d=STICK_2D if seed % 4 == 3 else None,
        skeleton_3d=STICK_3D if seed % 4 == 3 else None,
    )
    _round_trip(result, path)


def test_nobody_comes_back(path: Path) -> None:
    assert _round_trip(make_result(num_tracks=0), path).num_rows == 0
    with np.load(path) as arrays:
        assert arrays["joints_3d"].shape == (0, 17, 3)


def test_only_the_name_of_the_source_is_stored(path: Path) -> None:
    video = make_video(path=Path("/home/someone/private/clip.mp4"), fps=Fraction(30), rotation=0)
    result = make_result(video=replace(video, num_frames=None, duration_s=None))
    assert _round_trip(result, path).video.path == Path("clip.mp4")
    with np.load(path) as arrays:
        assert "someone" not in str(arrays["meta"])
        assert json.loads(str(arrays["meta"]))["video"]["fps"] == "30/1"


def test_schema_of_the_arrays(path: Path) -> None:
    write(make_result(num_tracks=2, length=5), path)
    with np.load(path, allow_pickle=False) as arrays:
        assert tuple(arrays) == KEYS
        assert str(arrays["schema"]) == "vp3d.pose/1"
        meta = str(arrays["meta"])
        assert meta == json.dumps(json.loads(meta), sort_keys=True)
        for key, (dtype, _) in COLUMNS.items():
            assert (arrays[key].dtype, len(arrays[key])) == (np.dtype(dtype), 10)
        assert arrays["joints_3d"].shape == (10, 17, 3)
        assert arrays["camera_to_world"].shape == (4, 4)
        assert np.isnan(arrays["camera_to_world"]).all()
        assert np.isnan(arrays["joints_world"]).all()


def test_rows_are_sorted_whatever_the_order_of_the_tracks(path: Path) -> None:
    result = make_result(num_tracks=3)
    turned = replace(result, tracks2d=result.tracks2d[::-1], tracks3d=result.tracks3d[::-1])
    write(turned, path)
    assert [t.track_id for t in results.load_result(path).tracks2d] == [1, 2, 3]


def test_overflow_becomes_missing(path: Path) -> None:
    result = make_result(num_tracks=1, with_gaps=False)
    result.tracks3d[0].joints[2, 3] = np.inf
    write(result, path)
    assert np.isnan(results.load_result(path).tracks3d[0].joints[2, 3]).all()
    assert np.isinf(result.tracks3d[0].joints[2, 3]).all()


def test_unknown_focal_length_comes_back(path: Path) -> None:
    write(replace(make_result(), camera=Camera(float("nan"), "unknown")), path)
    assert np.isnan(results.load_result(path).camera.focal_px)


def test_no_clock_gets_in(path: Path) -> None:
    write(make_result(), path)
    with zipfile.ZipFile(path) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_result_has_one_pair_of_skeletons() -> None:
    result = make_result(num_tracks=1)
    other = make_track2d(2, skeleton=STICK_2D)
    with pytest.raises(ValueError, match="one 2D and one 3D skeleton"):
        replace(
            result,
            tracks2d=(*result.tracks2d, other),
            tracks3d=(*result.tracks3d, make_track3d(other)),
        )


def test_provenance_cannot_hide_the_video(path: Path) -> None:
    with pytest.raises(ValueError, match="video"):
        write(replace(make_result(), provenance={"video": "mine"}), path)


class _Marker:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite a pose file after `change` worked on its arrays; None removes a key."""
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    with path.open("wb") as stream:
        np.savez(stream, **{key: value for key, value in arrays.items() if value is not None})


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(arrays: dict[str, Any]) -> None:
        arrays[key] = value(arrays[key]) if callable(value) else value

    return change


def _poke(key: str, index: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(arrays: dict[str, Any]) -> None:
        arrays[key][index] = value

    return change


def _meta(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set one entry of the meta object; None as the value removes it."""

    def change(arrays: dict[str, Any]) -> None:
        meta = inner = json.loads(str(arrays["meta"]))
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        if value is None:
            del inner[keys[-1]]
        arrays["meta"] = np.array(json.dumps(meta))

    return change


def _shuffle(arrays: dict[str, Any]) -> None:
    for key in COLUMNS:
        arrays[key] = arrays[key][::-1]


def _swap_tracks(arrays: dict[str, Any]) -> None:
    for key in COLUMNS:
        arrays[key] = np.roll(arrays[key], 8, axis=0)


def _with_infinity(meta: Any) -> Any:
    return np.array(str(meta).replace("{", '{"a": 1e999, ', 1))


TAMPERINGS = {
    "missing column": (_set("boxes", None), "boxes missing"),
    "missing meta": (_set("meta", None), "meta missing"),
    "missing schema": (_set("schema", None), "no 'schema'"),
    "foreign schema": (_set("schema", np.array("other/1")), "it is no pose file"),
    "newer schema": (_set("schema", np.array("vp3d.pose/2")), "upgrade vp3d"),
    "schema of another type": (_set("schema", np.array(1)), "schema: expected"),
    "wrong type": (_set("joints_3d", lambda a: a.astype(np.float64)), "expected float32, got"),
    "byte order": (_set("joints_3d", lambda a: a.astype(">f4")), "expected float32, got >f4"),
    "wrong shape": (_set("joints_3d", lambda a: a[:, :-1]), r"shape \(16, 17, 3\), got"),
    "a row less": (_set("time_s", lambda a: a[:-1]), r"time_s: expected shape \(16,\)"),
    "wrong rank": (_set("frame", lambda a: a[:, None]), r"frame: expected shape \(N,\)"),
    "unsorted rows": (_shuffle, "sorted by track_id"),
    "tracks swapped": (_swap_tracks, "sorted by track_id"),
    "gap": (_poke("frame", 7, 99), "every frame of a track once"),
    "negative frame": (_poke("frame", 0, -1), "frame: expected nothing below 0"),
    "track 0": (_poke("track_id", slice(0, 8), 0), "track_id: expected nothing below 1"),
    "no time": (_poke("time_s", 3, np.nan), "time_s: expected numbers"),
    "infinite": (_poke("keypoints_2d", (0, 0), np.inf), "keypoints_2d: expected numbers or NaN"),
    "confidence": (_poke("confidence_3d", (0, 0), 7), "confidence_3d: expected 0 to 1"),
    "no JSON": (_set("meta", np.array("{")), "meta: "),
    "a list": (_set("meta", np.array("[]")), "expected a JSON object"),
    "deep JSON": (_set("meta", np.array("[" * 100_000)), "meta: "),
    "NaN in JSON": (_set("meta", np.array('{"a": NaN}')), "NaN is not JSON"),
    "infinity in JSON": (_set("meta", _with_infinity), "meta: Out of range"),
    "no video": (_meta("video", value=None), "'video' is missing"),
    "video is no object": (_meta("video", value=[]), "meta: "),
    "no width": (_meta("video", "width", value=None), "'width' is missing"),
    "width is true": (_meta("video", "width", value=True), "video.width: expected pixels"),
    "huge width": (_meta("video", "width", value=10**9), "video.width: expected pixels"),
    "endless fps": (_meta("video", "fps", value="1e999999999"), "video.fps: expected a fraction"),
    "fps by zero": (_meta("video", "fps", value="30/0"), "video.fps: expected a fraction"),
    "rotation": (_meta("video", "rotation", value=45), "video.rotation: expected"),
    "frames": (_meta("video", "num_frames", value=-1), "video.num_frames: expected a count"),
    "focal": (_meta("camera", "focal_px", value=0), "camera.focal_px: expected pixels"),
    "endless focal": (_meta("camera", "focal_px", value=10**400), "meta: "),
    "joints": (_meta("skeleton_3d", "joints", value=["hip"] * 17), "skeleton joints: expected"),
    "edges": (_meta("skeleton_3d", "edges", value=[["hip", "tail"]]), "skeleton edges: expected"),
    "root": (_meta("skeleton_3d", "root", value="tail"), "skeleton root: expected"),
    "fewer joints": (_meta("skeleton_2d", "joints", value=["nose"]), "skeleton edges: expected"),
    "another order": (
        _meta("skeleton_2d", "name", value="h36m17"),
        "skeleton joints: expected those of h36m17",
    ),
}


@pytest.mark.parametrize("case", TAMPERINGS)
def test_tampering_is_refused(case: str, path: Path) -> None:
    write(make_result(), path)
    change, message = TAMPERINGS[case]
    _change(path, change)
    with pytest.raises(DataError, match=message) as caught:
        results.load_result(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_an_untouched_copy_is_accepted(path: Path) -> None:
    write(make_result(), path)
    _change(path, lambda arrays: arrays.update(notes=np.array("an extra key is not read")))
    assert results.load_result(path).num_rows == 16


@pytest.mark.parametrize("key", ["joints_3d", "meta", "schema", "frame"])
def test_a_pickle_is_refused_and_not_run(key: str, path: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    write(make_result(), path)
    bomb = np.array([_Marker(marker)], dtype=object)
    _change(path, _set(key, bomb))
    with pytest.raises(DataError, match="pickled Python objects"):
        results.load_result(path)
    assert not marker.exists()
    pickle.loads(pickle.dumps(bomb))  # the bomb is a live one
    assert marker.exists()


def test_an_unread_pickle_is_not_run(path: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    write(make_result(), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("extra.pkl", pickle.dumps(_Marker(marker)))
    results.load_result(path)
    assert not marker.exists()


def _replace_member(path: Path, key: str, content: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[f"{key}.npy"] = content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)


def _npy(shape: tuple[int, ...], dtype: str, payload: bytes = b"") -> bytes:
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + payload


@pytest.mark.parametrize(
    ("key", "content"),
    {
        "huge claim": ("frame", _npy((10**12,), "<i4", bytes(64))),
        "huge text": ("meta", _npy((), "<U2000000000")),
        "more than claimed": ("frame", _npy((16,), "<i4", bytes(68))),
        "less than claimed": ("frame", _npy((16,), "<i4", bytes(60))),
        "negative": ("frame", _npy((-1,), "<i4")),
        "honest bomb": ("frame", _npy((30_000_000,), "<i4", bytes(120_000_000))),
        "no array": ("frame", b"frame"),
        "empty": ("frame", b""),
        "odd header": ("frame", b"\x93NUMPY\x01\x00\x10\x00{'descr': (((   \n"),
        "later format": ("frame", b"\x93NUMPY\x09\x00\x10\x00{}"),
    }.values(),
)
def test_absurd_claims_are_refused_before_reading(key: str, content: bytes, path: Path) -> None:
    write(make_result(), path)
    _replace_member(path, key, content)
    with pytest.raises(DataError, match=rf"pose\.npz: {key}: "):
        results.load_result(path)


def test_foreign_files_are_refused(path: Path) -> None:
    for content in (b"", b"just text\n", b"PK\x03\x04", pickle.dumps({"a": 1}), b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"pose\.npz: is not a pose file"):
            results.load_result(path)


def test_missing_file_and_folder_are_data_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.npz", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            results.load_result(path)


def test_a_flipped_bit_is_noticed_and_placed(path: Path) -> None:
    result = make_result()
    write(result, path)
    _change(path, lambda arrays: None)  # stored plainly, so that only the checksum can tell
    joints = result.tracks3d[0].joints[-1].tobytes()
    content = path.read_bytes()
    assert content.count(joints) == 1
    path.write_bytes(content.replace(joints, bytes([joints[0] ^ 1]) + joints[1:]))
    with pytest.raises(DataError, match="joints_3d: is damaged"):
        results.load_result(path)


def test_damage_is_refused_or_harmless(path: Path) -> None:
    """Cut anywhere, it is refused; with bytes changed, nothing but a DataError comes out."""
    write(make_result(), path)
    whole = path.read_bytes()
    for stop in range(0, len(whole), len(whole) // 25):
        path.write_bytes(whole[:stop])
        with pytest.raises(DataError):
            results.load_result(path)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 3):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            results.load_result(path)
        except DataError:
            refused += 1
    assert refused > 75
