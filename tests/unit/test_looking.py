"""Looking at several frames at once: the same as one after the other, and never too many."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vp3d_cli import skeletons
from vp3d_cli.pipeline.looking import Found, Request, look, scene_length
from vp3d_cli.types import Detections, Frame, Json, Skeleton, VideoInfo

VIDEO = VideoInfo(Path("a.mp4"), 64, 48, Fraction(30))


class Follower:
    """Finds one person, whose score tells in how many frames since the last full look."""

    skeleton: Skeleton = skeletons.get("coco17")
    least_followed = 0

    def __init__(self, workers: int = 1, follow_s: float | None = 0.2) -> None:
        self.workers, self.follow_s = workers, follow_s
        self.full: list[int] = []
        self.busy, self.most = 0, 0
        self._lock = threading.Lock()

    def describe(self) -> Json:
        return {"name": "follower"}

    def detect(self, frame: Frame) -> Detections:
        self.full.append(frame.index)
        return self._one(frame, 0.0)

    def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections | None:
        return self._one(frame, float(people.box_scores[0]) + since_s)

    def _one(self, frame: Frame, score: float) -> Detections:
        with self._lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        time.sleep(0.002 * (frame.index % 3))
        with self._lock:
            self.busy -= 1
        points = np.full((1, 17, 2), frame.index, np.float32)
        ones = np.ones((1, 17), np.float32)
        return Detections(np.float32([[0, 0, 9, 9]]), np.float32([score]), points, ones)


def _frames(count: int, start: int = 0) -> Iterator[Frame]:
    for i in range(start, start + count):
        yield Frame(i, i / 30, np.zeros((VIDEO.height, VIDEO.width, 3), np.uint8))


def _look(detector: Follower, requests: list[Request], every: int = 1) -> list[Found]:
    return list(look(requests, detector, VIDEO, every, colours=False))


def _flat(found: list[Found]) -> list[tuple[int, float | None]]:
    """Frame and seconds since everybody was looked for."""
    return [
        (index, None if people is None else round(float(people.box_scores[0]), 4))
        for index, _, people in found
    ]


def test_many_threads_see_what_one_sees() -> None:
    requests = [Request(frame, True) for frame in _frames(50)]
    one, many = Follower(), Follower(workers=4)
    alone, together = _look(one, requests), _look(many, requests)
    assert _flat(alone) == _flat(together)
    assert [index for index, _ in _flat(alone)] == list(range(50))
    assert one.full == sorted(many.full) == [0, 6, 12, 18, 24, 30, 36, 42, 48]
    assert one.most == 1
    assert 1 < many.most <= 4


def test_a_part_sees_what_the_whole_sees() -> None:
    """Its first scene begins before it."""
    whole = _flat(_look(Follower(), [Request(frame, True) for frame in _frames(50)]))
    part = [Request(f, True, 20 <= f.index < 33) for f in _frames(45, 3)]
    detector = Follower()
    assert _flat(_look(detector, part)) == whole[20:33]
    assert detector.full == [18, 24, 30]


def test_frames_that_are_passed_over() -> None:
    detector = Follower()
    requests = [Request(frame, frame.index % 2 == 0) for frame in _frames(9)]
    assert _flat(_look(detector, requests, every=2)) == [
        (i, None if i % 2 else round((i % 6) / 30, 4)) for i in range(9)
    ]


@pytest.mark.parametrize("workers", [1, 3])
def test_few_pictures_wait(workers: int) -> None:
    held: list[weakref.ref[np.ndarray]] = []

    def requests() -> Iterator[Request]:
        for frame in _frames(90):
            held.append(weakref.ref(frame.image))
            # A scene for each thread, one that waits, and one that is read.
            assert sum(ref() is not None for ref in held) <= 6 * (workers + 2)
            yield Request(frame, True)

    detector = Follower(workers)
    assert len(list(look(requests(), detector, VIDEO, 1, colours=False))) == 90


def test_an_error_ends_it() -> None:
    class Broken(Follower):
        def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections | None:
            if frame.index == 20:
                raise MemoryError
            return super().follow(frame, people, since_s)

    found = look((Request(f, True) for f in _frames(90)), Broken(2), VIDEO, 1, colours=False)
    seen = []
    with pytest.raises(MemoryError):
        seen += [index for index, _, _ in found]
    assert not any(thread.name.startswith("look") for thread in threading.enumerate())


def test_closing_ends_the_threads() -> None:
    detector = Follower(2)
    found = look((Request(f, True) for f in _frames(600)), detector, VIDEO, 1, colours=False)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert len(detector.full) <= 4
    assert not any(thread.name.startswith("look") for thread in threading.enumerate())


def test_large_pictures_make_short_scenes() -> None:
    follower = Follower(follow_s=1 / 3)
    assert scene_length(follower, VIDEO, 1) == 10
    assert scene_length(follower, VIDEO, 4) == 8  # two looks
    assert scene_length(follower, replace(VIDEO, width=3840, height=2160), 1) == 2
    assert scene_length(follower, replace(VIDEO, width=30000, height=20000), 1) == 1
    assert scene_length(Follower(follow_s=None), VIDEO, 1) is None
