"""What the page knows of a result: JSON, and the arrays packed small.

The page's frame of reference (the scene): metres, x right, y ahead, z up, the floor at 0.
Missing is NaN here and in the page.
"""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli.errors import DataError
from vp3d_cli.export import _angles, _frame
from vp3d_cli.types import Double, Json, Result, Skeleton, Track3D

# What one count of a packed number stands for.
STEPS: dict[str, float] = {
    "joints": 1e-4,  # m
    "confidence": 1 / 250,
    "keypoints": 1 / 16,  # px
    "scores": 1 / 250,
    "observed": 1.0,
    "angles": 1 / 20,  # degrees
}
# Of those that `_angles.py` defines.
ANGLES = ("knee_flexion", "hip_flexion", "elbow_flexion", "shoulder_elevation")
SIDES = ("left", "right")
_MISSING = -(1 << 31)
_MOST_COUNTS = float(1 << 30)  # what is further out is a broken number, and missing
# Eighteen hours at 30 frames a second; no browser holds more.
_MOST_FRAMES = 2_000_000
_BESIDE_M = 1.3
_SOLE_M = 0.03
# Camera axes (x right, y down, z ahead) to the scene's, for a level camera.
_UPRIGHT = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


@dataclass(frozen=True)
class Placement:
    """Where people stand in the scene.

    Attributes:
        kind: "world", "camera" (as far as known, over a guessed floor) or "beside" (each over
            a place of its own).
        joints: (T, J, 3) of each track, metres.
        camera_to_scene: (4, 4); None where the camera has no place among them.
    """

    kind: str
    joints: tuple[Double, ...]
    camera_to_scene: Double | None


def place(result: Result) -> Placement:
    """Put everybody into the scene, in the best frame of reference that is known."""
    tracks = result.tracks3d
    placed = [bool(np.isfinite(track.root).all(-1).any()) for track in tracks]
    if not any(placed):
        return Placement(
            "beside", tuple(_beside(t, i, len(tracks)) for i, t in enumerate(tracks)), None
        )
    if result.world.is_known:
        kind, matrix = "world", result.world.camera_to_world.astype(np.float64)
    else:
        kind, matrix = "camera", np.eye(4)
        matrix[:3, :3] = _UPRIGHT
        lowest = [
            _lowest(_moved(t, matrix)) for t, known in zip(tracks, placed, strict=True) if known
        ]
        matrix[2, 3] = _SOLE_M - min(lowest)
    joints = [
        _moved(track, matrix) if known else _beside(track, i, len(tracks))
        for i, (track, known) in enumerate(zip(tracks, placed, strict=True))
    ]
    return Placement(kind, tuple(joints), matrix)


def timeline(result: Result) -> tuple[int, Double]:
    """The first frame of the page, and the presentation time (F,) of every frame, seconds.

    Frames in which nobody is are there too; the times of those are estimated.

    Raises:
        DataError: there are more frames than a page can hold.
    """
    tracks, fps = result.tracks2d, float(result.video.fps)
    options = result.provenance.get("options")
    is_part = isinstance(options, dict) and options.get("start_s") is not None
    first = min((int(t.frames[0]) for t in tracks), default=0) if is_part else 0
    end = max((int(t.frames[-1]) + 1 for t in tracks), default=first)
    read = result.provenance.get("num_frames_read")
    if type(read) is int and 0 <= read <= _MOST_FRAMES:
        end = max(end, first + read)
    if end - first > _MOST_FRAMES:
        raise DataError(
            f"the result spans {end - first} frames; a page holds {_MOST_FRAMES} at most: "
            "make it of a part (--start, --end)"
        )
    times = np.full(end - first, np.nan)
    for track in tracks:
        times[track.frames - first] = track.times_s
    known = np.flatnonzero(np.isfinite(times))
    if not len(known):
        return first, (first + np.arange(end - first)) / fps
    every = np.arange(end - first)
    filled = np.interp(every, known, times[known])
    before, after = every < known[0], every > known[-1]
    filled[before] += (every[before] - known[0]) / fps
    filled[after] += (every[after] - known[-1]) / fps
    return first, np.maximum.accumulate(filled)


def pack(result: Result) -> tuple[Json, str]:
    """What the page shows, as JSON and as base64 of the packed arrays.

    Raises:
        DataError: it is too long for a page.
    """
    first, times = timeline(result)
    placement = place(result)
    parts = [times.astype("<f8").tobytes()]
    for track2d, track3d, joints in zip(
        result.tracks2d, result.tracks3d, placement.joints, strict=True
    ):
        columns: dict[str, NDArray[Any]] = {
            "joints": joints,
            "confidence": track3d.confidence,
            "keypoints": track2d.keypoints,
            "scores": track2d.scores,
            "observed": track2d.observed,
            "angles": _angles_of(joints, track3d.skeleton),
        }
        parts += [_packed(columns[name], step) for name, step in STEPS.items()]
    about = _about(result, placement) | {"first": first, "frames": len(times)}
    return about, base64.b64encode(zlib.compress(b"".join(parts), 9)).decode("ascii")


