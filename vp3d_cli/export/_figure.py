"""A simple figure around a rig: capsules in the rest pose, each moved by one node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vp3d_cli.export import _rig as rig
from vp3d_cli.types import Double, Float

# Points around a capsule, and rings of each of its ends.
_AROUND, _RINGS = 12, 4
# The radii below are those of a person of this height over the hips and trunk, metres: from
# ankle to thorax.
_USUAL_M = 1.36


@dataclass(frozen=True)
class Figure:
    """A mesh in the rest pose, the root at the origin.

    Attributes:
        positions, normals: (V, 3) metres, unit vectors.
        nodes: (V,) which node of the rig moves a vertex.
        triangles: (F, 3) vertices, counter-clockwise from outside.
    """

    positions: Float
    normals: Float
    nodes: NDArray[np.uint8]
    triangles: NDArray[np.uint16]


@dataclass(frozen=True)
class _Part:
    """A capsule of one node: from `start` to `end`, metres from the root.

    `radii` are at both ends; `depth` by how much it is thinner from front to back.
    """

    node: str
    start: Double
    end: Double
    radii: tuple[float, float]
    depth: float = 1.0


def rest_positions(offsets: Double) -> Double:
    """Where each node is in the rest pose, (N, 3) metres from the root."""
    where = np.zeros_like(offsets)
    for index, parent in enumerate(rig.PARENTS):
        if parent >= 0:
            where[index] = where[parent] + offsets[index]
    return where


def build(offsets: Double) -> Figure:
    """The figure of a rig."""
    positions, nodes, triangles, count = [], [], [], 0
    for part in _parts(offsets):
        points, faces = _capsule(part)
        positions.append(points)
        nodes.append(np.full(len(points), rig.NAMES.index(part.node), np.uint8))
        triangles.append(faces + count)
        count += len(points)
    every, faces = np.concatenate(positions), np.concatenate(triangles)
    return Figure(
        every.astype(np.float32),
        _normals(every, faces).astype(np.float32),
        np.concatenate(nodes),
        faces.astype(np.uint16),
    )


def _parts(offsets: Double) -> list[_Part]:
    at = dict(zip(rig.NAMES, rest_positions(offsets), strict=True))
    tall = at["Neck"][1] - at["LeftFoot"][1]
    s = tall / _USUAL_M
    low, high = at["Hips"], at["Neck"]
    top, face = at["HeadTop_End"], at["Head"]
    skull = np.array([0, top[1] - 0.115 * s, 0])
    chest = high - np.array([0, 0.14 * s, 0])
    parts = [
        _Part("Hips", at["LeftUpLeg"], at["RightUpLeg"], (0.087 * s, 0.087 * s), 1.0),
        _Part("Hips", low, at["Spine"], (0.135 * s, 0.105 * s), 0.72),
        _Part("Spine", at["Spine"], chest, (0.122 * s, 0.15 * s), 0.68),
        _Part("Neck", high - np.array([0, 0.03 * s, 0]), skull, (0.058 * s, 0.052 * s)),
        _Part("Head", skull, skull + np.array([0, 0.02 * s, 0]), (0.088 * s, 0.095 * s), 1.08),
        _Part("Head", skull, np.array([0, face[1], 0.115 * s]), (0.03 * s, 0.016 * s)),
    ]
    for side in ("Left", "Right"):
        hip, knee, foot = (at[f"{side}{name}"] for name in ("UpLeg", "Leg", "Foot"))
        shoulder, elbow, hand = (at[f"{side}{name}"] for name in ("Arm", "ForeArm", "Hand"))
        toes = foot + rig.tip(offsets, f"{side}Foot")
        fingers = hand + rig.tip(offsets, f"{side}Hand")
        parts += [
            _Part(f"{side}UpLeg", hip, knee, (0.082 * s, 0.055 * s)),
            _Part(f"{side}Leg", knee, foot, (0.056 * s, 0.038 * s)),
            _Part(f"{side}Foot", foot, toes, (0.042 * s, 0.03 * s)),
            _Part(f"{side}Shoulder", high, shoulder, (0.06 * s, 0.058 * s)),
            _Part(f"{side}Arm", shoulder, elbow, (0.05 * s, 0.04 * s)),
            _Part(f"{side}ForeArm", elbow, hand, (0.04 * s, 0.028 * s)),
            _Part(f"{side}Hand", hand, fingers, (0.032 * s, 0.024 * s), 0.7),
        ]
    return parts


def _capsule(part: _Part) -> tuple[Double, NDArray[np.int64]]:
    """Its points (V, 3) and triangles (F, 3)."""
    along = part.end - part.start
    length = float(np.linalg.norm(along))
    axis = along / length if length > 1e-9 else np.array([0, 1.0, 0])
    # Across the body, so that `depth` is from front to back.
    across = np.array([1.0, 0, 0]) if abs(axis[0]) < 0.7 else np.array([0, 1.0, 0])
    first = np.cross(np.cross(axis, across), axis)
    first /= np.linalg.norm(first)
    second = np.cross(axis, first)
    turns = np.arange(_AROUND) * (2 * np.pi / _AROUND)
    circle = np.cos(turns)[:, None] * first + part.depth * np.sin(turns)[:, None] * second
    points = [part.start - part.radii[0] * axis]
    ends = (
        (part.start, part.radii[0], -1, range(1, _RINGS + 1)),
        (part.end, part.radii[1], 1, range(_RINGS, 0, -1)),
    )
    for centre, radius, way, rings in ends:
        for ring in rings:
            angle = ring * np.pi / 2 / _RINGS
            shift = way * np.cos(angle) * axis
            points.extend(centre + radius * (shift + np.sin(angle) * circle))
    points.append(part.end + part.radii[1] * axis)
    return np.array(points), _stitched(2 * _RINGS)


def _stitched(rings: int) -> NDArray[np.int64]:
    """Triangles between a point, rings of points, and a point."""
    last = 1 + rings * _AROUND
    faces = []
    for i in range(_AROUND):
        j = (i + 1) % _AROUND
        faces.append((0, 1 + j, 1 + i))
        for ring in range(rings - 1):
            a, b = 1 + ring * _AROUND, 1 + (ring + 1) * _AROUND
            faces += [(a + i, a + j, b + i), (a + j, b + j, b + i)]
        faces.append((last - _AROUND + i, last - _AROUND + j, last))
    return np.array(faces)


def _normals(positions: Double, faces: NDArray[np.int64]) -> Double:
    a, b, c = (positions[faces[:, i]] for i in range(3))
    across = np.cross(b - a, c - a)
    total = np.zeros_like(positions)
    for corner in range(3):
        np.add.at(total, faces[:, corner], across)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30))
