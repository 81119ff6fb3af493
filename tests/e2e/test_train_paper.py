"""`vp3d train` on recorded sequences, from a data set file to a lifter that is used."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.e2e.conftest import Ran
from tests.unit.test_paper_training import SEQUENCES
from vp3d_cli import datasets
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.train.paper.config import read_paper_config
from vp3d_cli.train.paper.trainer import PaperTrainer

Run = Callable[..., Ran]
EXAMPLE = Path(__file__).parents[2] / "examples" / "train_paper.toml"
CONFIG = """
[model]
filter_widths = [3, 3]
channels = 16
skeleton_in = "h36m17"
[data]
files = ["data.npz"]
train = ["S1"]
test = ["S9"]
unlabelled = ["S5"]
[train]
epochs = 3
batch_size = 64
"""


def test_the_example_is_the_papers(tmp_path: Path) -> None:
    config = read_paper_config(EXAMPLE)
    assert config.model.receptive_field == 243
    assert (config.train.epochs, config.train.batch_size) == (80, 1024)


def test_from_a_file_to_a_lifter(vp3d: Run) -> None:
    datasets.write(SEQUENCES, Path("data.npz"))
    Path("paper.toml").write_text(CONFIG)
    ran = vp3d("train", "paper.toml", "--out", "run")
    assert ran.code == 0, ran.err
    assert "best epoch" in ran.err
    assert ran.out.split() == ["run/lifter.safetensors"]
    lifter = load_lifter("run/lifter.safetensors")
    assert lifter.skeleton_in.name == "h36m17"
    again = vp3d("train", "paper.toml", "--out", "run")
    assert again.code == 6
    assert "--resume" in again.err
    assert vp3d("train", "paper.toml", "--out", "run", "--resume").code == 0


def _stopping(
    trainer: type, error: BaseException, monkeypatch: pytest.MonkeyPatch, after: int = 2
) -> None:
    """Let the epoch after so many end with `error`."""
    step = trainer._step

    def broken(self: Any, *args: Any) -> Any:
        if self.epoch == after:
            raise error
        return step(self, *args)

    monkeypatch.setattr(trainer, "_step", broken)


def test_stopping_says_how_to_go_on(vp3d: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets.write(SEQUENCES, Path("data.npz"))
    Path("my paper.toml").write_text(CONFIG)
    with monkeypatch.context() as patch:
        _stopping(PaperTrainer, KeyboardInterrupt(), patch)
        ran = vp3d("train", "my paper.toml", "--out", "run")
    assert ran.code == 130
    command = "vp3d train 'my paper.toml' --out run --device cpu --resume"
    assert f"Stopped after 2 whole epochs; go on with: {command}" in ran.err
    assert vp3d(*shlex.split(command)[1:]).code == 0
    assert len(Path("run/log.csv").read_text().splitlines()) == 4
    with monkeypatch.context() as patch:
        patch.setattr(PaperTrainer, "_step", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        ran = vp3d("train", "my paper.toml", "--out", "other")
    assert ran.code == 130
    assert "Stopped before the end of the first epoch" in ran.err
    with monkeypatch.context() as patch:
        _stopping(PaperTrainer, KeyboardInterrupt(), patch, after=1)
        ran = vp3d("train", "my paper.toml", "--out", "third")
    assert "Stopped after 1 whole epoch; go on with" in ran.err


def test_one_fault_is_one(vp3d: Run) -> None:
    Path("broken.c3d").write_bytes(b"no such file")
    assert vp3d("data", "check", "broken.c3d", "--format", "c3d").err == "1 fault\n"


def test_no_memory_is_said(vp3d: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets.write(SEQUENCES, Path("data.npz"))
    Path("paper.toml").write_text(CONFIG)
    _stopping(PaperTrainer, torch.OutOfMemoryError("CUDA out of memory."), monkeypatch)
    ran = vp3d("train", "paper.toml", "--out", "run")
    assert ran.code == 1
    assert "out of memory" in ran.err
    assert "lower batch_size in [train] or channels in [model]" in ran.err
    assert "unexpected" not in ran.err


def test_how_much_is_said(vp3d: Run) -> None:
    datasets.write(SEQUENCES, Path("data.npz"))
    Path("paper.toml").write_text(CONFIG)
    assert vp3d("train", "paper.toml", "--out", "silent", "-q").err == ""
    told = vp3d("train", "paper.toml", "--out", "told").err
    assert "epoch 3: train " in told
    assert "step" not in told
    assert "epoch 3, step 2 of " in vp3d("train", "paper.toml", "--out", "more", "-v").err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('train = ["S1"]', 'train = ["S2"]', "S2"),
        ('test = ["S9"]', 'test = ["S1"]', "S1: in train and in test"),
        ("data.npz", "none.npz", "none.npz"),
        ("batch_size = 64", "batch_size = 0", "at least 1"),
        ("channels = 16", 'channels = 16\nskeleton_out = "humaneva15"', "expected h36m17"),
        ("[train]", "[trian]", "trian"),
    ],
)
def test_what_is_wrong_is_said(vp3d: Run, old: str, new: str, words: str) -> None:
    datasets.write(SEQUENCES, Path("data.npz"))
    Path("paper.toml").write_text(CONFIG.replace(old, new))
    ran = vp3d("train", "paper.toml", "--out", "run")
    assert ran.code == 6, ran.err
    assert words in ran.err
    assert not Path("run").exists()
