"""Association over time, on people who walk along paths we know."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from tests.factories import make_track2d
from vp3d_cli import skeletons
from vp3d_cli.errors import DataError
from vp3d_cli.track import Tracker, select_people
from vp3d_cli.types import Detections, Float, Track2D

COCO = skeletons.get("coco17")
FPS = 30
_POSE = np.random.default_rng(5).uniform(-1, 1, (17, 2)) * (40, 100)

Path2D = Callable[[float], tuple[float, float]]


def _person(centre: tuple[float, float], step: int = 0, noise: float = 1.5) -> Float:
    """Keypoints (17, 2) of somebody 200 px tall, with a detector's jitter."""
    jitter = np.random.default_rng([step, int(centre[0])]).normal(0, noise, (17, 2))
    return np.asarray(_POSE + centre + jitter, np.float32)


def _detections(people: Iterable[Float], scores: Iterable[float] | None = None) -> Detections:
    keypoints = np.array(list(people), np.float32).reshape(-1, 17, 2)
    certain = np.ones(len(keypoints)) if scores is None else np.array(list(scores))
    boxes = np.array([[*k.min(0), *k.max(0)] for k in keypoints], np.float32).reshape(-1, 4)
    box_scores = (0.9 * certain).astype(np.float32)
    joint_scores = np.full(keypoints.shape[:2], 0.8, np.float32)
    return Detections(boxes, box_scores, keypoints, joint_scores)


def _track(frames: Iterable[Detections], fps: float = FPS, **options: float) -> tuple[Track2D, ...]:
    tracker = Tracker(COCO, **options)
    for i, detections in enumerate(frames):
        tracker.update(i, i / fps, detections)
    return tracker.finish()


def _walk(
    paths: list[Path2D],
    length: int,
    visible: Callable[[int, int], bool] = lambda person, frame: True,
    fps: float = FPS,
) -> list[Detections]:
    return [
        _detections(_person(p(i / fps), i) for n, p in enumerate(paths) if visible(n, i))
        for i in range(length)
    ]


def _walker(x: float = 100, y: float = 300, speed: float = 120) -> Path2D:
    return lambda t: (x + speed * t, y)


def _is_on(track: Track2D, path: Path2D, within: float = 12) -> bool:
    expected = np.array([path(t) for t in track.times_s]) + _POSE.mean(0)
    return bool(np.abs(track.keypoints.mean(1) - expected).max() < within)


def test_nobody_is_an_empty_result() -> None:
    assert Tracker(COCO).finish() == ()
    assert _track([Detections.empty(17)] * 40) == ()


def test_one_person_is_one_track() -> None:
    (track,) = _track(_walk([_walker()], 60))
    assert track.track_id == 1
    assert (track.frames == np.arange(60)).all()
    np.testing.assert_allclose(track.times_s, np.arange(60) / FPS)
    assert track.observed.all()
    assert _is_on(track, _walker())


@pytest.mark.parametrize("apart", [20, 60, 120])
@pytest.mark.parametrize("hidden", [0, 6, 10])
def test_two_people_who_cross_stay_themselves(apart: float, hidden: int) -> None:
    """They walk past each other; around the meeting the farther one may be hidden."""
    paths = [_walker(100, 300, 180), _walker(640, 300 - apart, -180)]
    meeting = 45
    frames = _walk(paths, 90, lambda n, i: n == 0 or abs(i - meeting) > hidden / 2)
    tracks = _track(frames)
    assert len(tracks) == 2
    on = [[_is_on(track, path, 25) for path in paths] for track in tracks]
    assert sorted(on) == [[False, True], [True, False]]


def test_one_who_follows_another_takes_no_place_of_his() -> None:
    """Hidden behind a wall, the second comes to where the first was: velocity tells them apart."""
    paths = [_walker(200, 300, 300), _walker(100, 300, 300)]
    tracks = _track(_walk(paths, 60, lambda n, i: not 20 <= i < 30))
    assert [len(t) for t in tracks] == [60, 60]
    assert sorted([_is_on(t, p) for p in paths] for t in tracks) == [[False, True], [True, False]]


