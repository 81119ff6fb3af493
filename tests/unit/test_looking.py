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

LENGTH = 6  # frames of a scene
VIDEO = VideoInfo(Path("a.mp4"), 64, 48, Fraction(30))


class Follower:
    """Finds people who stand, one each 10 px, in the frames in which a script says so.

    In a script "X" is somebody whom a full look finds, "o" one who is only seen when followed, and
    everybody jumps where it says so. The score tells how many seconds ago a full look found them.
    """

    skeleton: Skeleton = skeletons.get("coco17")
    least_followed = 0

    def __init__(
        self,
        *people: str,
        workers: int = 1,
        follow_s: float | None = LENGTH / 30,
        jump: int = 600,
    ) -> None:
        self.people = people or ("X" * 600,)
        self.workers, self.follow_s = workers, follow_s
        self.jump = jump
        self.full: list[int] = []
        self.followed = 0
        self.busy, self.most = 0, 0
        self._lock = threading.Lock()

    def describe(self) -> Json:
        return {"name": "follower"}

    def detect(self, frame: Frame) -> Detections:
        self.full.append(frame.index)
        there = [i for i, script in enumerate(self.people) if script[frame.index] == "X"]
        return self._some(frame, there, [0.0] * len(there))

    def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections:
        self.followed += len(people)
        asked = zip((people.boxes[:, 0] // 10).astype(int), people.box_scores, strict=True)
        seen = [(i, s + since_s) for i, s in asked if self.people[i][frame.index] != " "]
        return self._some(frame, [i for i, _ in seen], [s for _, s in seen])

    def _some(self, frame: Frame, there: list[int], scores: list[float]) -> Detections:
        with self._lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        time.sleep(0.002 * (frame.index % 3))
        with self._lock:
            self.busy -= 1
        top = 100 if frame.index >= self.jump else 0
        boxes = np.float32([(10 * i, top, 10 * i + 8, top + 20) for i in there]).reshape(-1, 4)
        points = np.linspace(boxes[:, :2], boxes[:, 2:], 17, axis=1, dtype=np.float32)
        ones = np.ones((len(there), 17), np.float32)
        return Detections(boxes, np.float32(scores), points, ones)


def _frames(count: int, start: int = 0) -> Iterator[Frame]:
    for i in range(start, start + count):
        yield Frame(i, i / 30, np.zeros((VIDEO.height, VIDEO.width, 3), np.uint8))


def _look(detector: Follower, requests: list[Request], every: int = 1) -> list[Found]:
    return list(look(requests, detector, VIDEO, every, colours=False))


def _seconds(found: list[Found]) -> list[tuple[int, list[float] | None]]:
    """Frame, and for each person in it how long ago everybody was looked for."""
    return [
        (index, None if people is None else np.sort(people.box_scores).round(4).tolist())
        for index, _, people in found
    ]


def _who(found: list[Found], number: int) -> list[str]:
    """The scripts that were seen."""
    there = [set((p.boxes[:, 0] // 10).astype(int)) if p else set() for _, _, p in found]
    for people, (_, _, p) in zip(there, found, strict=True):
        assert p is not None
        assert len(people) == len(p)  # each once
    return ["".join("X" if i in people else " " for people in there) for i in range(number)]


def _all(count: int) -> list[Request]:
    return [Request(frame, True) for frame in _frames(count)]


def test_many_threads_see_what_one_sees() -> None:
    one, many = Follower(), Follower(workers=4)
    alone, together = _look(one, _all(50)), _look(many, _all(50))
    assert _seconds(alone) == _seconds(together)
    assert [index for index, _ in _seconds(alone)] == list(range(50))
    assert one.full == sorted(many.full) == [3, 9, 15, 21, 27, 33, 39, 45, 49]
    assert max(s for _, seconds in _seconds(alone) for s in seconds or ()) == pytest.approx(0.1)
    assert one.followed == 50 - len(one.full)  # nobody is looked at twice
    assert one.most == 1
    assert 1 < many.most <= 4


def test_who_comes_and_goes_is_followed_to_both_ends() -> None:
    here = "X" * 48
    for first in range(20):
        other = " " * first + "X" * 20 + " " * (28 - first)
        assert _who(_look(Follower(here, other), _all(48)), 2) == [here, other]


def test_who_is_missed_once_is_followed_from_the_scenes_beside() -> None:
    missed = "XXXXXX" + "oooooo" + "XXXXXX"
    detector = Follower("X" * 18, missed)
    assert _who(_look(detector, _all(18)), 2) == ["X" * 18] * 2
    # Two are followed from the middle of each scene, one through the second; from behind there
    # is one more look, which finds somebody who is known.
    assert detector.followed <= 15 + 10 + 6 + 1


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("XXXXXX" + "o" * 12 + "XXXXXX", "X" * 24),
        ("XXXXXX" + "o" * 18 + "XXXXXX", "X" * 12 + " " * 6 + "X" * 12),
        ("ooo   XXXXXX", "      XXXXXX"),
    ],
    ids=["from both sides", "one scene far", "not through where nobody is"],
)
def test_how_far_the_scenes_beside_reach(script: str, seen: str) -> None:
    (found,) = _who(_look(Follower(script), _all(len(script))), 1)
    assert found == seen


def test_who_jumps_between_two_scenes_is_there_once() -> None:
    people = "X" * 18, "XXXXXX" + "oooooo" + "XXXXXX"
    assert _who(_look(Follower(*people, jump=6), _all(18)), 2) == ["X" * 18] * 2


@pytest.mark.parametrize(
    ("first", "end"), [(20, 33), (18, 24), (12, 13), (30, 35), (0, 5), (43, 50)]
)
def test_a_part_sees_what_the_whole_sees(first: int, end: int) -> None:
    """It reads two scenes around it, of which it looks at one."""
    people = "X" * 50, "".join("X" if i in (9, 27, 39) else "o" for i in range(50))
    whole = _seconds(_look(Follower(*people), _all(50)))
    some = _frames(50)
    part = [
        Request(f, True, first <= f.index < end) for f in some if first - 12 <= f.index < end + 12
    ]
    detector = Follower(*people)
    assert _seconds(_look(detector, part)) == whole[first:end]
    assert len(detector.full) <= (end - first) / LENGTH + 4


def test_frames_that_are_passed_over() -> None:
    requests = [Request(frame, frame.index % 2 == 0) for frame in _frames(12)]
    detector = Follower()
    told = _seconds(_look(detector, requests, every=2))
    assert [index for index, seconds in told if seconds is not None] == list(range(0, 12, 2))
    assert detector.full == [2, 8]


@pytest.mark.parametrize("workers", [1, 3])
def test_few_pictures_wait(workers: int) -> None:
    held: list[weakref.ref[np.ndarray]] = []

    def requests() -> Iterator[Request]:
        for frame in _frames(90):
            held.append(weakref.ref(frame.image))
            # A scene for each thread, one being read, and those in `_WAITING`.
            assert sum(ref() is not None for ref in held) <= LENGTH * (workers + 5)
            yield Request(frame, True)

    detector = Follower(workers=workers)
    assert len(list(look(requests(), detector, VIDEO, 1, colours=False))) == 90


def test_an_error_ends_it() -> None:
    class Broken(Follower):
        def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections:
            if frame.index == 20:
                raise MemoryError
            return super().follow(frame, people, since_s)

    before, requests = threading.active_count(), (Request(f, True) for f in _frames(90))
    found = look(requests, Broken(workers=2), VIDEO, 1, colours=False)
    seen = []
    with pytest.raises(MemoryError):
        seen += [index for index, _, _ in found]
    assert threading.active_count() == before


def test_closing_ends_the_threads() -> None:
    before, detector = threading.active_count(), Follower(workers=2)
    found = look((Request(f, True) for f in _frames(600)), detector, VIDEO, 1, colours=False)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert len(detector.full) <= 8
    assert threading.active_count() == before


def test_large_pictures_make_short_scenes() -> None:
    follower = Follower(follow_s=1 / 3)
    assert scene_length(follower, VIDEO, 1) == 10
    assert scene_length(follower, VIDEO, 4) == 8  # two looks
    assert scene_length(follower, replace(VIDEO, width=3840, height=2160), 1) == 2
    assert scene_length(follower, replace(VIDEO, width=30000, height=20000), 1) == 1
    assert scene_length(Follower(follow_s=None), VIDEO, 1) is None
