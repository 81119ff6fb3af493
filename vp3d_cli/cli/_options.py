"""Options and parameter types that several commands share."""

from __future__ import annotations

import contextlib
import logging
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from vp3d_cli.cli import _console
from vp3d_cli.errors import OutputError

F = TypeVar("F", bound=Callable[..., Any])
# Below DEBUG: also print tracebacks of expected errors.
TRACE = 5


def timestamp(text: str) -> float:
    """Seconds, or [hours:]minutes:seconds."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text):
        raise click.BadParameter(f"'{text}' is not a time; write seconds (12.5) or 1:02:03.5")
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


class VideoFile(click.Path):
    """A file that exists, or numbered images such as frames/%04d.png."""

    name = "video"

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if re.search(r"%\d*d", str(value)) and Path(value).parent.is_dir():
            return Path(value)
        return super().convert(value, param, ctx)


def verbosity(command: F) -> F:
    """Add -q and -v, which set up logging before the command runs."""

    def set_up(ctx: click.Context, param: click.Parameter, value: int) -> None:
        counts = ctx.meta.setdefault("vp3d.verbosity", {})
        counts[param.name] = int(value)
        if len(counts) == 2:
            if counts["quiet"]:
                level = logging.ERROR
            else:
                level = {0: logging.INFO, 1: logging.DEBUG}.get(counts["verbose"], TRACE)
            _console.configure(level)

    quiet = click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=set_up, help="Only errors."
    )
    verbose = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=set_up,
        help="More details; -vv also shows where an error comes from.",
    )
    return quiet(verbose(command))


def require_writable(*outputs: Path | None) -> None:
    """Fail before hours of work, not after.

    Raises:
        OutputError: an output is a folder, or its folder is missing or not writable.
    """
    from vp3d_cli.files import written_whole

    class ProbeError(Exception): ...

    for output in outputs:
        if output is not None:
            with contextlib.suppress(ProbeError), written_whole(output):
                raise ProbeError


def require_new_names(inputs: Iterable[Path | None], outputs: Iterable[Path | None]) -> None:
    """Refuse to write over an input, or two outputs to one file.

    Raises:
        OutputError: they are the same file.
    """
    taken = {path.resolve() for path in inputs if path}
    for output in outputs:
        if output is None:
            continue
        if output.resolve() in taken:
            raise OutputError(f"{output}: is an input or another output; give another name")
        taken.add(output.resolve())


class Number(click.FloatRange):
    """A number in a range; unlike FloatRange, neither NaN nor infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"'{value}' is not a number", param, ctx)
        return number
