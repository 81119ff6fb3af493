"""Detections without identities become people: association over time, ghosts dropped.

A Kalman filter predicts each person's box, the Hungarian method pairs predictions with
detections, first the certain ones, then the uncertain ones with whoever is left (ByteTrack).
Where motion does not decide, the colours of clothes do; who met is looked at again at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from vp3d_cli.overlap import area
from vp3d_cli.track.closeness import APART, covering
from vp3d_cli.track.encounters import rejoin, resolve
from vp3d_cli.track.filling import MAX_GAP_S, Clock, filled_track
from vp3d_cli.track.motion import Motion
from vp3d_cli.track.person import ALIKE, CERTAIN, Person, Sighting, likeness, with_clothes
from vp3d_cli.types import Detections, Skeleton, Track2D

_ROUNDING_S = 1e-6
# A person is proven by this many seconds of certain detections (or half of a shorter video).
PRESENCE_S = 0.2


class Tracker:
    """Takes detections frame by frame; gives tracks at the end.

    Memory grows with the people seen, not with the pictures.

    Attributes:
        same_person: after `finish`, ids of tracks that are of one person, in order of time.
    """

    same_person: tuple[tuple[int, ...], ...] = ()

    def __init__(
        self,
        skeleton: Skeleton,
        max_gap_s: float = MAX_GAP_S,
        min_presence_s: float = PRESENCE_S,
        *,
        appearance: bool = True,
    ) -> None:
        """Start with nobody.

        Args:
            skeleton: of the detections.
            max_gap_s: gaps up to this are filled, longer ones end the track.
            min_presence_s: certain detections that prove a person; 0 believes every one of
                them, which is right for keypoints that were checked before.
            appearance: the colours of clothes help, where detections have them.
        """
        self._skeleton = skeleton
        self._max_gap_s = max_gap_s
        self._min_presence_s = min_presence_s
        self._appearance = appearance
        self._active: list[Person] = []
        self._ended: list[Person] = []
        self._frames: list[int] = []
        self._times: list[float] = []
        self._cuts: list[int] = []

    def update(
        self, frame_index: int, time_s: float, detections: Detections, *, is_cut: bool = False
    ) -> None:
        """Take one frame's people; frames come in order, and may be skipped.

        People are paired wherever they stand in `detections`: its order changes nothing. With
        `is_cut` another shot began since the last frame, so that everybody ends there.
        """
        if self._frames and frame_index <= self._frames[-1]:
            raise ValueError(f"frame {frame_index} came after frame {self._frames[-1]}")
        dt = time_s - self._times[-1] if self._times else 0.0
        self._frames.append(frame_index)
        self._times.append(time_s)
        if is_cut:
            self._cuts.append(frame_index)
            self._ended += self._active
            self._active = []
        self._retire(frame_index, time_s)
        for person in self._active:
            person.motion.predict(max(dt, 0.0))
        found = self._sightings(frame_index, time_s, detections)
        least = CERTAIN if self._min_presence_s > 0 else -np.inf
        certain = [s for s in found if s.box_score >= least]
        uncertain = [s for s in found if s.box_score < least]
        unseen, strangers = self._pair(self._active, certain)
        self._pair(unseen, uncertain)
        for sighting in strangers:
            newcomer = Person(Motion(sighting.box))
            newcomer.see(sighting)
            self._active.append(newcomer)

    def finish(self, clock: Clock | None = None) -> tuple[Track2D, ...]:
        """All tracks, numbered from 1 in order of first appearance.

        Args:
            clock: frames and their times, those in between the ones given to `update` too.
        """
        everybody = [p for p in [*self._ended, *self._active] if self._is_real(p)]
        self._ended = self._active = []
        everybody.sort(key=_appeared)
        groups = [[person] for person in everybody]
        if self._appearance:
            groups = rejoin([p for p in resolve(everybody) if self._is_real(p)])
        parts = [
            (part, number)
            for number, group in enumerate(groups)
            for part in self._parts([s for person in group for s in person.sightings])
        ]
        parts.sort(key=lambda pair: _first_seen(pair[0]))
        ids: dict[int, list[int]] = {}
        for track_id, (_, number) in enumerate(parts, start=1):
            ids.setdefault(number, []).append(track_id)
        self.same_person = tuple(tuple(group) for group in ids.values() if len(group) > 1)
        return tuple(self._filled(p, track_id, clock) for track_id, (p, _) in enumerate(parts, 1))

    def _sightings(self, frame: int, time_s: float, detections: Detections) -> list[Sighting]:
        """The detections, and whether each is clear of the others and of whoever is unseen."""
        usable = detections.select(np.isfinite(detections.boxes).all(1))
        near = covering(usable.boxes, usable.boxes) - np.eye(len(usable), dtype=np.float32)
        crowded = (near >= APART).any(1)
        if self._active and len(usable):
            # A person who was not seen in the last frame may be hidden behind another.
            last = self._frames[-2]
            hidden = [p.motion.box for p in self._active if p.last.frame < last]
            if hidden:
                crowded |= (covering(usable.boxes, np.stack(hidden)) >= APART).any(1)
        columns = (usable.boxes, usable.box_scores.tolist(), usable.keypoints, usable.scores)
        clear = np.logical_not(crowded).tolist()
        rows = zip(*columns, usable.colours, clear, strict=True)
        return [Sighting(frame, time_s, *row) for row in rows]

    def _pair(
        self, people: list[Person], sightings: list[Sighting]
    ) -> tuple[list[Person], list[Sighting]]:
        """Give each person at most one sighting; return who and what is left over."""
        if not people or not sightings:
            return people, sightings
        likely = likeness(people, sightings)
        alike = with_clothes(likely, people, sightings) if self._appearance else likely
        pairs = [
            (row, column)
            for row, column in zip(*linear_sum_assignment(-alike), strict=True)
            if likely[row, column] >= ALIKE
        ]
        for row, column in pairs:
            people[row].see(sightings[column])
        rows, columns = {r for r, _ in pairs}, {c for _, c in pairs}
        return (
            [p for i, p in enumerate(people) if i not in rows],
            [s for i, s in enumerate(sightings) if i not in columns],
        )

    def _retire(self, frame: int, now_s: float) -> None:
        """End who was not seen for too long; one look and the next are never too far apart.

        Who is not proven yet must be seen again sooner, or two ghosts would become a person.
        """
        still = []
        before = self._frames[-2] if len(self._frames) > 1 else frame
        for person in self._active:
            real = self._is_real(person)
            gap_s = self._max_gap_s if real else min(self._max_gap_s, self._min_presence_s)
            missed_s = now_s - person.last.time_s - _ROUNDING_S
            if missed_s <= gap_s or person.last.frame == before:
                still.append(person)
            elif real:
                self._ended.append(person)
        self._active = still

    def _is_real(self, person: Person) -> bool:
        """Whether somebody was seen for certain in enough frames to be no ghost."""
        length_s = self._times[-1] - self._times[0]
        frame_s = length_s / max(len(self._times) - 1, 1)
        half = math.ceil(len(self._times) / 2)
        needed = self._min_presence_s / frame_s - _ROUNDING_S if frame_s > 0 else half
        return person.num_certain >= min(needed, half)

    def _parts(self, seen: list[Sighting]) -> Iterator[list[Sighting]]:
        """The sightings between cuts, and between gaps that are too long to fill."""
        frames, times_s = (np.array([getattr(s, n) for s in seen]) for n in ("frame", "time_s"))
        missed = np.diff(np.searchsorted(self._frames, frames)) > 1
        long = missed & (np.diff(times_s) > self._max_gap_s + _ROUNDING_S)
        long |= np.diff(np.searchsorted(self._cuts, frames, side="right")) > 0
        ends = [0, *(np.flatnonzero(long) + 1).tolist(), len(seen)]
        for first, end in pairwise(ends):
            yield seen[first:end]

    def _filled(self, seen: list[Sighting], track_id: int, clock: Clock | None) -> Track2D:
        """Consecutive rows; between sightings points and boxes move linearly in time."""
        return filled_track(
            track_id,
            np.array([s.frame for s in seen], np.int32),
            Detections(
                np.stack([s.box for s in seen]),
                np.array([s.box_score for s in seen], np.float32),
                np.stack([s.keypoints for s in seen]),
                np.stack([s.scores for s in seen]),
            ),
            clock or (np.array(self._frames, np.int32), np.array(self._times)),
            self._skeleton,
            looks=np.array(self._frames, np.int32),
        )


def _appeared(person: Person) -> tuple[int, float]:
    return _first_seen(person.sightings)


def _first_seen(sightings: list[Sighting]) -> tuple[int, float]:
    """When somebody appeared, and then the largest first."""
    return sightings[0].frame, -float(area(sightings[0].box))
