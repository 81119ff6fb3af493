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
# Levels this close are one: body sizes are not known better.
_SAME_LEVEL_M = 0.35


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


@dataclass(frozen=True)
class Ground:
    """Where people stand.

    Attributes:
        world: the lowest level that somebody stands on.
        levels_m: of each person's own level above it: a step, a wall, or an error of their size;
            0 where they never stand.
    """

    world: World
    levels_m: tuple[float, ...]


def estimate(people: Sequence[Standing]) -> Ground:
    """The ground under all people of a camera that stands still; each may have a level."""
    unknown = _reason(people)
    trunk = None if unknown else _trunk(people)
    if trunk is None:
        return _unknown(people, unknown or "nobody is seen upright")
    up = _solve(people, trunk)
    if np.arccos(np.clip(up @ trunk, -1, 1)) > _MOST_LEAN:
        return _unknown(people, "the people are not upright on the ground that their feet suggest")
    own = [_level(person, up) for person in people]
    lasting = [float(person.lasting_s.sum()) for person in people]
    # Who stands for long enough counts; else whoever stands at all.
    least_s = min(_LEAST_CONTACT_S, max(lasting))
    levels = [(level, s) for level, s in zip(own, lasting, strict=True) if s >= least_s]
    lowest = min(level for level, _ in levels)
    same = [(level, s) for level, s in levels if level - lowest <= _SAME_LEVEL_M]
    floor = float(np.average([level for level, _ in same], weights=[s for _, s in same]))
    height = ANKLE_HEIGHT_M - floor
    if not _HEIGHTS_M[0] <= height <= _HEIGHTS_M[1]:
        return _unknown(people, f"the ground would lie {height:.1f} m below the camera")
    above = tuple(float(level - floor) if np.isfinite(level) else 0.0 for level in own)
    return Ground(World(_to_world(up, height), "feet, trunks and a level camera"), above)


def _reason(people: Sequence[Standing]) -> str | None:
    """Why there is nothing to go by, if there is not."""
    if sum(float(person.lasting_s.sum()) for person in people) < _LEAST_CONTACT_S:
        return "no foot is seen to stand on the ground for long enough"
    return None


def _unknown(people: Sequence[Standing], why: str) -> Ground:
    return Ground(World.unknown(why), (0.0,) * len(people))


def _level(person: Standing, up: Double) -> float:
    """How far up a person's ankles are when they stand, metres, seen from the camera."""
    if not len(person.places):
        return float("nan")
    return float(np.average(person.places @ up, weights=person.lasting_s + 1e-6))


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


def _solve(people: Sequence[Standing], trunk: Double) -> Double:
    """Up (3,) in camera axes."""
    from scipy.optimize import least_squares

    standing = [person for person in people if len(person.places)]
    who = np.repeat(np.arange(len(standing)), [len(person.places) for person in standing])
    places = np.concatenate([p.places - p.places.mean(0) for p in standing])
    lasting = np.concatenate([person.lasting_s for person in standing])
    weights = np.sqrt(np.minimum(lasting / _FULL_S, 1)) / _OFF_PLANE_M

    def off(guess: Real) -> Real:
        up = _up(guess[0], guess[1])
        held = np.array([guess[0] / _PITCH, guess[1] / _ROLL])
        plane = (places @ up - guess[2 + who]) * weights
        return np.concatenate([held, (up - trunk) / _LEAN, plane])

    found = least_squares(off, np.zeros(2 + len(standing)), loss="soft_l1").x
    return _up(found[0], found[1])


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
