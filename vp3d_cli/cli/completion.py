"""`vp3d completion`: what makes the Tab key know vp3d's commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def COMMAND(ctx: click.Context, shell: str) -> None:  # noqa: N802
    """Print what makes the Tab key complete commands and options of vp3d in SHELL.

    \b
    Examples:
      vp3d completion bash >> ~/.bashrc
      vp3d completion zsh >> ~/.zshrc
      vp3d completion fish > ~/.config/fish/completions/vp3d.fish
    """
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(script(ctx.find_root().command, {}, "vp3d", "_VP3D_COMPLETE").source())
