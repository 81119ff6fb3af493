"""What an evaluation found: tables for people, JSON for programs, Markdown for papers, bars."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vp3d_cli import __version__, files
from vp3d_cli.errors import OutputError
from vp3d_cli.evaluate import paper
from vp3d_cli.evaluate.protocol import Errors, Summary, summarise
from vp3d_cli.evaluate.run import Clip, Evaluation
from vp3d_cli.render.bars import Bar, write_bar_chart
from vp3d_cli.types import Json

SCHEMA = "vp3d.evaluation/1"
PLOTS = ("joints.png", "actions.png")


@dataclass(frozen=True)
class Table:
    """Text in rows, for a terminal or Markdown.

    Attributes:
        title: of the table.
        header: (C,) of the columns; a line break divides it.
        rows: of (C,) cells; the last is the mean.
        is_paper: (C,) the column holds published figures, not ours.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_paper: tuple[bool, ...]


@dataclass(frozen=True)
class _Column:
    header: str
    cell: Callable[[Errors], str]


@dataclass(frozen=True)
class Report:
    """An evaluation and its averages.

    Attributes:
        evaluation: what was measured.
        data: JSON: name and SHA-256 of each file it rests on.
    """

    evaluation: Evaluation
    data: list[Json]

    @property
    def summary(self) -> Summary:
        """Of all subjects."""
        return _summary(self.evaluation.clips)

    @property
    def by_subject(self) -> dict[str, Summary]:
        subjects = sorted({clip.subject for clip in self.evaluation.clips})
        return {s: _summary(c for c in self.evaluation.clips if c.subject == s) for s in subjects}

    @property
    def published(self) -> paper.Published | None:
        """The paper's figures, where the data are its test set."""
        clips, lifter = self.evaluation.clips, self.evaluation.lifter
        fits = paper.comparable(
            {clip.subject for clip in clips}, self.summary.actions, self.evaluation.joints
        )
        if self.evaluation.from_video or not fits:
            return None
        return paper.published(receptive_field=lifter["receptive_field"], causal=lifter["causal"])


def describe_files(paths: Iterable[Path]) -> list[Json]:
    """Name and SHA-256 of files, for what produced a report."""
    return [{"name": path.name, "sha256": files.sha256(path)} for path in paths]


def _summary(clips: Iterable[Clip]) -> Summary:
    return summarise((clip.action, clip.errors) for clip in clips)


def to_json(report: Report) -> Json:
    """Every number and what produced it; no clock times, so that equal runs are equal."""
    evaluation, published = report.evaluation, report.published
    content: Json = {
        "schema": SCHEMA,
        "version": __version__,
        "lifter": evaluation.lifter,
        "detector": evaluation.detector,
        "data": report.data,
        "options": evaluation.options,
        "left_out": evaluation.left_out,
        "joints": list(evaluation.joints),
        **_summary_json(report.summary, evaluation),
        "subjects": {
            subject: _summary_json(summary, evaluation)
            for subject, summary in report.by_subject.items()
        },
        "clips": [
            {"subject": clip.subject, "action": clip.action, "view": clip.view}
            | _errors_json(clip.errors, evaluation)
            | clip.notes
            for clip in evaluation.clips
        ],
    }
    if published is not None:
        content["published"] = {"source": paper.SOURCE, **dataclasses.asdict(published)}
    return content


def _summary_json(summary: Summary, evaluation: Evaluation) -> Json:
    return {
        "mean": _errors_json(summary.mean, evaluation),
        "actions": {name: _errors_json(e, evaluation) for name, e in summary.actions.items()},
    }


