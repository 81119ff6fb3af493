"""Look only around the people who were there a moment ago.

Most of a picture is background, and a network's time goes with the pixels it sees. Once people
are found, only padded boxes around them are looked at, at a lower resolution where they are
large. The whole picture is looked at now and then; see `pipeline.looking`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from vp3d_cli.overlap import iou
from vp3d_cli.types import Detections, Float, Frame, Json, Skeleton

# People are followed for so long, seconds, or for this many looks where those are rare.
FOLLOW_S = 0.5
LEAST_FOLLOWED = 4
# Pixels that the longer side of a person's box has at most in the network's input. The network
# was trained on people of all sizes; more pixels than this mostly cost time.
PERSON_SIDE = 320
# How far somebody may move, in longer sides of the box: at once, and in a second.
_MARGIN, _MARGIN_PER_S = 0.2, 1.0
# Overlap (IoU) of a box with itself a moment later, at least.
_SAME = 0.3
# Share of the picture from which looking at all of it costs no more.
_MOST_OF_IT = 0.6


class PartDetector(Protocol):
    """A detector that can look at a part of a frame, as large as it is told."""

    @property
    def skeleton(self) -> Skeleton: ...

    def scale(self, height: int, width: int) -> float:
        """Pixels of the network's input per pixel of a whole frame."""

    def describe(self) -> Json: ...

    def detect(self, frame: Frame) -> Detections: ...

    def detect_part(self, frame: Frame, region: Region, scale: float) -> Detections: ...


# x0 y0 x1 y1, whole pixels.
Region = tuple[int, int, int, int]


class Following:
    """A detector that can look at parts, made one that follows people."""

    follow_s = FOLLOW_S
    least_followed = LEAST_FOLLOWED

    def __init__(self, detector: PartDetector) -> None:
        self._detector = detector

    @property
    def skeleton(self) -> Skeleton:
        return self._detector.skeleton

    def describe(self) -> Json:
        told = self._detector.describe()
        follow = {"follow_s": FOLLOW_S, "person_side": PERSON_SIDE}
        return told | {"settings": told["settings"] | follow}

    def detect(self, frame: Frame) -> Detections:
        return self._detector.detect(frame)

    def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections:
        """Look around each of the people, or at everything where that is no more work."""
        height, width = frame.image.shape[:2]
        margin = _MARGIN + _MARGIN_PER_S * since_s
        groups = regions(people.boxes, margin, width, height)
        covered = sum((x1 - x0) * (y1 - y0) for (x0, y0, x1, y1), _ in groups)
        if covered > _MOST_OF_IT * width * height:
            return _matched(people, self._detector.detect(frame))
        found = [people.select(slice(0))]
        for region, members in groups:
            known = people.select(members)
            seen = self._detector.detect_part(frame, region, self._scale(known.boxes, frame))
            found.append(_matched(known, seen))
        return Detections.concatenated(found)

    def _scale(self, boxes: Float, frame: Frame) -> float:
        """As much as in a look at the whole picture, less where people (P, 4) are large."""
        largest = float((boxes[:, 2:] - boxes[:, :2]).max())
        return min(self._detector.scale(*frame.image.shape[:2]), PERSON_SIDE / largest)


def regions(boxes: Float, margin: float, width: int, height: int) -> list[tuple[Region, list[int]]]:
    """Parts of a picture that hold all boxes (P, 4) with a margin, joined where they overlap.

    Args:
        boxes: inside the picture.
        margin: in longer sides of each box.
        width, height: of the picture.

    Returns:
        Regions and the rows of the boxes in each.
    """
    pads = margin * (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    low = np.maximum(np.floor(boxes[:, :2] - pads), 0)
    high = np.minimum(np.ceil(boxes[:, 2:] + pads), (width, height))
    groups: list[tuple[Region, list[int]]] = []
    for i, (x0, y0, x1, y1) in enumerate(np.concatenate([low, high], 1).astype(int).tolist()):
        region, members = (x0, y0, x1, y1), [i]
        while touching := [group for group in groups if _overlap(group[0], region)]:
            for group in touching:
                groups.remove(group)
                region = _union(group[0], region)
                members += group[1]
        groups.append((region, sorted(members)))
    return groups


def _overlap(a: Region, b: Region) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _union(a: Region, b: Region) -> Region:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _matched(people: Detections, seen: Detections) -> Detections:
    """Those of `seen` who are the `people`, each at most once."""
    alike = iou(people.boxes, seen.boxes)
    rows = []
    while alike.size and alike.max() >= _SAME:
        person, best = divmod(int(alike.argmax()), len(seen))
        rows.append(best)
        alike[person], alike[:, best] = -1, -1
    return seen.select(sorted(rows))
