"""How a batch went: every video with its state, and the reason of every failure."""

from __future__ import annotations

import collections
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vp3d_cli import __version__
from vp3d_cli.batch.layout import write_json
from vp3d_cli.batch.values import Entry, Task
from vp3d_cli.files import unwritable, written_whole
from vp3d_cli.types import Json

SCHEMA = "vp3d.report/1"
REPORTS = ("report.json", "report.csv")
_COLUMNS = (
    "video", "state", "reason", "exit_code", "stages", "frames", "people", "seconds",
    "frames_per_s", "tries", "outputs", "warnings",
)  # fmt: skip


@dataclass
class Report:
    """The videos of a plan, in its order.

    Attributes:
        entries: see `Entry`.
        stopped: why nothing could be written any more, and the exit code; None where it could.
        seconds: that the batch took.
    """

    entries: list[Entry]
    stopped: tuple[str, int] | None = None
    seconds: float = 0.0

    @classmethod
    def of(cls, plan: Sequence[Task]) -> Report:
        """Before anything is done."""
        return cls([Entry(task) for task in plan])

    @property
    def exit_code(self) -> int:
        """That of the first failure in the order of the plan; 0 where there is none."""
        failures = (entry.exit_code for entry in self.entries if entry.is_failure)
        return next(failures, self.stopped[1] if self.stopped else 0)

    def count(self, *states: str) -> int:
        """How many are in one of these states."""
        counts = collections.Counter(entry.state for entry in self.entries)
        return sum(counts[state] for state in states)

    @property
    def detected(self) -> int:
        """Frames that were looked at in this run."""
        return sum(entry.detected for entry in self.entries)

    def to_json(self) -> Json:
        """All of it."""
        return {
            "schema": SCHEMA,
            "version": __version__,
            "seconds": round(self.seconds, 3),
            "exit_code": self.exit_code,
            "stopped": self.stopped[0] if self.stopped else None,
            "videos": [_row(entry) for entry in self.entries],
        }

    def write(self, folder: Path) -> None:
        """Write `report.json` and `report.csv`.

        Raises:
            OutputError: they cannot be written.
        """
        write_json(folder / REPORTS[0], self.to_json())
        path = folder / REPORTS[1]
        with written_whole(path) as temporary:
            try:
                # A name that is no UTF-8 must not end the report.
                with temporary.open(
                    "w", encoding="utf-8", errors="backslashreplace", newline=""
                ) as stream:
                    rows = csv.DictWriter(stream, _COLUMNS)
                    rows.writeheader()
                    rows.writerows(_flat(_row(entry)) for entry in self.entries)
            except OSError as error:
                raise unwritable(path, error) from error


def _row(entry: Entry) -> Json:
    rate = entry.detected / entry.seconds if entry.seconds and entry.detected else None
    return {
        "video": str(entry.task.source),
        "state": "not done" if entry.state in ("waiting", "running") else entry.state,
        "reason": entry.reason,
        "exit_code": entry.exit_code,
        "stages": list(entry.stages),
        "frames": entry.frames,
        "people": entry.people,
        "seconds": round(entry.seconds, 3),
        "frames_per_s": None if rate is None else round(rate, 2),
        "tries": entry.tries,
        "outputs": list(entry.outputs),
        "warnings": list(entry.warnings),
    }


def _flat(row: Json) -> Json:
    """Lists as text; a name must not begin a formula in a spreadsheet."""
    flat = {key: "; ".join(v) if isinstance(v, list) else v for key, v in row.items()}
    return {
        key: f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value
        for key, value in flat.items()
    }
