"""`vp3d evaluate` as a person uses it: data sets in the exact layouts, and video."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vp3d_cli
from tests import dataset_files, videopose3d_files
from tests.e2e.conftest import DEMO, Ran
from vp3d_cli import datasets
from vp3d_cli.evaluate.metrics import mpjpe
from vp3d_cli.types import Camera, Track2D, VideoInfo
from vp3d_cli.video import VideoReader, VideoWriter

Run = Callable[..., Ran]
ACTIONS = ("Photo", "Walking")


@pytest.fixture
def lifter(vp3d: Run) -> Path:
    """A seeded checkpoint in VideoPose3D's layout, in the empty folder of `vp3d`."""
    path = Path("seeded.bin")
    path.write_bytes(videopose3d_files.blob())
    return path


def _h36m(*subjects: str) -> list[object]:
    files = dataset_files.human36m(Path(), subjects or ("S9", "S11"))
    return [word for path in files for word in ("--data", path)]


SAID = ("--skeleton-in", "h36m17", "--symmetric")


def _by_hand(files: list[Path], lifter: Path) -> dict[str, dict[str, float]]:
    """MPJPE (mm) by subject and action, from the lifter and the formula alone."""
    loaded = vp3d_cli.load_lifter(str(lifter), skeleton_in="h36m17", causal=False)
    found: dict[str, dict[str, list[float]]] = {}
    for sequence in datasets.read(files):
        assert sequence.keypoints is not None
        assert sequence.joints is not None
        assert sequence.skeleton_in is not None
        length = len(sequence)
        track = Track2D(
            1,
            np.arange(length, dtype=np.int32),
            np.arange(length) / 50,
            np.zeros((length, 4), np.float32),
            sequence.keypoints,
            np.ones((length, 17), np.float32),
            np.ones(length, bool),
            sequence.skeleton_in,
        )
        video = VideoInfo(Path(), sequence.width, sequence.height, Fraction(50))
        (pose,) = loaded.lift([track], video, Camera(1000, ""), zero_root=False)
        errors = mpjpe(pose.joints, sequence.joints - sequence.joints[:, :1])
        actions = found.setdefault(sequence.subject, {})
        actions.setdefault(sequence.action.split()[0], []).extend(1000 * errors)
    return {s: {a: float(np.mean(e)) for a, e in of.items()} for s, of in found.items()}


def test_human36m_with_everything_written(vp3d: Run, lifter: Path) -> None:
    ran = vp3d(
        *("evaluate", lifter, *SAID, *_h36m(), "--by-subject", "--out", "r.json"),
        *("--markdown", "r.md", "--plots", "plots"),
    )
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-4:] == ["r.json", "r.md", "plots/joints.png", "plots/actions.png"]
    assert all(len(line) <= 80 for line in ran.out.splitlines())
    content = json.loads(Path("r.json").read_text())
    expected = _by_hand(list(map(Path, _h36m()[1::2])), lifter)  # type: ignore[arg-type]
    for subject, actions in expected.items():
        measured = content["subjects"][subject]
        for action, value in actions.items():
            assert measured["actions"][action]["mpjpe_mm"] == pytest.approx(value, rel=1e-5)
        assert measured["mean"]["mpjpe_mm"] == pytest.approx(np.mean(list(actions.values())))
    assert f"{content['mean']['mpjpe_mm']:.1f}" in ran.out
    assert sorted(content["actions"]) == sorted(ACTIONS)
    assert len(content["clips"]) == 2 * 2 * 4
    assert [file["name"] for file in content["data"]] == [
        "data_3d_h36m.npz",
        "data_2d_h36m_cpn_ft_h36m_dbb.npz",
        "cameras.json",
    ]
    assert len(content["lifter"]["sha256"]) == 64
    assert content["options"]["flip"] is True
    assert sorted(p.name for p in Path("plots").iterdir()) == ["actions.png", "joints.png"]
    assert "frames/s" in ran.err
    assert "frames/s" not in ran.out + Path("r.json").read_text() + Path("r.md").read_text()
    assert "published figures, not measured here" in Path("r.md").read_text()
    assert "Subject S11" in ran.out
    assert "55.1" in ran.out  # the paper's Photo
    assert content["published"]["mpjpe_mm"]["Photo"] == 55.1


