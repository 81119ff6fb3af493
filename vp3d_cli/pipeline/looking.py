"""Frames go to the detector, several at the same time, and the people in them come back in order.

Frames are cut into scenes of a fraction of a second. A scene is looked at by one thread: where the
detector follows people, everybody is looked for in its first frame and followed through the rest.
Nothing passes from scene to scene, so that they can be looked at together, and a part of a video
is told the same as the whole. Scenes begin at fixed numbers of frames, counted from the video's
first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from vp3d_cli.detect._base import (
    BatchDetector,
    ConcurrentDetector,
    Detector,
    FollowingDetector,
)
from vp3d_cli.scene import with_colours
from vp3d_cli.types import Detections, Frame, VideoInfo

# A frame's index and time, and the people in it; None where nobody was looked for.
Found = tuple[int, float, "Detections | None"]

# Bytes of pictures that one scene holds at most, and all that wait or are looked at.
_SCENE_BYTES, _ALL_BYTES = 64 << 20, 512 << 20


@dataclass(frozen=True)
class Request:
    """A frame, and whether somebody looks at it and wants to know what is there."""

    frame: Frame
    is_looked_at: bool
    is_wanted: bool = True


@dataclass
class _Scene:
    """Frames that are looked at together; of those that are passed over no picture is kept."""

    wanted: list[tuple[int, float]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)


def scene_length(detector: Detector, video: VideoInfo, every: int) -> int | None:
    """How many frames a scene lasts where people are followed; None where they are not.

    Args:
        detector: says for how long.
        video: the number depends on its rate and its size.
        every: looks are that many frames apart.
    """
    if not isinstance(detector, FollowingDetector) or detector.follow_s is None:
        return None
    looks = max(round(detector.follow_s * float(video.fps) / every), 1 + detector.least_followed)
    affordable = _SCENE_BYTES // (3 * video.width * video.height)
    return every * max(1 + detector.least_followed, min(looks, affordable))


def look(
    requests: Iterable[Request],
    detector: Detector,
    video: VideoInfo,
    every: int,
    *,
    colours: bool = True,
) -> Iterator[Found]:
    """The people in each frame that is wanted, in order.

    The detector works in threads while `requests` are read; closing the iterator, an error and
    Ctrl-C end them.

    Args:
        requests: in order of the frames.
        detector: see `FollowingDetector`, `BatchDetector` and `ConcurrentDetector`.
        video: whose frames they are.
        every: looks are that many frames apart.
        colours: of people's clothes are looked at too.
    """

    def seen(scene: _Scene) -> list[Found]:
        people: dict[int, Detections] = {}
        for frame, found in _people(scene.frames, detector):
            with_them = with_colours(found, frame.image, detector.skeleton) if colours else found
            people[frame.index] = with_them
        return [(index, time_s, people.get(index)) for index, time_s in scene.wanted]

    length = scene_length(detector, video, every)
    at_once = detector.batch_size if isinstance(detector, BatchDetector) else 1
    workers = detector.workers if isinstance(detector, ConcurrentDetector) else 1
    held = 3 * video.width * video.height * (length // every if length else at_once)
    workers = max(1, min(workers, _ALL_BYTES // held - 1))
    for found in _in_order(seen, _scenes(requests, length, at_once), workers):
        yield from found


def followed(
    frames: Iterable[Frame], detector: FollowingDetector
) -> Iterator[tuple[Frame, Detections]]:
    """Look for everybody in the first frame, and again where nobody is known or one is lost."""
    people: Detections | None = None
    last_s = 0.0
    for frame in frames:
        found = None
        if people is not None and len(people):
            found = detector.follow(frame, people, frame.time_s - last_s)
        people = detector.detect(frame) if found is None else found
        last_s = frame.time_s
        yield frame, people


def _people(frames: list[Frame], detector: Detector) -> Iterator[tuple[Frame, Detections]]:
    """Each frame with its people; the pictures are let go on the way."""
    if isinstance(detector, FollowingDetector) and detector.follow_s is not None:
        yield from followed(_emptied(frames), detector)
    elif isinstance(detector, BatchDetector):
        yield from zip(frames, detector.detect_batch(frames) if frames else (), strict=True)
    else:
        yield from ((frame, detector.detect(frame)) for frame in _emptied(frames))


def _emptied(frames: list[Frame]) -> Iterator[Frame]:
    frames.reverse()
    while frames:
        yield frames.pop()


def _scenes(requests: Iterable[Request], length: int | None, at_once: int) -> Iterator[_Scene]:
    """Scenes of `length` frames by index, or of `at_once` looks; those that nobody wants are not.

    What comes before the first frame that is wanted is looked at where it is of the same scene.
    """
    scene, number = _Scene(), 0
    for request in requests:
        frame = request.frame
        is_next = frame.index // length != number if length else len(scene.frames) == at_once
        if is_next:
            if scene.wanted:
                yield scene
            scene = _Scene()
        number = frame.index // length if length else 0
        if request.is_wanted:
            scene.wanted.append((frame.index, frame.time_s))
        is_before = length is not None and not scene.wanted
        if request.is_looked_at and (request.is_wanted or is_before):
            scene.frames.append(frame)
    if scene.wanted:
        yield scene


def _in_order(
    work: Callable[[_Scene], list[Found]], scenes: Iterable[_Scene], workers: int
) -> Iterator[list[Found]]:
    """`map`, by so many threads; one scene waits for them and no more."""
    executor = ThreadPoolExecutor(workers, "look")
    running: deque[Future[list[Found]]] = deque()
    try:
        for scene in scenes:
            running.append(executor.submit(work, scene))
            if len(running) > workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
