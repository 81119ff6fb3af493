"""What is wrong with sequences, in words.

Some faults would spoil everything that is learnt or measured: those are `grave`, and reading
stops at them. The rest may have its reasons, and only `check` tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from vp3d_cli.datasets.sequence import Sequence
from vp3d_cli.types import Double, Skeleton

# Height along the bones, metres: beyond it no body, and beyond that no body in metres.
_HEIGHTS_M = (0.5, 2.5)
_HEIGHT_OF_OTHER_UNITS = 50
_SHORTEST_S = 0.5
_LEAST_UPRIGHT = 0.5
_MOST_OUTSIDE = 0.05
_MOST_BEHIND = 0.01
_MOST_MISSING = 0.5
# Distance of 2D from projected joints, in sizes of the person: a detector's bias is a few percent.
_MOST_APART = 0.1
_LEAST_SWAPPED = 0.02

_SAME_JOINT = {
    **{f"{side}_foot": f"{side}_ankle" for side in ("left", "right")},
    "pelvis": "hip",
}
_TOPS, _FEET = ("head", "nose"), ("foot", "ankle")


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        where: file and key.
        sequence: subject, action and view; "" for all of a file.
        what: is wrong.
        expected, found: in words.
    """

    where: str
    sequence: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        who = f" ({self.sequence})" if self.sequence else ""
        return f"{self.where}{who}: {self.what}: expected {self.expected}, got {self.found}"


@np.errstate(all="ignore")  # coordinates may be anything
def check(sequences: Iterable[Sequence]) -> tuple[Finding, ...]:
    """All that is wrong, sequence by sequence, then what is wrong on average."""
    known = list(sequences)
    findings = [finding for sequence in known for finding in _of_one(sequence)]
    by_file: dict[tuple[str, str], list[Sequence]] = {}
    for sequence in known:
        file = sequence.joints_at.rpartition(": ")[0]
        by_file.setdefault((file, sequence.space), []).append(sequence)
    for (file, _), group in by_file.items():
        findings.extend(_lying(file, group))
    return tuple(findings)


def told(findings: Iterable[Finding], most: int | None) -> list[str]:
    """A line each; of those of one kind in one file only the first `most`, and how many more."""
    alike: dict[tuple[str, str], int] = {}
    lines: list[str] = []
    for finding in findings:
        kind = (finding.where.rpartition(": ")[0] or finding.where, finding.what)
        alike[kind] = alike.get(kind, 0) + 1
        if most is None or alike[kind] <= most:
            lines.append(str(finding))
    for (file, what), count in alike.items():
        if most is not None and count > most:
            lines.append(f"{file}: {what}: {count - most} more sequences")
    return lines


def grave(sequence: Sequence) -> Finding | None:
    """The first fault that nothing can be learnt or measured with: NaN, or other units."""
    for finding in _not_finite(sequence):
        return finding
    height = _height_m(sequence)
    return None if height is None or height <= _HEIGHT_OF_OTHER_UNITS else _tall(sequence, height)


def _of_one(sequence: Sequence) -> Iterator[Finding]:
    spoilt = list(_not_finite(sequence))
    yield from spoilt
    yield from _short(sequence)
    yield from _keypoints(sequence)
    height = _height_m(sequence)
    if height is not None and not _HEIGHTS_M[0] <= height <= _HEIGHTS_M[1]:
        yield _tall(sequence, height)
    elif not spoilt:  # the projection of what is wrong says nothing new
        yield from _behind(sequence)
        yield from _apart(sequence)


def _of_joints(sequence: Sequence, what: str, expected: str, found: str) -> Finding:
    return Finding(sequence.joints_at or "joints", sequence.name, what, expected, found)


def _of_keypoints(sequence: Sequence, what: str, expected: str, found: str) -> Finding:
    return Finding(sequence.keypoints_at or "keypoints", sequence.name, what, expected, found)


