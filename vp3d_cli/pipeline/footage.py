"""Many videos in 2D and 3D, to learn from: what was detected is kept and never detected again."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from vp3d_cli import files, keypoints, origin
from vp3d_cli.errors import DataError, OutputError, SkeletonMismatchError, VideoError
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.options import Options
from vp3d_cli.pipeline.cameras import camera_of, estimated, is_assumed
from vp3d_cli.pipeline.detecting import FirstHalf, LoadedDetector, Progress
from vp3d_cli.pipeline.lifting import nobody, people
from vp3d_cli.types import Json, Keypoints2D, Result

_log = logging.getLogger(__name__)

# What is taken for a video in a folder.
SUFFIXES = (
    ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm", ".wmv",
)  # fmt: skip


def find_videos(paths: Iterable[Path], leave_out: Path) -> tuple[Path, ...]:
    """Files as they are, folders with the videos in and below them; each content once.

    Args:
        paths: files and folders.
        leave_out: a folder that is not looked into.

    Raises:
        DataError: there is none.
    """
    found: list[Path] = []
    for path in paths:
        inner = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [
            file
            for file in inner
            if file == path
            or (file.suffix.lower() in SUFFIXES and file.is_file() and not _inside(file, leave_out))
        ]
    if not found:
        raise DataError(f"no videos in {', '.join(map(str, paths))}; looked for {_listed()}")
    return tuple(dict.fromkeys(found))


def _inside(file: Path, folder: Path) -> bool:
    return folder.resolve() in file.resolve().parents


def _listed() -> str:
    return ", ".join(suffix[1:] for suffix in SUFFIXES)


def detect_videos(
    paths: Sequence[Path], options: Options, folder: Path, progress: Progress | None = None
) -> dict[Path, Keypoints2D]:
    """Everybody in each video in 2D, from `folder` where they were found before.

    Files there are named by the content of the video, so that it may move; found with other
    options they are found anew. A video that cannot be read is reported and left out.

    Raises:
        WeightsError, BackendUnavailableError: as `detect_video`.
        OutputError: the folder cannot be made or written to.
        VideoError: no video can be read: that of the first.
    """
    loaded = LoadedDetector.load(options)
    _log.info("detector %s", loaded.choice)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error
    found: dict[str, tuple[Path, Keypoints2D]] = {}
    failures: list[VideoError] = []
    for number, path in enumerate(paths, start=1):
        digest = files.sha256(path) if path.is_file() else ""
        if digest in found:
            _log.warning("%s: is the same as %s; left out", path, found[digest][0])
            continue
        try:
            kept = folder / f"{digest[:16]}.npz"
            found[digest] = path, _detected(path, options, loaded, kept, progress)
        except VideoError as error:
            _log.warning("%s; left out", error)
            failures.append(error)
            continue
        _log.info("%d of %d: %s", number, len(paths), path)
    if not found:
        raise failures[0]
    return dict(found.values())


def _detected(
    path: Path, options: Options, loaded: LoadedDetector, kept: Path, progress: Progress | None
) -> Keypoints2D:
    first = FirstHalf(path, options, loaded)
    if kept.is_file():
        try:
            before = keypoints.read(kept)
        except DataError as error:
            _log.warning("%s; detecting again", error)
        else:
            asked = (loaded.describe(), options.detection_to_json())
            if _plain(origin.detector_of(before), origin.options_of(before)) == _plain(*asked):
                return before
    keypoints.write(first.run(progress), kept)
    # As read back, so that a later run starts from the very same.
    return keypoints.read(kept)


def lift_videos(
    found: dict[Path, Keypoints2D],
    lifter: Lifter,
    options: Options,
    progress: Progress | None = None,
) -> list[Result]:
    """The people of each video, tracked and lifted; videos without people are left out.

    The focal length is given, or told by the file, or the one that fits the people best.

    Raises:
        SkeletonMismatchError: the lifter takes other keypoints.
    """
    videos = []
    if progress:
        progress("lift", 0, len(found))
    for number, (path, seen) in enumerate(found.items(), start=1):
        try:
            video = dataclasses.replace(origin.video_of(seen), path=path)
            told = people(seen, options)
            tracks = told.tracks
            for warning in told.warnings if tracks else (nobody(seen) + "; left out",):
                _log.warning("%s", warning)
            if tracks:
                camera = camera_of(video, options.focal_px)
                if is_assumed(camera):
                    camera = estimated(lifter, tracks, video)
                _log.info("%s: focal length %.0f px (%s)", path.name, camera.focal_px, camera.how)
                lifted = lifter.lift(tracks, video, camera)
                origins = origin.provenance_of(seen)
                videos.append(Result(video, camera, tracks, lifted, origins))
        except SkeletonMismatchError:  # of every video
            raise
        except DataError as error:
            _log.warning("%s: %s; left out", path, error)
        if progress:
            progress("lift", number, len(found))
    return videos


def _plain(detector: Json, options: Json) -> Json:
    """What decides on keypoints, as a file gives it back."""
    told = {key: value for key, value in detector.items() if key != "chosen"}
    plain: Json = json.loads(json.dumps({"detector": told, "options": options}))
    return plain
