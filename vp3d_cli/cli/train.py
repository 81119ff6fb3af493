"""`vp3d train`: make a lifter."""

from __future__ import annotations

from pathlib import Path

import click

from vp3d_cli.cli import _console
from vp3d_cli.cli._options import verbosity


@click.command("train")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of the run: lifter.safetensors (best so far), last.pt, log.csv.",
)
@click.option("--resume", is_flag=True, help="Go on from the last whole epoch in --out.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1.")
@verbosity
def COMMAND(config: Path, out: Path, resume: bool, device: str) -> None:  # noqa: N802
    """Train a lifter as the TOML file CONFIG says.

    With `files` in its [data] table it trains on recorded sequences, as the paper does, with
    labels or partly without. With `mocap` it trains on pairs synthesised from motion capture.
    The epoch that is best on the held-out people is kept; use it with `vp3d infer --lifter
    FOLDER/lifter.safetensors`.

    \b
    Examples:
      vp3d train examples/train_paper.toml --out runs/paper
      vp3d train examples/train_bundled.toml --out runs/bundled --resume
    """
    from vp3d_cli.train import start
    from vp3d_cli.train.run_folder import BEST

    trainer = start.open_training(config, out, device, resume=resume)
    with _console.progress() as progress:
        watch = _console.stage("train", progress)
        best = trainer.run(watch)
    click.echo(
        f"best epoch {best.epoch}: MPJPE {best.mpjpe_mm:.1f} mm, P-MPJPE {best.p_mpjpe_mm:.1f} mm, "
        f"velocity {best.mpjve_mm:.2f} mm/frame",
        err=True,
    )
    click.echo(out / BEST)
