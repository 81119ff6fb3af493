"""Which kind of training a configuration asks for."""

from __future__ import annotations

from pathlib import Path

from vp3d_cli import datasets
from vp3d_cli.train.config import read_train_config
from vp3d_cli.train.loop import Trainer
from vp3d_cli.train.paper.config import is_paper_config, read_paper_config
from vp3d_cli.train.paper.trainer import PaperTrainer
from vp3d_cli.train.run_folder import open_run


def open_training(file: Path, folder: Path, device: str, *, resume: bool) -> Trainer | PaperTrainer:
    """Prepare the run that a TOML file describes.

    With `[data] files` it trains on recorded sequences, with `[data] mocap` on pairs synthesised
    from motion capture.

    Raises:
        DataError: the configuration or the data is unusable, or the folder holds another run.
        OutputError: the folder cannot be made.
    """
    if is_paper_config(file):
        config = read_paper_config(file)
        sequences = datasets.read(config.data.files)
        return open_run(
            lambda: PaperTrainer(config, sequences, folder, device), folder, resume=resume
        )
    synthetic = read_train_config(file)
    return open_run(lambda: Trainer(synthetic, folder, device), folder, resume=resume)
