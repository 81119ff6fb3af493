"""2D keypoints from a file: another tool's, our own, or those of a vp3d pose file.

`vp3d_cli.keypoints` has the formats.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vp3d_cli import keypoints
from vp3d_cli.detect._base import Detector, DetectorOptions
from vp3d_cli.errors import DataError
from vp3d_cli.types import Detections, Frame, Json, Skeleton


def build(options: DetectorOptions) -> Detector:
    """A detector that looks up instead of looking.

    Raises:
        DataError: no file was given, or it is malformed.
    """
    if options.keypoints is None:
        raise DataError("detector 'precomputed' needs a file of 2D keypoints; give one")
    return Precomputed(options.keypoints)


class Precomputed:
    """All rows of a file, found by frame index.

    Attributes:
        keypoints: what the file holds.
    """

    def __init__(self, path: Path, format: str = "auto", video: str | None = None) -> None:
        """Read the file; see `keypoints.read`.

        Raises:
            DataError: it is malformed, or `video` does not choose one.
        """
        self.keypoints = keypoints.read(path, format, video)
        people = self.keypoints.people
        if self.keypoints.track_ids is not None:
            # Whoever said who they are has chosen them: they are believed.
            people = replace(people, box_scores=np.ones_like(people.box_scores))
        self._people = people

    @property
    def skeleton(self) -> Skeleton:
        return self.keypoints.skeleton

    def describe(self) -> Json:
        return {
            "name": "precomputed",
            **self.keypoints.provenance,
            "skeleton": self.skeleton.name,
        }

    def detect(self, frame: Frame) -> Detections:
        """The rows of this frame's index, by track id."""
        frames = self.keypoints.frames
        first, last = np.searchsorted(frames, [frame.index, frame.index + 1])
        return self._people.select(slice(first, last))
