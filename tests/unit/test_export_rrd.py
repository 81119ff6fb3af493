"""Recordings for Rerun, read by Rerun's own loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.factories import make_result
from tests.unit.test_export_frame import in_the_world
from vp3d_cli import export
from vp3d_cli.types import Result

chunks = pytest.importorskip("rerun.chunk", reason="this Rerun reads recordings otherwise")


def _written(result: Result, path: Path) -> dict[str, list[Any]]:
    """The tables of each entity."""
    export.write(result, "rrd", path)
    found: dict[str, list[Any]] = {}
    for chunk in chunks.RrdReader(str(path)).stream().to_chunks():
        found.setdefault(str(chunk.entity_path), []).append(chunk.to_record_batch().to_pydict())
    return found


def _cells(tables: list[dict[str, list[Any]]], name: str) -> list[Any]:
    """One component, of the rows that have it."""
    columns = [t[k] for t in tables for k in t if k.endswith(name)]
    assert columns, [list(t) for t in tables]
    return [cell for column in columns for cell in column]


def test_joints_and_keypoints_of_every_frame(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, length=4, with_gaps=False)
    found = _written(result, tmp_path / "pose.rrd")
    track = result.tracks3d[0]
    joints = _cells(found["/people/person1/joints"], "Points3D:positions")
    np.testing.assert_allclose(joints, track.joints + track.root[:, None], atol=1e-6)
    keypoints = _cells(found["/camera/picture/person1/keypoints"], "Points2D:positions")
    np.testing.assert_allclose(keypoints, result.tracks2d[0].keypoints, atol=1e-3)
    frames = found["/people/person1/joints"][0]["frame"]
    assert frames[:4] == track.frames.tolist()


def test_what_is_missing_is_not_there(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, length=4)
    found = _written(result, tmp_path / "pose.rrd")
    joints = _cells(found["/people/person1/joints"], "Points3D:positions")
    assert [len(cell) for cell in joints] == [0, 17, 17, 17]
    keypoints = _cells(found["/camera/picture/person1/keypoints"], "Points2D:keypoint_ids")
    assert keypoints == [list(range(16))] * 4


def test_the_camera_stands_in_the_world_where_it_is_known(tmp_path: Path) -> None:
    result = in_the_world(make_result(num_tracks=1, length=2, with_gaps=False))
    found = _written(result, tmp_path / "pose.rrd")
    (place,) = _cells(found["/camera"], "Transform3D:translation")
    np.testing.assert_allclose(place, [[0, 0, 1.5]])
    (lens,) = _cells(found["/camera/picture"], "Pinhole:image_from_camera")
    np.testing.assert_allclose(np.reshape(lens, (3, 3)).T[:2, :2], np.eye(2) * 1100.5)
    joints = _cells(found["/people/person1/joints"], "Points3D:positions")
    np.testing.assert_allclose(joints, result.world.of(result.tracks3d[0]), atol=1e-6)
    assert "world" in _cells(found["/about"], "TextDocument:text")[0][0]


def test_twenty_people_and_nobody(tmp_path: Path) -> None:
    found = _written(make_result(num_tracks=20, length=2), tmp_path / "many.rrd")
    assert {f"/people/person{i}/joints" for i in range(1, 21)} <= set(found)
    found = _written(make_result(num_tracks=0), tmp_path / "nobody.rrd")
    assert not [entity for entity in found if "person" in entity]
    assert "/camera/picture" in found
