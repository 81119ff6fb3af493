"""What `auto` means, over its whole truth table."""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path

import pytest

from vp3d_cli import choices, weights
from vp3d_cli.choices import Present, choose_detector, choose_lifter, require_reference_input
from vp3d_cli.errors import WeightsError

WORLDS = [Present(*there) for there in itertools.product((False, True), repeat=3)]
DETECTORS = ("detectron2", "keypoint-rcnn", "movenet", "precomputed")


@pytest.mark.parametrize("faithful", [False, True])
@pytest.mark.parametrize("present", WORLDS)
def test_auto_is_mask_rcnn_where_its_weights_are(present: Present, faithful: bool) -> None:
    if present.rcnn_weights:
        expected = "detectron2" if present.detectron2 else "keypoint-rcnn"
    elif faithful:
        with pytest.raises(
            WeightsError, match="vp3d weights fetch keypoint-rcnn-r101 h36m-coco-243"
        ):
            choose_detector("auto", present, faithful=True)
        return
    else:
        expected = "movenet"
    chosen = choose_detector("auto", present, faithful=faithful)
    assert chosen.name == expected
    assert chosen.why.startswith("auto: ")


@pytest.mark.parametrize("present", WORLDS)
@pytest.mark.parametrize("detector", DETECTORS)
def test_auto_is_the_reference_lifter_only_behind_mask_rcnn(
    present: Present, detector: str
) -> None:
    behind = detector in ("detectron2", "keypoint-rcnn")
    expected = "h36m-coco-243" if present.lifter_weights and behind else "bundled"
    assert choose_lifter("auto", detector, present).name == expected
    if present.lifter_weights:
        assert choose_lifter("auto", detector, present, faithful=True).name == "h36m-coco-243"
    else:
        with pytest.raises(WeightsError, match="vp3d weights fetch h36m-coco-243"):
            choose_lifter("auto", detector, present, faithful=True)


@pytest.mark.parametrize("faithful", [False, True])
@pytest.mark.parametrize("present", WORLDS)
@pytest.mark.parametrize("name", DETECTORS)
def test_what_is_asked_for_is_taken(present: Present, name: str, faithful: bool) -> None:
    """Also where its weights are missing: whoever loads them says so."""
    if faithful and name == "movenet":
        with pytest.raises(WeightsError, match="leave out --detector movenet"):
            choose_detector(name, present, faithful=True)
        return
    chosen = choose_detector(name, present, faithful=faithful)
    assert (chosen.name, chosen.why) == (name, "asked for")
    assert choose_lifter("x.bin", name, present, faithful=faithful).name == "x.bin"


@pytest.mark.parametrize(
    ("normalisation", "features", "fits"),
    [("screen", 2, True), ("screen", 3, False), ("person", 2, False), ("person", 3, False)],
)
def test_the_reference_takes_x_and_y_by_the_width(
    normalisation: str, features: int, fits: bool
) -> None:
    if fits:
        require_reference_input("mine", normalisation, features)
        return
    with pytest.raises(WeightsError, match=r"mine takes .*vp3d weights fetch h36m-coco-243"):
        require_reference_input("mine", normalisation, features)


def test_what_is_there_is_found_without_importing_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "detectron2").mkdir()
    (tmp_path / "detectron2" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "detectron2", raising=False)
    asked: list[str] = []
    monkeypatch.setattr(weights, "available", lambda name: bool(asked.append(name)))
    assert choices.look() == Present(False, False, True)
    assert asked == ["keypoint-rcnn-r101", "h36m-coco-243"]
    assert "detectron2" not in sys.modules


def test_a_folder_called_detectron2_is_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a clone of its repository leaves where Python looks first."""
    (tmp_path / "detectron2" / "projects").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not choices.has_detectron2()
    (tmp_path / "detectron2" / "__init__.py").touch()
    importlib.invalidate_caches()
    assert choices.has_detectron2()