def _not_finite(sequence: Sequence) -> Iterator[Finding]:
    if sequence.joints is not None and not np.isfinite(sequence.joints).all():
        wrong = np.flatnonzero(~np.isfinite(sequence.joints).all(axis=(1, 2)))
        found = f"NaN or infinity in {len(wrong)} of {len(sequence)} frames, first in {wrong[0]}"
        yield _of_joints(sequence, "not finite", "numbers in every joint", found)
    if sequence.keypoints is not None and np.isinf(sequence.keypoints).any():
        found = f"infinity in {np.isinf(sequence.keypoints).any(axis=(1, 2)).sum()} frames"
        yield _of_keypoints(sequence, "not finite", "pixels, or NaN where missing", found)


def _short(sequence: Sequence) -> Iterator[Finding]:
    least = max(2, round(_SHORTEST_S * sequence.fps))
    if len(sequence) < least:
        make = _of_joints if sequence.joints is not None else _of_keypoints
        expected = f"{least} frames, {_SHORTEST_S} s, at least"
        yield make(sequence, "too short", expected, str(len(sequence)))


def _keypoints(sequence: Sequence) -> Iterator[Finding]:
    if sequence.keypoints is None:
        return
    missing = np.isnan(sequence.keypoints).any(-1)
    if missing.mean() > _MOST_MISSING:
        found = f"{missing.mean():.0%} NaN"
        yield _of_keypoints(sequence, "missing", f"{_MOST_MISSING:.0%} at most", found)
    size = np.array([sequence.width, sequence.height])
    inside = ((sequence.keypoints >= 0) & (sequence.keypoints <= size)).all(-1)
    outside = (~inside & ~missing).sum() / max((~missing).sum(), 1)
    if outside > _MOST_OUTSIDE:
        low, high = (f(sequence.keypoints, axis=(0, 1)) for f in (np.nanmin, np.nanmax))
        span = f"x {low[0]:.0f} to {high[0]:.0f}, y {low[1]:.0f} to {high[1]:.0f}"
        expected = f"pixels of {sequence.width} x {sequence.height}"
        yield _of_keypoints(
            sequence, "outside the frame", expected, f"{outside:.0%} beyond, {span}"
        )
    if sequence.scores is not None:
        scores = sequence.scores[~missing]
        if not ((scores >= 0) & (scores <= 1)).all():
            wrong = scores[~((scores >= 0) & (scores <= 1))][0]
            yield _of_keypoints(sequence, "scores", "0 to 1", f"{wrong:g}")


def _ends(skeleton: Skeleton) -> tuple[int, list[int]] | None:
    """The highest joint of a standing person, and the lowest ones; None where there are none."""
    tops = [skeleton.index(name) for name in _TOPS if name in skeleton.joints]
    feet = [i for i, name in enumerate(skeleton.joints) if name.endswith(_FEET)]
    return (tops[0], feet) if tops and feet else None


def _height_m(sequence: Sequence) -> float | None:
    """Along the bones, so in any pose: from a foot over the root to the head, median of frames."""
    joints, skeleton = sequence.joints, sequence.skeleton_out
    if joints is None or skeleton is None or not (ends := _ends(skeleton)):
        return None
    sound = joints[np.isfinite(joints).all(axis=(1, 2))]
    if not len(sound) or skeleton.root is None:
        return None
    away = {skeleton.index(skeleton.root): 0.0}
    bones = list(skeleton.edge_indices)
    while todo := [bone for bone in bones if bone[0] in away]:
        for parent, child in todo:
            length = np.linalg.norm(sound[:, child] - sound[:, parent], axis=-1)
            away[child] = away[parent] + float(np.median(length))
            bones.remove((parent, child))
    top, feet = ends
    return away.get(top, 0.0) + max(away.get(foot, 0.0) for foot in feet)


def _tall(sequence: Sequence, height: float) -> Finding:
    units = "millimetres" if height > 500 else "centimetres"
    why = f"taken for metres: {units}" if height > _HEIGHT_OF_OTHER_UNITS else "body height"
    expected = f"a body of {_HEIGHTS_M[0]} to {_HEIGHTS_M[1]} m along the bones"
    return _of_joints(sequence, why, expected, f"{height:.4g} m")


