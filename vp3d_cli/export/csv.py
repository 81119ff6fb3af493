"""One long table as text, for R, pandas and spreadsheets: a row per person, frame and joint.

The columns are those of `_table.py`, under a line of their names. An empty cell is missing. UTF-8,
commas, a point before decimals; positions to 0.01 mm. Nobody found: the names alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import files
from vp3d_cli.export import _table
from vp3d_cli.pose_file import Table
from vp3d_cli.types import Result

SUFFIX = ".csv"
DESCRIPTION = "table for R, pandas, spreadsheets: a row per person, frame and joint"


def write(result: Result, path: Path) -> None:
    """Write the table, a person at a time.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    with (
        files.written_whole(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        stream.write(",".join(_table.COLUMNS) + "\n")
        for table in _table.tables(result):
            stream.writelines(lines(table, _table.COLUMNS))


def lines(table: Table, decimals: dict[str, int | None]) -> Iterator[str]:
    """The rows of a table as text."""
    cells = [_cells(table[key], places) for key, places in decimals.items()]
    return (",".join(row) + "\n" for row in zip(*cells, strict=True))


def _cells(column: NDArray[Any], places: int | None) -> list[str]:
    if column.dtype.kind == "f":
        # Adding 0 turns -0.0 into 0.0.
        numbers = (column.astype(np.float64).round(places or 0) + 0.0).tolist()
        return ["" if number != number else f"{number:.{places}f}" for number in numbers]
    if column.dtype.kind == "b":
        return ["true" if value else "false" for value in column.tolist()]
    if column.dtype.kind == "U":
        return [_quoted(str(value)) for value in column.tolist()]
    return [str(value) for value in column.tolist()]


def _quoted(text: str) -> str:
    """Text of a file in one cell."""
    if not any(mark in text for mark in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'
