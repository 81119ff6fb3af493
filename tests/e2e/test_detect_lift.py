"""`vp3d detect` and `vp3d lift`: the two halves of `vp3d infer`."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import vp3d_cli
from tests import keypoint_files
from tests.e2e.conftest import DEMO, Ran
from tests.keypoint_files import FORMATS
from vp3d_cli import keypoints, registry
from vp3d_cli.types import Keypoints2D
from vp3d_cli.video import VideoReader, VideoWriter

Run = Callable[..., Ran]
SPAN = ["--start", "0.2", "--end", "1"]


@pytest.fixture(scope="module")
def found() -> Keypoints2D:
    """The first second of the example."""
    return vp3d_cli.detect_video(DEMO, vp3d_cli.Options(end_s=1.0))


@pytest.fixture
def foreign(found: Keypoints2D, vp3d: Run) -> Path:
    """What another tool would leave: no video, no times, ids of its own."""
    told = dataclasses.replace(
        found,
        track_ids=np.full(len(found.frames), 4, np.int32),
        provenance={},
        frames_read=None,
        times_s=None,
        cuts=None,
        drift=None,
        width=None,
        height=None,
        fps=None,
        num_frames=None,
    )
    path = Path("in.npz")
    keypoints.write(told, path)
    return path


def test_the_two_halves_are_the_whole(vp3d: Run) -> None:
    lifting = ["--person", "largest", "--max-gap", "0.1", "--focal", "900", "--json"]
    assert vp3d("infer", DEMO, "-o", "whole.npz", *SPAN, *lifting).code == 0
    ran = vp3d("detect", DEMO, "-o", "keypoints.npz", *SPAN)
    assert ran.code == 0, ran.err
    assert ran.out == "keypoints.npz\n"
    assert "detector movenet (auto" in ran.err
    ran = vp3d("lift", "keypoints.npz", "-o", "halves.npz", *lifting)
    assert ran.code == 0, ran.err
    assert "lifter bundled (auto" in ran.err
    with np.load("whole.npz") as whole, np.load("halves.npz") as halves:
        assert whole.files == halves.files
        for key in whole.files:
            if key != "meta":
                np.testing.assert_array_equal(whole[key], halves[key])
        one, other = (json.loads(str(data["meta"])) for data in (whole, halves))
    file = other.pop("keypoints")
    assert (file["file"], file["format"], len(file["sha256"])) == ("keypoints.npz", "vp3d", 64)
    assert one == other


def test_the_python_halves_are_the_whole(found: Keypoints2D) -> None:
    options = vp3d_cli.Options(end_s=1.0)
    whole, halves = vp3d_cli.estimate(DEMO, options), vp3d_cli.lift_keypoints(found)
    assert whole.video.path == DEMO
    assert dataclasses.replace(whole.video, path=Path("demo.mp4")) == halves.video
    assert whole.provenance == halves.provenance
    for one, other in zip(whole.tracks3d, halves.tracks3d, strict=True):
        np.testing.assert_array_equal(one.joints, other.joints)


def test_times_and_frames_survive_the_file(found: Keypoints2D, tmp_path: Path) -> None:
    """Of a variable frame rate, too, and of a part of a video."""
    frames = np.arange(3, 40, dtype=np.int32)
    times_s = np.cumsum(np.random.default_rng(0).uniform(0.001, 0.2, len(frames)))
    timed = dataclasses.replace(
        found,
        frames=found.frames[:0],
        people=found.people.select(slice(0)),
        frames_read=frames,
        times_s=times_s,
        cuts=frames == 20,
        drift=np.linspace(0, 1, len(frames), dtype=np.float32),
    )
    keypoints.write(timed, tmp_path / "a.npz")
    read = keypoints.read(tmp_path / "a.npz")
    np.testing.assert_array_equal(read.frames_read, frames)
    np.testing.assert_array_equal(read.times_s, times_s)
    np.testing.assert_array_equal(read.cuts, timed.cuts)
    np.testing.assert_array_equal(read.drift, timed.drift)


def test_other_tools_ids_are_kept(vp3d: Run, foreign: Path) -> None:
    ran = vp3d("lift", foreign, "-o", "out.npz", "--size", "1280x720", "--fps", "30")
    assert ran.code == 0, ran.err
    with np.load("out.npz") as data:
        assert set(data["track_id"]) == {4}
        meta = json.loads(str(data["meta"]))
    assert meta["detector"]["name"] == "precomputed"
    assert meta["video"]["name"] == "in.npz"
    assert (meta["video"]["width"], meta["video"]["fps"]) == (1280, "30/1")


def test_the_video_tells_what_the_file_does_not(vp3d: Run, foreign: Path) -> None:
    ran = vp3d("lift", foreign, "--video", DEMO, "-o", "out.npz", "--render", "out.mp4")
    assert ran.code == 0, ran.err
    result = vp3d_cli.load_result("out.npz")
    assert (result.video.path.name, result.video.num_frames) == ("demo.mp4", 150)
    assert len(result.provenance["source"]["sha256"]) == 64
    with VideoReader(Path("out.mp4")) as reader:
        assert sum(1 for _ in reader) == 150


def test_precomputed_keypoints_are_lifted_alike(vp3d: Run, foreign: Path) -> None:
    ran = vp3d(
        "infer", DEMO, "--detector", "precomputed", "--keypoints", foreign, "-o", "a.npz",
        "--end", "1",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert vp3d("lift", foreign, "--video", DEMO, "-o", "b.npz").code == 0
    with np.load("a.npz") as one, np.load("b.npz") as other:
        assert set(one["track_id"]) == {4}
        np.testing.assert_array_equal(one["joints_3d"], other["joints_3d"])


def test_what_is_not_known_is_asked_for(vp3d: Run, foreign: Path) -> None:
    for options, words in (
        ([], "size of the frames or the frame rate"),
        (["--fps", "30"], "does not say the size of the frames;"),
        (["--size", "1280x720"], "does not say the frame rate;"),
    ):
        ran = vp3d("lift", foreign, "-o", "out.npz", *options)
        assert ran.code == 6, ran.err
        assert words in ran.err
        assert "--video VIDEO" in ran.err


def test_what_contradicts_the_file_is_refused(vp3d: Run, found: Keypoints2D) -> None:
    keypoints.write(found, Path("in.npz"))
    with VideoWriter(Path("in.mp4"), 320, 240, Fraction(30)) as writer:
        writer.write(np.zeros((240, 320, 3), np.uint8))
    for options in (["--size", "640x480"], ["--fps", "25"], ["--video", "in.mp4"]):
        ran = vp3d("lift", "in.npz", "-o", "out.npz", *options)
        assert ran.code == 6, ran.err
        assert "in.npz: was made" in ran.err
    ran = vp3d(
        "infer", "in.mp4", "-o", "out.npz", "--detector", "precomputed", "--keypoints", "in.npz"
    )
    assert ran.code == 6
    assert "frames of 1280 x 720 pixels, not of 320 x 240" in ran.err


@pytest.mark.parametrize(
    "options",
    [
        ["--size", "1280"],
        ["--size", "0x720"],
        ["--fps", "0"],
        ["--fps", "1e9"],
        ["--fps", "30/0"],
        ["--size", "1280x720", "--fps", "2000"],
        ["--video", DEMO, "--fps", "30"],
        ["--video", DEMO, "--size", "1280x720"],
        ["--format", "mine"],
        ["--person", "him"],
        ["--detector", "movenet"],
    ],
)
def test_wrong_usage(vp3d: Run, foreign: Path, options: list[object]) -> None:
    assert vp3d("lift", foreign, "-o", "out.npz", *options).code == 2
    assert not Path("out.npz").exists()


@pytest.mark.parametrize("rate", ["29.97", "30000/1001"])
def test_frame_rates_are_fractions(vp3d: Run, foreign: Path, rate: str) -> None:
    assert vp3d("lift", foreign, "-o", "o.npz", "--size", "1280X720", "--fps", rate, "-q").code == 0
    assert vp3d_cli.load_result("o.npz").video.fps == Fraction(rate)


def test_nothing_is_written_over(vp3d: Run, found: Keypoints2D) -> None:
    keypoints.write(found, Path("in.npz"))
    before = Path("in.npz").read_bytes()
    assert vp3d("lift", "in.npz", "-o", "in.npz").code == 7
    assert vp3d("detect", "in.npz", "-o", "in.npz").code == 7
    assert Path("in.npz").read_bytes() == before
    assert vp3d("detect", DEMO, "-o", "out.json").code == 2
    assert vp3d("detect", DEMO).code == 2
    assert vp3d("detect", DEMO, "-o", "a.npz", "--detector", "precomputed").code == 2


def test_nobody_is_a_result(vp3d: Run) -> None:
    with VideoWriter(Path("in.mp4"), 320, 240, Fraction(25)) as writer:
        for _ in range(4):
            writer.write(np.full((240, 320, 3), 90, np.uint8))
    for ran in (vp3d("detect", "in.mp4", "-o", "k.npz"), vp3d("lift", "k.npz", "-o", "p.npz")):
        assert ran.code == 0, ran.err
        assert "nobody was found (4 frames read)" in ran.err
    with np.load("p.npz") as data:
        assert data["joints_3d"].shape == (0, 17, 3)


def test_what_was_wrong_with_the_video_is_still_known(vp3d: Run, found: Keypoints2D) -> None:
    told = found.provenance | {"warnings": ["in.mp4: is truncated"]}
    keypoints.write(dataclasses.replace(found, provenance=told), Path("in.npz"))
    ran = vp3d("lift", "in.npz", "-o", "p.npz")
    assert "Warning: in.mp4: is truncated" in ran.err
    with np.load("p.npz") as data:
        assert json.loads(str(data["meta"]))["warnings"] == ["in.mp4: is truncated"]


@pytest.mark.parametrize("device", ["cuda:77", "warp"])
def test_a_device_that_is_not_there_stops_before_anything_runs(
    vp3d: Run, found: Keypoints2D, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keypoints.write(found, Path("in.npz"))
    monkeypatch.setattr(VideoReader, "__next__", lambda _: pytest.fail("a frame was read"))
    commands = (
        ("infer", DEMO),
        ("infer", DEMO, "--detector", "keypoint-rcnn"),
        ("infer", DEMO, "--detector", "precomputed", "--keypoints", "in.npz"),
        ("infer", DEMO, "--faithful"),
        ("detect", DEMO),
        ("detect", DEMO, "--detector", "keypoint-rcnn"),
        ("lift", "in.npz"),
        ("lift", "in.npz", "--faithful"),
    )
    for command in commands:
        ran = vp3d(*command, "-o", "out.npz", "--device", device)
        assert ran.code == 5, ran.err
        assert device in ran.err
    assert not Path("out.npz").exists()


@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize("name", registry.names("keypoints"))
def test_every_format_is_lifted(vp3d: Run, name: str, explicit: bool) -> None:
    made = FORMATS[name]
    scene = keypoint_files.two_people() if made.several else keypoint_files.one_person()
    path = made.build(Path(), scene)
    size = f"{keypoint_files.WIDTH}x{keypoint_files.HEIGHT}"
    format_options = ["--format", name] if explicit else []
    ran = vp3d("lift", path, "-o", "p.npz", "--size", size, "--fps", "29.97", *format_options)
    assert ran.code == 0, ran.err
    seen = {(frame, person.track_id) for frame, person in scene.rows()}
    with np.load("p.npz") as data:
        assert np.isfinite(data["joints_3d"]).all()
        assert set(data["frame"]) == {frame for frame, _ in seen} | {3}  # filled, where nobody is
        if made.track_ids:
            rows = zip(data["frame"], data["track_id"], strict=True)
            observed = np.flatnonzero(data["observed"])
            assert {pair for i, pair in enumerate(rows) if i in observed} == seen
        assert json.loads(str(data["meta"]))["keypoints"]["format"] == name


def test_keypoints_of_another_video_are_noticed(vp3d: Run, found: Keypoints2D) -> None:
    keypoints.write(found, Path("k.npz"))
    Path("other.mp4").write_bytes(DEMO.read_bytes() + bytes(8))
    for options in (["lift", "k.npz", "--video"], ["infer", "--keypoints", "k.npz",
                    "--detector", "precomputed", "--end", "0.1"]):  # fmt: skip
        same = vp3d(*options, DEMO, "-o", "a.npz")
        assert "another video" not in same.err
        other = vp3d(*options, "other.mp4", "-o", "b.npz")
        assert (same.code, other.code) == (0, 0)
        assert "k.npz: was made from another video than other.mp4" in other.err


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
def test_every_quality_finds_the_people(vp3d: Run, quality: str) -> None:
    """Followed or looked for: the climber is there from the first frame to the last."""
    ran = vp3d("detect", DEMO, "-o", "k.npz", "--end", "1", "--quality", quality)
    assert ran.code == 0, ran.err
    found = keypoints.read(Path("k.npz"))
    looks = np.asarray(found.frames_read)[:: 2 if quality == "fast" else 1]
    assert set(looks.tolist()) <= set(found.frames.tolist())
    assert (found.looked_at is None) == (quality != "fast")
    told = found.provenance["origin"]
    assert told["options"]["quality"] == quality
    settings = told["detector"]["settings"]
    assert (settings["follow_s"] is None) == (quality == "best")


def test_threads_change_no_byte(tmp_path: Path) -> None:
    """In processes of their own, which they are set for as a whole."""
    program = [sys.executable, "-m", "vp3d_cli", "infer", str(DEMO), "--end", "1", "-q"]
    one, three = tmp_path / "1.npz", tmp_path / "3.npz"
    for path in (one, three):
        subprocess.run([*program, "--threads", path.stem, "-o", path], check=True)
    assert one.read_bytes() == three.read_bytes()
    assert subprocess.run([*program, "--threads", "0"], capture_output=True).returncode == 2
