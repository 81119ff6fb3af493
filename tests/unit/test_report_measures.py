"""Numbers of a report, against results of which they are known by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from tests.factories import make_result, make_track2d, make_track3d, make_video
from vp3d_cli import skeletons
from vp3d_cli.report.clock import clock_of, stretches
from vp3d_cli.report.measures import accelerations, person_of
from vp3d_cli.report.values import NUMBERS, Person
from vp3d_cli.report.words import clean, clock
from vp3d_cli.report.worst import worst
from vp3d_cli.types import Camera, Float, Result, Track3D, World

H36M = skeletons.get("h36m17")
FPS = 25


def still(length: int = 50, seed: int = 0) -> Float:
    """Joints (T, 17, 3) that do not move."""
    pose = np.random.default_rng(seed).normal(0, 0.4, (1, 17, 3))
    pose[:, H36M.index("hip")] = 0
    return np.repeat(pose, length, 0).astype(np.float32)


def result_of(joints: Float, *, track2d: dict[str, Any] | None = None, **track3d: Any) -> Result:
    """One person with given joints, at `FPS` from the first frame on."""
    from fractions import Fraction

    length = len(joints)
    seen = make_track2d(length=length)
    seen = dataclasses.replace(
        seen,
        times_s=seen.frames / FPS,
        scores=np.ones((length, 17), np.float32),
        boxes=np.tile(np.float32([100, 200, 200, 600]), (length, 1)),
        **(track2d or {}),
    )
    person = make_track3d(seen)
    person = dataclasses.replace(person, joints=joints, **track3d)
    return Result(
        make_video(fps=Fraction(FPS), num_frames=length),
        Camera(1000.0, "given"),
        (seen,),
        (person,),
        {"num_frames_read": length},
    )


def person(result: Result) -> Person:
    return person_of(result, 0)


def test_jitter_is_the_second_difference() -> None:
    """x = a t² / 2 has the acceleration a, at uneven times too."""
    times_s = np.array([0, 0.04, 0.1, 0.13, 0.2, 0.3])
    joints = np.zeros((6, 17, 3), np.float32)
    joints[:, 1:, 0] = (3.0 / 2 * times_s**2)[:, None]
    found = accelerations(joints, times_s, H36M)
    assert np.isnan(found[[0, -1]]).all()
    np.testing.assert_allclose(found[1:-1], 3.0, rtol=1e-3)


def test_jitter_leaves_the_root_out_and_unknown_joints() -> None:
    joints = still(6)
    joints[:, 3] += (np.arange(6) % 2)[:, None].astype(np.float32)  # ± 1 m in all axes
    joints[:, 5] = np.nan
    found = accelerations(joints, np.arange(6) / 10, H36M)
    # Fifteen known joints beside the root; one changes its speed by 2 * 10 m/s in 0.1 s.
    np.testing.assert_allclose(found[1:-1], 2 * math.sqrt(3) * 100 / 15, rtol=1e-4)


def test_jitter_before_and_after_are_of_raw_and_refined_joints() -> None:
    joints, raw = still(), still()
    raw[1::2, 1:, 0] += 0.01
    numbers = person(result_of(joints, raw=raw)).numbers
    assert numbers["jitter_m_s2"] == pytest.approx(0, abs=1e-3)
    assert numbers["jitter_before_m_s2"] == pytest.approx(0.02 * FPS**2, rel=1e-3)


def test_slow_motion_is_measured_as_it_was() -> None:
    raw = still()
    raw[1::2, 1:, 0] += 0.01
    result = result_of(still(), raw=raw)
    slow = dataclasses.replace(
        result, provenance={**result.provenance, "options": {"real_fps": 4.0 * FPS}}
    )
    shown, real = (person(r).numbers["jitter_before_m_s2"] for r in (result, slow))
    assert real == pytest.approx(16 * shown, rel=1e-4)


def test_bone_variation_in_percent() -> None:
    """All bones half as long again in every second frame: 0.5 / 2.5 = 20 %."""
    joints = still()
    raw = still() * np.where(np.arange(50) % 2, 1.5, 1.0)[:, None, None].astype(np.float32)
    numbers = person(result_of(joints, raw=raw)).numbers
    assert numbers["bone_variation_percent"] == pytest.approx(0, abs=1e-4)
    assert numbers["bone_variation_before_percent"] == pytest.approx(20, rel=1e-3)


def test_residuals_in_pixels_and_beside_the_size() -> None:
    residual = np.full(50, 4.0, np.float32)
    residual[:4] = 40
    residual[10] = np.nan
    numbers = person(result_of(still(), residual_px=residual)).numbers
    assert numbers["residual_px"] == 4
    assert numbers["residual_percent"] == pytest.approx(100 * 4 / 200)  # a box of 100 x 400
    assert numbers["residual_p95_px"] == 40


def test_skate_before_and_after() -> None:
    """Both feet stand; the raw ones creep 2 mm a frame, the refined ones 1 mm."""
    creep = np.zeros((50, 17, 3), np.float32)
    feet = [H36M.index("left_foot"), H36M.index("right_foot")]
    creep[:, feet, 0] = 0.001 * np.arange(50)[:, None]
    result = result_of(
        still() + creep,
        raw=still() + 2 * creep,
        contacts=np.ones((50, 2), bool),
        root=np.tile(np.float32([0, 0, 4]), (50, 1)),
    )
    numbers = person(result).numbers
    assert numbers["skate_mm_s"] == pytest.approx(25, rel=1e-2)
    assert numbers["skate_before_mm_s"] == pytest.approx(50, rel=1e-2)
    assert numbers["contact_s"] == pytest.approx(2 * 49 / FPS)


def test_without_contact_there_is_no_skate_and_it_says_why() -> None:
    found = person(result_of(still()))
    assert math.isnan(found.numbers["skate_mm_s"])
    assert found.missing["skate_mm_s"] == "no foot is seen to stand"
    unseen = np.ones((50, 17), np.float32)
    unseen[:, 15:] = 0.1
    result = result_of(still())
    hidden = dataclasses.replace(result.tracks2d[0], scores=unseen)
    found = person(dataclasses.replace(result, tracks2d=(hidden,)))
    assert found.missing["skate_mm_s"] == "the feet are hardly seen"


def test_shares_of_frames() -> None:
    observed, at_risk = np.ones(50, bool), np.zeros(50, bool)
    observed[10:15] = False
    at_risk[:25] = True
    joints = still()
    joints[40:] = np.nan
    result = result_of(joints, track2d={"observed": observed, "at_risk": at_risk})
    result = dataclasses.replace(result, provenance={"num_frames_read": 100})
    found = person(result)
    assert found.numbers["filled_percent"] == 10
    assert found.numbers["at_risk_percent"] == 50
    assert found.numbers["span_coverage_percent"] == 80
    assert found.numbers["coverage_percent"] == 40
    assert found.filled == ((10 / FPS, 14 / FPS),)
    assert found.at_risk == ((0, 24 / FPS),)


def test_parts_of_the_body_that_are_seen() -> None:
    """Half of a part is enough for it to be seen; frames that were filled in do not count."""
    scores = np.zeros((50, 17), np.float32)
    scores[:, :7] = 0.9  # face and shoulders
    scores[::2, 13] = 0.9  # one knee of four keypoints of the legs
    observed = np.arange(50) < 40
    scores[~observed] = 0
    result = result_of(still(), track2d={"observed": observed})
    track = dataclasses.replace(result.tracks2d[0], scores=scores)
    found = person(dataclasses.replace(result, tracks2d=(track,))).parts
    assert found == {"face": 1, "trunk": 1, "arms": 0, "legs": 0, "feet": 0}
    scores[observed, 14] = 0.9
    found = person(dataclasses.replace(result, tracks2d=(track,))).parts
    assert found["legs"] == 0.5


def test_size_distance_speed_and_confidence() -> None:
    root = np.stack([np.arange(50) * 0.02, np.zeros(50), np.full(50, 5.0)], -1)
    result = result_of(
        still(), root=root.astype(np.float32), confidence=np.full((50, 17), 0.6, np.float32)
    )
    numbers = person(result).numbers
    assert numbers["size_px"] == 400
    assert numbers["size_percent"] == pytest.approx(100 * 400 / 1280)
    assert numbers["distance_m"] == 5
    assert numbers["speed_m_s"] == pytest.approx(0.5, rel=1e-4)
    assert numbers["confidence_percent"] == pytest.approx(60)
    assert person(result).joints["left_foot"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("trunk", "key"),
    [
        ((0, 0.5, 0), "upside_down_percent"),
        ((0.5, 0, 0), "lying_percent"),
        ((0.1, 0.05, 0.5), "along_sight_percent"),
    ],
)
def test_attitude_of_the_trunk(trunk: tuple[float, float, float], key: str) -> None:
    joints = still()
    joints[:, H36M.index("thorax")] = trunk
    numbers = person(result_of(joints)).numbers
    assert numbers[key] == 100
    assert numbers["upside_down_percent"] == (100 if key == "upside_down_percent" else 0)
    joints[:, H36M.index("thorax")] = (0, -0.5, 0)
    assert person(result_of(joints)).numbers[key] == 0


def test_lying_is_told_from_the_true_up_where_it_is_known() -> None:
    """A camera turned on its side, x up: a trunk along x is upright."""
    joints = still()
    joints[:, H36M.index("thorax")] = (0.5, 0, 0)
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, -1, 0], [0, 0, 1], [1, 0, 0]]
    result = dataclasses.replace(result_of(joints), world=World(matrix, "known"))
    assert person(result).numbers["lying_percent"] == 0
    assert person(result).series.is_height


@pytest.mark.parametrize("length", [1, 2])
def test_very_short_results_have_reasons(length: int) -> None:
    found = person(result_of(still(length)))
    assert set(found.numbers) == set(NUMBERS)
    for key, value in found.numbers.items():
        assert math.isfinite(value) != bool(found.missing.get(key)), key
    assert "three frames" in found.missing["jitter_m_s2"]
    assert found.numbers["coverage_percent"] == 100


def test_stretches_of_nan_and_a_person_without_any_joint() -> None:
    joints = still()
    joints[20:30] = np.nan
    assert math.isfinite(person(result_of(joints)).numbers["jitter_m_s2"])
    nothing = np.full((50, 17, 3), np.nan, np.float32)
    confidence, root = np.full((50, 17), np.nan, np.float32), np.full((50, 3), np.nan, np.float32)
    found = person(result_of(nothing, confidence=confidence, root=root))
    unknown = {"confidence_percent", "jitter_m_s2", "stature_m", "distance_m", "lying_percent"}
    assert unknown <= set(found.missing)
    assert found.numbers["coverage_percent"] == 0


def test_skeletons_without_feet_or_trunk() -> None:
    result = make_result(skeleton_3d=skeletons.get("humaneva15"))
    found = person(result)
    assert found.missing["skate_mm_s"] == "the skeleton has no feet"
    assert found.missing["lying_percent"] == "the skeleton has no trunk"


def test_stretches_close_to_each_other_are_one() -> None:
    mask = np.array([1, 0, 1, 0, 0, 0, 1], bool)
    times_s = np.arange(7) / 10
    assert stretches(mask, times_s, 0.25) == ((0.0, 0.2), (0.6, 0.6))
    assert len(stretches(mask, times_s)) == 3
    assert stretches(np.zeros(7, bool), times_s) == ()


def test_clock_knows_steps_gaps_and_cuts() -> None:
    first, second = make_track2d(1, 20), make_track2d(2, 20, start=20)
    third = make_track2d(3, 10, start=80)
    times_s = first.times_s.copy()
    times_s[10:] += 0.1
    first = dataclasses.replace(first, times_s=times_s)
    later = [dataclasses.replace(t, times_s=t.times_s + 0.1) for t in (second, third)]
    tracks = (first, *later)
    result = Result(
        make_video(),
        Camera(1000.0, "given"),
        tracks,
        tuple(make_track3d(track) for track in tracks),
        {"num_frames_read": 100},
    )
    clock_ = clock_of(result)
    assert clock_.largest_step_s == pytest.approx(0.1 + 1001 / 30000)
    assert clock_.uneven_percent == pytest.approx(100 / 48)
    assert clock_.covered_percent == 50
    assert clock_.empty == (
        (pytest.approx(39 * 1.001 / 30 + 0.1), pytest.approx(80 * 1.001 / 30 + 0.1)),
    )
    assert clock_.cuts_s == (pytest.approx(20 * 1.001 / 30 + 0.1),)
    assert clock_.missing_frames == 141


def test_cuts_that_were_seen_count_before_those_that_are_guessed() -> None:
    result = make_result(2, 20, with_gaps=False)
    told = dataclasses.replace(result, provenance={**result.provenance, "cuts": [5]})
    assert clock_of(told).cuts_s == (pytest.approx(5 * 1.001 / 30),)
    none = dataclasses.replace(result, provenance={**result.provenance, "cuts": []})
    assert clock_of(none).cuts_s == ()


def test_no_cut_where_somebody_goes_on() -> None:
    tracks = (make_track2d(1, 20), make_track2d(2, 20, start=20), make_track2d(3, 40))
    people = tuple(map(make_track3d, tracks))
    result = Result(make_video(), Camera(1000.0, "given"), tracks, people)
    assert clock_of(result).cuts_s == ()


def test_part_of_a_video_has_no_missing_frames() -> None:
    result = make_result()
    assert clock_of(result).missing_frames is None  # PROVENANCE has a start
    whole = dataclasses.replace(result, provenance={"num_frames_read": 240})
    assert clock_of(whole).missing_frames == 1


def test_the_worst_moments() -> None:
    """A lost person, a bad fit and a mix-up; each at its place and for its reason."""
    confidence = np.full((100, 17), 0.9, np.float32)
    confidence[20] = 0.1
    residual = np.full(100, 4.0, np.float32)
    residual[60] = 27
    at_risk = np.zeros(100, bool)
    at_risk[85] = True
    result = result_of(
        still(100), track2d={"at_risk": at_risk}, confidence=confidence, residual_px=residual
    )
    found = worst([person(result)])
    assert [moment.frame for moment in found[:3]] == [20, 60, 85]
    assert found[0].reasons[0] == "confidence 10 %"
    assert found[1].reasons[0] == "27 px beside its keypoints"
    assert found[2].reasons[0] == "somebody else is very close"


def test_worst_moments_lie_apart_and_are_ten_at_most() -> None:
    result = make_result(num_tracks=20, length=400)
    people = [person_of(result, position) for position in range(20)]
    found = worst(people)
    assert len(found) == 10
    times_s = np.sort([moment.time_s for moment in found])
    assert np.diff(times_s).min() >= 0.5
    badness = [moment.badness for moment in found]
    assert badness == sorted(badness, reverse=True)
    assert worst([]) == ()


def test_words() -> None:
    assert clock(72.46) == "1:12.5"
    assert clock(59.97) == "1:00.0"
    assert clock(math.nan) == "?"
    assert clean("a\x1b[31m\nb\u202e\ud800") == "a\\x1b[31m b\\u202e\\ud800"
    assert len(clean("x" * 5000)) == 600


def test_a_track_without_raw_joints_says_so() -> None:
    result = make_result(num_tracks=1, with_gaps=False)
    assert np.isnan(result.tracks3d[0].raw).all()
    assert isinstance(result.tracks3d[0], Track3D)
    found = person(result)
    assert found.missing["jitter_before_m_s2"] == "the file does not hold the raw joints"
    assert math.isfinite(found.numbers["jitter_m_s2"])
