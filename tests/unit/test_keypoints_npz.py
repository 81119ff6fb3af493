"""VideoPose3D's two files and MediaPipe's landmarks: their layouts, and what is refused."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.keypoint_files import (
    HEIGHT,
    MEDIAPIPE,
    WIDTH,
    mediapipe,
    two_people,
    videopose3d_detections,
)
from vp3d_cli import keypoints, skeletons
from vp3d_cli.errors import DataError
from vp3d_cli.keypoints.mediapipe import LANDMARKS

COCO, H36M = skeletons.get("coco17"), skeletons.get("h36m17")
SYMMETRY = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]


def _points(count: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 400, (count, 17, 2)).astype(np.float32)


def _dataset(folder: Path, positions: Any, **changes: Any) -> Path:
    metadata = {
        "layout_name": "coco",
        "num_joints": 17,
        "keypoints_symmetry": SYMMETRY,
        "video_metadata": {name: {"w": WIDTH, "h": HEIGHT} for name in positions},
    }
    path = folder / "data_2d_custom_mine.npz"
    kept = {k: v for k, v in {**metadata, **changes}.items() if v is not None}
    np.savez_compressed(path, positions_2d=positions, metadata=kept)
    return path


def test_one_of_several_videos(tmp_path: Path) -> None:
    positions = {f"{n}.mp4": {"custom": [_points(3 + i, i)]} for i, n in enumerate("abc")}
    path = _dataset(tmp_path, positions)
    with pytest.raises(
        DataError, match=r"holds 3 videos; choose one of 'a.mp4', 'b.mp4', 'c.mp4'$"
    ):
        keypoints.read(path)
    for video in ("b", "b.mp4", "folder/b.mp4"):
        read = keypoints.read(path, video=video)
        np.testing.assert_array_equal(read.people.keypoints, _points(4, 1))
        assert read.provenance["source"] == {"name": "b.mp4"}
        assert read.num_frames == 4
        assert read.people.box_scores.tolist() == [1] * 4


def test_a_video_of_unknown_size(tmp_path: Path) -> None:
    read = keypoints.read(
        _dataset(tmp_path, {"a": {"custom": [_points()]}}, video_metadata={"b": {"w": 1, "h": 1}})
    )
    assert (read.width, read.height) == (None, None)


def test_the_third_column_of_the_oldest_files(tmp_path: Path) -> None:
    with_scores = np.concatenate([_points(), np.full((4, 17, 1), 0.25)], -1)
    read = keypoints.read(_dataset(tmp_path, {"a": {"custom": [with_scores]}}))
    assert (read.people.scores == 0.25).all()


def test_frames_without_anybody(tmp_path: Path) -> None:
    points = _points()
    points[1] = np.nan
    points[2, 3] = np.nan
    read = keypoints.read(_dataset(tmp_path, {"a": {"custom": [points]}}))
    assert (read.frames.tolist(), read.num_frames) == ([0, 2, 3], 4)
    assert read.people.scores[1, 3] == 0


def test_human36m(tmp_path: Path) -> None:
    positions = {
        "S1": {"Walking 1": [_points(5), _points(5, 1)], "Eating": [_points(2, 2)]},
        "S5": {"Walking 1": [_points(3, 3)]},
    }
    symmetry = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
    path = _dataset(
        tmp_path,
        positions,
        layout_name="h36m",
        keypoints_symmetry=symmetry,
        video_metadata=None,
    )
    read = keypoints.read(path, video="S1/Walking 1/1")
    assert read.skeleton == H36M
    np.testing.assert_array_equal(read.people.keypoints, _points(5, 1))
    with pytest.raises(DataError, match=r"'S1/Walking 1/0', 'S1/Walking 1/1', 'S1/Eating/0'"):
        keypoints.read(path)


def test_arrays_of_arrays(tmp_path: Path) -> None:
    """A list of equal arrays may have become one array when it was saved."""
    read = keypoints.read(_dataset(tmp_path, {"a": {"custom": np.stack([_points()])}}))
    assert read.num_frames == 4


@pytest.mark.parametrize(
    ("positions", "changes", "message"),
    [
        ({"a": {"custom": [_points()[:, :16]]}}, {}, r"expected shape \(F, 17, 2\), got \(4, 16"),
        ({"a": {"custom": [_points()[0]]}}, {}, r"'a': expected shape"),
        ({"a": {"custom": [_points()[None]]}}, {}, r"'a': expected shape"),
        ({"a": {"custom": [_points()[..., :1]]}}, {}, r"'a': expected shape"),
        ({"a": {"custom": [np.zeros((4, 17, 4))]}}, {}, r"'a': expected shape"),
        ({"a": {7: [_points()]}}, {}, "'a': expected"),
        ({"a": {"custom": [_points()] * 2}}, {}, "choose one of 'a/custom/0', 'a/custom/1'"),
        ({"a": {"custom": [_points().astype(str)]}}, {}, "'a': expected an array of numbers"),
        ({"a": {"custom": [_points().tolist()]}}, {}, "'a': expected an array of numbers"),
        ({"a": {"custom": [np.full((4, 17, 2), np.inf)]}}, {}, "infinity"),
        ({"a": {"custom": 7}}, {}, "'a': expected lists of arrays"),
        ({"a": [_points()]}, {}, "positions_2d: expected dictionaries by name"),
        ({7: {"custom": [_points()]}}, {}, "positions_2d: expected dictionaries by name"),
        ([1], {}, "positions_2d: expected a dictionary"),
        ({}, {}, "holds 0 videos"),
        ({"a": {"custom": [_points()]}}, {"layout_name": None}, "layout_name: expected coco, h36m"),
        ({"a": {"custom": [_points()]}}, {"layout_name": "mpii"}, "h36m, humaneva15, got 'mpii'"),
        ({"a": {"custom": [_points()]}}, {"num_joints": 16}, "num_joints: expected 17 for coco"),
        ({"a": {"custom": [_points()]}}, {"num_joints": np.ones(2)}, "num_joints: expected 17"),
        (
            {"a": {"custom": [_points()]}},
            {"keypoints_symmetry": [[4, 5, 6], [1, 2, 3]]},
            "keypoints_symmetry: is not that of coco",
        ),
        (
            {"a": {"custom": [_points()]}},
            {"keypoints_symmetry": [[1, 99], [2, 3]]},
            "keypoints_symmetry: expected two lists",
        ),
        ({"a": {"custom": [_points()]}}, {"keypoints_symmetry": 7}, "expected two lists"),
        (
            {"a": {"custom": [_points()]}},
            {"video_metadata": {"a": {"w": 0, "h": 5}}},
            "video_metadata: w: expected 1 to",
        ),
        (
            {"a": {"custom": [_points()]}},
            {"video_metadata": {"a": {"w": 5}}},
            "video_metadata: h: expected 1 to 65536 pixels, got NoneType",
        ),
    ],
)
def test_datasets_that_are_refused(
    positions: Any, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = _dataset(tmp_path, positions, **changes)
    with pytest.raises(DataError, match=message) as caught:
        keypoints.read(path)
    assert str(path) in str(caught.value)


class _Marker:
    """Unpickling this creates a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_program_in_a_dataset_is_not_run(tmp_path: Path) -> None:
    marker: Any = _Marker(tmp_path / "marker")
    path = _dataset(tmp_path, {"a": {"custom": [_points(), marker]}})
    with pytest.raises(DataError, match=r"positions_2d: it asks for \w+\.mkdir"):
        keypoints.read(path)
    np.savez(path, boxes=np.array([marker]), keypoints=np.zeros(1), metadata={})
    with pytest.raises(DataError, match=r"boxes: it asks for \w+\.mkdir"):
        keypoints.read(path)
    assert not marker.path.exists()


