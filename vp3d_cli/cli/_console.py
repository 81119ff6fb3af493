"""Log lines and progress bars, both on stderr; stdout is for data and the paths written."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_LABELS = {
    "adapt": "Adapting",
    "detect": "Finding people",
    "fetch": "Fetching",
    "lift": "Lifting to 3D",
    "render": "Rendering",
    "report": "Taking pictures",
    "train": "Training",
}


class _Lines(logging.Handler):
    """Plain sentences; above a running progress bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "Warning: " if record.levelno == logging.WARNING else ""
        console().print(prefix + record.getMessage(), markup=False, highlight=False, soft_wrap=True)


_shared: list[Console] = []


def console() -> Console:
    """The one console on stderr."""
    if not _shared or _shared[0].file is not sys.stderr:
        from rich.console import Console

        _shared[:] = [Console(file=sys.stderr)]
    return _shared[0]


def configure(level: int) -> None:
    """Send vp3d's log to stderr from `level` up."""
    logger = logging.getLogger("vp3d_cli")
    logger.setLevel(level)
    logger.handlers = [_Lines()]
    logger.propagate = False


Move = Callable[[str, int, "int | None"], None]


@contextlib.contextmanager
def progress(*, sizes: bool = False) -> Iterator[Move | None]:
    """Yield a function that moves the bars: (stage, done, total). None where nobody watches.

    Args:
        sizes: what is counted are bytes.
    """
    quiet = logging.getLogger("vp3d_cli").getEffectiveLevel() > logging.INFO
    if quiet or not console().is_terminal:
        yield None
        return
    from rich import progress as rich_progress

    columns = (
        rich_progress.TextColumn("{task.description:14}"),
        rich_progress.BarColumn(),
        rich_progress.DownloadColumn() if sizes else rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("{task.fields[rate]:>12}"),
        rich_progress.TimeRemainingColumn(compact=True),
    )
    with rich_progress.Progress(*columns, console=console()) as bars:
        tasks: dict[str, rich_progress.TaskID] = {}

        def move(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                # What was done before the bar stood, as in a resumed download, has no speed.
                tasks[stage] = bars.add_task(_LABELS[stage], total=total, completed=done, rate="")
            speed = bars.tasks[bars.task_ids.index(tasks[stage])].speed
            rate = (f"{speed / 1e6:.1f} MB/s" if sizes else f"{speed:.1f} /s") if speed else ""
            bars.update(tasks[stage], completed=done, total=total, rate=rate)

        yield move


def stage(name: str, move: Move | None) -> Callable[[int, int | None], None] | None:
    """The part of `move` that reports one stage."""
    return functools.partial(move, name) if move else None