def _behind(sequence: Sequence) -> Iterator[Finding]:
    if sequence.joints is not None and sequence.space == "camera":
        behind = float((sequence.joints[..., 2] <= 0).mean())
        if behind > _MOST_BEHIND:
            found = f"{behind:.0%} with z of 0 or less (relative to the root, or a wrong camera?)"
            yield _of_joints(sequence, "behind the camera", "joints in front of it", found)


def _apart(sequence: Sequence) -> Iterator[Finding]:
    """Keypoints that are elsewhere than the projected joints of the same name."""
    camera, joints, keypoints = sequence.camera, sequence.joints, sequence.keypoints
    if camera is None or joints is None or keypoints is None:
        return
    if sequence.skeleton_in is None or sequence.skeleton_out is None:
        return
    names_in = [_SAME_JOINT.get(name, name) for name in sequence.skeleton_in.joints]
    names_out = [_SAME_JOINT.get(name, name) for name in sequence.skeleton_out.joints]
    both = [name for name in names_in if name in names_out]
    mirrored = [both.index(_mirrored(name)) for name in both]
    projected = camera.project(joints)[:, [names_out.index(name) for name in both]]
    seen = keypoints[:, [names_in.index(name) for name in both]]
    spread = np.linalg.norm(np.ptp(projected, axis=1), axis=-1)
    if not np.isfinite(spread).any() or not np.isfinite(seen - projected).any():
        return
    person = float(np.nanmedian(spread))
    apart, swapped = (
        float(np.nanmedian(np.linalg.norm(seen[:, order] - projected, axis=-1)))
        for order in (range(len(both)), mirrored)
    )
    make = partial(_of_keypoints, sequence)
    if apart > _LEAST_SWAPPED * person and swapped < apart / 2:
        found = f"{swapped:.0f} px between them with sides swapped, {apart:.0f} px as they are"
        yield make("left and right", "the same as in the projected 3D", found)
    elif apart > _MOST_APART * person:
        expected = (
            f"within {_MOST_APART * person:.0f} px of the joints that {camera.name} would see"
        )
        yield make("do not match the projected 3D", expected, f"{apart:.0f} px (median)")


def _mirrored(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    return "left_" + name.removeprefix("right_") if name.startswith("right_") else name


def _up(sequence: Sequence) -> Double:
    """Away from the ground, in the axes of the joints; a camera without a place is level."""
    if sequence.space == "world":
        return np.array([0.0, 0, 1])
    if sequence.camera is not None and sequence.camera.rotation is not None:
        return np.asarray(sequence.camera.rotation[:, 2], np.float64)
    return np.array([0.0, -1, 0])


def _lying(file: str, sequences: list[Sequence]) -> Iterator[Finding]:
    """A file whose people, on average over its frames, do not stand."""
    upright, frames = 0.0, 0
    mean = np.zeros(3)
    for sequence in sequences:
        joints, skeleton = sequence.joints, sequence.skeleton_out
        ends = _ends(skeleton) if skeleton else None
        if joints is None or ends is None:
            continue
        body = joints[:, ends[0]] - joints[:, ends[1]].mean(1)
        body = body / np.maximum(np.linalg.norm(body, axis=-1, keepdims=True), 1e-9)
        body = body[np.isfinite(body).all(-1)]
        upright += float((body @ _up(sequence)).sum())
        mean += body.sum(0)
        frames += len(body)
    if frames and upright / frames < _LEAST_UPRIGHT:
        axis = int(np.abs(mean).argmax())
        heads = f"{'+' if mean[axis] > 0 else '-'}{'xyz'[axis]}"
        posture = "lie" if upright / frames > -_LEAST_UPRIGHT else "stand on their heads"
        axes = "world axes z up" if sequences[0].space == "world" else "camera axes x right, y down"
        found = (
            f"people who {posture} on average: heads towards {heads} of their {sequences[0].space}"
        )
        yield Finding(file or "joints", "", "order or sign of axes", axes, found)
