"""The first half: from a video to the people in each frame."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vp3d_cli import __version__, choices, origin, registry
from vp3d_cli.choices import Choice
from vp3d_cli.cores import usable_cores
from vp3d_cli.detect._base import Detector, DetectorOptions
from vp3d_cli.device import require_device
from vp3d_cli.errors import NoFramesError
from vp3d_cli.options import Options, Span
from vp3d_cli.pipeline.looking import Request, look, scene_length
from vp3d_cli.pipeline.surroundings import Surroundings
from vp3d_cli.types import (
    Bool,
    Detections,
    Float,
    Frame,
    Int,
    Json,
    Keypoints2D,
    Skeleton,
    VideoInfo,
)
from vp3d_cli.video import VideoReader, probe

_log = logging.getLogger(__name__)

# Told the stage, how much of it is done, and how much there is where that is known.
Progress = Callable[[str, int, "int | None"], None]


def build_detector(name: str, options: Options, workers: int = 1) -> Detector:
    """Load a detector by its file name in `detect/`.

    Args:
        name: of the file.
        options: see `Options`.
        workers: frames that are looked at at once; each gets its share of the cores.
    """
    detector: Detector = registry.load("detect", name).build(
        DetectorOptions(
            device=options.device,
            keypoints=options.keypoints,
            size=options.detect_size,
            quality=options.quality,
            half=options.half,
            max_people=1 if options.faithful else None,
            workers=workers,
        )
    )
    return detector


@dataclass(frozen=True)
class LoadedDetector:
    """A detector, and why it was chosen."""

    choice: Choice
    detector: Detector

    @classmethod
    def load(cls, options: Options) -> LoadedDetector:
        """Check the device, and load what `options` mean."""
        require_device(options.device)
        choice = choices.choose_detector(
            options.detector, choices.look(), faithful=options.faithful
        )
        return cls(choice, build_detector(choice.name, options, usable_cores()))

    def describe(self) -> Json:
        """For the metadata of keypoints."""
        return self.detector.describe() | {"chosen": self.choice.why}


class FirstHalf:
    """From a video to keypoints.

    Attributes:
        choice: of the detector, and why.
        skeleton: of the keypoints to come.
        maker: name of the detector behind them, also where they come from a file.
    """

    def __init__(self, path: Path, options: Options, loaded: LoadedDetector | None = None) -> None:
        """Check the video, the device and the detector, the cheapest first.

        Args:
            path: the video.
            options: see `Options`.
            loaded: the detector that `options` mean, where it is loaded already.
        """
        self._path, self._options = path, options
        self._video = video = probe(path)
        self._loaded = loaded or LoadedDetector.load(options)
        self.choice, self._detector = self._loaded.choice, self._loaded.detector
        self.skeleton, self.maker = self._detector.skeleton, self.choice.name
        self._given: Keypoints2D | None = getattr(self._detector, "keypoints", None)
        if self._given is not None:
            origin.require_agreement(self._given, (video.width, video.height), video.fps)
            self.maker = origin.detector_of(self._given)["name"]
            if told := origin.other_video(self._given, path):
                _log.warning("%s", told)

    def run(
        self,
        progress: Progress | None = None,
        *,
        span: Span | None = None,
        by_index: bool = False,
        on_decoded: Callable[[int], None] | None = None,
    ) -> Keypoints2D:
        """Stream the frames; memory does not grow with the pictures.

        Args:
            progress: see `estimate`.
            span: only this part of what `options` ask for.
            by_index: `detect_every` counts from the video's first frame, not from `start_s`.
            on_decoded: see `VideoReader`.
        """
        options, seen = self._options, _Seen()
        every = options.look_every
        around = self._surroundings(span)
        said = threading.Event()

        def on_look(seconds: float) -> None:
            if not said.is_set():
                said.set()
                self._announce(seconds, total)
            if progress:  # frames come in bursts, which may be long in coming
                progress("detect", len(seen.frames), total)

        with VideoReader(
            self._path, around.start_s, around.end_s, on_decoded, options.hwaccel
        ) as reader:
            info = reader.info
            _log.debug("reading %d x %d at %.4g frames/s", info.width, info.height, float(info.fps))
            total = _frames_expected(info, around.wanted_start_s, around.wanted_end_s)
            requests = _requests(around.watched(reader), every, by_index=by_index)
            looks = look(
                *(requests, self._detector, info, every),
                colours=not options.faithful,
                on_look=on_look,
            )
            with contextlib.closing(looks) as found:
                for index, time_s, people in found:
                    seen.add(index, time_s, people)
                    number = index if by_index else len(seen.frames) - 1
                    around.add(index, people if number % every == 0 else None)
                    if progress:
                        progress("detect", len(seen.frames), total)
        if not seen.frames:
            raise NoFramesError(f"{self._path}: has no frame in this part")
        if reader.warning:
            _log.warning("%s", reader.warning)
        provenance = {
            **origin.describe(info),
            "version": __version__,
            "detector": self._loaded.describe(),
            "options": options.detection_to_json(),
            "warnings": [_without_folder(reader.warning, self._path)] if reader.warning else [],
        }
        keypoints = seen.keypoints(info, self.skeleton, provenance)
        keypoints = dataclasses.replace(keypoints, **around.columns())
        return keypoints if self._given is None else _of_the_file(self._given, keypoints)

    def _surroundings(self, span: Span | None) -> Surroundings:
        options = self._options
        length = scene_length(self._detector, self._video, options.look_every)
        # The rest of the first scene, and the one before it; twice, for frame rates that vary.
        context_s = 2 * 2 * (length or 0) / float(self._video.fps)
        watched = not options.faithful
        return Surroundings(options.start_s, options.end_s, span, context_s, watched=watched)

    def _announce(self, seconds: float, total: int | None) -> None:
        """On a CPU Mask R-CNN takes seconds a frame: say how long all will take."""
        if self.choice.name not in choices.MASK_RCNN or self._options.device != "cpu":
            return
        looks = (total or 0) / self._options.look_every
        _log.info(
            "%s takes %.1f s a frame on this CPU%s; %s is far quicker",
            self.choice.name,
            seconds,
            f", {_duration(seconds * looks)} or less for {total} frames" if total else "",
            "--device cuda" if self._options.faithful else "--detector movenet",
        )


def _without_folder(warning: str, path: Path) -> str:
    """A result says the same wherever its video lies."""
    return warning.replace(f"{path}:", f"{path.name}:", 1)


def _requests(
    frames: Iterable[tuple[Frame, bool]], every: int, *, by_index: bool
) -> Iterator[Request]:
    """People are looked for in each `every`th frame that is wanted, and in the last where it ends.

    With `by_index` the frame's index counts, not how many frames that are wanted came before it.
    """
    number, last = 0, None
    for frame, is_wanted in frames:
        if last is not None:
            yield last
            last = None
        at = frame.index if by_index else number
        request = Request(frame, at % every == 0, is_wanted)
        number += is_wanted
        if is_wanted:
            last = request
        else:
            yield request
    if last is not None:
        yield dataclasses.replace(last, is_looked_at=True)


@dataclass
class _Seen:
    """What the frames so far held; the pictures themselves are let go."""

    frames: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    people: list[Detections | None] = field(default_factory=list)

    def add(self, index: int, time_s: float, people: Detections | None) -> None:
        self.frames.append(index)
        self.times_s.append(time_s)
        self.people.append(people)

    def keypoints(self, video: VideoInfo, skeleton: Skeleton, provenance: Json) -> Keypoints2D:
        """One table of all."""
        people = [Detections.empty(skeleton.num_joints), *(p for p in self.people if p is not None)]
        frames = np.array(self.frames, np.int32)
        looked_at = np.array([p is not None for p in self.people])
        return Keypoints2D(
            frames=np.repeat(frames, [len(p or ()) for p in self.people]),
            people=Detections.concatenated(people),
            skeleton=skeleton,
            width=video.width,
            height=video.height,
            fps=video.fps,
            # A container may promise less than it holds.
            num_frames=max(video.num_frames or 0, int(frames[-1]) + 1),
            provenance=provenance,
            frames_read=frames,
            times_s=np.array(self.times_s),
            looked_at=None if looked_at.all() else looked_at,
        )


def _of_the_file(given: Keypoints2D, video: Keypoints2D) -> Keypoints2D:
    """Keypoints from a file, at the frames of a video that were read."""
    rows = np.isin(given.frames, np.asarray(video.frames_read))
    people = given.people.select(rows)
    return dataclasses.replace(
        video,
        frames=given.frames[rows],
        people=dataclasses.replace(people, colours=_colours(given, video)[rows]),
        track_ids=None if given.track_ids is None else given.track_ids[rows],
        looked_at=_looked_at(given, np.asarray(video.frames_read)),
        provenance={
            **video.provenance,
            "detector": origin.detector_of(given),
            "keypoints": origin.file_of(given),
        },
    )


def _colours(given: Keypoints2D, video: Keypoints2D) -> Float:
    """Of everybody in a file, as it tells, or else as they were seen in the video."""
    colours = given.people.colours.copy()
    rows = np.flatnonzero(np.isin(given.frames, video.frames))
    unknown = ~np.isfinite(colours[rows]).all(1)
    colours[rows[unknown]] = video.people.colours[unknown]
    return colours


def _looked_at(given: Keypoints2D, frames: Int) -> Bool | None:
    """In which of the frames (F,) of a video those who wrote a file looked for people."""
    if given.frames_read is None or given.looked_at is None:
        return None
    return np.isin(frames, given.frames_read[given.looked_at])


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _frames_expected(video: VideoInfo, start_s: float | None, end_s: float | None) -> int | None:
    if video.num_frames is None:
        return None
    if start_s is None and end_s is None:
        return video.num_frames
    length_s = float(video.num_frames / video.fps)
    end_s = length_s if end_s is None else min(end_s, length_s)
    return max(1, round((end_s - (start_s or 0)) * video.fps))
