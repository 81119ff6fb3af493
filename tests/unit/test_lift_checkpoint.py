"""Weights files: two formats, nothing executed, nothing retyped."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vp3d_cli import weights
from vp3d_cli.errors import DataError, WeightsError
from vp3d_cli.lift.checkpoint import Checkpoint, build_models, read_checkpoint, save_checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.lift.model import TemporalModel

OWN = LifterConfig(
    (3, 5), 8, 3, normalisation="person", causal=True, fps_range=(24, 60), training={"seed": 1}
)


def _model(config: LifterConfig, joints_out: int = 17, joints_in: int = 17) -> TemporalModel:
    torch.manual_seed(0)
    return TemporalModel(config, joints_in, joints_out)


def _blob(content: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def _videopose3d(config: LifterConfig, **changes: Any) -> dict[str, Any]:
    """What VideoPose3D saves, RandomState and optimiser included."""
    model = _model(config)
    optimizer = torch.optim.Adam(model.parameters(), amsgrad=True)
    return {
        "epoch": 80,
        "lr": np.float64(1e-5),
        "random_state": np.random.RandomState(1234),
        "optimizer": optimizer.state_dict(),
        "model_pos": model.state_dict(),
        "model_traj": None,
        "random_state_semi": None,
    } | changes


def test_our_format_round_trips(tmp_path: Path) -> None:
    pose, trajectory = _model(OWN).state_dict(), _model(OWN, 1).state_dict()
    save_checkpoint(Checkpoint(OWN, pose, trajectory), tmp_path / "a.safetensors")
    read = read_checkpoint((tmp_path / "a.safetensors").read_bytes(), "a")
    assert read.config == OWN
    assert read.trajectory is not None
    for name, value in pose.items():
        torch.testing.assert_close(read.pose[name], value, rtol=0, atol=0)
    for name, value in trajectory.items():
        torch.testing.assert_close(read.trajectory[name], value, rtol=0, atol=0)


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    checkpoint = Checkpoint(OWN, _model(OWN).state_dict())
    for number in range(12):
        save_checkpoint(checkpoint, tmp_path / f"{number}.safetensors")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        LifterConfig((3, 3, 3), 8),
        LifterConfig((3, 3, 3), 8, 3),
        LifterConfig((1, 1, 1), 8),
        LifterConfig((3, 3, 3), 8, dense=True),
        LifterConfig((3, 5, 7), 16),
        LifterConfig((5,), 16),
    ],
)
def test_architecture_is_read_from_videopose3d_files(config: LifterConfig, legacy: bool) -> None:
    content = _videopose3d(config)
    blob = _blob(content, _use_new_zipfile_serialization=not legacy)
    read = read_checkpoint(blob, "x.bin", causal=True)
    for name in ("filter_widths", "channels", "features", "dense"):
        assert getattr(read.config, name) == getattr(config, name)
    assert read.config.causal
    assert read.trajectory is None
    pose, _ = build_models(read, "x.bin")
    window = torch.randn(1, config.receptive_field + 3, 17, config.features)
    expected = _model(dataclasses.replace(config, causal=True)).eval()(window)
    torch.testing.assert_close(pose(window), expected)


def test_trajectory_is_read_and_old_files_lack_a_counter() -> None:
    config = LifterConfig((3, 3), 8)
    content = _videopose3d(config, model_traj=_model(config, 1).state_dict())
    for state in (content["model_pos"], content["model_traj"]):
        for name in [n for n in state if n.endswith("num_batches_tracked")]:
            del state[name]
    read = read_checkpoint(_blob(content), "old.bin")
    _, trajectory = build_models(read, "old.bin")
    assert trajectory is not None
    assert trajectory(torch.randn(1, 9, 17, 2)).shape == (1, 1, 1, 3)


@pytest.mark.parametrize(("joints", "name"), [(17, "h36m17"), (15, "humaneva15")])
def test_the_joints_tell_the_skeleton(joints: int, name: str) -> None:
    config = LifterConfig((3, 3), 8)
    content = _videopose3d(config, model_pos=_model(config, joints).state_dict())
    read = read_checkpoint(_blob(content), "x.bin")
    assert read.config.skeleton_out == name
    pose, _ = build_models(read, "x.bin")
    assert pose(torch.randn(1, 9, 17, 2)).shape == (1, 1, joints, 3)


def test_joints_of_no_skeleton_are_refused() -> None:
    config = LifterConfig((3, 3), 8)
    content = _videopose3d(config, model_pos=_model(config, 16).state_dict())
    with pytest.raises(WeightsError, match=r"16 output joints; known are 17 \(h36m17\), 15"):
        read_checkpoint(_blob(content), "x.bin")


def test_building_copies_nothing() -> None:
    read = read_checkpoint(GOOD, "x.bin")
    pose, _ = build_models(read, "x.bin")
    assert pose.shrink.weight.data_ptr() == read.pose["shrink.weight"].data_ptr()
    assert not pose.training


def test_weights_in_half_precision_are_widened() -> None:
    config = LifterConfig((3, 3), 8)
    halves = {
        n: v.half() if v.is_floating_point() else v for n, v in _model(config).state_dict().items()
    }
    pose, _ = build_models(read_checkpoint(_blob(_videopose3d(config, model_pos=halves)), "x"), "x")
    assert pose(torch.randn(1, 9, 17, 2)).dtype == torch.float32


def test_our_format_is_known_whatever_its_first_byte(tmp_path: Path) -> None:
    """Its first byte is a length, and may be the one that pickles begin with."""
    for padding in range(0, 256, 4):
        config = dataclasses.replace(OWN, training={"notes": "x" * padding})
        save_checkpoint(Checkpoint(config, _model(OWN).state_dict()), tmp_path / "a")
        blob = (tmp_path / "a").read_bytes()
        if blob[:1] == b"\x80":
            break
    assert blob[:1] == b"\x80"
    assert read_checkpoint(blob, "a").config == config


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("how", ["torch", "legacy", "plain"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(how: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    content = _videopose3d(LifterConfig((3,), 8), epoch=_Bomb(marker))
    blob = {
        "torch": lambda: _blob(content),
        "legacy": lambda: _blob(content, _use_new_zipfile_serialization=False),
        "plain": lambda: pickle.dumps(_Bomb(marker)),
    }[how]()
    with pytest.raises(WeightsError):
        read_checkpoint(blob, "bad.bin")
    assert not marker.exists()


class _Program(torch.nn.Module):
    """TorchScript runs this when it is loaded, whatever the unpickler."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.zeros(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight


