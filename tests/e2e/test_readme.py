"""What the README says can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from vp3d_cli.cli.main import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?:.*/)?vp3d (\w.*?)(?:\s+#.*)?$", README, re.MULTILINE)


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line: str) -> None:
    words = shlex.split(line)
    command = cli
    while words and not words[0].startswith("-"):
        found = getattr(command, "get_command", lambda *_: None)(None, words[0])
        if found is None:
            break
        command, words = found, words[1:]
    assert command is not cli, line
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known


def test_the_python_lines_run(monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(code, {})


def test_ci_runs_the_command_that_the_readme_names() -> None:
    lines = [line for line in README.splitlines() if line.endswith("bin/pytest")]
    assert len(lines) == 1
    assert "pip install" in lines[0]
