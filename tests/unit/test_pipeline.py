"""The order of things, with a detector that we hold in our hands."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vp3d_cli
from tests.factories import FPS
from vp3d_cli import skeletons
from vp3d_cli.errors import DataError, SkeletonMismatchError
from vp3d_cli.options import Options
from vp3d_cli.pipeline import detecting, lifting, looking
from vp3d_cli.types import Detections, Frame, Json, Keypoints2D, Skeleton
from vp3d_cli.video import VideoWriter

COCO = skeletons.get("coco17")
_POSE = np.random.default_rng(5).uniform(60, 180, (17, 2)).astype(np.float32)


class Steady:
    """Somebody who never moves, seen from the third frame on."""

    skeleton: Skeleton = COCO

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def describe(self) -> Json:
        return {"name": "steady"}

    def detect(self, frame: Frame) -> Detections:
        self._log.append(f"frame {frame.index}")
        if frame.index < 2:
            return Detections.empty(17)
        box = np.array([[60, 60, 180, 180]], np.float32)
        one = np.ones((1, 17), np.float32)
        return Detections(box, one[:, 0], _POSE[None], 0.9 * one)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "in.mp4"
    with VideoWriter(path, 320, 240, Fraction(25)) as writer:
        for _ in range(12):
            writer.write(np.zeros((240, 320, 3), np.uint8))
    return path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was seen and said, in order; the detector is `Steady` whatever its name."""
    told: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    monkeypatch.setattr(detecting, "build_detector", lambda *_: Steady(told))
    logger = logging.getLogger("vp3d_cli")
    monkeypatch.setattr(logger, "handlers", [Listener()])
    monkeypatch.setattr(logger, "level", logging.INFO)
    return told


def test_everything_seen_is_kept_and_nothing_else(clip: Path, told: list[str]) -> None:
    progress: list[tuple[Any, ...]] = []
    options = Options(detector="movenet", start_s=0.04, end_s=0.4)
    found = vp3d_cli.detect_video(clip, options, lambda *moved: progress.append(moved))
    assert found.frames_read is not None
    assert found.frames_read.tolist() == list(range(1, 10))
    assert found.frames.tolist() == list(range(2, 10))
    np.testing.assert_allclose(found.times_s, np.arange(1, 10) / 25)
    assert (found.width, found.height, found.fps, found.num_frames) == (320, 240, 25, 12)
    assert found.track_ids is None
    assert found.provenance["options"] == options.detection_to_json()
    # Once a frame, and once more after each look.
    assert list(dict.fromkeys(p for p in progress if p[1])) == [
        ("detect", i, 9) for i in range(1, 10)
    ]
    assert len(progress) == 9 + 9


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ({"detector": "keypoint-rcnn"}, "--detector movenet is far quicker"),
        ({"detector": "detectron2"}, "--detector movenet is far quicker"),
        ({"detector": "keypoint-rcnn", "faithful": True}, "--device cuda is far quicker"),
        ({"detector": "movenet"}, None),
    ],
)
def test_a_slow_detector_says_how_long_before_it_goes_on(
    clip: Path,
    told: list[str],
    asked: dict[str, Any],
    hint: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looking, "monotonic", itertools.count(5.0, 90.0).__next__)
    found = vp3d_cli.detect_video(clip, Options(**asked))
    assert found.frames_read is not None
    assert found.frames_read.tolist() == list(range(12))
    said = [line for line in told if "a frame on this CPU" in line]
    if hint is None:
        assert not said
        return
    (line,) = said
    assert "takes 90.0 s a frame on this CPU, 18 min or less for 12 frames" in line
    assert hint in line
    assert told.index("frame 0") < told.index(line) < told.index("frame 1")


def test_a_slow_detector_that_follows_says_how_long_a_look_at_all_takes(
    clip: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Follower(Steady):
        follow_s, least_followed = 0.2, 0

        def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections:
            return people

    monkeypatch.setattr(detecting, "build_detector", lambda *_: Follower(told))
    monkeypatch.setattr(looking, "monotonic", itertools.count(5.0, 90.0).__next__)
    vp3d_cli.detect_video(clip, Options(detector="keypoint-rcnn", quality="balanced"))
    (line,) = (line for line in told if "a frame on this CPU" in line)
    assert "takes 90.0 s a frame on this CPU, 18 min or less for 12 frames" in line


@pytest.mark.parametrize(
    ("seconds", "words"), [(9.4, "9 s"), (99, "99 s"), (1700, "28 min"), (9000, "2.5 h")]
)
def test_durations_are_words(seconds: float, words: str) -> None:
    assert detecting._duration(seconds) == words


def test_halves_are_checked_before_they_run(clip: Path, told: list[str]) -> None:
    with pytest.raises(vp3d_cli.errors.WeightsError):
        vp3d_cli.estimate(clip, Options(detector="movenet", lifter="nowhere.bin"))
    assert not told


def _keypoints(**changes: Any) -> Keypoints2D:
    """`Steady` for a second, as a file without an origin has him."""
    frames = np.arange(30, dtype=np.int32)
    people = Detections(
        boxes=np.tile(np.float32([60, 60, 180, 180]), (30, 1)),
        box_scores=np.full(30, 0.9, np.float32),
        keypoints=np.tile(_POSE, (30, 1, 1)),
        scores=np.full((30, 17), 0.9, np.float32),
    )
    fields: Json = {"frames": frames, "people": people, "skeleton": COCO, "num_frames": 30}
    return Keypoints2D(**{**fields, "width": 320, "height": 240, "fps": FPS, **changes})


def test_a_files_people_are_believed_and_a_detectors_proven() -> None:
    """One frame is no person to a detector that sees ghosts; a file was looked through."""
    rows = slice(10, 11)
    once = _keypoints()
    once = dataclasses.replace(once, frames=once.frames[rows], people=once.people.select(rows))
    seen = dataclasses.replace(once, provenance={"detector": {"name": "movenet"}})
    assert [len(lifting.people(k, Options()).tracks) for k in (once, seen)] == [1, 0]


def test_keypoints_in_memory_are_lifted() -> None:
    result = vp3d_cli.lift_keypoints(_keypoints())
    (track,) = result.tracks3d
    assert track.joints.shape == (30, 17, 3)
    assert result.provenance["num_frames_read"] == 30
    assert result.video.fps == FPS


def test_keypoints_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="does not say the frame rate"):
        vp3d_cli.lift_keypoints(_keypoints(fps=None))
    with pytest.raises(SkeletonMismatchError, match="h36m17, but the lifter bundled takes coco17"):
        vp3d_cli.lift_keypoints(_keypoints(skeleton=skeletons.get("h36m17")))
