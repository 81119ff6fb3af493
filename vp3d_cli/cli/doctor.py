"""`vp3d doctor`: what is installed, what is missing, and what fixes it."""

from __future__ import annotations

import functools
import importlib
import os
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from vp3d_cli import __version__, choices
from vp3d_cli.cli._options import verbosity
from vp3d_cli.errors import BackendUnavailableError, Vp3dError

if TYPE_CHECKING:
    from vp3d_cli.weights import WeightsEntry


@click.command("doctor")
@verbosity
@click.pass_context
def COMMAND(ctx: click.Context) -> None:  # noqa: N802
    """Check that everything vp3d needs is there and works.

    \b
    Example:
      vp3d doctor
    """
    click.echo(f"vp3d {__version__}, Python {platform.python_version()}, {platform.platform()}")
    click.echo(f"{os.cpu_count()} CPU cores, {sys.executable}")
    code = 0
    for name, check in _checks():
        try:
            click.echo(f"ok       {name:18} {check()}")
        except Vp3dError as error:
            click.echo(f"MISSING  {name:18} {error}")
            code = code or error.exit_code
    for entry in _not_fetched():
        fetch = f"to have it: vp3d weights fetch {entry.name}"
        click.echo(f"optional {entry.name:18} {fetch}  ({entry.licence})")
    if not choices.has_detectron2():
        from vp3d_cli.detect.detectron2 import INSTALL

        click.echo(f"optional {'detectron2':18} to have it (keypoint-rcnn is equal): {INSTALL}")
    click.echo(f"         {'GPU':18} {_cuda()}")
    ctx.exit(code)


def _checks() -> list[tuple[str, Callable[[], str]]]:
    from vp3d_cli import weights

    checks: list[tuple[str, Callable[[], str]]] = [
        (name, functools.partial(_library, name, package))
        for name, package in (
            ("torch", "torch"),
            ("torchvision", "--force-reinstall torch torchvision"),
            ("onnxruntime", "onnxruntime"),
            ("cv2", "opencv-python-headless"),
            ("av", "av"),
            ("scipy", "scipy"),
        )
    ]
    checks.append(("ffmpeg", _ffmpeg))
    present = (entry for entry in weights.ENTRIES if weights.available(entry.name))
    return checks + [(entry.name, functools.partial(_intact, entry)) for entry in present]


def _library(name: str, package: str) -> str:
    try:
        return str(importlib.import_module(name).__version__)
    except (ImportError, OSError, RuntimeError) as error:  # the last: made for another torch
        raise BackendUnavailableError(f"{error}; fix: pip install {package}") from error


def _ffmpeg() -> str:
    from vp3d_cli.video import ffmpeg_path

    return ffmpeg_path()


def _not_fetched() -> list[WeightsEntry]:
    from vp3d_cli import weights

    return [entry for entry in weights.ENTRIES if not weights.available(entry.name)]


def _intact(entry: WeightsEntry) -> str:
    from vp3d_cli import weights

    weights.verify(entry)
    return f"intact: {entry.description}"


def _cuda() -> str:
    from vp3d_cli.device import describe_gpus

    try:
        return describe_gpus()
    except (ImportError, OSError):
        return "unknown without torch"
