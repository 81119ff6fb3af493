"""`vp3d report` as a person uses it."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.e2e.conftest import DEMO, Ran
from tests.factories import make_result, make_video
from vp3d_cli import files
from vp3d_cli.export import npz
from vp3d_cli.types import Json, Result

Vp3d = Callable[..., Ran]


def demo_result(**provenance: object) -> Result:
    """Poses made up for the example: its size and length, and a person where one is."""
    video = make_video(
        path=DEMO, width=1280, height=720, fps=Fraction(30), num_frames=150, rotation=0
    )
    source = {"name": "demo.mp4", "sha256": files.sha256(DEMO)}
    told: Json = {"source": source, "num_frames_read": 150, **provenance}
    result = make_result(num_tracks=1, length=60, video=video)
    return dataclasses.replace(result, provenance=told)


@pytest.fixture
def pose(tmp_path: Path) -> Path:
    path = tmp_path / "pose.npz"
    npz.write(demo_result(), path)
    return path


def test_page_json_and_summary(vp3d: Vp3d, pose: Path) -> None:
    ran = vp3d("report", pose.name, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[-2:] == ["pose.report.html", "pose.report.json"]
    assert "demo.mp4" in ran.out
    assert re.search(r"^ ?1 +0:00\.1 +39 +2 ", ran.out, re.MULTILINE), ran.out
    assert "Give the video with --video" in ran.out
    page = pose.with_name("pose.report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert not re.search(r"""(src|href)=["']?https?:""", page)
    told = json.loads(pose.with_name("pose.report.json").read_text("utf-8"))
    assert told["people"][0]["numbers"]["coverage_percent"] == pytest.approx(100 * 59 / 150)
    assert told["worst"]
    assert not list(pose.parent.glob(".vp3d-*"))


def test_quiet_prints_paths_only(vp3d: Vp3d, pose: Path) -> None:
    assert vp3d("report", pose.name, "-q", "--out", "q.html").out == "q.html\n"


def test_pictures_come_from_the_video(vp3d: Vp3d, pose: Path) -> None:
    ran = vp3d("report", pose.name, "--video", DEMO)
    assert (ran.code, ran.err) == (0, "")
    assert "No pictures" not in ran.out
    page = pose.with_name("pose.report.html").read_text("utf-8")
    found = re.findall(r'<img alt="[^"]+" src="data:image/jpeg;base64,([^"]+)"', page)
    assert 1 <= len(found) <= 10
    for data in found:
        with Pillow.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.width <= 400
            assert picture.height <= 300
            assert np.asarray(picture).std() > 10  # something is to be seen


def test_another_video_of_the_same_size_is_told(vp3d: Vp3d, tmp_path: Path) -> None:
    result = demo_result(source={"name": "demo.mp4", "sha256": "ab" * 32})
    npz.write(result, tmp_path / "pose.npz")
    ran = vp3d("report", "pose.npz", "--video", DEMO)
    assert ran.code == 0
    assert "Warning: demo.mp4: is not the very file" in ran.err
    assert "is not the very file" in (tmp_path / "pose.report.html").read_text("utf-8")


def test_a_video_of_another_size_is_refused(vp3d: Vp3d, tmp_path: Path) -> None:
    npz.write(make_result(), tmp_path / "pose.npz")
    ran = vp3d("report", "pose.npz", "--video", DEMO)
    assert ran.code == 6
    assert "1280 x 720 pixels" in ran.err
    assert "720 x 1280" in ran.err
    assert not (tmp_path / "pose.report.html").exists()


def test_a_video_that_ends_too_early_is_refused(vp3d: Vp3d, tmp_path: Path) -> None:
    result = demo_result()
    tracks = [
        tuple(dataclasses.replace(track, frames=track.frames + 1000) for track in kind)
        for kind in (result.tracks2d, result.tracks3d)
    ]
    late = dataclasses.replace(result, tracks2d=tracks[0], tracks3d=tracks[1])
    npz.write(late, tmp_path / "pose.npz")
    ran = vp3d("report", "pose.npz", "--video", DEMO)
    assert ran.code == 6
    assert "ends before frame" in ran.err


def test_nobody_is_a_report_too(vp3d: Vp3d, tmp_path: Path) -> None:
    npz.write(dataclasses.replace(demo_result(), tracks2d=(), tracks3d=()), tmp_path / "pose.npz")
    ran = vp3d("report", "pose.npz", "--video", DEMO, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert "Nobody was found" in ran.out
    assert json.loads((tmp_path / "pose.report.json").read_text("utf-8"))["people"] == []


def test_one_frame(vp3d: Vp3d, tmp_path: Path) -> None:
    npz.write(make_result(num_tracks=1, length=1, with_gaps=False), tmp_path / "pose.npz")
    ran = vp3d("report", "pose.npz")
    assert ran.code == 0
    assert "three frames" in (tmp_path / "pose.report.html").read_text("utf-8")


def test_a_terminal_does_not_obey_words_of_a_file(vp3d: Vp3d, tmp_path: Path) -> None:
    evil = "\x1b]0;evil\x07[bold red]<script>"
    result = demo_result(source={"name": evil}, warnings=[evil])
    npz.write(result, tmp_path / "pose.npz")
    ran = vp3d("report", "pose.npz")
    assert ran.code == 0
    for text in (ran.out, ran.err, (tmp_path / "pose.report.html").read_text("utf-8")):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert "[bold red]<script>" in ran.out
    assert "<script>" not in (tmp_path / "pose.report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("missing.npz",), 2, "does not exist"),
        (("pose.npz", "--out", "page.htm"), 2, "should end in .html"),
        (("pose.npz", "--out", "nowhere/page.html"), 7, "does not exist"),
        (("pose.npz", "--video", "pose.npz"), 3, "pose.npz"),
        (("text.npz",), 6, "text.npz"),
        (("text.npz", "--out", "nowhere/page.html"), 7, "does not exist"),
    ],
)
def test_wrong_usage(vp3d: Vp3d, pose: Path, args: tuple[str, ...], code: int, says: str) -> None:
    pose.with_name("text.npz").write_text("no pose file")
    ran = vp3d("report", *args)
    assert ran.code == code
    assert says in ran.err
    assert not list(pose.parent.glob("*.html"))


def test_inputs_are_not_written_over(vp3d: Vp3d, pose: Path) -> None:
    odd = pose.with_name("page.html")
    odd.write_bytes(pose.read_bytes())
    ran = vp3d("report", "page.html", "--out", "page.html")
    assert ran.code == 7
    assert odd.read_bytes() == pose.read_bytes()


def test_help_has_an_example(vp3d: Vp3d) -> None:
    ran = vp3d("report", "--help")
    assert ran.code == 0
    assert "vp3d report pose.npz --video input.mp4" in ran.out
