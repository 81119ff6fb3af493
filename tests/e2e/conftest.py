"""The command line as a person uses it: exit code, stdout, stderr, files."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import browser
from vp3d_cli.cli.main import main

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def vp3d(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Ran]:
    """Run `vp3d ARGS` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("vp3d_cli")  # the command line sets it up for its whole process
    for name in ("handlers", "propagate", "level"):
        monkeypatch.setattr(logger, name, getattr(logger, name))

    def run(*args: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["vp3d", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(int(stop.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser.running() as running:
        yield running
