"""2D keypoints from files of all kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import keypoint_files
from vp3d_cli import files
from vp3d_cli.detect import precomputed
from vp3d_cli.detect._base import DetectorOptions
from vp3d_cli.errors import DataError
from vp3d_cli.types import Detections, Frame


def _arrays(rows: int = 3, **changes: Any) -> dict[str, Any]:
    """One row for each of frames 4, 5, 6, ..."""
    rng = np.random.default_rng(0)
    arrays = {
        "frame": np.arange(rows) + 4,
        "keypoints_2d": rng.uniform(10, 90, (rows, 17, 2)),
        "scores_2d": rng.uniform(0.1, 1, (rows, 17)),
    }
    return {k: v for k, v in {**arrays, **changes}.items() if v is not None}


def _build(folder: Path, **changes: Any) -> precomputed.Precomputed:
    path = folder / "keypoints.npz"
    np.savez(path, **_arrays(**changes))
    return precomputed.build(DetectorOptions(keypoints=path))


def _at(detector: precomputed.Precomputed, index: int) -> Detections:
    return detector.detect(Frame(index, index / 25, np.zeros((2, 2, 3), np.uint8)))


def test_each_frame_gets_its_own_rows(tmp_path: Path) -> None:
    detector = _build(tmp_path, frame=[7, 4, 7], track_id=[2, 1, 1])
    keypoints = np.float32(_arrays()["keypoints_2d"])
    assert [len(_at(detector, i)) for i in (0, 4, 5, 7, 10**6)] == [0, 1, 0, 2, 0]
    np.testing.assert_array_equal(_at(detector, 4).keypoints, keypoints[[1]])
    np.testing.assert_array_equal(_at(detector, 7).keypoints, keypoints[[2, 0]])
    assert _at(detector, 7).box_scores.tolist() == [1, 1]


def test_filled_rows_are_not_detections(tmp_path: Path) -> None:
    detector = _build(tmp_path, observed=[True, False, True])
    assert [len(_at(detector, i)) for i in (4, 5, 6)] == [1, 0, 1]


def test_a_row_without_keypoints_is_nobody(tmp_path: Path) -> None:
    keypoints = _arrays()["keypoints_2d"]
    keypoints[1] = np.nan
    detector = _build(tmp_path, keypoints_2d=keypoints)
    assert [len(_at(detector, i)) for i in (4, 5, 6)] == [1, 0, 1]


def test_boxes_are_taken_or_made(tmp_path: Path) -> None:
    keypoints = _arrays()["keypoints_2d"]
    keypoints[0, 3] = np.nan
    boxes = np.array([[0, 0, 9, 9], [1, 1, 8, 8], [np.nan] * 4])
    without = _at(_build(tmp_path, keypoints_2d=keypoints), 4)
    tight = [*np.nanmin(keypoints[0], 0), *np.nanmax(keypoints[0], 0)]
    np.testing.assert_allclose(without.boxes[0], tight, rtol=1e-6)
    assert without.scores[0, 3] == 0
    given = _build(tmp_path, boxes=boxes)
    assert _at(given, 5).boxes.tolist() == [[1, 1, 8, 8]]
    assert np.isfinite(_at(given, 6).boxes).all()


def test_people_with_ids_are_believed_others_have_their_score(tmp_path: Path) -> None:
    scores = np.array([0.25, 0.5, 0.75])
    assert _at(_build(tmp_path, box_scores=scores), 5).box_scores.tolist() == [0.5]
    chosen = _build(tmp_path, box_scores=scores, track_id=[1, 1, 1])
    assert _at(chosen, 5).box_scores.tolist() == [1]
    assert chosen.keypoints.people.box_scores.tolist() == [0.25, 0.5, 0.75]
    assert _at(_build(tmp_path), 5).box_scores.tolist() == [1]


def test_it_says_which_file_it_is(tmp_path: Path) -> None:
    detector = _build(tmp_path)
    digest = files.sha256(tmp_path / "keypoints.npz")
    assert detector.describe() == {
        "name": "precomputed",
        "format": "vp3d",
        "file": "keypoints.npz",
        "sha256": digest,
        "skeleton": "coco17",
    }


@pytest.mark.parametrize("name", keypoint_files.FORMATS)
def test_any_format_will_do(name: str, tmp_path: Path) -> None:
    scene = keypoint_files.one_person()
    path = keypoint_files.FORMATS[name].build(tmp_path, scene)
    detector = precomputed.build(DetectorOptions(keypoints=path))
    assert isinstance(detector, precomputed.Precomputed)
    for index, (someone,) in enumerate(scene.frames):
        np.testing.assert_allclose(_at(detector, index).keypoints[0], someone.keypoints, atol=1e-3)
    assert detector.keypoints.provenance["format"] == name
    assert detector.describe()["format"] == name
    again = precomputed.Precomputed(path, name, video=None)
    assert again.describe() == detector.describe()


def test_a_file_for_nobody(tmp_path: Path) -> None:
    assert len(_at(_build(tmp_path, rows=0), 0)) == 0


def test_the_skeleton_comes_with_a_pose_file(tmp_path: Path) -> None:
    meta = json.dumps({"skeleton_2d": {"name": "h36m17"}})
    assert _build(tmp_path, meta=meta).skeleton.name == "h36m17"
    assert _build(tmp_path).skeleton.name == "coco17"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores_2d": None}, "scores_2d missing; the file has 'frame', 'keypoints_2d'"),
        ({"frame": None, "keypoints_2d": None}, "frame, keypoints_2d missing"),
        ({"keypoints_2d": np.zeros((3, 25, 2))}, r"keypoints_2d: expected shape \(3, 17, 2\)"),
        ({"keypoints_2d": np.zeros((3, 17, 3))}, r"got \(3, 17, 3\)"),
        ({"scores_2d": np.zeros((2, 17))}, r"scores_2d: expected shape \(3, 17\), got \(2, 17\)"),
        ({"boxes": np.zeros((3, 5))}, r"boxes: expected shape \(3, 4\)"),
        ({"frame": np.zeros((3, 1), int)}, r"frame: expected shape \(3,\), got \(3, 1\)"),
        ({"frame": [0.5, 1, 2]}, "frame: expected integers"),
        ({"frame": [-1, 1, 2]}, "frame: expected 0 or more, got -1"),
        ({"observed": [1, 1, 0]}, "observed: expected bool"),
        ({"scores_2d": np.full((3, 17), "a")}, "scores_2d: expected numbers"),
        ({"scores_2d": np.full((3, 17), np.nan)}, r"scores_2d\[0, 0\]: is NaN"),
        ({"keypoints_2d": np.full((3, 17, 2), np.inf)}, "keypoints_2d: .* infinity"),
        ({"frame": [4, 4, 5], "track_id": [1, 1, 1]}, "track_id 1 is twice in frame 4"),
        ({"meta": "{}"}, "meta: names no known skeleton_2d"),
        ({"meta": '{"skeleton_2d": {"name": "nope"}}'}, "meta: .*'nope'"),
        ({"frame": np.array([1, 2, {}], object)}, "without pickles"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _build(tmp_path, **changes)
    assert str(tmp_path / "keypoints.npz") in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"frame,x,y\n", b"PK\x03\x04 broken", b"\x80\x04."])
def test_what_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keypoints.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"keypoints\.npz: is not a readable"):
        precomputed.build(DetectorOptions(keypoints=path))


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    _build(tmp_path)
    path = tmp_path / "keypoints.npz"
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DataError, match="not a readable"):
        precomputed.build(DetectorOptions(keypoints=path))


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match="single array"):
        precomputed.build(DetectorOptions(keypoints=tmp_path / "one.npy"))


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs a file"):
        precomputed.build(DetectorOptions())
    with pytest.raises(DataError, match="does not exist"):
        precomputed.build(DetectorOptions(keypoints=tmp_path / "nowhere.npz"))
