"""`vp3d export`, and `--export` of the commands that make poses."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import DEMO
from tests.factories import make_result
from vp3d_cli import registry
from vp3d_cli.cli.main import cli
from vp3d_cli.types import Result


def _pose(path: Path, result: Result | None = None) -> Path:
    registry.load("export", "npz").write(result or make_result(with_gaps=False), path)
    return path


@pytest.fixture(scope="session")
def real_pose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of the example."""
    import vp3d_cli

    result = vp3d_cli.estimate(DEMO, vp3d_cli.Options(end_s=0.5))
    return _pose(tmp_path_factory.mktemp("real") / "real.npz", result)


def test_formats_are_written_beside_the_pose_file_and_printed(vp3d, tmp_path: Path) -> None:
    _pose(tmp_path / "pose.npz")
    ran = vp3d("export", "pose.npz", "--to", "csv", "--to", "json", "--to", "angles")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.split() == ["pose.csv", "pose.json", "pose.angles.csv"]
    assert all((tmp_path / name).is_file() for name in ran.out.split())


def test_every_format_opens_a_real_result(vp3d, real_pose: Path, tmp_path: Path) -> None:
    options = [word for name in registry.names("export") for word in ("--to", name)]
    (tmp_path / "out").mkdir()
    ran = vp3d("export", real_pose, *options, "--out", "out")
    assert ran.code == 0, ran.err
    written = {Path(line).name for line in ran.out.splitlines()}
    assert written == {path.name for path in (tmp_path / "out").iterdir()}
    with (tmp_path / "out" / "real.angles.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    # Two people walk: upright, with knees that bend as knees do.
    lean = np.array([float(row["trunk_lean_deg"]) for row in rows])
    knees = np.array([float(row["knee_flexion_left_deg"]) for row in rows])
    assert abs(np.median(lean)) < 30
    assert knees.min() >= 0
    assert knees.max() < 120
    with (tmp_path / "out" / "real.csv").open() as stream:
        heights = [float(r["z_m"]) for r in csv.DictReader(stream) if r["reference"] == "world"]
    assert not heights or -0.5 < np.median(heights) < 2


def test_a_file_a_person_where_the_format_holds_one(vp3d, tmp_path: Path) -> None:
    _pose(tmp_path / "pose.npz")
    ran = vp3d("export", "pose.npz", "--to", "trc")
    assert ran.out.split() == ["pose.person1.trc", "pose.person2.trc"]
    ran = vp3d("export", "pose.npz", "--to", "trc", "--person", 2, "--out", "she.trc")
    assert ran.out.split() == ["she.trc"]
    assert (tmp_path / "she.trc").read_bytes() == (tmp_path / "pose.person2.trc").read_bytes()


def test_some_people(vp3d, tmp_path: Path) -> None:
    _pose(tmp_path / "pose.npz", make_result(num_tracks=4))
    ran = vp3d("export", "pose.npz", "--to", "json", "--person", 3, "--person", 1)
    assert ran.code == 0
    tracks = json.loads((tmp_path / "pose.json").read_text())["tracks"]
    assert [track["track_id"] for track in tracks] == [1, 3]


def test_a_person_who_is_not_there(vp3d, tmp_path: Path) -> None:
    _pose(tmp_path / "pose.npz")
    ran = vp3d("export", "pose.npz", "--to", "csv", "--person", 7)
    assert ran.code == 2
    assert "no person 7; it has 1, 2" in ran.err


def test_an_unknown_format_lists_those_that_there_are(vp3d, tmp_path: Path) -> None:
    _pose(tmp_path / "pose.npz")
    ran = vp3d("export", "pose.npz", "--to", "fbx")
    assert ran.code == 2
    assert all(f"'{name}'" in ran.err for name in registry.names("export"))


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--to", "csv", "--out", "gone/pose.csv"), 7, "create it first"),
        (("--to", "csv", "--out", "gone/"), 7, "create it first"),
        (("--to", "csv", "--to", "trc", "--out", "one.csv"), 7, "is not a folder"),
        (("--to", "csv", "--out", "pose.trc"), 2, "should end in .csv"),
        (("--to", "npz", "-v"), 7, "is an input"),
        (("--to", "npz", "--out", "./pose.npz"), 7, "is an input"),
        ((), 2, "--to"),
    ],
)
def test_what_cannot_be_written_is_said(vp3d, tmp_path: Path, options, code, says) -> None:
    before = _pose(tmp_path / "pose.npz").read_bytes()
    ran = vp3d("export", "pose.npz", *options)
    assert ran.code == code
    assert says in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["pose.npz"]
    assert (tmp_path / "pose.npz").read_bytes() == before