def _detections(folder: Path, boxes: Any, points: Any, metadata: Any = None) -> Path:
    path = folder / "clip.avi.npz"
    metadata = {"w": WIDTH, "h": HEIGHT} if metadata is None else metadata
    np.savez(path, boxes=boxes, keypoints=points, segments=np.zeros(1), metadata=metadata)
    return path


def _objects(*frames: Any) -> np.ndarray:
    """Frames of [[], people] as NumPy keeps them when it cannot make one array of them."""
    column = np.empty(len(frames), object)
    for index, people in enumerate(frames):
        column[index] = [[], people]
    return column


BOX = np.array([[1, 2, 3, 4, 0.75]], np.float32)
PERSON = np.arange(68, dtype=np.float32).reshape(1, 4, 17) / 100


def test_a_detected_person(tmp_path: Path) -> None:
    read = keypoints.read(_detections(tmp_path, _objects([], BOX), _objects([], PERSON)))
    assert read.frames.tolist() == [1]
    np.testing.assert_array_equal(read.people.keypoints[0, :, 0], PERSON[0, 0])
    np.testing.assert_array_equal(read.people.keypoints[0, :, 1], PERSON[0, 1])
    np.testing.assert_array_equal(read.people.scores[0], PERSON[0, 3])
    assert read.people.boxes.tolist() == [[1, 2, 3, 4]]
    assert read.people.box_scores.tolist() == [0.75]
    assert read.provenance["source"] == {"name": "clip.avi"}
    assert (read.width, read.height, read.num_frames, read.fps) == (WIDTH, HEIGHT, 2, None)


