"""The help of every command as one page: python -m tests.command_reference > docs/commands.md"""

from __future__ import annotations

from collections.abc import Iterator

import click

from vp3d_cli.cli.main import cli

_WIDTH = 96
_HEAD = """# Commands

What `vp3d COMMAND --help` says, made by `python -m tests.command_reference > docs/commands.md`; a
test keeps it true.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_pages(cli, "vp3d")])


def _pages(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    # The same text in every terminal; settings as `main` takes them.
    context = click.Context(
        command,
        parent,
        info_name=name,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        **(cli.context_settings if parent is None else {}),
    )
    yield f"## `{context.command_path}`\n\n```\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _pages(found, inner, context)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
