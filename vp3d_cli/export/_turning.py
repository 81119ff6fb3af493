"""Rotations that follow the directions of bones, without jumps where a direction leaves them open.

Vectors are (T, 3) and rotations (T, 3, 3); a rotation acts on columns.
"""

from __future__ import annotations

import numpy as np

from vp3d_cli.types import Double

# How long a bone remembers how it was turned about itself: this divided by how clearly that is
# seen, seconds. A limb that is bent by 90 degrees says it at once, one bent by 5 in a second.
_MEMORY_S = 0.08
# From this sine of its bend to that, a limb passes from its memory to its own plane.
_UNSURE, _SURE = 0.3, 0.7
_TINY = 1e-9


def unit(vectors: Double) -> Double:
    """Of length one; zero stays zero."""
    size = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(size > _TINY, size, np.inf))


def shortest_arc(start: Double, goal: Double) -> Double:
    """The least rotations (T, 3, 3) from unit vectors to others; half turns where opposite."""
    start, goal = np.broadcast_arrays(start, goal)
    cosine = (start * goal).sum(-1)[..., None, None]
    axis = np.cross(start, goal)
    skew = np.zeros((*axis.shape[:-1], 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        skew[..., k, j], skew[..., j, k] = axis[..., i], -axis[..., i]
    opposite = 1 + cosine < _TINY
    turned = np.eye(3) + skew + skew @ skew / np.where(opposite, 1, 1 + cosine)
    least = np.eye(3)[np.abs(start).argmin(-1)]
    across = unit(np.cross(start, least))
    half = 2 * across[..., :, None] * across[..., None, :] - np.eye(3)
    return np.asarray(np.where(opposite, half, turned))


def aimed(
    rest: tuple[Double, Double],
    directions: Double,
    hints: Double,
    parents: Double,
    times_s: Double,
    habit: float = 0.0,
    forward: bool = False,
) -> Double:
    """Rotations that take a bone to its directions exactly, and its side axis near to hints.

    Where hints are short, as the normal of a straight limb's plane is, the bone keeps the turn
    about itself that it had before and gets after, relative to its parent.

    Args:
        rest: the bone's direction and its side axis in the rest pose, at right angles.
        directions: unit vectors in the world.
        hints: where the side axis points in the world; the longer, the surer, up to one.
        parents: rotations of the parent in the world.
        times_s: (T,) ascending.
        habit: a hint of this length says: turned as little as possible from the rest pose.
        forward: the side axis stays within 90 degrees of that.
    """
    bone, side = rest
    to_parent = np.swapaxes(parents, -1, -2)
    aims = _applied(to_parent, directions)
    lost = np.linalg.norm(aims, axis=-1) < 0.5
    aims[lost] = bone
    first = _applied(shortest_arc(bone, aims), np.broadcast_to(side, aims.shape))
    second = np.cross(aims, first)
    wanted = _applied(to_parent, hints)
    seen = (wanted * first).sum(-1) + 1j * (wanted * second).sum(-1)
    if forward:
        seen = np.maximum(seen.real, 0) + 1j * seen.imag
    # The least turn is not defined where a bone points back at its rest pose.
    usual = habit * (1 + aims @ bone) / 2
    drift = np.exp(1j * _carried(aims, first, second))
    angle = _remembered((seen + usual) / drift, times_s)
    sure = np.clip((np.abs(seen) - _UNSURE) / (_SURE - _UNSURE), 0, 1)
    turn = drift * np.exp(1j * angle)
    turn *= np.exp(1j * sure * sure * (3 - 2 * sure) * np.angle(seen / turn))
    sides = turn.real[:, None] * first + turn.imag[:, None] * second
    return np.asarray(parents @ _frames(aims, sides) @ _frame(bone, side).T)


def hinged(rest: tuple[Double, Double], directions: Double, uppers: Double) -> Double:
    """Rotations of a limb's lower bone: its side axis is the upper bone's, as far as it can be.

    Where the limb bends in its plane, it differs from the upper one by a turn about that axis.
    """
    bone, side = rest
    axes = _applied(uppers, np.broadcast_to(side, directions.shape))
    aims = directions.copy()
    lost = np.linalg.norm(aims, axis=-1) < 0.5
    aims[lost] = _applied(uppers[lost], np.broadcast_to(bone, aims[lost].shape))
    across = axes - (axes * aims).sum(-1, keepdims=True) * aims
    # A bone along the hinge: turned there the shortest way.
    odd = np.linalg.norm(across, axis=-1) < 1e-3
    straight = _applied(uppers[odd], np.broadcast_to(bone, aims[odd].shape))
    across[odd] = _applied(shortest_arc(straight, aims[odd]), axes[odd])
    return np.asarray(_frames(aims, unit(across)) @ _frame(bone, side).T)


def swung(bone: Double, directions: Double, parents: Double) -> Double:
    """Rotations that take a bone to its directions the shortest way from its parent's."""
    aims = _applied(np.swapaxes(parents, -1, -2), directions)
    aims[np.linalg.norm(aims, axis=-1) < 0.5] = bone
    return np.asarray(parents @ shortest_arc(bone, aims))


def _applied(rotations: Double, vectors: Double) -> Double:
    return np.asarray(np.einsum("tij,tj->ti", rotations, vectors))


def _frame(bone: Double, side: Double) -> Double:
    return np.stack([bone, side, np.cross(bone, side)], -1)


def _frames(aims: Double, sides: Double) -> Double:
    sides = unit(sides - (sides * aims).sum(-1, keepdims=True) * aims)
    return np.stack([aims, sides, np.cross(aims, sides)], -1)


def _carried(aims: Double, first: Double, second: Double) -> Double:
    """(T,) the angle of a vector that moves along with a bone without turning about it.

    Angles from `first` towards `second`; where those turn quickly about the bone, which they do
    near the opposite of the rest pose, this angle takes it back.
    """
    moved = _applied(shortest_arc(aims[:-1], aims[1:]), first[:-1])
    steps = np.arctan2((moved * second[1:]).sum(-1), (moved * first[1:]).sum(-1))
    return np.concatenate([[0.0], np.cumsum(steps)])[: len(aims)]


def _remembered(seen: Double, times_s: Double) -> Double:
    """(T,) continuous angles near those of complex numbers, the nearer the larger they are."""
    calm = _smoothed(seen, np.ones(len(seen)), times_s)
    return _smoothed(np.unwrap(np.angle(calm)), np.abs(calm) ** 2, times_s)


def _smoothed(values: Double, weights: Double, times_s: Double) -> Double:
    """The least of weighted squared changes and squared speeds (Whittaker's smoother)."""
    from scipy.linalg import solveh_banded

    if len(values) < 2:
        return values
    gaps = np.maximum(np.diff(times_s), 1e-4)
    frame = float(np.median(gaps))
    stiffness = _MEMORY_S**2 / (gaps * frame)
    weights = weights + 1e-9  # nothing seen at all: the angle is free
    bands = np.zeros((2, len(values)))
    bands[0] = weights
    bands[0, :-1] += stiffness
    bands[0, 1:] += stiffness
    bands[1, :-1] = -stiffness
    return np.asarray(solveh_banded(bands, weights * values, lower=True))
