"""Feet on the ground: when they stand, how much they slide, and how to stop that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vp3d_cli.types import Bool, Double, Float, Real, Skeleton

# A foot that stands begins to be slower than the first, and ends to be slower than the second;
# metres a second.
_STANDS, _GOES = 0.35, 0.6
# Depth is known worst: speed along the line of sight counts this much.
_ALONG = 0.3
# Below this score an ankle is guessed.
LEAST_SCORE = 0.2
# Ankles that stand are at most so far above the floor, metres.
_HIGHEST_M = 0.28
# Shorter ones are chance.
_LEAST_S = 0.1
# Time over which a foot that is held is let go, seconds.
_EASE_S = 0.1
# Times that stand still or go back would divide by zero.
_LEAST_STEP_S = 1e-4


@dataclass(frozen=True)
class Legs:
    """The joints of both legs in a skeleton: hip, knee and foot, left then right."""

    joints: tuple[tuple[int, int, int], tuple[int, int, int]]

    @classmethod
    def of(cls, skeleton: Skeleton) -> Legs:
        """Of a skeleton with Human3.6M's names."""
        left, right = (
            tuple(skeleton.index(f"{side}_{part}") for part in ("hip", "knee", "foot"))
            for side in ("left", "right")
        )
        return cls(((left[0], left[1], left[2]), (right[0], right[1], right[2])))

    @property
    def feet(self) -> list[int]:
        return [leg[2] for leg in self.joints]


def contacts(feet: Real, times_s: Real, heights: Real | None = None) -> Bool:
    """When each foot stands: slow, and low where the floor is known.

    Args:
        feet: (T, 2, 3) ankles in the camera frame, metres; of a camera that stands still.
        times_s: (T,).
        heights: (T, 2) of them above the floor, metres.

    Returns:
        (T, 2); False where a foot is unknown.
    """
    found = np.zeros(feet.shape[:2], bool)
    if len(feet) < 3:
        return found
    speeds = _speeds(feet, times_s)
    for foot in range(2):
        speed = np.where(np.isfinite(speeds[:, foot]), speeds[:, foot], np.inf)
        if heights is not None:
            speed = np.where(heights[:, foot] <= _HIGHEST_M, speed, np.inf)
        for first, last in _runs(speed < _GOES):
            lasts = times_s[last - 1] - times_s[first] >= _LEAST_S
            if lasts and speed[first:last].min() < _STANDS:
                found[first:last, foot] = True
    return found


def _speeds(feet: Real, times_s: Real) -> Double:
    """Speeds (T, 2) in metres a second, the part along the line of sight counting less."""
    steps = np.maximum(np.diff(times_s), _LEAST_STEP_S)
    times = np.concatenate([[0], np.cumsum(steps)])
    velocity = np.gradient(feet.astype(np.float64), times, axis=0)
    sight = feet / np.maximum(np.linalg.norm(feet, axis=-1, keepdims=True), 1e-6)
    along = (velocity * sight).sum(-1)
    across = np.linalg.norm(velocity - along[..., None] * sight, axis=-1)
    return np.asarray(np.hypot(across, _ALONG * along))


def footholds(feet: Real, standing: Bool, times_s: Real) -> tuple[Double, Double]:
    """The places (H, 3) where feet stood, each the median of a contact, and for how long (H,)."""
    places, lasting = [], []
    for foot in range(2):
        for first, last in _runs(standing[:, foot]):
            places.append(np.median(feet[first:last, foot], 0))
            lasting.append(times_s[last - 1] - times_s[first])
    return np.array(places, np.float64).reshape(-1, 3), np.array(lasting, np.float64)


def skate(feet: Real, standing: Bool, times_s: Real) -> float:
    """How far feet slide while they stand, millimetres a second of contact; NaN without contact.

    Args:
        feet: (T, 2, 3) metres, in a frame that stands still.
        standing: (T, 2).
        times_s: (T,).
    """
    moved = np.linalg.norm(np.diff(feet.astype(np.float64), axis=0), axis=-1)
    counted = standing[1:] & standing[:-1] & np.isfinite(moved)
    seconds = np.broadcast_to(np.diff(times_s)[:, None], moved.shape)[counted].sum()
    return float(moved[counted].sum() * 1000 / seconds) if seconds > 0 else float("nan")


def locked(joints: Real, standing: Bool, times_s: Real, legs: Legs) -> Float:
    """Joints (T, J, 3), in a frame that stands still, with feet that stay where they stand.

    Each leg is bent so that its foot comes to the middle of where it stood, with thigh and shin
    as long as they were and the knee on the same side; before and after a foot is eased. A place
    out of reach is approached as far as the leg goes.
    """
    out = np.array(joints, np.float64)
    for foot, (hip, knee, ankle) in enumerate(legs.joints):
        shift = _shifts(out[:, ankle], standing[:, foot], times_s)
        moved = np.flatnonzero(np.linalg.norm(shift, axis=-1) > 0)
        target = out[moved, ankle] + shift[moved]
        out[moved, knee], out[moved, ankle] = _bent(
            out[moved, hip], out[moved, knee], out[moved, ankle], target
        )
    return out.astype(np.float32)


def _shifts(ankle: Double, standing: Bool, times_s: Real) -> Double:
    """By how much the ankle (T, 3) is to be moved: all the way in contact, eased around it."""
    total = np.zeros_like(ankle)
    share = np.zeros((len(ankle), 1))
    for first, last in _runs(standing):
        away = np.maximum(times_s[first] - times_s, times_s - times_s[last - 1])
        weight = np.clip(1 - np.maximum(away, 0) / _EASE_S, 0, 1)[:, None]
        place = np.median(ankle[first:last], 0)
        # Outside of the contact the shift of its nearer end goes on.
        nearest = np.clip(np.arange(len(ankle)), first, last - 1)
        total += weight * (place - ankle[nearest])
        share += weight
    return np.nan_to_num(total / np.maximum(share, 1))


def _bent(hip: Double, knee: Double, ankle: Double, target: Double) -> tuple[Double, Double]:
    """Two-bone inverse kinematics: knees and ankles (N, 3) for ankles at `target`."""
    thigh = np.linalg.norm(knee - hip, axis=-1, keepdims=True)
    shin = np.linalg.norm(ankle - knee, axis=-1, keepdims=True)
    line = target - hip
    reach = np.linalg.norm(line, axis=-1, keepdims=True)
    ahead = line / np.maximum(reach, 1e-9)
    reach = np.clip(reach, np.abs(thigh - shin) + 1e-6, (thigh + shin) * (1 - 1e-6))
    # The knee stays on its side of the line from hip to ankle.
    side = (knee - hip) - ((knee - hip) * ahead).sum(-1, keepdims=True) * ahead
    flat = np.linalg.norm(side, axis=-1, keepdims=True)
    side = np.where(flat > 1e-6, side / np.maximum(flat, 1e-9), _any_normal(ahead))
    along = (reach**2 + thigh**2 - shin**2) / (2 * reach)
    out = np.sqrt(np.maximum(thigh**2 - along**2, 0))
    return hip + along * ahead + out * side, hip + reach * ahead


def _any_normal(direction: Double) -> Double:
    """Unit vectors (N, 3) at right angles to others."""
    least = np.eye(3)[np.abs(direction).argmin(-1)]
    normal = np.cross(direction, least)
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True))


def _runs(mask: Bool) -> list[tuple[int, int]]:
    """First and one past the last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
