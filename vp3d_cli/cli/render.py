"""`vp3d render`: a picture of a result."""

from __future__ import annotations

from pathlib import Path

import click

from vp3d_cli.cli import _console
from vp3d_cli.cli._options import VideoFile, require_new_names, require_writable, verbosity


@click.command("render")
@click.argument("pose", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--video", type=VideoFile(), help="The video that POSE was made from.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Video to write; the suffix chooses the container.",
)
@click.option(
    "--height",
    type=click.IntRange(240, 4320),
    default=720,
    show_default=True,
    metavar="PIXELS",
    help="Height of the picture at most.",
)
@verbosity
def COMMAND(pose: Path, video: Path | None, out: Path, height: int) -> None:  # noqa: N802
    """Draw the skeletons of POSE on its video, beside a 3D view of each person.

    Without --video they are drawn on plain ground. Sound is kept.

    \b
    Examples:
      vp3d render pose.npz --video input.mp4 --out overlay.mp4
      vp3d render pose.npz --out skeletons.mp4 --height 1080
    """
    require_new_names([pose, video], [out])
    require_writable(out)
    from vp3d_cli.render.compose import render_video
    from vp3d_cli.results import load_result

    result = load_result(pose)
    with _console.progress() as progress:
        watch = _console.stage("render", progress)
        render_video(result, out, video=video, progress=watch, height=height)
    click.echo(out)
