"""How the whole picture changes from frame to frame: cuts to another shot, a moving camera.

Everything is seen on a thumbnail. What is said of a frame depends on the frames within CONTEXT_S
around it and on nothing else, so that a part of a video, read with that much before and after,
is told the same as the whole.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from vp3d_cli.scene.motion import Flow, between, drift_of
from vp3d_cli.types import Float, Image, Real

# Frames this far apart, seconds, know nothing of each other. More than twice what is looked at
# on either side, since times are rounded.
CONTEXT_S = 2.0
# A flash, or a frame that was damaged, lasts no longer, seconds.
_FLASH_S = 0.4
# Frames farther apart are not compared, seconds.
_NEXT_S = 0.8
_LONG_SIDE = 160
# Standard deviation of the brightness, 0 to 255, below which a picture shows nothing: black or
# white between two shots, or the middle of a fade.
_BLANK = 4.0
# Share of the tracked points from which two frames are surely of one shot: across cuts 0.00 to
# 0.03 were measured.
_FOUND = 0.2
# Mean difference of two thumbnails, in standard deviations of their contrast, below which
# nothing happened.
_CALM = 0.1
# Frames before and after a suspected cut that are compared.
_STEPS = (0, 1, 2, 4, 8)
# Correlation of two pictures, best aligned, from which they show the same, and likeness of
# their colours that it takes.
_CORRELATED, _COLOURED = 0.55, 0.6
_SMALL = (32, 18)


@dataclass(frozen=True)
class _Look:
    """One frame, as small as it is kept."""

    index: int
    time_s: float
    grey: Image
    small: Float
    thumb: Image
    flow: Flow
    is_blank: bool


class Watch:
    """Takes frames in order; tells of each whether a shot begins there, and how it moved."""

    def __init__(self) -> None:
        self._near: deque[_Look] = deque()
        self._undecided: deque[_Look] = deque()
        self._flows: dict[int, Flow] = {}
        self._cuts: set[int] = set()
        self._diagonal = 1.0
        self._scale = 1.0

    def see(self, index: int, time_s: float, image: Image) -> None:
        """Take the next frame; only a thumbnail of it is kept, for a moment."""
        look = self._look(index, time_s, image)
        self._near.append(look)
        self._undecided.append(look)
        self._flows[index] = look.flow
        while self._undecided and time_s - self._undecided[0].time_s > _FLASH_S:
            self._decide(self._undecided.popleft())
        while time_s - self._near[0].time_s > 2 * _NEXT_S:
            self._near.popleft()

    def finish(self) -> None:
        """Decide on the last frames."""
        while self._undecided:
            self._decide(self._undecided.popleft())

    def is_cut(self, index: int) -> bool:
        """Whether another shot begins at a frame; known after `finish`."""
        return index in self._cuts

    def drift(self, index: int, boxes: Float) -> float:
        """How far the background moved since the frame before, frame diagonals; asked once.

        Args:
            index: of the frame.
            boxes: (P, 4) pixels, the people in it, who move by themselves.

        Returns:
            NaN where there is no frame before, or too little background to see it by.
        """
        flow = self._flows.pop(index)
        return drift_of(flow, boxes * np.float32(self._scale)) / self._diagonal

    def forget(self, index: int) -> None:
        """Nobody is going to ask for the drift of a frame."""
        self._flows.pop(index, None)

    def _look(self, index: int, time_s: float, image: Image) -> _Look:
        height, width = image.shape[:2]
        self._scale = min(_LONG_SIDE / max(height, width), 1.0)
        size = max(round(width * self._scale), 16), max(round(height * self._scale), 16)
        self._diagonal = float(np.hypot(*size))
        # A third of a large picture's pixels, each way, averages as well and is ten times as quick.
        few = (3 * size[0], 3 * size[1])
        if few[0] < width and few[1] < height:
            image = np.asarray(cv2.resize(image, few, interpolation=cv2.INTER_NEAREST), np.uint8)
        thumb = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        grey = np.asarray(cv2.cvtColor(thumb, cv2.COLOR_BGR2GRAY), np.uint8)
        small = cv2.resize(thumb, _SMALL, interpolation=cv2.INTER_AREA).astype(np.float32)
        last = self._near[-1] if self._near else None
        is_near = last is not None and time_s - last.time_s <= _NEXT_S
        flow = between(last.grey, grey) if last is not None and is_near else Flow.none()
        return _Look(index, time_s, grey, small, thumb, flow, bool(grey.std() < _BLANK))

    def _decide(self, look: _Look) -> None:
        """Is it a cut? Only if nothing shortly before is like anything shortly after."""
        if look.is_blank:
            return
        near = list(self._near)
        at = next(i for i, other in enumerate(near) if other.index == look.index)
        before = [other for other in near[:at] if look.time_s - other.time_s <= _NEXT_S]
        if not before:
            return
        pictures = [other for other in before if not other.is_blank]
        if not pictures:
            # Out of the dark; whatever was before it is long gone. A video may begin so.
            if look.time_s - before[0].time_s >= _FLASH_S:
                self._cuts.add(look.index)
            return
        if pictures[-1] is before[-1] and _is_next(pictures[-1], look):
            return
        since = [o for o in pictures[::-1] if pictures[-1].time_s - o.time_s <= _FLASH_S]
        later = [o for o in near[at:] if o.time_s - look.time_s <= _FLASH_S and not o.is_blank]
        pairs = [
            (since[i], later[j])
            for i in _STEPS
            for j in _STEPS
            if i < len(since) and j < len(later)
        ]
        if not any(_is_like(a, b) for a, b in pairs):
            self._cuts.add(look.index)


def _is_next(before: _Look, look: _Look) -> bool:
    """Whether a frame surely follows its neighbour within one shot: most frames do."""
    change = look.small - before.small
    change -= change.mean((0, 1))  # more light, or less
    if np.abs(change).mean() < _CALM * before.small.std():
        return True
    return look.flow.share_found >= _FOUND


def _is_like(a: _Look, b: _Look) -> bool:
    """Whether two frames may be of one shot, although one is not seen to follow the other."""
    if _aligned(a.grey, b.grey) >= _CORRELATED:
        return True
    alike = float(np.minimum(_colours(a.thumb), _colours(b.thumb)).sum())
    return alike >= _COLOURED and between(a.grey, b.grey).share_found >= _FOUND


def _aligned(a: Image, b: Image) -> float:
    """Correlation of the overlap of two pictures, shifted to fit, -1 to 1."""
    if a.shape != b.shape:
        return -1.0
    one, other = a.astype(np.float32), b.astype(np.float32)
    window = cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(one.copy(), other.copy(), window)  # it may write into them
    best = _correlation(one, other)
    height, width = one.shape
    right, down = round(x), round(y)
    if abs(right) > width // 2 or abs(down) > height // 2:
        return best
    part = one[max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)]
    same = other[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    return max(best, _correlation(part, same))


def _correlation(a: Real, b: Real) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _colours(thumb: Image) -> Float:
    """Share of the picture in each of 64 colours."""
    flat = (thumb >> 6).reshape(-1, 3).astype(np.int64) @ np.array([16, 4, 1])
    return np.asarray(np.bincount(flat, minlength=64) / len(flat), np.float32)
