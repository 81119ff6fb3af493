"""A command in a fresh process, and what it took."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
_BETWEEN_LOOKS_S = 0.05


class CommandError(Exception):
    """A command ended badly; the last line that it wrote."""


@dataclass(frozen=True)
class Run:
    """What one run took.

    Attributes:
        wall_s: of the whole process.
        work_s: of its work alone, without start-up, where the process says so; else `wall_s`.
        cpu_s: of all its processes; of the work alone where the process says so.
        largest_mb: the most memory that one of its processes had; 0 where the system does not
            tell.
        together_mb: the most that all had together, pages that they share counted for each.
    """

    wall_s: float
    work_s: float
    cpu_s: float
    largest_mb: float
    together_mb: float


def run(
    command: Sequence[str | Path],
    cores: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run a command to its end.

    A command may say on its last line, as JSON, what its work alone took: `work_s`, `cpu_s`.

    Args:
        command: of a fresh process; those of ours find this source tree.
        cores: it is bound to so many.
        environment: more of it.

    Raises:
        CommandError: it failed.
    """
    wanted = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    bind = functools.partial(_bind, cores) if cores else None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=wanted, preexec_fn=bind,
        )  # fmt: skip
        together = _Together(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        together.stop()
        if process.returncode:
            raise CommandError(_last_line(errors.seek(0) or errors.read()) or "it said nothing")
        out.seek(0)
        said = _said(_last_line(out.read()))
    return Run(
        wall_s,
        said.get("work_s", wall_s),
        said.get("cpu_s", usage.ru_utime + usage.ru_stime),
        together.largest_mb,
        together.most_mb,
    )


def _bind(cores: int) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _said(line: str) -> dict[str, float]:
    return json.loads(line) if line.startswith("{") else {}


class _Together:
    """Watches from a thread how much memory a process and its descendants have."""

    def __init__(self, pid: int) -> None:
        self.most_mb = self.largest_mb = 0.0
        self._pid, self._ended = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_BETWEEN_LOOKS_S):
            memory = [_memory_mb(pid) for pid in _family(self._pid)]
            self.most_mb = max(self.most_mb, sum(now for now, _ in memory))
            self.largest_mb = max(self.largest_mb, *(most for _, most in memory))


def _family(pid: int) -> list[int]:
    """A process and its descendants, on Linux; not one that has yet to become another program."""
    members = [pid]
    for member in members:  # it grows meanwhile
        try:
            own = _command_line(member)
            for task in Path(f"/proc/{member}/task").iterdir():
                children = map(int, (task / "children").read_text().split())
                members += [child for child in children if _command_line(child) != own]
        except OSError:
            continue
    return members


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _memory_mb(pid: int) -> tuple[float, float]:
    """What a process has, and the most that it had; the usage of `wait4` has its parent's too."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0, 0.0
    kib = {name: rest.split()[0] for name, _, rest in (line.partition(":") for line in lines)
           if name in ("VmRSS", "VmHWM")}  # fmt: skip
    return int(kib.get("VmRSS", 0)) / 1024, int(kib.get("VmHWM", 0)) / 1024
