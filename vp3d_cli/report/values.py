"""What a report holds, and what each of its numbers means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from vp3d_cli.report.words import Stretch
from vp3d_cli.types import Bool, Camera, Double, Int, Json, VideoInfo, World


class Number(NamedTuple):
    """One of the numbers of a person.

    Attributes:
        label: its name.
        unit: as it is written after the number.
        decimals: how many are worth showing.
        meaning: one sentence.
    """

    label: str
    unit: str
    decimals: int
    meaning: str


_BEFORE = "The same before the refinement: as the lifter answered."
# Keys end with their units; those with `before` belong to the one without.
NUMBERS: dict[str, Number] = {
    "coverage_percent": Number(
        "Coverage", "%", 0, "Share of the frames that were read in which this person has a 3D pose."
    ),
    "span_coverage_percent": Number(
        "Coverage of own time", "%", 0, "The same between the person's first and last frame."
    ),
    "filled_percent": Number(
        "Filled in",
        "%",
        0,
        "Share of the person's frames in which the detector did not find the person; "
        "the pose there is interpolated.",
    ),
    "at_risk_percent": Number(
        "Identity risk",
        "%",
        0,
        "Share of the frames in which somebody else was so close that the two may be mixed up.",
    ),
    "confidence_percent": Number(
        "Confidence",
        "%",
        0,
        "The average joint's chance of being within 10 cm of where it is; where the result is not "
        "calibrated it only ranks.",
    ),
    "jitter_before_m_s2": Number("Jitter before", "m/s²", 1, _BEFORE),
    "jitter_m_s2": Number(
        "Jitter",
        "m/s²",
        1,
        "Mean acceleration of the joints relative to the hip. Calm walking has about 5, sport "
        "more; what noise adds should go away from before to after.",
    ),
    "bone_variation_before_percent": Number("Bone variation before", "%", 1, _BEFORE),
    "bone_variation_percent": Number(
        "Bone variation",
        "%",
        1,
        "How much the lengths of bones change over time: standard deviation by mean. Real bones "
        "have 0.",
    ),
    "residual_px": Number(
        "Reprojection error",
        "px",
        1,
        "How far the 3D joints, seen through the camera, lie from the 2D keypoints; the median "
        "over frames.",
    ),
    "residual_percent": Number(
        "Reprojection error by size",
        "%",
        1,
        "The same beside the person's size in the picture. It does not show errors in depth.",
    ),
    "residual_p95_px": Number(
        "Reprojection error, worst 5 %", "px", 1, "In one frame of twenty it is larger than this."
    ),
    "skate_before_mm_s": Number("Foot skate before", "mm/s", 0, _BEFORE),
    "skate_mm_s": Number(
        "Foot skate", "mm/s", 0, "How far feet slide while they stand, each second of contact."
    ),
    "contact_s": Number("Feet on the ground", "s", 1, "Time in contact, both feet added up."),
    "size_px": Number("Size in the picture", "px", 0, "Longer side of the person's box, median."),
    "size_percent": Number(
        "Size by picture", "%", 0, "The same beside the height of the picture."
    ),
    "stature_m": Number(
        "Stature", "m", 2, "Height of the body as its bones add up. It is learned, not measured."
    ),
    "distance_m": Number("Distance", "m", 1, "From the camera to the hip, median."),
    "speed_m_s": Number("Speed", "m/s", 2, "Of the hip through the room, median."),
    "lying_percent": Number(
        "Lying", "%", 0, "Share of frames in which the trunk is nearer to level than to upright."
    ),
    "upside_down_percent": Number(
        "Upside down", "%", 0, "Share of frames in which the trunk points down."
    ),
    "along_sight_percent": Number(
        "Along the line of sight",
        "%",
        0,
        "Share of frames in which the trunk points at the camera or away from it, so that it "
        "looks short.",
    ),
}  # fmt: skip
# Each of these is also known before the refinement.
BEFORE = {
    "jitter_m_s2": "jitter_before_m_s2",
    "bone_variation_percent": "bone_variation_before_percent",
    "skate_mm_s": "skate_before_mm_s",
}


@dataclass(frozen=True)
class Series:
    """One person over time; T frames, NaN where unknown.

    Attributes:
        frames: (T,) frame indices.
        times_s: (T,) presentation times.
        confidence: (T,) mean over joints, 0 to 1.
        residual_px: (T,).
        residual_share: (T,) in sizes of the person's box.
        jitter_before, jitter: (T,) m/s², mean over joints.
        place_m: (T,) the hip above the floor, or its distance from the camera.
        is_height: which of the two `place_m` is.
        filled, at_risk: (T,).
    """

    frames: Int
    times_s: Double
    confidence: Double
    residual_px: Double
    residual_share: Double
    jitter_before: Double
    jitter: Double
    place_m: Double
    is_height: bool
    filled: Bool
    at_risk: Bool


@dataclass(frozen=True)
class Person:
    """What is known of one person.

    Attributes:
        track_id: from 1.
        numbers: by the keys of `NUMBERS`; NaN where unknown.
        missing: why, by the same keys.
        joints: mean confidence of each joint, 0 to 1.
        parts: share of frames, 0 to 1, in which most keypoints of a part of the body are seen.
        filled, at_risk: stretches of time, seconds.
        series: all of it over time.
    """

    track_id: int
    numbers: dict[str, float]
    missing: dict[str, str]
    joints: dict[str, float]
    parts: dict[str, float]
    filled: tuple[Stretch, ...]
    at_risk: tuple[Stretch, ...]
    series: Series

    @property
    def first_s(self) -> float:
        return float(self.series.times_s[0])

    @property
    def last_s(self) -> float:
        return float(self.series.times_s[-1])


@dataclass(frozen=True)
class Clock:
    """What can be known of a video's time from its poses.

    Attributes:
        frames_read: decoded; None where the file does not say.
        frames_promised: by the container; None where it does not say.
        missing_frames: promised and not read; None where only a part was asked for.
        fps: as the container says.
        largest_step_s: between two frames next to each other that people are in; NaN if none.
        uneven_percent: of those steps that are half as long again as they should be, or shorter
            than half; NaN if none.
        covered_percent: of the frames read in which anybody has a pose; NaN where unknown.
        empty: stretches of half a second and more in which nobody has one.
        cuts_s: times at which everybody ends and somebody else begins: perhaps another shot.
    """

    frames_read: int | None
    frames_promised: int | None
    missing_frames: int | None
    fps: float
    largest_step_s: float
    uneven_percent: float
    covered_percent: float
    empty: tuple[Stretch, ...]
    cuts_s: tuple[float, ...]


@dataclass(frozen=True)
class Advice:
    """A thing to know.

    Attributes:
        level: "problem" where results are hardly of use, "check" where a look is worth it,
            "note" otherwise.
        title: a few words.
        meaning: what it means for the result.
        action: what to do next.
        people: whom it is about; nobody in particular where it is empty.
    """

    level: str
    title: str
    meaning: str
    action: str
    people: tuple[int, ...] = ()


@dataclass(frozen=True)
class Moment:
    """A frame of one person that is worth a look.

    Attributes:
        frame, time_s: when.
        track_id: who.
        badness: the higher, the worse.
        reasons: what is wrong, the worst first.
    """

    frame: int
    time_s: float
    track_id: int
    badness: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """Everything that a report says.

    Attributes:
        pose: name of the pose file.
        source: name of the video.
        video, camera, world: of the result.
        made_with: version, detector and lifter, as far as they are known.
        clock: of the video.
        people: in the order of the result.
        advice: the gravest first.
        worst: the worst moments, the worst first.
        warnings: what was said when the result was made.
        pictures: JPEGs of the worst moments by frame and person, where the video was at hand.
        no_pictures: why there are none.
    """

    pose: str
    source: str
    video: VideoInfo
    camera: Camera
    world: World
    made_with: Json
    clock: Clock
    people: tuple[Person, ...]
    advice: tuple[Advice, ...]
    worst: tuple[Moment, ...]
    warnings: tuple[str, ...]
    pictures: dict[tuple[int, int], bytes] = field(default_factory=dict)
    no_pictures: str = ""

    @property
    def verdict(self) -> tuple[str, str]:
        """A level, "good" or one of `Advice`, and what it means in a few words."""
        levels = {advice.level for advice in self.advice}
        if not self.people:
            return "problem", "Nobody was found"
        if "problem" in levels:
            return "problem", "Hard to trust as it is"
        if "check" in levels:
            return "check", "Usable, with things to check"
        return "good", "Looks good"
