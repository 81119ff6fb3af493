"""A lifter's normalisation and network one frame at a time, of everybody in the picture at once.

Each keeps what the next frames need of the last ones, and no more: the work of a frame and the
memory do not grow with the time that people have been there. Rows are people: who comes gets a
row behind the others, `rows` leaves out who went. NumPy only: a few rows at a time are too little
work for a larger library to pay.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import numpy as np

from vp3d_cli import geometry
from vp3d_cli.lift import normalise
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.folding import Convolution, FoldedLayers
from vp3d_cli.lift.normalise import PersonView
from vp3d_cli.types import Camera, Float, Real, Skeleton, VideoInfo

# Rows that are worth one matrix product, measured.
_MANY = 4


class Ring:
    """The newest values of each row, a fixed number.

    Args:
        length: values held of a row.
        shape: of a value.
        replicas: before a row's first value were others like it; else there was nothing, NaN.
    """

    def __init__(self, length: int, *shape: int, replicas: bool = False) -> None:
        self._values = np.empty((0, length, *shape), np.float32)
        self._newest = 0
        self._replicas = replicas

    def push(self, values: Real) -> None:
        """Take in a value (R, ...) of each row; rows beyond those so far are new."""
        held, length = self._values.shape[:2]
        if len(values) > held:
            new = np.full((len(values) - held, *self._values.shape[1:]), np.nan, np.float32)
            if self._replicas:
                new[:] = values[held:, None]
            self._values = np.concatenate([self._values, new])
        self._newest = (self._newest + 1) % length
        self._values[:, self._newest] = values

    def oldest(self) -> Float:
        """Each row's (R, ...)."""
        return self._values[:, (self._newest + 1) % self._values.shape[1]].copy()

    def every(self, step: int) -> Float:
        """Each row's values (R, W, ...) from the oldest to the newest, `step` apart."""
        length = self._values.shape[1]
        return self._values.take(np.arange(1, length + 1, step) + self._newest, 1, mode="wrap")

    def mean(self) -> Float:
        """Of each row's values (R, ...), those that are there; NaN where none is."""
        known = ~np.isnan(self._values)
        count = known.sum(1)
        total = np.where(known, self._values, 0).sum(1, dtype=np.float64)
        return np.asarray(total / np.where(count, count, np.nan), np.float32)

    def rows(self, rows: Sequence[int]) -> Ring:
        """A copy with some of the rows."""
        other = copy.copy(self)
        other._values = self._values[list(rows)]
        return other


class StepwiseView:
    """What `Lifter.prepare` makes of a whole track.

    Attributes:
        delay: frames from keypoints going in to what the network takes in of them coming out.
    """

    def __init__(
        self, config: LifterConfig, skeleton: Skeleton, video: VideoInfo, camera: Camera
    ) -> None:
        self._config, self._skeleton = config, skeleton
        self._video, self._camera = video, camera
        self._rings: tuple[Ring, ...] = ()
        self.delay = 0
        if config.normalisation == "person":
            half_window = normalise.half_window(float(video.fps))
            # A mean over t - h .. t + h is known h frames late, and the size is measured on what
            # is seen by the camera that the mean aim has turned.
            lag = 0 if config.causal else half_window
            self.delay = 2 * lag
            joints = skeleton.num_joints
            self._rings = (
                Ring(2 * half_window + 1, 2),  # aims
                Ring(2 * half_window + 1),  # sizes
                Ring(lag + 1, joints, 3),  # directions and scores
                Ring(lag + 1, joints, 3),  # points and scores
                Ring(lag + 1, 3, 3),  # rotations
            )

    def push(self, keypoints: Float, scores: Float) -> PersonView:
        """Take in one frame.

        Args:
            keypoints: (P, J, 2) px without gaps; NaN for who has come to an end.
            scores: (P, J) 0 to 1, NaN beside keypoints that are.

        Returns:
            The view (P, ...) of the frame `delay` frames ago; NaN for who was not there then.
        """
        size = self._video.width, self._video.height
        if self._config.normalisation == "screen":
            view = normalise.as_is(keypoints, scores, *size)
        else:
            view = self._look(geometry.rays(keypoints, *size, self._camera.focal_px), scores)
        return dataclasses.replace(view, inputs=view.inputs[..., : self._config.features])

    def _look(self, directions: Real, scores: Float) -> PersonView:
        """As `normalise.person`."""
        aims, sizes, waiting, measured, rotations = self._rings
        aims.push(normalise.middle_of_hips(directions, self._skeleton))
        waiting.push(np.concatenate([directions, scores[..., None]], -1))
        seen = waiting.oldest()
        points, turns = normalise.turned(seen[..., :2], aims.mean())
        sizes.push(normalise.log_size(points, seen[..., 2]))
        measured.push(np.concatenate([points, seen[..., 2:]], -1))
        rotations.push(turns)
        seen = measured.oldest()
        return normalise.sized(seen[..., :2], seen[..., 2], rotations.oldest(), sizes.mean())

    def rows(self, rows: Sequence[int]) -> StepwiseView:
        """A copy with some of the people."""
        other = copy.copy(self)
        other._rings = tuple(ring.rows(rows) for ring in self._rings)
        return other


class StepwiseNetwork:
    """`TemporalModel`: every layer keeps the frames that its taps reach back to.

    A symmetric network answers for the frame in the middle of its receptive field.
    """

    def __init__(self, layers: FoldedLayers) -> None:
        self._layers = layers
        wide = (layers.expand, *(block for block, _ in layers.blocks))
        self._rings = tuple(
            Ring(conv.span + 1, conv.weight.shape[1], replicas=True) for conv in wide
        )

    def push(self, inputs: Float) -> Float:
        """Flattened keypoints (R, J * F) of the next frame to flattened joints (R, J_out * 3).

        Before the first frame of a row were replicas of it.
        """
        layers, (first, *rings) = self._layers, self._rings
        first.push(inputs)
        x = _rectified(layers.expand, first.every(layers.expand.dilation))  # (R, C)
        for (wide, narrow), shift, ring in zip(layers.blocks, layers.shifts, rings, strict=True):
            ring.push(x)
            taps = ring.every(wide.dilation)  # (R, W, C)
            kept = taps[:, shift // wide.dilation]
            x = kept + _rectified(narrow, _rectified(wide, taps)[:, None])
        return np.asarray(x @ layers.shrink.weight[0] + layers.shrink.bias)

    def rows(self, rows: Sequence[int]) -> StepwiseNetwork:
        """A copy with some of the rows."""
        other = copy.copy(self)
        other._rings = tuple(ring.rows(rows) for ring in self._rings)
        return other


def _rectified(conv: Convolution, taps: Float) -> Float:
    """A convolution and its ReLU for one frame: its taps (R, W, C_in) to (R, C_out)."""
    weight = conv.weight.reshape(-1, len(conv.bias))
    rows = taps.reshape(-1, len(weight))
    # A matrix product of two or three rows takes OpenBLAS about twice as long as one for each.
    out = (rows[:, None] @ weight)[:, 0] if len(rows) < _MANY else rows @ weight
    out += conv.bias
    return np.asarray(np.maximum(out, 0, out=out))
