"""Folders of calibrated views: what they must hold, and who is compared."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.factories import make_track2d, make_track3d, make_video
from tests.unit.test_evaluate_run import OURS, seeded
from vp3d_cli import pipeline, skeletons
from vp3d_cli.errors import DataError, SkeletonMismatchError
from vp3d_cli.evaluate import calibration, views
from vp3d_cli.evaluate.calibration import View, read_views
from vp3d_cli.evaluate.views import boxes_around, evaluate_views
from vp3d_cli.options import Options
from vp3d_cli.types import Camera, Result

H36M = skeletons.get("h36m17")
CAMERAS: dict[str, Any] = {
    "cam01": {
        "size": [720, 1280],
        "matrix": [[1100.0, 0.0, 350.0], [0.0, 1110.0, 650.0], [0.0, 0.0, 1.0]],
        "distortions": [-0.1, 0.02, 0.0, 0.0, 0.003],
        "rotation": [1.2, -0.4, 0.3],
        "translation": [0.2, 0.1, 5.0],
    },
    "right": {
        "name": "cam02",
        "video": "other.mov",
        "size": [720, 1280],
        "matrix": [[900.0, 0.0, 360.0], [0.0, 900.0, 640.0], [0.0, 0.0, 1.0]],
        "rotation": [1.0, 0.8, -0.2],
        "translation": [-0.3, 0.2, 4.0],
    },
    "metadata": {"error": 0.3},
}
LIMBS = [name for name in H36M.joints if name.startswith(("left_", "right_"))]
WORLD = np.random.default_rng(0).normal(0, 0.3, (10, 12, 3))


def write_folder(folder: Path, cameras: Any = CAMERAS, **reference: Any) -> Path:
    """A folder of two views with empty videos; `reference` changes keys, None removes them."""
    folder.mkdir(exist_ok=True)
    (folder / "calibration.json").write_text(json.dumps(cameras))
    for name in ("cam01.mp4", "other.mov"):
        (folder / name).touch()
    arrays = {"joint_names": np.array(LIMBS), "joints": WORLD} | reference
    np.savez(folder / "reference.npz", **{k: a for k, a in arrays.items() if a is not None})
    return folder


def test_cameras_are_as_opencv_takes_them(tmp_path: Path) -> None:
    first, second = read_views(write_folder(tmp_path / "jump"))
    assert (first.camera.name, second.camera.name) == ("cam01", "cam02")
    assert (first.video.name, second.video.name) == ("cam01.mp4", "other.mov")
    assert (first.subject, first.action) == ("subject", "jump")
    for view, table in ((first, CAMERAS["cam01"]), (second, CAMERAS["right"])):
        rotation, translation = np.array(table["rotation"]), np.array(table["translation"])
        expected = Rotation.from_rotvec(rotation).apply(WORLD.reshape(-1, 3)) + translation
        np.testing.assert_allclose(view.joints.reshape(-1, 3), expected, atol=1e-9)
        lens = np.array(table.get("distortions", np.zeros(5)))
        matrix = np.array(table["matrix"])
        pixels, _ = cv2.projectPoints(WORLD.reshape(-1, 3), rotation, translation, matrix, lens)
        seen = view.camera.project(view.joints).reshape(-1, 2)
        np.testing.assert_allclose(seen, pixels[:, 0], atol=1e-6)
    np.testing.assert_array_equal(first.frames, np.arange(10))


def test_tangential_terms_go_the_right_way(tmp_path: Path) -> None:
    """Across the axis that a point lies on, VideoPose3D's lens and OpenCV's are the same."""
    level = {"rotation": [0.0, 0.0, 0.0], "translation": [0.0, 0.0, 0.0]}
    lens = [0.0, 0.0, 0.01, 0.03]
    points = np.zeros((2, 12, 3)) + np.array([0, 0, 2.0])
    points[0, :, 0] = points[1, :, 1] = np.linspace(-0.8, 0.8, 12)
    (view,) = read_views(
        write_folder(tmp_path / "v", _table(distortions=lens, **level), joints=points)
    )
    matrix = np.array(CAMERAS["cam01"]["matrix"])
    flat = points.reshape(-1, 3)
    expected = cv2.projectPoints(flat, np.zeros(3), np.zeros(3), matrix, np.array(lens))[0]
    seen, expected = view.camera.project(view.joints), expected.reshape(2, 12, 2)
    np.testing.assert_allclose(seen[0, :, 1], expected[0, :, 1], atol=1e-9)
    np.testing.assert_allclose(seen[1, :, 0], expected[1, :, 0], atol=1e-9)


def test_toml_is_read_the_same(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "views")
    before = read_views(folder)
    lines = []
    for name, table in CAMERAS.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    (folder / "calibration.toml").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"expected one of calibration\.toml and"):
        read_views(folder)
    (folder / "calibration.json").unlink()
    assert calibration.is_view_folder(folder)
    for one, other in zip(before, read_views(folder), strict=True):
        np.testing.assert_array_equal(one.joints, other.joints)
        np.testing.assert_array_equal(one.camera.radial, other.camera.radial)
    names = [path.name for path in calibration.files_of(folder, before)]
    assert names == ["calibration.toml", "reference.npz", "cam01.mp4", "other.mov"]


def test_joints_may_be_in_the_axes_of_each_camera(tmp_path: Path) -> None:
    near, far = WORLD + np.array([0, 0, 3]), WORLD + np.array([0, 0, 6])
    reference = {"joints": None, "joints_cam01": near, "joints_cam02": far}
    first, second = read_views(
        write_folder(
            tmp_path / "v",
            frame=np.arange(5, 15),
            subject=np.array("S2"),
            action=np.array("Jump 1"),
            **reference,
        )
    )
    np.testing.assert_array_equal(first.joints, near)
    np.testing.assert_array_equal(second.joints, far)
    assert (first.subject, first.action, first.frames[0]) == ("S2", "Jump 1", 5)


def _table(**changes: Any) -> Any:
    table = CAMERAS["cam01"] | changes
    return {"cam01": {key: value for key, value in table.items() if value is not None}}


@pytest.mark.parametrize(
    ("cameras", "reference", "sentence"),
    [
        ([1], {}, "calibration.json: expected a table for each camera"),
        ({"metadata": {}}, {}, "calibration.json: expected a table with a matrix"),
        (_table(matrix=[1, 2]), {}, "cam01.matrix: expected 3 x 3 numbers, got [1, 2]"),
        (_table(size=None), {}, "cam01.size: expected width and height, got nothing"),
        (_table(rotation="x"), {}, "cam01.rotation: expected 3 numbers, got x"),
        (_table(translation=[0, 0, None]), {}, "cam01.translation: expected 3 numbers"),
        (_table(distortions=[1.0]), {}, "cam01.distortions: expected k1 k2 p1 p2"),
        (_table(fisheye=True), {}, "cam01: a fisheye lens"),
        (_table(size=[0, 10]), {}, "cam01: expected a focal length and a size above 0"),
        (_table(video="gone.mp4"), {}, "cam01: its video is not there: expected one file"),
        (_table(translation=[0, 0, 5000.0]), {}, "5000 m in front of cam01"),
        (_table(translation=[0, 0, -5.0]), {}, "-5"),
        (CAMERAS, {"joint_names": None}, "reference.npz: joint_names: is missing"),
        (CAMERAS, {"joints": None}, "expected joints of one length, got none"),
        (CAMERAS, {"joints": WORLD[:, :5]}, "joints: expected (frames, 12, 3) floating"),
        (CAMERAS, {"joints": WORLD.astype(int)}, "got (10, 12, 3) of int64"),
        (CAMERAS, {"joints": WORLD[:0]}, "expected joints of one length, got [0]"),
        (CAMERAS, {"joints": np.full_like(WORLD, np.nan)}, "no joint is known for cam01"),
        (CAMERAS, {"joints_cam01": WORLD[:4]}, "expected joints of one length, got [4, 10]"),
        (CAMERAS, {"joint_names": np.array(["a"] * 12)}, "joint_names: expected every name once"),
        (CAMERAS, {"frame": np.arange(10) + 2**31 - 5}, "frame: expected 10 ascending"),
        (CAMERAS, {"frame": np.arange(10) - 1}, "frame: expected 10 ascending"),
        (CAMERAS, {"frame": np.arange(10) // 2}, "frame: expected 10 ascending"),
        (CAMERAS, {"frame": np.arange(4)}, "frame: expected 10 ascending whole numbers"),
        (CAMERAS, {"frame": np.arange(10)[::-1]}, "frame: expected 10 ascending"),
        (
            CAMERAS,
            {"joints": None, "joints_cam01": WORLD + np.array([0, 0, 3])},
            "expected the key joints, or joints_cam02 for cam02",
        ),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, cameras: Any, reference: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError, match=re.escape(sentence)):
        read_views(write_folder(tmp_path / "v", cameras, **reference))


def test_damaged_and_missing_files_are_said(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "v")
    (folder / "calibration.json").write_text("{")
    with pytest.raises(DataError, match=r"calibration\.json: cannot be read"):
        read_views(folder)
    (folder / "calibration.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"calibration\.json: cannot be read"):
        read_views(folder)
    (folder / "calibration.json").write_text(json.dumps(CAMERAS))
    (folder / "reference.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"reference\.npz: is not a readable"):
        read_views(folder)
    (folder / "reference.npz").unlink()
    with pytest.raises(DataError, match=r"reference\.npz: is missing"):
        read_views(folder)


def _view(tmp_path: Path) -> View:
    """Somebody with all joints of Human3.6M, seen by the first camera."""
    joints = np.random.default_rng(3).normal(0, 0.3, (10, 17, 3)) * [1, 1, 0.5]
    folder = write_folder(
        tmp_path / "v", {"cam01": CAMERAS["cam01"]}, joints=joints, joint_names=H36M.joints
    )
    return read_views(folder)[0]


def _result(view: View, frames: range, *, scale: float = 1.0) -> Result:
    """The person of a view after somebody else, who is there longer but elsewhere."""
    people2d, people3d = [], []
    limbs = [("left_hip", 11), ("right_hip", 12), ("left_shoulder", 5), ("right_shoulder", 6)]
    pixels = view.camera.project(view.joints)
    for track_id, span in ((1, range(len(view.frames))), (2, frames)):
        track2d = make_track2d(track_id, len(span), start=span.start)
        keypoints = np.full((len(span), 17, 2), np.nan, np.float32)
        for name, row in limbs:
            keypoints[:, row] = pixels[span.start : span.stop, H36M.index(name)]
        if track_id == 1:
            keypoints += 300
        track2d = dataclasses.replace(track2d, keypoints=keypoints)
        track3d = make_track3d(track2d)
        if track_id == 2:
            relative = view.joints - view.joints[:, :1]
            joints = scale * relative[span.start : span.stop]
            track3d = dataclasses.replace(track3d, joints=joints.astype(np.float32))
        people2d.append(track2d)
        people3d.append(track3d)
    return Result(
        make_video(),
        Camera(1000.0, "test"),
        tuple(people2d),
        tuple(people3d),
        {"detector": {"name": "seen"}},
    )


@pytest.fixture
def fake_estimate(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replace the pipeline; gives the options it was asked with."""

    def use(result: Result) -> list[Options]:
        asked: list[Options] = []

        def estimate(path: Path, options: Options, progress: Any = None) -> Result:
            asked.append(options)
            return result

        monkeypatch.setattr(pipeline, "estimate", estimate)
        monkeypatch.setattr(views, "probe", lambda path: make_video(path=path))
        return asked

    return use


