"""What a run tells of its epochs: `log.csv`, `log.png`, and a file for TensorBoard.

All are written whole from the history every time, so that a resumed run has every epoch once.
"""

from __future__ import annotations

import csv
import functools
import logging
import math
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli.evaluate import metrics
from vp3d_cli.files import written_whole
from vp3d_cli.types import Float, Json

LOG, PICTURE = "log.csv", "log.png"
# TensorBoard knows its files by "tfevents".
EVENTS = "events.out.tfevents.vp3d"
_INSTALL = "pip install 'vp3d[tensorboard]'"

_log = logging.getLogger(__name__)
# What is shown of a column; others are shown by their names.
_LABELS = {
    "train_mm": "training MPJPE",
    "mpjpe_mm": "held out MPJPE",
    "p_mpjpe_mm": "held out P-MPJPE",
    "n_mpjpe_mm": "held out N-MPJPE",
    "mpjve_mm": "held out MPJVE",
}
# By what a column ends with: what it is, and its unit; in the order of the panels.
_PANELS = {
    "_mm": ("Errors", "mm"),
    "mpjve_mm": ("Velocity error", "mm/frame"),
    "_percent": ("Errors", "%"),
    "_px": ("Errors", "pixels"),
    "jitter": ("Jitter", "m/s^2"),
    "loss": ("Losses in training", "m; reprojection: half widths of the picture"),
}
_BEST = "mpjpe_mm"
_TOLD = 10
_MEASURES = ("mpjpe", "p_mpjpe", "n_mpjpe", "mpjve")
# Beyond it a prediction is none, and the measures overflow or cannot be had.
_FARTHEST_M = 1e6


class Means:
    """Means over the steps of an epoch, each of those steps that had the value."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)

    def so_far(self) -> dict[str, float]:
        return {name: sum(values) / len(values) for name, values in self._values.items()}

    def tell(self, epoch: int, step: int, steps: int) -> None:
        """For -v: where the epoch stands, about ten times in its course."""
        if step % max(1, round(steps / _TOLD)) == 0:
            means = ", ".join(f"{name} {value:.4f}" for name, value in self.so_far().items())
            _log.debug("epoch %d, step %d of %d: %s", epoch, step, steps, means)


def errors_mm(predicted: Float, target: Float) -> dict[str, float]:
    """The errors of joints (B, T, J, 3), metres, by column; NaN where the network has diverged."""
    if not (np.abs(predicted) < _FARTHEST_M).all():  # NaN is not, either
        return dict.fromkeys((f"{name}_mm" for name in _MEASURES), math.nan)
    return {
        f"{name}_mm": float(getattr(metrics, name)(predicted, target).mean()) * 1000
        for name in _MEASURES
    }


def write_logs(folder: Path, rows: Sequence[Json]) -> None:
    """Write all logs of a run.

    Args:
        folder: of the run.
        rows: numbers by column, the same columns in all; "epoch" where there are epochs. Without
            any, nothing is written.

    Raises:
        OutputError: the folder is not writable, or the disk is full.
    """
    if not rows:
        return
    with written_whole(folder / LOG) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    _write_events(folder / EVENTS, rows)
    _write_picture(folder / PICTURE, rows)


def best(rows: Sequence[Json]) -> int | None:
    """Which row was the best on held-out people: what it says itself, or the lowest MPJPE."""
    said = [index for index, row in enumerate(rows) if row.get("best") is True]
    if said:
        return said[-1]
    measured = [i for i, row in enumerate(rows) if math.isfinite(row.get(_BEST, math.nan))]
    return min(measured, key=lambda index: float(rows[index][_BEST])) if measured else None


def _steps(rows: Sequence[Json]) -> list[int]:
    return [int(row.get("epoch", number)) for number, row in enumerate(rows, start=1)]


def _write_picture(path: Path, rows: Sequence[Json]) -> None:
    """Losses and errors over the epochs."""
    from vp3d_cli.render.curves import Curve, Panel, write_curves

    columns: dict[str, list[Curve]] = {end: [] for end in _PANELS}
    for column in rows[0]:
        values = [float(row[column]) for row in rows]
        end = max(filter(column.endswith, _PANELS), key=len, default="")
        if end and any(map(math.isfinite, values)):
            label = _LABELS.get(column) or column.removesuffix("_mm").removesuffix("_percent")
            columns[end].append(Curve(label.removesuffix("_loss").replace("_", " "), values))
    panels = [Panel(*_PANELS[end], curves) for end, curves in columns.items() if curves]
    steps, top = _steps(rows), best(rows)
    note = f"after epoch {steps[-1]}"
    if top is not None:
        note += f"; best on held-out people: epoch {steps[top]}"
        if _BEST in rows[top]:
            note += f", MPJPE {rows[top][_BEST]:.1f} mm"
    name = path.resolve().parent.name
    title = f"Training: {name}" if name.isascii() else "Training"
    write_curves(path, title, note, steps, panels, None if top is None else steps[top])


def _write_events(path: Path, rows: Sequence[Json]) -> None:
    """Every number as a scalar of its epoch; nothing, and a word about it, without the library.

    An epoch keeps the time at which it was first written: a running TensorBoard reads on in a
    file that only ever grows.
    """
    try:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary
        from tensorboardX.record_writer import RecordWriter
    except ImportError:
        _say_once()
        return
    times = dict(_times(path, Event)) if path.exists() else {}
    now = time.time()
    begin = Event(wall_time=times.get(-1, now), file_version="brain.Event:2")
    events = [begin]
    for step, row in zip(_steps(rows), rows, strict=True):
        scalars = [
            Summary.Value(tag=column, simple_value=float(value))
            for column, value in row.items()
            if column != "epoch" and math.isfinite(value)
        ]
        summary = Summary(value=scalars)
        events.append(Event(wall_time=times.get(step, now), step=step, summary=summary))
    with written_whole(path) as temporary:
        writer = RecordWriter(str(temporary))
        for event in events:
            writer.write(event.SerializeToString())
        writer.close()


def _times(path: Path, kind: Any) -> Iterator[tuple[int, float]]:
    """When each epoch was written, -1 for the file itself, as far as it can be read."""
    from google.protobuf.message import DecodeError

    content, at = path.read_bytes(), 0
    while at + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        body = content[at + 12 : at + 12 + length]
        at += 16 + length
        try:
            event = kind.FromString(body)
        except DecodeError:
            return
        yield (-1 if event.file_version else int(event.step)), float(event.wall_time)


@functools.lru_cache(maxsize=1)
def _say_once() -> None:
    _log.info("No logs for TensorBoard are written; to have them: %s", _INSTALL)
