"""docs/pose.schema.json describes what the JSON export writes, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from tests.factories import make_result
from tests.unit.test_export_frame import in_the_world
from vp3d_cli import pose_file, registry, skeletons
from vp3d_cli.types import Json, Result

SCHEMA: Json = json.loads(
    (Path(__file__).parents[2] / "docs" / "pose.schema.json").read_text(encoding="utf-8")
)
CHECK = jsonschema.Draft202012Validator(SCHEMA)
RESULTS = {
    "two people with gaps": make_result(),
    "in the world": in_the_world(make_result(with_gaps=False)),
    "one frame": make_result(num_tracks=1, length=1),
    "twenty people": make_result(num_tracks=20),
    "nobody": make_result(num_tracks=0),
    "another skeleton": make_result(skeleton_3d=skeletons.get("humaneva15")),
}


def _document(result: Result, path: Path) -> Json:
    registry.load("export", "json").write(result, path)
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    return document


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", RESULTS)
def test_exports_follow_it(name: str, tmp_path: Path) -> None:
    CHECK.validate(_document(RESULTS[name], tmp_path / "pose.json"))


def test_a_track_has_all_columns_of_the_pose_file_and_no_others() -> None:
    track = SCHEMA["$defs"]["track"]
    assert set(track["properties"]) == set(track["required"]) == set(pose_file.COLUMNS)
    assert SCHEMA["properties"]["schema"]["const"] == pose_file.SCHEMA


@pytest.mark.parametrize("key", sorted(pose_file.COLUMNS))
def test_a_damaged_track_does_not(key: str, tmp_path: Path) -> None:
    document = _document(in_the_world(make_result(with_gaps=False)), tmp_path / "pose.json")
    column = document["tracks"][0][key]
    for wrong in ("text", [["text"]], [[[[0]]]]):
        document["tracks"][0][key] = wrong
        assert not CHECK.is_valid(document), wrong
    document["tracks"][0][key] = column
    assert CHECK.is_valid(document)
    del document["tracks"][0][key]
    assert not CHECK.is_valid(document)


def test_infinity_is_missing(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, with_gaps=False)
    result.tracks3d[0].joints[1] = np.inf
    CHECK.validate(_document(result, tmp_path / "pose.json"))
