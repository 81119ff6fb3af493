"""2D to 3D while the video is running: every frame once, in constant time and memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vp3d_cli.errors import DataError
from vp3d_cli.geometry import flip_centred, rotate
from vp3d_cli.lift import normalise
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.normalise import PersonView
from vp3d_cli.lift.stepwise import Ring, StepwiseNetwork, StepwiseView
from vp3d_cli.types import Camera, Float, VideoInfo, require_shape

_MIRROR = np.array([-1, 1, 1], np.float32)


@dataclass(frozen=True)
class LiftedPose:
    """One person in one frame.

    Attributes:
        joints: (J, 3) metres, camera axes, relative to the root joint.
        root: (3,) the root joint in the camera frame, metres; NaN where the weights have no
            trajectory head.
        spread: (J,) metres between what was predicted from the picture and from its mirror
            image; NaN without the latter.
    """

    joints: Float
    root: Float
    spread: Float

    def __post_init__(self) -> None:
        require_shape("joints", self.joints, (None, 3))
        require_shape("root", self.root, (3,))
        require_shape("spread", self.spread, (len(self.joints),))


class IncrementalLifter:
    """Lifts frame by frame what `Lifter.lift` lifts as a whole, and to the same joints.

    Activations are cached, so that a frame costs the same however long somebody was there. It
    runs on the CPU whatever the lifter's device.

    Args:
        lifter: whose weights to use.
        video: frame size and rate, for the normalisation.
        camera: focal length, for the "person" normalisation.
        flip: average with the prediction for the mirror image.

    Attributes:
        delay: frames between a pose going in and its joints coming out; 0 for causal weights.
    """

    def __init__(
        self, lifter: Lifter, video: VideoInfo, camera: Camera, *, flip: bool = True
    ) -> None:
        lifter.check_rate(float(video.fps))
        self._joints_in = lifter.skeleton_in.num_joints
        self._crowd = _Crowd(lifter, video, camera, flip)
        self._ids: list[int] = []  # of the crowd's rows
        self.delay = self._crowd.delay

    def push(self, people: Mapping[int, tuple[Float, Float]]) -> dict[int, LiftedPose]:
        """Take in one frame.

        Args:
            people: by `track_id` keypoints (J, 2) px, in the order of the lifter's
                `skeleton_in`, and scores (J,). NaN: not seen, which the lifter bears for some
                keypoints. Who is not in it is forgotten, and new when he comes again.

        Returns:
            By `track_id` the pose `delay` frames ago, of everybody who was there then and ever
            since.

        Raises:
            DataError: somebody has no keypoint at all. Nothing was taken in.
            ValueError: arrays of another shape.
        """
        stay = [row for row, track_id in enumerate(self._ids) if track_id in people]
        ids = [self._ids[row] for row in stay]
        ids += [track_id for track_id in people if track_id not in ids]
        keypoints, scores = self._read(ids, people)
        if len(stay) < len(self._ids):
            self._crowd = self._crowd.rows(stay)
        self._ids = ids
        poses = self._crowd.push(keypoints, scores)
        return dict(zip(ids, poses, strict=False))  # the newest have no pose yet

    def _read(
        self, ids: Sequence[int], people: Mapping[int, tuple[Float, Float]]
    ) -> tuple[Float, Float]:
        """Keypoints (P, J, 2) and scores (P, J) without gaps."""
        keypoints = np.empty((len(ids), self._joints_in, 2), np.float32)
        scores = np.empty((len(ids), self._joints_in), np.float32)
        for row, track_id in enumerate(ids):
            points, trust = people[track_id]
            require_shape(f"track {track_id}: keypoints", points, keypoints.shape[1:])
            require_shape(f"track {track_id}: scores", trust, scores.shape[1:])
            keypoints[row], scores[row] = points, trust
        keypoints, scores = normalise.without_gaps(keypoints, scores)
        for track_id, points in zip(ids, keypoints, strict=True):
            if np.isnan(points).any():
                raise DataError(
                    f"track {track_id}: a frame without any keypoint; leave the person out of it, "
                    "or repeat the last keypoints with scores of 0"
                )
        return keypoints, scores

    def finish(self, track_id: int) -> list[LiftedPose]:
        """The poses of somebody's last `delay` frames, oldest first; he then is forgotten.

        What is not seen any more counts as for the end of a whole track. Fewer than `delay`
        where he was there for less.

        Raises:
            ValueError: nobody of that id was in the last frame.
        """
        if track_id not in self._ids:
            raise ValueError(f"track {track_id}: was not in the last frame")
        row = self._ids.index(track_id)
        alone = self._crowd.rows([row])
        del self._ids[row]
        self._crowd = self._crowd.rows(
            [other for other in range(len(self._ids) + 1) if other != row]
        )
        return alone.finish()


class _Crowd:
    """Everybody in the picture, a row each, who came first in front."""

    def __init__(self, lifter: Lifter, video: VideoInfo, camera: Camera, flip: bool) -> None:
        self._in, self._out, self._flip = lifter.skeleton_in, lifter.skeleton_out, flip
        self._root = self._out.index(self._out.root or self._out.joints[0])
        self._networks = [StepwiseNetwork(layers) for layers in lifter.layers()]
        self._view = StepwiseView(lifter.config, self._in, video, camera)
        _, self._after = lifter.config.context
        self.delay = self._view.delay + self._after
        # What turns back the predictions, until they are there.
        self._rotations, self._sizes = Ring(self._after + 1, 3, 3), Ring(self._after + 1)
        self._ages = np.zeros(0, np.int64)  # (P,) frames taken in
        # The newest (P, J, F).
        self._inputs = np.zeros((0, self._in.num_joints, lifter.config.features), np.float32)

    def push(self, keypoints: Float, scores: Float) -> list[LiftedPose]:
        """Take in a frame (P, J, 2) and give the poses of those who were there `delay` ago."""
        return self._predict(self._view.push(keypoints, scores))

    def finish(self) -> list[LiftedPose]:
        """The poses that are still due, of one person."""
        nothing = np.full((1, self._in.num_joints, 2), np.nan, np.float32)
        poses: list[LiftedPose] = []
        for _ in range(self._view.delay):
            poses += self.push(nothing, nothing[..., 0])
        unknown = np.full((1, 3, 3), np.nan, np.float32)
        for _ in range(self._after):
            poses += self._predict(PersonView(self._inputs, unknown, unknown[:, 0, 0]))
        return poses

    def _predict(self, view: PersonView) -> list[LiftedPose]:
        """Go on by a frame of the view (P, ...)."""
        new = np.zeros(len(view.inputs) - len(self._ages), np.int64)
        self._ages = np.concatenate([self._ages, new]) + 1
        self._inputs = view.inputs
        self._rotations.push(view.rotations)
        self._sizes.push(view.sizes)
        points, apart = self._run(view.inputs[: self._num_viewed])
        known = int((self._ages > self.delay).sum())
        back = np.swapaxes(self._rotations.oldest()[:known], -1, -2)
        sizes = self._sizes.oldest()[:known, None, None]
        joints_out = self._out.num_joints
        joints = rotate(back, points[:known, :joints_out])
        joints -= joints[:, self._root : self._root + 1].copy()
        roots = rotate(back, points[:known, joints_out:] / sizes)[:, 0]
        spreads = apart[:known, :joints_out]
        return [LiftedPose(*one) for one in zip(joints, roots, spreads, strict=True)]

    @property
    def _num_viewed(self) -> int:
        """How many have a view already: the networks have no rows of the others."""
        return int((self._ages > self._view.delay).sum())

    def _run(self, inputs: Float) -> tuple[Float, Float]:
        """Joints and, behind them, the root (P, J + 1, 3), and their spread (P, J + 1)."""
        sides = [inputs, flip_centred(inputs, self._in)] if self._flip else [inputs]
        rows = np.stack(sides, 1).reshape(-1, inputs.shape[1] * inputs.shape[2])
        parts = [network.push(rows) for network in self._networks]
        if len(parts) == 1:
            parts.append(np.full((len(rows), 3), np.nan, np.float32))
        joints_out = self._out.num_joints
        points = np.concatenate(parts, 1).reshape(-1, len(sides), joints_out + 1, 3)
        if not self._flip:
            return points[:, 0], np.full(points[:, 0].shape[:-1], np.nan, np.float32)
        # As flip_centred, which knows nothing of the root behind the joints.
        swapped = points[:, 1, [*self._out.flip_order, joints_out]] * _MIRROR
        apart = np.linalg.norm(points[:, 0] - swapped, axis=-1)
        return np.asarray((points[:, 0] + swapped) / 2, np.float32), np.asarray(apart, np.float32)

    def rows(self, rows: Sequence[int]) -> _Crowd:
        """A copy with some of the people."""
        other = copy.copy(self)
        sides = 2 if self._flip else 1
        fed = [sides * row + i for row in rows if row < self._num_viewed for i in range(sides)]
        other._networks = [network.rows(fed) for network in self._networks]
        other._view = self._view.rows(rows)
        other._rotations, other._sizes = self._rotations.rows(rows), self._sizes.rows(rows)
        other._ages, other._inputs = self._ages[list(rows)], self._inputs[list(rows)]
        return other
