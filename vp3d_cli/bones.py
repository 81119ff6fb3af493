"""Bones of one length each: what their lengths are, and the joints nearest to given ones."""

from __future__ import annotations

import numpy as np

from vp3d_cli.types import Double, Float, Real, Skeleton

# Frames that say little about a length take part with this weight.
_LEAST_WEIGHT = 1e-3
# After so many rounds bones are within a millimetre.
_SWEEPS = 40


def lengths(joints: Real, weights: Real, skeleton: Skeleton) -> Double:
    """The length of each edge: the weighted median over time, left and right as one.

    Args:
        joints: (T, J, 3) metres; NaN is passed over.
        weights: (T, J) how far each joint is trusted.
        skeleton: its edges, parent first.

    Returns:
        (E,) metres; NaN for a bone that is never seen.
    """
    ends = np.array(skeleton.edge_indices)
    measured = np.linalg.norm(joints[:, ends[:, 1]] - joints[:, ends[:, 0]], axis=-1)
    sure = np.minimum(weights[:, ends[:, 0]], weights[:, ends[:, 1]])
    found = np.full(len(ends), np.nan)
    for group in _partners(skeleton):
        values, counted = measured[:, group].ravel(), sure[:, group].ravel()
        known = np.isfinite(values)
        if known.any():
            weight = np.maximum(np.nan_to_num(counted[known]), _LEAST_WEIGHT)
            found[group] = _weighted_median(values[known], weight)
    return found


def fitted(joints: Real, bone_lengths: Real, skeleton: Skeleton) -> Float:
    """The nearest joints whose bones have given lengths.

    Bones are corrected one after the other, over and over, each at both ends (Müller et al.
    2007, "Position based dynamics", doi:10.1016/j.jvcir.2007.01.005); what is left is taken up
    from the root outwards. Rebuilding from the root alone would add up errors along each limb.

    Args:
        joints: (T, J, 3) metres.
        bone_lengths: (E,) of the skeleton's edges; NaN leaves a bone as it is.
        skeleton: its edges, parent first.

    Returns:
        (T, J, 3), the root where it was.
    """
    bones = [
        (parent, child, float(length))
        for (parent, child), length in zip(skeleton.edge_indices, bone_lengths, strict=True)
        if np.isfinite(length)
    ]
    out = np.moveaxis(np.array(joints, np.float64), 1, 0)
    root = out[skeleton.index(skeleton.root or skeleton.joints[0])].copy()
    for _ in range(_SWEEPS):
        for parent, child, length in bones:
            half = _missing(out[parent], out[child], length) / 2
            out[parent] -= half
            out[child] += half
    # Whole lengths at last, parents first.
    for parent, child, length in bones:
        out[child] += _missing(out[parent], out[child], length)
    out += root - out[skeleton.index(skeleton.root or skeleton.joints[0])]
    return np.moveaxis(out, 0, 1).astype(np.float32)


def _missing(parent: Double, child: Double, length: float) -> Double:
    """By how much a child (T, 3) must move for its bone to be as long as it should be."""
    bone = child - parent
    size = np.linalg.norm(bone, axis=-1, keepdims=True)
    return np.asarray(np.where(size > 1e-6, bone * (length / np.maximum(size, 1e-6) - 1), 0))


def _partners(skeleton: Skeleton) -> list[list[int]]:
    """Edges that are of one length."""
    groups: dict[tuple[str, str], list[int]] = {}
    for edge, (parent, child) in enumerate(skeleton.edges):
        groups.setdefault((_unsided(parent), _unsided(child)), []).append(edge)
    return list(groups.values())


def _unsided(joint: str) -> str:
    return joint.removeprefix("left_").removeprefix("right_")


def _weighted_median(values: Double, weights: Double) -> float:
    order = np.argsort(values)
    passed = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(passed, passed[-1] / 2)])
