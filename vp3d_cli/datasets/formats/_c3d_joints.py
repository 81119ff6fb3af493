"""Joint centres from the points of a C3D file: joints by their names, or markers on the skin.

Where a file names a joint, that is taken. Otherwise joints follow from markers that are named as
in Plug-in Gait or in the CMU set. What is computed, and how far it can be trusted:

- hips: the regression of Harrington et al., "Prediction of the hip joint centre in adults,
  children, and patients with cerebral palsy based on magnetic resonance imaging", J. Biomech.
  40 (2007), by the width and the depth of the pelvis alone; within about 1 cm.
- knees, ankles: halfway to the medial marker where there is one. Otherwise the width of the
  subject's joint is not known: the lateral marker, moved inwards by half the width of a mean
  adult's joint along the line between the hips; within 1 cm while the leg is not turned, 5 cm
  where it is.
- shoulders: below the marker on the acromion by 17% of the distance between the two, after Rab
  et al., "A method for determination of upper extremity kinematics", Gait & Posture 15 (2002).
- elbows: the lateral marker itself, 3 to 4 cm off, unless there is a medial one.
- wrists: between the two markers.
- thorax: between C7 and CLAV, or between the shoulders. Spine: between hip and thorax.
- head: the middle of the head band, or as far above the ears as these are above the thorax.
  Neck: between thorax and head, or between the ears.

The radius of a marker is not taken off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from vp3d_cli.skeletons import get
from vp3d_cli.types import Double

SKELETON = get("h36m17")
# Half the width of a mean adult's joint, metres.
_HALF_KNEE_M, _HALF_ANKLE_M = 0.05, 0.035
_ACROMION_DROP = 0.17
# Cosine between the trunk and the pelvis's axis up: nobody bends so far for half a clip.
_MIRRORED = -0.5

Points = Mapping[str, Double]

# Our joint: what files that hold joints call it; "{}" stands for the side, as in "left" or "l".
# The last of a limb is Plug-in Gait's origin of the bone that begins there.
_JOINT_NAMES = {
    "hip": ("hip", "hips", "pelvis", "midhip", "hipcenter", "hipcentre", "root"),
    "spine": ("spine",),
    "thorax": ("thorax",),
    "head": ("head", "headtop"),
    "hip_side": ("{}hip", "{}hjc", "{}hipjc", "{}hipjointcenter", "{}hipjointcentre", "{}fep"),
    "knee": ("{}knee", "{}kjc", "{}kneejc", "{}kneejointcenter", "{}kneejointcentre", "{}feo"),
    "foot": (
        *("{}ankle", "{}ajc", "{}anklejc", "{}anklejointcenter", "{}anklejointcentre"),
        *("{}foot", "{}tio"),
    ),
    "shoulder": (
        *("{}shoulder", "{}sjc", "{}shoulderjc", "{}shoulderjointcenter"),
        *("{}shoulderjointcentre", "{}clo"),
    ),
    "elbow": ("{}elbow", "{}ejc", "{}elbowjc", "{}elbowjointcenter", "{}elbowjointcentre", "{}huo"),
    "wrist": ("{}wrist", "{}wjc", "{}wristjc", "{}wristjointcenter", "{}wristjointcentre", "{}rao"),
}
# A marker: its names; the first is what messages say.
_MARKER_NAMES = {
    "asis": ("{}asi", "{}asis", "{}fwt"),
    "psis": ("{}psi", "{}psis", "{}bwt"),
    "knee": ("{}kne", "{}lkne", "{}kneelat", "{}flep"),
    "knee_medial": ("{}knm", "{}knem", "{}mkne", "{}knemed", "{}kneemed", "{}fmep"),
    "ankle": ("{}ank", "{}lank", "{}anklat", "{}lmal"),
    "ankle_medial": ("{}anm", "{}ankm", "{}mank", "{}ankmed", "{}anklemed", "{}mmal", "{}med"),
    "acromion": ("{}sho", "{}acr", "{}acromion"),
    "elbow": ("{}elb", "{}elblat", "{}lelb"),
    "elbow_medial": ("{}elm", "{}elbm", "{}melb", "{}elbmed", "{}elbowmed"),
    "wrist_a": ("{}wra", "{}wri", "{}wrthumb"),
    "wrist_b": ("{}wrb", "{}wri", "{}wrpinky"),
    "head_front": ("{}fhd",),
    "head_back": ("{}bhd",),
    "ear": ("{}ear",),
}
_SACRUM = ("sacr", "sacrum")
# What a joint that cannot be had needs, for messages.
_NEEDS = {
    "hip": "LASI, RASI, LPSI, RPSI, or HIP",
    "hip_side": "LASI, RASI, LPSI, RPSI, or {}HJC",
    "knee": "{}KNE, or {}KJC",
    "foot": "{}ANK, or {}AJC",
    "spine": "the hips and the thorax, or SPINE",
    "thorax": "C7 and CLAV, or the shoulders",
    "neck": "the thorax and the head",
    "head": "LFHD, RFHD, LBHD, RBHD, or HEAD",
    "shoulder": "LSHO and RSHO, or {}SJC",
    "elbow": "{}ELB, or {}EJC",
    "wrist": "{}WRA and {}WRB, or {}WJC",
}


def plain(label: str) -> str:
    """Without a prefix such as "Subject:", capitals and signs."""
    return re.sub(r"[^a-z0-9]", "", label.rpartition(":")[2].lower())


def needed(joint: str) -> str:
    """The labels that would give a joint, in words."""
    side, _, part = joint.partition("_")
    key = ("hip_side" if part == "hip" else part) if part else joint
    return _NEEDS[key].replace("{}", side[0].upper())


def centres(points: Points) -> dict[str, Double]:
    """The joints of Human3.6M that can be had, each (T, 3).

    Args:
        points: by `plain` name, (T, 3) metres in right-handed axes; NaN where missing.
    """
    found: dict[str, Double | None] = {}
    hips = _hips(points)
    for side, hip in zip(("left", "right"), hips, strict=True):
        found[f"{side}_hip"] = hip
    found["hip"] = _first(points, _JOINT_NAMES["hip"])
    if found["hip"] is None:
        found["hip"] = _middle(hips)
    for side, hip, other in zip(("left", "right"), hips, reversed(hips), strict=True):
        knee = _leg_joint(points, side, "knee", hip, hip, other, _HALF_KNEE_M)
        found[f"{side}_knee"] = knee
        foot = _leg_joint(points, side, "foot", knee, hip, other, _HALF_ANKLE_M)
        found[f"{side}_foot"] = foot
        elbow = _marker(points, side, "elbow"), _marker(points, side, "elbow_medial")
        found[f"{side}_elbow"] = _either(_joint(points, side, "elbow"), _middle(elbow), elbow[0])
        wrist = _marker(points, side, "wrist_a"), _marker(points, side, "wrist_b")
        found[f"{side}_wrist"] = _either(_joint(points, side, "wrist"), _middle(wrist))
    _shoulders(points, found)
    _trunk(points, found)
    return {name: where for name, where in found.items() if where is not None}


def mirrored(points: Points) -> bool:
    """Whether left and right are exchanged, as far as markers around the pelvis tell.

    Right, forward and up are right-handed on every body, however it stands or lies.
    """
    left, right = (_marker(points, side, "asis") for side in ("left", "right"))
    back = _either(
        _middle([_marker(points, side, "psis") for side in ("left", "right")]),
        _first(points, _SACRUM),
    )
    thorax = centres(points).get("thorax")
    if left is None or right is None or back is None or thorax is None:
        return False
    front = (left + right) / 2
    up = np.cross(right - left, front - back)
    cosines = (_unit(up) * _unit(thorax - (front + back) / 2)).sum(-1)
    known = cosines[np.isfinite(cosines)]
    return bool(len(known)) and float(np.median(known)) < _MIRRORED


def _hips(points: Points) -> tuple[Double | None, Double | None]:
    """Left and right, by name or by regression."""
    named = tuple(_joint(points, side, "hip_side") for side in ("left", "right"))
    if named[0] is not None and named[1] is not None:
        return named[0], named[1]
    left, right = (_marker(points, side, "asis") for side in ("left", "right"))
    back = _middle([_marker(points, side, "psis") for side in ("left", "right")])
    back = _first(points, _SACRUM) if back is None else back
    if left is None or right is None or back is None:
        return named[0], named[1]
    front = (left + right) / 2
    width_m, depth_m = (_typical(np.linalg.norm(v, axis=-1)) for v in (right - left, front - back))
    lateral = _unit(right - left)
    forward = _unit(_across(front - back, lateral))
    up = np.cross(lateral, forward)
    # Harrington's table 3: what depends on the width or the depth of the pelvis alone, mm.
    ahead, above, beside = (
        -0.24 * depth_m - 0.0099,
        -0.30 * width_m - 0.0109,
        0.33 * width_m + 0.0073,
    )
    middle = front + ahead * forward + above * up
    return middle - beside * lateral, middle + beside * lateral


def _leg_joint(
    points: Points,
    side: str,
    part: str,
    above: Double | None,
    hip: Double | None,
    other_hip: Double | None,
    half_m: float,
) -> Double | None:
    """A knee or an ankle below the joint `above`."""
    marker = "knee" if part == "knee" else "ankle"
    lateral, medial = (_marker(points, side, name) for name in (marker, f"{marker}_medial"))
    known = _either(_joint(points, side, part), _middle((lateral, medial)))
    if known is not None or lateral is None:
        return known
    if above is None or hip is None or other_hip is None:
        return lateral
    inwards = _across(_unit(other_hip - hip), _unit(lateral - above))
    return lateral + half_m * inwards


def _shoulders(points: Points, found: dict[str, Double | None]) -> None:
    left, right = (_marker(points, side, "acromion") for side in ("left", "right"))
    hip = found["hip"]
    for side in ("left", "right"):
        joint = _joint(points, side, "shoulder")
        if joint is None and left is not None and right is not None and hip is not None:
            marker = left if side == "left" else right
            drop = _ACROMION_DROP * _typical(np.linalg.norm(left - right, axis=-1))
            joint = np.asarray(marker + drop * _unit(hip - (left + right) / 2))
        found[f"{side}_shoulder"] = joint


def _trunk(points: Points, found: dict[str, Double | None]) -> None:
    """Thorax, spine, neck and head."""
    # What others call the neck is where Human3.6M has its thorax.
    thorax = _either(
        _first(points, _JOINT_NAMES["thorax"]),
        _middle((points.get("c7"), points.get("clav"))),
        points.get("neck"),
        _middle((found["left_shoulder"], found["right_shoulder"])),
    )
    found["thorax"] = thorax
    found["spine"] = _either(_first(points, _JOINT_NAMES["spine"]), _middle((found["hip"], thorax)))
    ears = _middle([_marker(points, side, "ear") for side in ("left", "right")])
    bands = [
        _middle([_marker(points, side, where) for side in ("left", "right")])
        for where in ("head_front", "head_back")
    ]
    head = _either(_first(points, _JOINT_NAMES["head"]), _middle(bands))
    if head is None and ears is not None and thorax is not None:
        head = 2 * ears - thorax
    named = points.get("neck") if "thorax" in points else None
    found["neck"] = _either(named, ears, _middle((thorax, head)))
    found["head"] = head


def _joint(points: Points, side: str, part: str) -> Double | None:
    return _first(points, _sided(_JOINT_NAMES[part], side))


def _marker(points: Points, side: str, name: str) -> Double | None:
    return _first(points, _sided(_MARKER_NAMES[name], side))


def _sided(names: Sequence[str], side: str) -> list[str]:
    """The side before the name, then after it."""
    before = [name.format(word) for name in names for word in (side, side[0])]
    return before + [name.format("") + side for name in names]


def _first(points: Points, names: Sequence[str]) -> Double | None:
    return next((points[name] for name in names if name in points), None)


def _either(*choices: Double | None) -> Double | None:
    return next((choice for choice in choices if choice is not None), None)


def _middle(ends: Sequence[Double | None]) -> Double | None:
    a, b = ends
    return None if a is None or b is None else (a + b) / 2


def _across(vectors: Double, axis: Double) -> Double:
    """What is left of vectors (T, 3) without their part along unit vectors."""
    return np.asarray(vectors - (vectors * axis).sum(-1, keepdims=True) * axis)


def _unit(vectors: Double) -> Double:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9))


def _typical(values: Double) -> float:
    """The median of those that are known."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
