"""`vp3d lift`: the second half of `vp3d infer`, and the door for other tools' 2D keypoints."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vp3d_cli import registry
from vp3d_cli.cli import _console
from vp3d_cli.cli._options import (
    VideoFile,
    compute_options,
    frame_rate,
    frame_size,
    lifting_options,
    result_options,
    together,
    verbosity,
)
from vp3d_cli.cli._results import Outputs

if TYPE_CHECKING:
    from vp3d_cli.types import Keypoints2D

_log = logging.getLogger("vp3d_cli.cli")

_source_options = together(
    click.option(
        "--format",
        "format_name",
        type=click.Choice(["auto", *registry.names("keypoints")]),
        default="auto",
        show_default=True,
        help="Kind of the file.",
    ),
    click.option(
        "--video", type=VideoFile(), help="Tells size and frame rate, and is drawn on by --render."
    ),
    click.option(
        "--size",
        type=frame_size,
        metavar="WxH",
        help="Size of the frames, where neither the file nor --video says it.",
    ),
    click.option("--fps", type=frame_rate, metavar="RATE", help="Frame rate, likewise."),
    click.option("--video-name", metavar="NAME", help="Which video of a file that holds several."),
)


@click.command("lift")
@click.argument("keypoints", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Pose file to write (.npz).",
)
@result_options
@_source_options
@lifting_options
@compute_options
@verbosity
def COMMAND(  # noqa: N802
    keypoints: Path,
    out: Path,
    as_json: bool,
    formats: tuple[str, ...],
    render: Path | None,
    people: Path | None,
    format_name: str,
    video: Path | None,
    size: tuple[int, int] | None,
    fps: Fraction | None,
    video_name: str | None,
    **asked: Any,
) -> None:
    """Lift 2D KEYPOINTS to 3D joints: those of `vp3d detect`, or another tool's.

    Person ids of the file are kept; without ids people are tracked.

    \b
    Examples:
      vp3d lift keypoints.npz --out pose.npz
      vp3d lift keypoints.npz --lifter h36m-coco-243 --out pose.npz
      vp3d lift openpose_json/ --video input.mp4 --out pose.npz --render overlay.mp4
      vp3d lift results.json --size 1920x1080 --fps 29.97 --out pose.npz
    """
    from vp3d_cli.options import Options

    options = Options(**asked)
    if people and video is None:
        raise click.UsageError("--people shows pictures of the video; give --video too")
    inputs = [keypoints, video, Path(options.lifter)]
    outputs = Outputs(out, as_json, formats, render, people, inputs)
    from vp3d_cli.pipeline import lift_keypoints

    found = _read(keypoints, format_name, video_name, video, size, fps)
    with _console.progress() as progress:
        result = lift_keypoints(found, options, progress)
        outputs.write(result, video, progress)
    outputs.tell(result)


def _read(
    path: Path,
    format_name: str,
    video_name: str | None,
    video: Path | None,
    size: tuple[int, int] | None,
    fps: Fraction | None,
) -> Keypoints2D:
    """The keypoints with all that is known of their video."""
    from vp3d_cli import keypoints, origin
    from vp3d_cli.video import probe

    if video is not None and (size is not None or fps is not None):
        raise click.UsageError("--video tells size and frame rate; leave out --size and --fps")
    info = probe(video) if video else None
    read = keypoints.read(path, format=format_name, video=video_name)
    if video is not None and (told := origin.other_video(read, video)):
        _log.warning("%s", told)
    return origin.completed(read, video=info, size=size, fps=fps)
