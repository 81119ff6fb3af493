"""From keypoints that come as they come to calm joints in 3D.

The lifter expects evenly spaced frames at a rate that it was trained at. A beat of that rate runs
through the frames that there are: where some were dropped, the beats in between see keypoints that
moved linearly, so that nobody seems to move faster.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vp3d_cli import geometry
from vp3d_cli.errors import SkeletonMismatchError
from vp3d_cli.live.people import Sighted
from vp3d_cli.pipeline import timing
from vp3d_cli.refine import reprojection
from vp3d_cli.smoothing import OneEuro
from vp3d_cli.types import Camera, Double, Float, Skeleton, VideoInfo

if TYPE_CHECKING:
    from vp3d_cli.lift.incremental import LiftedPose
    from vp3d_cli.lift.lifter import Lifter

# One-Euro filters: Hz for what stands still, and Hz more for each unit a second. 2D moves in
# sizes of the person's box, 3D in metres, the root's distance in shares of it (it is known worst).
# Chosen by tests/bench/live_smoothing.py on two clips: 2D had the least error there, 3.6 % of a
# box (3.8 unfiltered). In 3D the lifter has calmed most already: 6 % less jitter cost 6 ms.
CUTOFF_2D_HZ, BETA_2D = 4.0, 20.0
CUTOFF_3D_HZ, BETA_3D = 4.0, 64.0
_CUTOFF_ROOT_HZ, _BETA_ROOT = 1.0, 2.0
_CUTOFF_DEPTH_HZ, _BETA_DEPTH = 0.5, 0.2
# Nobody knows what happened in a longer gap: everybody's past is forgotten.
_LONGEST_GAP_S = 1.0
_DEPTHS_M = (0.3, 300.0)
_SKELETONS = ("coco17", "h36m17")


@dataclass(frozen=True)
class Moving:
    """Somebody, calmed.

    Attributes:
        sighted: with smoothed keypoints, now.
        joints: (J, 3) metres, camera axes, relative to the hip, `Motion.delay_s` ago; None until
            enough is known.
        root: (3,) the hip in the camera frame, metres, at the same time; None where unknown.
    """

    sighted: Sighted
    joints: Float | None
    root: Float | None


class Beat:
    """How many even beats go with each frame; the last of them falls on the frame itself.

    On average they are as many as time has passed. Frames that are a little early or late are not
    told from even ones, which hides the jitter of their times.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._last_s: float | None = None
        self._owed = 0.0

    def beats(self, time_s: float) -> int | None:
        """Beats since the frame before; None at the first frame, and after a gap too long."""
        last_s, self._last_s = self._last_s, time_s
        if last_s is None or not 0 <= time_s - last_s <= _LONGEST_GAP_S:
            self._owed = 0.0
            return None
        self._owed += (time_s - last_s) * self._rate_hz
        beats = math.floor(self._owed + 0.5)
        self._owed -= beats
        return beats


@dataclass
class _Past:
    """What is remembered of somebody: filters, and keypoints of the beats that are not lifted."""

    history: deque[tuple[Float, Float]]
    in_2d: OneEuro = field(default_factory=lambda: OneEuro(CUTOFF_2D_HZ))
    in_3d: OneEuro = field(default_factory=lambda: OneEuro(CUTOFF_3D_HZ, BETA_3D))
    across: OneEuro = field(default_factory=lambda: OneEuro(_CUTOFF_ROOT_HZ, _BETA_ROOT))
    depth: OneEuro = field(default_factory=lambda: OneEuro(_CUTOFF_DEPTH_HZ, _BETA_DEPTH))
    joints: Float | None = None
    root: Float | None = None


