"""`--faithful` against the reference pipeline, written a second time in `tests/reference.py`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import vp3d_cli
from tests import reference
from tests.conftest import PICTURE
from tests.e2e.conftest import DEMO, Ran
from vp3d_cli import keypoints
from vp3d_cli.types import Detections, Keypoints2D
from vp3d_cli.video import VideoWriter

Run = Callable[..., Ran]

LENGTH = 90
SIZE = (1280, 720)
WIDTHS = {27: (3, 3, 3), 243: (3, 3, 3, 3, 3)}
TOLERANCE_M = 1e-5


@pytest.fixture(scope="module")
def crowd() -> Keypoints2D:
    """MoveNet's people in the example, made unlike one another, with nobody in some frames.

    Everybody is there a second time, smaller and elsewhere; who has the better box changes from
    frame to frame, and which row comes first too.
    """
    rng = np.random.default_rng(3)
    found = vp3d_cli.detect_video(DEMO, vp3d_cli.Options(end_s=LENGTH / 30))
    assert found.frames_read is not None
    assert len(found.frames_read) == LENGTH
    people, others = found.people, found.people
    shrink = lambda values: np.float32(0.6) * values + np.float32(40)  # noqa: E731
    others = Detections(
        shrink(others.boxes), others.box_scores, shrink(others.keypoints), others.scores
    )
    fields = [f.name for f in dataclasses.fields(Detections)]
    both = Detections(*(np.concatenate([getattr(people, f), getattr(others, f)]) for f in fields))
    frames = np.tile(found.frames, 2)
    both.box_scores[:] = np.round(rng.uniform(0.6, 1, len(frames)), 1)  # with ties
    gone = [*range(7), *range(20, 23), 40, *range(60, 75), *range(LENGTH - 5, LENGTH)]
    order = rng.permutation(len(frames))
    order = order[np.argsort(frames[order], kind="stable")]
    order = order[~np.isin(frames[order], gone)]
    return dataclasses.replace(found, frames=frames[order], people=both.select(order))


def _people(crowd: Keypoints2D) -> list[list[reference.Person]]:
    """Frame by frame, as the reference's detector leaves them."""
    frames: list[list[reference.Person]] = [[] for _ in range(LENGTH)]
    people = crowd.people
    for row, frame in enumerate(crowd.frames):
        frames[frame].append(
            reference.Person(people.box_scores[row], people.boxes[row], people.keypoints[row])
        )
    return frames


