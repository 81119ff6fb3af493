"""`vp3d report`: is it any good?"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vp3d_cli.cli import _console
from vp3d_cli.cli._options import VideoFile, require_new_names, require_writable, verbosity

if TYPE_CHECKING:
    from rich.console import Console

    from vp3d_cli.report.values import Report

_log = logging.getLogger("vp3d_cli.cli")
# Lines of people and of advice; the page has all of them.
_MOST_LINES = 20
_STYLES = {"problem": "bold red", "check": "yellow", "note": "cyan", "good": "bold green"}
_LABELS = {"problem": "Problem", "check": "Check  ", "note": "Note   "}


@click.command("report")
@click.argument("pose", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--video",
    type=VideoFile(),
    help="The video that POSE was made from: pictures of the worst moments.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="HTML",
    help="Page to write.  [default: POSE with .report.html]",
)
@click.option("--json", "as_json", is_flag=True, help="Also write every number as JSON beside it.")
@verbosity
def COMMAND(  # noqa: N802
    pose: Path, video: Path | None, out: Path | None, as_json: bool
) -> None:
    """Say how good POSE is: one page with numbers, plots and advice, and a summary here.

    The page needs no network and no other file. With -q only the paths written are printed.

    \b
    Examples:
      vp3d report pose.npz --video input.mp4
      vp3d report pose.npz --out quality.html --json
    """
    page = out or pose.with_suffix(".report.html")
    if page.suffix != ".html":
        raise click.BadParameter(f"'{page}' should end in .html; JSON comes beside it with --json")
    written = [page, *([page.with_suffix(".json")] if as_json else [])]
    require_new_names([pose, video], written)
    require_writable(*written)
    from vp3d_cli.report import content, make
    from vp3d_cli.report.page import write_html
    from vp3d_cli.results import load_result

    result = load_result(pose)
    with _console.progress() as progress:
        watch = _console.stage("report", progress)
        report = make.make(result, pose.name, video=video, progress=watch)
    write_html(report, page)
    if as_json:
        content.write_json(report, written[1])
    _tell(report)
    for path in written:
        click.echo(path)


def _tell(report: Report) -> None:
    """The summary for people; nothing where only errors are wanted."""
    if logging.getLogger("vp3d_cli").getEffectiveLevel() > logging.INFO:
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    level, words = report.verdict
    console.print(Text.assemble((words, _STYLES[level]), f"  {report.source}"), soft_wrap=True)
    _tell_people(report, console)
    for advice in report.advice[:_MOST_LINES]:
        who = ", ".join(map(str, advice.people[:8])) + (", …" if len(advice.people) > 8 else "")
        who = f" (person {who})" if who else ""
        console.print(
            Text.assemble(
                (_LABELS[advice.level], _STYLES[advice.level]),
                f" {advice.title}{who}: {advice.meaning} Next: {advice.action}",
            ),
            soft_wrap=not console.is_terminal,
        )
    for warning in report.warnings[:_MOST_LINES]:
        _log.warning("%s", warning)
    if report.no_pictures and report.worst:
        told = f"No pictures of the worst moments. {report.no_pictures}"
        console.print(told, markup=False, soft_wrap=True)


def _tell_people(report: Report, console: Console) -> None:
    """One line for each person."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from vp3d_cli.report import content

    if not report.people:
        return
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for number, name in enumerate(content.header()):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for person in report.people[:_MOST_LINES]:
        table.add_row(*content.row(person))
    console.print(table)
    if len(report.people) > _MOST_LINES:
        console.print(f"and {len(report.people) - _MOST_LINES} people more, see the page")
