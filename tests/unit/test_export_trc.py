"""TRC and MOT, read by OpenSim itself and, for TRC, by trc-data-reader."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trc

from tests import opensim_reader
from tests.factories import make_result, make_video
from tests.unit.test_export_frame import at_times, in_the_world
from vp3d_cli import export, registry
from vp3d_cli.export import _angles, _frame
from vp3d_cli.types import Double, Result

needs_opensim = pytest.mark.skipif(
    importlib.util.find_spec("opensim") is None, reason="OpenSim has no wheel for this Python"
)


def _with_a_gap(result: Result) -> Result:
    """The same with a stretch in which nothing is known, and one in which a wrist is not."""
    result.tracks3d[0].joints[3:5] = np.nan
    result.tracks3d[0].joints[6, -1] = np.nan
    return result


RESULTS = {
    "gaps": _with_a_gap(make_result(num_tracks=1)),
    "one frame": make_result(num_tracks=1, length=1),
    "nobody": make_result(num_tracks=0),
    "twenty": make_result(num_tracks=20, length=4),
    "clock stands still": at_times(
        make_result(num_tracks=1, length=4), np.array([0.0, 0.1, 0.1, 0.05])
    ),
    "world": in_the_world(make_result(num_tracks=1, with_gaps=False, video=make_video(fps=1000))),
}


def _read(path: Path) -> tuple[Any, Double]:
    """What trc-data-reader finds: everything, and points (T, M, 3)."""
    found = trc.TRCData()
    found.load(str(path))
    points = np.array([found[name] for name in found["Markers"]], float)
    return found, np.moveaxis(points.reshape(len(found["Markers"]), -1, 3), 0, 1)


def _written(result: Result, path: Path) -> tuple[Any, Double]:
    registry.load("export", "trc").write(result, path)
    return _read(path)


def test_a_reader_finds_positions_times_and_units(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, with_gaps=False)
    found, points = _written(result, tmp_path / "pose.trc")
    track = result.tracks3d[0]
    x, y, z = np.moveaxis(track.joints + track.root[:, None], -1, 0)
    np.testing.assert_allclose(points, np.stack([x, -y, -z], -1), atol=1e-6)
    np.testing.assert_allclose(found["Time"], result.tracks2d[0].times_s, atol=1e-6)
    assert found["Frame#"] == [frame + 1 for frame in track.frames]
    assert (found["Units"], found["NumMarkers"], found["NumFrames"]) == ("m", 17, 8)
    assert found["DataRate"] == pytest.approx(30000 / 1001, abs=1e-6)
    assert found["Markers"][:4] == ["Hip", "RHip", "RKnee", "RAnkle"]
    assert "camera" in found["FileName"]


def test_up_is_y_from_the_floor_where_the_world_is_known(tmp_path: Path) -> None:
    result = in_the_world(make_result(num_tracks=1, with_gaps=False))
    found, points = _written(result, tmp_path / "pose.trc")
    world = result.world.of(result.tracks3d[0])
    np.testing.assert_allclose(points[..., 1], world[..., 2], atol=1e-6)
    np.testing.assert_allclose(points[..., 2], -world[..., 1], atol=1e-6)
    assert "world" in found["FileName"]


@needs_opensim
def test_opensim_loads_markers_and_motions(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in RESULTS for suffix in (".trc", ".mot")]
    for path in paths:
        people = range(2 if path.suffix == ".mot" else 21)
        alone = export.of_people(RESULTS[path.stem], people)
        registry.load("export", path.suffix[1:]).write(alone, path)
    for path, found in zip(paths, opensim_reader.read(*paths), strict=True):
        result = RESULTS[path.stem]
        times_s = found["times_s"]
        assert (np.diff(times_s) > 0).all()
        assert found["frames"] == len(times_s)
        if path.suffix == ".mot":
            assert found["degrees"]
            known = sum(np.isfinite(t.joints).all((1, 2)).sum() for t in result.tracks3d[:1])
            assert len(times_s) == known
            assert all(np.isfinite(values).all() for values in found["columns"].values())
            continue
        read, points = _read(path)
        assert found["unit"] == "meters"
        table = np.stack(list(found["columns"].values()), -1).reshape(points.shape)
        np.testing.assert_allclose(table, points, atol=1e-9, err_msg=path.name)
        np.testing.assert_allclose(times_s, read["Time"], atol=1e-9)
        assert points.shape[1] == 17 * max(len(result.tracks3d), 1)


def test_missing_is_nan_and_what_is_known_stays(tmp_path: Path) -> None:
    _, points = _written(make_result(num_tracks=1), tmp_path / "pose.trc")
    assert np.isnan(points[0]).all()
    assert np.isfinite(points[1:]).all()


def test_several_people_have_a_file_each(tmp_path: Path) -> None:
    result = make_result(num_tracks=3, with_gaps=False)
    paths = export.write(result, "trc", tmp_path / "pose.trc")
    assert [path.name for path in paths] == [f"pose.person{i}.trc" for i in (1, 2, 3)]
    alone = export.of_people(result, [2])
    np.testing.assert_array_equal(_read(paths[1])[1], _written(alone, tmp_path / "alone.trc")[1])


def test_several_people_in_one_file_keep_their_ids(tmp_path: Path) -> None:
    result = make_result(num_tracks=2, with_gaps=False)
    found, points = _written(result, tmp_path / "pose.trc")
    assert found["Markers"][16:18] == ["person1_RWrist", "person2_Hip"]
    assert points.shape == (10, 34, 3)


def test_names_with_spaces_do_not_move_columns(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, length=2, with_gaps=False)
    skeleton = result.tracks3d[0].skeleton
    odd = replace(skeleton, name="odd", joints=("a\tb", *skeleton.joints[1:]), edges=(), root=None)
    track = replace(result.tracks3d[0], skeleton=odd)
    result = replace(result, tracks3d=(track,), video=make_video(path=Path("my\tclip of\nme.mp4")))
    found, points = _written(result, tmp_path / "pose.trc")
    assert points.shape == (2, 17, 3)
    assert found["Markers"][0] == "A_b"


@needs_opensim
def test_the_motion_holds_the_angles_under_opensims_names(tmp_path: Path) -> None:
    result = in_the_world(make_result(num_tracks=1, with_gaps=False))
    export.write(result, "mot", tmp_path / "pose.mot")
    (found,) = opensim_reader.read(tmp_path / "pose.mot")
    points = _frame.with_y_up(_frame.positions(result, result.tracks3d[0], "world"), "world")
    angles = _angles.measured(_angles.Body.of(points, result.tracks3d[0].skeleton))
    for theirs, ours in (
        ("knee_angle_l", "knee_flexion_left"),
        ("hip_flexion_r", "hip_flexion_right"),
        ("arm_add_l", "shoulder_adduction_left"),
    ):
        np.testing.assert_allclose(found["columns"][theirs], angles[ours], atol=1e-6)
    np.testing.assert_allclose(found["columns"]["pelvis_ty"], points[:, 0, 1], atol=1e-6)
    np.testing.assert_allclose(found["times_s"], result.tracks2d[0].times_s, atol=1e-6)


def test_a_motion_without_a_place_has_no_translation(tmp_path: Path) -> None:
    export.write(make_result(num_tracks=1), "mot", tmp_path / "pose.mot")
    text = (tmp_path / "pose.mot").read_text()
    assert "pelvis_tilt" in text
    assert "pelvis_tx" not in text
