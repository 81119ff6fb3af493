"""Who is who in a video: from keypoints to tracks, with all that is known about identities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vp3d_cli.track.closeness import mark_risk
from vp3d_cli.track.filling import MAX_GAP_S, clock_of, looked_at
from vp3d_cli.track.given import keep_people
from vp3d_cli.track.swaps import repair_swaps
from vp3d_cli.track.tracker import PRESENCE_S, Tracker
from vp3d_cli.types import Int, Keypoints2D, Track2D

# So many people who come back, and so many whose sides were repaired, are named.
_LISTED = 8


@dataclass(frozen=True)
class Tracked:
    """The people of a video.

    Attributes:
        tracks: by id; rows where two people were close are `at_risk`.
        same_person: ids of tracks that are of one person, in order of time: a track never spans
            a cut or a stretch that nobody saw.
        warnings: sentences about people.
        repaired: for each id the frames in which left and right were exchanged.
    """

    tracks: tuple[Track2D, ...]
    same_person: tuple[tuple[int, ...], ...] = ()
    warnings: tuple[str, ...] = ()
    repaired: tuple[tuple[int, int], ...] = ()


def identify(
    keypoints: Keypoints2D,
    max_gap_s: float = MAX_GAP_S,
    min_presence_s: float = PRESENCE_S,
    *,
    appearance: bool = True,
    repair: bool = True,
) -> Tracked:
    """The people behind keypoints, by the file's ids or else by association.

    Args:
        keypoints: ids, colours and cuts are used where they are known.
        max_gap_s: gaps up to this are filled, seconds.
        min_presence_s: see `Tracker`; ids of a file are believed.
        appearance: the colours of clothes tell who is who, where motion does not.
        repair: exchange left and right where a detector swapped them for some frames.

    Raises:
        DataError: an id is twice in a frame.
    """
    if keypoints.track_ids is not None:
        tracks, same, warnings = keep_people(keypoints, max_gap_s)
    else:
        tracks, same = _associated(keypoints, max_gap_s, min_presence_s, appearance)
        warnings = _returned(tracks, same)
    tracks = mark_risk(tracks, same, max_gap_s)
    repaired: list[tuple[int, int]] = []
    if repair:
        answers = [repair_swaps(track) for track in tracks]
        tracks = tuple(track for track, _ in answers)
        repaired = [(t.track_id, count) for t, count in answers if count]
    return Tracked(tracks, same, warnings, tuple(repaired))


def associate(
    keypoints: Keypoints2D,
    max_gap_s: float = MAX_GAP_S,
    min_presence_s: float = PRESENCE_S,
    *,
    appearance: bool = True,
) -> tuple[Track2D, ...]:
    """The people behind detections that do not say who they are; see `Tracker`."""
    return _associated(keypoints, max_gap_s, min_presence_s, appearance)[0]


def _associated(
    keypoints: Keypoints2D, max_gap_s: float, min_presence_s: float, appearance: bool
) -> tuple[tuple[Track2D, ...], tuple[tuple[int, ...], ...]]:
    tracker = Tracker(keypoints.skeleton, max_gap_s, min_presence_s, appearance=appearance)
    clock, frames = clock_of(keypoints), looked_at(keypoints)
    times_s = np.interp(frames, *clock)
    firsts = np.searchsorted(keypoints.frames, frames)
    lasts = np.searchsorted(keypoints.frames, frames, side="right")
    shots = np.searchsorted(_cuts(keypoints), frames, side="right")
    begins = np.diff(shots, prepend=shots[:1]) > 0
    rows = (frames.tolist(), times_s.tolist(), firsts, lasts, begins.tolist())
    for frame, time_s, first, last, is_cut in zip(*rows, strict=True):
        people = keypoints.people.select(slice(first, last))
        tracker.update(frame, time_s, people, is_cut=is_cut)
    tracks = tracker.finish(clock)
    return tracks, tracker.same_person


def _cuts(keypoints: Keypoints2D) -> Int:
    """The first frames of other shots."""
    if keypoints.frames_read is None or keypoints.cuts is None:
        return np.zeros(0, np.int32)
    return keypoints.frames_read[keypoints.cuts]


def _returned(
    tracks: tuple[Track2D, ...], same_person: tuple[tuple[int, ...], ...]
) -> tuple[str, ...]:
    """A sentence that says who came back."""
    if not same_person:
        return ()
    first = {track.track_id: int(track.frames[0]) for track in tracks}
    back = [
        f"{later} (from frame {first[later]}) looks like {group[0]}"
        for group in same_person
        for later in group[1:]
    ]
    more = f", and {len(back) - _LISTED} more" if len(back) > _LISTED else ""
    return (
        f"people who come back have new ids: {', '.join(back[:_LISTED])}{more}; "
        "--person takes all ids of a person",
    )
