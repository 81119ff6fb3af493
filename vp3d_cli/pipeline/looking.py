"""Frames go to the detector, several at the same time, and the people in them come back in order.

Where a detector follows people, frames are cut into scenes of a fraction of a second. Everybody is
looked for in the middle frame of a scene and followed to both ends; whom the scenes before and
after know and this one does not is followed into it. Scenes begin at fixed numbers of frames,
counted from the video's first, and know nothing beyond their neighbours: they can be looked at
together, and a part of a video, read with two scenes around it, is told the same as the whole.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from time import monotonic

from vp3d_cli.detect._base import BatchDetector, ConcurrentDetector, Detector, FollowingDetector
from vp3d_cli.overlap import alike
from vp3d_cli.parallel import in_threads
from vp3d_cli.scene import with_colours
from vp3d_cli.types import Detections, Frame, VideoInfo

# A frame's index and time, and the people in it; None where nobody was looked for.
Found = tuple[int, float, "Detections | None"]

# Bytes of pictures that one scene holds at most, or twice that where it is too short to follow
# anybody, and all that wait or are looked at.
_SCENE_BYTES, _ALL_BYTES = 64 << 20, 1 << 30
# Scenes that wait: being read, read, between their neighbours, and looked at again.
_WAITING = 5


@dataclass(frozen=True)
class Request:
    """A frame, and whether somebody looks at it and wants to know what is there."""

    frame: Frame
    is_looked_at: bool
    is_wanted: bool = True


@dataclass
class _Scene:
    """Frames that are looked at together; of those that are passed over no picture is kept.

    Attributes:
        wanted: index and time of the frames that somebody wants to know of.
        frames: those that are looked at.
        people: in each of them, after the look.
    """

    wanted: list[tuple[int, float]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    people: list[Detections] = field(default_factory=list)

    def found(self) -> list[Found]:
        """What is wanted; the pictures are let go."""
        people = {f.index: p for f, p in zip(self.frames, self.people, strict=True)}
        self.frames = []
        return [(index, time_s, people.get(index)) for index, time_s in self.wanted]


@dataclass(frozen=True)
class _Edge:
    """People at the end of a scene that touches another."""

    people: Detections
    time_s: float


def scene_length(detector: Detector, video: VideoInfo, every: int) -> int | None:
    """How many frames a scene lasts where people are followed; None where they are not.

    Args:
        detector: says for how long.
        video: the number depends on its rate and its size.
        every: looks are that many frames apart.
    """
    if not isinstance(detector, FollowingDetector) or detector.follow_s is None:
        return None
    least = 1 + detector.least_followed
    looks = max(round(detector.follow_s * float(video.fps) / every), least)
    affordable = _SCENE_BYTES // _frame_bytes(video)
    affordable = max(affordable, min(least, 2 * _SCENE_BYTES // _frame_bytes(video)), 1)
    return every * min(looks, affordable)


def look(
    requests: Iterable[Request],
    detector: Detector,
    video: VideoInfo,
    every: int,
    *,
    colours: bool = True,
    on_look: Callable[[float], None] | None = None,
) -> Generator[Found, None, None]:
    """The people in each frame that is wanted, in order.

    The detector works in threads while `requests` are read; see `in_threads`.

    Args:
        requests: in order of the frames.
        detector: see `FollowingDetector`, `BatchDetector` and `ConcurrentDetector`.
        video: whose frames they are.
        every: looks are that many frames apart.
        colours: of people's clothes are looked at too.
        on_look: told, in any thread, how many seconds a look at a whole frame took.
    """

    def finished(scene: _Scene) -> list[Found]:
        if colours:
            seen = zip(scene.people, scene.frames, strict=True)
            scene.people = [with_colours(p, f.image, detector.skeleton) for p, f in seen]
        return scene.found()

    stop = threading.Event()
    eyes = _Eyes(detector, on_look, stop)
    workers = detector.workers if isinstance(detector, ConcurrentDetector) else 1
    at_once = detector.batch_size if isinstance(detector, BatchDetector) else 1
    length = scene_length(detector, video, every)
    held = _frame_bytes(video) * (at_once if length is None else length // every)
    workers = max(1, min(workers, _ALL_BYTES // held - _WAITING))
    if length is None:
        scenes = _grouped(requests, at_once)
        looked = in_threads(lambda s: finished(_looked(s, eyes)), scenes, workers, stop=stop)
    else:
        scenes = _scenes(requests, length)
        seen = in_threads(lambda scene: _followed(scene, eyes), scenes, workers, stop=stop)
        threes = _with_neighbours(seen)
        looked = in_threads(lambda three: finished(_completed(*three, eyes)), threes, 1, stop=stop)
    for found in looked:
        yield from found


class _Eyes:
    """A detector that tells how long it took, and looks no more when nobody waits for it."""

    def __init__(
        self,
        detector: Detector,
        on_look: Callable[[float], None] | None,
        stop: threading.Event,
    ) -> None:
        self._detector, self._on_look, self._stop = detector, on_look, stop

    def look(self, frames: Sequence[Frame]) -> list[Detections]:
        """Everybody in whole frames."""
        self._require_interest()
        began_s = monotonic()
        if isinstance(self._detector, BatchDetector):
            found = self._detector.detect_batch(frames)
        else:
            found = [self._detector.detect(frame) for frame in frames]
        if self._on_look:
            self._on_look((monotonic() - began_s) / len(frames))
        return found

    def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections:
        """As `FollowingDetector`."""
        self._require_interest()
        assert isinstance(self._detector, FollowingDetector)
        return self._detector.follow(frame, people, since_s)

    def _require_interest(self) -> None:
        if self._stop.is_set():
            raise CancelledError


def _looked(scene: _Scene, eyes: _Eyes) -> _Scene:
    scene.people = eyes.look(scene.frames) if scene.frames else []
    return scene


def _followed(scene: _Scene, eyes: _Eyes) -> _Scene:
    """Look for everybody in the middle, and follow them to both ends."""
    frames = scene.frames
    if not frames:
        return scene
    middle = len(frames) // 2
    (people,) = eyes.look([frames[middle]])
    edge = _Edge(people, frames[middle].time_s)
    nobody = [people.select(slice(0))] * len(frames)
    before = _chain(edge, frames[:middle][::-1], nobody[:middle], eyes)
    after = _chain(edge, frames[middle + 1 :], nobody[middle + 1 :], eyes)
    scene.people = [*before[::-1], people, *after]
    return scene


def _completed(before: _Edge | None, scene: _Scene, after: _Edge | None, eyes: _Eyes) -> _Scene:
    """Follow whom only the neighbours know into a scene, from its start and from its end."""
    if before is not None and scene.frames:
        more = _chain(before, scene.frames, scene.people, eyes)
        scene.people = [_joined(*pair) for pair in zip(scene.people, more, strict=True)]
    if after is not None and scene.frames:
        more = _chain(after, scene.frames[::-1], scene.people[::-1], eyes)
        scene.people = [_joined(*pair) for pair in zip(scene.people, more[::-1], strict=True)]
    return scene


def _chain(
    edge: _Edge,
    frames: Sequence[Frame],
    known: Sequence[Detections],
    eyes: _Eyes,
) -> list[Detections]:
    """Those of an edge who are not `known` in each frame, as long as they are seen."""
    people, time_s = edge.people, edge.time_s
    found = []
    for frame, there in zip(frames, known, strict=True):
        # Before the look, which costs more; and after it, when somebody turned out to be known.
        people = _strangers(people, there)
        if len(people):
            people = eyes.follow(frame, people, abs(frame.time_s - time_s))
            people = _strangers(people, there)
        time_s = frame.time_s
        found.append(people)
    return found


def _strangers(people: Detections, known: Detections) -> Detections:
    return people.select(~alike(people, known).any(1))


def _joined(people: Detections, more: Detections) -> Detections:
    return Detections.concatenated([people, more]) if len(more) else people


def _with_neighbours(
    scenes: Iterable[_Scene],
) -> Iterator[tuple[_Edge | None, _Scene, _Edge | None]]:
    """Each scene in which something is wanted, and the edges that touch it."""
    before: _Edge | None = None
    scene: _Scene | None = None
    for following in scenes:
        after = _edge(following, 0)
        if scene is not None:
            edge = _edge(scene, -1)  # of the scene as it is before anything is added to it
            if scene.wanted:
                yield before, scene, after
            before = edge
        scene = following
    if scene is not None and scene.wanted:
        yield before, scene, None


def _edge(scene: _Scene, at: int) -> _Edge | None:
    return _Edge(scene.people[at], scene.frames[at].time_s) if scene.frames else None


def _grouped(requests: Iterable[Request], at_once: int) -> Iterator[_Scene]:
    """So many looks at a time; frames that nobody wants are left out."""
    scene = _Scene()
    for request in requests:
        if not request.is_wanted:
            continue
        if len(scene.frames) == at_once:
            yield scene
            scene = _Scene()
        _add(scene, request)
    if scene.wanted:
        yield scene


def _scenes(requests: Iterable[Request], length: int) -> Iterator[_Scene]:
    """Scenes of `length` frames by index: those in which something is wanted, and next to them."""
    before: _Scene | None = None
    is_near = False
    for _, group in itertools.groupby(requests, lambda request: request.frame.index // length):
        scene = _Scene()
        for request in group:
            _add(scene, request)
        if scene.wanted and before is not None:
            yield before
        if scene.wanted or is_near:
            yield scene
        before = None if scene.wanted or is_near else scene
        is_near = bool(scene.wanted)


def _add(scene: _Scene, request: Request) -> None:
    if request.is_wanted:
        scene.wanted.append((request.frame.index, request.frame.time_s))
    if request.is_looked_at:
        scene.frames.append(request.frame)


def _frame_bytes(video: VideoInfo) -> int:
    return 3 * video.width * video.height
