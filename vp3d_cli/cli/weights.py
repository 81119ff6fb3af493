"""`vp3d weights`: what there is, under which licence, where, and whether it is intact."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vp3d_cli.cli import _console
from vp3d_cli.cli._options import require_new_names, require_writable, verbosity
from vp3d_cli.errors import WeightsError

if TYPE_CHECKING:
    from vp3d_cli.weights import WeightsEntry

_log = logging.getLogger("vp3d_cli.cli.weights")


@click.group("weights")
def COMMAND() -> None:  # noqa: N802
    """List, fetch, check and convert the networks' weights.

    Fetched files are kept in the folder that `vp3d weights where` names; the environment variable
    VP3D_CACHE moves it.

    \b
    Examples:
      vp3d weights list
      vp3d weights fetch keypoint-rcnn-r101 h36m-coco-243
      vp3d weights verify
    """


@COMMAND.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--from",
    "source",
    metavar="FILE|URL",
    help="Take a copy of the file instead of asking its publisher: a path, or an address.",
)
@verbosity
def fetch_weights(names: tuple[str, ...], source: str | None) -> None:
    """Bring weights that do not come with vp3d, and print where they are.

    A stopped download goes on where it was. A file is checked before it is used for the first
    time, and must stay the same from then on. Proxies are taken from the environment
    (HTTPS_PROXY).

    \b
    Examples:
      vp3d weights fetch keypoint-rcnn-r101 h36m-coco-243
      vp3d weights fetch h36m-coco-243 --from pretrained_h36m_detectron_coco.bin
      vp3d weights fetch h36m-cpn-243 --from https://mirror.example/h36m_cpn.bin
    """
    from vp3d_cli import weights

    if source is not None and len(names) > 1:
        raise click.UsageError("--from is one file: give one NAME with it")
    if source is not None and "://" not in source and not Path(source).is_file():
        raise click.BadParameter(f"'{source}' is neither a file nor an address")
    for entry in [weights.entry(name) for name in names]:  # a wrong name comes before the work
        click.echo(_fetched(entry, source))


def _fetched(entry: WeightsEntry, source: str | None) -> Path:
    from vp3d_cli import provision, weights

    present = weights.available(entry.name)
    if not present:
        _log.info("%s: licence %s", entry.name, entry.terms)
        _log.info("from %s", source or entry.files[0].url)
    try:
        with _console.progress(sizes=True) as progress:
            path = provision.fetch(entry.name, source, _console.stage("fetch", progress))
    except KeyboardInterrupt:
        _log.info("what came of %s is kept; the same command goes on from there", entry.name)
        raise
    if present:
        here = "comes with vp3d" if entry.bundled else "is already here"
        _log.info("%s %s, intact", entry.name, here)
    return path


@COMMAND.command("list")
@verbosity
def list_weights() -> None:
    """Show all weights with licence, size, skeletons and source.

    \b
    Example:
      vp3d weights list
    """
    from vp3d_cli import weights

    for title, kind in (("Detectors", "detector"), ("Lifters", "lifter")):
        click.echo(title)
        for entry in weights.ENTRIES:
            if entry.kind == kind:
                click.echo(_listed(entry))


def _listed(entry: WeightsEntry) -> str:
    from vp3d_cli import weights

    state = "bundled" if entry.bundled else "not fetched"
    if not entry.bundled and weights.available(entry.name):
        state = "in cache"
    skeleton = " to ".join(filter(None, (entry.skeleton_in, entry.skeleton_out)))
    lines = [f"{entry.name:18}  {state:11}  {_size(entry):>7}  {entry.licence:12}  {skeleton}"]
    lines += [f"    {line}" for line in (entry.description, entry.reported) if line]
    lines += [f"    from {entry.source}"]
    for file in entry.files:
        lines += [f"      {file.url or file.name}"]
        with contextlib.suppress(WeightsError):  # a damaged pin is for `verify` to report
            pinned = weights.pinned_hash(entry, file)
            lines += [f"      sha256 {pinned}"] if pinned else []
    return "\n".join(f"  {line}" for line in lines)


def _size(entry: WeightsEntry) -> str:
    sizes = [file.size for file in entry.files if file.size]
    about = "" if entry.bundled else "~"
    return f"{about}{sum(sizes) / 1e6:.0f} MB" if sizes else "?"


@COMMAND.command("verify")
@click.argument("names", nargs=-1)
@verbosity
@click.pass_context
def verify_weights(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Compare files with their hashes: all that are here, or the NAMES given.

    \b
    Examples:
      vp3d weights verify
      vp3d weights verify bundled
    """
    from vp3d_cli import weights

    code = 0
    for entry in [weights.entry(name) for name in names] or weights.ENTRIES:
        try:
            if not names and not weights.available(entry.name):
                click.echo(f"{entry.name}: not fetched")
                continue
            weights.verify(entry)
            click.echo(f"{entry.name}: intact")
        except WeightsError as error:
            click.echo(f"Error: {error}", err=True)
            code = error.exit_code
    ctx.exit(code)


@COMMAND.command("where")
@click.argument("name", required=False)
@verbosity
def where_weights(name: str | None) -> None:
    """Print the paths of the files called NAME, or the folder that fetched files are kept in.

    \b
    Examples:
      vp3d weights where
      vp3d weights where h36m-coco-243
    """
    from vp3d_cli import weights

    if name is None:
        click.echo(weights.cache_folder() / "weights")
        return
    entry = weights.entry(name)
    if not weights.available(name):
        weights.verify(entry)  # says what is missing, and how to get it
    for file in entry.files:
        click.echo(weights.where(entry, file))


@COMMAND.command("convert")
@click.argument("source")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write (.safetensors).",
)
@click.option(
    "--skeleton-in",
    type=click.Choice(["coco17", "h36m17"]),
    help="2D skeleton that a file takes which vp3d does not know.  [default: coco17]",
)
@click.option(
    "--causal/--symmetric",
    default=None,
    help="Kind of a file which vp3d does not know.  [default: symmetric]",
)
@verbosity
def convert_weights(source: str, out: Path, skeleton_in: str | None, causal: bool | None) -> None:
    """Turn a VideoPose3D checkpoint into vp3d's own format, which needs nothing said.

    SOURCE is a name (`vp3d weights list`) or a file. The result keeps the original's licence.

    \b
    Examples:
      vp3d weights convert h36m-coco-243 --out wild.safetensors
      vp3d weights convert epoch_80.bin --causal --out mine.safetensors
    """
    from vp3d_cli import provision, weights

    if out.suffix != ".safetensors":
        raise click.BadParameter(f"'{out}' should end in .safetensors")
    if source not in [entry.name for entry in weights.ENTRIES] and not Path(source).is_file():
        raise click.BadParameter(f"'{source}' is neither a file nor the name of weights")
    require_new_names([Path(source)], [out])
    require_writable(out)
    provision.convert(source, out, skeleton_in, causal)
    click.echo(out)
