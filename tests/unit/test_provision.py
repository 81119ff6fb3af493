"""A fetched file is opened by the room that will load it: it must be that very network."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests import videopose3d_files
from tests.file_server import FileServer, make_entry, serving, use_entries
from vp3d_cli import provision, registry, weights
from vp3d_cli.errors import DataError, OutputError, WeightsError
from vp3d_cli.lift.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.weights import LifterShape

CONFIG = videopose3d_files.SMALL
GOOD = videopose3d_files.blob()
SHAPE = LifterShape(CONFIG.filter_widths, CONFIG.channels, CONFIG.features)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        server.content = GOOD
        yield server


@pytest.fixture
def cache(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All the weights that there are: a lifter with every peculiarity, and a detector."""
    lifter = make_entry(
        server.url, skeleton_in="h36m17", skeleton_out="h36m17", causal=True, shape=SHAPE
    )
    use_entries(
        monkeypatch, tmp_path / "cache", lifter, make_entry(server.url, "eyes", kind="detector")
    )
    return tmp_path / "cache" / "weights"


def _kept(cache: Path) -> list[str]:
    return sorted(p.name for p in cache.iterdir() if p.suffix != ".lock")


def test_a_fetched_lifter_loads_with_nothing_typed(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[int, int | None]] = []
    assert provision.fetch("small", progress=lambda *now: told.append(now)) == cache / "small.bin"
    assert told[-1] == (len(GOOD), len(GOOD))
    lifter = load_lifter("small")
    assert (lifter.config.skeleton_in, lifter.config.causal) == ("h36m17", True)
    assert not caplog.text


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def _own_format(tmp_path: Path) -> bytes:
    path = tmp_path / "own.safetensors"
    save_checkpoint(Checkpoint(CONFIG, TemporalModel(CONFIG, 17, 17).state_dict()), path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "damaged"),
        ("garbage", "neither a vp3d lifter"),
        ("page", "a web page"),
        ("malicious", "more than weights"),
        ("malicious pickle", "more than weights|damaged"),
        ("wider", r"3,3,3, 8 channels, .* got filter widths 3,3,3, 16 channels"),
        ("shorter", "got filter widths 3,3, 8"),
        ("scores", "got .* 3 numbers a keypoint"),
        ("dense", "without dilation"),
        ("15 joints", "15 joints|15 output joints"),
        ("5 joints", "5 output joints"),
        ("own format", "vp3d's own format"),
    ],
)
def test_what_is_another_file_is_refused_and_nothing_runs(
    server: FileServer, cache: Path, kind: str, message: str, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    make = videopose3d_files.blob
    server.content = {
        "truncated": lambda: GOOD[: len(GOOD) * 2 // 3],
        "garbage": lambda: os.urandom(2000),
        "page": lambda: b"<!doctype html><title>404</title>",
        "malicious": lambda: make(epoch=_Bomb(marker)),
        "malicious pickle": lambda: pickle.dumps(_Bomb(marker)),
        "wider": videopose3d_files.wider,
        "shorter": lambda: make(LifterConfig((3, 3), 8)),
        "scores": lambda: make(dataclasses.replace(CONFIG, features=3)),
        "dense": lambda: make(dataclasses.replace(CONFIG, dense=True)),
        "15 joints": lambda: make(joints_out=15),
        "5 joints": lambda: make(joints_out=5),
        "own format": lambda: _own_format(tmp_path),
    }[kind]()
    with pytest.raises(WeightsError, match=message):
        provision.fetch("small")
    assert not marker.exists()
    assert _kept(cache) == []


def test_each_published_lifter_has_the_shape_that_is_expected_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for entry in weights.ENTRIES:
        if entry.shape:
            joints = {"h36m17": 17, "humaneva15": 15}[entry.skeleton_out or ""]
            config = LifterConfig(entry.shape.filter_widths, 8, entry.shape.features)
            slim = dataclasses.replace(entry, shape=dataclasses.replace(entry.shape, channels=8))
            provision.check(slim, videopose3d_files.blob(config, joints), "x.bin")


def test_a_detector_is_checked_by_its_room(
    server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[tuple[str, str, bytes, str]] = []

    def load(package: str, name: str) -> Any:
        return SimpleNamespace(check=lambda *given: looked.append((package, name, *given)))

    monkeypatch.setattr(registry, "load", load)
    provision.fetch("eyes")
    assert looked == [("detect", "keypoint-rcnn", GOOD, server.url)]


def test_the_detector_s_room_refuses_a_lifter(server: FileServer, cache: Path) -> None:
    pytest.importorskip("torchvision")
    with pytest.raises(WeightsError, match=r"w\.bin"):
        provision.fetch("eyes")
    assert _kept(cache) == []


# Conversion


def test_a_fetched_lifter_is_converted_whole(
    server: FileServer, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trajectory = TemporalModel(CONFIG, 17, 1).state_dict()
    server.content = videopose3d_files.blob(model_traj=trajectory)
    provision.fetch("small")
    provision.convert("small", tmp_path / "own.safetensors")
    blob = (tmp_path / "own.safetensors").read_bytes()
    converted, original = read_checkpoint(blob, "own"), read_checkpoint(server.content, "w")
    assert converted.config.training == {
        "converted_from": "small.bin",
        "sha256": hashlib.sha256(server.content).hexdigest(),
        "licence": "CC-BY-NC-4.0",
        "source": server.url,
    }
    expected = dataclasses.replace(CONFIG, skeleton_in="h36m17", causal=True)
    assert dataclasses.replace(converted.config, training={}) == expected
    for name, value in original.pose.items():
        torch.testing.assert_close(converted.pose[name], value, rtol=0, atol=0)
    assert converted.trajectory is not None
    for name, value in trajectory.items():
        torch.testing.assert_close(converted.trajectory[name], value, rtol=0, atol=0)
    assert not caplog.text


def test_a_file_is_known_by_its_hash(cache: Path, tmp_path: Path) -> None:
    provision.fetch("small")
    (tmp_path / "epoch.bin").write_bytes(GOOD)
    provision.convert(str(tmp_path / "epoch.bin"), tmp_path / "own.safetensors")
    config = load_lifter(str(tmp_path / "own.safetensors")).config
    assert (config.skeleton_in, config.causal) == ("h36m17", True)
    assert config.training["licence"] == "CC-BY-NC-4.0"
    for said in ({"causal": True}, {"skeleton_in": "h36m17"}):
        with pytest.raises(DataError, match="is 'small', whose 2D skeleton"):
            provision.convert(str(tmp_path / "epoch.bin"), tmp_path / "b.safetensors", **said)


def test_an_unknown_file_says_what_was_assumed(
    cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, out = tmp_path / "epoch.bin", tmp_path / "own.safetensors"
    source.write_bytes(GOOD)
    provision.convert(str(source), out)
    assert "taken as symmetric, coco17" in caplog.text
    assert "unknown" in load_lifter(str(out)).config.training["licence"]
    caplog.clear()
    provision.convert(str(source), out, skeleton_in="h36m17", causal=True)
    config = load_lifter(str(out)).config
    assert (config.skeleton_in, config.causal) == ("h36m17", True)
    assert not caplog.text


def test_what_cannot_be_converted(cache: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "a.bin", tmp_path / "out.safetensors"
    source.write_bytes(_own_format(tmp_path))
    with pytest.raises(DataError, match="own format"):
        provision.convert(str(source), out)
    with pytest.raises(DataError, match="is a detector"):
        provision.convert("eyes", out)
    with pytest.raises(WeightsError, match="vp3d weights fetch small"):
        provision.convert("small", out)
    with pytest.raises(WeightsError, match="nowhere"):
        provision.convert(str(tmp_path / "nowhere"), out)
    assert not out.exists()
    source.write_bytes(GOOD)
    with pytest.raises(OutputError):
        provision.convert(str(source), tmp_path / "none" / "out.safetensors")
