"""Each piece of advice where it belongs, and nowhere else."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.factories import make_track2d, make_track3d, make_video
from vp3d_cli import skeletons
from vp3d_cli.report.make import make
from vp3d_cli.report.values import Advice, Report
from vp3d_cli.types import Camera, Float, Json, Result, Track2D, Track3D, World

H36M = skeletons.get("h36m17")
LENGTH = 100
OPTIONS: Json = {"start_s": None, "end_s": None, "without": [], "faithful": False}


def clean_track2d(track_id: int = 1, length: int = LENGTH, start: int = 0) -> Track2D:
    """Somebody who is seen well, 500 px high, in a place of their own."""
    track = make_track2d(track_id, length, start=start)
    box = np.float32([100, 200, 300, 700]) + np.float32([250, 0, 250, 0]) * (track_id - 1)
    return dataclasses.replace(
        track,
        times_s=track.frames / 30,
        scores=np.full((length, 17), 0.9, np.float32),
        boxes=np.tile(box, (length, 1)),
    )


def clean_track3d(track: Track2D) -> Track3D:
    """Upright, calm, sure, and where the picture shows it."""
    length = len(track)
    pose = np.random.default_rng(1).normal(0, 0.3, (17, 3)).astype(np.float32)
    pose[H36M.index("hip")] = 0
    pose[H36M.index("thorax")] = (0, -0.5, 0)
    joints = np.repeat(pose[None], length, 0)
    return dataclasses.replace(
        make_track3d(track),
        joints=joints,
        raw=joints,
        confidence=np.full((length, 17), 0.8, np.float32),
        root=np.tile(np.float32([0, 0, 4]), (length, 1)),
        residual_px=np.full(length, 5, np.float32),
        contacts=np.ones((length, 2), bool),
    )


def level_world() -> World:
    matrix = np.eye(4)
    matrix[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    matrix[2, 3] = 1.5
    return World(matrix, "feet, trunks and a level camera")


def clean_result(*tracks: Track2D, **changes: Any) -> Result:
    tracks = tracks or (clean_track2d(),)
    fields: dict[str, Any] = {
        "video": make_video(fps=Fraction(30), num_frames=LENGTH),
        "camera": Camera(1000.0, "given"),
        "tracks2d": tracks,
        "tracks3d": tuple(map(clean_track3d, tracks)),
        "provenance": {"num_frames_read": LENGTH, "options": OPTIONS},
        "world": level_world(),
    }
    return Result(**{**fields, **changes})


def with_tracks(*, track2d: Json | None = None, **track3d: Any) -> Result:
    """A clean result whose person is changed."""
    result = clean_result()
    return dataclasses.replace(
        result,
        tracks2d=(dataclasses.replace(result.tracks2d[0], **(track2d or {})),),
        tracks3d=(dataclasses.replace(result.tracks3d[0], **track3d),),
    )


def scores(**low: float) -> Json:
    """Scores of everybody's keypoints, where those of some are lower."""
    values = np.full((LENGTH, 17), 0.9, np.float32)
    names = skeletons.get("coco17").joints
    for name, score in low.items():
        for row, joint in enumerate(names):
            if joint.endswith(name):
                values[:, row] = score
    return {"scores": values}


def turned(direction: tuple[float, float, float]) -> Float:
    joints = clean_track3d(clean_track2d()).joints.copy()
    joints[:, H36M.index("thorax")] = direction
    return joints


def shaken(by_m: float) -> Float:
    joints = clean_track3d(clean_track2d()).joints.copy()
    joints[1::2, 1:, 0] += by_m
    return joints


def creeping() -> Float:
    joints = clean_track3d(clean_track2d()).joints.copy()
    feet = [H36M.index("left_foot"), H36M.index("right_foot")]
    joints[:, feet, 0] += 0.012 * np.arange(LENGTH, dtype=np.float32)[:, None]
    return joints


def mask(start: int, end: int) -> Any:
    rows = np.zeros(LENGTH, bool)
    rows[start:end] = True
    return rows


def options(**changes: Any) -> Result:
    return clean_result(provenance={"num_frames_read": LENGTH, "options": {**OPTIONS, **changes}})


def steep() -> Result:
    pitch = math.radians(-60)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1, 0, 0],
        [0, math.sin(pitch), math.cos(pitch)],
        [0, -math.cos(pitch), math.sin(pitch)],
    ]
    return clean_result(world=World(matrix, "known"))