def _angles_of(joints: Double, skeleton: Skeleton) -> Double:
    """Degrees (T, A): of each of ANGLES the left one, then the right one."""
    y_up = joints[..., [0, 2, 1]] * (1, 1, -1)
    found = _angles.measured(_angles.Body.of(y_up, skeleton))
    return np.stack([found[f"{name}_{side}"] for name in ANGLES for side in SIDES], -1)


def _about(result: Result, placement: Placement) -> Json:
    tracks = result.tracks2d
    names = [(a.skeleton, b.skeleton) for a, b in zip(tracks, result.tracks3d, strict=True)][:1]
    scores = [t.scores[t.observed & (t.scores > 0).any(-1)] for t in tracks]
    return {
        "name": result.video.path.name,
        "width": result.video.width,
        "height": result.video.height,
        "fps": float(result.video.fps),
        "slowed": _frame.slowed(result),
        "hasAudio": result.video.has_audio,
        "steps": STEPS,
        "angles": [f"{side} {name}" for name in ANGLES for side in SIDES],
        "skeleton2d": _skeleton(names[0][0]) if names else None,
        "skeleton3d": _skeleton(names[0][1]) if names else None,
        "people": [{"id": t.track_id, "first": int(t.frames[0]), "length": len(t)} for t in tracks],
        "typicalScore": _typical(scores),
        "typicalConfidence": _typical([t.confidence for t in result.tracks3d]),
        "placement": placement.kind,
        "how": result.world.how,
        "camera": _camera(result, placement),
        "detector": _named(result, "detector"),
        "lifter": _named(result, "lifter"),
        "version": str(result.provenance.get("version", "")),
    }


def _skeleton(skeleton: Skeleton) -> Json:
    return {
        "joints": list(skeleton.joints),
        "edges": [list(edge) for edge in skeleton.edge_indices],
        "sides": list(skeleton.sides),
        "root": skeleton.index(skeleton.root) if skeleton.root else 0,
    }


def _camera(result: Result, placement: Placement) -> Json | None:
    focal_px = result.camera.focal_px
    if placement.camera_to_scene is None or not math.isfinite(focal_px):
        return None
    return {"focalPx": focal_px, "toScene": placement.camera_to_scene.ravel().tolist()}


def _named(result: Result, key: str) -> str:
    stage: Any = result.provenance.get(key)
    return str(stage.get("name", "")) if isinstance(stage, dict) else ""


def _typical(groups: list[NDArray[np.float32]]) -> float:
    """What is well seen here: scores have no common scale between detectors."""
    flat = np.concatenate([g.ravel() for g in groups]) if groups else np.zeros(0, np.float32)
    flat = flat[flat > 0]
    return float(np.percentile(flat, 80)) if len(flat) else 1.0


def _moved(track: Track3D, matrix: Double) -> Double:
    points = track.joints.astype(np.float64) + track.root[:, None]
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def _beside(track: Track3D, position: int, count: int) -> Double:
    """Upright over a place of its own, the lowest joint near the floor most of the time."""
    joints = track.joints.astype(np.float64) @ _UPRIGHT.T
    joints[..., 0] += _BESIDE_M * (position - (count - 1) / 2)
    joints[..., 2] += _SOLE_M - _lowest(joints)
    return np.asarray(joints)


def _lowest(joints: Double) -> float:
    """Where the lowest joint mostly is, metres; 0 where nothing is known."""
    known = np.isfinite(joints[..., 2])
    lowest = np.where(known, joints[..., 2], np.inf).min(-1)
    lowest = lowest[np.isfinite(lowest)]
    return float(np.percentile(lowest, 5)) if len(lowest) else 0.0


def _packed(values: NDArray[Any], step: float) -> bytes:
    """Rows (T, ...) as counts of `step`: differences over time, sign last, bytes by their weight.

    All that makes neighbours alike, for zlib. data.js undoes it.
    """
    rows = np.asarray(values, np.float64).reshape(len(values), -1)
    scaled = rows / step
    usable = np.abs(np.nan_to_num(scaled, nan=np.inf)) < _MOST_COUNTS
    counts = np.full(rows.shape, _MISSING, np.int32)
    counts[usable] = np.rint(scaled[usable]).astype(np.int32)
    with np.errstate(over="ignore"):  # differences wrap around, and so do their sums
        change = np.diff(counts, axis=0, prepend=np.zeros((1, rows.shape[1]), np.int32))
        zigzag = (change << 1) ^ (change >> 31)
    by_weight = np.ascontiguousarray(zigzag.T, "<i4").view(np.uint8).reshape(-1, 4).T
    return by_weight.tobytes()
