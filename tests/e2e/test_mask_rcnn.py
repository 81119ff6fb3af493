"""`vp3d infer` with Mask R-CNN on seeded weights, and what makes a detector do less."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import DEMO, Ran

Run = Callable[..., Ran]
QUICK = ("--detect-size", "96", "--end", "0.1")


@pytest.fixture
def fetched(seeded_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VP3D_CACHE", str(seeded_cache))


def _detector(path: str) -> dict[str, object]:
    with np.load(path) as data:
        found: dict[str, object] = json.loads(str(data["meta"]))["detector"]
        return found


@pytest.mark.usefixtures("fetched")
def test_auto_takes_it_where_its_weights_are(vp3d: Run) -> None:
    ran = vp3d("infer", DEMO, "-o", "a.npz", *QUICK)
    assert ran.code == 0, ran.err
    assert "keypoint-rcnn (auto: keypoint-rcnn-r101 is fetched)" in ran.err
    assert "s a frame on this CPU" in ran.err
    assert "--detector movenet is far quicker" in ran.err
    told = _detector("a.npz")
    assert told["name"] == "keypoint-rcnn"
    assert "model_final_997cc7.pkl" in str(told["weights"])
    again = vp3d("infer", DEMO, "-o", "b.npz", *QUICK, "-q")
    assert (again.code, again.err) == (0, "")
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()


@pytest.mark.usefixtures("fetched")
def test_people_are_followed_and_frames_skipped(vp3d: Run) -> None:
    ran = vp3d("detect", DEMO, "-o", "k.npz", *QUICK, "--quality", "fast")
    assert ran.code == 0, ran.err
    assert "follow_s" in str(_detector("k.npz")["settings"])
    with np.load("k.npz") as data:
        assert data["looked_at"].tolist() == [True, False, True]
        assert set(data["frame"]) <= {0, 2}


def test_every_third_frame_gives_nearly_the_same_joints(vp3d: Run) -> None:
    options = ("--person", "largest", "--end", "0.7", "-q")
    assert vp3d("infer", DEMO, "-o", "all.npz", *options).code == 0
    ran = vp3d("infer", DEMO, "-o", "some.npz", *options, "--detect-every", "3")
    assert ran.code == 0, ran.err
    with np.load("all.npz") as every, np.load("some.npz") as some:
        np.testing.assert_array_equal(some["frame"], every["frame"])
        np.testing.assert_array_equal(some["time_s"], every["time_s"])
        looks = [*range(0, 21, 3), 20]
        assert np.flatnonzero(some["observed"]).tolist() == sorted(set(looks))
        apart = np.linalg.norm(some["joints_3d"] - every["joints_3d"], axis=-1)
        assert apart.mean() < 0.03
        assert json.loads(str(some["meta"]))["options"]["detect_every"] == 3


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--detector", "keypoint-rcnn"], 4, "vp3d weights fetch keypoint-rcnn-r101"),
        (["--detector", "detectron2"], 5, "git+https://github.com/facebookresearch/detectron2"),
        (["--detector", "movenet", "--half"], 6, "leave out --half"),
        (["--detector", "movenet", "--detect-size", "2000"], 6, "128 to 512"),
        (["--detect-every", "0"], 2, "--detect-every"),
        (["--faithful", "--detect-every", "2"], 2, "leave out --detect-every"),
    ],
)
def test_what_cannot_be(vp3d: Run, options: list[str], code: int, words: str) -> None:
    ran = vp3d("infer", DEMO, "-o", "x.npz", *options)
    assert (ran.code, list(Path().iterdir())) == (code, []), ran.err
    assert words in ran.err


@pytest.mark.usefixtures("fetched")
def test_half_precision_is_for_gpus(vp3d: Run) -> None:
    ran = vp3d("infer", DEMO, "-o", "x.npz", "--half")
    assert ran.code == 5
    assert "--device cuda" in ran.err
