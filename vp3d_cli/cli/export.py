"""`vp3d export`: a result as files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vp3d_cli import export, registry
from vp3d_cli.cli._options import require_new_names, require_writable, verbosity
from vp3d_cli.cli._results import told_first
from vp3d_cli.errors import DataError, OutputError

if TYPE_CHECKING:
    from vp3d_cli.types import Result


class _WithFormats(click.Command):
    """A command whose help ends with what each format is."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Formats"):
            formatter.write_dl([(name, export.describe(name)) for name in registry.names("export")])


@click.command("export", cls=_WithFormats)
@click.argument("pose", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--to",
    "formats",
    type=click.Choice(registry.names("export")),
    multiple=True,
    required=True,
    metavar="FORMAT",
    help="Format to write, see below; may be repeated.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="File to write, or a folder that exists.  [default: beside POSE, with its name]",
)
@click.option(
    "--person",
    "people",
    type=int,
    multiple=True,
    metavar="ID",
    help="Only this person; may be repeated.",
)
@verbosity
def COMMAND(  # noqa: N802
    pose: Path, formats: tuple[str, ...], out: Path | None, people: tuple[int, ...]
) -> None:
    """Write POSE, a result of vp3d, in other formats.

    Positions are in the world where it is known, else in the axes of the camera; each file says
    which. Where a format holds one person and there are several, each gets a file of their own,
    pose.person2.trc.

    \b
    Examples:
      vp3d export pose.npz --to csv
      vp3d export pose.npz --to trc --to c3d --out exports/
      vp3d export pose.npz --to angles --person 2 --out left.csv
    """
    formats = tuple(dict.fromkeys(formats))
    bases = {name: _base(pose, name, out, alone=len(formats) == 1) for name in formats}
    from vp3d_cli.results import load_result

    result = load_result(pose)
    known = {track.track_id for track in result.tracks3d}
    if absent := sorted(set(people) - known):
        listed = ", ".join(map(str, sorted(known))) or "nobody"
        raise click.BadParameter(f"{pose} has no person {absent[0]}; it has {listed}")
    if people:
        result = export.of_people(result, people)
    for name in formats:
        export.require(name)
    paths = [path for name in formats for _, path in export.planned(result, name, bases[name])]
    require_new_names([pose], paths)
    require_writable(*paths)
    video = _source_beside(result, pose) if "html" in formats else None
    refused: DataError | None = None
    for name in formats:
        try:
            for path in export.write(result, name, bases[name], video):
                click.echo(path)
        except DataError as error:  # the others may be able to hold it
            refused = told_first(refused, error)
    if refused:
        raise refused


def _source_beside(result: Result, pose: Path) -> Path | None:
    from vp3d_cli.export import html

    return html.source_beside(result, pose.parent)


def _base(pose: Path, name: str, out: Path | None, *, alone: bool) -> Path:
    """The file to write in a format.

    Raises:
        OutputError: the folder does not exist.
    """
    ending = export.ending(name)
    if out is None:
        return pose.with_name(f"{pose.stem}{ending}")
    if out.is_dir():
        return out / f"{pose.stem}{ending}"
    if not alone or str(out).endswith(("/", "\\")) or not out.suffix:
        raise OutputError(f"{out}: is not a folder; create it first, or leave out --out")
    suffix = f".{ending.rpartition('.')[2]}"
    if out.suffix != suffix:
        raise click.BadParameter(f"'{out}' should end in {suffix}, or be a folder")
    return out