def test_detectron1_lists_its_people(tmp_path: Path) -> None:
    people = [PERSON[0], PERSON[0] / 2]
    boxes = np.concatenate([BOX, BOX])
    read = keypoints.read(_detections(tmp_path, _objects(boxes), _objects(people)))
    np.testing.assert_array_equal(read.people.keypoints[1], read.people.keypoints[0] / 2)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_every_protocol(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's own choice changed over the years: 2, 3, 4."""
    import pickle

    dump = pickle.dump

    def older(value: Any, stream: Any, **_: Any) -> None:
        dump(value, stream, protocol=protocol)

    monkeypatch.setattr(pickle, "dump", older)
    path = videopose3d_detections(tmp_path, two_people())
    monkeypatch.undo()
    read = keypoints.read(path)
    np.testing.assert_allclose(
        read.people.keypoints, [s.keypoints for _, s in two_people().rows()], atol=1e-3
    )


@pytest.mark.parametrize(
    ("boxes", "points", "message"),
    [
        (_objects(BOX), _objects(PERSON, PERSON), "boxes: 1 frames, but 2 of keypoints"),
        (_objects(BOX), _objects([]), "frame 0: 1 boxes, but 0 keypoints"),
        (_objects(BOX[:, :4]), _objects(PERSON), "boxes: frame 0: expected numbers of shape"),
        (_objects(BOX), _objects(PERSON[:, :3]), "keypoints: frame 0: expected numbers of shape"),
        (_objects(BOX), _objects([PERSON]), "keypoints: frame 0: expected numbers of shape"),
        (_objects(BOX), _objects([1, 2]), "keypoints: frame 0: expected numbers of shape"),
        (_objects(BOX), _objects(PERSON.astype(str)), "expected numbers of shape"),
        (_objects("nobody"), _objects(PERSON), "boxes: frame 0: expected numbers"),
        (_objects(7), _objects(PERSON), "boxes: frame 0: expected numbers"),
        (np.array([7]), _objects(PERSON), "boxes: frame 0: expected a list of two classes"),
        (np.zeros((1, 3, 0)), _objects(PERSON), "expected a list of two classes"),
        (np.array(7), _objects(PERSON), "boxes: expected a list with one entry per frame"),
        (_objects(BOX * np.nan), _objects(PERSON), "box_scores: NaN in frame 0"),
        (_objects(BOX * np.inf), _objects(PERSON), "infinity"),
    ],
)
def test_detections_that_are_refused(boxes: Any, points: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        keypoints.read(_detections(tmp_path, boxes, points))


@pytest.mark.parametrize("metadata", [7, {}, {"w": 0, "h": 5}, {"w": "5", "h": 5}, {"w": True}])
def test_metadata_that_are_refused(metadata: Any, tmp_path: Path) -> None:
    path = _detections(tmp_path, _objects(BOX), _objects(PERSON), metadata)
    with pytest.raises(DataError, match=r"metadata: (w: )?expected"):
        keypoints.read(path)


def _landmarks(folder: Path, **changes: Any) -> Path:
    """Landmark i at (i / 100, i / 50) of the frame."""
    i = np.arange(33)
    one = np.stack([i / 100, i / 50, i * 0 - 9, np.full(33, 0.5)], -1)
    arrays = {"landmarks": np.stack([one] * 3), "width": 200, "height": 100}
    path = folder / "landmarks.npz"
    np.savez(path, **{k: v for k, v in {**arrays, **changes}.items() if v is not None})
    return path


def test_the_33_landmarks() -> None:
    assert len(set(LANDMARKS)) == 33
    assert [LANDMARKS.index(joint) for joint in COCO.joints] == MEDIAPIPE


def test_one_person_is_a_track(tmp_path: Path) -> None:
    read = keypoints.read(_landmarks(tmp_path, fps=29.97))
    at = np.array(MEDIAPIPE)
    np.testing.assert_allclose(read.people.keypoints[0], np.stack([at * 2, at * 2], -1), rtol=1e-6)
    assert read.people.scores[0].tolist() == [0.5] * 17
    assert read.track_ids is not None
    assert read.track_ids.tolist() == [1, 1, 1]
    assert (read.width, read.height, read.num_frames) == (200, 100, 3)
    assert read.fps == Fraction(2997, 100)


def test_frames_without_anybody_have_rows_of_nan(tmp_path: Path) -> None:
    scene = two_people()
    read = keypoints.read(mediapipe(tmp_path, scene))
    assert read.frames.tolist() == [frame for frame, _ in scene.rows()]
    assert read.track_ids is None
    assert read.fps == Fraction(30000, 1001)


@pytest.mark.parametrize("columns", [2, 3, 4, 5])
def test_columns_of_landmarks(columns: int, tmp_path: Path) -> None:
    landmarks = np.full((2, 33, columns), 0.25)
    read = keypoints.read(_landmarks(tmp_path, landmarks=landmarks))
    assert (read.people.keypoints == [50, 25]).all()
    assert (read.people.scores == (0.25 if columns > 3 else 1)).all()


def test_nobody_in_pixels(tmp_path: Path) -> None:
    path = _landmarks(tmp_path, landmarks=np.full((2, 33, 2), np.nan), normalised=False)
    assert len(keypoints.read(path).people) == 0


@pytest.mark.parametrize("spelling", ["normalised", "normalized"])
def test_landmarks_in_pixels(spelling: str, tmp_path: Path) -> None:
    landmarks = np.full((2, 33, 2), 40.0)
    path = _landmarks(tmp_path, landmarks=landmarks, **{spelling: False})
    assert (keypoints.read(path).people.keypoints == 40).all()


def test_landmarks_beyond_the_frame(tmp_path: Path) -> None:
    landmarks = np.full((2, 33, 2), 0.5)
    landmarks[:, 27] = 2.5  # MediaPipe guesses feet that are not in the picture
    read = keypoints.read(_landmarks(tmp_path, landmarks=landmarks))
    assert read.people.keypoints[0, 15].tolist() == [500, 250]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": None}, "width: is missing"),
        ({"height": 0}, "height: expected 1 to"),
        ({"height": 1.5}, "height: expected 1 to"),
        ({"height": np.ones(2)}, "height: expected 1 to"),
        ({"landmarks": np.zeros((2, 17, 3))}, r"landmarks: expected shape \(F, \[P,\] 33, 2 to 5"),
        ({"landmarks": np.zeros((2, 33, 1))}, r"got \(2, 33, 1\)"),
        ({"landmarks": np.zeros((33, 3))}, r"got \(33, 3\)"),
        ({"landmarks": np.full((2, 33, 3), "a")}, "landmarks: expected numbers"),
        ({"landmarks": np.full((2, 33, 2), np.inf)}, "infinity"),
        ({"landmarks": np.full((2, 33, 2), 40.0)}, "40 is no share .* normalised=False"),
        ({"normalised": False}, "all are within one pixel; save normalised=True"),
        ({"normalised": 1}, "normalised: expected one bool"),
        ({"normalised": np.array([True])}, "normalised: expected one bool"),
        ({"fps": True}, "fps: expected a frame rate"),
        ({"fps": "fast"}, "fps: expected a fraction"),
        ({"fps": 0.0}, "fps: expected a frame rate"),
        ({"fps": np.nan}, "fps: expected a frame rate"),
        ({"fps": np.ones(2)}, "fps: expected one number"),
        ({"landmarks": np.array([{}], object)}, "landmarks: holds pickled"),
    ],
)
def test_landmarks_that_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        keypoints.read(_landmarks(tmp_path, **changes))
