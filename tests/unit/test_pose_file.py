"""What the refinement adds to a pose file: the world, raw joints, residuals, contacts, risk."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_result, make_track2d, make_track3d
from tests.walkers import camera_axes
from vp3d_cli import registry, results
from vp3d_cli.errors import DataError
from vp3d_cli.types import Result, World

# Columns that the first versions did not write.
LATER = ("joints_3d_raw", "residual_px", "foot_contacts", "identity_risk")

npz, as_json = (registry.load("export", name) for name in ("npz", "json"))


def _world(seed: int = 0) -> World:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[2, 3] = camera_axes(0.2 + seed / 10, -0.1).T, 1.7
    return World(matrix, "feet, trunks and a level camera")


def _refined(length: int = 6) -> Result:
    """Two people with all that can be known."""
    result = make_result(num_tracks=2, length=length, with_gaps=False)
    rng = np.random.default_rng(0)
    tracks2d = tuple(
        dataclasses.replace(track, at_risk=rng.uniform(size=length) > 0.5)
        for track in result.tracks2d
    )
    tracks3d = tuple(
        dataclasses.replace(
            track,
            raw=rng.normal(size=track.joints.shape).astype(np.float32),
            residual_px=rng.uniform(0, 9, length).astype(np.float32),
            contacts=rng.uniform(size=(length, 2)) > 0.5,
        )
        for track in result.tracks3d
    )
    return dataclasses.replace(result, tracks2d=tracks2d, tracks3d=tracks3d, world=_world())


def test_all_that_is_known_comes_back(tmp_path: Path) -> None:
    result = _refined()
    npz.write(result, tmp_path / "a.npz")
    loaded = results.load_result(tmp_path / "a.npz")
    assert loaded.world.how == result.world.how
    np.testing.assert_array_equal(loaded.world.camera_to_world, result.world.camera_to_world)
    for got, want in zip(loaded.tracks3d, result.tracks3d, strict=True):
        for name in ("joints", "root", "raw", "residual_px", "contacts", "confidence"):
            np.testing.assert_array_equal(getattr(got, name), getattr(want, name), err_msg=name)
        np.testing.assert_array_equal(loaded.world.of(got), result.world.of(want))
        assert np.isnan(got.spread).all()  # not kept
    for seen, was in zip(loaded.tracks2d, result.tracks2d, strict=True):
        np.testing.assert_array_equal(seen.at_risk, was.at_risk)
    # Written again it is the same file.
    npz.write(loaded, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_joints_in_the_world_are_those_of_the_camera_turned(tmp_path: Path) -> None:
    result = _refined()
    npz.write(result, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as data:
        matrix, world = data["camera_to_world"], data["joints_world"]
        placed = data["joints_3d"] + data["root_camera"][:, None]
        for row in range(len(placed)):
            for joint in range(17):
                by_hand = matrix @ np.append(placed[row, joint], 1)
                np.testing.assert_allclose(world[row, joint], by_hand[:3], atol=1e-5)
        # Distances stay, and what is below the camera is lower.
        np.testing.assert_allclose(
            np.linalg.norm(np.diff(world, axis=1), axis=-1),
            np.linalg.norm(np.diff(placed, axis=1), axis=-1),
            atol=1e-5,
        )
        assert json.loads(str(data["meta"]))["world"] == {"how": result.world.how}


@pytest.mark.parametrize("unknown", ["world", "root", "joints"])
def test_nobody_is_anywhere_where_something_is_unknown(unknown: str) -> None:
    person = make_track3d(make_track2d())
    world = World.unknown("the camera moves") if unknown == "world" else _world()
    if unknown == "root":
        person.root[2:4] = np.nan
    if unknown == "joints":
        person.joints[2:4, 5] = np.nan
    missing = np.isnan(world.of(person)).any(-1)
    expected = np.zeros((8, 17), bool)
    expected[
        {"world": np.s_[:, :], "root": np.s_[2:4, :], "joints": np.s_[2:4, 5]}[unknown]  # type: ignore[index]
    ] = True
    np.testing.assert_array_equal(missing, expected)
    assert world.of(person).dtype == np.float32


def test_a_world_is_unknown_as_a_whole() -> None:
    assert _world().is_known
    assert not World.unknown("left out").is_known
    half = _world().camera_to_world.copy()
    half[0, 0] = np.nan
    assert not World(half, "").is_known
    with pytest.raises(ValueError, match="camera_to_world"):
        World(np.eye(3), "")


@pytest.mark.parametrize("missing", [LATER, LATER[:1], LATER[2:]])
def test_files_of_the_first_versions_are_read(tmp_path: Path, missing: tuple[str, ...]) -> None:
    result = dataclasses.replace(_refined(), world=World.unknown("not estimated"))
    npz.write(result, tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as data:
        kept = {key: data[key] for key in data.files if key not in missing}
    meta = json.loads(str(kept["meta"]))
    del meta["world"]  # nor did they say why
    np.savez(tmp_path / "old.npz", **{**kept, "meta": np.array(json.dumps(meta))})
    loaded = results.load_result(tmp_path / "old.npz")
    assert (loaded.world.is_known, loaded.world.how) == (False, "not estimated")
    fields = {
        "joints_3d_raw": "raw", "residual_px": "residual_px", "foot_contacts": "contacts",
    }  # fmt: skip
    for got, want in zip(loaded.tracks3d, result.tracks3d, strict=True):
        np.testing.assert_array_equal(got.joints, want.joints)
        for key, name in fields.items():
            column, told = getattr(got, name), getattr(want, name)
            if key not in missing:
                np.testing.assert_array_equal(column, told)
            elif column.dtype == bool:
                assert not column.any()
            else:
                assert np.isnan(column).all()
            assert column.shape == told.shape
    if "identity_risk" in missing:
        assert not any(track.at_risk.any() for track in loaded.tracks2d)


@pytest.mark.parametrize("key", ["camera_to_world", "joints_world", "root_camera"])
def test_what_the_first_versions_had_is_not_optional(tmp_path: Path, key: str) -> None:
    npz.write(_refined(), tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as data:
        kept = {name: data[name] for name in data.files if name != key}
    np.savez(tmp_path / "b.npz", **kept)
    with pytest.raises(DataError, match=f"{key} missing"):
        results.load_result(tmp_path / "b.npz")


def test_json_holds_the_camera_and_the_world(tmp_path: Path) -> None:
    result = _refined()
    as_json.write(result, tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    np.testing.assert_array_equal(document["camera_to_world"], result.world.camera_to_world)
    track = document["tracks"][0]
    person = result.tracks3d[0]
    np.testing.assert_allclose(track["joints_world"], result.world.of(person), atol=6e-5)
    np.testing.assert_allclose(track["joints_3d_raw"], person.raw, atol=6e-5)
    np.testing.assert_allclose(track["residual_px"], person.residual_px, atol=6e-3)
    assert track["foot_contacts"] == person.contacts.tolist()
    assert track["identity_risk"] == result.tracks2d[0].at_risk.tolist()


def test_json_of_an_unknown_world_has_none(tmp_path: Path) -> None:
    result = dataclasses.replace(_refined(), world=World.unknown("the camera moves"))
    as_json.write(result, tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["camera_to_world"] is None
    assert document["tracks"][0]["joints_world"] is None
    assert document["meta"]["world"] == {"how": "the camera moves"}
