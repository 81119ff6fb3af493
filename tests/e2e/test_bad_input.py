"""Bad input gets a clear sentence, the exit code of its class, and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import DEMO, Ran
from vp3d_cli import weights
from vp3d_cli.video import VideoWriter

Run = Callable[..., Ran]


def _video(path: Path, frames: int, value: int = 90) -> Path:
    """A flat grey video: nobody in it."""
    with VideoWriter(path, 320, 240, Fraction(25)) as writer:
        for _ in range(frames):
            writer.write(np.full((240, 320, 3), value, np.uint8))
    return path


def _left() -> list[str]:
    """Files in the working folder that are not inputs."""
    return sorted(p.name for p in Path().iterdir() if not p.name.startswith("in"))


def test_no_such_file_is_wrong_usage(vp3d: Run) -> None:
    ran = vp3d("infer", "nowhere.mp4", "-o", "out.npz")
    assert ran.code == 2
    assert "nowhere.mp4" in ran.err


@pytest.mark.parametrize("kind", ["folder", "empty", "text", "audio", "noise"])
def test_what_is_no_video(vp3d: Run, kind: str) -> None:
    path = Path("in.mp4")
    if kind == "folder":
        path.mkdir()
    elif kind == "audio":
        with wave.open("in.mp4", "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(16000))
    else:
        path.write_bytes({"empty": b"", "text": b"hello " * 99, "noise": os.urandom(9999)}[kind])
    ran = vp3d("infer", path, "-o", "out.npz")
    assert ran.code == 3, ran.err
    assert "in.mp4" in ran.err
    assert _left() == []


def test_truncated_video_is_processed_with_a_warning(vp3d: Run) -> None:
    # The index stands at the front, so what is there decodes.
    Path("in.mp4").write_bytes(DEMO.read_bytes()[: DEMO.stat().st_size // 3])
    ran = vp3d("infer", "in.mp4", "-o", "out.npz")
    assert ran.code == 0, ran.err
    assert "Warning" in ran.err
    assert "150" in ran.err
    with np.load("out.npz") as data:
        assert "150" in str(data["meta"])


def test_nobody_is_a_result(vp3d: Run) -> None:
    _video(Path("in.mp4"), 5)
    ran = vp3d("infer", "in.mp4", "-o", "out.npz", "--json", "--render", "out.mp4")
    assert ran.code == 0, ran.err
    assert "nobody was found" in ran.err
    with np.load("out.npz") as data:
        assert data["joints_3d"].shape == (0, 17, 3)


def test_one_frame(vp3d: Run) -> None:
    from vp3d_cli.video import VideoReader

    with (
        VideoReader(DEMO) as reader,
        VideoWriter(Path("in.mp4"), reader.info.width, reader.info.height, Fraction(30)) as writer,
    ):
        writer.write(next(iter(reader)).image)
    ran = vp3d("infer", "in.mp4", "-o", "out.npz")
    assert ran.code == 0, ran.err
    with np.load("out.npz") as data:
        assert data["frame"].tolist() == [0]
        assert np.isfinite(data["joints_3d"]).all()


@pytest.mark.parametrize(
    ("out", "code"), [("none/out.npz", 7), ("in.mp4", 2), ("infolder.npz", 7), ("out.txt", 2)]
)
def test_places_that_cannot_be_written(vp3d: Run, out: str, code: int) -> None:
    _video(Path("in.mp4"), 2)
    Path("infolder.npz").mkdir()
    before = Path("in.mp4").read_bytes()
    assert vp3d("infer", "in.mp4", "-o", out).code == code
    assert vp3d("infer", "in.mp4", "-o", "out.npz", "--render", "in.mp4").code == 7
    assert Path("in.mp4").read_bytes() == before
    assert _left() == []


_FULL = """
import resource, sys
import vp3d_cli.pipeline, vp3d_cli.lift.lifter, vp3d_cli.detect.movenet
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
from vp3d_cli.cli.main import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_full_disk(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _FULL, "infer", str(DEMO), "-o", "out.npz", "--end", "0.3"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 7, ran.stderr
    assert "out.npz" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_leaves_nothing(tmp_path: Path, number: int, code: int) -> None:
    command = [sys.executable, "-m", "vp3d_cli", "infer", str(DEMO), "-o", "o.npz", "-v"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background has its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        while "reading" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(0.3)  # some frames further; there are seconds of work left
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(30) == code, rest
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


def test_tampered_weights_are_refused(
    vp3d: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "in_weights"
    folder.mkdir()
    for entry in filter(lambda entry: entry.bundled, weights.ENTRIES):
        for file in entry.files:
            blob = bytearray((weights.weights_folder() / file.name).read_bytes())
            blob[len(blob) // 2] ^= 1
            (folder / file.name).write_bytes(blob)
    monkeypatch.setattr(weights.cache, "weights_folder", lambda: folder)
    for command in (("infer", DEMO, "-o", "out.npz"), ("weights", "verify"), ("doctor",)):
        ran = vp3d(*command)
        assert ran.code == 4
        assert "SHA-256" in ran.err + ran.out
    assert _left() == []


def test_a_pose_file_that_is_none(vp3d: Run) -> None:
    Path("in.npz").write_bytes(b"PK\x03\x04 nonsense")
    ran = vp3d("render", "in.npz", "-o", "out.mp4")
    assert ran.code == 6
    assert "in.npz" in ran.err
    assert _left() == []


def test_lifter_and_detector_that_are_not_there(vp3d: Run) -> None:
    assert vp3d("infer", DEMO, "-o", "o.npz", "--lifter", "nothing").code == 4
    assert vp3d("infer", DEMO, "-o", "o.npz", "--detector", "nothing").code == 2
    assert vp3d("infer", DEMO, "-o", "o.npz", "--device", "cuda:77").code == 5
    assert vp3d("infer", DEMO, "-o", "o.npz", "--detector", "precomputed").code == 2
    assert _left() == []
