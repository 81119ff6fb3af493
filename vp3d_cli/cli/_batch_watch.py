"""What `vp3d batch` shows while it runs: a table on a terminal, else a line for each video."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vp3d_cli.batch.values import shown
from vp3d_cli.cli import _console
from vp3d_cli.cli._results import count

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from vp3d_cli.batch import Report
    from vp3d_cli.batch.values import Entry, Job, Moved, Said
    from vp3d_cli.types import Json

_log = logging.getLogger("vp3d_cli.cli")

_STAGES = {
    "begin": "starting",
    "read": "reading",
    "skip": "seeking",
    "detect": "finding people",
    "lift": "lifting to 3D",
    "render": "rendering",
    "write": "writing",
}
_REFRESH_S = 0.5
_MAX_ROWS = 16


class Watch:
    """Says what happens; see `batch.run.Watch`."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._todo = self._done = self._failed = self._frames = 0
        self._running: dict[Job, Moved] = {}
        self._live: Live | None = None
        self._next_s = 0.0

    def planned(self, report: Report, todo: int, models: Json) -> None:
        """Say what was chosen, and how much there is to do."""
        self._todo, self._started_s = todo, time.monotonic()
        chosen = (f"{kind} {it['name']} ({it['chosen']})" for kind, it in models.items())
        _log.info("%s", ", ".join(chosen))
        kept, before = report.count("kept"), report.count("failed before")
        parts = [f"{count(len(report.entries), 'video', 'videos')}: {todo} to do"]
        parts += [f"{kept} done before"] * bool(kept)
        parts += [f"{before} failed before (--retry-failed tries again)"] * bool(before)
        _log.info("%s", ", ".join(parts))

    def moved(self, event: Moved) -> None:
        """Keep how far a video is."""
        self._running[event.job] = event

    def said(self, event: Said) -> None:
        """Print a warning of a worker."""
        _log.warning("%s", shown(event.text))

    def ended(self, entry: Entry) -> None:
        """Print how a video went."""
        self._running = {j: m for j, m in self._running.items() if j.task != entry.task}
        self._done += not entry.is_failure
        self._failed += entry.is_failure
        self._frames += entry.detected
        number = f"[{self._done + self._failed}/{self._todo}]"
        if entry.is_failure:
            _log.error("%s failed: %s", number, _why(entry))
        else:
            _log.info("%s done: %s: %s", number, shown(entry.task.source), _told(entry))

    def ticked(self) -> None:
        """Draw the table anew, now and then."""
        now = time.monotonic()
        if self._live and now >= self._next_s:
            self._next_s = now + _REFRESH_S
            self._live.update(self._table(), refresh=True)

    @contextlib.contextmanager
    def shown_live(self) -> Iterator[None]:
        """Show the table where somebody watches."""
        quiet = _log.getEffectiveLevel() > logging.INFO
        if quiet or not _console.console().is_terminal:
            yield
            return
        from rich.live import Live

        with Live(console=_console.console(), auto_refresh=False, transient=True) as self._live:
            yield

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        elapsed_s = time.monotonic() - self._started_s
        ended = self._done + self._failed
        under_way = sum(m.done for m in self._running.values() if m.stage == "detect")
        rate = (self._frames + under_way) / elapsed_s if elapsed_s else 0.0
        left = f"{_duration(elapsed_s / ended * (self._todo - ended))} left" if ended else ""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_row(
            f"{self._done} done", f"{self._failed} failed",
            f"{self._todo - ended} to go", f"{rate:.1f} frames/s", left,
        )  # fmt: skip
        for job, move in list(self._running.items())[:_MAX_ROWS]:
            part = f" ({job.span.number + 1} of {job.span.count})" if job.span else ""
            far = f"{move.done}/{move.total}" if move.total else str(move.done or "")
            stage = _STAGES.get(move.stage, move.stage)
            table.add_row(Text(shown(job.task.name) + part), stage, far)
        return table


def summarise(report: Report) -> None:
    """Say how it all went, and why what failed failed."""
    failures = [entry for entry in report.entries if entry.is_failure]
    for entry in failures:
        when = " (before; --retry-failed tries again)" if entry.state == "failed before" else ""
        _log.error("Failed%s: %s", when, _why(entry))
    if report.stopped:
        _log.error("Stopped early: %s; then run it again", shown(report.stopped[0]))
    open_ = report.count("waiting", "running")
    rate = report.detected / report.seconds if report.seconds else 0.0
    _log.info(
        "%d done, %d done before, %d failed%s; %s in %s%s",
        report.count("done"),
        report.count("kept"),
        len(failures),
        f", {open_} not done" if open_ else "",
        count(report.detected, "frame", "frames"),
        _duration(report.seconds),
        f" ({rate:.1f} frames/s)" if report.detected else "",
    )


def _why(entry: Entry) -> str:
    """The reason of a failure, which names the video."""
    name = str(entry.task.source)
    reason = entry.reason if entry.reason.startswith(name) else f"{name}: {entry.reason}"
    return shown(reason)


def _told(entry: Entry) -> str:
    frames, people = count(entry.frames, "frame", "frames"), count(entry.people, "person", "people")
    how = ", ".join(entry.stages) or "it stood already"
    return f"{frames}, {people}, {entry.seconds:.1f} s ({how})"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
