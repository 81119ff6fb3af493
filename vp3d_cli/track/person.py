"""A person in the making, and how much a sighting is what is expected of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vp3d_cli.overlap import area, iou, oks
from vp3d_cli.track.motion import Motion
from vp3d_cli.types import NUM_COLOURS, Bool, Float

# Box score of a certain person (MoveNet's people measure 0.6 to 0.9, furniture below 0.6; Mask
# R-CNN's mostly above 0.9). Below it a detection may keep a track alive, but neither starts one
# nor counts as proof of a person.
CERTAIN = 0.6
# Likeness (see `likeness`) below which a sighting is of somebody else.
ALIKE = 0.15
# Share of a person's mean score from which a keypoint takes part in a comparison.
_SURE = 0.5
# How much less likely another pairing must be for motion alone to decide.
_AMBIGUOUS = 0.35
# Weight of the clothes where it does not; motion's own three views weigh 1 together.
_CLOTHES = 0.8
# Likeness of clothes that nobody saw, and how fast the memory of them fades.
_UNSEEN, _FADING = 0.6, 0.03


@dataclass(frozen=True)
class Sighting:
    """One detection.

    Attributes:
        frame, time_s: when.
        box, box_score, keypoints, scores, colours: as in `Detections`.
        is_clear: nobody else was near, so that it is surely of one person.
    """

    frame: int
    time_s: float
    box: Float
    box_score: float
    keypoints: Float
    scores: Float
    colours: Float
    is_clear: bool = True


@dataclass
class Person:
    """A track in the making: sightings in order and the motion they suggest."""

    motion: Motion
    sightings: list[Sighting] = field(default_factory=list)
    num_certain: int = 0
    clothes: Float | None = None

    @property
    def last(self) -> Sighting:
        return self.sightings[-1]

    def expected(self) -> tuple[Float, Float]:
        """Predicted box (4,) and the last keypoints (J, 2) carried along with it."""
        box = self.motion.box
        moved = (box[:2] + box[2:] - self.last.box[:2] - self.last.box[2:]) / 2
        return box, np.asarray(self.last.keypoints + moved, np.float32)

    def see(self, sighting: Sighting) -> None:
        if self.sightings:
            self.motion.correct(sighting.box)
        self.sightings.append(sighting)
        self.num_certain += sighting.box_score >= CERTAIN
        if sighting.is_clear and np.isfinite(sighting.colours).all():
            if self.clothes is None:
                self.clothes = sighting.colours
            else:
                fresh = max(_FADING, 1 / len(self.sightings))
                self.clothes = (1 - fresh) * self.clothes + fresh * sighting.colours


def unlike(a: Float, b: Float) -> Float:
    """Distance (...), 0 to 1, of histograms (..., C): Hellinger's."""
    shared = np.sqrt(np.clip(a, 0, None) * np.clip(b, 0, None)).sum(-1)
    return np.asarray(np.sqrt(np.clip(1 - shared, 0, 1)), np.float32)


def likeness(people: Sequence[Person], sightings: Sequence[Sighting]) -> Float:
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


def with_clothes(alike: Float, people: Sequence[Person], sightings: Sequence[Sighting]) -> Float:
    """The likeness (people, sightings), less where motion does not decide and clothes differ."""
    possible = np.where(alike >= ALIKE, alike, -1.0)
    contested = possible >= ALIKE
    rivals = np.zeros(alike.shape, bool)
    for axis in (0, 1):
        if alike.shape[axis] < 2:
            continue
        best_two = np.sort(possible, axis)
        second = np.take(best_two, [-2], axis)
        first = np.take(best_two, [-1], axis)
        rivals |= (second >= ALIKE) & (first - second < _AMBIGUOUS)
    contested &= rivals
    if not contested.any():
        return alike
    nothing = np.full(NUM_COLOURS, np.nan, np.float32)
    worn = np.stack([nothing if p.clothes is None else p.clothes for p in people])
    seen = np.stack([s.colours for s in sightings])
    same = 1 - unlike(worn[:, None], seen[None])
    if not (np.isfinite(same) & contested).any():
        return alike
    same = np.where(np.isfinite(same), same, _UNSEEN)
    return np.asarray(np.where(contested, alike - _CLOTHES * (1 - same), alike), np.float32)


def _sure(scores: Float) -> Bool:
    """The keypoints (P, J) that a person can be known by; detectors differ in their scales."""
    return np.asarray(scores >= _SURE * scores.mean(1, keepdims=True), np.bool_)
