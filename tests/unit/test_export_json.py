"""The JSON form: standard, rounded, complete."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.factories import make_result
from vp3d_cli import pose_file, registry
from vp3d_cli.types import Json, Result

EXPORT = registry.load("export", "json")


def _written(result: Result, path: Path) -> Json:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    EXPORT.write(result, path)
    document: Json = json.loads(path.read_text(), parse_constant=refuse)
    return document


def test_holds_every_field_of_the_pose_file(tmp_path: Path) -> None:
    document = _written(make_result(), tmp_path / "pose.json")
    track = document["tracks"][0]
    assert set(track) == set(pose_file.COLUMNS)
    assert set(document["fields"]) == set(pose_file.COLUMNS) - {"track_id"}
    assert {"schema", "meta", "camera_to_world"} <= set(document)
    assert document["meta"] == pose_file.metadata(make_result())


def test_numbers_are_rounded_to_the_stated_precision(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, with_gaps=False)
    track = _written(result, tmp_path / "pose.json")["tracks"][0]
    for key, exact, decimals in (
        ("boxes", result.tracks2d[0].boxes, 2),
        ("keypoints_2d", result.tracks2d[0].keypoints, 2),
        ("scores_2d", result.tracks2d[0].scores, 3),
        ("joints_3d", result.tracks3d[0].joints, 4),
        ("root_camera", result.tracks3d[0].root, 4),
    ):
        written = np.array(track[key])
        np.testing.assert_array_equal(written, written.round(decimals), err_msg=key)
        np.testing.assert_allclose(written, exact, rtol=0, atol=0.51 * 10**-decimals, err_msg=key)


def test_missing_is_null(tmp_path: Path) -> None:
    track = _written(make_result(num_tracks=1), tmp_path / "pose.json")["tracks"][0]
    assert track["joints_world"] is None
    assert track["root_camera"] is None
    assert track["keypoints_2d"][0][-1] == [None, None]
    assert track["joints_3d"][0][0] == [None, None, None]
    assert track["joints_3d"][1][0] == [0.0, 0.0, 0.0]


def test_nobody_is_an_empty_list(tmp_path: Path) -> None:
    assert _written(make_result(num_tracks=0), tmp_path / "pose.json")["tracks"] == []
