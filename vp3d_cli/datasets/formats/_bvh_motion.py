"""BVH files: a tree of joints with angles a frame, turned into positions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from vp3d_cli.types import Double

_CHANNELS = {f"{axis}{what}" for axis in "XYZ" for what in ("position", "rotation")}
_MOST_JOINTS = 2000
# Positions for every number of the motion: honest files have a third, bombs hundreds.
_MOST_UNMOVED, _MOST_SMALL = 4, 1 << 18


@dataclass
class Joint:
    """One joint, or the end of a bone.

    Attributes:
        name: as the file has it; that of its parent and "/End" for the end of a bone.
        parent: index of the joint that it hangs on; -1 for the root.
        offset: (3,) from the parent, in the parent's axes.
        channels: what the rows of the motion say about it, in order.
    """

    name: str
    parent: int
    offset: Double
    channels: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Motion:
    """What a file holds: `rows` (T, channels) in file units and degrees."""

    joints: list[Joint]
    frame_time_s: float
    rows: Double


def parse(text: str) -> Motion:
    """Read a file.

    Raises:
        ValueError: it is malformed.
    """
    head, found, motion = text.partition("MOTION")
    if not found:
        raise ValueError("MOTION: is missing")
    words = iter(head.split())
    _expect(words, "HIERARCHY")
    joints = _hierarchy(words)
    lines = [line for line in motion.splitlines() if line.strip()]
    count = _after(lines[:1], "Frames:")
    frame_time_s = _after(lines[1:2], "Frame Time:")
    if not 0 < frame_time_s < 10:
        raise ValueError(f"Frame Time: expected seconds, got {frame_time_s:g}")
    width = sum(len(joint.channels) for joint in joints)
    rows = [line.split() for line in lines[2:]]
    if len(rows) != count:
        raise ValueError(f"Frames: expected {count:g} lines of motion, got {len(rows)}")
    for number, row in enumerate(rows):
        if len(row) != width:
            raise ValueError(f"frame {number}: expected {width} numbers, got {len(row)}")
    if len(rows) * len(joints) > _MOST_UNMOVED * len(rows) * width + _MOST_SMALL:
        raise ValueError(
            f"HIERARCHY: {len(joints)} joints, but only {width} numbers that move them"
        )
    values = np.array(rows, np.float64).reshape(len(rows), width)
    if not len(rows) or not np.isfinite(values).all():
        raise ValueError("expected frames of finite numbers")
    return Motion(joints, frame_time_s, values)


def positions(motion: Motion) -> Double:
    """Where every joint is, (T, joints, 3) in the file's units and axes."""
    frames = len(motion.rows)
    where = np.empty((frames, len(motion.joints), 3))
    turned: list[Double] = []
    column = 0
    for index, joint in enumerate(motion.joints):
        offset = np.broadcast_to(joint.offset, (frames, 3)).copy()
        local = np.broadcast_to(np.eye(3), (frames, 3, 3))
        for channel in joint.channels:
            axis, values = "XYZ".index(channel[0]), motion.rows[:, column]
            if channel.endswith("position"):  # stands for the offset, as exporters write it
                offset[:, axis] = values
            else:
                local = local @ _rotations(axis, np.radians(values))
            column += 1
        if joint.parent < 0:
            where[:, index] = offset
            turned.append(local)
        else:
            above = turned[joint.parent]
            where[:, index] = where[:, joint.parent] + np.einsum("tij,tj->ti", above, offset)
            turned.append(above @ local)
    return where


def _rotations(axis: int, angles: Double) -> Double:
    """Right-handed rotations (T, 3, 3) about one axis."""
    out = np.zeros((len(angles), 3, 3))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1
    out[:, a, a] = out[:, b, b] = np.cos(angles)
    out[:, b, a] = np.sin(angles)
    out[:, a, b] = -out[:, b, a]
    return out


def _hierarchy(words: Iterator[str]) -> list[Joint]:
    """The joints, parents first."""
    joints: list[Joint] = []
    above: list[int] = []
    for word in words:
        if word in ("ROOT", "JOINT", "End"):
            name = _next(words)
            parent = above[-1] if above else -1
            if (word == "ROOT") != (parent < 0) or (word == "ROOT" and joints):
                raise ValueError(f"{word} {name[:40]!a}: expected one ROOT with joints in it")
            if word == "End":
                name = f"{joints[parent].name}/End"
            _expect(words, "{")
            _expect(words, "OFFSET")
            above.append(len(joints))
            joints.append(Joint(name, parent, _numbers(words)))
        elif word == "CHANNELS" and above:
            count = _next(words)
            if not count.isdecimal() or int(count) > 6:
                raise ValueError(f"CHANNELS: expected a count, got {count[:20]!a}")
            joints[above[-1]].channels = [_next(words) for _ in range(int(count))]
            if unknown := set(joints[above[-1]].channels) - _CHANNELS:
                raise ValueError(f"CHANNELS: expected Xposition ..., got {min(unknown)[:40]!a}")
        elif word == "}" and above:
            above.pop()
        else:
            raise ValueError(f"HIERARCHY: expected a joint, got {word[:40]!a}")
        if len(joints) > _MOST_JOINTS:
            raise ValueError(f"HIERARCHY: more than {_MOST_JOINTS} joints")
    if above or not joints:
        raise ValueError("HIERARCHY: is cut off")
    return joints


def _next(words: Iterator[str]) -> str:
    word = next(words, None)
    if word is None:
        raise ValueError("HIERARCHY: is cut off")
    return word


def _expect(words: Iterator[str], wanted: str) -> None:
    if (word := _next(words)) != wanted:
        raise ValueError(f"HIERARCHY: expected {wanted}, got {word[:40]!a}")


def _numbers(words: Iterator[str]) -> Double:
    texts = [_next(words) for _ in range(3)]
    numbers = np.array(texts, np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"OFFSET: expected finite numbers, got {' '.join(texts)[:60]!a}")
    return numbers


def _after(lines: list[str], key: str) -> float:
    line = lines[0].strip() if lines else ""
    if not line.startswith(key):
        raise ValueError(f"{key} is missing")
    return float(line.removeprefix(key))