class Motion:
    """Lifts everybody, frame by frame.

    Attributes:
        rate_hz: what the lifter sees.
        delay_s: joints are so old when they come.
    """

    def __init__(
        self,
        lifter: Lifter,
        skeleton: Skeleton,
        video: VideoInfo,
        camera: Camera,
        *,
        smooth: bool = True,
    ) -> None:
        """Start with nobody.

        Args:
            lifter: any.
            skeleton: of the keypoints to come.
            video: the size of the frames, and the rate that is promised.
            camera: that sees them.
            smooth: calm keypoints and joints.

        Raises:
            SkeletonMismatchError: the lifter takes other keypoints.
        """
        from vp3d_cli.lift.incremental import IncrementalLifter

        if skeleton != lifter.skeleton_in:
            raise SkeletonMismatchError(
                f"the keypoints found are {skeleton.name}, but the lifter {lifter.name} takes "
                f"{lifter.skeleton_in.name}; give another --lifter"
            )
        rate = timing.rate_for((), video, lifter.config.fps_range) or video.fps
        even = dataclasses.replace(video, fps=rate)
        self.rate_hz = float(rate)
        self._lifter = IncrementalLifter(lifter, even, camera)
        self.delay_s = self._lifter.delay / self.rate_hz
        self._video, self._camera, self._smooth = video, camera, smooth
        self._placed = (skeleton.name, lifter.skeleton_out.name) == _SKELETONS
        self._beat = Beat(self.rate_hz)
        self._people: dict[int, _Past] = {}

    def step(self, people: Sequence[Sighted], time_s: float) -> list[Moving]:
        """One frame's people; times rise."""
        beats = self._beat.beats(time_s)
        if beats is None:
            self._people = {}
            self._lifter.push({})
        self._people = {p.track_id: self._past(p.track_id) for p in people}
        calm = [self._calmed(person, time_s) for person in people]
        answers = self._lifted(calm, 1 if beats is None else beats)
        return [self._moving(person, answers, time_s) for person in calm]

    def _past(self, track_id: int) -> _Past:
        if track_id in self._people:
            return self._people[track_id]
        return _Past(deque(maxlen=self._lifter.delay + 1))

    def _calmed(self, person: Sighted, time_s: float) -> Sighted:
        if not self._smooth:
            return person
        filtered = self._people[person.track_id].in_2d
        sides = np.maximum(person.box[2:] - person.box[:2], 1)
        filtered.beta = BETA_2D / float(np.sqrt(sides.prod()))
        keypoints = filtered(person.keypoints, time_s).astype(np.float32)
        return dataclasses.replace(person, keypoints=keypoints)

    def _lifted(self, people: Sequence[Sighted], beats: int) -> Mapping[int, LiftedPose]:
        """The lifter's answer to the last of so many beats up to now."""
        answers: Mapping[int, LiftedPose] = {}
        before = {i: past.history[-1] for i, past in self._people.items() if past.history}
        for beat in range(1, beats + 1):
            share = np.float32(beat / beats)
            seen: dict[int, tuple[Float, Float]] = {}
            for person in people:
                now = (person.keypoints, person.scores)
                if person.track_id in before and beat < beats:
                    then = before[person.track_id]
                    now = (_between(then[0], now[0], share), _between(then[1], now[1], share))
                elif beat < beats:
                    continue  # nobody knows where a newcomer was
                seen[person.track_id] = now
                self._people[person.track_id].history.append(now)
            answers = self._lifter.push(seen)
        return answers

    def _moving(self, person: Sighted, answers: Mapping[int, LiftedPose], time_s: float) -> Moving:
        past = self._people[person.track_id]
        if (pose := answers.get(person.track_id)) is not None:
            joints = pose.joints
            if self._smooth:
                joints = past.in_3d(joints, time_s).astype(np.float32)
            past.joints = joints
            past.root = self._root(past, joints, time_s)
        return Moving(person, past.joints, past.root)

    def _root(self, past: _Past, joints: Float, time_s: float) -> Float | None:
        """Where the hip is, so that the joints are seen where the picture has them."""
        if not self._placed:
            return None
        keypoints, scores = past.history[0]
        first = reprojection.FIRST_KEYPOINT
        sure = np.where(scores[first:] >= reprojection.LEAST_SCORE, scores[first:], 0)
        directions = geometry.rays(
            keypoints[first:], self._video.width, self._video.height, self._camera.focal_px
        )
        points = joints[reprojection.JOINTS]
        (root,) = reprojection.fit_root(points[None], directions[None], sure[None])
        if not np.isfinite(root).all() or not _DEPTHS_M[0] < root[2] < _DEPTHS_M[1]:
            return past.root
        if not self._smooth:
            return np.asarray(root, np.float32)
        across = past.across(root[:2] / root[2], time_s)
        depth = np.exp(past.depth(np.log(root[2:]), time_s))
        return _placed(across, depth)


def _placed(across: Double, depth: Double) -> Float:
    return np.concatenate([across * depth, depth]).astype(np.float32)


def _between(before: Float, after: Float, share: np.float32) -> Float:
    return np.asarray(before + share * (after - before), np.float32)
