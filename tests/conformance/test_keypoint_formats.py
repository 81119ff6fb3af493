"""What every file in `keypoints/` must do, tested the moment it exists."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import keypoint_files
from tests.keypoint_files import FORMATS, HEIGHT, WIDTH, Format, Scene
from vp3d_cli import keypoints, registry, skeletons
from vp3d_cli.errors import DataError
from vp3d_cli.geometry import flip_pixels
from vp3d_cli.types import Keypoints2D

COCO = skeletons.get("coco17")
NAMES = registry.names("keypoints")
MUTATIONS = 200


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def made(name: str) -> Format:
    """How the tool writes its files; a new format needs an entry in `tests/keypoint_files.py`."""
    return FORMATS[name]


def _scene(made: Format) -> Scene:
    return keypoint_files.two_people() if made.several else keypoint_files.one_person()


def _assert_is(read: Keypoints2D, scene: Scene, made: Format) -> None:
    rows = scene.rows()
    assert read.skeleton == COCO
    assert read.frames.tolist() == [frame for frame, _ in rows]
    people = read.people
    arrays = (people.boxes, people.box_scores, people.keypoints, people.scores)
    assert [array.dtype for array in arrays] == [np.float32] * 4
    assert read.frames.dtype == np.int32
    for row, (_, someone) in enumerate(rows):
        np.testing.assert_allclose(people.keypoints[row], someone.keypoints, atol=1e-3)
        missing = np.isnan(someone.keypoints).any(-1)
        scores = someone.scores if made.scores else np.where(missing, 0, 1)
        np.testing.assert_allclose(people.scores[row], scores, atol=1e-6)
        box = someone.box if made.boxes else someone.tight_box
        np.testing.assert_allclose(people.boxes[row], box, atol=1e-3)
        assert people.box_scores[row] == pytest.approx(someone.score if made.box_scores else 1)
    if made.track_ids:
        assert read.track_ids is not None
        assert read.track_ids.dtype == np.int32
        assert read.track_ids.tolist() == [someone.track_id for _, someone in rows]
    if made.size:
        assert (read.width, read.height) == (WIDTH, HEIGHT)
    assert read.num_frames == (len(scene.frames) if made.num_frames else None)


def test_it_is_recognised_by_itself_alone(name: str, made: Format, tmp_path: Path) -> None:
    path = made.build(tmp_path, _scene(made))
    assert [n for n in NAMES if registry.load("keypoints", n).recognise(path)] == [name]


def test_it_says_what_it_is_in_one_line(name: str) -> None:
    description = registry.load("keypoints", name).DESCRIPTION
    assert "\n" not in description
    assert 20 < len(description) < 90
    assert keypoints.descriptions()[name] == description


def test_it_reads_what_was_written(name: str, made: Format, tmp_path: Path) -> None:
    scene = _scene(made)
    path = made.build(tmp_path, scene)
    read = keypoints.read(path)
    _assert_is(read, scene, made)
    told = read.provenance
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert (told["format"], told["file"], len(told["sha256"])) == (name, path.name, 64)
    assert keypoints.read(path, name).people.keypoints.tobytes() == read.people.keypoints.tobytes()


def test_a_mirrored_video_is_mirrored(made: Format, tmp_path: Path) -> None:
    scene, mirrored = _scene(made), _scene(made)
    for _, someone in mirrored.rows():
        someone.keypoints = flip_pixels(someone.keypoints, WIDTH, COCO)
        someone.scores = someone.scores[list(COCO.flip_order)]
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    seen = keypoints.read(made.build(folders[0], scene)).people
    turned = keypoints.read(made.build(folders[1], mirrored)).people
    back = flip_pixels(turned.keypoints, WIDTH, COCO)
    np.testing.assert_allclose(back, seen.keypoints, atol=1e-3)


def test_nobody_at_all(name: str, made: Format, tmp_path: Path) -> None:
    path = made.build(tmp_path, keypoint_files.nobody())
    recognised = [n for n in NAMES if registry.load("keypoints", n).recognise(path)]
    assert len(recognised) == 1  # an empty list of AlphaPose's is one of COCO's, too
    for format in (name, "auto"):
        read = keypoints.read(path, format)
        assert len(read.people) == 0
        assert read.people.keypoints.shape == (0, 17, 2)
        assert read.num_frames == (4 if made.num_frames else None)


def test_no_frames_at_all(name: str, made: Format, tmp_path: Path) -> None:
    path = made.build(tmp_path, Scene())
    try:
        read = keypoints.read(path, name)
    except DataError:
        assert name in ("videopose3d", "openpose")  # whose arrays, files are then not there
        return
    assert len(read.people) == 0


def test_it_survives_being_written_as_ours(made: Format, tmp_path: Path) -> None:
    scene = _scene(made)
    read = keypoints.read(made.build(tmp_path, scene))
    keypoints.write(read, tmp_path / "ours.npz")
    again = keypoints.read(tmp_path / "ours.npz")
    _assert_is(again, scene, made)
    assert (again.width, again.fps, again.num_frames) == (read.width, read.fps, read.num_frames)
    assert again.provenance["origin"]["sha256"] == read.provenance["sha256"]


def test_other_formats_files_are_refused(name: str, tmp_path: Path) -> None:
    for other, made in FORMATS.items():
        folder = tmp_path / other
        folder.mkdir()
        path = made.build(folder, _scene(made))
        if other != name and {other, name} != {"coco", "alphapose"}:  # nearly the same
            with pytest.raises(DataError) as caught:
                keypoints.read(path, name)
            assert str(path) in str(caught.value)


GARBAGE = {
    "empty": b"",
    "text": b"frame,x,y\n1,2,3\n",
    "noise": np.random.default_rng(0).bytes(5000),
    "zip": b"PK\x03\x04 broken",
    "empty zip": b"PK\x05\x06" + bytes(18),
    "gzip": b"\x1f\x8b\x08\x00abc",
    "pickle": b"\x80\x04.",
    "deep": b"[" * 100_000,
    "deep objects": b'{"people":[' * 50_000,
    "UTF-16": "[{}]".encode("utf-16"),
    "not UTF-8": b'[{"image_id": "\xff", "keypoints": [1]}]',
    "number": b"7",
    "text in JSON": b'"people"',
    "null": b"null",
    "an empty object": b"{}",
    "a list of lists": b"[[1]]",
    "a long number": b"[" + b"9" * 10_000 + b"]",
    "another list": b'[{"id": 1, "label": "cat"}]',
    "people": b'{"people": [7]}',
    "images": b'{"images": [], "annotations": 7}',
    "entries": b'[{"image_id": 1, "keypoints": 7}]',
    "named entries": b'[{"image_id": "1.jpg", "keypoints": 7}]',
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(GARBAGE[kind])
    registry.load("keypoints", name).recognise(path)
    for format in (name, "auto"):
        with pytest.raises(DataError, match="garbage") as caught:
            keypoints.read(path, format)
        assert len(str(caught.value)) < 1500


def test_a_missing_file_or_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    reader = registry.load("keypoints", name)
    for path in (tmp_path, tmp_path / "missing"):
        assert reader.recognise(path) is False
        with pytest.raises(DataError, match=r"cannot be read|does not exist|has no"):
            reader.read(path)


def _a_file(path: Path) -> Path:
    """The file to damage: one of them where a format is a folder."""
    return path if path.is_file() else sorted(path.iterdir())[2]


def _damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """The bytes cut off, changed, doubled or exchanged somewhere."""
    kind, content = rng.integers(4), bytearray(whole)
    at = int(rng.integers(len(content)))
    if kind == 0:
        return bytes(content[:at])
    if kind == 1:
        content[at : at + int(rng.integers(1, 40))] = b""
    elif kind == 2:
        content[at:at] = content[at : at + int(rng.integers(1, 40))]
    else:
        for position in rng.integers(0, len(content), rng.integers(1, 5)):
            content[position] ^= 1 << rng.integers(8)
    return bytes(content)


def _damaged_member(whole: bytes, rng: np.random.Generator) -> bytes:
    """One array of an archive damaged, the archive whole."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    victim = sorted(members)[rng.integers(len(members))]
    members[victim] = _damaged(members[victim], rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


STRANGE: list[Any] = [
    *(None, True, "x", "", -1, 0.5, 1e300, -1e300, 10**400, 10**18, float("nan"), float("inf")),
    *([], {}, [[]], [None], {"a": 1}, [1] * 51, ["1"] * 51, "9" * 400, "\ud800", [[[0]]], "7.jpg"),
]


def _strange(whole: bytes, rng: np.random.Generator) -> bytes:
    """One value of a JSON file exchanged for another kind, or a key removed."""
    content = json.loads(whole)
    places: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in list(items):
            places.append((value, key))
            if isinstance(inner, dict | list):
                visit(inner)

    visit(content)
    # Each key as often as any other, so that the many coordinates do not crowd out the rest.
    kinds: dict[Any, list[tuple[Any, Any]]] = {}
    for holder, key in places:
        kinds.setdefault(key if isinstance(key, str) else "item", []).append((holder, key))
    chosen = list(kinds.values())[rng.integers(len(kinds))]
    holder, key = chosen[rng.integers(len(chosen))]
    if rng.integers(8) == 0:
        del holder[key]
    else:
        holder[key] = STRANGE[rng.integers(len(STRANGE))]
    return json.dumps(content).encode()


def _mutations(whole: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    inner: Callable[..., bytes] = _damaged_member if whole[:2] == b"PK" else _strange
    for index in range(MUTATIONS):
        yield (_damaged if index % 2 else inner)(whole, rng)


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*is an invalid escape sequence:DeprecationWarning")
def test_damage_is_a_data_error_or_harmless(name: str, made: Format, tmp_path: Path) -> None:
    path = made.build(tmp_path, _scene(made))
    victim = _a_file(path)
    whole = victim.read_bytes()
    refused = 0
    for content in _mutations(whole, np.random.default_rng(len(name))):
        victim.write_bytes(content)
        for format in (name, "auto"):
            try:
                read = keypoints.read(path, format)
            except DataError as error:
                refused += str(path) in str(error)
                continue
            found = read.people.keypoints
            assert not np.isinf(found).any()
            assert ((read.people.scores >= 0) & (read.people.scores <= 1)).all()
    assert refused > MUTATIONS


def test_cut_anywhere_it_is_refused(name: str, made: Format, tmp_path: Path) -> None:
    path = made.build(tmp_path, _scene(made))
    victim = _a_file(path)
    whole = victim.read_bytes()
    for stop in range(0, len(whole), max(1, len(whole) // 40)):
        victim.write_bytes(whole[:stop])
        with pytest.raises(DataError, match=r"cut off|not|is empty"):
            keypoints.read(path, name)
