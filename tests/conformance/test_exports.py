"""What every file in `export/` must do, tested the moment it exists."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.factories import make_result
from vp3d_cli import export as exports
from vp3d_cli import registry, skeletons
from vp3d_cli.errors import DataError, OutputError
from vp3d_cli.types import Result

PLAIN = make_result(num_tracks=1, with_gaps=False)
RESULTS = {
    "plain": PLAIN,
    "two people": make_result(num_tracks=2, length=12),
    "one frame": make_result(num_tracks=1, length=1, with_gaps=False),
    "nobody": make_result(num_tracks=0),
    "twenty people": make_result(num_tracks=20, length=4),
    "another skeleton": make_result(skeleton_3d=skeletons.get("humaneva15")),
}


def _nothing_known() -> Result:
    result = make_result(num_tracks=1, length=5)
    for track2d, track3d in zip(result.tracks2d, result.tracks3d, strict=True):
        for array in (track2d.keypoints, track2d.boxes, track3d.joints, track3d.confidence):
            array[:] = np.nan
    return result


def _stretches_missing() -> Result:
    """Joints, places and keypoints that come and go, at different times."""
    result = make_result(num_tracks=2, length=12, with_gaps=False)
    for track2d, track3d in zip(result.tracks2d, result.tracks3d, strict=True):
        track2d.keypoints[2:5] = np.nan
        track3d.joints[4:7] = np.nan
        track3d.joints[8, 3] = np.nan
        track3d.root[6:10] = np.nan
    return result


RESULTS["nothing known"] = _nothing_known()
RESULTS["stretches missing"] = _stretches_missing()


@pytest.fixture(params=registry.names("export"))
def export(request: pytest.FixtureRequest):
    return registry.load("export", request.param)


def _write(export: ModuleType, result: Result, path: Path) -> list[Path]:
    """Write as the command line does: a file, a file a person, or an error that says why not."""
    name = export.__name__.rpartition(".")[2]
    if result is PLAIN:
        return exports.write(result, name, path)
    try:
        return exports.write(result, name, path)
    except DataError as error:
        said = str(error)
    assert len(said) > 20
    assert not list(path.parent.glob(f"{path.stem}*"))
    return []


@pytest.fixture(params=RESULTS)
def result(request: pytest.FixtureRequest) -> Result:
    return RESULTS[request.param]


def test_suffix_is_one_lower_case_extension(export) -> None:
    assert Path(f"pose{export.SUFFIX}").suffix == export.SUFFIX == export.SUFFIX.lower()


def test_writes_a_file_and_nothing_hidden(export, result: Result, tmp_path: Path) -> None:
    path = tmp_path / f"pose{export.SUFFIX}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = _write(export, result, path)
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert all(each.stat().st_size > 0 and each.suffix == export.SUFFIX for each in written)


def test_says_what_it_is_in_a_line(export) -> None:
    assert 20 < len(export.DESCRIPTION) < 90
    assert "\n" not in export.DESCRIPTION


def test_needs_only_what_an_extra_brings(export) -> None:
    library, extra = getattr(export, "NEEDS", ("", ""))
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert not library or f"\n{extra} = [" in text


def test_equal_results_give_equal_bytes(export, result: Result, tmp_path: Path) -> None:
    if not getattr(export, "REPRODUCIBLE", True):
        pytest.skip("its docstring says why it is not")
    first = _write(export, result, tmp_path / f"a{export.SUFFIX}")
    provenance = dict(reversed(result.provenance.items()))
    again = replace(result, provenance=provenance)
    second = _write(export, again, tmp_path / f"b{export.SUFFIX}")
    assert [a.read_bytes() for a in first] == [b.read_bytes() for b in second]


def test_does_not_change_the_result(export, tmp_path: Path) -> None:
    result, same = make_result(seed=3), make_result(seed=3)
    _write(export, result, tmp_path / f"pose{export.SUFFIX}")
    for track, twin in zip(
        result.tracks2d + result.tracks3d, same.tracks2d + same.tracks3d, strict=True
    ):
        for name, value in vars(track).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, getattr(twin, name))


def test_writes_under_the_name_it_is_given(export, tmp_path: Path) -> None:
    path = tmp_path / "name.without.that.suffix"
    assert exports.write(PLAIN, export.__name__.rpartition(".")[2], path) == [path]
    assert path.is_file()


def test_missing_folder_is_an_output_error(export, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        export.write(PLAIN, tmp_path / "missing" / f"pose{export.SUFFIX}")
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
        export.write(PLAIN, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "old"
