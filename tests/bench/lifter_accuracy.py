"""Errors of lifters on the held-out clips of a training configuration, beside the mean pose.

    python tests/bench/lifter_accuracy.py CONFIG.toml LIFTER.safetensors [LIFTER ...]

The sequences are the ones that training validates on: held-out subjects, synthetic bodies,
cameras and detector faults, the same in every run. Lifters predict with flip averaging, as
`vp3d infer` does. The baseline answers every frame with the mean pose of the training clips.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vp3d_cli.evaluate import metrics
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.train.config import read_train_config
from vp3d_cli.train.loop import held_out_sequences
from vp3d_cli.train.mocap import read_mocap
from vp3d_cli.train.synthesize import synthesize


def main(config_file: Path, lifters: list[str]) -> None:
    config = read_train_config(config_file)
    sequences = held_out_sequences(config)
    train = read_mocap(config.data.mocap, config.data.split, "train")
    drawn = synthesize(train, 4096, 1, config.synthesis, np.random.default_rng(0))
    mean = np.broadcast_to(drawn.targets.mean((0, 1)), sequences.targets.shape)
    print(f"{len(sequences.targets)} sequences of {sequences.targets.shape[1]} frames, mm")
    print("| lifter | MPJPE | P-MPJPE | N-MPJPE | velocity, per frame |")
    print("| --- | --- | --- | --- | --- |")
    _row("mean pose", mean, sequences.targets)
    for path in lifters:
        lifter = load_lifter(path)
        predicted = np.stack(lifter.predict(list(sequences.inputs)))
        _row(f"{path}, {lifter.config.receptive_field} frames", predicted, sequences.targets)


def _row(name: str, predicted: np.ndarray, target: np.ndarray) -> None:
    measures = (metrics.mpjpe, metrics.p_mpjpe, metrics.n_mpjpe, metrics.mpjve)
    errors = [float(measure(predicted, target).mean()) * 1000 for measure in measures]
    print(f"| {name} | " + " | ".join(f"{error:.1f}" for error in errors) + " |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
