"""`vp3d adapt`: a lifter for one's own footage."""

from __future__ import annotations

import contextlib
import logging
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from vp3d_cli import registry
from vp3d_cli.cli import _console
from vp3d_cli.cli._options import (
    Number,
    compute_options,
    detector_option,
    less_work_options,
    together,
    verbosity,
)

_log = logging.getLogger("vp3d_cli.cli")

_training_options = together(
    click.option("--resume", is_flag=True, help="Go on from the last whole epoch in --out."),
    click.option(
        "--lifter",
        default="bundled",
        show_default=True,
        metavar="NAME|PATH",
        help="The lifter to go on from: a name of `vp3d weights list`, or a file.",
    ),
    click.option(
        "--mocap",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        metavar="NPZ",
        help="Motion capture for the labelled side, as `vp3d train` takes it; may be repeated.  "
        "[default: the poses that the lifter sees in the videos]",
    ),
    click.option(
        "--held-out",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.2,
        show_default=True,
        metavar="SHARE",
        help="Share of the videos, at least one, that is only measured on; of a single video its "
        "last part.",
    ),
    click.option(
        "--epochs", type=click.IntRange(1, 10000), default=20, show_default=True, help="At most."
    ),
    click.option(
        "--patience",
        type=click.IntRange(1, 10000),
        default=4,
        show_default=True,
        metavar="N",
        help="Stop after N epochs that were no better.",
    ),
    click.option("--seed", type=click.IntRange(0), default=1234, show_default=True),
    click.option(
        "--focal",
        "focal_px",
        type=Number(min=1),
        metavar="PIXELS",
        help="Focal length of the camera of all the videos.  [default: as each file says, else "
        "the one that fits the people in it]",
    ),
)


@click.command("adapt")
@click.argument(
    "videos",
    metavar="FOLDER|VIDEO...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of the run: lifter.safetensors (best so far), report.json, log.csv, last.pt, "
    "keypoints/.",
)
@_training_options
@detector_option(*(name for name in registry.names("detect") if name != "precomputed"))
@less_work_options
@compute_options
@verbosity
def COMMAND(videos: tuple[Path, ...], out: Path, **asked: Any) -> None:  # noqa: N802
    """Adapt a lifter to the people and cameras of your own videos, without any 3D labels.

    People are found and tracked in all videos, and training goes on from the bundled lifter, half
    on exact pairs, half on the videos' own 2D (the paper's semi-supervised training). Some of the
    videos are held out: reprojection error and jitter are measured there after every epoch, and
    what is best is kept. Where nothing gets better the lifter stays as it is, and this is said.

    \b
    Examples:
      vp3d adapt recordings/ --out my_lifter
      vp3d adapt a.mp4 b.mp4 c.mp4 --out my_lifter --detect-every 2 --focal 1400
      vp3d infer new.mp4 --lifter my_lifter/lifter.safetensors
    """
    from vp3d_cli.options import Options
    from vp3d_cli.train.adapt.config import AdaptConfig

    ours = {name: asked.pop(name) for name in ("held_out", "epochs", "patience", "seed")}
    config, resume, mocap = AdaptConfig(**ours), asked.pop("resume"), asked.pop("mocap")
    options = Options(**asked)
    from vp3d_cli.lift.loading import load_lifter
    from vp3d_cli.pipeline import cameras, footage
    from vp3d_cli.train.adapt import adapter as adapting
    from vp3d_cli.train.adapt import report, shortage, start
    from vp3d_cli.train.mocap import read_mocap
    from vp3d_cli.train.run_folder import BEST, require_new

    # All that may be refused comes before hours of detection.
    require_new(out, resume=resume)
    paths = footage.find_videos(videos, out / "keypoints")
    lifter = load_lifter(options.lifter, device=options.device)
    adapting.require_fitting(lifter)
    labels = read_mocap(mocap, None, "train") if mocap else None
    with _resumable(), shortage.explained(options.device), _console.progress() as progress:
        found = footage.detect_videos(paths, options, out / "keypoints", progress)
        lifted = footage.lift_videos(found, lifter, options, progress)
        adapter = start.open_adaptation(
            config, lifter, lifted, out, mocap=labels, device=options.device, resume=resume
        )
        _log.info("held out: %s", adapter.footage.how)
        adapter.run(_console.stage("adapt", progress))
    report.write(adapter, out)
    for line in (*report.lines(adapter), *cameras.advice(lifted)):
        click.echo(line, err=True)
    click.echo(out / BEST)


@contextlib.contextmanager
def _resumable() -> Iterator[None]:
    """Say how to go on where it is stopped."""
    try:
        yield
    except KeyboardInterrupt:
        name, *rest = (word for word in sys.argv[1:] if word != "--resume")
        again = shlex.join(["vp3d", name, "--resume", *rest])
        click.echo(f"Stopped; what is done is kept. Go on with: {again}", err=True)
        raise
