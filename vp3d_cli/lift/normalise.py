"""From pixels to what a lifter takes in.

Arrays may carry leading axes; T frames and J joints come last. Two rules exist:

- screen: the paper's. The same person gives other numbers elsewhere in the frame, and portrait
  video leaves the range that the network was trained on.
- person: a virtual camera that shares the real camera's centre turns to look at the person, and
  the picture is scaled to the person's size. The same pose then gives nearly the same numbers
  anywhere in the frame, in portrait and landscape, near and far. Predictions are in the axes of
  the virtual camera; `rotations` turns them back. A trajectory is predicted times the person's
  size in the picture: a person of the same size and pose then has the same trajectory at any
  depth and with any focal length, and depth comes out in proportion to the focal length told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli.geometry import look_at_rotations
from vp3d_cli.types import Bool, Float, Int, Real, Skeleton

# Half of the stretch of time over which the virtual camera's aim and zoom are averaged, seconds:
# long enough to calm a detector's jitter, short enough to follow a run past the camera.
HALF_WINDOW_S = 0.25
# A score that an unseen keypoint still counts with when the person's size is measured.
_LEAST_WEIGHT = 0.02
_LEAST_SIZE = 1e-4


def half_window(fps: float) -> int:
    """`HALF_WINDOW_S` in frames."""
    return round(fps * HALF_WINDOW_S)


def screen(keypoints: Float, width: int, height: int) -> Float:
    """Pixels (..., 2) to x in [-1, 1] and y at the same scale: X / w * 2 - (1, h / w)."""
    centre = np.array([1, height / width], np.float32)
    return np.asarray(keypoints * np.float32(2 / width) - centre, np.float32)


def screen_inverse(normalised: Float, width: int, height: int) -> Float:
    """Undo `screen`."""
    centre = np.array([1, height / width], np.float32)
    return np.asarray((normalised + centre) * np.float32(width / 2), np.float32)


def without_gaps(keypoints: Float, scores: Float) -> tuple[Float, Float]:
    """Keypoints (..., J, 2) and scores with what was never seen put amid the rest, scored 0.

    Where no keypoint at all is known, they are NaN.
    """
    missing: Bool = np.logical_not(np.isfinite(keypoints).all(-1))
    known = np.where(missing[..., None], 0, keypoints)
    count = (~missing).sum(-1)[..., None, None]
    middle = known.sum(-2, keepdims=True) / np.where(count, count, np.nan)
    scores = np.where(missing | ~np.isfinite(scores), 0, np.clip(scores, 0, 1))
    keypoints = np.where(missing[..., None], middle, known)
    return keypoints.astype(np.float32), scores.astype(np.float32)


@dataclass(frozen=True)
class PersonView:
    """Keypoints as a network takes them in.

    Attributes:
        inputs: (..., T, J, 3) x, y and score; by the rule "person" in body sizes from the hips'
            smoothed position.
        rotations: (..., T, 3, 3) camera axes to virtual camera axes.
        sizes: (..., T) what the picture was divided by, see `body_size`.
    """

    inputs: Float
    rotations: Float
    sizes: Float


def as_is(keypoints: Float, scores: Float, width: int, height: int) -> PersonView:
    """Keypoints (..., T, J, 2) px by the rule "screen", seen by the camera itself."""
    inputs = np.concatenate([screen(keypoints, width, height), scores[..., None]], -1)
    frames = scores.shape[:-1]
    rotations = np.broadcast_to(np.eye(3, dtype=np.float32), (*frames, 3, 3))
    return PersonView(inputs, rotations, np.ones(frames, np.float32))


def person(
    directions: Real, scores: Real, skeleton: Skeleton, half_window: Int, *, causal: bool = False
) -> PersonView:
    """Look at the person.

    Args:
        directions: (..., T, J, 2) as `rays` gives them.
        scores: (..., T, J) 0 to 1.
        skeleton: must have left_hip and right_hip.
        half_window: (...) frames averaged on each side; see `HALF_WINDOW_S`.
        causal: average over the past only.
    """
    aim = moving_average(middle_of_hips(directions, skeleton), half_window, causal)
    points, rotations = turned(directions, aim)
    size = moving_average(log_size(points, scores)[..., None], half_window, causal)
    return sized(points, scores, rotations, size[..., 0])


def middle_of_hips(directions: Real, skeleton: Skeleton) -> Real:
    """Where (..., 2) the hips of directions (..., J, 2) are."""
    hips = [skeleton.index("left_hip"), skeleton.index("right_hip")]
    return np.asarray(directions[..., hips, :].mean(-2))


def turned(directions: Real, aim: Float) -> tuple[Real, Float]:
    """Directions (..., J, 2) from a camera that looks at `aim` (..., 2), and its rotations."""
    rotations = look_at_rotations(aim)
    homogeneous = np.concatenate([directions, np.ones_like(directions[..., :1])], -1)
    seen = np.einsum("...ij,...kj->...ki", rotations, homogeneous)
    # A direction more than 80 degrees off the person is an outlier; keep the division finite.
    return seen[..., :2] / np.maximum(seen[..., 2:], 0.17), rotations


def sized(points: Real, scores: Real, rotations: Real, size: Float) -> PersonView:
    """What `turned` gave, divided by the size whose smoothed logarithm (...) is given."""
    size = np.exp(size)
    inputs = np.concatenate([points / size[..., None, None], scores[..., None]], -1)
    return PersonView(
        np.asarray(inputs, np.float32),
        np.asarray(rotations, np.float32),
        np.asarray(size, np.float32),
    )


def log_size(points: Real, scores: Real) -> Float:
    """The logarithm (...) of `body_size`, finite."""
    return np.asarray(np.log(np.maximum(body_size(points, scores), _LEAST_SIZE)))


def body_size(points: Real, scores: Real) -> Float:
    """Root mean square distance (...) of points (..., J, 2) from their mean, by score."""
    weights = np.maximum(scores, _LEAST_WEIGHT)
    weights = (weights / weights.sum(-1, keepdims=True))[..., None]
    centre = (points * weights).sum(-2, keepdims=True)
    return np.asarray(np.sqrt((np.square(points - centre) * weights).sum((-1, -2))), np.float32)


def moving_average(values: Real, half_window: Int, causal: bool) -> Float:
    """Mean of values (..., T, C) over t - h .. t + h (or t - 2 h .. t), cut at the ends."""
    length = values.shape[-2]
    half = np.broadcast_to(np.asarray(half_window), values.shape[:-2])[..., None]
    frame = np.arange(length)
    first = np.maximum(frame - (2 * half if causal else half), 0)
    last = np.minimum(frame if causal else frame + half, length - 1)
    sums: NDArray[Any] = np.cumsum(values.astype(np.float64), -2)
    sums = np.concatenate([np.zeros_like(sums[..., :1, :]), sums], -2)
    last = np.broadcast_to(last, first.shape)
    total = np.take_along_axis(sums, (last + 1)[..., None], -2)
    total = total - np.take_along_axis(sums, first[..., None], -2)
    return np.asarray(total / (last + 1 - first)[..., None], np.float32)