def test_the_person_who_overlaps_is_measured(tmp_path: Path, fake_estimate: Any) -> None:
    view = _view(tmp_path)
    asked = fake_estimate(_result(view, range(2, 9)))
    evaluation = evaluate_views(seeded(OURS), [view], Options(lifter="x"))
    (clip,) = evaluation.clips
    assert clip.notes["track_id"] == 2
    assert (clip.errors.frames, clip.errors.reference_frames) == (7, 10)
    assert clip.errors.mpjpe_mm == pytest.approx(0, abs=1e-3)
    assert clip.errors.similarity_mm == pytest.approx(0, abs=1e-3)
    assert clip.errors.coverage == pytest.approx(70)
    assert asked[0].focal_px == pytest.approx(1105)
    assert evaluation.options["detector"] == "seen"
    assert evaluation.detector == {"name": "seen"}
    assert evaluation.from_video


def test_a_known_scale_is_a_known_error(tmp_path: Path, fake_estimate: Any) -> None:
    view = _view(tmp_path)
    fake_estimate(_result(view, range(10), scale=1.1))
    errors = evaluate_views(seeded(OURS), [view], Options()).clips[0].errors
    relative = view.joints - view.joints[:, :1]
    assert errors.mpjpe_mm == pytest.approx(
        100 * np.linalg.norm(relative, axis=-1).mean(), rel=1e-4
    )
    assert errors.n_mpjpe_mm == pytest.approx(0, abs=1e-3)
    assert errors.p_mpjpe_mm == pytest.approx(0, abs=1e-3)