def test_the_order_within_a_frame_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    paths = [_walker(100, 300, 150), _walker(600, 330, -150), _walker(350, 340, 0)]
    frames = _walk(paths, 80, lambda n, i: (n + i) % 7 > 0)
    shuffled = [d.select(rng.permutation(len(d))) for d in frames]
    one, other = _track(frames), _track(shuffled)
    assert len(one) == len(other) == 3
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
        np.testing.assert_array_equal(a.observed, b.observed)


def test_a_gap_is_filled_and_marked() -> None:
    path = _walker()
    (track,) = _track(_walk([path], 60, lambda n, i: not 20 <= i < 30))
    assert len(track) == 60
    assert (np.flatnonzero(~track.observed) == np.arange(20, 30)).all()
    assert (track.scores[20:30] == 0).all()
    assert (track.scores[track.observed] > 0).all()
    share = np.linspace(0, 1, 12)[1:-1, None, None]
    expected = track.keypoints[19] * (1 - share) + track.keypoints[30] * share
    np.testing.assert_allclose(track.keypoints[20:30], expected, atol=1e-2)
    corners = track.boxes[19] * (1 - share[..., 0]) + track.boxes[30] * share[..., 0]
    np.testing.assert_allclose(track.boxes[20:30], corners, atol=1e-2)


def test_filling_follows_time_not_frames() -> None:
    tracker = Tracker(COCO, min_presence_s=0)
    for frame, time_s, x in [(0, 0.0, 100), (1, 0.1, None), (2, 0.4, 140)]:
        people = [] if x is None else [_person((x, 300), noise=0)]
        tracker.update(frame, time_s, _detections(people))
    (track,) = tracker.finish()
    assert track.keypoints[1, 0, 0] - track.keypoints[0, 0, 0] == pytest.approx(10, abs=1e-3)


@pytest.mark.parametrize(("missing", "tracks"), [(14, 1), (15, 2)])
def test_a_long_gap_splits(missing: int, tracks: int) -> None:
    """Half a second at 30 frames a second: fifteen steps, fourteen frames between."""
    found = _track(_walk([_walker(speed=20)], 70, lambda n, i: not 20 <= i < 20 + missing))
    assert [t.track_id for t in found] == list(range(1, tracks + 1))
    assert found[-1].frames[-1] == 69
    assert sum(len(t) for t in found) == (70 if tracks == 1 else 70 - missing)


def test_frames_that_were_never_given_are_gaps() -> None:
    tracker = Tracker(COCO)
    for i in range(0, 60, 3):
        tracker.update(i, i / FPS, _detections([_person(_walker()(i / FPS), i)]))
    (track,) = tracker.finish()
    assert len(track) == 58
    assert track.observed.sum() == 20
    np.testing.assert_allclose(track.times_s, track.frames / FPS, atol=1e-6)


def test_unsure_detections_keep_a_track_alive() -> None:
    sure = _walk([_walker()], 70)
    unsure = [
        Detections(d.boxes, d.box_scores * (0.4 if 20 <= i < 50 else 1), d.keypoints, d.scores)
        for i, d in enumerate(sure)
    ]
    (track,) = _track(unsure)
    assert track.observed.all()
    assert len(track) == 70


def test_unsure_detections_start_nothing() -> None:
    people = [_person((200, 300), i) for i in range(60)]
    assert _track([_detections([p], [0.4]) for p in people]) == ()


def test_an_unsure_detection_does_not_take_a_track_from_a_sure_one() -> None:
    frames = []
    for i, sure in enumerate(_walk([_walker()], 40)):
        ghost = sure.keypoints[0] + np.float32([4, 0])
        frames.append(_detections([ghost, sure.keypoints[0]], [0.4, 1] if i else [0, 1]))
    (track,) = _track(frames)
    assert _is_on(track, _walker(), 2)


@pytest.mark.parametrize("flashes", [range(20, 23), range(0, 60, 20), range(0, 60, 12)])
def test_ghosts_of_a_few_frames_are_nobody(flashes: range) -> None:
    paths = [_walker(), _walker(700, 600, 0)]
    (track,) = _track(_walk(paths, 60, lambda n, i: n == 0 or i in flashes))
    assert _is_on(track, _walker())


