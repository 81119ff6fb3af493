"""Readers of data sets: the reference's rules, projection, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.dataset_files import (
    FIGURE,
    camera,
    cameras_file,
    human36m,
    humaneva15,
    mocap,
    project,
    save_2d,
    save_3d,
    spread32,
    vp3d,
    vp3d_arrays,
    walk,
)
from vp3d_cli import datasets
from vp3d_cli.datasets import DatasetCamera
from vp3d_cli.errors import DataError, SkeletonMismatchError


def _close(keypoints: Any, expected: Any) -> None:
    np.testing.assert_allclose(keypoints, expected, atol=2e-3)


def test_human36m_as_the_paper_reads_it(tmp_path: Path) -> None:
    sequences = datasets.read(human36m(tmp_path))
    assert len(sequences) == 16
    assert {s.action for s in sequences} == {"Walking 1", "Photo"}
    assert {s.fps for s in sequences} == {50}
    first = sequences[1]
    assert first.name == "S1 Walking 1, 54138961"
    assert (first.width, first.height) == (1000, 1002)
    assert first.keypoints is not None
    assert first.joints is not None
    assert len(first) == len(first.joints) == 60  # the 2D goes on for three frames
    entry = camera(1)
    _close(first.keypoints, project(entry, walk(60)))
    expected = (walk(60) - entry["position"]) @ np.array(entry["rotation"]).T
    np.testing.assert_allclose(first.joints, expected, atol=1e-5)


def test_without_2d_the_joints_are_projected(tmp_path: Path) -> None:
    joints, _, cameras = human36m(tmp_path)
    for number, sequence in enumerate(datasets.read([joints, cameras], subjects=["S1"])):
        if sequence.action == "Walking 1":
            assert sequence.skeleton_in is not None
            assert sequence.skeleton_in.name == "h36m17"
            _close(sequence.keypoints, project(camera(number), walk(60)))


def test_the_damaged_sequence_and_second_names(tmp_path: Path) -> None:
    take = spread32(walk(40))
    names = ["Directions", "Directions 1", "WalkingDog 1", "WalkDog", "TakingPhoto 2"]
    positions = {subject: dict.fromkeys(names, take) for subject in ("S9", "S11")}
    paths = [save_3d(tmp_path / "data_3d_h36m.npz", positions), cameras_file(tmp_path, positions)]
    sequences = datasets.read(paths)
    expected = {"Directions 1", "WalkDog 1", "WalkDog", "Photo 2"}
    assert {s.action for s in sequences if s.subject == "S11"} == expected
    assert {s.action for s in sequences if s.subject == "S9"} == {"Directions", *expected}


def test_2d_of_other_subjects_is_unlabelled(tmp_path: Path) -> None:
    paths = human36m(tmp_path, ["S1", "S5"])
    save_3d(paths[0], {"S1": {"Walking 1": spread32(walk(60)), "Photo": spread32(walk(45))}})
    unlabelled = [s for s in datasets.read(paths) if s.joints is None]
    assert {s.subject for s in unlabelled} == {"S5"}
    assert {len(s) for s in unlabelled} == {63, 48}


def test_scores_in_a_third_column(tmp_path: Path) -> None:
    points = project(camera(0), walk(60))
    seen = np.concatenate([points, np.full((60, 17, 1), 0.5)], -1)
    save_3d(tmp_path / "data_3d_h36m.npz", {"S1": {"Walking": spread32(walk(60))}})
    save_2d(tmp_path / "data_2d_h36m_x.npz", {"S1": {"Walking": [seen]}}, "coco")
    cameras_file(tmp_path, ["S1"], 1)
    (sequence,) = datasets.read([tmp_path])
    assert sequence.skeleton_in is not None
    assert sequence.skeleton_in.name == "coco17"
    assert sequence.scores is not None
    assert (sequence.scores == 0.5).all()
    np.testing.assert_array_equal(sequence.keypoints, points)


def test_humaneva(tmp_path: Path) -> None:
    sequences = datasets.read(humaneva15(tmp_path), subjects=["Validate/S1"])
    assert len(sequences) == 6
    assert {s.action for s in sequences} == {"Walking 1 chunk0", "Walking 1 chunk2"}
    assert {s.fps for s in sequences} == {60}
    assert {s.skeleton_out.name for s in sequences if s.skeleton_out} == {"humaneva15"}


def test_mocap_stays_in_the_world(tmp_path: Path) -> None:
    sequences = datasets.read(mocap(tmp_path))
    assert [s.subject for s in sequences] == ["1", "5", "unknown"]
    assert {(s.space, s.camera, s.keypoints is None) for s in sequences} == {("world", None, True)}
    np.testing.assert_allclose(sequences[0].joints, walk(60), atol=6e-4)


def test_every_camera_saw_joints_of_the_world(tmp_path: Path) -> None:
    sequences = datasets.read(vp3d(tmp_path))
    assert [s.name for s in sequences] == [
        "anna Walking 1, 54138960",
        "anna Walking 1, 54138961",
        "bert Walking 2, 54138960",
        "bert Walking 2, 54138961",
    ]
    _close(sequences[3].keypoints, project(camera(1), walk(40, seed=1)))


def test_the_least_that_anybody_must_write(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "least.npz",
        sequence_start=[0, 60],
        subject="me",
        action="walk",
        fps=29.97,
        keypoints_2d=project(camera(0), walk(60)),
        width=1000,
        height=1002,
    )
    (sequence,) = datasets.read([tmp_path / "least.npz"])
    assert (sequence.name, sequence.fps, sequence.joints) == ("me walk", 29.97, None)
    assert sequence.skeleton_in is not None
    assert sequence.skeleton_in.name == "coco17"


def test_labelled_and_unlabelled_in_one_file(tmp_path: Path) -> None:
    labelled = datasets.read(vp3d(tmp_path))[0]
    points = np.full((30, 17, 2), 7, np.float32)
    unlabelled = datasets.Sequence(
        "carl", "Walking", None, 25, 640, 480, labelled.skeleton_in, points
    )
    datasets.write([unlabelled, labelled], tmp_path / "both.npz")
    a, b = datasets.read([tmp_path / "both.npz"])
    assert (a.joints, a.scores, a.camera, a.width) == (None, None, None, 640)
    np.testing.assert_array_equal(a.keypoints, points)
    np.testing.assert_array_equal(b.joints, labelled.joints)


def test_joints_that_a_camera_saw_are_in_its_axes(tmp_path: Path) -> None:
    seen = datasets.read(vp3d(tmp_path))[0]
    with pytest.raises(ValueError, match="joints that a camera saw are in camera axes"):
        dataclasses.replace(seen, space="world")
    with pytest.raises(ValueError, match="space: expected camera or world, got 'room'"):
        dataclasses.replace(seen, space="room")


def test_one_skeleton_a_file(tmp_path: Path) -> None:
    (tmp_path / "h").mkdir()
    both = [*datasets.read(vp3d(tmp_path)), *datasets.read(humaneva15(tmp_path / "h"))]
    with pytest.raises(SkeletonMismatchError, match="one 2D skeleton a file, got h36m17 and hum"):
        datasets.write(both, tmp_path / "both.npz")
    with pytest.raises(DataError, match="no sequence to write"):
        datasets.write([], tmp_path / "none.npz")
    assert not list(tmp_path.glob("*o*.npz"))


def test_radial_distortion_is_that_of_opencv() -> None:
    entry = camera(0, tangential=[0, 0])
    known = {k: np.array(entry[k], float) for k in ("focal", "centre", "radial", "tangential")}
    ours = DatasetCamera("c", 1000, 1002, **known)
    points = np.random.default_rng(0).uniform([-1, -1, 3], [1, 1, 6], (50, 3))
    matrix = np.diag([*entry["focal"], 1.0])
    matrix[:2, 2] = entry["centre"]
    k1, k2, k3 = entry["radial"]
    theirs, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, (k1, k2, 0, 0, k3))
    np.testing.assert_allclose(ours.project(points), theirs[:, 0], atol=1e-9)
    assert np.isnan(ours.project(np.array([[0.1, 0.1, 0], [0.1, 0.1, -3]]))).all()


ROUND = np.array(camera(0)["rotation"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"subject": None}, "subject: missing; got"),
        ({"joints_3d": None}, "joints_3d or keypoints_2d: missing"),
        ({"space": None}, "space: missing"),
        ({"camera_focal": None}, "camera_focal: missing"),
        ({"space": np.array("room")}, "space: expected camera or world, got 'room'"),
        ({"skeleton_3d": np.array("smpl")}, "skeleton_3d: skeletons has no 'smpl'"),
        ({"joints_3d": np.zeros((100, 16, 3))}, r"joints_3d: expected shape \(100, 17, 3\), got"),
        ({"joints_3d": np.zeros((99, 17, 3))}, r"joints_3d: expected shape \(100, 17, 3\), got"),
        ({"joints_3d": np.full((100, 17, 3), "x")}, "joints_3d: expected numbers, got <U1"),
        ({"sequence_start": np.array([0, 100])}, r"subject: expected shape \(1,\), got \(2,\)"),
        ({"sequence_start": np.array([0, 0, 100])}, "sequence_start: expected ascending"),
        ({"sequence_start": np.array([5, 60, 100])}, "sequence_start: expected ascending"),
        ({"sequence_start": np.array(100)}, "sequence_start: expected the start of each"),
        ({"sequence_start": np.array([], int)}, "sequence_start: expected the start of each"),
        ({"sequence_start": np.array([0, -1])}, "expected shape"),
        ({"fps": np.array([50, 0])}, r"fps: expected numbers above 0, got \[0\]"),
        ({"fps": np.array(np.nan)}, r"fps: expected numbers above 0, got \[nan\]"),
        ({"camera": np.array([0, 2])}, "camera: expected an index of the 2 cameras or -1, got 2"),
        ({"camera_position": np.full((2, 3), 4000.0)}, "'54138960': position: .*millimetres"),
        ({"camera_focal": np.full((2, 2), 2.2)}, "focal: expected pixels, got .*normalised"),
        ({"camera_focal": np.full((2, 2), np.nan)}, "camera '54138960': expected finite"),
        ({"camera_rotation": np.zeros((2, 3, 3))}, "rotation: expected an orthonormal matrix"),
        ({"camera_rotation": np.stack([ROUND * -1] * 2)}, "rotation: mirrors"),
        ({"camera_rotation": None}, "'54138960': expected finite numbers"),
        ({"camera_size": np.array([[0, 9], [9, 9]])}, "camera_size: expected pixels, got 0 x 9"),
        ({"camera_rotation": None, "camera_position": None}, "its place in the world is not known"),
        ({"space": np.array("camera")}, "camera: missing; it says which of 2 cameras"),
        (
            {"keypoints_2d": np.ones((100, 17, 2)), "camera": np.array(-1)},
            r"sequence 0 \(anna Walking 1\): camera: missing; joints_3d are in the world",
        ),
        (
            {"joints_3d": np.full((100, 17, 3), np.nan)},
            r"sequence 0 \(anna Walking 1\): joints_3d, keypoints_2d: all NaN in frames 0:60",
        ),
        (
            {"joints_3d": None, "keypoints_2d": np.ones((100, 17, 2)), "camera": np.array(-1)},
            "width, height: missing",
        ),
        ({"schema": np.array("vp3d.dataset/9")}, "schema: expected vp3d.dataset/1, got"),
    ],
)
def test_our_own_files_that_are_refused(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(DataError, match=rf"mine\.npz: .*({words})"):
        datasets.read(vp3d(tmp_path, **changes))


def _edit_cameras(tmp_path: Path, **changes: Any) -> None:
    cameras_file(tmp_path, ["S1", "S9"], **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"focal": [1, 2, 3]}, r"S1\[0\]: focal: expected numbers of shape \(2,\), got \[1, 2, 3"),
        ({"focal": "wide"}, r"S1\[0\]: focal: expected numbers of shape \(2,\), got 'wide'"),
        ({"focal": [float("nan"), 1]}, r"S1\[0\]: focal: expected numbers"),
        ({"width": 1000.5}, r"S1\[0\]: width: expected whole pixels, got 1000.5"),
        ({"centre": None}, r"S1\[0\]: centre: is missing"),
        ({"position": None}, r"S1\[0\]: position: is missing"),
        (
            {"position": [1841.1, 4955.2, 1563.4]},
            r"S1\[0\]: position: expected metres, got .*millimetres",
        ),
        ({"rotation": [[0, 0, 0]] * 3}, r"S1\[0\]: rotation: expected an orthonormal matrix"),
        ({"translation": [0, 0, 0]}, r"S1\[0\]: expected some of centre, .*, got 'translation'"),
        ({"position": None, "rotation": None}, "S1: rotation and position are missing"),
        ({"count": 3}, "S1: expected 4 cameras, as many as .*dbb.npz has, got 3"),
    ],
)
def test_camera_files_that_are_refused(tmp_path: Path, changes: dict, words: str) -> None:
    paths = human36m(tmp_path)
    _edit_cameras(tmp_path, **changes)
    with pytest.raises(DataError, match=rf"cameras\.json: {words}"):
        datasets.read(paths)


def test_cameras_that_are_missing(tmp_path: Path) -> None:
    joints, points, cameras = human36m(tmp_path)
    with pytest.raises(DataError, match=r"data_3d_h36m.npz: its cameras are missing; give a JSON"):
        datasets.read([joints, points])
    cameras.write_text(json.dumps({"S1": [camera(i) for i in range(4)]}))
    with pytest.raises(DataError, match=r"cameras.json: expected cameras of 'S9', got .*'S1'"):
        datasets.read([joints, points, cameras])
    assert datasets.read([joints, points, cameras], subjects=["S1"])
    cameras.write_text("[1, 2]")
    with pytest.raises(DataError, match=r"cameras.json: expected an object of lists"):
        datasets.read([joints, points, cameras])
    with pytest.raises(DataError, match=r"cameras.json: goes with a data set"):
        datasets.read([*vp3d(tmp_path), cameras])


@pytest.mark.parametrize(
    ("joints", "words"),
    [
        (walk(60), r"positions_3d\['S1'\]\['Walking'\]: expected shape \(T, 32, 3\), got \(60, 17"),
        ("text", r"positions_3d\['S1'\]\['Walking'\]: expected an array of numbers"),
        (np.full((60, 32, 3), np.nan), r"not finite: .*got NaN or infinity in 60 of 60 frames"),
        (1000 * spread32(walk(60)), "taken for metres: millimetres: .*got 1[5-9]"),
        (spread32(walk(70)), "data_2d_h36m_x.npz.*expected 70 frames, as the 3D has, got 60"),
    ],
)
def test_3d_that_is_refused(tmp_path: Path, joints: Any, words: str) -> None:
    save_3d(tmp_path / "data_3d_h36m.npz", {"S1": {"Walking": joints}})
    save_2d(tmp_path / "data_2d_h36m_x.npz", {"S1": {"Walking": [project(camera(0), walk(60))]}})
    cameras_file(tmp_path, ["S1"], 1)
    with pytest.raises(DataError, match=words):
        datasets.read([tmp_path])


@pytest.mark.parametrize(
    ("positions", "layout", "changes", "words"),
    [
        (
            {"S1": {"Walking": [np.ones((60, 16, 2))]}},
            "h36m",
            {},
            r"'Walking'\]\[0\]: .*\(T, 17, 2",
        ),
        ({"S1": {"Walking": [np.ones((60, 17, 4))]}}, "h36m", {}, r"expected shape \(T, 17, 2\)"),
        ({"S1": {"Walking": "text"}}, "h36m", {}, "expected a list of arrays, one a camera"),
        ({"S1": {"Sitting": [np.ones((60, 17, 2))]}}, "h36m", {}, "positions_2d: lacks what .*Wal"),
        ({"S1": [1]}, "h36m", {}, "positions_2d: expected dictionaries by subject"),
        ({"S1": {}}, "mpii", {}, "layout_name: expected coco, h36m, humaneva15, got 'mpii'"),
        ({"S1": {}}, "h36m", {"num_joints": 16}, "num_joints: expected 17 for h36m, got 16"),
        (
            {"S1": {}},
            "h36m",
            {"keypoints_symmetry": [[1], [2]]},
            "keypoints_symmetry: is not that of h36m",
        ),
    ],
)
def test_2d_that_is_refused(
    tmp_path: Path, positions: Any, layout: str, changes: dict, words: str
) -> None:
    save_3d(tmp_path / "data_3d_h36m.npz", {"S1": {"Walking": spread32(walk(60))}})
    save_2d(tmp_path / "data_2d_h36m_x.npz", positions, layout, **changes)
    cameras_file(tmp_path, ["S1"], 1)
    with pytest.raises(DataError, match=rf"data_2d_h36m_x\.npz: .*{words}"):
        datasets.read([tmp_path])


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    joints, points, cameras = human36m(tmp_path)
    again = tmp_path / "data_2d_h36m_gt.npz"
    again.write_bytes(points.read_bytes())
    with pytest.raises(DataError, match=r"gt.npz: positions_2d: .*dbb.npz has it too"):
        datasets.read([joints, points, again, cameras])
    other = joints.rename(tmp_path / "mine.npz")
    with pytest.raises(DataError, match=r"mine.npz: is no known data set.*an archive of 'pos"):
        datasets.read([other, cameras])
    assert datasets.read([other, cameras], "human36m")
    with pytest.raises(DataError, match="nowhere: does not exist"):
        datasets.read([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataError, match=r"empty: expected files of a data set in this folder, got none"
    ):
        datasets.read([tmp_path / "empty"])
    with pytest.raises(DataError, match="format 'fbx': there is none; expected auto"):
        datasets.read([joints], "fbx")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fps": None}, "fps: is missing"),
        ({"fps": np.float64(0)}, r"fps: expected one number above 0, got 0\.0"),
        ({"clip_start": np.array([0, 60, 130])}, r"clip_start: expected \(4,\), got \(3,\)"),
        ({"clip_start": np.array([0, 60, 60, 130])}, "clip_start: expected ascending frames"),
        ({"joints_mm": np.zeros((130, 16, 3))}, r"joints_mm: expected \(F, 17 or more, 3\), got"),
        ({"clip_name": np.array([1, 2, 3])}, "clip_name: expected text, got int64"),
    ],
)
def test_mocap_that_is_refused(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(DataError, match=rf"clips\.npz: {words}"):
        datasets.read(mocap(tmp_path, **changes))


def test_a_table_of_subjects_that_is_refused(tmp_path: Path) -> None:
    paths = mocap(tmp_path)
    paths[1].write_text("clip,subject\n01_02,1\n")
    with pytest.raises(DataError, match=r"split.csv: expected the columns file, clip, subject"):
        datasets.read(paths)


def test_the_layout_is_all_in_the_description() -> None:
    from vp3d_cli.datasets.formats import vp3d as format

    described = set(re.findall(r"`(\w+)`", format.__doc__ or ""))
    assert set(format._LAYOUT) <= described
    assert set(vp3d_arrays()) <= set(format._LAYOUT)
    assert FIGURE.shape == (17, 3)
