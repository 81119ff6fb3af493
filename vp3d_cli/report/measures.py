"""The numbers of each person of a result; where one is unknown, why."""

from __future__ import annotations

import numpy as np

from vp3d_cli.refine import bones, feet
from vp3d_cli.report.clock import stretches
from vp3d_cli.report.values import NUMBERS, Person, Series
from vp3d_cli.report.words import left_out, options_of, positive
from vp3d_cli.types import Bool, Double, Real, Result, Skeleton, Track2D, Track3D, World

# A keypoint of at least this score is seen.
SEEN_SCORE = 0.3
PARTS = {
    "face": ("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    "trunk": ("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
    "arms": ("left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    "legs": ("left_knee", "right_knee", "left_ankle", "right_ankle"),
    "feet": ("left_ankle", "right_ankle"),
}
# A part is seen where so large a share of its keypoints is.
_MOST_OF_IT = 0.5
# Steps in time shorter than this are a broken clock, seconds.
_LEAST_STEP_S = 1e-4
# Cosines with up and with the line of sight: 60 and 120 degrees from upright, 37 from the sight.
_LYING, _UPSIDE_DOWN, _ALONG_SIGHT = 0.5, -0.5, 0.8
# Stretches closer than this are told as one, seconds.
_JOIN_S = 0.25

_Found = dict[str, "float | str"]


def person_of(result: Result, position: int) -> Person:
    """All numbers of one person.

    Args:
        result: the poses.
        position: of the person in `result.tracks2d`.
    """
    track2d, track3d = result.tracks2d[position], result.tracks3d[position]
    series = _series(result, track2d, track3d)
    found: _Found = {}
    for part in (
        _presence(result, track2d, track3d),
        _fit(result, series),
        _motion(result, track3d, series),
        _sliding(result, track2d, track3d),
        _body(result, track2d, track3d),
        _attitude(track3d, result.world),
    ):
        found.update(part)
    known = {key: v for key, v in found.items() if isinstance(v, float) and np.isfinite(v)}
    why = {key: v for key, v in found.items() if isinstance(v, str)}
    return Person(
        track_id=track2d.track_id,
        numbers={key: known.get(key, float("nan")) for key in NUMBERS},
        missing={key: why.get(key, "not known") for key in NUMBERS if key not in known},
        joints=_joints(track3d),
        parts=_parts(track2d),
        filled=stretches(~track2d.observed, track2d.times_s, _JOIN_S),
        at_risk=stretches(track2d.at_risk, track2d.times_s, _JOIN_S),
        series=series,
    )


def mean(values: Real, axis: int | tuple[int, ...] | None = None) -> Double:
    """The mean of what is finite; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis, dtype=np.float64)
    count = known.sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def accelerations(joints: Real, times_s: Real, skeleton: Skeleton) -> Double:
    """The mean over joints of the norm of the second difference, (T,) m/s².

    The root joint, in which everything is relative, does not count. NaN at both ends, and where
    a joint or its neighbours in time are not known; times need not be even.

    Args:
        joints: (T, J, 3) metres.
        times_s: (T,).
        skeleton: of the joints.
    """
    found = np.full(len(joints), np.nan)
    if len(joints) < 3:
        return found
    moving = [j for j, name in enumerate(skeleton.joints) if name != skeleton.root]
    steps = np.diff(times_s)[:, None, None]
    steps = np.where(steps > _LEAST_STEP_S, steps, np.nan)
    velocity = np.diff(joints[:, moving].astype(np.float64), axis=0) / steps
    change = np.diff(velocity, axis=0) / ((steps[1:] + steps[:-1]) / 2)
    found[1:-1] = mean(np.linalg.norm(change, axis=-1), 1)
    return found


def real_times(result: Result, times_s: Double) -> Double:
    """Times as the motion was, of a video that shows it slower or faster (`--real-fps`)."""
    real_fps = positive(options_of(result).get("real_fps"))
    return times_s if real_fps is None else times_s * (float(result.video.fps) / real_fps)


def _series(result: Result, track2d: Track2D, track3d: Track3D) -> Series:
    times_s = real_times(result, track2d.times_s)
    sides = np.maximum(track2d.boxes[:, 2:] - track2d.boxes[:, :2], 1).astype(np.float64)
    size = np.sqrt(sides.prod(-1))
    residual = track3d.residual_px.astype(np.float64)
    root = track3d.skeleton.index(track3d.skeleton.root or track3d.skeleton.joints[0])
    is_height = result.world.is_known
    place = result.world.of(track3d)[:, root, 2] if is_height else track3d.root[:, 2]
    return Series(
        frames=track2d.frames,
        times_s=track2d.times_s,
        confidence=mean(track3d.confidence, 1),
        residual_px=residual,
        residual_share=residual / size,
        jitter_before=accelerations(track3d.raw, times_s, track3d.skeleton),
        jitter=accelerations(track3d.joints, times_s, track3d.skeleton),
        place_m=place.astype(np.float64),
        is_height=is_height,
        filled=~track2d.observed,
        at_risk=track2d.at_risk,
    )


def _presence(result: Result, track2d: Track2D, track3d: Track3D) -> _Found:
    posed = np.isfinite(track3d.joints).any((1, 2))
    read = positive(result.provenance.get("num_frames_read"))
    confidence = float(mean(track3d.confidence))
    return {
        "coverage_percent": min(100 * float(posed.sum()) / read, 100.0)
        if read
        else "the file does not say how many frames were read",
        "span_coverage_percent": 100 * float(posed.mean()),
        "filled_percent": 100 * float((~track2d.observed).mean()),
        "at_risk_percent": 100 * float(track2d.at_risk.mean()),
        "confidence_percent": 100 * confidence
        if np.isfinite(confidence)
        else "no joint has a confidence",
    }


def _fit(result: Result, series: Series) -> _Found:
    keys = ("residual_px", "residual_percent", "residual_p95_px")
    known = np.isfinite(series.residual_px)
    if not known.any():
        why = "no keypoint was seen well enough, or where the person stands is not known"
        if left_out(result, "root"):
            why = "where people stand was left out"
        return dict.fromkeys(keys, why)
    pixels = series.residual_px[known]
    share = series.residual_share[np.isfinite(series.residual_share)]
    values = np.median(pixels), 100 * np.median(share), np.percentile(pixels, 95)
    return {key: float(value) for key, value in zip(keys, values, strict=True)}


def _motion(result: Result, track3d: Track3D, series: Series) -> _Found:
    few = "it takes three frames one after the other" if len(track3d) < 3 else "joints are unknown"
    has_raw = np.isfinite(track3d.raw).any()
    no_raw = few if has_raw else "the file does not hold the raw joints"
    jitter, before = float(mean(series.jitter)), float(mean(series.jitter_before))
    bones_after = _variation(track3d.joints, track3d.skeleton)
    bones_before = _variation(track3d.raw, track3d.skeleton)
    speed = _speed(track3d, real_times(result, series.times_s))
    placed = np.isfinite(track3d.root).any()
    short = "it takes two frames in which all joints are known"
    return {
        "jitter_m_s2": jitter if np.isfinite(jitter) else few,
        "jitter_before_m_s2": before if np.isfinite(before) else no_raw,
        "bone_variation_percent": bones_after if np.isfinite(bones_after) else short,
        "bone_variation_before_percent": bones_before
        if np.isfinite(bones_before)
        else (short if has_raw else no_raw),
        "speed_m_s": speed
        if np.isfinite(speed)
        else (few if placed else "where the person stands is not known"),
    }


def _variation(joints: Real, skeleton: Skeleton) -> float:
    """`bones.variation` in percent; NaN where fewer than two frames are whole."""
    if np.isfinite(joints).all((1, 2)).sum() < 2 or not skeleton.edges:
        return float("nan")
    return 100 * bones.variation(joints.astype(np.float64), skeleton)


def _speed(track3d: Track3D, times_s: Double) -> float:
    steps = np.diff(times_s)
    moved = np.linalg.norm(np.diff(track3d.root.astype(np.float64), axis=0), axis=-1)
    known = np.isfinite(moved) & (steps > _LEAST_STEP_S)
    return float(np.median(moved[known] / steps[known])) if known.any() else float("nan")


def _sliding(result: Result, track2d: Track2D, track3d: Track3D) -> _Found:
    """Foot skate, before and after, and how long feet stood."""
    keys = ("skate_before_mm_s", "skate_mm_s")
    names = [f"{side}_{part}" for side in ("left", "right") for part in ("hip", "knee", "foot")]
    if any(name not in track3d.skeleton.joints for name in names):
        return dict.fromkeys((*keys, "contact_s"), "the skeleton has no feet")
    times_s = real_times(result, track2d.times_s)
    standing = track3d.contacts
    both = (standing[1:] & standing[:-1]).sum(1)
    contact_s = float((np.diff(times_s) * both).sum())
    if contact_s <= 0:
        return {**dict.fromkeys(keys, _no_contact(result, track2d)), "contact_s": contact_s}
    ankles = feet.Legs.of(track3d.skeleton).feet
    found: _Found = {"contact_s": contact_s}
    for key, joints in zip(keys, (track3d.raw, track3d.joints), strict=True):
        steps = joints[:, ankles].astype(np.float64) + track3d.root[:, None]
        slid = feet.skate(steps, standing, times_s)
        found[key] = slid if np.isfinite(slid) else "where the feet are is not known"
    return found


def _no_contact(result: Result, track2d: Track2D) -> str:
    if _parts(track2d).get("feet", 0.0) < _MOST_OF_IT:
        return "the feet are hardly seen"
    if "camera moves" in result.world.how:
        return "the camera moves"
    if left_out(result, "world"):
        return "contacts of feet were left out"
    return "no foot is seen to stand"


def _body(result: Result, track2d: Track2D, track3d: Track3D) -> _Found:
    sides = track2d.boxes[:, 2:] - track2d.boxes[:, :2]
    longer = sides.max(1)[track2d.observed & np.isfinite(sides).all(1)]
    unseen = "the person was never detected"
    size = float(np.median(longer)) if len(longer) else float("nan")
    depth = track3d.root[:, 2][np.isfinite(track3d.root[:, 2])]
    tall = bones.stature(track3d)
    return {
        "size_px": size if len(longer) else unseen,
        "size_percent": 100 * size / result.video.height if len(longer) else unseen,
        "distance_m": float(np.median(depth))
        if len(depth)
        else "where the person stands is not known",
        "stature_m": tall if np.isfinite(tall) else "the bones from foot to head are not known",
    }


def _attitude(track3d: Track3D, world: World) -> _Found:
    """Whether the trunk is upright, lying, upside down, or points along the line of sight."""
    keys = ("lying_percent", "upside_down_percent", "along_sight_percent")
    names = track3d.skeleton.joints
    if "hip" not in names or "thorax" not in names:
        return dict.fromkeys(keys, "the skeleton has no trunk")
    hip, thorax = names.index("hip"), names.index("thorax")
    trunk = (track3d.joints[:, thorax] - track3d.joints[:, hip]).astype(np.float64)
    size = np.linalg.norm(trunk, axis=-1)
    known = np.isfinite(size) & (size > 0)
    if not known.any():
        return dict.fromkeys(keys, "joints are unknown")
    trunk = trunk[known] / size[known, None]
    up = world.camera_to_world[2, :3] if world.is_known else np.array([0.0, -1.0, 0.0])
    upright = trunk @ up
    shares = (
        (np.abs(upright) < _LYING).mean(),
        (upright < _UPSIDE_DOWN).mean(),
        (np.abs(trunk[:, 2]) > _ALONG_SIGHT).mean(),
    )
    return {key: 100 * float(share) for key, share in zip(keys, shares, strict=True)}


def _joints(track3d: Track3D) -> dict[str, float]:
    by_joint = mean(track3d.confidence, 0)
    return dict(zip(track3d.skeleton.joints, by_joint.tolist(), strict=True))


def _parts(track2d: Track2D) -> dict[str, float]:
    names = track2d.skeleton.joints
    found = {}
    for part, keypoints in PARTS.items():
        rows = [names.index(name) for name in keypoints if name in names]
        if rows:
            found[part] = float(_seen(track2d, rows).mean())
    return found


def _seen(track2d: Track2D, rows: list[int]) -> Bool:
    """Where (T,) most of some keypoints are seen; of the frames in which anybody was detected."""
    looked = track2d.observed if track2d.observed.any() else np.ones(len(track2d), bool)
    sure = np.nan_to_num(track2d.scores[looked][:, rows]) >= SEEN_SCORE
    return np.asarray(sure.mean(1) >= _MOST_OF_IT)