def uneven() -> Result:
    times_s = clean_track2d().times_s.copy()
    times_s[::5] += 0.03
    return with_tracks(track2d={"times_s": times_s})


def stacked() -> Result:
    first, second = clean_track2d(1), clean_track2d(2)
    return clean_result(first, dataclasses.replace(second, boxes=first.boxes))


def nobody(**changes: Any) -> Result:
    return clean_result(tracks2d=(), tracks3d=(), **changes)


ALL_LOW = scores(**{"": 0.1})
CASES: dict[str, tuple[Result, str, str]] = {
    "nobody": (nobody(), "Nobody was found", "--detector keypoint-rcnn"),
    "upper body": (with_tracks(track2d=scores(knee=0.1, ankle=0.1)), "Upper body only", "feet"),
    "no feet": (with_tracks(track2d=scores(ankle=0.1)), "Feet not seen", "feet are in"),
    "hidden": (with_tracks(track2d=ALL_LOW), "Hardly any of the body is seen", "light"),
    "small": (
        with_tracks(track2d={"boxes": np.tile(np.float32([0, 0, 30, 70]), (LENGTH, 1))}),
        "Person too small",
        "--detect-size",
    ),
    "filled": (
        with_tracks(track2d={"observed": ~mask(30, 50)}),
        "Many frames filled in",
        "--max-gap",
    ),
    "close": (
        with_tracks(track2d={"at_risk": mask(12, 15)}),
        "People very close to each other",
        "vp3d render",
    ),
    "unsure": (
        with_tracks(confidence=np.full((LENGTH, 17), 0.3, np.float32)),
        "Low confidence",
        "confidence_3d",
    ),
    "beside": (
        with_tracks(residual_px=np.full(LENGTH, 40, np.float32)),
        "High reprojection error",
        "--focal",
    ),
    "unplaced": (
        with_tracks(residual_px=np.full(LENGTH, np.nan, np.float32)),
        "Cannot be compared with the picture",
        "hip only",
    ),
    "upside down": (with_tracks(joints=turned((0, 0.5, 0))), "Upside down", "rotate it"),
    "lying": (
        with_tracks(joints=turned((0.5, 0, 0))),
        "Lying or bent over",
        "least certain moments",
    ),
    "from above": (
        with_tracks(joints=turned((0, 0.05, 0.5))),
        "Seen from above, or pointing at the camera",
        "chest height",
    ),
    "steep": (steep(), "Camera looks down steeply", "chest height"),
    "nervous": (with_tracks(joints=shaken(0.05)), "Nervous motion", "--smooth"),
    "bones": (
        with_tracks(joints=turned((0, -0.5, 0)) * np.linspace(1, 1.5, LENGTH)[:, None, None]),
        "Bones change their lengths",
        "--faithful",
    ),
    "skate": (with_tracks(joints=creeping()), "Feet slide", "--foot-lock"),
    "short": (
        clean_result(clean_track2d(length=5)),
        "Only there for a moment",
        "--max-gap",
    ),
    "one frame": (
        clean_result(
            clean_track2d(length=1),
            provenance={"num_frames_read": 1},
            video=make_video(fps=Fraction(30), num_frames=1),
        ),
        "Hardly any time to look at",
        "longer video",
    ),
    "camera moves": (
        clean_result(world=World.unknown("the camera moves")),
        "Camera moves",
        "tripod",
    ),
    "no floor": (
        clean_result(world=World.unknown("no foot is seen to stand on the ground")),
        "No floor found",
        "standing feet",
    ),
    "focal": (
        clean_result(camera=Camera(1152.0, "default: 0.9 of the longer side")),
        "Focal length is assumed",
        "--focal",
    ),
    "fast": (
        clean_result(video=make_video(fps=Fraction(240), num_frames=LENGTH)),
        "High frame rate",
        "real time",
    ),
    "slow": (
        clean_result(video=make_video(fps=Fraction(5), num_frames=LENGTH)),
        "Low frame rate",
        "--real-fps",
    ),
    "uneven": (uneven(), "Uneven frame times", "time_s"),
    "missing": (
        clean_result(video=make_video(fps=Fraction(30), num_frames=LENGTH + 40)),
        "Frames are missing",
        "download it again",
    ),
    "cut": (
        clean_result(clean_track2d(1, 50), clean_track2d(2, 50, start=50)),
        "Cut in the video",
        "--start",
    ),
    "empty": (
        clean_result(clean_track2d(1, 20), clean_track2d(2, 20, start=80)),
        "Stretches without anybody",
        "--detect-size",
    ),
    "two in one place": (stacked(), "Two people in one place", "--person"),
    "faithful": (options(faithful=True), "Made with --faithful", "without --faithful"),
}


