"""Hardware decoding, mostly where there is none: said, or left to the processor."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.video import VideoReader, hardware, reading

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"


def _first(hwaccel: str | None) -> np.ndarray:
    with VideoReader(DEMO, hwaccel=hwaccel) as reader:
        return next(reader).image


def test_whoever_decodes_the_pictures_are_the_same() -> None:
    np.testing.assert_array_equal(_first("auto"), _first(None))


def test_an_unknown_one_is_refused_with_those_there_are() -> None:
    with pytest.raises(BackendUnavailableError, match=r"'abacus': this ffmpeg knows .*cuda"):
        VideoReader(DEMO, hwaccel="abacus")


@pytest.fixture
def ffmpeg_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real ffmpeg, which says that it knows two decoders: one crashes, one works."""
    program = tmp_path / "ffmpeg"
    program.write_text(
        f"""#!{sys.executable}
import os, sys
args, real = sys.argv[1:], {reading.ffmpeg_path()!r}
if "-hwaccels" in args:
    print("Hardware acceleration methods:\\nbad\\ngood\\n")
elif "bad" in args:
    sys.exit("no such device")
else:
    with open({str(tmp_path / "asked")!r}, "a") as file:
        file.write(" ".join(args) + "\\n")
    if "good" in args:
        at = args.index("-hwaccel")
        del args[at:at + 2]
        args = [a.replace("[0:V:0]", "[0:V:0]format=nv12,") for a in args]  # as hardware does
    os.execv(real, [real, *args])
"""
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for module in (hardware, reading):
        monkeypatch.setattr(module, "ffmpeg_path", lambda: str(program))
    monkeypatch.setattr("vp3d_cli.video.program.ffmpeg_path", lambda: str(program))
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="a script as a program")
def test_the_first_that_works_is_taken(ffmpeg_with: Path) -> None:
    expected = _first(None)
    (ffmpeg_with / "asked").unlink()
    np.testing.assert_array_equal(_first("auto"), expected)
    asked = (ffmpeg_with / "asked").read_text().splitlines()
    assert sum("-hwaccel good" in line for line in asked) == 2  # to try it, and to read
    with pytest.raises(BackendUnavailableError, match=r"'bad' does not decode .*no such device"):
        VideoReader(DEMO, hwaccel="bad")
