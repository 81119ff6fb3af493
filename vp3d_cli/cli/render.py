"""`vp3d render`: a picture of a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vp3d_cli.cli import _console
from vp3d_cli.cli._options import VideoFile, require_new_names, require_writable, verbosity
from vp3d_cli.cli._style import style_of, style_options, timing_options


@click.command("render")
@click.argument("pose", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--video", type=VideoFile(), help="The video that POSE was made from.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Video or GIF to write, the suffix chooses the container; or frames/%04d.png.",
)
@style_options
@timing_options
@verbosity
def COMMAND(pose: Path, video: Path | None, out: Path, **options: Any) -> None:  # noqa: N802
    """Draw the skeletons of POSE on its video, beside a 3D view of each person.

    Without --video they are drawn on plain ground. Sound is kept.

    \b
    Examples:
      vp3d render pose.npz --video input.mp4 --out overlay.mp4
      vp3d render pose.npz --out room.mp4 --layout 3d --orbit 12 --trail 1
      vp3d render pose.npz --video input.mp4 --out slow.mp4 --angles --slow 4 --start 2 --end 4
      vp3d render pose.npz --out layer.mov --transparent
    """
    from vp3d_cli.video import is_numbered, require_format

    style = style_of(options)
    require_new_names([pose, video], [out])
    require_format(out, style.codec, style.transparent)
    if not is_numbered(out):
        require_writable(out)
    from vp3d_cli.render.compose import render_video
    from vp3d_cli.results import load_result

    result = load_result(pose)
    with _console.progress() as progress:
        render_video(
            result, out, video=video, progress=_console.stage("render", progress), style=style
        )
    click.echo(out)
