"""The loop of `vp3d live`: the newest frame, the people in it, their joints, and out with them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from vp3d_cli import registry
from vp3d_cli.detect._base import Detector, DetectorOptions
from vp3d_cli.live import message
from vp3d_cli.live.capture import GIVE_UP_S, Capture, Captured
from vp3d_cli.live.motion import Motion
from vp3d_cli.live.numbers import Numbers, Tally
from vp3d_cli.live.outputs import Output, Outputs, Watched
from vp3d_cli.live.people import Pace, People, Sighted
from vp3d_cli.live.source import Source
from vp3d_cli.options import Options
from vp3d_cli.pipeline.cameras import camera_of
from vp3d_cli.pipeline.lifting import LoadedLifter
from vp3d_cli.types import Image, VideoInfo

if TYPE_CHECKING:
    from vp3d_cli.live.page import Page

_log = logging.getLogger(__name__)

# What `auto` means here: what keeps up on any computer, without any delay.
DETECTOR, LIFTER = "movenet", "bundled-causal"
# People are followed over looks this far apart: where a machine is that slow, looking for all of
# them again, which takes longest, would put it behind for good.
_PATIENCE_S = 0.5
# Taken where a source does not promise a rate.
_USUAL_FPS = Fraction(30)
# Between two reports of how it goes: to whoever watches the terminal, and in the log.
_TOLD_S, _LOGGED_S = 0.25, 2.0


@dataclass(frozen=True)
class LiveOptions:
    """What may be asked of a live run.

    Attributes:
        detector: a file of `detect/`, or "auto".
        lifter: a registry name, a path, or "auto".
        device: "cpu", "cuda", "cuda:1", for the detector.
        detect_size: see `Options`.
        focal_px: focal length in pixels; a default where None.
        max_people: so many are followed at most.
        smooth: calm keypoints and joints.
        loop: begin a file again at its end.
        every_frame: drop none, and play a file or a pipe as fast as that goes.
        give_up_s: for how long a camera or a stream may be lost.
        seconds, frames: end after so many; with the source where None.
    """

    detector: str = "auto"
    lifter: str = "auto"
    device: str = "cpu"
    detect_size: int | None = None
    focal_px: float | None = None
    max_people: int | None = None
    smooth: bool = True
    loop: bool = False
    every_frame: bool = False
    give_up_s: float = GIVE_UP_S
    seconds: float | None = None
    frames: int | None = None

    def for_pipeline(self) -> Options:
        """Those that the whole of a video has too."""
        return Options(
            detector=DETECTOR if self.detector == "auto" else self.detector,
            lifter=LIFTER if self.lifter == "auto" else self.lifter,
            device=self.device,
            detect_size=self.detect_size,
            focal_px=self.focal_px,
        )


def run(
    source: Source,
    options: LiveOptions,
    outputs: Sequence[Output] = (),
    page: Page | None = None,
    told: Callable[[Numbers], None] | None = None,
) -> Numbers:
    """Watch a source until it ends, and hand on its people frame by frame.

    Args:
        source: what to watch.
        options: see `LiveOptions`.
        outputs: take the messages; they are closed at the end.
        page: shows the pictures too.
        told: a few times a second, how it goes.

    Returns:
        How it went.

    Raises:
        VideoError: the source cannot be opened, or was lost for too long.
        WeightsError, BackendUnavailableError, DataError: as `estimate`.
        BrokenPipeError: whoever read the JSON lines has gone.
    """
    with ExitStack() as stack:
        everywhere = [*outputs, *([Watched(page)] if page else [])]
        sent = stack.enter_context(Outputs(everywhere))
        source.check()
        capture = Capture(
            source,
            loop=options.loop,
            every_frame=options.every_frame,
            give_up_s=options.give_up_s,
        )
        if not source.ends:  # a file and a pipe wait for us, the world does not
            stack.enter_context(capture)
            capture.wait()
        live = _Live(source, options, sent, page)
        if source.ends:
            stack.enter_context(capture)
        try:
            return live.watch(capture, told)
        finally:
            live.say_goodbye(capture)


class _Live:
    """The networks, and what is known of the people."""

    def __init__(
        self, source: Source, options: LiveOptions, outputs: Outputs, page: Page | None
    ) -> None:
        self._source, self._options, self._outputs, self._page = source, options, outputs, page
        asked = options.for_pipeline()
        # One frame at a time, with all cores.
        self._detector: Detector = registry.load("detect", asked.detector).build(
            DetectorOptions(asked.device, size=asked.detect_size, patience_s=_PATIENCE_S)
        )
        self._loaded = LoadedLifter.load(asked.detector, asked)
        self._names = asked.detector, self._loaded.lifter.name
        self._people = self._nobody()
        self._video: VideoInfo | None = None
        self._motion: Motion
        self._tally = Tally(0.0)
        self._told_s = self._logged_s = 0.0

    def watch(self, capture: Capture, told: Callable[[Numbers], None] | None) -> Numbers:
        """Until the source ends, or as long as the options say."""
        options = self._options
        until_s: float | None = None
        for number, captured in enumerate(capture, 1):
            if options.seconds is not None and until_s is None:
                until_s = captured.frame.time_s + options.seconds
                if not options.every_frame:  # also where nothing comes any more
                    capture.until_s = monotonic() + options.seconds
            if until_s is not None and captured.frame.time_s >= until_s:
                break
            self._show(captured)
            self._report(told)
            if number == options.frames:
                break
        return self._tally.whole()

    def _nobody(self) -> People:
        pace = None if self._options.every_frame else Pace()
        return People(self._detector, self._options.max_people, pace)

    def _show(self, captured: Captured) -> None:
        """One frame's way."""
        frame = captured.frame
        self._prepare(captured)
        people = self._motion.step(self._people.look(frame), frame.time_s)
        latency_ms = 1000 * (monotonic() - captured.captured_s)
        self._tally.add(frame.index, monotonic(), latency_ms, len(people))
        self._outputs.send(
            message.of_frame(
                frame.index,
                frame.time_s,
                people,
                latency_ms=latency_ms,
                delay_s=self._motion.delay_s,
                dropped=self._tally.dropped,
            )
        )
        if self._page and self._page.num_watchers:
            self._draw(self._page, frame.image, [person.sighted for person in people])

    def _draw(self, page: Page, image: Image, people: Sequence[Sighted]) -> None:
        from vp3d_cli.live.picture import draw

        draw(image, people, self._detector.skeleton)
        page.show_picture(image)

    def _prepare(self, captured: Captured) -> None:
        """At the first frame, and where a camera comes back with another size: begin."""
        height, width = captured.frame.image.shape[:2]
        if self._video and (self._video.width, self._video.height) == (width, height):
            return
        fps = captured.fps or _USUAL_FPS
        video = VideoInfo(Path(self._source.name), width, height, fps)
        lifter, skeleton = self._loaded.lifter, self._detector.skeleton
        camera = camera_of(video, self._options.focal_px)
        self._motion = Motion(lifter, skeleton, video, camera, smooth=self._options.smooth)
        if self._video is None:
            self._tally = Tally(1000 * self._motion.delay_s)
            if self._page:
                _log.info("open %s in a browser", self._page.address)
        else:
            self._people = self._nobody()  # boxes were in other pixels
        self._video = video
        context = f"{lifter.config.receptive_field} frames"
        delay_ms = 1000 * self._motion.delay_s
        _log.info(
            "%s: %d x %d at %.4g frames/s; %s finds people, %s lifts them (%s, %s)",
            *(self._source.name, width, height, float(fps), *self._names, context),
            f"{delay_ms:.0f} ms delay" if delay_ms else "no delay",
        )
        skeletons = skeleton, lifter.skeleton_out
        self._outputs.send(message.opening(video, skeletons, self._motion.delay_s, *self._names))

    def _report(self, told: Callable[[Numbers], None] | None) -> None:
        now_s = monotonic()
        if told and now_s - self._told_s >= _TOLD_S:
            self._told_s = now_s
            told(self._tally.now())
        if now_s - self._logged_s >= _LOGGED_S:
            self._logged_s = now_s
            _log.debug("%s", self._tally.now())

    def say_goodbye(self, capture: Capture) -> None:
        """The summary."""
        whole = self._tally.whole()
        if not whole.frames:
            return
        lost = self._outputs.losses()
        if capture.num_losses:
            times = "once" if capture.num_losses == 1 else f"{capture.num_losses} times"
            lost.append(f"the source was lost {times}")
        clauses = "".join(f"; {clause}" for clause in lost)
        _log.info("%.1f s, %d frames: %s%s", whole.lasted_s, whole.frames, whole, clauses)
