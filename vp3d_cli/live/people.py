"""Who is in the picture, frame by frame: found now and then, followed in between.

Nothing is known of the frames to come, so people are shown once they were seen a few times, and
are kept for a moment where they are not seen.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from scipy.optimize import linear_sum_assignment

from vp3d_cli.detect._base import Detector, FollowingDetector
from vp3d_cli.overlap import area, iou, oks, sure
from vp3d_cli.track.person import ALIKE, CERTAIN
from vp3d_cli.types import Detections, Float, Frame

_log = logging.getLogger(__name__)

# Certain sightings after which somebody is a person, and no ghost.
_PROOF = 3
# For how long somebody is kept unseen; a slow detector gets a second look at least.
KEPT_S, _KEPT_LOOKS = 0.3, 1
_ROUNDING_S = 1e-6
# A look at everybody who is followed takes this long at most; else fewer are followed. The whole
# way from the camera to the joints is to take 150 ms.
_BUDGET_S = 0.12
# After a look at the whole picture none for so many times as long: it delays what follows.
_REST = 5
# Time constant of the measurement, and between two changes of the number, seconds.
_MEASURED_S, _CALM_S = 0.5, 2.0


@dataclass(frozen=True)
class Sighted:
    """Somebody in one frame.

    Attributes:
        track_id: from 1; nobody else ever has it.
        box: (4,) xyxy px.
        keypoints: (J, 2) px; where they were last seen if they are not seen now.
        scores: (J,), 0 if they are not seen now.
    """

    track_id: int
    box: Float
    keypoints: Float
    scores: Float


@dataclass(eq=False)
class _Known:
    """Somebody, or what may be somebody."""

    seen: Detections  # the last sighting, one row
    seen_s: float
    track_id: int | None = None
    proof: int = 0
    missed: int = 0

    def see(self, seen: Detections, time_s: float) -> None:
        self.seen, self.seen_s, self.missed = seen, time_s, 0
        self.proof += bool(seen.box_scores[0] >= CERTAIN)


class Pace:
    """How many people can be followed in time.

    Attributes:
        most: so many; None while there is no limit.
    """

    def __init__(self, budget_s: float = _BUDGET_S) -> None:
        self.most: int | None = None
        self._budget_s = budget_s
        self._took_s = self._changed_s = 0.0

    def measured(self, took_s: float, people: int, now_s: float) -> None:
        """A frame with so many people took so long."""
        share = min(took_s / _MEASURED_S, 1.0)
        self._took_s += share * (took_s - self._took_s)
        if now_s - self._changed_s < _CALM_S or people < 1:
            return
        if self._took_s > self._budget_s and people > 1:
            self._change(people - 1, now_s)
        elif self.most is not None and self._took_s * (people + 1) / people < self._budget_s / 2:
            self._change(self.most + 1, now_s)

    def _change(self, most: int, now_s: float) -> None:
        if self.most is None or most < self.most:
            _log.warning(
                "this machine is behind (%.0f ms a frame): only %d people are followed",
                1000 * self._took_s,
                most,
            )
        self.most, self._changed_s = most, now_s


class People:
    """Takes frames; says who is there."""

    def __init__(
        self, detector: Detector, max_people: int | None = None, pace: Pace | None = None
    ) -> None:
        """Start with nobody.

        Args:
            detector: people are followed by it where it can do that.
            max_people: so many at most; the largest and most certain come first.
            pace: lets fewer be followed where that takes too long; None where time does not count.
        """
        self._detector, self._max_people, self._pace = detector, max_people, pace
        self._following: FollowingDetector | None = None
        if isinstance(detector, FollowingDetector) and detector.follow_s is not None:
            self._following = detector
        self._known: list[_Known] = []
        self._last_s = self._full_s = -np.inf
        self._full_took_s = 0.0
        self._followed = 0
        self._next_id = 1
        self._told = False

    def look(self, frame: Frame) -> list[Sighted]:
        """The people of one frame, the longest known first; frames come in order."""
        began_s = monotonic()
        if self._follow(frame):
            self._measure(began_s)
        else:
            began_s = monotonic()
            self._look_for_all(frame)
            self._full_took_s = monotonic() - began_s
        self._last_s = frame.time_s
        for person in self._known:
            if person.track_id is None and person.proof >= _PROOF:
                person.track_id, self._next_id = self._next_id, self._next_id + 1
        return [_sighted(p, p.track_id) for p in self._known if p.track_id is not None]

    def _measure(self, began_s: float) -> None:
        """Follow fewer from now on where following these took too long."""
        if self._pace:
            now_s = monotonic()
            self._pace.measured(now_s - began_s, len(self._known), now_s)
            self._known = self._best(self._known)

    def _follow(self, frame: Frame) -> bool:
        """Look at everybody where they were; False where all must be looked for."""
        detector, people = self._following, self._known
        if detector is None or detector.follow_s is None:
            return False
        rest_s = _REST * self._full_took_s if self._pace else 0.0
        is_due = frame.time_s - self._full_s >= max(detector.follow_s, rest_s)
        if (is_due and self._followed >= detector.least_followed) or not people:
            return False
        if any(person.missed for person in people):
            return False
        everybody = Detections.concatenated([person.seen for person in people])
        found = detector.follow(frame, everybody, frame.time_s - self._last_s)
        pairs = self._pairs(found)
        there = {id(person) for person, _ in pairs}
        if any(person.track_id is not None and id(person) not in there for person in people):
            return False
        self._known = [person for person in people if id(person) in there]  # ghosts go unsaid
        for person, row in pairs:
            person.see(found.select([row]), frame.time_s)
        self._followed += 1
        return True

    def _look_for_all(self, frame: Frame) -> None:
        found = self._detector.detect(frame)
        found = found.select(np.isfinite(found.boxes).all(1))
        strangers = list(range(len(found)))
        for person, row in self._pairs(found):
            person.see(found.select([row]), frame.time_s)
            strangers.remove(row)
        kept = []
        for person in self._known:
            unseen_s = frame.time_s - person.seen_s
            person.missed += unseen_s > 0
            # A ghost is not waited for.
            proven = person.track_id is not None
            if not person.missed or (
                proven and (unseen_s <= KEPT_S + _ROUNDING_S or person.missed <= _KEPT_LOOKS)
            ):
                kept.append(person)
        newcomers = [
            _Known(found.select([row]), frame.time_s, proof=1)
            for row in strangers
            if found.box_scores[row] >= CERTAIN
        ]
        everybody = [*kept, *newcomers]
        self._known = self._best(everybody)
        self._full_s, self._followed = frame.time_s, 0
        self._tell_left_out(len(everybody) - len(self._known))

    def _pairs(self, found: Detections) -> list[tuple[_Known, int]]:
        """Who of those known is which of those found."""
        if not self._known or not len(found):
            return []
        known = Detections.concatenated([person.seen for person in self._known])
        similar = oks(
            known.keypoints[:, None],
            found.keypoints[None],
            sure(known)[:, None] & sure(found)[None],
            area(known.boxes)[:, None],
        )
        alike = (similar + iou(known.boxes, found.boxes)) / 2
        rows, columns = linear_sum_assignment(-alike)
        return [
            (self._known[row], int(column))
            for row, column in zip(rows, columns, strict=True)
            if alike[row, column] >= ALIKE
        ]

    def _best(self, people: Sequence[_Known]) -> list[_Known]:
        """As many as are followed: who is shown already, then the largest and most certain."""
        limits = [self._max_people, self._pace.most if self._pace else None]
        most = min((limit for limit in limits if limit is not None), default=None)
        in_order = sorted(people, key=_rank)
        return in_order if most is None else in_order[:most]

    def _tell_left_out(self, number: int) -> None:
        if number and not self._told and self._max_people is not None:
            self._told = True
            _log.warning(
                "%d more in the picture than the %d who are followed; see --max-people",
                number,
                self._max_people,
            )


def _rank(person: _Known) -> tuple[bool, int, float]:
    size = float(area(person.seen.boxes)[0]) ** 0.5 * float(person.seen.box_scores[0])
    return person.track_id is None, person.track_id or 0, -size


def _sighted(person: _Known, track_id: int) -> Sighted:
    seen = person.seen
    scores = np.zeros_like(seen.scores[0]) if person.missed else seen.scores[0]
    return Sighted(track_id, seen.boxes[0], seen.keypoints[0], scores)
