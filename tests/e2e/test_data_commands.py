"""`vp3d data` as a person uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests import dataset_files
from tests.dataset_files import human36m, mocap
from tests.e2e.conftest import Ran
from vp3d_cli import datasets

Run = Callable[..., Ran]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def test_check_of_sound_data(vp3d: Run, files: Path) -> None:
    ran = vp3d("data", "check", *human36m(files))
    assert ran.code == 0, ran.err
    assert ran.err == "no faults\n"
    lines = ran.out.splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:3] == ["subject", "actions", "sequences"]
    assert lines[3].split()[:3] == ["all", "2", "16"]
    ran = vp3d("data", "check", files, "--subjects", "S9", "--actions", "Photo")
    assert ran.out.splitlines()[1].split()[:3] == ["S9", "1", "4"]


def test_check_of_faulty_data(vp3d: Run, files: Path) -> None:
    paths = human36m(files)
    with np.load(paths[0], allow_pickle=True) as data:
        positions = data["positions_3d"].item()
    scaled = {s: {a: 1000 * j for a, j in actions.items()} for s, actions in positions.items()}
    np.savez(paths[0], positions_3d=scaled)
    ran = vp3d("data", "check", *paths)
    assert ran.code == 6
    lines = ran.out.splitlines()
    wrong = [line for line in lines if "taken for metres: millimetres" in line]
    assert len(wrong) == 6
    assert wrong[0].startswith(f"{paths[0]}: positions_3d['S1']['Walking 1'] (S1 Walking 1, ")
    assert wrong[-1].endswith("11 more sequences")
    assert ran.err == "16 faults\n"
    ran = vp3d("data", "check", *paths, "--all")
    assert sum("taken for metres" in line for line in ran.out.splitlines()) == 16


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--subjects", "S9,S12"], "subjects: expected one of 'S1', 'S9', got 'S12'"),
        (["--actions", "Flying"], "actions: expected one of 'Photo', 'Walking', 'Walking 1', got"),
    ],
)
def test_what_is_asked_for_is_not_there(
    vp3d: Run, files: Path, arguments: list[str], words: str
) -> None:
    paths = human36m(files)
    ran = vp3d("data", "check", *paths[:1], *paths[2:], *arguments)
    assert ran.code == 6
    assert words in ran.out
    ran = vp3d("data", "prepare", *paths[:1], *paths[2:], *arguments, "-o", "out.npz")
    assert ran.code == 6
    assert words in ran.err
    assert ran.out == ""
    assert not Path("out.npz").exists()


def test_another_format_is_insisted_on(vp3d: Run, files: Path) -> None:
    path = human36m(files)[0]
    ran = vp3d("data", "check", path, "--format", "mocap")
    assert ran.code == 6
    assert ran.out.startswith(f"{path}: joints_mm: is missing (read as mocap; ")


def test_prepare(vp3d: Run, files: Path) -> None:
    paths = human36m(files)
    ran = vp3d("data", "prepare", *paths, "--subjects", "S9", "--out", "out.npz")
    assert (ran.code, ran.out) == (0, "out.npz\n"), ran.err
    sequences = datasets.read([Path("out.npz")])
    assert {s.subject for s in sequences} == {"S9"}
    assert len(sequences) == 8
    assert vp3d("data", "check", "out.npz").code == 0


def test_prepare_spares_its_input(vp3d: Run, files: Path) -> None:
    paths = mocap(files)
    before = paths[0].read_bytes()
    ran = vp3d("data", "prepare", *paths, "--out", paths[0])
    assert ran.code == 7
    assert paths[0].read_bytes() == before
    assert vp3d("data", "prepare", *paths, "--out", "nowhere/out.npz").code == 7
    assert vp3d("data", "prepare", "nowhere.npz", "--out", "out.npz").code == 2
    assert vp3d("data", "check").code == 2


def test_a_file_of_something_else(vp3d: Run, files: Path) -> None:
    (files / "notes.npz").write_text("hello")
    ran = vp3d("data", "check", files / "notes.npz")
    assert ran.code == 6
    assert ran.out.startswith(f"{files / 'notes.npz'}: is no known data set. The formats that")
    assert all(f"\n  {name}: " in ran.out for name in datasets.names())


def test_synthesize(vp3d: Run, files: Path) -> None:
    mocap(files)
    (files / "config.toml").write_text(
        "[data]\nmocap = 'clips.npz'\nsplit = 'split.csv'\n[train]\nsequence_length = 40\n"
        "[model]\nfilter_widths = [3, 3]\nchannels = 8\nfeatures = 3\nnormalisation = 'person'\n"
    )
    make = ("data", "synthesize", files / "config.toml", "--count", "5", "-o")
    ran = vp3d(*make, "made.npz")
    assert (ran.code, ran.out) == (0, "made.npz\n"), ran.err
    sequences = datasets.read([Path("made.npz")])
    assert [len(s) for s in sequences] == [40] * 5
    assert {s.subject for s in sequences} == {"train"}
    assert vp3d(*make, "again.npz").code == 0
    assert Path("made.npz").read_bytes() == Path("again.npz").read_bytes()
    ran = vp3d(*make, "held.npz", "--split", "heldout")
    assert ran.code == 0
    assert Path("held.npz").read_bytes() != Path("made.npz").read_bytes()
    assert {s.subject for s in datasets.read([Path("held.npz")])} == {"heldout"}
    ran = vp3d(*make, "none.npz", "--split", "nothing")
    assert ran.code == 6
    assert "no clip of the split 'nothing'" in ran.err
    assert not Path("none.npz").exists()


def test_help_has_examples_and_every_format(vp3d: Run) -> None:
    ran = vp3d("data", "--help")
    assert all(f"\n    {name} " in ran.out for name in datasets.names())
    for command in ("check", "prepare", "synthesize"):
        assert f"vp3d data {command} " in vp3d("data", command, "--help").out


def test_our_own_format_needs_no_cameras_file(vp3d: Run, files: Path) -> None:
    ran = vp3d("data", "check", *dataset_files.vp3d(files))
    assert ran.code == 0, ran.out