def test_what_is_no_pose_file(vp3d, tmp_path: Path) -> None:
    shutil.copy(DEMO, tmp_path / "pose.npz")
    assert vp3d("export", "pose.npz", "--to", "csv").code == 6
    assert vp3d("export", "other.npz", "--to", "csv").code == 2


@pytest.mark.parametrize(("name", "library"), [("c3d", "ezc3d"), ("parquet", "pyarrow")])
def test_a_library_that_is_missing_is_named_with_its_extra(
    vp3d, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *rest: None if n == library else real(n, *rest)
    )
    _pose(tmp_path / "pose.npz")
    ran = vp3d("export", "pose.npz", "--to", "csv", "--to", name)
    assert ran.code == 5
    assert f"needs {library}; install it with pip install 'vp3d[{name}]'" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["pose.npz"]


def test_a_library_that_is_broken_is_named_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vp3d_cli.errors import BackendUnavailableError

    monkeypatch.setitem(sys.modules, "ezc3d", None)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'vp3d\[c3d\]'"):
        registry.load("export", "c3d").write(make_result(), tmp_path / "pose.c3d")
    assert not list(tmp_path.iterdir())


def test_help_says_what_each_format_is(vp3d) -> None:
    ran = vp3d("export", "--help")
    assert ran.code == 0
    for name in registry.names("export"):
        text = " ".join(ran.out.split())
        assert f"{name} {registry.load('export', name).DESCRIPTION}" in text
    assert "vp3d export pose.npz --to csv" in ran.out


def test_lift_writes_other_formats_beside_the_pose_file(vp3d, real_pose: Path) -> None:
    ran = vp3d(
        *("lift", real_pose, "--out", "pose.npz", "--json"),
        *("--export", "csv", "--export", "trc", "--export", "json"),
    )
    assert ran.code == 0, ran.err
    names = [Path(line).name for line in ran.out.splitlines()]
    assert names[:3] == ["pose.npz", "pose.json", "pose.csv"]
    assert all(name.endswith(".trc") for name in names[3:])
    assert all(Path(name).is_file() for name in names)
    with Path("pose.csv").open() as stream:
        assert next(csv.DictReader(stream))["joint"] == "hip"


def test_the_page_has_the_video_wherever_it_is_written(
    vp3d, real_pose: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    ran = vp3d("lift", real_pose, "--video", DEMO, "--out", "pose.npz", "--export", "html")
    assert ran.code == 0, ran.err
    assert '"videoType": "video/mp4"' in (tmp_path / "pose.html").read_text(encoding="utf-8")
    shutil.copy(DEMO, tmp_path / DEMO.name)
    ran = vp3d("export", "pose.npz", "--to", "html", "--out", folder)
    assert ran.code == 0, ran.err
    assert '"videoType": "video/mp4"' in (folder / "pose.html").read_text(encoding="utf-8")


def test_nobody_found_is_a_result_also_where_a_format_cannot_say_so(vp3d, tmp_path: Path) -> None:
    _pose(tmp_path / "nobody.npz", make_result(num_tracks=0))
    ran = vp3d("lift", "nobody.npz", "--out", "pose.npz", "--export", "trc", "--export", "bvh")
    assert ran.code == 0, ran.err
    assert (tmp_path / "pose.npz").is_file()
    assert (tmp_path / "pose.trc").is_file()


@pytest.mark.parametrize("formats", [("bvh", "csv"), ("csv", "bvh")])
def test_a_format_that_cannot_say_so_keeps_no_other_from_being_written(
    vp3d, tmp_path: Path, formats: tuple[str, str]
) -> None:
    _pose(tmp_path / "nobody.npz", make_result(num_tracks=0))
    ran = vp3d("export", "nobody.npz", "--to", formats[0], "--to", formats[1])
    assert (ran.code, ran.out) == (6, "nobody.csv\n")
    assert "BVH needs a pose" in ran.err
    assert (tmp_path / "nobody.csv").is_file()
    assert not (tmp_path / "nobody.bvh").exists()


def test_what_one_format_refuses_is_told_after_the_rest_is_written(
    vp3d, real_pose: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.load("export", "c3d"), "_MOST_FRAMES", 5)
    options = ("--export", "c3d", "--export", "csv", "--render", "drawn.mp4")
    ran = vp3d("lift", real_pose, "--out", "pose.npz", *options)
    assert (ran.code, ran.out.split()) == (6, ["pose.npz", "pose.csv", "drawn.mp4"])
    assert "a C3D file holds" in ran.err
    assert all((tmp_path / name).is_file() for name in ran.out.split())


def test_the_commands_that_make_poses_know_the_formats() -> None:
    for command in ("infer", "lift"):
        options = {o.name: o for o in cli.get_command(None, command).params}
        assert set(options["formats"].type.choices) == set(registry.names("export")) - {"npz"}