def test_a_ghost_before_a_person_is_not_the_beginning() -> None:
    (track,) = _track(_walk([_walker(speed=0)], 90, lambda n, i: i == 20 or i >= 32))
    assert track.frames[0] == 32


def test_a_ghost_in_the_first_frame_is_nobody() -> None:
    assert _track(_walk([_walker()], 60, lambda n, i: i == 0), max_gap_s=0) == ()


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_short_videos_have_people(length: int) -> None:
    (track,) = _track(_walk([_walker()], length))
    assert len(track) == length


def test_every_detection_can_be_believed() -> None:
    frames = _walk([_walker()], 60, lambda n, i: i == 30)
    assert _track(frames) == ()
    (track,) = _track(frames, min_presence_s=0)
    assert track.frames.tolist() == [30]


@pytest.mark.parametrize("fps", [2, 5, 10, 30, 240])
def test_walking_is_followed_at_any_frame_rate(fps: float) -> None:
    path = _walker(speed=200)  # one body height a second
    (track,) = _track(_walk([path], max(6, 2 * fps), fps=fps), fps=fps)
    assert _is_on(track, path)


def test_frames_more_than_the_longest_gap_apart() -> None:
    (track,) = _track(_walk([_walker(speed=20)], 8, fps=1), fps=1)
    assert len(track) == 8
    assert track.observed.all()


def test_who_stands_where_another_left_is_another() -> None:
    paths = [_walker(100, 300, 0), _walker(900, 300, 0)]
    tracks = _track(_walk(paths, 40, lambda n, i: (i < 20) == (n == 0)))
    assert [(t.track_id, len(t)) for t in tracks] == [(1, 20), (2, 20)]


def test_ids_follow_the_first_appearance_then_the_size() -> None:
    small = [Detections.empty(17)] * 3 + [
        _detections([_person((500, 300), i), _person((200, 300), i) * 0.5]) for i in range(20)
    ]
    tracks = _track(small)
    assert [t.track_id for t in tracks] == [1, 2]
    assert [int(t.frames[0]) for t in tracks] == [3, 3]
    assert tracks[0].keypoints[0].mean() > tracks[1].keypoints[0].mean()


def test_missing_keypoints_are_filled_over_time() -> None:
    frames = _walk([_walker()], 30)
    for i, detections in enumerate(frames):
        detections.keypoints[:, 3] = np.nan
        if 10 <= i < 14:
            detections.keypoints[:, 9] = np.nan
            detections.scores[:, 9] = 0
    (track,) = _track(frames)
    assert track.observed.all()
    assert np.isnan(track.keypoints[:, 3]).all()
    assert np.isfinite(np.delete(track.keypoints, 3, axis=1)).all()
    assert (track.scores[10:14, 9] == 0).all()


def test_frames_must_come_in_order() -> None:
    tracker = Tracker(COCO)
    tracker.update(3, 0.1, Detections.empty(17))
    with pytest.raises(ValueError, match="frame 3 came after frame 3"):
        tracker.update(3, 0.1, Detections.empty(17))


def test_people_are_selected() -> None:
    tracks = (make_track2d(1, 4), make_track2d(2, 40), make_track2d(5, 8, start=7))
    assert select_people(tracks, "all") == tracks
    assert [t.track_id for t in select_people(tracks, "largest")] == [2]
    assert [t.track_id for t in select_people(tracks, "5")] == [5]
    assert select_people((), "largest") == select_people((), "7") == ()


@pytest.mark.parametrize("choice", ["3", "biggest", "", "-1"])
def test_an_unknown_person_lists_who_is_there(choice: str) -> None:
    tracks = (make_track2d(1, 4), make_track2d(5, 8, start=7))
    with pytest.raises(DataError, match=r"1 \(frames 0-3\), 5 \(frames 7-14\)"):
        select_people(tracks, choice)


def test_people_who_were_looked_through_before_are_believed_whatever_their_score() -> None:
    frames = [_detections([_person((200, 200), step)], [0.3]) for step in range(9)]
    assert _track(frames) == ()
    (track,) = _track(frames, min_presence_s=0.0)
    assert track.observed.all()
