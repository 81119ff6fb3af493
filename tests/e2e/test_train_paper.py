"""`vp3d train` on recorded sequences, from a data set file to a lifter that is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Ran
from tests.unit.test_paper_training import SEQUENCES
from vp3d_cli import datasets
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.train.paper.config import read_paper_config

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
