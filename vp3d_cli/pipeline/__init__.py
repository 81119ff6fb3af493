"""The one room that knows the order: decode, detect, track, lift.

The two halves meet in `Keypoints2D`: `detect_video` makes it, `lift_keypoints` takes it, and
`estimate` is the one after the other. Each half checks all that it needs before it runs.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from vp3d_cli import origin
from vp3d_cli.options import Options
from vp3d_cli.pipeline.detecting import FirstHalf, Progress, build_detector
from vp3d_cli.pipeline.lifting import SecondHalf, nobody
from vp3d_cli.pipeline.models import Models
from vp3d_cli.types import Keypoints2D, Result

__all__ = [
    "Models",
    "Options",
    "build_detector",
    "detect_video",
    "estimate",
    "lift_keypoints",
]

_log = logging.getLogger(__name__)


def estimate(
    path: Path | str, options: Options | None = None, progress: Progress | None = None
) -> Result:
    """Find the people in a video and lift them to 3D.

    Args:
        path: a video, GIF or still image.
        options: see `Options`.
        progress: told ("detect" or "lift", frames done, frames in all or None).

    Returns:
        Tracks in 2D and 3D; none where nobody was found, which is a result.

    Raises:
        VideoError: the file is no video, or cannot be decoded.
        WeightsError: weights are missing or damaged.
        BackendUnavailableError: the device or a library is not there.
        DataError: an input file or an option does not fit.
    """
    options = options or Options()
    first = FirstHalf(Path(path), options)
    second = SecondHalf(first.skeleton, first.maker, options)
    _log.info("detector %s, lifter %s", first.choice, second.choice)
    keypoints = first.run(progress)
    video = dataclasses.replace(origin.video_of(keypoints), path=Path(path))
    return second.run(keypoints, video, progress)


def detect_video(
    path: Path | str,
    options: Options | None = None,
    progress: Progress | None = None,
    models: Models | None = None,
) -> Keypoints2D:
    """The first half of `estimate`: everybody in each frame in 2D, not yet tracked.

    Args:
        path: a video, GIF or still image.
        options: see `Options`; what concerns lifting is passed over.
        progress: told ("detect", frames done, frames in all or None).
        models: what `options` mean, where many videos go through the same models.

    Raises:
        VideoError, WeightsError, BackendUnavailableError: as `estimate`.
    """
    first = FirstHalf(Path(path), options or Options(), models.detector if models else None)
    if models is None:
        _log.info("detector %s", first.choice)
    keypoints = first.run(progress)
    if not len(keypoints.frames):
        _log.warning("%s", nobody(keypoints))
    return keypoints


def lift_keypoints(
    keypoints: Keypoints2D,
    options: Options | None = None,
    progress: Progress | None = None,
    models: Models | None = None,
) -> Result:
    """The second half of `estimate`: 2D keypoints, ours or another tool's, to 3D.

    People keep the ids that the keypoints have; without ids they are tracked.

    Args:
        keypoints: with the size of the frames and their rate; see `origin.completed`.
        options: see `Options`; what concerns detection is passed over.
        progress: told ("lift", frames done, frames in all).
        models: as in `detect_video`.

    Raises:
        WeightsError, BackendUnavailableError: as `estimate`.
        DataError: the keypoints say too little of the video, or do not fit the lifter.
    """
    video = origin.video_of(keypoints)
    maker = origin.detector_of(keypoints)["name"]
    lifter = models.lifter if models else None
    second = SecondHalf(keypoints.skeleton, maker, options or Options(), lifter)
    if models is None:
        _log.info("lifter %s", second.choice)
    for warning in origin.warnings_of(keypoints):
        _log.warning("%s", warning)
    return second.run(keypoints, video, progress)