def report_of(result: Result) -> Report:
    return make(result, "pose.npz")


def named(report: Report, title: str) -> list[Advice]:
    return [advice for advice in report.advice if advice.title == title]


def test_clean_results_need_no_advice() -> None:
    report = report_of(clean_result())
    assert report.advice == ()
    assert report.verdict == ("good", "Looks good")


@pytest.mark.parametrize("case", CASES)
def test_advice_for_each_case(case: str) -> None:
    result, title, action = CASES[case]
    report = report_of(result)
    (advice,) = named(report, title)
    assert action in advice.action
    assert advice.meaning
    # No number of a sentence is unknown.
    assert "–" not in advice.meaning
    assert "nan" not in advice.meaning


def test_each_title_is_tried() -> None:
    """Whatever advice there is in the room has a case above."""
    from pathlib import Path
    from re import findall

    from vp3d_cli import report as room

    folder = Path(room.__file__).parent
    text = "".join((folder / name).read_text("utf-8") for name in ("advice.py", "footage.py"))
    titles = findall(r'(?:Advice|_Found)\(\s+"(?:problem|check|note)"[^,]*,\s+"(.+?)",', text)
    assert len(titles) >= 20
    assert set(titles) <= {title for _, title, _ in CASES.values()}


def test_graver_advice_comes_first_and_makes_the_verdict() -> None:
    result = with_tracks(confidence=np.full((LENGTH, 17), 0.3, np.float32))
    result = dataclasses.replace(result, camera=Camera(1000.0, "default: 0.9 of the longer side"))
    report = report_of(result)
    assert [advice.level for advice in report.advice] == ["problem", "note"]
    assert report.verdict[0] == "problem"


def test_many_people_in_one_place_are_one_sentence() -> None:
    tracks = [clean_track2d(track_id) for track_id in range(1, 21)]
    tracks = [dataclasses.replace(track, boxes=tracks[0].boxes) for track in tracks]
    (advice,) = named(report_of(clean_result(*tracks)), "Two people in one place")
    assert "1 and 2 (100 % of the time, from 0:00.0)" in advice.meaning
    assert "187 pairs more" in advice.meaning
    assert "1 and 5" not in advice.meaning
    assert advice.people == tuple(range(1, 21))


def test_when_people_were_close_is_told() -> None:
    report = report_of(with_tracks(track2d={"at_risk": mask(30, 91)}))
    (advice,) = named(report, "People very close to each other")
    assert "0:01.0 to 0:03.0" in advice.meaning
    assert advice.people == (1,)


def test_the_same_advice_of_several_people_is_told_once() -> None:
    result = clean_result(clean_track2d(1), clean_track2d(2))
    low = scores(ankle=0.1)["scores"]
    result = dataclasses.replace(
        result, tracks2d=tuple(dataclasses.replace(t, scores=low) for t in result.tracks2d)
    )
    (advice,) = named(report_of(result), "Feet not seen")
    assert advice.people == (1, 2)


def test_who_said_how_fast_it_was_is_not_asked_again() -> None:
    provenance = {"num_frames_read": LENGTH, "options": {**OPTIONS, "real_fps": 240.0}}
    result = clean_result(video=make_video(fps=Fraction(5)), provenance=provenance)
    assert not named(report_of(result), "Low frame rate")


def test_foot_lock_is_not_advised_twice() -> None:
    result = with_tracks(joints=creeping())
    provenance = {"num_frames_read": LENGTH, "options": {**OPTIONS, "foot_lock": True}}
    locked = dataclasses.replace(result, provenance=provenance)
    assert not named(report_of(locked), "Feet slide")


def test_provenance_of_any_kind_is_borne() -> None:
    odd: Json = {
        "num_frames_read": "many",
        "options": ["none"],
        "warnings": "one",
        "source": 7,
        "detector": None,
        "lifter": {"name": 3},
    }
    report = report_of(clean_result(provenance=odd))
    assert report.source == "clip.mp4"
    assert math.isnan(report.people[0].numbers["coverage_percent"])
    assert report.made_with == {}