def _upright(crowd: Keypoints2D) -> Keypoints2D:
    """The same people in a small portrait video: turned by a quarter."""
    people = crowd.people
    turned = Detections(
        people.boxes[:, [1, 0, 3, 2]] / 4,
        people.box_scores,
        np.ascontiguousarray(people.keypoints[..., ::-1]) / 4,
        people.scores,
    )
    return dataclasses.replace(crowd, people=turned, width=SIZE[1] // 4, height=SIZE[0] // 4)


def _blank(path: Path, width: int, height: int) -> Path:
    with VideoWriter(path, width, height, Fraction(30)) as writer:
        for _ in range(LENGTH):
            writer.write(np.zeros((height, width, 3), np.uint8))
    return path


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, and what the reference exports with it."""

    receptive_field: int
    causal: bool
    trajectory: bool
    channels: int = 24

    def networks(self) -> tuple[reference.State, reference.State | None]:
        widths = WIDTHS[self.receptive_field]
        pose = reference.state_dict(widths, self.channels, 17, seed=1)
        path = reference.state_dict(widths, self.channels, 1, seed=2) if self.trajectory else None
        return pose, path

    def expected(self, crowd: Keypoints2D) -> np.ndarray:
        assert crowd.width is not None
        assert crowd.height is not None
        best = reference.best_person(_people(crowd))
        size = (crowd.width, crowd.height)
        widths = WIDTHS[self.receptive_field]
        return reference.lift(best, size, *self.networks(), widths, self.causal)

    @property
    def options(self) -> list[Any]:
        reference.save(Path("net.bin"), *self.networks())
        kind = "--causal" if self.causal else "--symmetric"
        return ["--faithful", "--lifter", "net.bin", kind, "--skeleton-in", "coco17", "-q"]


CASES = [
    Case(field, causal, trajectory)
    for field in WIDTHS
    for causal in (False, True)
    for trajectory in (False, True)
]
WIDE = Case(243, causal=False, trajectory=True, channels=1024)


def _exported(path: Path, case: Case) -> np.ndarray:
    """What the reference would export: the joints, plus the root's path where there is one."""
    with np.load(path) as data:
        assert set(data["track_id"]) == {1}
        assert data["frame"].tolist() == list(range(LENGTH))
        assert np.isfinite(data["root_camera"]).all() == case.trajectory
        assert np.isfinite(data["root_camera"]).any() == case.trajectory
        exported = data["joints_3d"]
        return exported + data["root_camera"][:, None] if case.trajectory else exported


@pytest.mark.parametrize("portrait", [False, True])
@pytest.mark.parametrize("case", [*CASES, WIDE], ids=str)
def test_lift_equals_the_reference(
    vp3d: Run, crowd: Keypoints2D, case: Case, portrait: bool
) -> None:
    crowd = _upright(crowd) if portrait else crowd
    keypoints.write(crowd, Path("in.npz"))
    ran = vp3d("lift", "in.npz", "-o", "out.npz", *case.options)
    assert ran.code == 0, ran.err
    expected = case.expected(crowd)
    assert np.abs(expected).max() > 0.3
    np.testing.assert_allclose(_exported(Path("out.npz"), case), expected, rtol=0, atol=TOLERANCE_M)


@pytest.mark.parametrize("portrait", [False, True])
@pytest.mark.parametrize("case", [CASES[1], CASES[6], WIDE], ids=str)
def test_infer_equals_the_reference(
    vp3d: Run, crowd: Keypoints2D, case: Case, portrait: bool
) -> None:
    crowd = _upright(crowd) if portrait else crowd
    # Only what another tool would say; the rest comes from the video.
    told = dataclasses.replace(
        crowd, provenance={}, frames_read=None, times_s=None, cuts=None, drift=None
    )
    keypoints.write(told, Path("in.npz"))
    video = _blank(Path("in.mp4"), crowd.width or 0, crowd.height or 0) if portrait else DEMO
    ran = vp3d(
        "infer", video, "-o", "out.npz", "--detector", "precomputed", "--keypoints", "in.npz",
        "--end", LENGTH / 30, *case.options,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    np.testing.assert_allclose(
        _exported(Path("out.npz"), case), case.expected(crowd), rtol=0, atol=TOLERANCE_M
    )


def test_what_is_stored_beside_the_joints(vp3d: Run, crowd: Keypoints2D) -> None:
    keypoints.write(crowd, Path("in.npz"))
    assert vp3d("lift", "in.npz", "-o", "out.npz", *CASES[1].options).code == 0
    best = reference.best_person(_people(crowd))
    with np.load("out.npz") as data:
        np.testing.assert_allclose(data["keypoints_2d"], best, rtol=0, atol=1e-4)
        seen = np.isin(np.arange(LENGTH), crowd.frames)
        assert data["observed"].tolist() == seen.tolist()
        assert (data["scores_2d"][~seen] == 0).all()
        assert (data["scores_2d"][seen] > 0).any(1).all()
        assert np.abs(data["joints_3d"][:, 0]).max() > 0.01  # predicted, not zeroed
        assert json.loads(str(data["meta"]))["options"]["faithful"] is True


def test_the_references_own_files_lift_alike(vp3d: Run, crowd: Keypoints2D) -> None:
    """A dataset holds the best person, filled; positions and sizes come out of the pickle."""
    best = reference.best_person(_people(crowd))
    metadata = {
        "layout_name": "coco",
        "num_joints": 17,
        "keypoints_symmetry": [reference.COCO_LEFT, reference.COCO_RIGHT],
        "video_metadata": {"a.mp4": {"w": SIZE[0], "h": SIZE[1]}},
    }
    positions = {"a.mp4": {"custom": [best]}, "b.mp4": {"custom": [best + 1]}}
    np.savez("data_2d_custom_x.npz", positions_2d=positions, metadata=metadata)
    ran = vp3d(
        "lift", "data_2d_custom_x.npz", "--video-name", "a.mp4", "--fps", "25", "-o", "out.npz",
        *CASES[1].options,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    np.testing.assert_allclose(
        _exported(Path("out.npz"), CASES[1]), CASES[1].expected(crowd), rtol=0, atol=TOLERANCE_M
    )


def test_nobody_is_an_empty_result(vp3d: Run, crowd: Keypoints2D) -> None:
    nobody = dataclasses.replace(
        crowd, frames=crowd.frames[:0], people=crowd.people.select(slice(0))
    )
    keypoints.write(nobody, Path("in.npz"))
    options = [option for option in CASES[0].options if option != "-q"]
    ran = vp3d("lift", "in.npz", "-o", "out.npz", "--render", "out.mp4", *options)
    assert ran.code == 0, ran.err
    assert "nobody was found (90 frames read)" in ran.err
    with np.load("out.npz") as data:
        assert data["joints_3d"].shape == (0, 17, 3)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--person", "largest"], 2, "leave out --person"),
        (["--max-gap", "0.5"], 2, "leave out --max-gap"),
        (["--lifter", "bundled"], 4, "takes x, y and score as a camera sees it"),
        ([], 4, "vp3d weights fetch h36m-coco-243"),
    ],
)
def test_what_does_not_fit_is_refused(
    vp3d: Run,
    crowd: Keypoints2D,
    options: list[str],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VP3D_CACHE", "nothing")
    keypoints.write(crowd, Path("in.npz"))
    ran = vp3d("lift", "in.npz", "-o", "out.npz", "--faithful", *options)
    assert ran.code == code, ran.err
    assert words in ran.err
    assert not Path("out.npz").exists()


def test_without_weights_there_is_no_substitute(
    vp3d: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VP3D_CACHE", str(tmp_path / "nothing"))
    ran = vp3d("infer", DEMO, "-o", "out.npz", "--faithful")
    assert ran.code == 4
    assert "vp3d weights fetch keypoint-rcnn-r101 h36m-coco-243" in ran.err
    ran = vp3d("infer", DEMO, "-o", "out.npz", "--faithful", "--detector", "movenet")
    assert ran.code == 4
    assert "leave out --detector movenet" in ran.err
    assert not Path("out.npz").exists()


def test_humaneva_weights_predict_their_own_skeleton(vp3d: Run, crowd: Keypoints2D) -> None:
    widths = WIDTHS[27]
    pose = reference.state_dict(widths, 24, 15, seed=5)
    reference.save(Path("net.bin"), pose, None)
    keypoints.write(crowd, Path("in.npz"))
    ran = vp3d(
        "lift", "in.npz", "-o", "out.npz", "--json", "--render", "out.mp4", "--faithful",
        "--lifter", "net.bin", "--symmetric", "--skeleton-in", "coco17",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    best = reference.best_person(_people(crowd))
    flips = (reference.HUMANEVA_LEFT, reference.HUMANEVA_RIGHT)
    expected = reference.lift(best, SIZE, pose, None, widths, False, flips)
    result = vp3d_cli.load_result("out.npz")
    assert result.tracks3d[0].skeleton.name == "humaneva15"
    np.testing.assert_allclose(result.tracks3d[0].joints, expected, rtol=0, atol=TOLERANCE_M)
    told = json.loads(Path("out.json").read_text())
    assert told["meta"]["skeleton_3d"]["joints"][-1] == "head"
    assert Path("out.mp4").stat().st_size > 0


@pytest.mark.slow
def test_the_whole_of_it_with_mask_rcnn(
    vp3d: Run, seeded_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the picture on: `auto` takes the detector that is fetched, and only its best box."""
    monkeypatch.setenv("VP3D_CACHE", str(seeded_cache))
    picture = np.asarray(cv2.resize(cv2.imread(str(PICTURE)), (288, 256)))
    with VideoWriter(Path("in.mp4"), 288, 256, Fraction(30)) as writer:
        for shift in (0, 8):
            writer.write(np.roll(picture, shift, axis=1))
    case = CASES[1]
    options = [option for option in case.options if option != "-q"]
    ran = vp3d("infer", "in.mp4", "-o", "a.npz", *options)
    assert ran.code == 0, ran.err
    assert "detector keypoint-rcnn (auto: keypoint-rcnn-r101 is fetched)" in ran.err
    assert "for 2 frames; --device cuda is far quicker" in ran.err
    assert vp3d("detect", "in.mp4", "-o", "k.npz").code == 0
    assert vp3d("lift", "k.npz", "-o", "b.npz", *options).code == 0
    found = keypoints.read(Path("k.npz"))
    assert len(found.frames) > 2  # several people a frame
    frames: list[list[reference.Person]] = [[], []]
    for row, frame in enumerate(found.frames):
        people = found.people
        frames[frame].append(
            reference.Person(people.box_scores[row], people.boxes[row], people.keypoints[row])
        )
    best = reference.best_person(frames)
    widths = WIDTHS[case.receptive_field]
    expected = reference.lift(best, (288, 256), *case.networks(), widths, case.causal)
    for name in ("a.npz", "b.npz"):
        with np.load(name) as data:
            exported = data["joints_3d"] + data["root_camera"][:, None]
        np.testing.assert_allclose(exported, expected, rtol=0, atol=TOLERANCE_M)
