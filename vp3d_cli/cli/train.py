"""`vp3d train`: make a lifter."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path

import click

from vp3d_cli.cli import _console
from vp3d_cli.cli._options import verbosity

_log = logging.getLogger("vp3d_cli.cli.train")


@click.command("train")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of the run: lifter.safetensors (best so far), last.pt, log.csv, log.png.",
)
@click.option("--resume", is_flag=True, help="Go on from the last whole epoch in --out.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1.")
@verbosity
def COMMAND(config: Path, out: Path, resume: bool, device: str) -> None:  # noqa: N802
    """Train a lifter as the TOML file CONFIG says.

    With `files` in its [data] table it trains on recorded sequences, as the paper does, with
    labels or partly without. With `mocap` it trains on pairs synthesised from motion capture.
    The epoch that is best on the held-out people is kept; use it with `vp3d infer --lifter
    FOLDER/lifter.safetensors`. Losses and errors of every epoch are in log.csv, drawn in log.png,
    and, where tensorboardX is installed (pip install 'vp3d[tensorboard]'), written for TensorBoard.

    \b
    Examples:
      vp3d train examples/train_paper.toml --out runs/paper
      vp3d train examples/train_bundled.toml --out runs/bundled --resume
    """
    from vp3d_cli.train import start
    from vp3d_cli.train.run_folder import BEST, LAST

    trainer = start.open_training(config, out, device, resume=resume)
    try:
        with _console.progress() as progress:
            best = trainer.run(_console.stage("train", progress))
    except KeyboardInterrupt:
        if (out / LAST).exists():
            again = ["vp3d", "train", config, "--out", out, "--device", device, "--resume"]
            command = shlex.join(map(str, again))
            done = "1 whole epoch" if trainer.epoch == 1 else f"{trainer.epoch} whole epochs"
            words = f"Stopped after {done}; go on with: {command}"
            click.echo(words, err=True)
        else:
            click.echo("Stopped before the end of the first epoch; nothing to resume.", err=True)
        raise
    _log.info(
        "best epoch %d: MPJPE %.1f mm, P-MPJPE %.1f mm, velocity %.2f mm/frame",
        *(best.epoch, best.mpjpe_mm, best.p_mpjpe_mm, best.mpjve_mm),
    )
    click.echo(out / BEST)
