"""`vp3d weights`: what is bundled, its licence, and whether it is intact."""

from __future__ import annotations

import click

from vp3d_cli.cli._options import verbosity


@click.group("weights")
def COMMAND() -> None:  # noqa: N802
    """List and check the networks' weights.

    \b
    Examples:
      vp3d weights list
      vp3d weights verify
    """


@COMMAND.command("list")
@verbosity
def list_weights() -> None:
    """Show every weights file with licence, source and size.

    \b
    Example:
      vp3d weights list
    """
    from vp3d_cli import weights

    for entry in weights.ENTRIES:
        size = sum(file.size for file in entry.files) / 1e6
        click.echo(f"{entry.name}  ({entry.kind}, {size:.1f} MB, {entry.licence})")
        click.echo(f"  {entry.description}")
        click.echo(f"  from {entry.source}")
        for file in entry.files:
            click.echo(f"  {file.name}  sha256 {file.sha256}")


@COMMAND.command("verify")
@click.argument("names", nargs=-1)
@verbosity
def verify_weights(names: tuple[str, ...]) -> None:
    """Compare files with their published hashes; all of them, or the NAMES given.

    \b
    Examples:
      vp3d weights verify
      vp3d weights verify bundled
    """
    from vp3d_cli import weights

    entries = [weights.entry(name) for name in names] or weights.ENTRIES
    for entry in entries:
        weights.verify(entry)
        click.echo(f"{entry.name}: intact")
