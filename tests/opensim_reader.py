"""OpenSim reads files, in a process of its own: it writes a log where it is, and may never end.

    python opensim_reader.py POSE.trc POSE.mot ...

prints JSON: a list of what it found in each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

_MOST_S = 120


def read(*paths: Path) -> list[dict[str, Any]]:
    """Columns by name, times and what the file says of itself; of TRC and MOT files."""
    command = [sys.executable, __file__, *map(str, paths)]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=_MOST_S, cwd=paths[0].parent, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(ran.stdout.splitlines()[-1])
    for each in found:
        each["columns"] = {name: np.array(values) for name, values in each["columns"].items()}
    return found


def _found(opensim: Any, path: str) -> dict[str, Any]:
    """What OpenSim finds in one file. Names are kept while what they hold is used."""
    found: dict[str, Any] = {}
    if path.endswith(".trc"):
        markers = opensim.MarkerData(path)
        found["unit"], found["frames"] = markers.getUnits().getLabel(), markers.getNumFrames()
        vectors = opensim.TimeSeriesTableVec3(path)
        table = vectors.flatten(["_x", "_y", "_z"])
    else:
        storage = opensim.Storage(path)
        found["degrees"], found["frames"] = storage.isInDegrees(), storage.getSize()
        table = opensim.TimeSeriesTable(path)
    matrix = table.getMatrix()
    rows = matrix.to_numpy().tolist() if matrix.nrow() else []
    names = list(table.getColumnLabels())
    columns = {name: [row[j] for row in rows] for j, name in enumerate(names)}
    return {**found, "columns": columns, "times_s": list(table.getIndependentColumn())}


if __name__ == "__main__":
    import opensim

    opensim.Logger.setLevelString("Off")
    opensim.Logger.removeFileSink()
    print(json.dumps([_found(opensim, path) for path in sys.argv[1:]]))
