"""What a part of a video reads around itself, so that it is told what the whole is."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.batch_worker import Brightest, fake_models
from tests.unit.test_scene_changes import HEIGHT, WIDTH, _shot
from vp3d_cli import keypoints
from vp3d_cli.options import Options, Span
from vp3d_cli.pipeline import detect_video, splitting
from vp3d_cli.pipeline.surroundings import Surroundings
from vp3d_cli.scene import CONTEXT_S
from vp3d_cli.types import Detections, Frame
from vp3d_cli.video import VideoWriter

FPS = 10


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shots of 14 frames, some of a camera that turns, and two flashes."""
    path = tmp_path_factory.mktemp("clip") / "cuts.mp4"
    with VideoWriter(path, WIDTH, HEIGHT, Fraction(FPS)) as writer:
        for i in range(5):
            for k, image in enumerate(_shot(30 + i, 14, 2 * (i % 2))):
                flash = (i, k) in ((0, 9), (3, 13))
                writer.write(np.full_like(image, 255) if flash else image)
    return path


@pytest.mark.parametrize(
    ("changes", "span_s"),
    [({}, 0.9), ({"detect_every": 4}, 1.3), ({"start_s": 0.75, "end_s": 6.45}, 2.3)],
)
def test_parts_know_the_cuts_and_the_drift_of_the_whole(
    clip: Path, changes: dict[str, float], span_s: float
) -> None:
    options = Options(**changes)  # type: ignore[arg-type]
    models = fake_models(options)
    whole = detect_video(clip, options, models=models)
    spans = splitting.spans_of(clip, options, span_s)
    parts = [splitting.detect_span(clip, options, span, models) for span in spans]
    joined = splitting.joined(parts, options)
    assert joined is not None
    assert whole.cuts is not None
    assert whole.frames_read is not None
    first, end = whole.frames_read[0], whole.frames_read[-1]
    expected = [cut for cut in (14, 28, 42, 56) if first < cut <= end]
    # After a flash the shot begins where it can be seen.
    assert [c - (c == 57) for c in whole.frames_read[whole.cuts].tolist()] == expected
    for name in ("frames_read", "times_s", "cuts", "drift", "frames"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    np.testing.assert_array_equal(joined.people.colours, whole.people.colours)
    for part in parts:
        assert part is not None
        assert part.cuts is not None
        assert len(part.cuts) == len(np.asarray(part.frames_read))


def test_cuts_and_drift_are_told_of_frames_that_nobody_looked_at(clip: Path) -> None:
    options = Options(detect_every=5)
    seen = detect_video(clip, options, models=fake_models(options))
    assert seen.looked_at is not None
    assert seen.cuts is not None
    assert seen.drift is not None
    assert (seen.cuts & ~seen.looked_at).any()
    assert np.isfinite(seen.drift[~seen.looked_at]).any()


def test_a_faithful_run_does_not_watch(clip: Path) -> None:
    around = Surroundings(None, None, watched=False)
    frames = [Frame(i, i / FPS, np.zeros((8, 8, 3), np.uint8)) for i in range(3)]
    assert list(around.watched(frames)) == [(frame, True) for frame in frames]
    around.add(0, None)
    assert around.columns() == {}


def test_a_file_keeps_its_colours_and_gets_those_it_lacks(clip: Path, tmp_path: Path) -> None:
    options = Options()
    seen = detect_video(clip, options, models=fake_models(options))
    rng = np.random.default_rng(0)
    people = replace(seen.people, keypoints=seen.people.keypoints.copy())
    people.keypoints[:, [5, 6, 11, 12]] = np.float32([[90, 40], [50, 40], [85, 110], [55, 110]])
    own = rng.uniform(0, 1, people.colours.shape).astype(np.float32)
    own[: len(own) // 2] = np.nan
    keypoints.write(replace(seen, people=replace(people, colours=own)), tmp_path / "given.npz")
    given = Options(detector="precomputed", keypoints=tmp_path / "given.npz")
    again = detect_video(clip, given)
    half = len(own) // 2
    assert np.isfinite(again.people.colours).all()
    np.testing.assert_allclose(again.people.colours[half:], own[half:])
    np.testing.assert_allclose(again.people.colours[:half].sum(1), 1, atol=1e-4)
    np.testing.assert_array_equal(again.cuts, seen.cuts)


@pytest.mark.parametrize(
    ("span", "limits", "read"),
    [
        (None, (None, None), (None, None)),
        (None, (3.0, 9.0), (3.0, 9.0)),
        (Span(0, 3, None, 10.0), (None, None), (None, 10.0 + CONTEXT_S)),
        (Span(1, 3, 10.0, 20.0), (None, None), (10.0 - CONTEXT_S, 20.0 + CONTEXT_S)),
        (Span(2, 3, 20.0, None), (None, None), (20.0 - CONTEXT_S, None)),
        (Span(1, 3, 3.5, 8.5), (3.0, 9.0), (3.0, 9.0)),
    ],
)
def test_what_is_read_for_a_part(
    span: Span | None,
    limits: tuple[float | None, float | None],
    read: tuple[float | None, float | None],
) -> None:
    around = Surroundings(*limits, span)
    assert (around.start_s, around.end_s) == read


class Follower(Brightest):
    """Follows for longer than the picture is watched around a part; the score says since when."""

    follow_s, least_followed = 2.5, 0

    def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections:
        found = self.detect(frame)
        return replace(found, box_scores=people.box_scores[: len(found)] - np.float32(since_s))


def test_parts_follow_as_the_whole_does(clip: Path) -> None:
    options = Options()
    models = fake_models(options)
    models = replace(models, detector=replace(models.detector, detector=Follower()))
    whole = detect_video(clip, options, models=models)
    assert whole.people.box_scores.min() < 0 < whole.people.box_scores.max()
    spans = splitting.spans_of(clip, options, 1.3)
    parts = [splitting.detect_span(clip, options, span, models) for span in spans]
    joined = splitting.joined(parts, options)
    assert joined is not None
    np.testing.assert_array_equal(joined.people.box_scores, whole.people.box_scores)
