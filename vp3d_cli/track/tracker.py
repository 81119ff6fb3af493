"""Detections without identities become people: association over time, ghosts dropped.

A Kalman filter predicts each person's box, the Hungarian method pairs predictions with
detections, first the certain ones, then the uncertain ones with whoever is left (ByteTrack).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from vp3d_cli.overlap import area, iou, oks
from vp3d_cli.track.filling import MAX_GAP_S, Clock, clock_of, filled_track, looked_at
from vp3d_cli.types import Bool, Detections, Double, Float, Keypoints2D, Skeleton, Track2D

# Box score of a certain person (MoveNet's people measure 0.6 to 0.9, furniture below 0.6; Mask
# R-CNN's mostly above 0.9). Below it a detection may keep a track alive, but neither starts one
# nor counts as proof of a person.
_CERTAIN = 0.6
# Share of a person's mean score from which a keypoint takes part in a comparison.
_SURE = 0.5
# Likeness (see `_likeness`) below which a sighting is of somebody else.
_ALIKE = 0.15
_ROUNDING_S = 1e-6
# A person is proven by this many seconds of certain detections (or half of a shorter video).
PRESENCE_S = 0.2


class _Motion:
    """Constant-velocity Kalman filter of a box as centre and size.

    Lengths are in units of the box's own diagonal, so that near and far people are alike; the
    four coordinates share one covariance because they share the noise.
    """

    # Wide: people turn and jump, and a box shrinks by a limb that went unseen.
    _ACCELERATION = 16.0  # diagonals / s², root of the spectral density
    _JITTER = 0.03  # diagonals, a detector's standard deviation
    _UNKNOWN_SPEED = 1.0  # diagonals / s

    def __init__(self, box: Float) -> None:
        self._state = np.stack([_centre_size(box), np.zeros(4)])
        self._covariance = np.diag([self._JITTER**2, self._UNKNOWN_SPEED**2])

    @property
    def box(self) -> Float:
        centre, size = self._state[0, :2], np.maximum(self._state[0, 2:], 1.0)
        return np.concatenate([centre - size / 2, centre + size / 2]).astype(np.float32)

    def predict(self, dt: float) -> None:
        step = np.array([[1, dt], [0, 1]])
        noise = np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]) * self._ACCELERATION**2
        self._state = step @ self._state
        self._covariance = step @ self._covariance @ step.T + noise

    def likelihood(self, boxes: Float) -> Float:
        """How well boxes (P, 4) fit the prediction, 1 at best, given how unsure it is."""
        size = max(float(np.linalg.norm(self._state[0, 2:])), 1.0)
        off = (_centre_size(boxes) - self._state[0]) / size
        variance = self._covariance[0, 0] + self._JITTER**2
        return np.asarray(np.exp(-(off**2).sum(-1) / (2 * variance)), np.float32)

    def correct(self, box: Float) -> None:
        gain = self._covariance[:, 0] / (self._covariance[0, 0] + self._JITTER**2)
        self._state += np.outer(gain, _centre_size(box) - self._state[0])
        self._covariance -= np.outer(gain, self._covariance[0])


def _centre_size(box: Float) -> Double:
    """Boxes (..., 4) xyxy as centre x, y, width, height."""
    low, high = box[..., :2], box[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1).astype(np.float64)


@dataclass(frozen=True)
class _Sighting:
    frame: int
    time_s: float
    box: Float
    box_score: float
    keypoints: Float
    scores: Float


@dataclass
class _Person:
    """A track in the making: sightings in order and the motion they suggest."""

    motion: _Motion
    sightings: list[_Sighting] = field(default_factory=list)
    num_certain: int = 0

    @property
    def last(self) -> _Sighting:
        return self.sightings[-1]

    def expected(self) -> tuple[Float, Float]:
        """Predicted box (4,) and the last keypoints (J, 2) carried along with it."""
        box = self.motion.box
        moved = (box[:2] + box[2:] - self.last.box[:2] - self.last.box[2:]) / 2
        return box, np.asarray(self.last.keypoints + moved, np.float32)

    def see(self, sighting: _Sighting) -> None:
        if self.sightings:
            self.motion.correct(sighting.box)
        self.sightings.append(sighting)
        self.num_certain += sighting.box_score >= _CERTAIN


class Tracker:
    """Takes detections frame by frame; gives tracks at the end.

    Memory grows with the people seen, not with the pictures.
    """

    def __init__(
        self, skeleton: Skeleton, max_gap_s: float = MAX_GAP_S, min_presence_s: float = PRESENCE_S
    ) -> None:
        """Start with nobody.

        Args:
            skeleton: of the detections.
            max_gap_s: gaps up to this are filled, longer ones end the track.
            min_presence_s: certain detections that prove a person; 0 believes every one of
                them, which is right for keypoints that were checked before.
        """
        self._skeleton = skeleton
        self._max_gap_s = max_gap_s
        self._min_presence_s = min_presence_s
        self._active: list[_Person] = []
        self._ended: list[_Person] = []
        self._frames: list[int] = []
        self._times: list[float] = []

    def update(self, frame_index: int, time_s: float, detections: Detections) -> None:
        """Take one frame's people; frames come in order, and may be skipped.

        People are paired wherever they stand in `detections`: its order changes nothing.
        """
        if self._frames and frame_index <= self._frames[-1]:
            raise ValueError(f"frame {frame_index} came after frame {self._frames[-1]}")
        dt = time_s - self._times[-1] if self._times else 0.0
        self._frames.append(frame_index)
        self._times.append(time_s)
        self._retire(frame_index, time_s)
        for person in self._active:
            person.motion.predict(max(dt, 0.0))
        usable = np.isfinite(detections.boxes).all(1)
        found = [
            _Sighting(frame_index, time_s, *row)
            for row in zip(
                detections.boxes[usable],
                detections.box_scores[usable].tolist(),
                detections.keypoints[usable],
                detections.scores[usable],
                strict=True,
            )
        ]
        least = _CERTAIN if self._min_presence_s > 0 else -np.inf
        certain = [s for s in found if s.box_score >= least]
        uncertain = [s for s in found if s.box_score < least]
        unseen, strangers = self._pair(self._active, certain)
        self._pair(unseen, uncertain)
        for sighting in strangers:
            newcomer = _Person(_Motion(sighting.box))
            newcomer.see(sighting)
            self._active.append(newcomer)

    def finish(self, clock: Clock | None = None) -> tuple[Track2D, ...]:
        """All tracks, numbered from 1 in order of first appearance.

        Args:
            clock: frames and their times, those in between the ones given to `update` too.
        """
        self._ended += self._active
        self._active = []
        people = sorted(
            (p for p in self._ended if self._is_real(p)),
            key=lambda p: (p.sightings[0].frame, -float(area(p.sightings[0].box))),
        )
        return tuple(self._filled(p, track_id, clock) for track_id, p in enumerate(people, start=1))

    def _pair(
        self, people: list[_Person], sightings: list[_Sighting]
    ) -> tuple[list[_Person], list[_Sighting]]:
        """Give each person at most one sighting; return who and what is left over."""
        if not people or not sightings:
            return people, sightings
        alike = _likeness(people, sightings)
        pairs = [
            (row, column)
            for row, column in zip(*linear_sum_assignment(-alike), strict=True)
            if alike[row, column] >= _ALIKE
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

    def _is_real(self, person: _Person) -> bool:
        """Whether somebody was seen for certain in enough frames to be no ghost."""
        length_s = self._times[-1] - self._times[0]
        frame_s = length_s / max(len(self._times) - 1, 1)
        half = math.ceil(len(self._times) / 2)
        needed = self._min_presence_s / frame_s - _ROUNDING_S if frame_s > 0 else half
        return person.num_certain >= min(needed, half)

    def _filled(self, person: _Person, track_id: int, clock: Clock | None) -> Track2D:
        """Consecutive rows; between sightings points and boxes move linearly in time."""
        seen = person.sightings
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


def _likeness(people: list[_Person], sightings: list[_Sighting]) -> Float:
    """How much each sighting is what is expected of each person (people, sightings), 0 to 1.

    The mean of three views: IoU of the boxes, OKS of the keypoints, and the motion's own
    likelihood, which still tells near from far where slow frame rates leave no overlap.
    """
    boxes, keypoints = (
        np.stack(part) for part in zip(*(p.expected() for p in people), strict=True)
    )
    seen_boxes = np.stack([s.box for s in sightings])
    seen_keypoints = np.stack([s.keypoints for s in sightings])
    sure = _sure(np.stack([p.last.scores for p in people]))
    seen_sure = _sure(np.stack([s.scores for s in sightings]))
    both = sure[:, None] & seen_sure[None]
    similarity = oks(keypoints[:, None], seen_keypoints[None], both, area(boxes)[:, None])
    likely = np.stack([p.motion.likelihood(seen_boxes) for p in people])
    return np.asarray((iou(boxes, seen_boxes) + similarity + likely) / 3, np.float32)


def _sure(scores: Float) -> Bool:
    """The keypoints (P, J) that a person can be known by; detectors differ in their scales."""
    return np.asarray(scores >= _SURE * scores.mean(1, keepdims=True), np.bool_)


def associate(
    keypoints: Keypoints2D, max_gap_s: float = MAX_GAP_S, min_presence_s: float = PRESENCE_S
) -> tuple[Track2D, ...]:
    """The people behind detections that do not say who they are; see `Tracker`."""
    tracker = Tracker(keypoints.skeleton, max_gap_s, min_presence_s)
    clock, frames = clock_of(keypoints), looked_at(keypoints)
    times_s = np.interp(frames, *clock)
    firsts = np.searchsorted(keypoints.frames, frames)
    lasts = np.searchsorted(keypoints.frames, frames, side="right")
    for frame, time_s, first, last in zip(
        frames.tolist(), times_s.tolist(), firsts, lasts, strict=True
    ):
        tracker.update(frame, time_s, keypoints.people.select(slice(first, last)))
    return tracker.finish(clock)
