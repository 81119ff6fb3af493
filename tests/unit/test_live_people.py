"""Who is who from frame to frame, and who is followed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from vp3d_cli import skeletons
from vp3d_cli.live.people import KEPT_S, Pace, People
from vp3d_cli.types import Detections, Float, Frame, Json, Skeleton

FPS = 30
BLANK = np.zeros((8, 8, 3), np.uint8)
# x of the middle, height, score of each person by frame; None: not there.
Person = Callable[[int], "tuple[float, float, float] | None"]


def there(x: float, height: float = 200.0, score: float = 0.8, speed: float = 0.0) -> Person:
    return lambda frame: (x + speed * frame, height, score)


def between(first: int, last: int, person: Person) -> Person:
    return lambda frame: person(frame) if first <= frame < last else None


def without(first: int, last: int, person: Person) -> Person:
    return lambda frame: None if first <= frame < last else person(frame)


class Scripted:
    """Sees what the script says, and can follow if asked to."""

    least_followed = 0
    skeleton: Skeleton = skeletons.get("coco17")

    def __init__(self, people: Sequence[Person], follow_s: float | None = None) -> None:
        self._people, self.follow_s = people, follow_s
        self.looks: list[str] = []

    def describe(self) -> Json:
        return {}

    def detect(self, frame: Frame) -> Detections:
        self.looks.append("all")
        seen = [_sighting(*p) for person in self._people if (p := person(frame.index))]
        return _joined(seen) if seen else Detections.empty(17)

    def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections:
        """Those who are still there, in another order."""
        self.looks.append(f"{len(people)}")
        seen = [_sighting(*p) for person in self._people if (p := person(frame.index))]
        near = [s for s in seen if np.abs(people.boxes[:, 0] - s.boxes[0, 0]).min() < 30]
        return _joined(near[::-1]) if near else Detections.empty(17)


def _sighting(x: float, height: float, score: float) -> Detections:
    low, high = (x - height / 4, 100.0), (x + height / 4, 100.0 + height)
    steps = np.linspace(0, 1, 17, dtype=np.float32)[:, None]
    keypoints = np.float32(low) + steps * (np.float32(high) - np.float32(low))
    scores = np.full(17, score, np.float32)
    box = np.array([*low, *high], np.float32)
    return Detections(box[None], scores[:1], keypoints[None], scores[None])


def _joined(people: Sequence[Detections]) -> Detections:
    columns = ("boxes", "box_scores", "keypoints", "scores")
    return Detections(*(np.concatenate([getattr(p, name) for p in people]) for name in columns))


def ids(
    detector: Scripted, frames: int = 30, fps: float = FPS, max_people: int | None = None
) -> list[list[int]]:
    people = People(detector, max_people)
    return [
        [person.track_id for person in people.look(Frame(i, i / fps, BLANK))] for i in range(frames)
    ]


@pytest.mark.parametrize("follow_s", [None, 1 / 3])
def test_somebody_is_shown_after_a_few_sightings_and_keeps_the_id(follow_s: float | None) -> None:
    seen = ids(Scripted([there(300, speed=3)], follow_s))
    assert seen == [[], [], *[[1]] * 28]


def test_ghosts_are_never_shown() -> None:
    flickering = [without(i, i + 1, between(i - 1, i + 2, there(300))) for i in range(1, 30, 3)]
    uncertain = there(700, score=0.5)
    assert ids(Scripted([*flickering, uncertain])) == [[]] * 30


@pytest.mark.parametrize("follow_s", [None, 1 / 3])
def test_who_is_unseen_for_a_moment_is_kept_where_they_were(follow_s: float | None) -> None:
    people = People(Scripted([without(10, 14, there(300))], follow_s))
    shown = [people.look(Frame(i, i / FPS, BLANK)) for i in range(30)]
    assert all([p.track_id for p in seen] == [1] for seen in shown[2:])
    unseen: list[Float] = [seen[0].scores for seen in shown[10:14]]
    assert not np.any(unseen)
    np.testing.assert_array_equal(shown[12][0].keypoints, shown[9][0].keypoints)
    assert shown[14][0].scores.all()


def test_who_is_away_for_longer_is_somebody_new() -> None:
    away = round(KEPT_S * FPS)
    seen = ids(Scripted([without(5, 20, there(300))]))
    assert seen[5 + away - 1] == [1]
    assert seen[5 + away + 1 : 22] == [[]] * (22 - 6 - away)
    assert seen[22:] == [[2]] * 8


def test_a_slow_detector_gets_a_second_look() -> None:
    seen = ids(Scripted([without(5, 6, there(300))]), frames=10, fps=2)
    assert seen[2:] == [[1]] * 8


def test_people_are_followed_and_looked_for_now_and_then() -> None:
    detector = Scripted([there(300), between(5, 60, there(700))], 1 / 3)
    seen = ids(detector, 40)
    assert detector.looks[:11] == ["all", *["1"] * 9, "all"]
    assert detector.looks.count("all") == 4
    # The newcomer is found at the next look at everybody.
    assert seen[12:] == [[1, 2]] * 28


def test_who_is_lost_is_looked_for_at_once() -> None:
    detector = Scripted([without(7, 8, there(300))], 1 / 3)
    ids(detector, 10)
    assert detector.looks[7:10] == ["1", "all", "all"]


def test_nobody_looks_for_a_ghost_that_has_gone() -> None:
    detector = Scripted([there(300), between(3, 5, there(700))], 0.09)
    seen = ids(detector, 10)
    assert detector.looks == ["all", "1", "1", "all", "2", "2", "all", "1", "1", "all"]
    assert seen[2:] == [[1]] * 8


def test_people_who_pass_each_other_keep_their_ids() -> None:
    people = People(Scripted([there(200, speed=8), there(800, height=260, speed=-8)]))
    for i in range(60):
        shown = people.look(Frame(i, i / FPS, BLANK))
    assert [(p.track_id, p.box[3] - p.box[1] > 230) for p in shown] == [(1, True), (2, False)]


def test_no_more_than_asked_for_are_followed_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "vp3d_cli")
    crowd = [there(200 + 200 * i, height=100 + 20 * i) for i in range(5)]
    detector = Scripted(crowd, 1 / 3)
    people = People(detector, max_people=2)
    for i in range(40):
        shown = people.look(Frame(i, i / FPS, BLANK))
    assert sorted(round(p.box[3] - p.box[1]) for p in shown) == [160, 180]
    assert set(detector.looks) == {"all", "2"}
    assert [r.getMessage() for r in caplog.records] == [
        "3 more in the picture than the 2 who are followed; see --max-people"
    ]


def test_where_following_takes_too_long_fewer_are_followed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "vp3d_cli")
    pace, people, now_s, most = Pace(budget_s=0.1), 6, 100.0, []
    for _ in range(200):
        took_s = 0.04 * people
        now_s += took_s
        pace.measured(took_s, people, now_s)
        people = 6 if pace.most is None else min(6, pace.most)
        most.append(people)
    assert most[0] == 5
    assert most[-1] == 2  # 0.08 s
    assert most == sorted(most, reverse=True)
    assert "only 2 people are followed" in caplog.text
    for _ in range(200):  # the machine has time again
        now_s += 0.011 * people
        pace.measured(0.011 * people, people, now_s)
        people = min(6, pace.most or 6)
    assert people == 4  # with a fifth, 0.055 s, it might soon be too long again


def test_a_slow_machine_follows_fewer_people_and_drops_the_smallest() -> None:
    crowd = [there(200 + 200 * i, height=100 + 20 * i) for i in range(4)]
    detector, pace = Scripted(crowd, 1 / 3), Pace(budget_s=0.0)
    people = People(detector, None, pace)
    for i in range(6):
        shown = people.look(Frame(i, i / FPS, BLANK))
    assert pace.most == 3
    assert sorted(round(p.box[3] - p.box[1]) for p in shown) == [120, 140, 160]
