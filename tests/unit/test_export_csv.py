"""The long table, as CSV and as Parquet, read by others."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from tests.factories import make_result
from tests.unit.test_export_frame import in_the_world
from vp3d_cli import export, pose_file, skeletons
from vp3d_cli.export import _table
from vp3d_cli.types import Result

LIMBS = {f"{s}_{p}" for s in ("left", "right") for p in ("hip", "knee", "foot", "shoulder")}
LIMBS |= {f"{s}_{p}" for s in ("left", "right") for p in ("elbow", "wrist")}


def _rows(result: Result, path: Path) -> list[dict[str, str]]:
    export.write(result, "csv", path)
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_row_per_person_frame_and_joint(tmp_path: Path) -> None:
    result = make_result(num_tracks=2, length=5)
    rows = _rows(result, tmp_path / "pose.csv")
    assert list(rows[0]) == list(_table.COLUMNS)
    assert len(rows) == 2 * 5 * 17
    keys = [(int(r["track_id"]), int(r["frame"]), r["joint"]) for r in rows]
    joints = skeletons.get("h36m17").joints
    assert keys == [(t, 2 * t + f, j) for t in (1, 2) for f in range(5) for j in joints]


def test_numbers_are_the_results(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, length=4, with_gaps=False)
    rows = _rows(result, tmp_path / "pose.csv")
    track2d, track3d = result.tracks2d[0], result.tracks3d[0]
    where = np.array([[float(r[f"{a}_m"]) for a in "xyz"] for r in rows]).reshape(4, 17, 3)
    np.testing.assert_allclose(where, track3d.joints + track3d.root[:, None], atol=0.6e-5)
    sure = np.array([float(r["confidence"]) for r in rows]).reshape(4, 17)
    np.testing.assert_allclose(sure, track3d.confidence, atol=0.6e-4)
    times = np.array([float(r["time_s"]) for r in rows]).reshape(4, 17)
    np.testing.assert_allclose(times[:, 0], track2d.times_s, atol=0.6e-6)
    assert {r["reference"] for r in rows} == {"camera"}


def test_the_keypoint_of_a_joint_stands_beside_it(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, length=1, with_gaps=False)
    rows = {r["joint"]: r for r in _rows(result, tmp_path / "pose.csv")}
    assert {joint for joint, row in rows.items() if row["keypoint"]} == LIMBS
    track = result.tracks2d[0]
    ankle = track.skeleton.index("left_ankle")
    row = rows["left_foot"]
    assert row["keypoint"] == "left_ankle"
    assert float(row["u_px"]) == pytest.approx(track.keypoints[0, ankle, 0], abs=1e-3)
    assert float(row["v_px"]) == pytest.approx(track.keypoints[0, ankle, 1], abs=1e-3)
    assert float(row["score"]) == pytest.approx(track.scores[0, ankle], abs=1e-4)
    assert rows["hip"]["u_px"] == rows["hip"]["score"] == ""


def test_the_world_where_it_is_known(tmp_path: Path) -> None:
    result = in_the_world(make_result(num_tracks=1, length=2, with_gaps=False))
    row = _rows(result, tmp_path / "pose.csv")[0]
    assert row["reference"] == "world"
    where = result.world.of(result.tracks3d[0])[0, 0]
    assert [float(row[f"{a}_m"]) for a in "xyz"] == pytest.approx(where.tolist(), abs=1e-5)


def test_missing_is_an_empty_cell_and_filled_is_not_observed(tmp_path: Path) -> None:
    rows = _rows(make_result(num_tracks=1, length=4), tmp_path / "pose.csv")
    assert {rows[0][f"{axis}_m"] for axis in "xyz"} == {""}
    assert rows[17]["x_m"] != ""
    assert [rows[17 * f]["observed"] for f in range(4)] == ["true", "true", "false", "true"]


def test_nobody_is_the_names_alone(tmp_path: Path) -> None:
    assert _rows(make_result(num_tracks=0), tmp_path / "pose.csv") == []
    assert (tmp_path / "pose.csv").read_text() == ",".join(_table.COLUMNS) + "\n"


def test_names_of_a_strangers_skeleton_stay_in_their_cells(tmp_path: Path) -> None:
    joints = ('a,"b', *skeletons.get("h36m17").joints[1:])
    odd = replace(skeletons.get("h36m17"), name="odd", joints=joints, edges=(), root=None)
    rows = _rows(make_result(num_tracks=1, length=1, skeleton_3d=odd), tmp_path / "pose.csv")
    assert rows[0]["joint"] == 'a,"b'


def test_parquet_holds_the_same_table(tmp_path: Path) -> None:
    result = make_result(num_tracks=3, length=4)
    texts = _rows(result, tmp_path / "pose.csv")
    export.write(result, "parquet", tmp_path / "pose.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "pose.parquet")
    assert table.column_names == list(_table.COLUMNS)
    for column, decimals in _table.COLUMNS.items():
        for text, value in zip([r[column] for r in texts], table[column].to_pylist(), strict=True):
            if value is None:
                assert text == ""
            elif decimals is None:
                assert text == (str(value).lower() if isinstance(value, bool) else str(value))
            else:
                assert float(text) == pytest.approx(value, abs=0.51 * 10**-decimals + 1e-6)


def test_parquet_says_what_it_is_of(tmp_path: Path) -> None:
    result = in_the_world(make_result(with_gaps=False))
    export.write(result, "parquet", tmp_path / "pose.parquet")
    about = pyarrow.parquet.read_schema(tmp_path / "pose.parquet").metadata
    assert about[b"vp3d.schema"].decode() == pose_file.SCHEMA
    assert json.loads(about[b"vp3d.meta"]) == pose_file.metadata(result)
    assert json.loads(about[b"vp3d.camera_to_world"]) == result.world.camera_to_world.tolist()


def test_an_empty_parquet_file_has_its_columns(tmp_path: Path) -> None:
    export.write(make_result(num_tracks=0), "parquet", tmp_path / "pose.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "pose.parquet")
    assert (table.num_rows, table.column_names) == (0, list(_table.COLUMNS))
