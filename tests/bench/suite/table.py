"""What came out, as rows, ratios and Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tests.bench.suite.cases import SUMMED, Case
from tests.bench.suite.clips import Clip
from tests.bench.suite.process import Run
from vp3d_cli.types import Double

Measured = Mapping[Case, Sequence[Run]]
Row = dict[str, Any]
# Seconds and CPU seconds by what was measured and on which clip.
Took = Mapping[tuple[str, "Clip | None"], Double]


def rows(measured: Measured) -> list[Row]:
    """One for each case: medians over the runs, and how far those are apart."""
    return [_row(case, runs) for case, runs in measured.items()]


def _row(case: Case, runs: Sequence[Run]) -> Row:
    work_s = [run.work_s for run in runs]
    middle = statistics.median(work_s)
    return {
        "part": case.part,
        "what": case.name,
        "clip": case.clip.name if case.clip else None,
        "frames": case.frames,
        "seconds": middle,
        "wall_s": statistics.median(run.wall_s for run in runs),
        "fps": case.frames / middle,
        "spread": (max(work_s) - min(work_s)) / middle,
        "cpu_ms": 1000 * statistics.median(run.cpu_s for run in runs) / case.frames,
        "largest_mb": statistics.median(run.largest_mb for run in runs),
        "together_mb": statistics.median(run.together_mb for run in runs),
        "runs": [asdict(run) for run in runs],
    }


def ratios(measured: Measured) -> list[Row]:
    """How end to end, models loaded, stands to what it is compared with, in time and CPU time.

    Loading is measured on one frame. Above 1: end to end takes more.
    """
    known = {
        (case.name, case.clip): np.median([(run.work_s, run.cpu_s) for run in runs], axis=0)
        for case, runs in measured.items()
        if case.part == "ratios"
    }
    loading = [took for (_, clip), took in known.items() if clip and clip.num_frames == 1]
    found = []
    for (name, clip), whole in known.items():
        if name != "`vp3d infer`" or clip is None or clip.num_frames == 1:
            continue
        ours = np.maximum(0, whole - loading[0])
        for other, took in _others(known, clip):
            ratio, cpu_ratio = (ours / took).tolist()
            found.append(
                {
                    "clip": clip.name,
                    "to": other,
                    "seconds": float(ours[0]),
                    "other_s": float(took[0]),
                    "ratio": ratio,
                    "cpu_ratio": cpu_ratio,
                }
            )
    return found


def _others(known: Took, clip: Clip) -> list[tuple[str, Double]]:
    """What there is to compare with on a clip."""
    others = [("the plain sum of the stages", np.sum([known[s, clip] for s in SUMMED], axis=0))]
    names = {"detect": "the detector alone", "plain": "the plain version, one core"}
    for (name, where), took in known.items():
        if where == clip and (name in names or name.startswith("MediaPipe")):
            others.append((names.get(name, name), took))
    return others


def markdown(machine: Row, all_rows: Sequence[Row], compared: Sequence[Row]) -> str:
    """Tables, one for each part."""
    lines = [", ".join(f"{name} {value}" for name, value in machine.items()), ""]
    for part in dict.fromkeys(row["part"] for row in all_rows):
        head = ["what", "clip", "s", "frames/s", "spread", "CPU ms a frame", "largest MB", "all MB"]
        lines += [f"## {part}", "", _line(head), _line(["---"] * len(head))]
        lines += [_line(_cells(row)) for row in all_rows if row["part"] == part] + [""]
    if compared:
        lines += ["## `vp3d infer`, models loaded, compared", ""]
        head = ["clip", "to", "ours s", "theirs s", "ratio", "of CPU time"]
        lines += [_line(head), _line(["---"] * len(head))]
        for row in compared:
            numbers = (row[name] for name in ("seconds", "other_s", "ratio", "cpu_ratio"))
            lines.append(_line([row["clip"], row["to"], *(f"{number:.2f}" for number in numbers)]))
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    numbers = [
        f"{row['seconds']:.2f}", f"{row['fps']:.1f}", f"{100 * row['spread']:.0f} %",
        f"{row['cpu_ms']:.1f}", f"{row['largest_mb']:.0f}", f"{row['together_mb']:.0f}",
    ]  # fmt: skip
    return [row["what"], row["clip"] or "", *numbers]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
