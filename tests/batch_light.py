"""Whole runs of `vp3d batch` with the workers of `tests.batch_worker`, which weigh nothing."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.batch_worker import write_clip
from tests.e2e.conftest import Ran

ROOT = Path(__file__).parents[1]


class Light:
    """`vp3d batch` with light workers, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.txt"

    def start(self, *args: object, out: str = "out", **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.batch_driver", "batch", "in", "-o", out]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "VP3D_TEST_LOG": str(self.log),
            **options.pop("env", {}),
        }
        return subprocess.Popen(
            [*command, *map(str, args)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *args: object, **options: Any) -> Ran:
        with self.start(*args, **options) as process:
            out, err = process.communicate(timeout=300)
        assert "Traceback" not in err, err
        return Ran(process.returncode, out, err)

    def clips(self, *names: str, frames: int = 12) -> None:
        for name in names:
            write_clip(self.folder / "in" / name, frames, name)

    def rows(self, out: str = "out") -> dict[str, Any]:
        report = json.loads((self.folder / out / "report.json").read_text())
        return {Path(row["video"]).name: row for row in report["videos"]}

    def files(self, out: str = "out") -> dict[str, bytes]:
        """All that lies in the output folder but state and reports."""
        top = self.folder / out
        found = {p.relative_to(top).as_posix(): p for p in top.rglob("*") if p.is_file()}
        return {
            name: path.read_bytes()
            for name, path in found.items()
            if not name.startswith((".vp3d/", "report."))
        }

    def in_the_making(self, out: str = "out") -> list[Path]:
        return list((self.folder / out / ".vp3d" / "scratch").iterdir())


def wait_for(holds: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


def workers(folder: Path) -> set[int]:
    """The light workers of this test that run now, and of no other."""
    found = set()
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            ours = path.name.isdecimal() and (path / "cwd").resolve() == folder.resolve()
            if ours and b"tests.batch_worker" in (path / "cmdline").read_bytes():
                found.add(int(path.name))
    return {pid for pid in found if is_alive(pid)}
