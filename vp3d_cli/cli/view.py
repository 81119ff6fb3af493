"""`vp3d view`: a result in the browser."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from vp3d_cli.cli._options import VideoFile, require_new_names, require_writable, verbosity

_log = logging.getLogger("vp3d_cli.cli")


@click.command("view")
@click.argument("pose", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--video",
    type=VideoFile(),
    help="The video that POSE was made from.  [default: the one beside POSE, if it is the same]",
)
@click.option("--no-video", is_flag=True, help="Leave the video out, also where it is found.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="HTML",
    help="The page.  [default: beside POSE, with the suffix .html]",
)
@click.option("--no-open", is_flag=True, help="Only write the page.")
@verbosity
def COMMAND(  # noqa: N802
    pose: Path, video: Path | None, no_video: bool, out: Path | None, no_open: bool
) -> None:
    """Show POSE in the browser: the video, the people in 3D, joint angles, confidence.

    The page is one file that needs neither network nor server: send it to anybody.

    \b
    Examples:
      vp3d view pose.npz
      vp3d view pose.npz --video input.mp4 --out page.html --no-open
    """
    if video and no_video:
        raise click.UsageError("--video and --no-video contradict each other")
    out = out or pose.with_suffix(".html")
    require_new_names([pose, video], [out])
    if out.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"'{out}' should end in .html")
    require_writable(out)
    from vp3d_cli.export import html
    from vp3d_cli.results import load_result

    result = load_result(pose)
    if video is None and not no_video:
        video = html.source_beside(result, pose.parent)
    elif video and html.is_another(result, video):
        _log.warning("%s is not the file that %s was made from", video, pose)
    html.write_page(result, out, video)
    click.echo(out)
    if not no_open:
        _open(out)


def _open(page: Path) -> None:
    """Show it where there is a screen; browsers of terminals are left alone."""
    import webbrowser

    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    )
    if not (screen and webbrowser.open(page.resolve().as_uri())):
        _log.info("no browser could be opened; open the page yourself")
