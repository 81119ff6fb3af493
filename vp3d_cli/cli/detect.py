"""`vp3d detect`: the first half of `vp3d infer`."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import click

from vp3d_cli import registry
from vp3d_cli.cli import _console
from vp3d_cli.cli._options import (
    VideoFile,
    compute_options,
    detector_option,
    less_work_options,
    require_new_names,
    require_writable,
    span_options,
    verbosity,
)
from vp3d_cli.cli._results import count

_log = logging.getLogger("vp3d_cli.cli")


@click.command("detect")
@click.argument("video", type=VideoFile())
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="File of 2D keypoints to write (.npz).",
)
@detector_option(*(name for name in registry.names("detect") if name != "precomputed"))
@span_options
@less_work_options
@compute_options
@verbosity
def COMMAND(video: Path, out: Path, **asked: Any) -> None:  # noqa: N802
    """Find the people in each frame of VIDEO, in 2D.

    `vp3d lift` takes the file further. Finding people is nearly all of the work, so that this
    way lifters and options are tried in seconds.

    \b
    Examples:
      vp3d detect input.mp4 --out keypoints.npz
      vp3d lift keypoints.npz --out pose.npz
    """
    if out.suffix != ".npz":
        raise click.BadParameter(f"'{out}' should end in .npz")
    from vp3d_cli.options import Options

    options = Options(**asked)
    require_new_names([video], [out])
    require_writable(out)
    from vp3d_cli import keypoints
    from vp3d_cli.pipeline import detect_video

    started = time.monotonic()
    with _console.progress() as progress:
        found = detect_video(video, options, progress)
    keypoints.write(found, out)
    people = count(len(found.frames), "sighting", "sightings")
    frames = count(0 if found.frames_read is None else len(found.frames_read), "frame", "frames")
    _log.info("%s of people in %s, %.1f s", people, frames, time.monotonic() - started)
    click.echo(out)
