"""Which frames are read for a video or a part of it, and how the picture changes around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from vp3d_cli.options import Span
from vp3d_cli.scene import CONTEXT_S, Watch
from vp3d_cli.types import Detections, Frame

_NOBODY = np.zeros((0, 4), np.float32)


class Surroundings:
    """Watches the frames that are wanted, and for a part of a video those around it.

    A cut is seen by the frames before and after it, so that a part which knew only itself would
    not be told what the whole is told at its ends.

    Attributes:
        start_s, end_s: of what is read; None is the video's.
        wanted_start_s, wanted_end_s: of what is asked for.
    """

    def __init__(
        self,
        start_s: float | None,
        end_s: float | None,
        span: Span | None = None,
        context_s: float = 0.0,
        *,
        watched: bool = True,
    ) -> None:
        """Plan what to read.

        Args:
            start_s, end_s: of the whole.
            span: the part of it that is wanted; None: all.
            context_s: how much is read before and after a part at least, seconds.
            watched: whether anybody looks at the pictures at all.
        """
        self.start_s, self.end_s = self.wanted_start_s, self.wanted_end_s = start_s, end_s
        self._watch = Watch() if watched else None
        self._indices: list[int] = []
        self._drift: list[float] = []
        if span is None:
            return
        self.wanted_start_s, self.wanted_end_s = span.start_s, span.end_s
        self.start_s, self.end_s = span.start_s, span.end_s
        around_s = max(context_s, CONTEXT_S if watched else 0.0)
        if span.number > 0 and span.start_s is not None:
            first = span.start_s - around_s
            self.start_s = first if start_s is None else max(first, start_s)
        if span.number < span.count - 1 and span.end_s is not None:
            last = span.end_s + around_s
            self.end_s = last if end_s is None else min(last, end_s)

    def watched(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, bool]]:
        """Watch all frames, and tell which are wanted."""
        # Where nothing is read beyond an end, the reader has judged already.
        first, end = -np.inf, np.inf
        if self.wanted_start_s is not None and self.start_s != self.wanted_start_s:
            first = self.wanted_start_s
        if self.wanted_end_s is not None and self.end_s != self.wanted_end_s:
            end = self.wanted_end_s
        for frame in frames:
            is_wanted = first <= frame.time_s < end
            if self._watch:
                self._watch.see(frame.index, frame.time_s, frame.image)
                if not is_wanted:
                    self._watch.forget(frame.index)
            yield frame, is_wanted
        if self._watch:
            self._watch.finish()

    def add(self, index: int, people: Detections | None) -> None:
        """A frame was looked at, and these people were there; None where nobody is known.

        A look that the whole video would not have had, such as at the last frame of a part, must
        count as none.
        """
        if self._watch:
            self._indices.append(index)
            boxes = _NOBODY if people is None else people.boxes
            self._drift.append(self._watch.drift(index, boxes))

    def columns(self) -> dict[str, Any]:
        """`cuts` and `drift` of `Keypoints2D`, when all frames were seen."""
        if self._watch is None:
            return {}
        cuts = np.array([self._watch.is_cut(index) for index in self._indices], bool)
        return {"cuts": cuts, "drift": np.array(self._drift, np.float32)}