def _errors_json(errors: Errors, evaluation: Evaluation) -> Json:
    """Numbers in millimetres; null where nothing could be measured."""
    joints = zip(evaluation.joints, errors.joints_mm.tolist(), strict=True)
    return {
        "frames": errors.frames,
        "reference_frames": errors.reference_frames,
        "coverage_percent": _known(errors.coverage),
        "mpjpe_mm": _known(errors.mpjpe_mm),
        "p_mpjpe_mm": _known(errors.p_mpjpe_mm),
        "n_mpjpe_mm": _known(errors.n_mpjpe_mm),
        "mpjve_mm": _known(errors.mpjve_mm),
        "similarity_mm": _known(errors.similarity_mm),
        "joints_mm": {name: _known(value) for name, value in joints},
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def tables(report: Report, *, by_subject: bool = False) -> list[Table]:
    """Errors by action and their mean; for each subject too, where asked; videos by view."""
    evaluation, published = report.evaluation, report.published
    everything = _table("Mean of all subjects", report.summary, evaluation, published)
    apart = report.by_subject.items() if by_subject else ()
    each = [_table(f"Subject {s}", summary, evaluation, None) for s, summary in apart]
    if evaluation.from_video:
        columns = _columns(evaluation)
        rows = [
            (f"{clip.action} {clip.view}", *(column.cell(clip.errors) for column in columns))
            for clip in evaluation.clips
        ]
        rows.append(("mean", *(column.cell(report.summary.mean) for column in columns)))
        header = ("View", *(column.header for column in columns))
        everything = Table("Every view", header, tuple(rows), (False,) * len(header))
    return [*each, everything]


def _columns(evaluation: Evaluation) -> list[_Column]:
    columns = [
        _Column("Frames", lambda e: str(e.frames)),
        _Column("MPJPE", lambda e: _text(e.mpjpe_mm, 1)),
        _Column("P-MPJPE", lambda e: _text(e.p_mpjpe_mm, 1)),
        _Column("N-MPJPE", lambda e: _text(e.n_mpjpe_mm, 1)),
        _Column("MPJVE", lambda e: _text(e.mpjve_mm, 2)),
    ]
    if evaluation.from_video:
        columns.append(_Column("One simi-\nlarity", lambda e: _text(e.similarity_mm, 1)))
        columns.append(_Column("Cover-\nage %", lambda e: _text(e.coverage, 1)))
    return columns


def _text(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else "-"


def _table(
    title: str, summary: Summary, evaluation: Evaluation, published: paper.Published | None
) -> Table:
    columns = _columns(evaluation)
    theirs = [] if published is None else _published_columns(published)
    # The paper's mean is over all its actions and says nothing about fewer.
    whole = {paper.paper_name(action) for action in summary.actions} == set(paper.ACTIONS)
    rows = []
    for action, errors in [*summary.actions.items(), ("mean", summary.mean)]:
        name = paper.paper_name(action)
        known = action in summary.actions or whole
        beside = [
            _text(column.get(name, math.nan) if known else math.nan, 1) for _, column in theirs
        ]
        rows.append((action, *(column.cell(errors) for column in columns), *beside))
    header = ("Action", *(column.header for column in columns), *(name for name, _ in theirs))
    is_paper = (False,) * (1 + len(columns)) + (True,) * len(theirs)
    return Table(title, header, tuple(rows), is_paper)


def _published_columns(published: paper.Published) -> list[tuple[str, dict[str, float]]]:
    columns = [
        ("paper\nMPJPE", published.mpjpe_mm),
        ("paper\nP-MPJPE", published.p_mpjpe_mm),
        ("paper\nMPJVE", published.mpjve_mm),
    ]
    return [(name, column) for name, column in columns if column]


def notes(report: Report) -> list[str]:
    """Sentences that belong below every table."""
    evaluation = report.evaluation
    lines = [
        f"Millimetres, MPJVE millimetres a frame, over {len(evaluation.joints)} joints. "
        + "Inside an action weighted by frames; the mean is over actions.",
        f"Lifter {evaluation.lifter['name']} ({evaluation.lifter['sha256'][:12]}), "
        + ", ".join(f"{key} {_said(value)}" for key, value in evaluation.options.items())
        + ".",
    ]
    lines += [_place(clip) for clip in evaluation.clips if "ground" in clip.notes]
    for why, number in evaluation.left_out.items():
        lines.append(f"Left out: {number} sequences {why}.")
    unseen = [clip for clip in evaluation.clips if not clip.errors.frames]
    if unseen:
        lines.append(f"Not measured at all, and in no mean: {len(unseen)} clips.")
    if report.published is not None:
        lines.append(f"paper: its model of {report.published.model}. {paper.SOURCE}.")
    return lines


def _place(clip: Clip) -> str:
    """Where the person of a view was put beside where they were."""
    root, up = clip.notes.get("root_off_mm"), clip.notes.get("up_off_degrees")
    percent = clip.notes.get("root_off_percent")
    where = f"{root:g} mm ({percent:g} % of the distance) off" if root is not None else "unknown"
    level = f"up {up:g} degrees off" if up is not None else f"up unknown: {clip.notes['ground']}"
    return f"{clip.view}: the hip in the camera frame {where}, {level}."


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return {True: "on", False: "off", None: "all"}.get(value, str(value))  # type: ignore[call-overload,no-any-return]


def to_markdown(report: Report, *, by_subject: bool = False) -> str:
    """The same tables, and one of the joints."""
    parts = ["# Evaluation"]
    for table in [*tables(report, by_subject=by_subject), _joints_table(report)]:
        header = [name.replace("-\n", "").replace("\n", " ") for name in table.header]
        lines = [header, ["---", *("---:" for _ in header[1:])], *map(list, table.rows)]
        body = "\n".join("| " + " | ".join(map(_escaped, line)) + " |" for line in lines)
        parts += [f"## {table.title}", body]
    parts += ["\n".join(f"- {_escaped(line)}" for line in notes(report))]
    parts += ["\n".join(f"- Data: {d['name']}, SHA-256 {d['sha256']}" for d in report.data)]
    return "\n\n".join(parts) + "\n"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def _joints_table(report: Report) -> Table:
    errors = zip(report.evaluation.joints, report.summary.mean.joints_mm, strict=True)
    rows = tuple((name, _text(float(value), 1)) for name, value in errors)
    return Table("Position error of each joint", ("Joint", "mm"), rows, (False, False))


def write_json(report: Report, path: Path) -> None:
    """Raises OutputError: the folder is missing or not writable, or the disk is full."""
    _write_text(path, json.dumps(to_json(report), indent=2, allow_nan=False) + "\n")


def write_markdown(report: Report, path: Path, *, by_subject: bool = False) -> None:
    """Raises OutputError: the folder is missing or not writable, or the disk is full."""
    _write_text(path, to_markdown(report, by_subject=by_subject))


def _write_text(path: Path, content: str) -> None:
    with files.written_whole(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def write_plots(report: Report, folder: Path) -> tuple[Path, ...]:
    """Bars by joint and by action as PNGs in a folder, which is made where there is none.

    Raises:
        OutputError: the folder cannot be made or written to.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error
    summary, lifter = report.summary, report.evaluation.lifter["name"]
    frames = f"{lifter}, {report.evaluation.frames} frames, mean over actions, mm"
    joints = zip(report.evaluation.joints, summary.mean.joints_mm.tolist(), strict=True)
    by_joint = [Bar(name.replace("_", " "), value, _side(name)) for name, value in joints]
    by_action = [Bar(name, errors.mpjpe_mm) for name, errors in summary.actions.items()]
    by_action.append(Bar("mean", summary.mean.mpjpe_mm))
    paths = tuple(folder / name for name in PLOTS)
    write_bar_chart(paths[0], "Position error of each joint (MPJPE)", frames, by_joint)
    write_bar_chart(paths[1], "Position error of each action (MPJPE)", frames, by_action)
    return paths


def _side(joint: str) -> str:
    side = joint.partition("_")[0]
    return side if side in ("left", "right") else "middle"
