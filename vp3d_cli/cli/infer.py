"""`vp3d infer`: the main job."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

import click

from vp3d_cli import registry
from vp3d_cli.cli import _console
from vp3d_cli.cli._options import (
    Number,
    VideoFile,
    require_new_names,
    require_writable,
    timestamp,
    verbosity,
)

_log = logging.getLogger("vp3d_cli.cli.infer")


@click.command("infer")
@click.argument("video", type=VideoFile())
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Pose file to write (.npz).  [default: the video's name with .npz, in this folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Also write the poses as JSON beside it.")
@click.option(
    "--render",
    type=click.Path(path_type=Path),
    metavar="MP4",
    help="Also write a video with the skeletons and a 3D view.",
)
@click.option(
    "--detector",
    type=click.Choice(["auto", *registry.names("detect")]),
    default="auto",
    show_default=True,
    help="How people are found; precomputed takes 2D from --keypoints.",
)
@click.option(
    "--lifter",
    default="auto",
    show_default=True,
    metavar="NAME|PATH",
    help="2D to 3D weights: auto, bundled, or a file (ours, or in VideoPose3D's layout).",
)
@click.option(
    "--keypoints",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="2D keypoints for --detector precomputed: a pose file, or an NPZ with frame, "
    "keypoints_2d and scores_2d.",
)
@click.option("--person", default="all", show_default=True, help="all, largest, or a person's id.")
@click.option("--start", type=timestamp, metavar="TIME", help="Begin here: seconds, or 1:02.5.")
@click.option("--end", type=timestamp, metavar="TIME", help="Stop before this time.")
@click.option(
    "--max-gap",
    type=Number(min=0),
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    help="Fill gaps in a person's detections up to this long; split at longer ones.",
)
@click.option(
    "--focal",
    type=Number(min=1),
    metavar="PIXELS",
    help="Focal length of the camera.  [default: 0.9 of the frame's longer side]",
)
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    help="Where the networks run: cpu, cuda, cuda:1. movenet runs on the CPU only.",
)
@click.option(
    "--skeleton-in",
    type=click.Choice(["coco17", "h36m17"]),
    help="2D skeleton of a --lifter file in VideoPose3D's layout, which cannot say.",
)
@click.option(
    "--causal/--symmetric", default=None, help="Kind of a --lifter file in VideoPose3D's layout."
)
@verbosity
def COMMAND(  # noqa: N802  (every command file defines COMMAND)
    video: Path,
    out: Path | None,
    as_json: bool,
    render: Path | None,
    detector: str,
    lifter: str,
    keypoints: Path | None,
    person: str,
    start: float | None,
    end: float | None,
    max_gap: float,
    focal: float | None,
    device: str,
    skeleton_in: str | None,
    causal: bool | None,
) -> None:
    """Find the people in VIDEO and write their 3D joints.

    VIDEO may be a video, a GIF, a still image, or numbered images (frames/%04d.png).

    \b
    Examples:
      vp3d infer input.mp4 --out pose.npz
      vp3d infer input.mp4 --out pose.npz --json --render overlay.mp4
      vp3d infer input.mp4 --person largest --start 1:05 --end 1:20
    """
    out = out or Path(f"{video.stem}.npz")
    if out.suffix != ".npz":
        raise click.BadParameter(f"'{out}' should end in .npz; JSON comes beside it with --json")
    if not re.fullmatch(r"all|largest|[1-9]\d*", person):
        raise click.BadParameter(f"--person '{person}': expected all, largest, or a person's id")
    if end == 0:
        raise click.BadParameter("--end 0 leaves nothing to do")
    if start is not None and end is not None and start >= end:
        raise click.UsageError(f"--start {start:g} s must lie before --end {end:g} s")
    if (detector == "precomputed") != (keypoints is not None):
        raise click.UsageError("--detector precomputed and --keypoints FILE belong together")
    outputs = (out, out.with_suffix(".json") if as_json else None, render)
    require_new_names([video, keypoints, Path(lifter)], outputs)
    require_writable(*outputs)
    from vp3d_cli.pipeline import Options, estimate

    options = Options(
        detector=detector,
        lifter=lifter,
        device=device,
        person=person,
        start_s=start,
        end_s=end,
        max_gap_s=max_gap,
        focal_px=focal,
        keypoints=keypoints,
        skeleton_in=skeleton_in,
        causal=causal,
    )
    started = time.monotonic()
    with _console.progress() as progress:
        result = estimate(video, options, progress)
        for path, name in zip(outputs, ("npz", "json"), strict=False):
            if path:
                registry.load("export", name).write(result, path)
        if render:
            from vp3d_cli.render.compose import render_video

            watch = _console.stage("render", progress)
            render_video(result, render, video=video, progress=watch)
    _log.info(
        "%s in %s, %.1f s",
        _count(len(result.tracks2d), "person", "people"),
        _count(result.provenance["num_frames_read"], "frame", "frames"),
        time.monotonic() - started,
    )
    for path in outputs:
        if path:
            click.echo(path)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
