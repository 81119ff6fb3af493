"""Who is who after people met, left and came back; on people whose paths and clothes we know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.factories import make_track2d
from vp3d_cli import skeletons
from vp3d_cli.track import (
    Tracked,
    associate,
    encounters,
    identify,
    keep_ids,
    select_people,
)
from vp3d_cli.track.encounters import resolve
from vp3d_cli.track.motion import Motion
from vp3d_cli.track.person import Person, Sighting, unlike
from vp3d_cli.types import NUM_COLOURS, Bool, Detections, Float, Int, Keypoints2D, Track2D

COCO = skeletons.get("coco17")
FPS, LENGTH = 30, 120
_POSE = np.random.default_rng(5).uniform(-1, 1, (17, 2)) * (40, 100)

Where = Callable[[int], "tuple[float, float] | None"]


def _clothes(bin_: int, rng: np.random.Generator) -> Float:
    """Mostly one colour, never twice the same."""
    colours = rng.uniform(0, 0.02, NUM_COLOURS)
    colours[bin_] += rng.uniform(0.6, 1.0)
    return np.asarray(colours / colours.sum(), np.float32)


def _scene(
    paths: list[Where],
    clothes: list[int] | None,
    length: int = LENGTH,
    merge: float = 0.0,
    cuts: tuple[int, ...] = (),
) -> Keypoints2D:
    """A detector's keypoints; people nearer than `merge` pixels are seen as the first of them.

    Clothes mix where people overlap. Rows of a frame come in any order.
    """
    rng = np.random.default_rng(1)
    frames: list[int] = []
    rows: list[tuple[Float, Float]] = []
    for frame in range(length):
        at = {who: where for who, path in enumerate(paths) if (where := path(frame))}
        here: list[tuple[Float, Float]] = []
        for who, centre in at.items():
            gaps = {w: abs(centre[0] - c[0]) for w, c in at.items() if w != who}
            if any(gap < merge for w, gap in gaps.items() if w < who):
                continue
            look = np.full(NUM_COLOURS, np.nan, np.float32)
            if clothes is not None:
                look = _clothes(clothes[who], rng)
                near = [w for w, gap in gaps.items() if gap < 70]
                for other in near:
                    look = 0.5 * look + 0.5 * _clothes(clothes[other], rng)
            here.append((_POSE + centre + rng.normal(0, 1.5, (17, 2)), look))
        for i in rng.permutation(len(here)):
            frames.append(frame)
            rows.append(here[i])
    points = np.array([row[0] for row in rows], np.float32).reshape(-1, 17, 2)
    colours = np.array([row[1] for row in rows], np.float32).reshape(-1, NUM_COLOURS)
    boxes = np.concatenate([points.min(1), points.max(1)], 1)
    scores = np.full(points.shape[:2], 0.8, np.float32)
    people = Detections(boxes, np.full(len(points), 0.9, np.float32), points, scores, colours)
    is_cut = np.isin(np.arange(length), cuts)
    return Keypoints2D(
        np.array(frames, np.int32),
        people,
        COCO,
        fps=Fraction(FPS),
        frames_read=np.arange(length, dtype=np.int32),
        times_s=np.arange(length) / FPS,
        cuts=is_cut,
    )


def _line(x: float, speed: float, y: float = 300, hidden: range = range(0)) -> Where:
    return lambda i: None if i in hidden else (x + speed * i / FPS, y)


def _there_and_back(x: float, y: float, far: float, length: int = LENGTH) -> Where:
    """Walks up to `far` and back again: motion alone would have them walk on."""
    half = length // 2
    return lambda i: (x + (far - x) * (i if i < half else length - i) / half, y)


def _at(track: Track2D, path: Where) -> Bool:
    """Where a track is on a path, among the frames where the path is."""
    on = []
    for row, frame in enumerate(track.frames.tolist()):
        if (where := path(frame)) and track.observed[row]:
            centre = track.keypoints[row].mean(0) - _POSE.mean(0)
            on.append(np.abs(centre - where).max() < 25)
    return np.array(on)


def _share(tracked: Tracked, path: Where, ids: tuple[int, ...]) -> float:
    tracks = [t for t in tracked.tracks if t.track_id in ids]
    return float(np.concatenate([_at(t, path) for t in tracks]).mean())


@pytest.mark.parametrize("merge", [0.0, 40.0])
@pytest.mark.parametrize("swap", [False, True])
def test_people_who_meet_and_turn_back_stay_themselves_by_their_clothes(
    merge: float, swap: bool
) -> None:
    """Motion says that they crossed; colours know better."""
    paths = [_there_and_back(100, 300, 395), _there_and_back(700, 300, 405)]
    seen = _scene(paths[::-1] if swap else paths, [9, 14], merge=merge)
    tracked = identify(seen)
    people = [t for t in tracked.tracks if len(t) > 60]
    assert len(people) == 2
    for track in people:
        on = max(_at(track, path).mean() for path in paths)
        assert on > 0.9


def test_without_colours_the_tracker_is_what_it_was() -> None:
    paths = [_line(100, 180), _line(640, -180, 260)]
    seen = _scene(paths, None)
    told, plain = identify(seen), associate(seen, appearance=False)
    assert len(told.tracks) == len(plain) == 2
    for one, other in zip(told.tracks, plain, strict=True):
        np.testing.assert_array_equal(one.keypoints, other.keypoints)


@pytest.mark.parametrize("clothes", [[9, 9], [9, 14]])
@pytest.mark.parametrize("apart", [0, 40])
def test_people_who_cross_stay_themselves_whatever_they_wear(
    clothes: list[int], apart: float
) -> None:
    paths = [_line(100, 180), _line(640, -180, 300 - apart)]
    tracked = identify(_scene(paths, clothes, merge=25))
    whole = [t for t in tracked.tracks if len(t) > 60]
    assert len(whole) == 2
    for track in whole:
        assert max(_at(track, path).mean() for path in paths) > 0.9


def test_whoever_comes_back_is_known() -> None:
    paths = [_line(200, 0), _line(700, 0, hidden=range(40, 80))]
    tracked = identify(_scene(paths, [9, 14]))
    assert [(int(t.frames[0]), int(t.frames[-1])) for t in tracked.tracks] == [
        (0, 119),
        (0, 39),
        (80, 119),
    ]
    assert tracked.same_person == ((2, 3),)
    assert tracked.warnings == (
        "people who come back have new ids: 3 (from frame 80) looks like 2; "
        "--person takes all ids of a person",
    )


@pytest.mark.parametrize("clothes", [[9, 14, 20], [9, 9, 9], [9, 14, 9], None])
def test_a_stranger_or_one_dressed_as_another_is_not_taken_for_who_left(
    clothes: list[int] | None,
) -> None:
    """The second leaves; a third comes. With the clothes of the first, nobody can tell."""
    paths = [_line(200, 0), _line(700, 0, hidden=range(40, 120)), _line(700, 0, hidden=range(80))]
    tracked = identify(_scene(paths, clothes))
    assert len(tracked.tracks) == 3
    assert tracked.same_person == ()
    assert tracked.warnings == ()


def test_colours_are_not_looked_at_where_nobody_asks() -> None:
    paths = [_line(200, 0), _line(700, 0, hidden=range(40, 80))]
    assert identify(_scene(paths, [9, 14]), appearance=False).same_person == ()


def test_tracks_end_at_a_cut_and_people_are_known_after_it() -> None:
    seen = _scene([_line(200, 0), _line(600, 0)], [9, 14], cuts=(50,))
    tracked = identify(seen)
    assert [(t.track_id, int(t.frames[0]), int(t.frames[-1])) for t in tracked.tracks] == [
        (1, 0, 49),
        (2, 0, 49),
        (3, 50, 119),
        (4, 50, 119),
    ]
    assert {frozenset(group) for group in tracked.same_person} in (
        {frozenset({1, 3}), frozenset({2, 4})},
        {frozenset({1, 4}), frozenset({2, 3})},
    )
    for group, path in zip(sorted(tracked.same_person), (None, None), strict=True):
        first, second = (next(t for t in tracked.tracks if t.track_id == i) for i in group)
        assert abs(first.keypoints.mean() - second.keypoints.mean()) < 5
        del path


def test_another_in_the_same_place_after_a_cut_is_another() -> None:
    paths = [_line(300, 0, hidden=range(60, 120)), _line(300, 0, hidden=range(60))]
    tracked = identify(_scene(paths, [9, 14], cuts=(60,)))
    assert [len(t) for t in tracked.tracks] == [60, 60]
    assert tracked.same_person == ()
    (whole,) = identify(_scene(paths, None)).tracks
    assert len(whole) == 120


def test_a_gap_is_not_filled_across_a_cut() -> None:
    seen = _scene([_line(300, 0, hidden=range(55, 60))], [9], cuts=(57,))
    tracked = identify(seen)
    assert [(int(t.frames[0]), int(t.frames[-1])) for t in tracked.tracks] == [(0, 54), (60, 119)]
    assert tracked.same_person == ((1, 2),)


@pytest.mark.parametrize("clothes", [[9, 14], [9, 9], None])
def test_two_people_exactly_overlapping_are_at_risk_and_stay_two(
    clothes: list[int] | None,
) -> None:
    """They come, stand in each other for a second, and part as they came."""

    def path(side: int) -> Where:
        return lambda i: (400 + side * max(0, 45 - i, i - 75) * 6, 300)

    tracked = identify(_scene([path(-1), path(1)], clothes))
    assert len(tracked.tracks) == 2
    for track in tracked.tracks:
        assert len(track) == LENGTH
        assert track.at_risk[45:76].all()
        assert not track.at_risk[:30].any()
        assert not track.at_risk[90:].any()
        jumps = np.linalg.norm(np.diff(track.keypoints.mean(1), axis=0), axis=-1)
        assert jumps.max() < 25
    if clothes == [9, 14]:
        for side in (-1, 1):
            assert max(_at(track, path(side)).mean() for track in tracked.tracks) > 0.98


def test_risk_lasts_until_they_are_apart_again() -> None:
    """The second vanishes behind the first for longer than a gap that is filled."""
    paths = [_line(400, 0), _line(100, 300 * FPS / 60, hidden=range(56, 64))]
    apart, behind = _line(900, 0), _line(400, 0, hidden=range(0))
    tracked = identify(_scene([*paths, apart], [9, 14, 20]))
    first = next(t for t in tracked.tracks if _at(t, behind).mean() > 0.9)
    lonely = next(t for t in tracked.tracks if _at(t, apart).mean() > 0.9)
    distance = np.array([abs(400 - (100 + 150 * i / FPS)) for i in range(LENGTH)])
    assert first.at_risk[distance < 30].all()
    assert not first.at_risk[distance > 100].any()
    assert not lonely.at_risk.any()
    runs = np.flatnonzero(np.diff(first.at_risk.astype(int)))
    assert len(runs) <= 2


def test_whoever_vanishes_beside_another_leaves_them_at_risk() -> None:
    paths = [_line(400, 0), _line(380, 0, hidden=range(40, 80))]
    tracked = identify(_scene(paths, None))
    whole = max(tracked.tracks, key=len)
    assert whole.at_risk[:54].all()
    alone = identify(_scene([_line(400, 0), _line(380, 0, hidden=range(40, 120))], None))
    whole = max(alone.tracks, key=len)
    assert not whole.at_risk[60:].any()


def test_whoever_comes_back_elsewhere_leaves_nobody_at_risk_meanwhile() -> None:
    def path(i: int) -> tuple[float, float] | None:
        return (max(380, 800 - 16 * i), 300) if i < 40 else (800, 300) if i >= 80 else None

    tracked = identify(_scene([_line(400, 0), path], [9, 14]))
    assert tracked.same_person
    whole = max(tracked.tracks, key=len)
    assert whole.at_risk[35]
    assert not whole.at_risk[60:].any()


def test_six_people_who_walk_to_and_fro_are_six() -> None:
    def path(who: int) -> Where:
        return lambda i: (
            500 + 380 * np.sin(2 * np.pi * (i / 150 + who / 6)), 300 + 15 * (who % 3)
        )  # fmt: skip

    paths = [path(who) for who in range(6)]
    seen = _scene(paths, [8, 10, 12, 14, 1, 6], length=300)
    tracked = identify(seen)
    group_of = {i: g for g in tracked.same_person for i in g}
    right = sum(
        max(_share(tracked, p, group_of.get(t.track_id, (t.track_id,))) for p in paths) * len(t)
        for t in tracked.tracks
    )
    assert right / sum(len(t) for t in tracked.tracks) > 0.9


def test_the_order_within_a_frame_does_not_matter() -> None:
    paths = [_line(100, 180), _line(640, -180, 280), _line(380, 0, 310)]
    seen = _scene(paths, [9, 14, 20], merge=20)
    order = np.lexsort((np.random.default_rng(3).random(len(seen.frames)), seen.frames))
    shuffled = replace(seen, people=seen.people.select(order))
    one, other = identify(seen), identify(shuffled)
    assert one.same_person == other.same_person
    for a, b in zip(one.tracks, other.tracks, strict=True):
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
        np.testing.assert_array_equal(a.at_risk, b.at_risk)


@pytest.mark.parametrize("clothes", [[9, 14, 20], None])
def test_no_detection_is_used_twice(clothes: list[int] | None) -> None:
    paths = [_line(100, 180), _there_and_back(700, 290, 380), _line(380, 0, 310)]
    tracks = identify(_scene(paths, clothes, merge=30), repair=False).tracks
    used: dict[tuple[int, float], int] = {}
    for track in tracks:
        for row in np.flatnonzero(track.observed):
            key = int(track.frames[row]), float(track.keypoints[row].sum())
            used[key] = used.get(key, 0) + 1
    assert set(used.values()) == {1}


class _Read(Sighting):
    """Counts how often it is looked at."""

    times = 0

    def __getattribute__(self, name: str) -> object:
        if name in ("time_s", "is_clear", "colours"):
            _Read.times += 1
        return super().__getattribute__(name)


@pytest.mark.parametrize("known", [True, False])
def test_the_work_grows_with_the_length_alone(known: bool) -> None:
    reads = []
    for length in (1000, 4000):
        people = []
        for who in range(2):
            x = 60.0 * who
            box = np.array([x, 0, x + 50, 200], np.float32)
            colours = _clothes(5 * who, np.random.default_rng(who))
            person = Person(Motion(box))
            for frame in range(length):
                look = colours if known else np.full_like(colours, np.nan)
                points = np.zeros((17, 2), np.float32), np.ones(17, np.float32)
                is_clear = frame % 20 > 3
                person.see(_Read(frame, frame / FPS, box, 0.9, *points, look, is_clear))
            people.append(person)
        _Read.times = 0
        assert len(resolve(people)) == 2
        reads.append(_Read.times)
    assert reads[1] < 5 * reads[0]


def test_clothes_are_compared_with_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day in a street has thousands of people, who would else be compared one by one."""
    calls = []
    monkeypatch.setattr(encounters, "unlike", lambda a, b: calls.append(1) or unlike(a, b))
    people = []
    for who in range(40):
        person = Person(Motion(np.array([0, 0, 50, 200], np.float32)))
        points = np.zeros((17, 2), np.float32), np.ones(17, np.float32)
        for frame in range(5):
            look = _clothes(who % 20, np.random.default_rng(who))
            at = 10 * who + frame
            person.see(Sighting(at, at / FPS, person.motion.box, 0.9, *points, look))
        people.append(person)
    groups = encounters.rejoin(people)
    assert [[p.sightings[0].frame // 10 for p in g] for g in groups] == [
        [who, who + 20] for who in range(20)
    ]
    assert len(calls) <= len(people)


def test_nobody_is_nobody() -> None:
    assert identify(_scene([], [])) == Tracked(())


def _given(ids: list[int], frames: list[int]) -> Keypoints2D:
    points = np.array([np.add(_POSE, (300 * i, 300)) for i in ids], np.float32)
    boxes = np.concatenate([points.min(1), points.max(1)], 1)
    ones = np.ones((len(ids), 17), np.float32)
    numbers: Int = np.array(ids, np.int32)
    return Keypoints2D(
        np.array(frames, np.int32),
        Detections(boxes, ones[:, 0], points, ones),
        COCO,
        track_ids=numbers,
        fps=Fraction(FPS),
        num_frames=max(frames) + 1,
    )


def test_a_files_ids_are_believed_across_long_gaps() -> None:
    rows = [(1, f) for f in range(60)] + [(2, f) for f in (*range(10), *range(40, 60))]
    rows.sort(key=lambda row: row[1])
    seen = _given([i for i, _ in rows], [f for _, f in rows])
    tracked = identify(seen)
    assert tracked.same_person == ((2, 3),)
    tracks, warnings = keep_ids(seen)
    assert [t.track_id for t in tracks] == [t.track_id for t in tracked.tracks] == [1, 2, 3]
    assert tracked.warnings == warnings


def test_a_person_is_chosen_with_all_their_tracks() -> None:
    tracks = tuple(make_track2d(i, length) for i, length in ((1, 30), (2, 40), (3, 9), (4, 20)))
    same = ((1, 4), (2, 3))

    def ids(choice: str) -> list[int]:
        return [t.track_id for t in select_people(tracks, choice, same)]

    assert ids("1") == ids("4") == [1, 4]
    assert ids("2") == ids("3") == [2, 3]
    assert ids("all") == [1, 2, 3, 4]
    sizes = {i: float(np.prod(t.boxes[:, 2:] - t.boxes[:, :2], 1).sum())
             for i, t in enumerate(tracks, 1)}  # fmt: skip
    best = max(same, key=lambda group: sum(sizes[i] for i in group))
    assert ids("largest") == list(best)
