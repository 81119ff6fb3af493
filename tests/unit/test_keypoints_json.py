"""COCO, AlphaPose and OpenPose: their layouts, conventions, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import keypoint_files
from tests.keypoint_files import BODY_25, COCO_18, alphapose, coco, openpose, two_people
from vp3d_cli import keypoints, skeletons
from vp3d_cli.errors import DataError
from vp3d_cli.types import Keypoints2D

COCO = skeletons.get("coco17")


def _flat(score: Any = 0.5) -> list[float]:
    """Joint i at (10 i + 1, 20 i + 2)."""
    return [value for i in range(17) for value in (10 * i + 1, 20 * i + 2, score)]


def _entry(**changes: Any) -> dict[str, Any]:
    entry = {"image_id": 3, "category_id": 1, "keypoints": _flat(), "score": 0.75}
    return {k: v for k, v in {**entry, **changes}.items() if v is not None}


def _read(folder: Path, content: Any, format: str = "auto") -> Keypoints2D:
    path = folder / "file.json"
    path.write_text(json.dumps(content))
    return keypoints.read(path, format)


def _expected(offset: float = 0.5) -> np.ndarray:
    return np.stack([10 * np.arange(17) + 1, 20 * np.arange(17) + 2], -1) + offset


def test_indices_of_pixels_become_positions(tmp_path: Path) -> None:
    read = _read(tmp_path, [_entry(bbox=[1, 2, 30, 40])])
    np.testing.assert_array_equal(read.people.keypoints[0], _expected())
    assert read.people.boxes.tolist() == [[1, 2, 31, 42]]  # continuous already
    assert read.people.box_scores.tolist() == [0.75]
    tracked = _read(tmp_path, [_entry(image_id="3.jpg", box=[1, 2, 30, 40], idx=4)])
    assert tracked.provenance["format"] == "alphapose"
    np.testing.assert_array_equal(tracked.people.keypoints[0], _expected())
    assert tracked.people.boxes.tolist() == [[1, 2, 31, 42]]


def test_openpose_is_continuous_already(tmp_path: Path) -> None:
    people = [{"pose_keypoints_2d": [4.0, 5.0, 0.5] * 25}]
    read = _read(tmp_path, {"people": people})
    assert (read.people.keypoints == [4, 5]).all()
    assert read.frames.tolist() == [0]


@pytest.mark.parametrize(
    ("changes", "format"),
    [
        ({}, "coco"),
        ({"image_id": "3.jpg", "bbox": [1, 2, 3, 4]}, "coco"),
        ({"image_id": "3.jpg"}, "alphapose"),
        ({"image_id": "3.jpg", "box": [1, 2, 3, 4]}, "alphapose"),
        ({"idx": 1}, "alphapose"),
    ],
)
def test_coco_and_alphapose_are_told_apart(
    changes: dict[str, Any], format: str, tmp_path: Path
) -> None:
    assert _read(tmp_path, [_entry(**changes)]).provenance["format"] == format


def test_what_is_0_or_nan_is_missing(tmp_path: Path) -> None:
    points = _flat()
    points[3:6] = [0, 0, 0]
    points[6:9] = [float("nan"), 5, 0.5]
    points[9:12] = [7, 8, 0]
    read = _read(tmp_path, [_entry(keypoints=points)])
    assert np.isnan(read.people.keypoints[0]).any(-1).tolist() == [False, True, True] + 14 * [False]
    assert read.people.scores[0, :5].tolist() == [0.5, 0, 0, 0, 0.5]


def test_a_person_without_keypoints_is_nobody(tmp_path: Path) -> None:
    read = _read(tmp_path, [_entry(), _entry(image_id=4, keypoints=[0] * 51)])
    assert read.frames.tolist() == [3]


def test_frames_are_sorted_and_numbered_as_they_are(tmp_path: Path) -> None:
    content = [_entry(image_id=name, idx=1) for name in ("9.jpg", "10.jpg", "1.jpg")]
    read = _read(tmp_path, content)
    assert read.frames.tolist() == [1, 9, 10]
    assert read.provenance["frame_numbers"] == "those of the file"
    assert read.num_frames is None


def test_flags_become_scores(tmp_path: Path) -> None:
    points = _flat(2)
    points[2], points[5] = 1, 0
    read = _read(tmp_path, [_entry(keypoints=points)])
    assert read.people.scores[0, :3].tolist() == [0.5, 0, 1]
    assert np.isnan(read.people.keypoints[0, 1]).all()
    assert read.provenance["scores"] == "visibility: 1 became 0.5, 2 became 1"


@pytest.mark.parametrize(("score", "becomes"), [(0, 1), (1, 1), (0.25, 0.25)])
def test_results_without_flags_keep_their_scores(
    score: float, becomes: float, tmp_path: Path
) -> None:
    read = _read(tmp_path, [_entry(keypoints=_flat(score))])
    assert (read.people.scores == becomes).all()
    assert ("scores" in read.provenance) == (score == 0)


def test_persons_without_scores_are_believed(tmp_path: Path) -> None:
    read = _read(tmp_path, [_entry(score=None)])
    assert read.people.box_scores.tolist() == [1]
    assert read.people.boxes[0].tolist() == [1.5, 2.5, 161.5, 322.5]


def test_coco_track_ids(tmp_path: Path) -> None:
    entries = [_entry(track_id=2), _entry(track_id=1), _entry(image_id=5, track_id=1)]
    read = _read(tmp_path, entries)
    assert read.track_ids is not None
    assert read.track_ids.tolist() == [1, 2, 1]
    assert _read(tmp_path, [*entries, _entry(image_id=6)]).track_ids is None


def _annotations(names: list[Any], **changes: Any) -> dict[str, Any]:
    images = [
        {"id": 100 + i, "file_name": name, "width": 640, "height": 480}
        for i, name in enumerate(names)
    ]
    annotations = [
        {"id": i, "image_id": 100 + i, "keypoints": _flat(1 + i % 2), "bbox": [1, 2, 3, 4]}
        for i in range(len(names))
    ]
    content = {"info": {}, "images": images, "annotations": annotations[1:]}
    return {k: v for k, v in {**content, **changes}.items() if v is not None}


def test_annotations(tmp_path: Path) -> None:
    read = _read(tmp_path, _annotations(["a_0.jpg", "a_1.jpg", "a_2.jpg"]))
    assert read.frames.tolist() == [1, 2]
    assert (read.width, read.height, read.num_frames) == (640, 480, 3)
    assert read.people.scores[:, 0].tolist() == [1, 0.5]
    np.testing.assert_array_equal(read.people.keypoints[0], _expected())


@pytest.mark.parametrize(
    ("names", "frames", "num_frames", "shift"),
    [
        (["a_1.jpg", "a_2.jpg", "a_3.jpg"], [1, 2], 3, " minus 1"),
        (["1.jpg", "31.jpg", "61.jpg"], [30, 60], 61, " minus 1"),
        (["40.jpg", "41.jpg", "42.jpg"], [41, 42], 43, ""),
        (["a.jpg", "b.jpg", "c.jpg"], [101, 102], 103, ""),  # by id
        (["a_1.jpg", "b_1.jpg", "c_1.jpg"], [101, 102], 103, ""),
        ([None, None, None], [101, 102], 103, ""),
    ],
)
def test_frames_of_annotated_images(
    names: list[Any], frames: list[int], num_frames: int, shift: str, tmp_path: Path
) -> None:
    read = _read(tmp_path, _annotations(names))
    assert (read.frames.tolist(), read.num_frames) == (frames, num_frames)
    assert read.provenance["frame_numbers"] == f"those of the file{shift}"


def test_annotated_keypoints_are_found_by_name(tmp_path: Path) -> None:
    names = list(reversed(COCO.joints))
    turned = np.array(_flat(2)).reshape(17, 3)[::-1].ravel().tolist()
    content = _annotations(["0.jpg", "1.jpg"], categories=[{"id": 1, "keypoints": names}])
    content["annotations"][0]["keypoints"] = turned
    np.testing.assert_array_equal(_read(tmp_path, content).people.keypoints[0], _expected())
    content["categories"][0]["keypoints"][0] = "tail"
    with pytest.raises(DataError, match=r"categories\[0\].keypoints: expected COCO's 17"):
        _read(tmp_path, content)


def test_boxes_without_keypoints_are_passed_over(tmp_path: Path) -> None:
    content = _annotations(["0.jpg", "1.jpg"])
    content["annotations"].append({"image_id": 100, "bbox": [1, 2, 3, 4]})
    assert _read(tmp_path, content).frames.tolist() == [1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "images missing"),
        ({"annotations": [_entry(image_id=7)]}, r"annotations\[0\].image_id: names none"),
        ({"annotations": [_entry(image_id=[])]}, r"annotations\[0\].image_id: names none"),
        ({"images": [{"id": []}]}, r"images\[0\].id: expected"),
        ({"images": [{"id": 1}, {"id": 1}]}, r"images\[1\].id: '1' is there twice"),
        ({"images": [{"id": "a"}]}, "images.id: expected a file name with a number"),
        ({"images": [{"id": "a1"}, {"id": "b1"}]}, "two have the same frame number"),
        ({"images": [7]}, r"images\[0\]: expected an object"),
        (
            {"images": [{"id": 100 + i, "width": 9 + i, "height": 9} for i in range(2)]},
            "images: of 2 sizes",
        ),
        ({"images": [{"id": 101, "width": "9", "height": 9}]}, "images.width: expected 1 to"),
    ],
)
def test_annotations_that_are_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        _read(tmp_path, _annotations(["0.jpg", "1.jpg"], **changes), "coco")


@pytest.mark.parametrize("format", ["coco", "alphapose"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": None}, r"\[1\]: image_id missing"),
        ({"image_id": "a.jpg"}, r"\[1\].image_id: expected a file name with a number"),
        ({"image_id": 1.5}, r"\[1\].image_id: expected a frame number or a file name"),
        ({"image_id": -3}, "got -3"),
        ({"keypoints": None}, r"\[1\]: keypoints missing"),
        ({"keypoints": "1 2 3"}, r"\[1\].keypoints: expected a list, got text"),
        ({"keypoints": [1.0] * 50}, r"\[1\].keypoints: expected 51 \(17 keypoints\).*, got 50"),
        ({"keypoints": [1.0] * 69}, "got 69"),
        ({"keypoints": ["1"] * 51}, r"\[1\].keypoints\[0\]: expected a number, got text"),
        ({"keypoints": [None] * 51}, r"\[1\].keypoints\[0\]: expected a number, got null"),
        ({"keypoints": [[1]] * 51}, "expected a number, got a list"),
        ({"keypoints": [True] * 51}, "got true or false"),
        ({"keypoints": [float("inf")] * 51}, "got infinity"),
        ({"keypoints": [10**400] * 51}, "got infinity"),
        ({"keypoints": [1e200] * 51}, "got infinity"),
        ({"score": "high"}, r"\[1\].score: expected a number, got text"),
        ({"score": float("nan")}, r"\[1\].score: expected a number, got NaN"),
    ],
)
def test_entries_that_are_refused(
    changes: dict[str, Any], message: str, format: str, tmp_path: Path
) -> None:
    entries = [_entry(), {k: v for k, v in {**_entry(), **changes}.items() if v is not None}]
    with pytest.raises(DataError, match=message) as caught:
        _read(tmp_path, entries, format)
    assert str(tmp_path / "file.json") in str(caught.value)
    assert f"read as {format}" in str(caught.value)


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, -3, 4], ["a"] * 4, 7, [1, 2, float("nan"), 3]])
def test_boxes_that_are_refused(box: Any, tmp_path: Path) -> None:
    for format, key in (("coco", "bbox"), ("alphapose", "box")):
        with pytest.raises(DataError, match=rf"\[0\].{key}"):
            _read(tmp_path, [_entry(**{key: box})], format)


def test_one_person_twice_in_a_frame(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="track_id 4 is twice in frame 3"):
        _read(tmp_path, [_entry(track_id=4), _entry(track_id=4)], "coco")
    entries = [_entry(idx=4), _entry(idx=4), _entry(image_id=5, idx=6)]
    with pytest.raises(DataError, match="track_id 4 is twice in frame 3"):
        _read(tmp_path, entries, "alphapose")


@pytest.mark.parametrize("count", [17, 26, 133, 136])
def test_alphapose_bodies(count: int, tmp_path: Path) -> None:
    scene = two_people()
    read = keypoints.read(alphapose(tmp_path, scene, count))
    for row, (_, someone) in enumerate(scene.rows()):
        np.testing.assert_allclose(read.people.keypoints[row], someone.keypoints, atol=1e-3)


def test_alphapose_bodies_are_of_one_kind(tmp_path: Path) -> None:
    entries = [_entry(idx=1), _entry(idx=2, keypoints=[1.0] * 78)]
    with pytest.raises(DataError, match="different numbers of keypoints"):
        _read(tmp_path, entries)


@pytest.mark.parametrize(
    ("scores", "becomes"), [([3.25, 0.65], [1, 0.2]), ([1, 0.5], [1, 0.5]), ([0, None], [0, 1])]
)
def test_alphapose_sums(scores: list[Any], becomes: list[float], tmp_path: Path) -> None:
    entries = [_entry(image_id=i, idx=1, score=score) for i, score in enumerate(scores)]
    read = _read(tmp_path, entries)
    np.testing.assert_allclose(read.people.box_scores, becomes, rtol=1e-6)
    assert ("box_scores" in read.provenance) == (max(s or 0 for s in scores) > 1)


@pytest.mark.parametrize(
    ("indices", "ids"),
    [
        ([3, 5, 3], [3, 5, 3]),
        ([3.0, 5.0, 3.0], [3, 5, 3]),
        ([[3], [[5.0]], [3]], [3, 5, 3]),
        ([0, 1, 0], [1, 2, 1]),
        ([0, 0, 0], None),  # not tracked
        ([7, None, 7], None),
    ],
)
def test_alphapose_ids(indices: list[Any], ids: list[int] | None, tmp_path: Path) -> None:
    frames = [0, 0, 1]
    read = _read(
        tmp_path,
        [_entry(image_id=f, idx=i) for f, i in zip(frames, indices, strict=True)],
        "alphapose",
    )
    assert (None if read.track_ids is None else read.track_ids.tolist()) == ids


def test_one_tracked_person_keeps_the_id(tmp_path: Path) -> None:
    read = _read(tmp_path, [_entry(image_id=i, idx=4) for i in range(3)])
    assert read.track_ids is not None
    assert read.track_ids.tolist() == [4, 4, 4]


@pytest.mark.parametrize("idx", ["1", 1.5, [], 1 << 40, {"a": 1}])
def test_alphapose_ids_that_are_refused(idx: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\[0\].idx: expected a "):
        _read(tmp_path, [_entry(idx=idx)])


@pytest.mark.parametrize("places", [BODY_25, COCO_18])
def test_openpose_bodies(places: list[int], tmp_path: Path) -> None:
    scene = two_people()
    read = keypoints.read(openpose(tmp_path, scene, places))
    for row, (_, someone) in enumerate(scene.rows()):
        np.testing.assert_allclose(read.people.keypoints[row], someone.keypoints, atol=1e-3)
    assert read.num_frames == 6
    assert read.provenance["frame_numbers"] == "those of the names"


def test_openpose_hashes_the_whole_folder(tmp_path: Path) -> None:
    path = openpose(tmp_path, two_people())
    first = keypoints.read(path).provenance["sha256"]
    last = sorted(path.iterdir())[-1]
    last.write_text('{"people": []}')
    second = keypoints.read(path).provenance["sha256"]
    last.rename(path / "video_000000000006_keypoints.json")
    assert len({first, second, keypoints.read(path).provenance["sha256"]}) == 3


@pytest.mark.parametrize(("first", "shift"), [(0, 0), (1, -1), (100, 100)])
def test_openpose_frames(first: int, shift: int, tmp_path: Path) -> None:
    """A folder from 1 counts from 1; one from 100 is a part of a video."""
    scene = two_people()
    read = keypoints.read(openpose(tmp_path, scene, first=first))
    start = first + (-1 if first == 1 else 0)
    assert read.frames.tolist() == [start + frame for frame, _ in scene.rows()]
    assert read.num_frames == start + 6


def test_one_openpose_file(tmp_path: Path) -> None:
    folder = openpose(tmp_path, two_people())
    read = keypoints.read(folder / "video_000000000002_keypoints.json")
    assert read.frames.tolist() == [2, 2]
    assert read.num_frames is None


def test_old_openpose_files(tmp_path: Path) -> None:
    read = _read(tmp_path, {"version": 0.1, "people": [{"pose_keypoints": [4.0, 5.0, 0.5] * 18}]})
    assert read.people.scores.tolist() == [[0.5] * 17]
    assert read.track_ids is None


def test_unknown_openpose_ids(tmp_path: Path) -> None:
    def people(*ids: Any) -> Any:
        return {"people": [{"person_id": i, "pose_keypoints_2d": [4, 5, 0.5] * 25} for i in ids]}

    assert _read(tmp_path, people([-1])).track_ids is None
    assert _read(tmp_path, people([3], [-1])).track_ids is None
    assert _read(tmp_path, people(None)).track_ids is None
    for ids in (([2], [1]), (2, 1)):
        read = _read(tmp_path, people(*ids))
        assert read.track_ids is not None
        assert read.track_ids.tolist() == [1, 2]


def test_several_openpose_videos_in_a_folder(tmp_path: Path) -> None:
    folder = openpose(tmp_path, two_people())
    for file in sorted(folder.iterdir())[:2]:
        (folder / file.name.replace("video", "other")).write_bytes(file.read_bytes())
    with pytest.raises(DataError, match="holds 2 videos; choose one of 'other', 'video'"):
        keypoints.read(folder)
    assert keypoints.read(folder, video="other.mp4").num_frames == 2
    assert keypoints.read(folder, video="video").num_frames == 6
    with pytest.raises(DataError, match="has no video 'third'"):
        keypoints.read(folder, video="third")


def test_openpose_names_of_numbers_alone(tmp_path: Path) -> None:
    folder = openpose(tmp_path, two_people())
    for file in list(folder.iterdir()):
        file.rename(folder / file.name.removeprefix("video_"))
    assert keypoints.read(folder, video="anything.mp4").num_frames == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"people": [{"pose_keypoints_2d": [1.0] * 45}]}, "MPI's, .* --model_pose BODY_25"),
        ({"people": [{"pose_keypoints_2d": [1.0] * 405}]}, "expected 75 .* or 54 .*, got 405"),
        ({"people": [{"pose_keypoints_2d": [0.5] * 75}]}, "--keypoint_scale 0"),
        ({"people": [{"pose_keypoints_2d": [-0.9, 0.2, 0.7] * 25}]}, "--keypoint_scale 0"),
        ({"people": [{"pose_keypoints_2d": ["5"] * 75}]}, r"people\[0\].pose_keypoints_2d\[0\]"),
        ({"people": [{"pose_keypoints_2d": None}]}, "expected a list, got null"),
        ({"people": [{}]}, r"people\[0\]: pose_keypoints_2d missing"),
        ({"people": [7]}, r"people\[0\]: expected an object"),
        ({"people": {}}, "people: expected a list, got an object"),
        (
            {"people": [{"person_id": [1, 2], "pose_keypoints_2d": [5.0] * 75}]},
            "person_id: expected one number",
        ),
        (
            {"people": [{"person_id": ["a"], "pose_keypoints_2d": [5.0] * 75}]},
            "person_id: expected a number",
        ),
        (
            {"people": [{"pose_keypoints_2d": [5.0] * n} for n in (75, 54)]},
            "different numbers of keypoints",
        ),
        (
            {"people": [{"person_id": [1], "pose_keypoints_2d": [5.0] * 75}] * 2},
            "track_id 1 is twice in frame 0",
        ),
    ],
)
def test_openpose_files_that_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        _read(tmp_path, content, "openpose")


def test_a_face_alone_is_nobody(tmp_path: Path) -> None:
    content = {"people": [{"pose_keypoints_2d": [], "face_keypoints_2d": [5.0] * 210}]}
    assert len(_read(tmp_path, content).people) == 0


def test_openpose_names_that_are_refused(tmp_path: Path) -> None:
    folder = openpose(tmp_path, two_people())
    (folder / "video_2_keypoints.json").write_text('{"people": []}')
    with pytest.raises(DataError, match="has the frame number of 'video_000000000002_keypoints"):
        keypoints.read(folder)
    (folder / "video_2_keypoints.json").rename(folder / "video_x_keypoints.json")
    with pytest.raises(DataError, match=r"'video_x_keypoints\.json': expected a frame number"):
        keypoints.read(folder)


def test_a_large_openpose_file_is_refused_unread(tmp_path: Path) -> None:
    folder = openpose(tmp_path, two_people())
    with (folder / "video_000000000002_keypoints.json").open("wb") as stream:
        stream.truncate((16 << 20) + 1)
    with pytest.raises(DataError, match=r"2_keypoints\.json: has 16 MiB of JSON"):
        keypoints.read(folder)


@pytest.mark.parametrize(("third", "score"), [(1, 0.5), (2, 1), (0.25, 0.25)])
def test_annotations_hold_flags_or_scores(third: float, score: float, tmp_path: Path) -> None:
    content = _annotations(["0.jpg", "1.jpg"])
    content["annotations"][0]["keypoints"] = _flat(third)
    assert (_read(tmp_path, content).people.scores == score).all()


def test_half_a_size_is_none(tmp_path: Path) -> None:
    content = _annotations(["0.jpg", "1.jpg"])
    for side, image in zip(("width", "height"), content["images"], strict=True):
        del image[side]
    assert (read := _read(tmp_path, content)).width is None
    assert read.height is None


def test_no_images_at_all(tmp_path: Path) -> None:
    read = _read(tmp_path, {"images": [], "annotations": []})
    assert (len(read.people), read.num_frames) == (0, 0)


def test_a_thin_box_is_one(tmp_path: Path) -> None:
    assert _read(tmp_path, [_entry(bbox=[1, 2, 0, 0.5])]).people.boxes.tolist() == [[1, 2, 1, 2.5]]


def test_a_result_list_without_people(tmp_path: Path) -> None:
    path = coco(tmp_path, keypoint_files.nobody())
    assert path.read_text() == "[]"
    assert len(keypoints.read(path).people) == 0


@pytest.mark.parametrize("format", ["coco", "alphapose"])
def test_pictures_of_one_number_are_not_one_frame(tmp_path: Path, format: str) -> None:
    entries = [_entry(image_id=f"frame{i}_cam2.jpg") for i in range(3)]
    with pytest.raises(DataError, match=r"'frame0_cam2.jpg' and 'frame1_cam2.jpg' both give"):
        _read(tmp_path, entries, format)
    assert len(_read(tmp_path, [_entry(image_id="7.jpg")] * 2, format).frames) == 2


def test_a_name_for_a_file_of_one_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([_entry()]))
    with pytest.raises(DataError, match=r"coco files hold one video; leave out the name 'x'"):
        keypoints.read(path, "coco", video="x")
