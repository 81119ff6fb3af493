"""`vp3d adapt` from pixels to a lifter that is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.adapt_footage import make_lifter
from tests.e2e.conftest import DEMO, Ran
from vp3d_cli.lift.checkpoint import save_checkpoint
from vp3d_cli.pipeline import detecting
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
    Path("films").mkdir()
    _part(Path("films/a.mp4"), 0, 0.45)
    _part(Path("films/b.mp4"), 0.6, 1.05)
    Path("films/broken.mp4").write_text("no video")
    save_checkpoint(make_lifter().checkpoint(), Path("tiny.safetensors"))
    asked = ["adapt", "films", "--out", "run", "--lifter", "tiny.safetensors", "--epochs"]
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

    def refuse(*_: object) -> None:
        raise AssertionError("detects again")

    monkeypatch.setattr(detecting, "_detections", refuse)
    longer = vp3d(*asked, "2", "--resume")
    assert longer.code == 0, longer.err
    assert len(Path("run/log.csv").read_text().splitlines()) == 4


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
        ([".", "--out", "run", "--lifter", "none"], 4, "none"),
    ],
)
def test_wrong_usage_is_a_sentence(vp3d: Run, arguments: list[str], code: int, words: str) -> None:
    ran = vp3d("adapt", *arguments)
    assert ran.code == code, ran.err
    assert words in ran.err
    assert not Path("run").exists()