def test_a_torchscript_program_is_refused_before_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.jit.save(torch.jit.script(_Program()), tmp_path / "program.bin")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(WeightsError, match="TorchScript"):
        read_checkpoint((tmp_path / "program.bin").read_bytes(), "program.bin")


def _zip(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"x")
    return stream.getvalue()


GOOD = _blob(_videopose3d(LifterConfig((3, 3), 8)))


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"hello",
        GOOD[: len(GOOD) // 2],
        _zip("a.txt"),
        _blob({"model_pos": {}}),
        _blob([1, 2]),
        _blob({"model_pos": {"expand_conv.weight": torch.zeros(3)}}),
        _blob({"weights": 1}),
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (12).to_bytes(8, "little") + b'{"a": [1,2]}',
    ],
)
def test_what_is_no_lifter_is_a_weights_error(blob: bytes) -> None:
    with pytest.raises(WeightsError, match=r"x\.bin"):
        read_checkpoint(blob, "x.bin")


def test_weights_with_nan_are_refused() -> None:
    content = _videopose3d(LifterConfig((3, 3), 8))
    content["model_pos"]["shrink.bias"][3] = float("nan")
    with pytest.raises(WeightsError, match="NaN"):
        read_checkpoint(_blob(content), "x.bin")


def test_unknown_configuration_is_refused(tmp_path: Path) -> None:
    config = LifterConfig((3,), 8)
    save_checkpoint(Checkpoint(config, _model(config).state_dict()), tmp_path / "a")
    blob = (tmp_path / "a").read_bytes().replace(b'\\"causal\\"', b'\\"casual\\"')
    with pytest.raises(WeightsError, match="casual"):
        read_checkpoint(blob, "a")


def test_weights_of_other_shapes_are_refused(tmp_path: Path) -> None:
    state = _model(LifterConfig((3,), 8)).state_dict()
    save_checkpoint(Checkpoint(LifterConfig((3,), 16), state), tmp_path / "a")
    with pytest.raises(WeightsError, match="do not fit"):
        read_checkpoint((tmp_path / "a").read_bytes(), "a")


def test_loading_by_path_says_what_it_assumed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "epoch_80.bin"
    path.write_bytes(GOOD)
    lifter = load_lifter(str(path))
    assert "assuming symmetric, coco17" in caplog.text
    assert lifter.config.receptive_field == 9
    caplog.clear()
    assert load_lifter(str(path), skeleton_in="h36m17", causal=True).config.causal
    assert not caplog.text


@pytest.mark.parametrize("said", [{"causal": True}, {"causal": False}, {"skeleton_in": "coco17"}])
def test_what_our_own_files_say_cannot_be_said_again(said: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="says itself"):
        load_lifter("bundled", **said)


@pytest.fixture
def causal_of_h36m(monkeypatch: pytest.MonkeyPatch) -> weights.WeightsEntry:
    """An entry whose file says neither that it is causal nor what it takes."""
    file = weights.WeightsFile("good.bin", hashlib.sha256(GOOD).hexdigest(), len(GOOD), "http://x")
    entry = weights.WeightsEntry(
        "known", "lifter", (file,), "MIT", "x", "x", skeleton_in="h36m17", causal=True
    )
    monkeypatch.setattr(weights, "ENTRIES", (entry,))
    monkeypatch.setattr(weights, "entry", {"known": entry}.__getitem__)
    monkeypatch.setattr(weights, "verified_bytes", {"good.bin": GOOD}.__getitem__)
    monkeypatch.setattr(weights, "known_by_hash", {file.sha256: entry}.get)
    return entry


@pytest.mark.parametrize("by", ["name", "file"])
def test_what_the_registry_knows_needs_no_typing(
    by: str,
    causal_of_h36m: weights.WeightsEntry,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "renamed.bin").write_bytes(GOOD)
    asked = causal_of_h36m.name if by == "name" else str(tmp_path / "renamed.bin")
    lifter = load_lifter(asked)
    assert lifter.config.causal
    assert lifter.skeleton_in.name == "h36m17"
    assert lifter.name == Path(asked).name
    assert not caplog.text
    for said in ({"causal": True}, {"skeleton_in": "coco17"}):
        with pytest.raises(DataError, match=r"\(h36m17\) and whether it is causal \(causal\)"):
            load_lifter(asked, **said)


def test_a_lifter_that_is_not_there() -> None:
    with pytest.raises(WeightsError, match="neither a file nor one of"):
        load_lifter("nowhere.bin")
