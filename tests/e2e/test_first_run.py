"""What somebody sees who has just installed vp3d, and does not know it yet."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.command_reference import reference
from tests.e2e.conftest import Ran
from vp3d_cli.cli import infer

ROOT = Path(__file__).parents[2]
Run = Callable[..., Ran]


def test_the_command_reference_is_what_the_commands_say() -> None:
    told = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert told == reference(), "run: python -m tests.command_reference > docs/commands.md"
    assert "None" not in told


def test_every_command_has_an_example_in_its_help() -> None:
    text = reference()
    for page in text.split("\n## ")[1:]:
        if "[OPTIONS] COMMAND" not in page:
            assert "\n  Example" in page, page.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["infre", "a.mp4"], "did you mean infer?"),
        (["Render"], "did you mean render?"),
        (["xyzzy"], "there are adapt, "),
        (["clip one.mp4"], "vp3d infer 'clip one.mp4'"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(vp3d: Run, words: list[str], says: str) -> None:
    Path("clip one.mp4").write_bytes(b"")
    ran = vp3d(*words)
    assert ran.code == 2
    assert says in ran.err


def test_options_are_suggested_too(vp3d: Run) -> None:
    ran = vp3d("infer", "--exampel")
    assert ran.code == 2
    assert "--example" in ran.err


def test_without_a_video_the_example_is_named(vp3d: Run) -> None:
    ran = vp3d("infer")
    assert ran.code == 2
    assert "vp3d infer --example" in ran.err


def test_a_person_is_asked_whether_to_take_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def confirm(question: str, **_settings: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr("click.confirm", confirm)
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    assert not infer._offered()
    assert len(asked) == 1


def test_the_example_runs(vp3d: Run) -> None:
    ran = vp3d("infer", "--example", "--end", "0.4", "--out", "pose.npz")
    assert ran.code == 0, ran.err
    assert len(np.load("pose.npz")["joints_3d"]) > 5
    shutil.copy(ROOT / "examples" / "demo.mp4", "own.mp4")
    assert vp3d("infer", "own.mp4", "--example").code == 2


def test_a_doctor_for_programs(vp3d: Run) -> None:
    found = json.loads(vp3d("doctor", "--json").out)
    assert found["exit_code"] == 0
    states = {finding["name"]: finding["state"] for finding in found["findings"]}
    assert states["ffmpeg"] == "ok"
    plain = vp3d("doctor").out
    assert all(name in plain for name in states)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_tab_key(vp3d: Run, shell: str) -> None:
    ran = vp3d("completion", shell)
    assert ran.code == 0
    assert "_VP3D_COMPLETE" in ran.out
    program = "from vp3d_cli.cli.main import main; main()"
    words = {"COMP_WORDS": "vp3d inf", "COMP_CWORD": "1" if shell != "fish" else "inf"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"_VP3D_COMPLETE": f"{shell}_complete", **words},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "infer" in done.stdout, done.stderr
