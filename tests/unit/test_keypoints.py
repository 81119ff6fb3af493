"""The room of 2D files: which reader reads what, several videos, our own file."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import keypoint_files
from tests.factories import make_result
from vp3d_cli import keypoints, registry, skeletons, sources
from vp3d_cli.errors import DataError, OutputError
from vp3d_cli.keypoints import _json
from vp3d_cli.types import Detections, Keypoints2D

COCO = skeletons.get("coco17")
PROVENANCE = {
    "version": "0.1.0",
    "source": {"name": "clip.mp4", "sha256": "ab" * 32},
    "detector": {"name": "movenet", "weights": [{"sha256": "cd" * 32}]},
}


def _keypoints(rows: int = 6, **changes: Any) -> Keypoints2D:
    """Two people a frame, every other frame."""
    rng = np.random.default_rng(0)
    points = rng.uniform(10, 300, (rows, 17, 2)).astype(np.float32)
    points[::2, 5] = np.nan
    scores = rng.uniform(0.1, 1, (rows, 17)).astype(np.float32)
    scores[::2, 5] = 0
    boxes = np.concatenate([np.nanmin(points, 1) - 3, np.nanmax(points, 1) + 3], 1)
    fields: dict[str, Any] = {
        "frames": np.arange(rows, dtype=np.int32) // 2 * 2,
        "people": Detections(boxes, scores[:, 0] / 2, points, scores),
        "skeleton": COCO,
        "track_ids": np.arange(rows, dtype=np.int32) % 2 + 1,
        "width": 640,
        "height": 480,
        "fps": Fraction(30000, 1001),
        "num_frames": 9,
        "provenance": PROVENANCE,
        "frames_read": np.arange(9, dtype=np.int32),
        "times_s": np.arange(9) / 29.97,
    }
    return Keypoints2D(**{**fields, **changes})


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite an archive after `change` worked on its arrays; None removes a key."""
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})