def test_frame_numbers_line_the_reference_up(tmp_path: Path, fake_estimate: Any) -> None:
    """The reference begins three frames into the video."""
    view = _view(tmp_path)
    late = dataclasses.replace(view, frames=view.frames[3:] - 3, joints=view.joints[3:])
    fake_estimate(_result(late, range(7)))
    assert evaluate_views(seeded(OURS), [late], Options()).clips[0].errors.mpjpe_mm < 1e-3
    fake_estimate(_result(view, range(10)))
    some = dataclasses.replace(view, frames=view.frames[3:], joints=view.joints[3:])
    assert evaluate_views(seeded(OURS), [some], Options()).clips[0].errors.mpjpe_mm < 1e-3
    shifted = evaluate_views(seeded(OURS), [late], Options()).clips[0].errors
    assert shifted.frames == 7
    assert shifted.mpjpe_mm > 10


def test_nobody_there_is_no_coverage(
    tmp_path: Path, fake_estimate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    view = _view(tmp_path)
    result = _result(view, range(10))
    fake_estimate(dataclasses.replace(result, tracks2d=(), tracks3d=()))
    errors = evaluate_views(seeded(OURS), [view], Options()).clips[0].errors
    assert (errors.frames, errors.coverage) == (0, 0)
    elsewhere = dataclasses.replace(
        result, tracks2d=result.tracks2d[:1], tracks3d=result.tracks3d[:1]
    )
    elsewhere.tracks2d[0].keypoints[:] += 5000
    fake_estimate(elsewhere)
    assert evaluate_views(seeded(OURS), [view], Options()).clips[0].errors.frames == 0
    assert caplog.text.count("nobody found where the reference person is") == 2


def test_views_that_do_not_fit_are_refused_before_the_work(
    tmp_path: Path, fake_estimate: Any
) -> None:
    view = _view(tmp_path)
    asked = fake_estimate(_result(view, range(10)))
    small = dataclasses.replace(view, camera=dataclasses.replace(view.camera, width=640))
    with pytest.raises(DataError, match="720 x 1280 px upright, but the calibration of cam01"):
        evaluate_views(seeded(OURS), [view, small], Options())
    nose = dataclasses.replace(view.skeleton, name="reference", joints=H36M.joints[7:])
    with pytest.raises(SkeletonMismatchError, match="the data has reference"):
        evaluate_views(seeded(OURS), [dataclasses.replace(view, skeleton=nose)], Options())
    limbs = dataclasses.replace(view.skeleton, name="reference", joints=H36M.joints[::-1])
    with pytest.raises(DataError, match="different joints; evaluate them apart"):
        evaluate_views(seeded(OURS), [view, dataclasses.replace(view, skeleton=limbs)], Options())
    assert asked == []


def test_boxes_pass_over_what_is_not_known() -> None:
    points = np.array([[[1, 5], [4, 2], [np.nan, 99]], [[np.nan] * 2] * 3])
    boxes = boxes_around(points)
    np.testing.assert_array_equal(boxes[0], [1, 2, 4, 5])
    assert np.isnan(boxes[1]).all()
