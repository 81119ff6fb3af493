"""The second half: from keypoints to people in 3D."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vp3d_cli import __version__, choices, origin, track
from vp3d_cli.choices import Choice
from vp3d_cli.device import require_device
from vp3d_cli.errors import SkeletonMismatchError
from vp3d_cli.options import Options
from vp3d_cli.pipeline import refining, timing
from vp3d_cli.pipeline.cameras import camera_of
from vp3d_cli.track import Tracked
from vp3d_cli.types import (
    Camera,
    Json,
    Keypoints2D,
    Result,
    Skeleton,
    Track2D,
    Track3D,
    VideoInfo,
    World,
)

if TYPE_CHECKING:
    from vp3d_cli.lift.lifter import Lifter

_log = logging.getLogger(__name__)

# Told the stage, how much of it is done, and how much there is.
Progress = Callable[[str, int, "int | None"], None]


@dataclass(frozen=True)
class LoadedLifter:
    """A lifter, and why it was chosen."""

    choice: Choice
    lifter: Lifter

    @classmethod
    def load(cls, maker: str, options: Options) -> LoadedLifter:
        """Check the device, and load what `options` mean for the keypoints of `maker`."""
        from vp3d_cli.lift.loading import load_lifter

        require_device(options.device)
        choice = choices.choose_lifter(
            options.lifter, maker, choices.look(), faithful=options.faithful
        )
        lifter = load_lifter(
            choice.name,
            device=options.device,
            runtime=options.lift_runtime,
            skeleton_in=options.skeleton_in,
            causal=options.causal,
        )
        if options.faithful:
            config = lifter.config
            choices.require_reference_input(lifter.name, config.normalisation, config.features)
        return cls(choice, lifter)

    def describe(self) -> Json:
        """For the metadata of a result."""
        return self.lifter.describe() | {"chosen": self.choice.why}


class SecondHalf:
    """From keypoints to a result.

    Attributes:
        choice: of the lifter, and why.
    """

    def __init__(
        self, skeleton: Skeleton, maker: str, options: Options, loaded: LoadedLifter | None = None
    ) -> None:
        """Check the device and the lifter.

        Args:
            skeleton: of the keypoints.
            maker: name of the detector behind them.
            options: see `Options`.
            loaded: the lifter that `options` mean, where it is loaded already.
        """
        self._options = options
        self._loaded = loaded or LoadedLifter.load(maker, options)
        self.choice, self._lifter = self._loaded.choice, self._loaded.lifter
        if skeleton != self._lifter.skeleton_in:
            raise SkeletonMismatchError(
                f"the keypoints of {maker} are {skeleton.name}, but the lifter "
                f"{self._lifter.name} takes {self._lifter.skeleton_in.name}; give another --lifter"
            )

    def run(
        self, keypoints: Keypoints2D, video: VideoInfo, progress: Progress | None = None
    ) -> Result:
        """Find out who is who, and lift everybody who was asked for."""
        told = people(keypoints, self._options)
        warnings = list(told.warnings if told.tracks else (nobody(keypoints),))
        warnings += _heights_of_nobody(self._options, told)
        for warning in warnings:
            _log.warning("%s", warning)
        tracks2d = track.select_people(told.tracks, self._options.person, told.same_person)
        camera = camera_of(video, self._options.focal_px)
        if self._options.faithful:
            counted = _counted(progress, tracks2d)
            tracks3d = self._lifter.lift(tracks2d, video, camera, counted, zero_root=False)
            world = World.unknown("not looked for in faithful results")
        else:
            moves = refining.camera_moves(keypoints)
            options = _with_heights_of_all_ids(self._options, told)
            tracks3d, world = self._refined(tracks2d, video, camera, options, progress, moves=moves)
        return Result(
            video=video,
            camera=camera,
            tracks2d=tracks2d,
            tracks3d=tracks3d,
            provenance={
                **origin.provenance_of(keypoints),
                "version": __version__,
                "num_frames_read": _num_read(keypoints),
                "warnings": [*origin.warnings_of(keypoints), *warnings],
                "lifter": self._loaded.describe(),
                "options": self._options.to_json_after(origin.options_of(keypoints)),
                "same_person": [list(ids) for ids in told.same_person],
                "repaired": {str(track_id): frames for track_id, frames in told.repaired},
                "cuts": _cuts(keypoints),
            },
            world=world,
        )

    def _refined(
        self,
        tracks2d: tuple[Track2D, ...],
        video: VideoInfo,
        camera: Camera,
        options: Options,
        progress: Progress | None,
        *,
        moves: bool,
    ) -> tuple[tuple[Track3D, ...], World]:
        """Lift calmed keypoints at a rate that the lifter knows, and refine what it answers."""
        seen, real = timing.in_real_time(tracks2d, video, options.real_fps)
        calm = tuple(refining.prepared(person, options) for person in seen)
        rate = None
        if calm and options.does("resampling"):
            rate = timing.rate_for(calm, real, self._lifter.config.fps_range)
        if rate is None:
            told = _counted(progress, calm)
            lifted = self._lifter.lift(calm, real, camera, told)
        else:
            _log.info("lifted at %.4g frames/s", float(rate))
            even = tuple(timing.resampled(person, rate) for person in calm)
            known = dataclasses.replace(real, fps=rate)
            answers = self._lifter.lift(even, known, camera, _counted(progress, even))
            lifted = tuple(map(timing.put_back, answers, even, calm))
        refined = refining.Refining(options, real, camera, camera_moves=moves)
        return refined.run(seen, calm, lifted)


def _counted(
    progress: Progress | None, tracks: tuple[Track2D, ...]
) -> Callable[[int], None] | None:
    """Tells how many frames are lifted, from how many more are."""
    if progress is None:
        return None
    total, done = sum(len(person) for person in tracks), 0

    def lifted(frames: int) -> None:
        nonlocal done
        done += frames
        progress("lift", done, total)

    return lifted


def people(keypoints: Keypoints2D, options: Options) -> Tracked:
    """Who is who over time, and what there is to say about it."""
    if options.faithful:
        return Tracked(track.best_of_each_frame(keypoints))
    # A detector sees ghosts; other files were looked through before, so everybody is believed.
    found = origin.detector_of(keypoints)["name"] != origin.UNKNOWN
    return track.identify(
        keypoints,
        track.MAX_GAP_S if options.max_gap_s is None else options.max_gap_s,
        track.PRESENCE_S if found else 0.0,
        appearance=options.does("appearance"),
        repair=options.does("repair"),
    )


def _with_heights_of_all_ids(options: Options, told: Tracked) -> Options:
    """Whoever came back under another id is as tall as before."""
    heights = dict(options.heights)
    for group in told.same_person:
        known = [heights[i] for i in group if i in heights]
        heights |= {i: known[0] for i in group if known and i not in heights}
    return dataclasses.replace(options, heights=tuple(heights.items()))


def _heights_of_nobody(options: Options, told: Tracked) -> list[str]:
    """A sentence for each height of an id that nobody has."""
    ids = {person.track_id for person in told.tracks}
    return [
        f"--height {i}:{height:g}: there is no person {i}"
        for i, height in options.heights
        if i is not None and i not in ids and ids
    ]


def _cuts(keypoints: Keypoints2D) -> list[int]:
    """The first frames of other shots."""
    if keypoints.cuts is None or keypoints.frames_read is None:
        return []
    frames: list[int] = keypoints.frames_read[keypoints.cuts].tolist()
    return frames


def nobody(keypoints: Keypoints2D) -> str:
    """The sentence for a video with nobody in it."""
    name = origin.source_of(keypoints)["name"]
    return f"{name}: nobody was found ({_num_read(keypoints)} frames read)"


def _num_read(keypoints: Keypoints2D) -> int:
    return len(track.clock_of(keypoints)[0])
