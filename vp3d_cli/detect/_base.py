"""What a detector is: how one is asked for, and what it answers.

A file in `detect/` defines `build(options: DetectorOptions) -> Detector`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from vp3d_cli.types import Detections, Frame, Json, Skeleton


@dataclass(frozen=True)
class DetectorOptions:
    """What a detector may need to know: each reads what concerns it.

    Attributes:
        device: "cpu", "cuda", "cuda:1".
        keypoints: the file that `precomputed` reads.
        size: pixels of the picture that the detector sees: of the shorter side for Mask R-CNN,
            of the longer one for movenet; its own default where None.
        quality: "best": look for everybody in every frame; "balanced" and "fast": between looks
            at the whole picture only at the people there. None: as this detector does best.
        max_people: the best this many people of a frame are enough; all where None.
        half: half precision, on a GPU.
        workers: frames that the caller looks at at once; each gets its share of the cores.
        patience_s: looks farther apart than this are at everybody, for movenet; its own default
            where None.
    """

    device: str = "cpu"
    keypoints: Path | None = None
    size: int | None = None
    quality: str | None = None
    max_people: int | None = None
    half: bool = False
    workers: int = 1
    patience_s: float | None = None


class Detector(Protocol):
    """Finds people and their 2D keypoints in one frame.

    A file in `detect/` defines `build(options: DetectorOptions) -> Detector`. `skeleton` is the
    order of `Detections.keypoints`. `describe` is stored in the result: name, weights with
    hashes, thresholds.
    """

    @property
    def skeleton(self) -> Skeleton: ...

    def describe(self) -> Json: ...

    def detect(self, frame: Frame) -> Detections: ...


@runtime_checkable
class BatchDetector(Detector, Protocol):
    """A detector that looks at several frames in less time together, as a GPU does."""

    @property
    def batch_size(self) -> int: ...

    def detect_batch(self, frames: Sequence[Frame]) -> list[Detections]: ...


@runtime_checkable
class ConcurrentDetector(Detector, Protocol):
    """A detector that looks at several frames at the same time, each in a thread of its own."""

    @property
    def workers(self) -> int: ...


@runtime_checkable
class FollowingDetector(Detector, Protocol):
    """A detector to which people who were found a moment ago are less work than strangers.

    It keeps no state: who is followed comes with the call. `follow_s` is for how long it follows
    before everybody is looked for again, `least_followed` how many looks at least; None for the
    former: it does not.
    """

    @property
    def follow_s(self) -> float | None: ...

    @property
    def least_followed(self) -> int: ...

    def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections:
        """Look at people (P) where they were `since_s` seconds before or after.

        Returns:
            Those who are still there, each once; everybody where that is too long ago.
        """
