"""Looking for people in some frames only: which, in which order, and what is filled in between."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest

from tests import factories
from vp3d_cli import keypoints, skeletons, track
from vp3d_cli.detect._base import Detector
from vp3d_cli.errors import OptionsError
from vp3d_cli.options import Options
from vp3d_cli.pipeline import detecting, looking
from vp3d_cli.types import Detections, Frame, Json, Keypoints2D, Skeleton

COCO = skeletons.get("coco17")


def _people(frame: Frame) -> Detections:
    """One person who walks a pixel a frame."""
    box = np.array([[10, 20, 50, 120]], np.float32) + np.float32(frame.index)
    points = np.repeat(box[:, None, :2], 17, 1) + np.arange(17, dtype=np.float32)[:, None]
    scores = np.full((1, 17), 0.5 + frame.index / 100, np.float32)
    return Detections(box, np.ones(1, np.float32), points, scores)


class OneByOne:
    skeleton: Skeleton = COCO

    def __init__(self) -> None:
        self.seen: list[list[int]] = []

    def describe(self) -> Json:
        return {"name": "walk"}

    def detect(self, frame: Frame) -> Detections:
        self.seen.append([frame.index])
        return _people(frame)


class InBatches(OneByOne):
    batch_size = 3

    def detect_batch(self, frames: Sequence[Frame]) -> list[Detections]:
        self.seen.append([frame.index for frame in frames])
        return [_people(frame) for frame in frames]


def _frames(count: int) -> Iterable[Frame]:
    image = np.zeros((4, 4, 3), np.uint8)
    # Frames of uneven length, so that times are not the frame index.
    return (Frame(i, i / 30 + 0.004 * (i % 2), image) for i in range(count))


def _found(frames: Iterable[Frame], detector: Detector, every: int) -> Iterator[looking.Found]:
    asked = detecting._requests(((frame, True) for frame in frames), every, by_index=False)
    return looking.look(asked, detector, factories.make_video(), every)


def _keypoints(count: int, every: int) -> Keypoints2D:
    seen = detecting._Seen()
    for sight in _found(_frames(count), OneByOne(), every):
        seen.add(*sight)
    return seen.keypoints(factories.make_video(), COCO, {})


@pytest.mark.parametrize(
    ("count", "every", "looks"),
    [
        (1, 1, [0]),
        (4, 1, [0, 1, 2, 3]),
        (7, 3, [0, 3, 6]),
        (8, 3, [0, 3, 6, 7]),
        (3, 50, [0, 2]),
    ],
)
@pytest.mark.parametrize("kind", [OneByOne, InBatches])
def test_every_nth_frame_and_the_last(
    kind: type[OneByOne], count: int, every: int, looks: list[int]
) -> None:
    detector = kind()
    found = list(_found(_frames(count), detector, every))
    assert [(index, time_s) for index, time_s, _ in found] == [
        (frame.index, frame.time_s) for frame in _frames(count)
    ]
    assert [index for index, _, people in found if people is not None] == looks
    assert list(itertools.chain(*detector.seen)) == looks
    for frame, (_, _, people) in zip(_frames(count), found, strict=True):
        if people is not None:
            np.testing.assert_array_equal(people.boxes, _people(frame).boxes)
    most = 1 if kind is OneByOne else 3
    assert [len(together) for together in detector.seen[:-1]] == [most] * (len(detector.seen) - 1)


def test_pictures_are_let_go() -> None:
    """Passing over many frames holds none of them: just the one that may be the last."""
    held: list[weakref.ref[np.ndarray]] = []

    def frames() -> Iterable[Frame]:
        for i in range(100):
            image = np.zeros((4, 4, 3), np.uint8)
            held.append(weakref.ref(image))
            assert sum(ref() is not None for ref in held) <= 4
            yield Frame(i, i / 30, image)

    assert len(list(_found(frames(), OneByOne(), 60))) == 100


def test_what_is_between_two_looks_is_filled_at_its_own_time() -> None:
    every = track.associate(_keypoints(31, 1))[0]
    some = track.associate(_keypoints(31, 5))[0]
    np.testing.assert_array_equal(some.frames, every.frames)
    np.testing.assert_array_equal(some.times_s, every.times_s)
    assert np.flatnonzero(some.observed).tolist() == [0, 5, 10, 15, 20, 25, 30]
    # 4 ms are 0.12 frames.
    np.testing.assert_allclose(some.keypoints, every.keypoints, atol=0.13)
    np.testing.assert_allclose(some.scores, every.scores, atol=0.01)


def test_not_looking_is_no_gap() -> None:
    """Looks 20 frames apart are longer apart than the longest gap that is filled."""
    (person,) = track.associate(_keypoints(61, 20), max_gap_s=0.1)
    assert len(person) == 61


def test_a_look_that_finds_nobody_is_a_gap() -> None:
    found = _keypoints(41, 10)
    without = [0, 1, 3, 4]
    missed = Keypoints2D(
        frames=found.frames[without],
        people=found.people.select(without),
        skeleton=COCO,
        fps=found.fps,
        frames_read=found.frames_read,
        times_s=found.times_s,
        looked_at=found.looked_at,
    )
    (person,) = track.associate(missed, max_gap_s=1.0, min_presence_s=0)
    assert person.scores[20].max() == 0
    assert 0 < person.scores[15].max() < person.scores[10].min()
    apart = track.associate(missed, max_gap_s=0.1, min_presence_s=0)
    assert [(t.frames[0], t.frames[-1]) for t in apart] == [(0, 10), (30, 40)]


def test_ids_of_a_file_keep_together_between_looks() -> None:
    found = _keypoints(41, 20)
    named = Keypoints2D(
        frames=found.frames,
        people=found.people,
        skeleton=COCO,
        fps=found.fps,
        track_ids=np.ones(len(found.frames), np.int32),
        frames_read=found.frames_read,
        times_s=found.times_s,
        looked_at=found.looked_at,
    )
    tracks, told = track.keep_ids(named, max_gap_s=0.1)
    assert [len(person) for person in tracks] == [41]
    assert told == ()


def test_the_file_remembers_where_nobody_looked(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("file") / "k.npz"
    found = _keypoints(12, 4)
    keypoints.write(found, path)
    read = keypoints.read(path)
    assert read.looked_at is not None
    assert found.looked_at is not None
    np.testing.assert_array_equal(read.looked_at, found.looked_at)
    assert np.flatnonzero(read.looked_at).tolist() == [0, 4, 8, 11]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"detect_every": 0}, "at least 1"),
        ({"faithful": True, "detect_every": 2}, "leave out --detect-every"),
        ({"faithful": True, "detect_size": 400, "half": True}, "--detect-size, --half"),
    ],
)
def test_contradictions(changes: dict[str, object], words: str) -> None:
    with pytest.raises(OptionsError, match=words):
        Options(**changes)  # type: ignore[arg-type]
