"""Errors of lifters on the held-out clips of a training configuration, beside the mean pose.

    python tests/bench/lifter_accuracy.py CONFIG.toml LIFTER.safetensors [LIFTER ...]

The sequences are the ones that training validates on: held-out subjects, synthetic bodies,
cameras and detector faults, the same in every run. Lifters predict with flip averaging, as
`vp3d infer` does. The baseline answers every frame with the mean pose of the training clips. A
second table says which poses and views the first lifter is good and bad at.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vp3d_cli.evaluate import metrics
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.skeletons import get
from vp3d_cli.train.config import read_train_config
from vp3d_cli.train.loop import held_out_sequences
from vp3d_cli.train.mocap import read_mocap
from vp3d_cli.train.synthesize import synthesize
from vp3d_cli.types import Bool, Float

_H36M = get("h36m17")


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
    answers = []
    for path in lifters:
        lifter = load_lifter(path)
        answers.append(np.stack(lifter.predict(list(sequences.inputs))))
        _row(f"{path}, {lifter.config.receptive_field} frames", answers[-1], sequences.targets)
    errors = [
        measure(answers[0], sequences.targets) * 1000
        for measure in (metrics.mpjpe, metrics.p_mpjpe)
    ]
    print(f"\n| frames of {lifters[0]} | share | MPJPE | P-MPJPE |")
    print("| --- | --- | --- | --- |")
    for name, frames in kinds(sequences.targets, sequences.inputs).items():
        cells = " | ".join(f"{float(error[frames].mean()):.1f}" for error in errors)
        print(f"| {name} | {frames.mean():.1%} | {cells} |")


def kinds(joints: Float, inputs: Float) -> dict[str, Bool]:
    """Frames (B, T) by pose and by the side that the camera sees; axes are the virtual camera's."""

    def at(name: str) -> Float:
        return joints[..., _H36M.index(name), :]

    def unit(vectors: Float) -> Float:
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)

    trunk = unit(at("thorax") - at("hip"))
    tilt = np.degrees(np.arccos(np.clip(-trunk[..., 1], -1, 1)))
    bends = []
    for side in ("left", "right"):
        thigh = unit(at(f"{side}_knee") - at(f"{side}_hip"))
        shin = unit(at(f"{side}_foot") - at(f"{side}_knee"))
        bends.append(np.degrees(np.arccos(np.clip((thigh * shin).sum(-1), -1, 1))))
    across = unit(at("left_shoulder") - at("right_shoulder"))
    # Seen from the front a left shoulder is on the right of the picture.
    turned = np.degrees(np.arctan2(across[..., 2], across[..., 0]))
    sideways = np.abs(np.abs(turned) - 90) < 45
    unseen = (inputs[..., 5:, 2] < 0.3).sum(-1)
    return {
        "all": np.ones_like(sideways),
        "trunk within 30 degrees of the picture's vertical": tilt < 30,
        "trunk at 30 to 60 degrees": (tilt >= 30) & (tilt < 60),
        "trunk at 60 to 120 degrees: bent over, lying": (tilt >= 60) & (tilt < 120),
        "upside down": tilt >= 120,
        "both knees bent over 70 degrees: squatting, seated": np.minimum(*bends) > 70,
        "seen from the front": ~sideways & (np.abs(turned) < 90),
        "seen from the side": sideways,
        "seen from behind": ~sideways & (np.abs(turned) >= 90),
        "trunk pointing at or away from the camera (over 45 degrees)": np.abs(trunk[..., 2]) > 0.71,
        "three or more body keypoints hardly seen": unseen >= 3,
    }


def _row(name: str, predicted: np.ndarray, target: np.ndarray) -> None:
    measures = (metrics.mpjpe, metrics.p_mpjpe, metrics.n_mpjpe, metrics.mpjve)
    errors = [float(measure(predicted, target).mean()) * 1000 for measure in measures]
    print(f"| {name} | " + " | ".join(f"{error:.1f}" for error in errors) + " |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