def test_equal_runs_are_equal_and_flip_matters(vp3d: Run, lifter: Path) -> None:
    data = _h36m("S1")
    for name, more in (("a", []), ("b", []), ("c", ["--no-flip"])):
        ran = vp3d("evaluate", lifter, *SAID, *data, "-q", "--out", f"{name}.json", *more)
        assert ran.code == 0, ran.err
        assert ran.err == ""
        assert "Subject" not in ran.out
        assert "paper" not in ran.out
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()
    with_flip, without = (json.loads(Path(f"{n}.json").read_text()) for n in "ac")
    assert without["options"]["flip"] is False
    assert without["mean"]["mpjpe_mm"] != with_flip["mean"]["mpjpe_mm"]
    assert "published" not in with_flip


def test_only_some_subjects_and_actions(vp3d: Run, lifter: Path) -> None:
    more = ["--subjects", "S11, S9", "--actions", "Walking", "--out", "r.json"]
    ran = vp3d("evaluate", lifter, *SAID, *_h36m("S1", "S9", "S11"), *more)
    assert ran.code == 0, ran.err
    content = json.loads(Path("r.json").read_text())
    assert {clip["subject"] for clip in content["clips"]} == {"S9", "S11"}
    assert list(content["actions"]) == ["Walking"]
    assert content["options"]["subjects"] == ["S11", "S9"]
    assert content["options"]["actions"] == ["Walking"]


def test_our_own_layout_and_the_bundled_lifter(vp3d: Run) -> None:
    """COCO keypoints, another skeleton of joints: the limbs are compared."""
    rng = np.random.default_rng(0)
    np.savez(
        "mine.npz",
        sequence_start=np.array([0, 30]),
        subject=np.array("anna"),
        action=np.array("Jump"),
        fps=np.array(30.0),
        joints_3d=(rng.normal(0, 0.3, (30, 15, 3)) + np.array([0, 0, 4])).astype(np.float32),
        skeleton_3d=np.array("humaneva15"),
        space=np.array("camera"),
        keypoints_2d=rng.uniform(200, 400, (30, 17, 2)).astype(np.float32),
        width=np.array(640),
        height=np.array(480),
    )
    ran = vp3d("evaluate", "bundled", "--data", "mine.npz", "--out", "r.json")
    assert ran.code == 0, ran.err
    content = json.loads(Path("r.json").read_text())
    assert len(content["joints"]) == 12
    assert content["options"]["root"] == "at zero"
    assert content["lifter"]["name"] == "bundled"


def test_humaneva_with_a_lifter_of_its_own(vp3d: Run) -> None:
    import torch

    from vp3d_cli.lift.model import TemporalModel

    torch.manual_seed(0)
    network = TemporalModel(videopose3d_files.SMALL, 15, 15).state_dict()
    Path("eva.bin").write_bytes(videopose3d_files.blob(model_pos=network))
    data = [word for path in dataset_files.humaneva15(Path()) for word in ("--data", path)]
    said = ("--skeleton-in", "humaneva15", "--symmetric", "--subjects", "Validate/S1")
    ran = vp3d("evaluate", "eva.bin", *data, *said, "--by-subject", "--out", "r.json")
    assert ran.code == 0, ran.err
    content = json.loads(Path("r.json").read_text())
    assert len(content["joints"]) == 15
    assert list(content["actions"]) == ["Walking"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["nothing.bin", "--data", "data_3d_h36m.npz"], 4, "neither a file nor one of"),
        (["seeded.bin", "--data", "gone.npz"], 2, "does not exist"),
        (["seeded.bin"], 2, "Missing option '--data'"),
        (["seeded.bin", "--data", "seeded.bin"], 6, "seeded.bin: is no known data set"),
        (["seeded.bin", "--data", "H36M", "--subjects", "S7"], 6, "got 'S7'"),
        (["seeded.bin", "--data", "H36M", "--actions", ","], 2, "names divided by commas"),
        (["seeded.bin", "--data", "H36M", "--format", "odd"], 2, "'odd' is not one of"),
        (["seeded.bin", "--data", "H36M", "--device", "abacus"], 5, "device 'abacus'"),
        (["seeded.bin", "--data", "H36M", "--detector", "movenet"], 2, "leave out --detector"),
        (["seeded.bin", "--data", "H36M", "--out", "no/r.json"], 7, "does not exist"),
        (["seeded.bin", "--data", "H36M", "--out", "cameras.json"], 7, "is an input"),
        (["seeded.bin", "--data", "H36M", "--plots", "cameras.json"], 2, "is a file"),
        (["seeded.bin", "--data", "H36M", "--plots", "no/plots"], 7, "does not exist"),
        (["bundled", "--data", "H36M"], 6, "h36m17, but the lifter bundled takes coco17"),
        (["bundled", "--data", "H36M", "--causal"], 6, "says itself"),
    ],
)
def test_bad_input_gets_a_sentence(
    vp3d: Run, lifter: Path, words: list[str], code: int, sentence: str
) -> None:
    h36m = _h36m()
    args: list[object] = []
    for word in words:
        args += h36m[1:] if word == "H36M" else [word]
    if words[0] == "seeded.bin" and "h36m" not in sentence:
        args += SAID
    ran = vp3d("evaluate", *args)
    assert ran.code == code, ran.err
    assert sentence in " ".join(ran.err.split())


