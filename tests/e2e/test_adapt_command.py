"""`vp3d adapt` from pixels to a lifter that is used."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.adapt_footage import make_lifter
from tests.e2e.conftest import DEMO, Ran
from vp3d_cli.errors import Vp3dError
from vp3d_cli.lift.checkpoint import save_checkpoint
from vp3d_cli.pipeline import detecting
from vp3d_cli.train.adapt import shortage
from vp3d_cli.train.adapt.adapter import Adapter
from vp3d_cli.video import VideoReader, VideoWriter

Run = Callable[..., Ran]


def _part(path: Path, first_s: float, end_s: float) -> None:
    """A piece of the example, half as large."""
    with VideoReader(DEMO, first_s, end_s) as reader:
        size = reader.info.width // 4 * 2, reader.info.height // 4 * 2
        with VideoWriter(path, *size, reader.info.fps) as writer:
            for frame in reader:
                writer.write(
                    np.ascontiguousarray(frame.image[: 2 * size[1] : 2, : 2 * size[0] : 2])
                )


def test_from_videos_to_a_lifter_that_is_used(vp3d: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _films()
    asked = ["adapt", "films", "--out", "run", "--lifter", "tiny.safetensors", "--epochs"]
    Path("films/broken.mp4").write_text("no video")
    ran = vp3d(*asked, "1")
    assert ran.code == 0, ran.err
    assert ran.out.split() == ["run/lifter.safetensors"]
    assert "broken.mp4" in ran.err
    assert "Held out: 1 of 2 videos" in ran.err
    assert "Jitter, m/s²" in ran.err
    report = json.loads(Path("run/report.json").read_text())
    assert sorted(video["name"] for video in report["videos"]) == ["a.mp4", "b.mp4"]
    assert len(list(Path("run/keypoints").iterdir())) == 2

    used = vp3d("infer", "films/a.mp4", "-o", "a.npz", "--lifter", "run/lifter.safetensors",
                "--end", "0.1")  # fmt: skip
    assert used.code == 0, used.err
    with np.load("a.npz") as data:
        assert len(data["joints_3d"]) > 0

    again = vp3d(*asked, "1")
    assert again.code == 6
    assert "--resume" in again.err

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("detects again")

    monkeypatch.setattr(detecting, "look", refuse)
    longer = vp3d(*asked, "2", "--resume")
    assert longer.code == 0, longer.err
    assert len(Path("run/log.csv").read_text().splitlines()) == 4


def _films(name: str = "films") -> list[str]:
    """Make a folder of videos and a lifter; returns a command that lacks its last word."""
    Path(name).mkdir()
    _part(Path(name, "a.mp4"), 0, 0.45)
    _part(Path(name, "b.mp4"), 0.6, 1.05)
    save_checkpoint(make_lifter().checkpoint(), Path("tiny.safetensors"))
    return ["adapt", name, "--lifter", "tiny.safetensors", "--epochs", "1", "--out"]


def test_stopping_says_how_to_go_on(vp3d: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the videos lie in --out, too."""
    asked = [*_films("my films"), "my films"]
    with monkeypatch.context() as patch:
        patch.setattr(Adapter, "_step", _raising(KeyboardInterrupt()))
        ran = vp3d(*asked)
    assert ran.code == 130, ran.err
    command = "vp3d adapt --resume 'my films' --lifter tiny.safetensors --epochs 1 --out 'my films'"
    assert f"Go on with: {command}\n" in ran.err
    again = vp3d(*shlex.split(command)[1:])
    assert again.code == 0, again.err
    assert again.out == "my films/lifter.safetensors\n"
    assert "Warning: " in again.err
    assert "held-out frames are few" in again.err


def test_no_memory_is_said(vp3d: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [*_films(), "run"]
    monkeypatch.setattr(Adapter, "_step", _raising(torch.OutOfMemoryError("CUDA out of memory.")))
    ran = vp3d(*asked)
    assert ran.code == 1
    assert "out of memory (CUDA out of memory.); give fewer or shorter videos\n" in ran.err
    assert "unexpected" not in ran.err


@pytest.mark.parametrize(
    ("error", "device", "words"),
    [
        (MemoryError(), "cuda", r"\(MemoryError\); .* videos, or --device cpu$"),
        (RuntimeError("[enforce fail] can't allocate memory: you"), "cpu", "you.* videos$"),
    ],
)
def test_every_shortage_is_explained(error: Exception, device: str, words: str) -> None:
    with pytest.raises(Vp3dError, match=words), shortage.explained(device):
        raise error
    with pytest.raises(RuntimeError, match="shapes"), shortage.explained(device):
        raise RuntimeError("shapes differ")


def _raising(error: BaseException) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise error

    return refuse


def test_what_does_not_fit_is_refused_before_detection(
    vp3d: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detecting, "look", _raising(AssertionError("detects")))
    other = make_lifter("screen", skeleton_in="h36m17").checkpoint()
    save_checkpoint(other, Path("other.safetensors"))
    save_checkpoint(make_lifter().checkpoint(), Path("tiny.safetensors"))
    Path("bad.npz").write_text("no archive")
    ran = vp3d("adapt", DEMO, "--out", "run", "--lifter", "other.safetensors")
    assert ran.code == 6
    assert "turns h36m17 into h36m17; adapt goes on from" in ran.err
    ran = vp3d("adapt", DEMO, "--out", "run", "--lifter", "tiny.safetensors", "--mocap", "bad.npz")
    assert ran.code == 6
    assert "bad.npz: cannot be read as motion capture" in ran.err
    assert not Path("run").exists()


def test_nobody_anywhere_is_said(vp3d: Run) -> None:
    with VideoWriter(Path("empty.mp4"), 320, 240, Fraction(25)) as writer:
        for _ in range(4):
            writer.write(np.full((240, 320, 3), 90, np.uint8))
    ran = vp3d("adapt", "empty.mp4", "--out", "run")
    assert ran.code == 6
    assert "empty.mp4: nobody was found (4 frames read); left out" in ran.err
    assert "nobody to learn from" in ran.err
    assert not Path("run/last.pt").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none.mp4", "--out", "run"], 2, "none.mp4"),
        (["."], 2, "--out"),
        ([".", "--out", "run"], 6, "no videos in"),
        ([".", "--out", "run", "--held-out", "1"], 2, "--held-out"),
        ([".", "--out", "run", "--lifter", "none"], 6, "no videos in"),
        ([DEMO, "--out", "run", "--lifter", "none"], 4, "none"),
    ],
)
def test_wrong_usage_is_a_sentence(
    vp3d: Run, arguments: list[str | Path], code: int, words: str
) -> None:
    ran = vp3d("adapt", *arguments)
    assert ran.code == code, ran.err
    assert words in ran.err
    assert not Path("run").exists()
