"""Configurations of both trainings: every wrong value is named with file, table and key."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vp3d_cli.errors import DataError
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.train.config import Schedule, Sources, read_train_config
from vp3d_cli.train.mocap import read_mocap
from vp3d_cli.train.noise import Noise
from vp3d_cli.train.paper import config as paper
from vp3d_cli.train.paper.config import is_paper_config, read_paper_config
from vp3d_cli.train.synthesize import Synthesis

Read = Callable[[Path], Any]
MODEL = "filter_widths = [3]\nchannels = 8\n"
# Of each kind of training: how it is read, its smallest tables, and what they become.
SYNTHETIC = {
    "model": MODEL + "features = 3\nnormalisation = 'person'\n",
    "data": "mocap = ['m.npz']\n",
}
RECORDED = {"model": MODEL, "data": "files = ['d.npz']\ntrain = ['S1']\ntest = ['S9']\n"}
KINDS: list[tuple[Read, dict[str, str], str, type]] = [
    (read_train_config, SYNTHETIC, "model", LifterConfig),
    (read_train_config, SYNTHETIC, "data", Sources),
    (read_train_config, SYNTHETIC, "train", Schedule),
    (read_train_config, SYNTHETIC, "synthesis", Synthesis),
    (read_train_config, SYNTHETIC, "synthesis.noise", Noise),
    (read_paper_config, RECORDED, "model", LifterConfig),
    (read_paper_config, RECORDED, "data", paper.Data),
    (read_paper_config, RECORDED, "train", paper.Schedule),
    (read_paper_config, RECORDED, "semi", paper.Semi),
]
WRONG = ["'ten'", "[1, 2, 3, 4]", "-1", "nan", "inf", "true", "1e300", "1.5", "[[1]]", "{a = 1}"]
WRONG += ["''", "[]", "9999999999999999999999", "1979-05-27", "['a', 1]"]
FIELDS = [
    (read, base, table, field.name, typing.get_type_hints(kind)[field.name])
    for read, base, table, kind in KINDS
    for field in dataclasses.fields(kind)
]


def _text(base: dict[str, str], table: str, line: str) -> str:
    key = line.split("=")[0].strip()
    tables = {**dict.fromkeys((table,), ""), **base}
    kept = {
        name: "".join(
            row + "\n"
            for row in rows.splitlines()
            if name != table or row.split("=")[0].strip() != key
        )
        for name, rows in tables.items()
    }
    kept[table] += line + "\n"
    return "".join(f"[{name}]\n{rows}" for name, rows in kept.items())


@pytest.mark.parametrize(
    ("read", "base", "table", "name", "hint"),
    FIELDS,
    ids=[f"{read.__name__}-{table}-{name}" for read, _, table, name, _ in FIELDS],
)
def test_every_key_with_everything_wrong(
    tmp_path: Path, read: Read, base: dict[str, str], table: str, name: str, hint: Any
) -> None:
    """It is read, or refused with file, table and key; never anything else."""
    path = tmp_path / "t.toml"
    refused = []
    for value in WRONG:
        path.write_text(_text(base, table, f"{name} = {value}"))
        try:
            is_paper_config(path)
            read(path)
        except DataError as error:
            refused.append(str(error))
    assert all(str(path) in said and name in said and table in said for said in refused)
    assert len(refused) >= (5 if hint is str or name == "training" else 8)


@pytest.mark.parametrize(
    ("read", "base", "table", "line", "words"),
    [
        (read_train_config, SYNTHETIC, "train", "epochs = '9'",
         r"table \[train\]: epochs: expected a whole number, got '9'"),
        (read_train_config, SYNTHETIC, "train", "flip = 1", "flip: expected true or false, got 1"),
        (read_train_config, SYNTHETIC, "train", "seed = true", "seed: expected a whole n"),
        (read_train_config, SYNTHETIC, "train", "bn_momentum = 0.1",
         "bn_momentum: expected a list of 2, each a number, got 0.1"),
        (read_train_config, SYNTHETIC, "train", "bn_momentum = [0.1, 2]",
         "bn_momentum: expected above 0, at most 1, got 2"),
        (read_train_config, SYNTHETIC, "train", "learning_rate = nan",
         "learning_rate: expected a number, got nan"),
        (read_train_config, SYNTHETIC, "train", "stride = 3",
         "batch_size: expected a multiple of stride, 3, got 1024"),
        (read_train_config, SYNTHETIC, "train", "sequence_length = 1",
         "sequence_length: expected at least 2, got 1"),
        (read_train_config, SYNTHETIC, "train", "epoch = 1",
         "epoch: unknown key; expected epochs, steps_per_epoch"),
        (read_train_config, SYNTHETIC, "data", "split = 3", "split: expected a path, got 3"),
        (read_train_config, SYNTHETIC, "data", "mocap = [3]",
         "mocap: expected a list, each a path"),
        (read_train_config, SYNTHETIC, "synthesis", "noise = 3",
         r"'synthesis.noise' should be a table, \[synthesis.noise\], got 3"),
        (read_train_config, SYNTHETIC, "synthesis", "fps = [60, 20]",
         "fps: expected low, then high, got 60, 20"),
        (read_train_config, SYNTHETIC, "synthesis.noise", "swap = 2",
         r"\[synthesis.noise\]: swap: expected at least 0, at most 1, got 2"),
        (read_train_config, SYNTHETIC, "syntesis", "fps = 1",
         r"unknown table \[syntesis\]: expected \[model\], \[data\], \[train\]"),
        (read_paper_config, RECORDED, "data", "train = 'S1'",
         "train: expected a list, each a text, got 'S1'"),
        (read_paper_config, RECORDED, "data", "files = 3", "files: expected a list, each a path"),
        (read_paper_config, RECORDED, "data", "subset = 0",
         "subset: expected above 0, at most 1, got 0"),
        (read_paper_config, RECORDED, "semi", "warmup = -1", "warmup: expected at least 0, got -1"),
        (read_paper_config, RECORDED, "semi", "projection = 'half'",
         "projection: expected full, linear or none, got 'half'"),
        (read_paper_config, RECORDED, "train", "evaluate_every = 0",
         "evaluate_every: expected at least 1, got 0"),
    ],
)  # fmt: skip
def test_what_is_said(
    tmp_path: Path, read: Read, base: dict[str, str], table: str, line: str, words: str
) -> None:
    path = tmp_path / "t.toml"
    path.write_text(_text(base, table, line))
    with pytest.raises(DataError, match=rf"t\.toml: .*{words}"):
        read(path)


@pytest.mark.parametrize("read", [read_train_config, read_paper_config, is_paper_config])
def test_files_that_cannot_be_read(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "t.toml"
    for content in (b"\xff\xfe", b"[train", b"a = 1\na = 2", b"a = " + b"[" * 20_000):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"t\.toml: not readable as TOML"):
            read(path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read(tmp_path / "none.toml")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read(tmp_path)
    path.write_text("train = 3")
    if read is not is_paper_config:
        with pytest.raises(DataError, match=r"'train' should be a table, \[train\], got 3"):
            read(path)
        path.write_text("[model]\nchannels = 8\n[data]\nfiles = 'd'\nmocap = 'm'\n")
        with pytest.raises(DataError, match=r"data|model"):
            read(path)


@pytest.mark.parametrize("kind", [Schedule, paper.Schedule, paper.Semi, Noise, Synthesis])
def test_the_defaults_are_allowed(kind: type) -> None:
    kind()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clip_start": [0, 5, 99]}, r"clip_start: expected 0 to 10, got 0, 99"),
        ({"clip_start": [0, 7, 7]}, "clip_start: expected 3 ascending frames"),
        ({"clip_start": [0, 10]}, "clip_start: expected 3 ascending frames"),
        ({"fps": 0}, "fps: expected frames a second, got 0"),
        ({"joints_mm": np.zeros((10, 24))}, "joints_mm: expected finite"),
        ({"joints_mm": np.full((10, 24, 3), np.nan)}, "joints_mm: expected finite"),
        ({"joints_mm": np.zeros((10, 5, 3))}, "index 5 is out of bounds"),
    ],
)
def test_motion_capture_that_does_not_go_together(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    names = [f"joint{i}" for i in range(17)] + ["Nose", "LEye", "REye", "LEar", "REar", "L", "R"]
    arrays = {"joints_mm": np.zeros((10, 24, 3)), "joint_names": names, "fps": 30}
    arrays |= {"clip_start": [0, 5, 10], "clip_name": ["a", "b"]}
    path = tmp_path / "m.npz"
    np.savez(path, **arrays)
    read_mocap([path], None, "")
    np.savez(path, **{**arrays, **changes})
    with pytest.raises(DataError, match=rf"m\.npz: cannot be read as motion capture.*{words}"):
        read_mocap([path], None, "")


def test_motion_capture_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    np.savez(path, a=np.zeros(3000))
    content = path.read_bytes()
    with (tmp_path / "array.npy").open("wb") as stream:
        np.save(stream, np.zeros(3))
    plain = (tmp_path / "array.npy").read_bytes()
    for damaged in (b"", b"no archive", content[:1000], content[:-5], plain):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"m\.npz: cannot be read as motion capture"):
            read_mocap([path], None, "")
    table = tmp_path / "split.csv"
    table.write_bytes(b"file,clip,split\n\xff,\x00,a\n")
    with pytest.raises(DataError, match=r"split\.csv: expected a CSV|no clip of the split"):
        read_mocap([path], table, "train")
