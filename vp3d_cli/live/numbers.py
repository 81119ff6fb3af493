"""How a live run is doing: how late joints come, and how much of what was seen was shown."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

# What is called "now" is the mean of so many frames; percentiles are of the last so many.
_RECENT, _KEPT = 150, 20_000


@dataclass(frozen=True)
class Numbers:
    """Of the last frames, or of the whole run.

    Attributes:
        frames: that joints came of.
        lasted_s: in so many seconds.
        p50_ms, p95_ms: from reading a frame to handing on its joints; NaN before the first.
        dropped: share of the frames read that were passed over for newer ones.
        people: in the last frame, or in the fullest one.
        delay_ms: joints are older than the frame they come with by this.
    """

    frames: int
    lasted_s: float
    p50_ms: float
    p95_ms: float
    dropped: float
    people: int
    delay_ms: float

    def __str__(self) -> str:
        rate = self.frames / self.lasted_s if self.lasted_s > 0 else 0.0
        delay = f" + {self.delay_ms:.0f} ms of the lifter" if self.delay_ms else ""
        people = "1 person" if self.people == 1 else f"{self.people} people"
        return (
            f"{people}, {rate:.1f} frames/s, latency {self.p50_ms:.0f} ms "
            f"(95 %: {self.p95_ms:.0f} ms){delay}, {100 * self.dropped:.1f} % dropped"
        )


class Tally:
    """Counts frames; memory does not grow with them beyond a bound."""

    def __init__(self, delay_ms: float) -> None:
        self._delay_ms = delay_ms
        self._latencies_ms: deque[float] = deque(maxlen=_KEPT)
        self._recent: deque[tuple[int, float]] = deque(maxlen=_RECENT)
        self._first: tuple[int, float] | None = None
        self._frames = self._people = self._most_people = 0

    def add(self, index: int, done_s: float, latency_ms: float, people: int) -> None:
        """Joints of a frame were handed on at `done_s`, so long after it was read."""
        self._first = self._first or (index, done_s)
        self._latencies_ms.append(latency_ms)
        self._recent.append((index, done_s))
        self._frames += 1
        self._people, self._most_people = people, max(people, self._most_people)

    @property
    def dropped(self) -> float:
        """Share of the last frames that was passed over."""
        if not self._recent:
            return 0.0
        return _dropped(len(self._recent), self._recent[0][0], self._recent[-1][0])

    def now(self) -> Numbers:
        """Of the last few seconds."""
        recent = list(self._latencies_ms)[-_RECENT:]
        since_s = self._recent[-1][1] - self._recent[0][1] if self._recent else 0.0
        return self._numbers(len(recent) - 1, since_s, recent, self.dropped, self._people)

    def whole(self) -> Numbers:
        """Of the whole run; percentiles of its last frames where it was long."""
        if self._first is None:
            return self._numbers(0, 0.0, [], 0.0, 0)
        (first, began_s), (last, ended_s) = self._first, self._recent[-1]
        dropped = _dropped(self._frames, first, last)
        kept = list(self._latencies_ms)
        return self._numbers(self._frames, ended_s - began_s, kept, dropped, self._most_people)

    def _numbers(
        self, frames: int, lasted_s: float, kept: list[float], dropped: float, people: int
    ) -> Numbers:
        p50, p95 = np.percentile(kept, [50, 95]) if kept else (np.nan, np.nan)
        return Numbers(frames, lasted_s, float(p50), float(p95), dropped, people, self._delay_ms)


def _dropped(taken: int, first: int, last: int) -> float:
    return 1 - taken / (last - first + 1)
