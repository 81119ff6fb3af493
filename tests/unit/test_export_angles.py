"""Angles of hand-made poses: y up, facing x, the right side at positive z."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_result
from tests.unit.test_export_frame import in_the_world
from vp3d_cli import export, skeletons
from vp3d_cli.export._angles import COLUMNS, MEANINGS, Body, cardan_zxy, measured
from vp3d_cli.types import Double, Result

SKELETON = skeletons.get("h36m17")
UPPER = (
    "spine",
    "thorax",
    "neck",
    "head",
    *(f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "elbow", "wrist")),
)
Pose = dict[str, Double]


def _standing() -> Pose:
    """Arms hang, legs are straight."""
    heights = {"hip": 1.0, "spine": 1.2, "thorax": 1.5, "neck": 1.6, "head": 1.75}
    pose = {name: np.array([0, height, 0.0]) for name, height in heights.items()}
    for side, sign in (("right", 1), ("left", -1)):
        for part, height in (("hip", 1.0), ("knee", 0.55), ("foot", 0.1)):
            pose[f"{side}_{part}"] = np.array([0, height, 0.15 * sign])
        for part, height in (("shoulder", 1.5), ("elbow", 1.2), ("wrist", 0.95)):
            pose[f"{side}_{part}"] = np.array([0, height, 0.2 * sign])
    return pose


def _turned(pose: Pose, about: str, axis: str, degrees: float, names: tuple[str, ...]) -> Pose:
    """Joints turned about an axis through one of them, as the right hand says."""
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    turn, angle = np.eye(3), np.radians(degrees)
    turn[[first, second], [first, second]] = np.cos(angle)
    turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
    centre = pose[about]
    return {n: centre + turn @ (p - centre) if n in names else p for n, p in pose.items()}


def _angles(pose: Pose) -> dict[str, float]:
    points = np.stack([pose[joint] for joint in SKELETON.joints])[None]
    return {name: float(values[0]) for name, values in measured(Body.of(points, SKELETON)).items()}


def _leg(side: str) -> tuple[str, ...]:
    return (f"{side}_knee", f"{side}_foot")


def _arm(side: str) -> tuple[str, ...]:
    return (f"{side}_elbow", f"{side}_wrist")


def _expect(pose: Pose, **known: float) -> None:
    """These angles, all others as they are of somebody who stands."""
    still = _angles(_standing())
    for name, value in _angles(pose).items():
        want = known.get(name, still[name])
        assert value == pytest.approx(want, abs=1e-6, nan_ok=True), name


def test_somebody_who_stands_has_no_angles() -> None:
    unseen = {f"{n}_{s}" for n in ("hip_rotation", "shoulder_plane") for s in ("left", "right")}
    for name, value in _angles(_standing()).items():
        assert np.isnan(value) if name in unseen else value == pytest.approx(0, abs=1e-9), name


@pytest.mark.parametrize("degrees", [-90, 30, 135])
def test_turning_around_changes_the_heading_alone(degrees: float) -> None:
    pose = _turned(_standing(), "hip", "y", degrees, SKELETON.joints)
    _expect(pose, pelvis_rotation=degrees)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_knee_bent_by_90_degrees(side: str) -> None:
    pose = _turned(_standing(), f"{side}_knee", "z", -90, (f"{side}_foot",))
    bent = {f"knee_flexion_{side}": 90, f"shank_inclination_{side}": 90}
    _expect(pose, **bent, **{f"hip_rotation_{side}": 0})


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_thigh_raised_forward_and_out(side: str) -> None:
    pose = _turned(_standing(), f"{side}_hip", "z", 60, _leg(side))
    _expect(pose, **{f"hip_flexion_{side}": 60, f"shank_inclination_{side}": -60})
    out = -25 if side == "right" else 25
    pose = _turned(_standing(), f"{side}_hip", "x", out, _leg(side))
    _expect(pose, **{f"hip_adduction_{side}": -25})


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_thigh_turned_inwards_shows_where_the_knee_is_bent(side: str) -> None:
    pose = _turned(_standing(), f"{side}_knee", "z", -90, (f"{side}_foot",))
    inwards = 40 if side == "right" else -40
    pose = _turned(pose, f"{side}_knee", "y", inwards, (f"{side}_foot",))
    assert _angles(pose)[f"hip_rotation_{side}"] == pytest.approx(40)
    pose = _turned(pose, f"{side}_hip", "z", 50, _leg(side))
    assert _angles(pose)[f"hip_rotation_{side}"] == pytest.approx(40)
    # Adduction is about X of the thigh that is not raised yet: first out, then up.
    pose = _turned(pose, f"{side}_hip", "z", -50, _leg(side))
    pose = _turned(pose, f"{side}_hip", "x", -25 if side == "right" else 25, _leg(side))
    pose = _turned(pose, f"{side}_hip", "z", 35, _leg(side))
    found = {name: _angles(pose)[f"hip_{name}_{side}"] for name in ("flexion", "adduction")}
    assert found == {"flexion": pytest.approx(35), "adduction": pytest.approx(-25)}
    assert _angles(pose)[f"hip_rotation_{side}"] == pytest.approx(40)
    barely = _turned(_standing(), f"{side}_knee", "z", -15, (f"{side}_foot",))
    assert np.isnan(_angles(barely)[f"hip_rotation_{side}"])


def test_a_trunk_that_leans_forward_by_30_degrees() -> None:
    pose = _turned(_standing(), "hip", "z", -30, UPPER)
    found = _angles(pose)
    assert found["trunk_lean"] == pytest.approx(30)
    assert found["pelvis_tilt"] == pytest.approx(30)
    assert found["trunk_side_bend"] == pytest.approx(0, abs=1e-9)
    # The arms lean with it; the thighs are bent against the pelvis.
    assert found["shoulder_elevation_left"] == pytest.approx(0, abs=1e-6)
    assert found["hip_flexion_right"] == pytest.approx(30)


def test_leaning_is_seen_along_the_heading() -> None:
    pose = _turned(_turned(_standing(), "hip", "z", -30, UPPER), "hip", "y", 115, SKELETON.joints)
    assert _angles(pose)["trunk_lean"] == pytest.approx(30)


def test_a_trunk_bent_and_turned() -> None:
    bent = _angles(_turned(_standing(), "hip", "x", 20, UPPER))
    assert bent["trunk_side_bend"] == pytest.approx(20)
    assert bent["trunk_lean"] == pytest.approx(0, abs=1e-9)
    turned = _angles(_turned(_standing(), "hip", "y", 25, UPPER))
    assert turned["trunk_rotation"] == pytest.approx(25)
    assert turned["pelvis_rotation"] == pytest.approx(0, abs=1e-9)


def test_the_higher_hip() -> None:
    hips = ("right_hip", "left_hip")
    assert _angles(_turned(_standing(), "hip", "x", -10, hips))["pelvis_obliquity"] == (
        pytest.approx(10)
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_arms(side: str) -> None:
    sign = 1 if side == "right" else -1
    out = _angles(_turned(_standing(), f"{side}_shoulder", "x", -90 * sign, _arm(side)))
    assert out[f"shoulder_elevation_{side}"] == pytest.approx(90)
    assert out[f"shoulder_plane_{side}"] == pytest.approx(0, abs=1e-6)
    assert out[f"shoulder_adduction_{side}"] == pytest.approx(-90)
    forward = _turned(_standing(), f"{side}_shoulder", "z", 70, _arm(side))
    seen = {f"shoulder_{name}_{side}": 70 for name in ("elevation", "flexion")}
    _expect(forward, **seen, **{f"shoulder_plane_{side}": 90})
    up = _angles(_turned(_standing(), f"{side}_shoulder", "z", 180, _arm(side)))
    assert up[f"shoulder_elevation_{side}"] == pytest.approx(180)
    assert np.isnan(up[f"shoulder_plane_{side}"])
    bent = _turned(_standing(), f"{side}_elbow", "z", 110, (f"{side}_wrist",))
    _expect(bent, **{f"elbow_flexion_{side}": 110})


def test_turns_about_z_x_y_make_the_axes_again() -> None:
    pose = {name: where + 0.1 * np.sin(len(name)) for name, where in _standing().items()}
    points = np.stack([pose[joint] for joint in SKELETON.joints])[None]
    axes = Body.of(_turned_points(points), SKELETON).pelvis
    z, x, y = (float(angle[0]) for angle in cardan_zxy(axes))
    made = _about("z", z) @ _about("x", x) @ _about("y", y)
    np.testing.assert_allclose(made, axes[0], atol=1e-9)


def _turned_points(points: Double) -> Double:
    return points @ (_about("y", 0.7) @ _about("x", 0.3) @ _about("z", -0.5)).T


def _about(axis: str, angle: float) -> Double:
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    turn = np.eye(3)
    turn[[first, second], [first, second]] = np.cos(angle)
    turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
    return turn


def test_a_mirror_exchanges_left_and_right() -> None:
    rng = np.random.default_rng(2)
    pose = {name: where + rng.normal(0, 0.15, 3) for name, where in _standing().items()}
    other = {name: _other(name) for name in SKELETON.joints}
    twin = _angles({name: pose[other[name]] * (1, 1, -1) for name in SKELETON.joints})
    for name, value in _angles(pose).items():
        turns = name in ("pelvis_obliquity", "pelvis_rotation", "trunk_side_bend", "trunk_rotation")
        seen = twin[_other(name)]
        assert value == pytest.approx(-seen if turns else seen, nan_ok=True), name


def _other(name: str) -> str:
    return name.replace("left", "*").replace("right", "left").replace("*", "right")


def test_every_angle_has_a_meaning() -> None:
    assert len(COLUMNS) == 6 + 2 * 10 == len(set(COLUMNS))
    assert all(meaning for meaning in MEANINGS.values())


def _rows(result: Result, path: Path) -> list[dict[str, str]]:
    export.write(result, "angles", path)
    with path.open(encoding="ascii", newline="") as stream:
        return list(csv.DictReader(stream))


def _result(pose: Pose) -> Result:
    """Somebody before a level camera."""
    result = make_result(num_tracks=1, length=3, with_gaps=False)
    points = np.stack([pose[joint] - pose["hip"] for joint in SKELETON.joints]) * (1, -1, -1)
    joints = np.broadcast_to(points.astype(np.float32), (3, 17, 3))
    return replace(result, tracks3d=(replace(result.tracks3d[0], joints=joints.copy()),))


@pytest.mark.parametrize("known", [False, True])
def test_the_table(known: bool, tmp_path: Path) -> None:
    pose = _turned(_standing(), "left_knee", "z", -90, ("left_foot",))
    result = in_the_world(_result(pose)) if known else _result(pose)
    result.tracks3d[0].joints[1] = np.nan
    rows = _rows(result, tmp_path / "pose.angles.csv")
    assert [row["frame"] for row in rows] == ["2", "3", "4"]
    assert {row["reference"] for row in rows} == {"world" if known else "camera"}
    assert float(rows[0]["knee_flexion_left_deg"]) == pytest.approx(90, abs=2e-3)
    assert {rows[1][f"{name}_deg"] for name in COLUMNS} == {""}
    assert rows[2] == {**rows[0], "frame": "4", "time_s": rows[2]["time_s"]}


def test_joints_that_a_skeleton_has_not_leave_cells_empty(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, skeleton_3d=skeletons.get("humaneva15"), with_gaps=False)
    row = _rows(result, tmp_path / "pose.csv")[0]
    assert row["pelvis_tilt_deg"] == row["hip_flexion_left_deg"] == ""
    assert row["knee_flexion_left_deg"] != ""
    assert row["trunk_lean_deg"] != ""
