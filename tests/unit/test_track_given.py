"""Tracks that need no association: ids of a file, and the reference's best box."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from vp3d_cli import skeletons
from vp3d_cli.errors import DataError
from vp3d_cli.track import best_of_each_frame, clock_of, keep_ids
from vp3d_cli.types import Detections, Keypoints2D

COCO = skeletons.get("coco17")


def _keypoints(rows: list[tuple[int, float]], **changes: Any) -> Keypoints2D:
    """Rows of (frame, where): a person whose every coordinate is `where`, at 10 frames/s."""
    frames = np.array([frame for frame, _ in rows], np.int32)
    where = np.array([place for _, place in rows], np.float32)
    count = len(rows)
    people = Detections(
        boxes=np.repeat(where[:, None], 4, 1),
        box_scores=changes.pop("box_scores", np.ones(count, np.float32)),
        keypoints=np.broadcast_to(where[:, None, None], (count, 17, 2)).copy(),
        scores=np.full((count, 17), 0.5, np.float32),
    )
    fields = {"frames": frames, "people": people, "skeleton": COCO, "fps": Fraction(10)}
    return Keypoints2D(**{**fields, **changes})


def _ids(*ids: int) -> np.ndarray:
    return np.array(ids, np.int32)


def test_ids_are_kept_and_gaps_filled_over_time() -> None:
    rows = [(0, 0), (0, 9), (1, 10), (2, 9), (4, 20)]
    times = np.array([0, 0.1, 0.2, 0.2, 0.4])  # frame 3 comes at once after frame 2
    keypoints = _keypoints(
        rows, track_ids=_ids(7, 3, 7, 3, 7), frames_read=np.arange(5, dtype=np.int32),
        times_s=times,
    )  # fmt: skip
    tracks, warnings = keep_ids(keypoints)
    assert not warnings
    assert [t.track_id for t in tracks] == [3, 7]
    assert tracks[1].frames.tolist() == [0, 1, 2, 3, 4]
    assert tracks[1].observed.tolist() == [True, True, False, False, True]
    np.testing.assert_array_equal(tracks[1].times_s, times)
    expected = [0, 10, 10 + 10 / 3, 10 + 10 / 3, 20]
    np.testing.assert_allclose(tracks[1].keypoints[:, 4, 1], expected, rtol=1e-6)
    np.testing.assert_allclose(tracks[1].boxes[:, 2], expected, rtol=1e-6)
    assert tracks[1].scores[:, 0].tolist() == [0.5, 0.5, 0, 0, 0.5]


@pytest.mark.parametrize(("max_gap_s", "parts"), [(0.5, [[0, 5], [11], [30]]), (0.6, None)])
def test_long_gaps_split_under_new_ids_above_all(
    max_gap_s: float, parts: list[list[int]] | None
) -> None:
    """At 10 frames/s five steps are half a second: filled; six are not."""
    rows = [(0, 0), (5, 50), (11, 0), (30, 0), (30, 5)]
    tracks, warnings = keep_ids(_keypoints(rows, track_ids=_ids(2, 2, 2, 2, 4)), max_gap_s)
    if parts is None:
        assert [(t.track_id, len(t)) for t in tracks] == [(2, 12), (4, 1), (5, 1)]
        return
    assert [t.track_id for t in tracks] == [2, 4, 5, 6]
    assert tracks[0].frames.tolist() == list(range(6))
    assert [t.frames.tolist() for t in tracks[2:]] == [[11], [30]]
    (warning,) = warnings
    assert "2 as 5 from frame 11, 2 as 6 from frame 30" in warning


def test_neighbouring_frames_are_never_too_far_apart() -> None:
    tracks, _ = keep_ids(_keypoints([(0, 0), (1, 1)], fps=Fraction(1), track_ids=_ids(1, 1)))
    assert [len(t) for t in tracks] == [2]


def test_nobody_has_no_id() -> None:
    assert keep_ids(_keypoints([], track_ids=_ids())) == ((), ())


def test_ids_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(DataError, match="person 3 is twice in frame 1"):
        keep_ids(_keypoints([(1, 0), (1, 5)], track_ids=_ids(3, 3)))
    with pytest.raises(ValueError, match="from 1"):
        keep_ids(_keypoints([(1, 0)], track_ids=_ids(0)))


def test_the_best_box_of_each_frame_and_of_equals_the_first() -> None:
    scores = np.array([0.7, 0.9, 0.9, 0.8, 0.2], np.float32)
    rows = [(0, 1), (0, 2), (0, 3), (1, 4), (1, 5)]
    (track,) = best_of_each_frame(
        _keypoints(rows, box_scores=scores, track_ids=_ids(1, 2, 3, 9, 8))
    )
    assert track.track_id == 1
    assert track.keypoints[:, 0, 0].tolist() == [2, 4]


def test_the_reference_fills_every_gap_over_the_frame_index() -> None:
    """np.interp: linear between, the nearest outside; over frames, not seconds."""
    keypoints = _keypoints(
        [(6, 10), (10, 30)],
        frames_read=np.arange(4, 13, dtype=np.int32),
        times_s=np.array([0.4, 0.5, 0.6, 3, 3.1, 3.2, 3.3, 3.4, 3.5]),
    )
    (track,) = best_of_each_frame(keypoints)
    assert track.frames.tolist() == list(range(4, 13))
    np.testing.assert_array_equal(track.times_s, keypoints.times_s)
    filled = [10, 10, 10, 15, 20, 25, 30, 30, 30]
    for values in (track.keypoints[:, 16, 1], track.boxes[:, 3]):
        np.testing.assert_allclose(values, filled, rtol=1e-6)
    assert np.flatnonzero(track.observed).tolist() == [2, 6]
    assert (track.scores[~track.observed] == 0).all()


def test_nobody_in_any_frame_is_no_track() -> None:
    assert best_of_each_frame(_keypoints([], num_frames=9)) == ()


def test_frames_without_people_count() -> None:
    frames, times_s = clock_of(_keypoints([(2, 0)], num_frames=5))
    assert frames.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(times_s, [0, 0.1, 0.2, 0.3, 0.4])
    assert len(clock_of(_keypoints([(2, 0)]))[0]) == 3


def test_a_frame_number_beyond_belief_is_refused() -> None:
    with pytest.raises(DataError, match="number them from 0"):
        clock_of(_keypoints([(2_000_000_000, 0)]))


def test_frame_numbers_beyond_belief_are_refused() -> None:
    far = _keypoints(
        [(0, 1.0), (300_000_000, 1.0)],
        frames_read=np.array([0, 300_000_000], np.int32),
        times_s=np.array([0.0, 1.0]),
    )
    with pytest.raises(DataError, match="number them from 0"):
        clock_of(far)
