"""`vp3d doctor`: what is installed, what is missing, and what fixes it."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from vp3d_cli import __version__
from vp3d_cli.cli._options import verbosity
from vp3d_cli.errors import BackendUnavailableError, Vp3dError

if TYPE_CHECKING:
    from vp3d_cli.weights import WeightsEntry


@dataclass(frozen=True)
class _Finding:
    """A line of the report: `state` is ok, MISSING, optional, or "" for what is only told."""

    state: str
    name: str
    text: str


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@verbosity
@click.pass_context
def COMMAND(ctx: click.Context, as_json: bool) -> None:  # noqa: N802
    """Check that everything vp3d needs is there and works.

    \b
    Examples:
      vp3d doctor
      vp3d doctor --json
    """
    about = {
        "version": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "cpu_cores": os.cpu_count(),
    }
    code, findings = 0, []
    if not as_json:
        click.echo(f"vp3d {__version__}, Python {about['python']}, {about['platform']}")
        click.echo(f"{about['cpu_cores']} CPU cores, {sys.executable}")
    for finding, failed in _looked():
        code = code or failed
        findings.append(dataclasses.asdict(finding))
        if not as_json:
            click.echo(f"{finding.state:8} {finding.name:18} {finding.text}")
    if as_json:
        click.echo(json.dumps(about | {"exit_code": code, "findings": findings}, indent=2))
    ctx.exit(code)


def _looked() -> Iterator[tuple[_Finding, int]]:
    """What was found, one after the other, each with the exit code that it asks for."""
    from vp3d_cli import choices

    for name, check in _checks():
        try:
            yield _Finding("ok", name, check()), 0
        except Vp3dError as error:
            yield _Finding("MISSING", name, str(error)), error.exit_code
    for entry in _not_fetched():
        text = f"to have it: vp3d weights fetch {entry.name}  ({entry.licence})"
        yield _Finding("optional", entry.name, text), 0
    if not choices.has_detectron2():
        from vp3d_cli.detect.detectron2 import INSTALL

        text = f"to have it (keypoint-rcnn is equal): {INSTALL}"
        yield _Finding("optional", "detectron2", text), 0
    if importlib.util.find_spec("onnx") is None:
        text = "to have it (for --lift-runtime onnx): pip install 'vp3d[onnx]'"
        yield _Finding("optional", "onnx", text), 0
    yield _Finding("", "GPU", _cuda()), 0


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
