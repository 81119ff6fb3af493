"""What each part of the synthesis and of the schedule brings: short runs, one thing changed.

    python tests/bench/lifter_ablation.py CONFIG.toml FOLDER [--epochs 15] [--only NAME ...]

CONFIG is `examples/train_bundled.toml`. Every run sees as many windows as the base and is measured
on the same held-out sequences: people move as recorded, with the base's bodies, cameras and faults,
and once more without any fault; with flip averaging. One line a run in FOLDER/results.csv; runs
that stand there are not done again. At the end a table.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vp3d_cli.evaluate import metrics
from vp3d_cli.geometry import flip_centred
from vp3d_cli.skeletons import get
from vp3d_cli.train.config import TrainConfig, read_train_config
from vp3d_cli.train.loop import Trainer, held_out_sequences
from vp3d_cli.train.synthesize import Batch

_QUIET = dict.fromkeys(
    ("offset", "jitter", "face", "outlier", "occlusion", "limb", "swap", "merge", "cut", "gap"), 0.0
)
# Name: table.key = value.
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "no faults of a detector": {f"noise.{key}": value for key, value in _QUIET.items()},
    "faults, offset and jitter twice as large": {"noise.offset": 0.06, "noise.jitter": 0.04},
    "no face taken for elsewhere": {"noise.face": 0.0},
    "no limbs of other clips": {"synthesis.arm_swap": 0.0, "synthesis.leg_swap": 0.0},
    "limbs of other clips twice as often": {"synthesis.arm_swap": 0.8, "synthesis.leg_swap": 0.5},
    "no bent limbs, no leaning trunks": {"synthesis.limb_bend": 0.0, "synthesis.lean": 0.0},
    "30 frames/s only": {"synthesis.fps": (30, 30), "synthesis.speed_sigma": 0.0},
    "focal length always known": {"synthesis.focal_sigma": 0.0},
    "27 frames": {"model.filter_widths": (9, 3)},
    "1 frame": {"model.filter_widths": (1, 1)},
    "no dropout": {"model.dropout": 0.0},
    "AMSGrad": {"train.amsgrad": True},
    "four times the batch": {"train.batch_size": 4, "train.steps_per_epoch": 0.25},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    results = given.folder / "results.csv"
    done = set()
    if results.exists():
        with results.open() as stream:
            done = {row[0] for row in csv.reader(stream)}
    base = read_train_config(given.config)
    # The rate falls to the same end in fewer epochs.
    decay = base.train.learning_rate_decay ** (base.train.epochs / given.epochs)
    base = _changed(base, {"train.epochs": given.epochs, "train.learning_rate_decay": decay})
    quiet = _changed(base, {f"noise.{key}": value for key, value in _QUIET.items()})
    tests = [held_out_sequences(base), held_out_sequences(quiet)]
    for name in given.only:
        if name not in done:
            trainer = Trainer(_changed(base, VARIANTS[name]), given.folder / name.replace(" ", "_"))
            trainer.folder.mkdir(exist_ok=True)
            trainer.run()
            with results.open("a", newline="") as stream:
                csv.writer(stream).writerow([name, *_measure(trainer, tests)])
    print("| trained with | MPJPE | P-MPJPE | velocity | without faults: MPJPE | P-MPJPE |")
    print("| --- | --- | --- | --- | --- | --- |")
    with results.open() as stream:
        for row in csv.reader(stream):
            print(f"| {row[0]} | " + " | ".join(f"{float(v):.1f}" for v in row[1:]) + " |")


def _changed(config: TrainConfig, changes: dict[str, Any]) -> TrainConfig:
    for path, value in changes.items():
        table, key = path.split(".")
        part = config.synthesis.noise if table == "noise" else getattr(config, table)
        if path in ("train.batch_size", "train.steps_per_epoch"):  # factors
            value = round(getattr(part, key) * value)
        part = dataclasses.replace(part, **{key: value})
        if table == "noise":
            table, part = "synthesis", dataclasses.replace(config.synthesis, noise=part)
        config = dataclasses.replace(config, **{table: part})
    return config


def _measure(trainer: Trainer, tests: list[Batch]) -> list[float]:
    """Millimetres: MPJPE, P-MPJPE and velocity with faults; MPJPE and P-MPJPE without."""
    values = []
    for test, measures in zip(tests, (("mpjpe", "p_mpjpe", "mpjve"), ("mpjpe", "p_mpjpe")),
                              strict=True):  # fmt: skip
        flipped = dataclasses.replace(test, inputs=flip_centred(test.inputs, get("coco17")))
        mirrored = flip_centred(trainer.predict(flipped), get("h36m17"))
        predicted = (trainer.predict(test) + mirrored) / 2
        values += [
            float(np.mean(getattr(metrics, name)(predicted, test.targets))) * 1000
            for name in measures
        ]
    return values


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
