"""What the numbers mean and what to do next, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from vp3d_cli.report.footage import about_the_video
from vp3d_cli.report.values import Advice, Clock, Person
from vp3d_cli.report.words import clock as at
from vp3d_cli.report.words import count, left_out, number, options_of, stretches
from vp3d_cli.types import Result

_LEVELS = ("problem", "check", "note")
# Share of frames: a part of the body is hardly seen.
_HARDLY = 0.3
# Smaller people are easily missed, and badly measured: pixels, and percent of the picture's height.
SMALL_PX, SMALL_PERCENT = 80.0, 100 / 6
# Percent of a person's frames.
_FILLED, _MANY_FILLED, _POSTURE, _MOSTLY = 10.0, 35.0, 30.0, 70.0
# Percent of confidence.
_UNSURE, _VERY_UNSURE = 50.0, 35.0
# Percent of the person's size.
_OFF, _FAR_OFF = 7.0, 15.0
_NERVOUS_M_S2 = 25.0
_SKATE_MM_S = 250.0
_BONES_PERCENT = 2.0
_SHORT_S = 0.5


class _Found(NamedTuple):
    """What a rule says of one person: `fact` is about that person, the rest is the same for all."""

    level: str
    title: str
    fact: str
    meaning: str
    action: str


_Rule = Callable[[Person, Result], "_Found | None"]


def advice_for(result: Result, people: Sequence[Person], clock: Clock) -> tuple[Advice, ...]:
    """All advice, the gravest first; the same of several people is told once."""
    found = list(about_the_video(result, people, clock))
    for rule in _RULES:
        told = ((person.track_id, rule(person, result)) for person in people)
        found += _together((track_id, one) for track_id, one in told if one is not None)
    return tuple(sorted(found, key=lambda advice: _LEVELS.index(advice.level)))


def _together(told: Iterable[tuple[int, _Found]], most: int = 3) -> list[Advice]:
    """One rule's advice of all people, their facts one after the other."""
    groups: dict[tuple[str, str], list[tuple[int, _Found]]] = {}
    for track_id, found in told:
        groups.setdefault((found.title, found.meaning), []).append((track_id, found))
    merged = []
    for (title, meaning), same in groups.items():
        facts = [found.fact for _, found in same]
        if len(set(facts)) > 1:
            facts = [f"Person {track_id}: {found.fact}" for track_id, found in same[:most]]
            facts += [f"{len(same) - most} more: see below."] if len(same) > most else []
        else:
            facts = facts[:1]
        level = min((found.level for _, found in same), key=_LEVELS.index)
        words = " ".join(filter(None, [*facts, meaning]))
        who = tuple(track_id for track_id, _ in same)
        merged.append(Advice(level, title, words, same[0][1].action, who))
    return merged


def _parts_seen(person: Person, _: Result) -> _Found | None:
    parts = person.parts
    if not parts or parts.get("trunk", 0.0) < _HARDLY:
        return _Found(
            "problem",
            "Hardly any of the body is seen",
            "",
            "Not even shoulders and hips have a usable score in most frames; the 3D pose is a "
            "guess.",
            "Film closer and with more light, or try another --detector.",
        )
    if parts["legs"] < _HARDLY:
        return _Found(
            "check",
            "Upper body only",
            "",
            "Knees and ankles are out of the picture or hidden, so the legs are the lifter's "
            "guess; floor, foot contacts and the distance are not to be trusted.",
            "Use only joints above the hip, or film from farther away so that the feet are in "
            "the picture.",
        )
    if parts["feet"] < _HARDLY:
        return _Found(
            "check",
            "Feet not seen",
            "",
            "Ankles are out of the picture or hidden in most frames: no floor and no foot contacts "
            "can be found from them.",
            "Film so that the feet are in the picture.",
        )
    return None


def _small(person: Person, _: Result) -> _Found | None:
    size, share = person.numbers["size_px"], person.numbers["size_percent"]
    if not (size < SMALL_PX or share < SMALL_PERCENT):
        return None
    return _Found(
        "check",
        "Person too small",
        f"{number(size)} px, {number(share)} % of the picture's height.",
        "At such a size keypoints are coarse, and people are often missed.",
        "Film closer or at a higher resolution, or crop the video; for a large picture try a "
        "larger --detect-size, or --detector keypoint-rcnn.",
    )


def _filled(person: Person, _: Result) -> _Found | None:
    share = person.numbers["filled_percent"]
    if not share > _FILLED:
        return None
    return _Found(
        "problem" if share > _MANY_FILLED else "check",
        "Many frames filled in",
        f"{number(share)} % of the frames ({stretches(person.filled)}).",
        "There the detector lost the person, and the pose is interpolated, not seen.",
        "Leave these frames out (observed is False in the pose file), or split the person there "
        "with a smaller --max-gap.",
    )


