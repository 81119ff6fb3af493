"""What data sets hold, as a table."""

from __future__ import annotations

from collections.abc import Iterable

from vp3d_cli.datasets.choice import first_word
from vp3d_cli.datasets.sequence import Sequence

_HEAD = ("subject", "actions", "sequences", "minutes", "fps", "cameras", "2D", "3D")


def summary(sequences: Iterable[Sequence]) -> str:
    """One line a subject, and one for all: what there is of each.

    Minutes are those of all views together. Actions are counted by their first word.
    """
    known = list(sequences)
    by_subject: dict[str, list[Sequence]] = {}
    for sequence in known:
        by_subject.setdefault(sequence.subject, []).append(sequence)
    rows = [_HEAD, *(_row(subject, found) for subject, found in sorted(by_subject.items()))]
    if len(by_subject) != 1:
        rows.append(_row("all", known))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 6, 7) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _row(subject: str, sequences: list[Sequence]) -> tuple[str, ...]:
    rates = sorted({sequence.fps for sequence in sequences})
    fps = "" if not rates else f"{rates[0]:g}"
    if len(rates) > 1:
        fps = f"{rates[0]:.4g} to {rates[-1]:.4g}"
    minutes = sum(len(sequence) / sequence.fps for sequence in sequences) / 60
    return (
        subject,
        str(len({first_word(sequence.action) for sequence in sequences})),
        str(len(sequences)),
        f"{minutes:.1f}",
        fps,
        str(len({s.camera.name for s in sequences if s.camera})),
        _names(s.skeleton_in.name for s in sequences if s.skeleton_in),
        _names(s.skeleton_out.name for s in sequences if s.skeleton_out),
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names))) or "-"
