"""The entry point: finds commands by their files, turns errors into sentences and exit codes."""

from __future__ import annotations

import difflib
import logging
import os
import shlex
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from vp3d_cli import __version__, registry
from vp3d_cli.errors import Vp3dError

INTERRUPTED = 130


class _Commands(click.Group):
    """A file in `cli/` that defines COMMAND is a command; it is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in registry.names("cli") if name != "main"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = registry.load("cli", cmd_name).COMMAND
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but with a word about what may have been meant."""
        name = args[0]
        unknown = self.get_command(ctx, name) is None and not name.startswith("-")
        if unknown and not ctx.resilient_parsing:
            ctx.fail(f"there is no command '{name}'; {self._meant(ctx, name)}")
        return super().resolve_command(ctx, args)

    def _meant(self, ctx: click.Context, name: str) -> str:
        known = self.list_commands(ctx)
        if Path(name).exists():
            return f"to find the people in that file: vp3d infer {shlex.quote(name)}"
        near = difflib.get_close_matches(name.lower(), known, n=1)
        return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vp3d", message="%(prog)s %(version)s")
def cli() -> None:
    """Turn a video of people into 3D joints.

    \b
    Start here:
      vp3d infer input.mp4 --out pose.npz --render overlay.mp4
    """


def main() -> NoReturn:
    """Run the command line and exit with the code of what happened."""
    for name in ("SIGTERM", "SIGHUP"):  # the second does not exist on Windows
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _terminate)
    try:
        code = cli.main(prog_name="vp3d", standalone_mode=False)
        if sys.stdout:  # closed by `>&-`
            sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("Interrupted; no half-written output was left.")
        code = INTERRUPTED
    except Vp3dError as error:
        _say(f"Error: {error}", show_trace=True)
        code = error.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone; point stdout elsewhere so that exiting is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        _say(
            f"Error: unexpected {type(error).__name__}: {error}\n"
            "This is a fault in vp3d. Run again with -vv and report what it prints.",
            show_trace=True,
        )
        code = Vp3dError.exit_code
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str, *, show_trace: bool = False) -> None:
    click.echo(message, err=True)
    if show_trace and logging.getLogger("vp3d_cli").getEffectiveLevel() < logging.DEBUG:
        traceback.print_exc()


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    """Make a signal unwind the stack, so that children end and temporary files go."""
    sys.exit(128 + number)
