"""What every format of data sets promises: a new file is tested the moment it exists."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests import dataset_files
from vp3d_cli import datasets
from vp3d_cli.datasets.summary import summary
from vp3d_cli.errors import DataError

NAMES = datasets.names()
MAKE: dict[str, Callable[[Path], list[Path]]] = {
    name: getattr(dataset_files, name.replace("-", "_")) for name in NAMES
}


def test_there_are_formats() -> None:
    assert {"vp3d", "human36m", "humaneva15", "mocap"} <= set(NAMES)
    assert all(len(line) <= 100 and "\n" not in line for line in datasets.descriptions().values())


@pytest.mark.parametrize("name", NAMES)
def test_auto_reads_what_its_name_reads(name: str, tmp_path: Path) -> None:
    paths = MAKE[name](tmp_path)
    told, guessed = datasets.read(paths, name), datasets.read(paths)
    assert [s.name for s in told] == [s.name for s in guessed]
    assert len(datasets.read([tmp_path])) == len(told)
    for sequence in told:
        assert sequence.joints is not None
        assert sequence.joints.dtype == np.float32
        assert str(tmp_path) in sequence.joints_at


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_data_set_has_no_faults(name: str, tmp_path: Path) -> None:
    checked = datasets.check_files(MAKE[name](tmp_path))
    assert checked.failures == ()
    assert list(map(str, checked.findings)) == []
    assert summary(checked.sequences).count("\n") >= 2


@pytest.mark.parametrize("name", NAMES)
def test_our_own_format_holds_it_all(name: str, tmp_path: Path) -> None:
    before = datasets.read(MAKE[name](tmp_path))
    for file in ("a.npz", "b.npz"):
        datasets.write(before, tmp_path / file)
    after = datasets.read([tmp_path / "a.npz"])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert len(before) == len(after)
    for a, b in zip(before, after, strict=True):
        for field in ("subject", "action", "fps", "width", "height", "space"):
            assert getattr(a, field) == getattr(b, field)
        assert (a.skeleton_in, a.skeleton_out) == (b.skeleton_in, b.skeleton_out)
        for field in ("joints", "keypoints", "scores"):
            x, y = getattr(a, field), getattr(b, field)
            assert (x is None) == (y is None)
            if x is not None:
                np.testing.assert_array_equal(x, y)
        assert (a.camera is None) == (b.camera is None)
        if a.camera and b.camera:
            for field in ("focal", "centre", "radial", "tangential", "rotation", "position"):
                np.testing.assert_array_equal(getattr(a.camera, field), getattr(b.camera, field))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as data:
        assert all(data[key] is not None for key in data.files)


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_off_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    paths = MAKE[name](tmp_path)
    content = paths[0].read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 30):
        paths[0].write_bytes(content[:length])
        for format in ("auto", name):
            with pytest.raises(DataError, match=paths[0].name):
                datasets.read(paths, format)
            assert datasets.check_files(paths, format).failures


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("bvh", "c3d")])
def test_a_pickle_that_runs_something_is_refused(name: str, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "run"),)

    paths = MAKE[name](tmp_path)
    with np.load(paths[0], allow_pickle=True) as data:
        arrays = {key: data[key] for key in data.files}
    refused = {}
    for key in arrays:
        np.savez(paths[0], **{**arrays, key: np.array([Evil()], dtype=object)})
        try:
            datasets.read(paths, name)  # what it does not need, it does not look at
        except DataError as error:
            refused[key] = str(error)
    assert refused
    assert all(f"{paths[0].name}: {key}: " in message for key, message in refused.items())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", NAMES)
def test_only_some_subjects_and_actions(name: str, tmp_path: Path) -> None:
    paths = MAKE[name](tmp_path)
    everything = datasets.read(paths)
    subject, action = everything[-1].subject, everything[-1].action
    assert {s.subject for s in datasets.read(paths, subjects=[subject])} == {subject}
    assert {s.action for s in datasets.read(paths, actions=[action])} == {action}
    first = {s.action for s in everything if s.action.split()[0] == action.split()[0]}
    assert {s.action for s in datasets.read(paths, actions=[action.split()[0]])} == first
    there = sorted({s.subject for s in everything})[0]
    with pytest.raises(DataError, match=rf"subjects: expected one of .*'{there}'.*, got 'S12'"):
        datasets.read(paths, subjects=[subject, "S12"])
    with pytest.raises(DataError, match=r"actions: expected one of .*, got 'Flying'"):
        datasets.read(paths, actions=["Flying"])
