"""The networks that options mean, loaded once for many videos."""

from __future__ import annotations

from dataclasses import dataclass

from vp3d_cli.options import Options
from vp3d_cli.pipeline.detecting import LoadedDetector
from vp3d_cli.pipeline.lifting import LoadedLifter
from vp3d_cli.types import Json


@dataclass(frozen=True)
class Models:
    """A detector and the lifter for its keypoints."""

    detector: LoadedDetector
    lifter: LoadedLifter

    @classmethod
    def load(cls, options: Options) -> Models:
        """Load both.

        Raises:
            WeightsError, BackendUnavailableError, DataError: as `estimate`.
        """
        detector = LoadedDetector.load(options)
        return cls(detector, LoadedLifter.load(detector.choice.name, options))

    def describe(self) -> Json:
        """What decides on the numbers: names, hashes and settings of both."""
        return {"detector": self.detector.describe(), "lifter": self.lifter.describe()}
