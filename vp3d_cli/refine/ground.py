"""Where the ground is: which way is up for the camera, and how high it stands.

Three things are weighed against each other: cameras are held about level, people keep their
trunks upright on average, and the places where feet stand lie in one plane. Each alone is off by
6 to 8 degrees on held-out motion capture, together by 3 (tests/bench/placement.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vp3d_cli.refine.bones import ANKLE_HEIGHT_M
from vp3d_cli.types import Double, Real, World

# How far from level cameras are held, how far trunks lean on average, radians; how far from one
# plane the places where feet stand are found, metres, most of it their depth.
_ROLL, _PITCH, _LEAN = np.radians([4.0, 12.0, 8.0])
_OFF_PLANE_M = 0.15
# A foothold that lasts as long as this counts in full.
_FULL_S = 0.33
# Feet must have stood for so long, and trunks be upright on average within this angle, or there
# is nothing to go by.
_LEAST_CONTACT_S = 0.3
_MOST_LEAN = np.radians(35.0)
# Frames in which a trunk leans more from the camera's vertical say nothing about it.
_LEAST_UPRIGHT = 0.5
_LEAST_UPRIGHT_FRAMES = 5
_HEIGHTS_M = (-0.5, 15.0)


@dataclass(frozen=True)
class Standing:
    """What one person says about the ground; camera axes, metres.

    Attributes:
        trunks: (T, 3) from hip to thorax; NaN is passed over.
        places: (H, 3) ankles where a foot stood.
        lasting_s: (H,) for how long.
    """

    trunks: Double
    places: Double
    lasting_s: Double


def estimate(people: Sequence[Standing]) -> World:
    """The ground under all people of a camera that stands still."""
    places = np.concatenate([person.places for person in people] or [np.zeros((0, 3))])
    lasting = np.concatenate([person.lasting_s for person in people] or [np.zeros(0)])
    if lasting.sum() < _LEAST_CONTACT_S:
        return World.unknown("no foot is seen to stand on the ground for long enough")
    trunk = _trunk(people)
    if trunk is None:
        return World.unknown("nobody is seen upright")
    up, offset = _solve(places, np.minimum(lasting / _FULL_S, 1) ** 0.5, trunk)
    if np.arccos(np.clip(up @ trunk, -1, 1)) > _MOST_LEAN:
        return World.unknown("the people are not upright on the ground that their feet suggest")
    height = ANKLE_HEIGHT_M - offset
    if not _HEIGHTS_M[0] <= height <= _HEIGHTS_M[1]:
        return World.unknown(f"the ground would lie {height:.1f} m below the camera")
    return World(_to_world(up, height), "feet, trunks and a level camera")


def _trunk(people: Sequence[Standing]) -> Double | None:
    """The middle direction of upright trunks (3,); None where there are none."""
    trunks = np.concatenate([person.trunks for person in people] or [np.zeros((0, 3))])
    trunks = trunks[np.isfinite(trunks).all(1)]
    size = np.linalg.norm(trunks, axis=-1, keepdims=True)
    trunks = trunks / np.maximum(size, 1e-6)
    upright = trunks[-trunks[:, 1] > _LEAST_UPRIGHT]
    if len(upright) < min(_LEAST_UPRIGHT_FRAMES, len(trunks)) or 2 * len(upright) < len(trunks):
        return None
    if not len(upright):
        return None
    middle = np.median(upright, 0)
    return np.asarray(middle / np.linalg.norm(middle))


def _solve(places: Double, weights: Double, trunk: Double) -> tuple[Double, float]:
    """Up (3,), and how far up the ankles that stand are, metres, seen from the camera."""
    from scipy.optimize import least_squares

    centre = places.mean(0)

    def off(guess: Real) -> Real:
        up = _up(guess[0], guess[1])
        plane = ((places - centre) @ up - guess[2]) / _OFF_PLANE_M * weights
        held = np.array([guess[0] / _PITCH, guess[1] / _ROLL])
        return np.concatenate([held, (up - trunk) / _LEAN, plane])

    found = least_squares(off, np.zeros(3), loss="soft_l1").x
    up = _up(found[0], found[1])
    return up, float(centre @ up + found[2])


def _up(pitch: float, roll: float) -> Double:
    """Up in camera axes of a camera that looks down by `pitch` and is turned by `roll`."""
    return np.array([np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch), -np.sin(pitch)])


def _to_world(up: Double, height: float) -> Double:
    """The matrix (4, 4) that `World` holds."""
    ahead = np.array([0, 0, 1.0]) - up[2] * up
    ahead /= max(float(np.linalg.norm(ahead)), 1e-9)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([np.cross(ahead, up), ahead, up])
    matrix[2, 3] = height
    return matrix