def _at_risk(person: Person, _: Result) -> _Found | None:
    if not person.at_risk:
        return None
    return _Found(
        "check",
        "People very close to each other",
        f"At {stretches(person.at_risk)}.",
        "Somebody else was so close that the two may be mixed up from there on.",
        "Check in the video (vp3d render pose.npz --video …) that ids stay with their people.",
    )


def _unsure(person: Person, result: Result) -> _Found | None:
    share = person.numbers["confidence_percent"]
    if not share < _UNSURE:
        return None
    calibrated = not left_out(result, "calibration")
    return _Found(
        "problem" if calibrated and share < _VERY_UNSURE else "check",
        "Low confidence",
        f"{number(share)} % for the average joint.",
        "Many keypoints are hidden, blurred or contradict each other.",
        "Look at the least certain moments; use joints by their confidence_3d, or try another "
        "--detector.",
    )


def _beside(person: Person, _: Result) -> _Found | None:
    share = person.numbers["residual_percent"]
    if not share > _OFF:
        return None
    return _Found(
        "problem" if share > _FAR_OFF else "check",
        "High reprojection error",
        f"{number(share, 1)} % of the person's size.",
        "So far the 3D pose, seen through the camera, lies from the keypoints: a wrong focal "
        "length, an unusual pose, or wrong keypoints.",
        "Give the true --focal; look at the least certain moments.",
    )


def _unplaced(person: Person, result: Result) -> _Found | None:
    if "residual_px" not in person.missing or left_out(result, "root"):
        return None
    return _Found(
        "check",
        "Cannot be compared with the picture",
        "",
        f"There is no reprojection error: {person.missing['residual_px']}.",
        "Treat the pose as relative to the hip only.",
    )


def _nervous(person: Person, _: Result) -> _Found | None:
    jitter = person.numbers["jitter_m_s2"]
    if not jitter > _NERVOUS_M_S2:
        return None
    return _Found(
        "check",
        "Nervous motion",
        f"Joints accelerate by {number(jitter)} m/s² on average.",
        "That is a very fast motion, or noise.",
        "Where the motion was calm, lower --smooth (6 Hz unless given), and do not leave the "
        "smoothing out.",
    )


def _bones(person: Person, _: Result) -> _Found | None:
    share = person.numbers["bone_variation_percent"]
    if not share > _BONES_PERCENT:
        return None
    return _Found(
        "note",
        "Bones change their lengths",
        f"By {number(share, 1)} %.",
        "Constant lengths were left out, or could not be kept.",
        "Run again without --faithful and without --without bones.",
    )


def _posture(person: Person, _: Result) -> _Found | None:
    numbers = person.numbers
    if numbers["upside_down_percent"] > _POSTURE:
        title, seen = "Upside down", numbers["upside_down_percent"]
    elif numbers["along_sight_percent"] > _POSTURE:
        title, seen = "Seen from above, or pointing at the camera", numbers["along_sight_percent"]
    elif numbers["lying_percent"] > _POSTURE:
        title, seen = "Lying or bent over", numbers["lying_percent"]
    else:
        return None
    inverted = numbers["upside_down_percent"] > _MOSTLY
    return _Found(
        "problem" if inverted else "check",
        title,
        f"In {number(seen)} % of the frames.",
        "Such poses are rare in what detectors and lifters learn from: expect exchanged limbs, "
        "wrong depth and no floor.",
        "Check the least certain moments. If people are upright in truth, the video may be turned: "
        "rotate it first. A camera at chest height, seeing people from the side, works best.",
    )


def _skating(person: Person, result: Result) -> _Found | None:
    speed = person.numbers["skate_mm_s"]
    if not speed > _SKATE_MM_S or options_of(result).get("foot_lock") is True:
        return None
    return _Found(
        "note",
        "Feet slide",
        f"{number(speed)} mm each second of contact.",
        "Feet that stand should not move.",
        "For animation, run again with --foot-lock.",
    )


def _short(person: Person, _: Result) -> _Found | None:
    frames = len(person.series.frames)
    if person.last_s - person.first_s >= _SHORT_S:
        return None
    if person.numbers["coverage_percent"] == 100:
        return _Found(
            "check" if frames == 1 else "note",
            "Hardly any time to look at",
            f"{count(frames, 'frame', 'frames')}.",
            "Lifters tell depth from motion: a moment says less, and motion cannot be measured.",
            "Give a longer video, where there is one.",
        )
    return _Found(
        "note",
        "Only there for a moment",
        f"{count(frames, 'frame', 'frames')} at {at(person.first_s)}.",
        "Too few to measure motion.",
        "Where this is the same person as another, a longer --max-gap joins the two.",
    )


_RULES: tuple[_Rule, ...] = (
    _parts_seen, _unsure, _filled, _beside, _unplaced, _at_risk, _small, _posture, _nervous,
    _bones, _skating, _short,
)  # fmt: skip
