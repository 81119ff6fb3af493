"""`vp3d evaluate`: how good a lifter is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vp3d_cli import registry
from vp3d_cli.cli import _console
from vp3d_cli.cli._options import (
    compute_options,
    require_new_names,
    require_writable,
    together,
    verbosity,
)

if TYPE_CHECKING:
    from vp3d_cli.evaluate.report import Report, Table

_log = logging.getLogger("vp3d_cli.cli")
_PAPER = "dim italic"


def _words(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    """Comma-separated names."""
    names = tuple(word.strip() for word in value.split(",") if word.strip()) if value else ()
    if value is not None and not names:
        raise click.BadParameter("expected names divided by commas, as in S9,S11")
    return names or None


_data_options = together(
    click.option(
        "--data",
        "data",
        type=click.Path(exists=True, path_type=Path),
        multiple=True,
        required=True,
        metavar="PATH",
        help="File of labelled data, or a folder of calibrated videos. Give --data again for "
        "2D, 3D and cameras in files of their own.",
    ),
    click.option(
        "--format",
        "format_name",
        type=click.Choice(["auto", *registry.names("datasets/formats")]),
        default="auto",
        show_default=True,
        help="Kind of the data; auto looks at it.",
    ),
    click.option(
        "--subjects", callback=_words, metavar="S9,S11", help="Only these.  [default: all]"
    ),
    click.option("--actions", callback=_words, metavar="A,B", help="Only these.  [default: all]"),
)
_lifter_options = together(
    click.option(
        "--flip/--no-flip",
        default=True,
        show_default=True,
        help="Average with the prediction for the mirror image.",
    ),
    click.option(
        "--skeleton-in",
        type=click.Choice([*registry.names("skeletons")]),
        help="2D skeleton of a LIFTER in VideoPose3D's layout, which cannot say.",
    ),
    click.option(
        "--causal/--symmetric",
        default=None,
        help="Kind of a LIFTER in VideoPose3D's layout.",
    ),
    click.option(
        "--detector",
        type=click.Choice(["auto", *(n for n in registry.names("detect") if n != "precomputed")]),
        default="auto",
        show_default=True,
        help="How people are found in videos.",
    ),
    compute_options,
)
_report_options = together(
    click.option("--by-subject", is_flag=True, help="A table for each subject, too."),
    click.option(
        "-o",
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="JSON",
        help="Also write every number, and what produced it.",
    ),
    click.option(
        "--markdown",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="MD",
        help="Also write the tables as Markdown.",
    ),
    click.option(
        "--plots",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="Also draw the errors of joints and actions (PNG).",
    ),
)


@click.command("evaluate")
@click.argument("lifter")
@_data_options
@_lifter_options
@_report_options
@verbosity
def COMMAND(  # noqa: N802
    lifter: str,
    data: tuple[Path, ...],
    by_subject: bool,
    out: Path | None,
    markdown: Path | None,
    plots: Path | None,
    **asked: Any,
) -> None:
    """Measure LIFTER (a name of `vp3d weights list`, or a file) by the paper's protocols.

    MPJPE, P-MPJPE, N-MPJPE and MPJVE in millimetres: inside an action the mean over frames, then
    the mean over actions. A folder with calibration.toml, reference.npz and videos is measured
    from pixels, as `vp3d infer` sees them.

    \b
    Examples:
      vp3d evaluate bundled --data my_data.npz --by-subject --out report.json
      vp3d evaluate h36m-cpn-243 --data data_3d_h36m.npz --data cameras.json \\
        --data data_2d_h36m_cpn_ft_h36m_dbb.npz --subjects S9,S11
      vp3d evaluate bundled --data calibrated_views/ --markdown report.md --plots plots/
    """
    from vp3d_cli.evaluate import report as reports
    from vp3d_cli.evaluate.calibration import FIXED_NAMES
    from vp3d_cli.evaluate.measure import measure

    drawn = [plots / name for name in reports.PLOTS] if plots else []
    inside = [path / name for path in data for name in FIXED_NAMES]
    require_new_names([Path(lifter), *data, *inside], [out, markdown, *drawn])
    require_writable(out, markdown, *(drawn if plots and plots.is_dir() else [plots]))
    with _console.progress() as progress:
        report = measure(lifter, data, progress=progress, **asked)
    _show(reports.tables(report, by_subject=by_subject), reports.notes(report))
    _tell_speed(report)
    if out:
        reports.write_json(report, out)
    if markdown:
        reports.write_markdown(report, markdown, by_subject=by_subject)
    pictures = reports.write_plots(report, plots) if plots else ()
    for path in filter(None, (out, markdown, *pictures)):
        click.echo(path)


def _show(tables: list[Table], notes: list[str]) -> None:
    """Print for people; published figures are set off."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console(highlight=False)
    for table in tables:
        drawn = RichTable(
            title=table.title,
            title_justify="left",
            title_style="bold",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),  # nine columns fit into 80 characters
            pad_edge=False,
        )
        for number, (name, is_paper) in enumerate(zip(table.header, table.is_paper, strict=True)):
            drawn.add_column(
                name, justify="right" if number else "left", style=_PAPER if is_paper else None
            )
        for row in table.rows:
            last = row is table.rows[-1]
            drawn.add_row(*row, style="bold" if last else None)
            if row is table.rows[-2 if len(table.rows) > 1 else -1]:
                drawn.add_section()
        console.print(drawn, markup=False)
    for note in notes:
        console.print(note, markup=False)


def _tell_speed(report: Report) -> None:
    """How long it took; kept out of the tables and the JSON, which must not differ by it."""
    evaluation = report.evaluation
    _log.info(
        "%d frames in %.1f s: %.0f frames/s",
        evaluation.frames,
        evaluation.seconds,
        evaluation.frames / max(evaluation.seconds, 1e-9),
    )
