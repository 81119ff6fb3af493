"""`vp3d infer`: the main job."""

from __future__ import annotations

import sys
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
    lifting_options,
    result_options,
    span_options,
    verbosity,
)
from vp3d_cli.cli._results import Outputs
from vp3d_cli.errors import VideoError


@click.command("infer")
@click.argument("video", type=VideoFile(), required=False)
@click.option("--example", is_flag=True, help="Take the clip that comes with vp3d as VIDEO.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Pose file to write (.npz).  [default: the video's name with .npz, in this folder]",
)
@result_options
@detector_option(*registry.names("detect"))
@click.option(
    "--keypoints",
    type=click.Path(exists=True, path_type=Path),
    help="2D keypoints for --detector precomputed: any file that `vp3d lift` reads.",
)
@span_options
@less_work_options
@lifting_options
@compute_options
@verbosity
def COMMAND(  # noqa: N802  (every command file defines COMMAND)
    video: Path | None,
    example: bool,
    out: Path | None,
    as_json: bool,
    formats: tuple[str, ...],
    render: Path | None,
    people: Path | None,
    **asked: Any,
) -> None:
    """Find the people in VIDEO and write their 3D joints.

    VIDEO may be a video, a GIF, a still image, or numbered images (frames/%04d.png).

    \b
    Examples:
      vp3d infer input.mp4 --out pose.npz
      vp3d infer input.mp4 --out pose.npz --json --render overlay.mp4
      vp3d infer input.mp4 --out pose.npz --export csv --export trc
      vp3d infer input.mp4 --people who.png                  # then: --person 2
      vp3d infer input.mp4 --person largest --start 1:05 --end 1:20
      vp3d infer --example --render overlay.mp4
    """
    from vp3d_cli.options import Options

    if video is None:
        video = _example() if example or _offered() else None
    elif example:
        raise click.UsageError("--example is a video; leave out one of the two")
    if video is None:
        raise click.UsageError(
            "give a video: vp3d infer input.mp4 --out pose.npz; "
            "or try the clip that comes along: vp3d infer --example --render overlay.mp4"
        )

    options = Options(**asked)
    inputs = [video, options.keypoints, Path(options.lifter)]
    outputs = Outputs(out or Path(f"{video.stem}.npz"), as_json, formats, render, people, inputs)
    from vp3d_cli.pipeline import estimate

    with _console.progress() as progress:
        result = estimate(video, options, progress)
        outputs.write(result, video, progress)
    outputs.tell(result)


def _example() -> Path:
    """The clip that comes with the package, or lies in the clone of an editable install.

    Raises:
        VideoError: it is not there.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "_data" / "examples", package.parent / "examples"):
        if (folder / "demo.mp4").is_file():
            return folder / "demo.mp4"
    raise VideoError("the example is missing from this installation; give a video")


def _offered() -> bool:
    """Whether somebody who gave no video wants the example; only a person is asked."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    question = "No video was given. Try vp3d on the clip that comes along (about half a minute)?"
    return click.confirm(question, default=True, err=True)