def _views(path: Path, result: Any, *, scale: float = 1.0) -> None:
    """A folder whose reference is what the pipeline itself says, moved to 4 m away."""
    track = result.tracks3d[0]
    root = result.tracks2d[0].keypoints[:, 11:13].mean(1)  # the hips' middle, pixels
    rays = np.concatenate([(root - [640, 360]) / 1100, np.ones((len(root), 1))], 1)
    joints = scale * track.joints.astype(np.float64) + 4 * rays[:, None]
    turn, shift = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float), np.array([0.5, -1.0, 2.0])
    table = {
        "size": [1280, 720],
        "matrix": [[1100, 0, 640], [0, 1100, 360], [0, 0, 1]],
        # A third of a turn about (1, 1, 1) to the other side is what the matrix says.
        "rotation": (2 * np.pi / 3 / np.sqrt(3) * np.ones(3)).tolist(),
        "translation": shift.tolist(),
    }
    (path / "calibration.json").write_text(json.dumps({"clip": table}))
    np.savez(
        path / "reference.npz",
        joints=(joints - shift) @ turn,
        joint_names=np.array(track.skeleton.joints),
        frame=track.frames,
        action=np.array("Demo 1"),
    )


def test_video_from_pixels(vp3d: Run) -> None:
    """The pipeline's own result as the reference: no error, then a known one."""
    folder = Path("views")
    folder.mkdir()
    with (
        VideoReader(DEMO) as reader,
        VideoWriter(folder / "clip.mp4", 1280, 720, Fraction(30)) as writer,
    ):
        for frame in reader:
            if frame.index == 12:
                break
            writer.write(frame.image)
    result = vp3d_cli.estimate(folder / "clip.mp4", vp3d_cli.Options(focal_px=1100.0))
    _views(folder, result)
    ran = vp3d("evaluate", "bundled", "--data", folder, "--out", "r.json", "--plots", "plots")
    assert ran.code == 0, ran.err
    content = json.loads(Path("r.json").read_text())
    (clip,) = content["clips"]
    assert (clip["action"], clip["view"], clip["people_found"] >= 1) == ("Demo 1", "clip", True)
    assert clip["coverage_percent"] == 100
    for name in ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm", "mpjve_mm", "similarity_mm"):
        assert clip[name] == pytest.approx(0, abs=0.01)
    assert clip["mean_overlap"] > 0.3
    assert content["options"]["detector"] == content["detector"]["name"] == "movenet"
    assert [file["name"] for file in content["data"]] == [
        "calibration.json",
        "reference.npz",
        "clip.mp4",
    ]
    assert "Every view" in ran.out
    _views(folder, result, scale=1.2)
    ran = vp3d("evaluate", "bundled", "--data", folder, "--out", "r.json")
    (clip,) = json.loads(Path("r.json").read_text())["clips"]
    expected = 200 * np.linalg.norm(result.tracks3d[0].joints, axis=-1).mean()
    assert clip["mpjpe_mm"] == pytest.approx(expected, rel=1e-3)
    assert clip["n_mpjpe_mm"] == pytest.approx(0, abs=0.01)


def test_videos_are_measured_whole_and_alone(vp3d: Run, lifter: Path) -> None:
    Path("views").mkdir()
    ran = vp3d("evaluate", "bundled", "--data", "views")
    assert ran.code == 6, ran.err
    assert "views: is a folder without calibration.toml or calibration.json" in ran.err
    Path("views/calibration.toml").write_text("")
    for more in (["--no-flip"], ["--subjects", "S1"], ["--actions", "Walking"]):
        ran = vp3d("evaluate", "bundled", "--data", "views", *more)
        assert ran.code == 2, ran.err
        assert "videos are measured whole" in ran.err
    ran = vp3d("evaluate", "bundled", "--data", "views", "--out", "views/calibration.toml")
    assert ran.code == 7, ran.err
    ran = vp3d("evaluate", "bundled", "--data", "views", *_h36m())
    assert ran.code == 2, ran.err
    assert "measure them apart" in ran.err
    ran = vp3d("evaluate", "bundled", "--data", "views")
    assert ran.code == 6, ran.err
    assert "expected a table with a matrix for each camera" in ran.err
