"""BVH, what animation programs read motion capture from: a skeleton and angles a frame.

One person a file. Centimetres, Y up, rotations in the order Z X Y, as MotionBuilder has them.
The file has no place for the frame of reference, for a missing pose or for the time of its first
frame; `docs/export_rig.md` says what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vp3d_cli import files
from vp3d_cli.errors import DataError
from vp3d_cli.export import _people as people
from vp3d_cli.export import _rig as rig
from vp3d_cli.export._frame import rate
from vp3d_cli.types import Double, Result

DESCRIPTION = "motion for Blender, Maya, MotionBuilder, Unreal: a skeleton with angles, a file each"
SUFFIX = ".bvh"
REAL_TIME = True
ONE_PERSON = True

_CM_PER_M = 100.0
# Clocks that count milliseconds are even.
_EVEN_S = 1.5e-3
# Frames a second that a file can say, in a billionth of a second a frame, and a program can show.
_RATES = (1e-2, 1e4)
_POSITION, _ROTATION = "Xposition Yposition Zposition", "Zrotation Xrotation Yrotation"
# It is an end in the file, without angles.
_END = "HeadTop_End"


def write(result: Result, path: Path) -> None:
    """Write the motion of one person, at the frame rate of the video.

    Frames at uneven times are taken at even ones. Where the joints are missing, the person turns
    evenly from the pose before to the one after, and stands still before the first and after
    the last.

    Raises:
        ValueError: there are several people.
        DataError: nothing is known of anybody, or the frame rate is none.
        SkeletonMismatchError: the joints are not those of Human3.6M.
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    if len(result.tracks3d) > 1:
        raise ValueError(f"BVH holds one person a file, got {len(result.tracks3d)}")
    with files.written_whole(path) as temporary:
        found = people.of(result)
        if not found:
            raise DataError(
                f"{path.name}: BVH needs a pose, and no joints are known of anybody here; "
                "npz and json can say so"
            )
        fps = rate(result)
        if not _RATES[0] <= fps <= _RATES[1]:
            raise DataError(f"{path.name}: BVH cannot be played at {fps:.6g} frames per second")
        motion = rig.at_times(found[0].motion, _even_times(found[0].times_s, fps))
        with temporary.open("w", encoding="ascii", newline="\n") as stream:
            stream.write("HIERARCHY\n")
            stream.writelines(f"{line}\n" for line in _hierarchy(motion))
            stream.write(f"MOTION\nFrames: {len(motion)}\nFrame Time: {1 / fps:.9f}\n")
            stream.writelines(f"{line}\n" for line in _rows(motion))


def _even_times(times_s: Double, fps: float) -> Double:
    """The times of the rows where they are even, else times a frame apart over the same span."""
    ideal = times_s[0] + np.arange(len(times_s)) / fps
    if np.abs(times_s - ideal).max() <= _EVEN_S:
        return times_s
    count = round(float(times_s[-1] - times_s[0]) * fps) + 1
    return np.asarray(times_s[0] + np.arange(count) / fps)


def _hierarchy(motion: rig.Motion) -> Iterator[str]:
    open_nodes: list[str] = []
    for index, node in enumerate(rig.NODES):
        while open_nodes and open_nodes[-1] != node.parent:
            open_nodes.pop()
            yield f"{_indent(open_nodes)}}}"
        indent = _indent(open_nodes)
        if node.name == _END:
            yield from _end(indent, motion.offsets[index])
            continue
        yield f"{indent}{'JOINT' if node.parent else 'ROOT'} {node.name}"
        yield f"{indent}{{"
        open_nodes.append(node.name)
        yield f"{indent}\tOFFSET {_numbers(_CM_PER_M * motion.offsets[index])}"
        channels = _ROTATION if node.parent else f"{_POSITION} {_ROTATION}"
        yield f"{indent}\tCHANNELS {len(channels.split())} {channels}"
        if node.name in rig.STILL:
            yield from _end(f"{indent}\t", rig.tip(motion.offsets, node.name))
    while open_nodes:
        open_nodes.pop()
        yield f"{_indent(open_nodes)}}}"


def _end(indent: str, offset: Double) -> Iterator[str]:
    yield f"{indent}End Site"
    yield f"{indent}{{"
    yield f"{indent}\tOFFSET {_numbers(_CM_PER_M * offset)}"
    yield f"{indent}}}"


def _indent(open_nodes: list[str]) -> str:
    return "\t" * len(open_nodes)


def _rows(motion: rig.Motion) -> Iterator[str]:
    angles = [
        angles_zxy(motion.turns[:, index])
        for index, node in enumerate(rig.NODES)
        if node.name != _END
    ]
    table = np.concatenate([_CM_PER_M * motion.root, *angles], axis=1)
    return (_numbers(row) for row in table)


def _numbers(values: Double) -> str:
    # Adding 0 turns -0.0 into 0.0.
    return " ".join(f"{value:.6f}" for value in (values.round(6) + 0.0).tolist())


def angles_zxy(turns: Double) -> Double:
    """Angles (T, 3) about Z, X and Y, degrees, of quaternions (T, 4), without jumps of a turn.

    Of the two triples that mean the same rotation, and all whole turns, it is the one nearest
    to the frame before.
    """
    x, y, z, w = turns.T
    sine = np.clip(2 * (y * z + w * x), -1, 1)
    about_z = np.arctan2(2 * (w * z - x * y), 1 - 2 * (x * x + z * z))
    about_y = np.arctan2(2 * (w * y - x * z), 1 - 2 * (x * x + y * y))
    # Where X is a quarter turn only the sum, or the difference, of the others is defined.
    summed = np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
    for row in np.flatnonzero(np.abs(sine) > 1 - 1e-10):
        about_y[row] = about_y[row - 1] if row else 0.0
        about_z[row] = summed[row] - np.sign(sine[row]) * about_y[row]
    one = np.stack([about_z, np.arcsin(sine), about_y], 1)
    other = np.stack([about_z + np.pi, np.pi - one[:, 1], about_y + np.pi], 1)
    # Going on as one is as far as going on as the other, and so is changing either way.
    stays, changes = _apart(one[1:], one[:-1]), _apart(one[1:], other[:-1])
    is_other = np.cumsum(np.concatenate([[0], changes < stays]))[: len(one)] % 2
    chosen = np.where(is_other[:, None] == 1, other, one)
    return np.asarray(np.degrees(np.unwrap(chosen, axis=0)))


def _apart(a: Double, b: Double) -> Double:
    """How far triples of angles are apart, whole turns left out."""
    return np.asarray((np.angle(np.exp(1j * (a - b))) ** 2).sum(1))
