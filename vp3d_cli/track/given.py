"""Tracks without association: the file says who is who, or one person a frame is enough."""

from __future__ import annotations

import numpy as np

from vp3d_cli.errors import DataError
from vp3d_cli.track.filling import MAX_GAP_S, clock_of, filled_track, looked_at
from vp3d_cli.types import Int, Keypoints2D, Track2D

_ROUNDING_S = 1e-6
# So many renumbered people are named.
_LISTED = 8


def keep_ids(
    keypoints: Keypoints2D, max_gap_s: float = MAX_GAP_S
) -> tuple[tuple[Track2D, ...], tuple[str, ...]]:
    """The people as the file numbers them.

    Gaps up to `max_gap_s` are filled. Whoever is gone for longer goes on under a new id above
    all of the file's, so that an id never spans a stretch that nobody saw.

    Args:
        keypoints: with `track_ids` from 1.
        max_gap_s: seconds.

    Returns:
        Tracks by id, and a sentence that says who was renumbered, if anybody was.

    Raises:
        DataError: an id is twice in a frame.
    """
    tracks, _, told = keep_people(keypoints, max_gap_s)
    return tracks, told


def keep_people(
    keypoints: Keypoints2D, max_gap_s: float = MAX_GAP_S
) -> tuple[tuple[Track2D, ...], tuple[tuple[int, ...], ...], tuple[str, ...]]:
    """As `keep_ids`; between the two also the ids of tracks that are one person by the file.

    Raises:
        DataError: an id is twice in a frame.
    """
    ids = keypoints.track_ids
    if ids is None or ids.min(initial=1) < 1:
        raise ValueError(f"track_ids: expected numbers from 1, got {ids}")
    if not len(ids):
        return (), (), ()
    _require_once(keypoints.frames, ids)
    clock, looks = clock_of(keypoints), looked_at(keypoints)
    tracks: list[Track2D] = []
    split: list[str] = []
    same: list[list[int]] = []
    next_id = int(ids.max()) + 1
    by_id = np.argsort(ids, kind="stable")
    for rows in np.split(by_id, np.flatnonzero(np.diff(ids[by_id])) + 1):
        frames = keypoints.frames[rows]
        gone_s = np.diff(np.interp(frames, *clock))
        missed = np.diff(np.searchsorted(looks, frames)) > 1
        long = np.flatnonzero(missed & (gone_s > max_gap_s + _ROUNDING_S)) + 1
        same.append([])
        for number, part in enumerate(np.split(rows, long)):
            track_id, seen = int(ids[part[0]]), keypoints.frames[part]
            if number > 0:
                split.append(f"{track_id} as {next_id} from frame {seen[0]}")
                track_id, next_id = next_id, next_id + 1
            people = keypoints.people.select(part)
            track = filled_track(track_id, seen, people, clock, keypoints.skeleton, looks=looks)
            tracks.append(track)
            same[-1].append(track_id)
    numbered = tuple(sorted(tracks, key=lambda t: t.track_id))
    groups = tuple(tuple(group) for group in same if len(group) > 1)
    return numbered, groups, _told(split, max_gap_s)


def _told(split: list[str], max_gap_s: float) -> tuple[str, ...]:
    if not split:
        return ()
    more = f", and {len(split) - _LISTED} more" if len(split) > _LISTED else ""
    return (
        f"people who were gone for longer than {max_gap_s:g} s go on under new ids: "
        f"{', '.join(split[:_LISTED])}{more}; --max-gap keeps them together",
    )


def _require_once(frames: Int, ids: Int) -> None:
    people, counts = np.unique(np.stack([frames, ids], 1), axis=0, return_counts=True)
    if (counts > 1).any():
        frame, track_id = people[counts.argmax()]
        raise DataError(
            f"person {track_id} is twice in frame {frame}; number the people of a frame apart, "
            "or leave the ids out and they are tracked"
        )


def best_of_each_frame(keypoints: Keypoints2D) -> tuple[Track2D, ...]:
    """The reference's person: the best box of each frame, whoever it is.

    Where several are equally good the first counts. Frames without anybody are filled linearly
    over the frame index, at the ends with the nearest, so that the track covers every frame
    looked at.

    Returns:
        One track, or none where there is nobody in any frame.
    """
    if not len(keypoints.frames):
        return ()
    frames, times_s = clock_of(keypoints)
    badness = -np.nan_to_num(keypoints.people.box_scores, nan=-np.inf)
    order = np.lexsort((badness, keypoints.frames))  # stable: ties stay in order
    seen, first = np.unique(keypoints.frames[order], return_index=True)
    return (
        filled_track(
            1,
            seen,
            keypoints.people.select(order[first]),
            (frames, times_s),
            keypoints.skeleton,
            span=(int(frames[0]), int(frames[-1])),
            over_time=False,
        ),
    )
