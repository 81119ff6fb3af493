"""The one file that knows the order: decode, detect, track, lift."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vp3d_cli import __version__, files, registry
from vp3d_cli.errors import DataError, SkeletonMismatchError
from vp3d_cli.track import Tracker, select_people
from vp3d_cli.types import (
    Camera,
    Detector,
    DetectorOptions,
    Json,
    Result,
    Track2D,
    VideoInfo,
)
from vp3d_cli.video import VideoReader, probe

_log = logging.getLogger(__name__)

# Told the stage, how much of it is done, and how much there is where that is known.
Progress = Callable[[str, int, "int | None"], None]

# Focal length in units of the frame's longer side where nobody says: 58 degrees across, between
# phones (about 0.8) and cameras (1.1 and more).
DEFAULT_FOCAL = 0.9


@dataclass(frozen=True)
class Options:
    """What a person may ask of `estimate`.

    Attributes:
        detector: a file of `detect/`, or "auto".
        lifter: a registry name, a path, or "auto".
        device: "cpu", "cuda", "cuda:1".
        person: "all", "largest" or a track id.
        start_s, end_s: only this part of the video, seconds.
        max_gap_s: gaps in a person's detections up to this long are filled.
        focal_px: focal length in pixels of the upright frame; a default where None.
        keypoints: file for the detector `precomputed`.
        skeleton_in, causal: of a lifter in VideoPose3D's layout, which cannot say.
    """

    detector: str = "auto"
    lifter: str = "auto"
    device: str = "cpu"
    person: str = "all"
    start_s: float | None = None
    end_s: float | None = None
    max_gap_s: float = 0.5
    focal_px: float | None = None
    keypoints: Path | None = None
    skeleton_in: str | None = None
    causal: bool | None = None

    def to_json(self) -> Json:
        """What changes the numbers, for the result's metadata; file names without folders."""
        values = dataclasses.asdict(self)
        values["lifter"] = Path(self.lifter).name
        values["keypoints"] = self.keypoints.name if self.keypoints else None
        return values


def choose_detector(name: str) -> tuple[str, str]:
    """What "auto" means, and why: (name, reason)."""
    if name != "auto":
        return name, "asked for"
    return "movenet", "auto: the embedded detector"


def choose_lifter(name: str) -> tuple[str, str]:
    """What "auto" means, and why: (name, reason)."""
    if name != "auto":
        return name, "asked for"
    return "bundled", "auto: the bundled lifter"


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
    from vp3d_cli.lift.loading import load_lifter

    path, options = Path(path), options or Options()
    probe(path)  # The cheapest check comes before loading any network.
    detector_name, detector_why = choose_detector(options.detector)
    lifter_name, lifter_why = choose_lifter(options.lifter)
    if (detector_name == "precomputed") != (options.keypoints is not None):
        raise DataError("the detector 'precomputed' and a keypoints file belong together")
    _log.info(
        "detector %s (%s), lifter %s (%s)", detector_name, detector_why, lifter_name, lifter_why
    )
    lifter = load_lifter(
        lifter_name,
        device=options.device,
        skeleton_in=options.skeleton_in,
        causal=options.causal,
    )
    detector = build_detector(detector_name, options)
    if detector.skeleton != lifter.skeleton_in:
        raise SkeletonMismatchError(
            f"the detector {detector_name} finds {detector.skeleton.name}, "
            f"but the lifter {lifter_name} takes {lifter.skeleton_in.name}"
        )
    seen = detect_and_track(path, detector, options, progress)
    camera = _camera(seen.video, options.focal_px)
    tracks2d = select_people(seen.tracks, options.person)
    total = sum(len(track) for track in tracks2d)
    done = 0

    def lifted(frames: int) -> None:
        nonlocal done
        done += frames
        if progress:
            progress("lift", done, total)

    tracks3d = lifter.lift(tracks2d, seen.video, camera, lifted)
    return Result(
        video=seen.video,
        camera=camera,
        tracks2d=tracks2d,
        tracks3d=tracks3d,
        provenance={
            "version": __version__,
            "source": {
                "name": path.name,
                "sha256": files.sha256(path) if path.is_file() else None,
            },
            "num_frames_read": seen.num_frames,
            "warnings": list(seen.warnings),
            "detector": detector.describe() | {"chosen": detector_why},
            "lifter": lifter.describe() | {"chosen": lifter_why},
            "options": options.to_json(),
        },
    )


def build_detector(name: str, options: Options) -> Detector:
    """Load a detector by its file name in `detect/`."""
    detector: Detector = registry.load("detect", name).build(
        DetectorOptions(device=options.device, keypoints=options.keypoints)
    )
    return detector


@dataclass(frozen=True)
class Seen:
    """What the first half of the pipeline found."""

    video: VideoInfo
    tracks: tuple[Track2D, ...]
    num_frames: int
    warnings: tuple[str, ...]


def detect_and_track(
    path: Path, detector: Detector, options: Options, progress: Progress | None = None
) -> Seen:
    """Stream the frames through the detector; memory does not grow with the pictures.

    Keypoints from a file were checked before, so every person in it is believed.
    """
    believed = {"min_presence_s": 0.0} if options.keypoints else {}
    tracker = Tracker(detector.skeleton, options.max_gap_s, **believed)
    warnings: list[str] = []
    with VideoReader(path, options.start_s, options.end_s) as reader:
        total = _frames_expected(reader.info, options)
        info = reader.info
        _log.debug("reading %d x %d at %.4g frames/s", info.width, info.height, float(info.fps))
        for frame in reader:
            tracker.update(frame.index, frame.time_s, detector.detect(frame))
            if progress:
                progress("detect", reader.frames_read, total)
        if reader.warning:
            warnings.append(reader.warning)
    tracks = tracker.finish()
    if not tracks:
        warnings.append(f"{path.name}: nobody was found ({reader.frames_read} frames read)")
    for warning in warnings:
        _log.warning("%s", warning)
    return Seen(reader.info, tracks, reader.frames_read, tuple(warnings))


def _frames_expected(video: VideoInfo, options: Options) -> int | None:
    if video.num_frames is None:
        return None
    if options.start_s is None and options.end_s is None:
        return video.num_frames
    length_s = float(video.num_frames / video.fps)
    end_s = length_s if options.end_s is None else min(options.end_s, length_s)
    return max(1, round((end_s - (options.start_s or 0)) * video.fps))


def _camera(video: VideoInfo, focal_px: float | None) -> Camera:
    if focal_px is not None:
        return Camera(focal_px, "given")
    longer = max(video.width, video.height)
    return Camera(DEFAULT_FOCAL * longer, f"default: {DEFAULT_FOCAL} of the longer side")
