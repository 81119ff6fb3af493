"""What every file in `export/` must do, tested the moment it exists."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_result
from vp3d_cli import registry, skeletons
from vp3d_cli.errors import OutputError
from vp3d_cli.types import Result

RESULTS = {
    "two people": make_result(num_tracks=2, length=12),
    "one frame": make_result(num_tracks=1, length=1, with_gaps=False),
    "nobody": make_result(num_tracks=0),
    "another skeleton": make_result(skeleton_3d=skeletons.get("humaneva15")),
}


def _nothing_known() -> Result:
    result = make_result(num_tracks=1, length=5)
    for track2d, track3d in zip(result.tracks2d, result.tracks3d, strict=True):
        for array in (track2d.keypoints, track2d.boxes, track3d.joints, track3d.confidence):
            array[:] = np.nan
    return result


RESULTS["nothing known"] = _nothing_known()


@pytest.fixture(params=registry.names("export"))
def export(request: pytest.FixtureRequest):
    return registry.load("export", request.param)


@pytest.fixture(params=RESULTS)
def result(request: pytest.FixtureRequest) -> Result:
    return RESULTS[request.param]


def test_suffix_is_one_lower_case_extension(export) -> None:
    assert Path(f"pose{export.SUFFIX}").suffix == export.SUFFIX == export.SUFFIX.lower()


def test_writes_a_file_and_nothing_hidden(export, result: Result, tmp_path: Path) -> None:
    path = tmp_path / f"pose{export.SUFFIX}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export.write(result, path)
    assert path.stat().st_size > 0
    assert not [other for other in tmp_path.iterdir() if other.name.startswith(".")]


def test_equal_results_give_equal_bytes(export, result: Result, tmp_path: Path) -> None:
    first, second = tmp_path / f"a{export.SUFFIX}", tmp_path / f"b{export.SUFFIX}"
    export.write(result, first)
    provenance = dict(reversed(result.provenance.items()))
    export.write(replace(result, provenance=provenance), second)
    assert first.read_bytes() == second.read_bytes()


def test_does_not_change_the_result(export, tmp_path: Path) -> None:
    result, same = make_result(seed=3), make_result(seed=3)
    export.write(result, tmp_path / f"pose{export.SUFFIX}")
    for track, twin in zip(
        result.tracks2d + result.tracks3d, same.tracks2d + same.tracks3d, strict=True
    ):
        for name, value in vars(track).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, getattr(twin, name))


def test_writes_under_the_name_it_is_given(export, tmp_path: Path) -> None:
    path = tmp_path / "name.without.that.suffix"
    export.write(RESULTS["two people"], path)
    assert path.is_file()


def test_missing_folder_is_an_output_error(export, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        export.write(RESULTS["two people"], tmp_path / "missing" / f"pose{export.SUFFIX}")
    assert not list(tmp_path.iterdir())


def test_unwritable_folder_leaves_the_old_file(
    export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"pose{export.SUFFIX}"
    path.write_text("old")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Permissions would not stop root, who runs the tests in a container.
    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        export.write(RESULTS["two people"], path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "old"
