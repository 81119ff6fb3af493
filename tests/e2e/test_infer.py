"""`vp3d infer` and `vp3d render` on the example clip, with the real networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import vp3d_cli
from tests.e2e.conftest import DEMO, Ran
from vp3d_cli.video import VideoReader, probe

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def pose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 1.2 s of the example through Python, as a script would do it."""
    from vp3d_cli.export import npz

    path = tmp_path_factory.mktemp("pose") / "pose.npz"
    npz.write(vp3d_cli.estimate(DEMO, vp3d_cli.Options(end_s=1.2)), path)
    return path


def test_infer_writes_poses_json_and_video(vp3d: Run, tmp_path: Path, pose: Path) -> None:
    ran = vp3d("infer", DEMO, "--out", "a.npz", "--json", "--render", "a.mp4", "--end", "1.2")
    assert ran.code == 0, ran.err
    assert ran.out.split() == ["a.npz", "a.json", "a.mp4"]
    assert "detector movenet (auto" in ran.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.mp4", "a.npz"]
    # The command and the function are the same job, and it is reproducible to the byte.
    assert Path("a.npz").read_bytes() == pose.read_bytes()
    data = json.loads(Path("a.json").read_text())
    assert data["tracks"]
    assert probe(Path("a.mp4")).duration_s == pytest.approx(1.2, abs=0.05)


def test_the_man_on_the_roof_is_found_upright_and_unmirrored(pose: Path) -> None:
    result = vp3d_cli.load_result(pose)
    track2d, track3d = result.tracks2d[0], result.tracks3d[0]
    assert track2d.observed.mean() > 0.9
    assert len(track2d) == 36
    joints = {name: track3d.joints[:, i] for i, name in enumerate(track3d.skeleton.joints)}
    y = {name: at[:, 1].mean() for name, at in joints.items()}
    assert y["head"] < y["thorax"] < y["left_knee"] < y["left_foot"]  # y points down
    # He faces the camera: his left is on the right of the picture, his face nearer than his back.
    assert joints["left_shoulder"][:, 0].mean() > joints["right_shoulder"][:, 0].mean() + 0.15
    thighs = np.linalg.norm(joints["left_knee"] - joints["left_hip"], axis=-1)
    assert 0.25 < thighs.mean() < 0.6
    assert np.all(joints["hip"] == 0)


def test_render_from_the_pose_file(vp3d: Run, pose: Path) -> None:
    assert vp3d("render", pose, "--video", DEMO, "-o", "with.mp4").code == 0
    assert vp3d("render", pose, "-o", "without.mp4", "--height", "240").code == 0
    for name in ("with.mp4", "without.mp4"):
        with VideoReader(Path(name)) as reader:
            assert sum(1 for _ in reader) == 36


def test_precomputed_keypoints_lift_to_the_same_joints(vp3d: Run, pose: Path) -> None:
    ran = vp3d(
        "infer", DEMO, "--detector", "precomputed", "--keypoints", pose, "-o", "b.npz",
        "--end", "1.2",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    with np.load("b.npz") as again, np.load(pose) as first:
        np.testing.assert_allclose(again["joints_3d"], first["joints_3d"], atol=1e-3)


def test_part_of_a_video_keeps_frame_numbers_and_times(vp3d: Run) -> None:
    ran = vp3d("infer", DEMO, "-o", "c.npz", "--start", "0:00.5", "--end", "0.8")
    assert ran.code == 0, ran.err
    with np.load("c.npz") as data:
        assert data["frame"][0] == 15
        assert data["time_s"][0] == pytest.approx(0.5, abs=1e-3)
        assert data["frame"][-1] == 23


def test_one_person_can_be_chosen(vp3d: Run) -> None:
    ran = vp3d("infer", DEMO, "-o", "d.npz", "--end", "0.3", "--person", "7", "-q")
    assert ran.code == 6
    assert "person '7' does not exist" in ran.err
    assert vp3d("infer", DEMO, "-o", "d.npz", "--end", "0.3", "--person", "largest").code == 0
    with np.load("d.npz") as data:
        assert set(data["track_id"]) == {1}


def test_quiet_means_only_paths(vp3d: Run) -> None:
    ran = vp3d("infer", DEMO, "-o", "e.npz", "--end", "0.1", "-q")
    assert (ran.code, ran.out, ran.err) == (0, "e.npz\n", "")