def _meta(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set one entry of the meta object."""

    def change(arrays: dict[str, Any]) -> None:
        meta = inner = json.loads(str(arrays["meta"]))
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        arrays["meta"] = np.array(json.dumps(meta))

    return change


def _set(**arrays: Any) -> Callable[[dict[str, Any]], None]:
    return lambda held: held.update(arrays)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ours.npz"


BARE = {
    "track_ids": None,
    "width": None,
    "height": None,
    "fps": None,
    "num_frames": None,
    "provenance": {},
    "frames_read": None,
    "times_s": None,
}


@pytest.mark.parametrize(
    "changes", [{}, BARE, {"rows": 0}, {"skeleton": skeletons.get("h36m17")}, {"fps": Fraction(25)}]
)
def test_ours_comes_back(path: Path, changes: dict[str, Any]) -> None:
    written = _keypoints(**changes)
    keypoints.write(written, path)
    read = keypoints.read(path)
    for name in ("frames", "track_ids", "frames_read", "times_s"):
        got, want = getattr(read, name), getattr(written, name)
        assert (got is None) == (want is None)
        if want is not None:
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)
    for name in ("boxes", "box_scores", "keypoints", "scores"):
        np.testing.assert_array_equal(getattr(read.people, name), getattr(written.people, name))
    for name in ("skeleton", "width", "height", "fps", "num_frames"):
        assert getattr(read, name) == getattr(written, name)
    told = dict(written.provenance)
    assert read.provenance.get("source") == told.pop("source", None)
    assert read.provenance.get("origin") == (told or None)
    assert read.provenance["format"] == "vp3d"


def test_equal_keypoints_give_equal_bytes(path: Path, tmp_path: Path) -> None:
    keypoints.write(_keypoints(), path)
    turned = dict(reversed(PROVENANCE.items()))
    keypoints.write(_keypoints(provenance=turned), tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()
    with np.load(path, allow_pickle=False) as arrays:
        assert str(arrays["schema"]) == "vp3d.keypoints/1"
        meta = json.loads(str(arrays["meta"]))
        assert arrays["keypoints_2d"].dtype == np.float32
    assert meta["video"] == {
        "name": "clip.mp4",
        "width": 640,
        "height": 480,
        "fps": "30000/1001",
        "num_frames": 9,
    }
    assert meta["skeleton_2d"]["joints"] == list(COCO.joints)
    assert meta["detector"] == PROVENANCE["detector"]


def test_ours_is_written_whole_or_not_at_all(path: Path, tmp_path: Path) -> None:
    path.write_text("old")
    with pytest.raises(ValueError, match="video"):
        keypoints.write(_keypoints(provenance={"video": "mine"}), path)
    with pytest.raises(ValueError, match="JSON"):
        keypoints.write(_keypoints(provenance={"score": float("nan")}), path)
    assert path.read_text() == "old"
    with pytest.raises(OutputError, match="does not exist"):
        keypoints.write(_keypoints(), tmp_path / "nowhere" / "ours.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["ours.npz"]


def test_a_position_that_overflowed_is_missing(path: Path) -> None:
    written = _keypoints()
    written.people.keypoints[1, 3] = np.inf
    keypoints.write(written, path)
    assert np.isnan(keypoints.read(path).people.keypoints[1, 3]).all()


def test_a_pose_file_is_read_as_well(path: Path) -> None:
    result = make_result(num_tracks=2, length=8)
    registry.load("export", "npz").write(result, path)
    read = keypoints.read(path)
    observed = sum(int(track.observed.sum()) for track in result.tracks2d)
    assert len(read.frames) == observed == 14
    assert (read.width, read.height, read.num_frames) == (720, 1280, 241)
    assert read.fps == Fraction(30000, 1001)
    assert read.provenance["source"]["name"] == "clip.mp4"
    assert read.provenance["origin"]["detector"] == result.provenance["detector"]


def test_a_container_may_have_promised_too_little(path: Path) -> None:
    result = make_result(num_tracks=2, length=8)
    short = replace(result, video=replace(result.video, num_frames=3))
    registry.load("export", "npz").write(short, path)
    assert keypoints.read(path).num_frames == 12


TAMPERINGS = {
    "newer": (_set(schema=np.array("vp3d.keypoints/2")), "upgrade vp3d"),
    "a newer pose file": (_set(schema=np.array("vp3d.pose/2")), "upgrade vp3d"),
    "too few frames": (_meta("video", "num_frames", value=4), "frame 4: .* there are 4 frames"),
    "no count": (_meta("video", "num_frames", value=-1), "num_frames: expected a count"),
    "width": (_meta("video", "width", value=True), "video.width: expected 1 to"),
    "height": (_meta("video", "height", value=1 << 20), "video.height: expected 1 to"),
    "fps": (_meta("video", "fps", value="1e999999999"), "video.fps: expected a fraction"),
    "fps by zero": (_meta("video", "fps", value="30/0"), "video.fps: expected a fraction"),
    "fps of nothing": (_meta("video", "fps", value=[]), "video.fps: expected a fraction"),
    "no video": (_meta("video", value=[]), "its video to be one"),
    "joints": (_meta("skeleton_2d", "joints", value=["nose"]), "its joints are not those"),
    "no skeleton": (_meta("skeleton_2d", value=7), "names no known skeleton_2d"),
    "deep": (_set(meta=np.array("[" * 100_000)), "meta: is nested too deeply"),
    "NaN": (_set(meta=np.array('{"a": NaN}')), "NaN is not JSON"),
    "no JSON": (_set(meta=np.array("{")), "meta: "),
    "no text": (_set(meta=np.zeros(3)), "meta: "),
    "box score": (_set(box_scores=np.full(6, np.nan)), "box_scores: NaN in frame 0"),
    "box scores": (_set(box_scores=np.zeros((6, 1))), r"box_scores: expected shape \(6,\)"),
    "infinite box": (_set(boxes=np.full((6, 4), np.inf)), "boxes: .* infinity"),
    "far id": (_set(track_id=np.arange(6) + (1 << 40)), "track_id: expected 2147483647 or less"),
    "negative id": (_set(track_id=np.arange(6) - (1 << 40)), "track_id: expected -"),
    "far frame": (_set(frame=np.arange(6) + (1 << 40)), "frame: expected 2147483647 or less"),
    "far unsigned frame": (
        _set(frame=np.full(6, 1 << 63, np.uint64)),
        "frame: expected 2147483647",
    ),
    "half a clock": (_set(times_s=None), "expected both or neither"),
    "clock": (_set(times_s=np.zeros(8)), r"times_s: expected shape \(9,\)"),
    "endless clock": (_set(times_s=np.full(9, np.inf)), "times_s: expected finite"),
    "backwards": (_set(frames_read=np.arange(9)[::-1]), "frames_read: expected ascending"),
    "negative clock": (_set(frames_read=np.arange(9) - 1), "frames_read: expected indices from 0"),
    "clock of fractions": (_set(frames_read=np.arange(9.0)), "frames_read: expected"),
    "a clock alone": (_set(frames_read=None), "expected both or neither"),
    "a list": (_set(meta=np.array("[]")), "expected a JSON object"),
    "count of true": (_meta("video", "num_frames", value=True), "num_frames: expected a count"),
    "unread": (_set(frames_read=np.arange(9) + 1), "expected some of frames_read"),
    "huge": (_set(scores_2d=np.full((6, 17), 1e300)), "scores_2d: .* infinity"),
    "huge claim": (_set(frame=np.zeros(20_000_000, np.int64)), "more than a file this small"),
}


@pytest.mark.parametrize("case", TAMPERINGS)
def test_tampering_is_refused(case: str, path: Path) -> None:
    keypoints.write(_keypoints(), path)
    change, message = TAMPERINGS[case]
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    kept = {key: value for key, value in arrays.items() if value is not None}
    np.savez_compressed(path, **kept)
    with pytest.raises(DataError, match=message) as caught:
        keypoints.read(path)
    assert str(path) in str(caught.value)


def test_other_peoples_schemas_say_nothing(path: Path) -> None:
    keypoints.write(_keypoints(), path)
    _change(path, _set(schema=np.array("mine/7")))
    assert len(keypoints.read(path).frames) == 6


def test_nobody_in_any_frame_that_was_looked_at(path: Path) -> None:
    none = np.zeros(0, np.int32)
    keypoints.write(_keypoints(rows=0, frames_read=none, times_s=none.astype(float)), path)
    read = keypoints.read(path)
    assert read.frames_read is not None
    assert len(read.frames_read) == 0


@pytest.mark.parametrize("place", ["scores_2d", "box_scores"])
def test_scores_beyond_0_and_1_are_clipped_with_one_warning(
    place: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keypoints.write(_keypoints(), path)

    def exceed(arrays: dict[str, Any]) -> None:
        arrays[place][:2] = 7
        arrays[place][3] = -1

    _change(path, exceed)
    with caplog.at_level(logging.WARNING):
        people = keypoints.read(path).people
    scores = people.scores[1:4, 0] if place == "scores_2d" else people.box_scores[1:4]
    assert scores.tolist() == [1, scores[1], 0]
    (warning,) = caplog.messages
    count = 51 - 1 if place == "scores_2d" else 3  # one keypoint is missing
    assert warning == f"ours.npz: {count} scores are not within 0 and 1; taken as 0 or 1"


def test_0_and_1_are_scores(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written = _keypoints()
    written.people.scores[1, :2] = [0, 1]
    written.people.box_scores[:2] = [0, 1]
    keypoints.write(written, path)
    with caplog.at_level(logging.WARNING):
        people = keypoints.read(path).people
    assert people.scores[1, :2].tolist() == people.box_scores[:2].tolist() == [0, 1]
    assert not caplog.messages


def test_boxes_are_made_around_keypoints_with_a_score(path: Path) -> None:
    written = _keypoints()
    written.people.keypoints[:2, 3] = [500, 600]
    written.people.scores[0, 3] = 0
    written.people.scores[1] = 0  # no score at all: around everything
    keypoints.write(written, path)
    _change(path, _set(boxes=None))
    boxes = keypoints.read(path).people.boxes
    assert boxes[0, 2] < 300
    assert boxes[1, 2:].tolist() == [500, 600]


def test_ids_from_0_are_raised_to_1(path: Path) -> None:
    keypoints.write(_keypoints(track_ids=np.array([0, 1, 0, 1, 0, 1], np.int32)), path)
    read = keypoints.read(path)
    assert read.track_ids is not None
    assert read.track_ids.tolist() == [1, 2] * 3
    assert read.provenance["track_ids"] == "those of the file plus 1"
    keypoints.write(_keypoints(), path)
    assert "track_ids" not in keypoints.read(path).provenance


def test_damage_to_ours_is_a_data_error_or_harmless(path: Path) -> None:
    keypoints.write(_keypoints(), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for index in range(150):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 3):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(whole))] if index % 3 == 0 else damaged)
        try:
            keypoints.read(path)
        except DataError:
            refused += 1
    assert refused > 75


def test_unknown_files_are_told_what_is_known(tmp_path: Path) -> None:
    unknown = tmp_path / "unknown"
    unknown.write_text("hello")
    with pytest.raises(DataError, match="is not a readable file of 2D keypoints") as caught:
        keypoints.read(unknown)
    for name, description in keypoints.descriptions().items():
        assert f"\n  {name}: {description}" in str(caught.value)
    assert "--format" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\x1f\x8b\x08", "packed with gzip; unpack it first"),
        (b"\x80\x04.", "a pickle, which is a program"),
        (b"\x93NUMPY\x01", "a single array"),
        (b"PK\x03\x04", "a damaged archive"),
    ],
)
def test_what_an_unknown_file_looks_like(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "unknown").write_bytes(content)
    with pytest.raises(DataError, match=message):
        keypoints.read(tmp_path / "unknown")


def test_another_archive_and_a_folder(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", poses=np.zeros(3), names=np.zeros(3))
    with pytest.raises(DataError, match="an archive of 'names', 'poses'"):
        keypoints.read(tmp_path / "other.npz")
    with pytest.raises(DataError, match="a folder without"):
        keypoints.read(tmp_path)


def test_two_formats_in_one_file_must_be_told_apart(path: Path) -> None:
    keypoints.write(_keypoints(), path)
    _change(path, _set(landmarks=np.zeros((2, 33, 3))))
    with pytest.raises(DataError, match="could be mediapipe or vp3d; say which with --format"):
        keypoints.read(path)
    assert len(keypoints.read(path, "vp3d").frames) == 6


def test_an_unknown_format_lists_the_known_ones(path: Path) -> None:
    with pytest.raises(DataError, match="expected auto, alphapose, coco"):
        keypoints.read(path, "nope")
    for private in ("_rows", "", "../npz"):
        with pytest.raises(DataError, match="there is none"):
            keypoints.read(path, private)


@pytest.mark.parametrize(
    ("video", "chosen"),
    [
        ("b.mp4", "b.mp4"),
        ("b", "b.mp4"),
        ("folder/b.mp4", "b.mp4"),
        ("C:\\clips\\b.mov", "b.mp4"),
        ("S1/Walking 1/0", "S1/Walking 1/0"),
        ("v1.5", "v1.5"),
        ("c.3gp", "c"),
    ],
)
def test_a_video_is_chosen_by_name(video: str, chosen: str) -> None:
    names = ["a.mp4", "b.mp4", "S1/Walking 1/0", "S1/Walking 1/1", "v1.5", "v1.6", "c"]
    assert sources.choose(names, video) == chosen


@pytest.mark.parametrize(
    ("names", "video", "message"),
    [
        (["a", "b"], None, "holds 2 videos; choose one of 'a', 'b'"),
        ([str(i) for i in range(30)], None, "'11' and 18 more"),
        ([], None, "holds 0 videos"),
        (["a"], "b", "has no video 'b'; it has 'a'"),
        (["a.mp4", "a.avi"], "a.mov", "has no video"),
    ],
)
def test_an_unclear_choice_lists_the_videos(
    names: list[str], video: str | None, message: str
) -> None:
    with pytest.raises(sources.ChoiceError, match=message):
        sources.choose(names, video)


@pytest.mark.parametrize(
    ("image", "number"),
    [
        (0, 0),
        (12, 12),
        ("12.jpg", 12),
        ("frame_000031.png", 31),
        ("video2/clip3_0007.png", 7),
        ("C:\\x9\\8.bmp", 8),
        ("5", 5),
        ("12.jp2", 12),
        ("dir.1/6", 6),
    ],
)
def test_frame_numbers(image: Any, number: int) -> None:
    assert _json.frame_number(image, "x") == number


@pytest.mark.parametrize(
    "image", [None, True, -1, 1.0, "a.jpg", "", [], 1 << 31, "99999999999", 10**400, "dir1/a.jpg"]
)
def test_no_frame_numbers(image: Any) -> None:
    with pytest.raises(ValueError, match="x: expected a "):
        _json.frame_number(image, "x")


def test_a_large_json_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as stream:
        stream.write(b"[")
        stream.truncate((256 << 20) + 1)
    with pytest.raises(DataError, match="has 256 MiB of JSON, more than the 256 that are read"):
        keypoints.read(path, "coco")
    monkeypatch.setattr(sources, "MAX_JSON_BYTES", 10)
    results = keypoint_files.coco(tmp_path, keypoint_files.two_people())
    with pytest.raises(DataError, match="split it by time"):
        keypoints.read(results)


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    path = keypoint_files.coco(tmp_path, keypoint_files.two_people())
    plain = keypoints.read(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert keypoints.read(path).frames.tolist() == plain.frames.tolist()


@pytest.mark.parametrize("name", ["coco", "alphapose", "openpose"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b\x08", "packed with gzip"),
        ("[{}]".encode("utf-16"), "byte 0 is not UTF-8"),
        (b'["\xff"]', "byte 2 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1,", "is not JSON, or is cut off"),
        (b"", "is not JSON, or is cut off"),
        (b"7", "expected"),
    ],
)
def test_json_that_is_none(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a_000_keypoints.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        keypoints.read(path, name)
