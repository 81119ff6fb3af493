"""Left and right exchanged by a detector: how much of it is put back, and what is harmed.

    python -m tests.bench.swaps MOCAP.npz [--people 200]

People of the mocap (see `vp3d_cli/train/mocap.py`) before virtual cameras, with a detector's other
faults, have arms, legs or both exchanged for one to seven frames. Printed is the share of
exchanged limb frames that are right again, and of sound ones that were spoilt.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from vp3d_cli.track import repair_swaps
from vp3d_cli.train.mocap import Mocap, read_mocap
from vp3d_cli.train.noise import Noise
from vp3d_cli.train.synthesize import Synthesis
from vp3d_cli.train.views import synthesize_sequences
from vp3d_cli.types import Bool, Track2D

LENGTH = 150
_LIMBS = {
    "legs": ((13, 14), (15, 16)),
    "legs with hips": ((11, 12), (13, 14), (15, 16)),
    "arms": ((7, 8), (9, 10)),
    "arms with shoulders": ((5, 6), (7, 8), (9, 10)),
}


def people(mocap: Mocap, count: int) -> list[Track2D]:
    """Tracks whose sides are true."""
    sound = Synthesis(noise=Noise(swap=0.0, gap=0.0))
    found = []
    for seq in synthesize_sequences(mocap, count, LENGTH, sound, 7):
        boxes = np.concatenate([seq.keypoints.min(1), seq.keypoints.max(1)], 1)
        found.append(
            Track2D(
                1,
                np.arange(LENGTH, dtype=np.int32),
                np.arange(LENGTH) / seq.fps,
                boxes,
                seq.keypoints,
                seq.scores,
                np.ones(LENGTH, bool),
                seq.skeleton_in,
            )
        )
    return found


def exchanged(track: Track2D, limb: str, rng: np.random.Generator) -> tuple[Track2D, Bool]:
    """The track with three exchanges of a limb pair, and where they are (T,)."""
    where = np.zeros(LENGTH, bool)
    for part in range(3):
        first = 50 * part + rng.integers(5, 35)
        where[first : first + rng.integers(1, 8)] = True
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    for left, right in _LIMBS[limb]:
        keypoints[np.ix_(where, [left, right])] = keypoints[np.ix_(where, [right, left])]
        scores[np.ix_(where, [left, right])] = scores[np.ix_(where, [right, left])]
    return replace(track, keypoints=keypoints, scores=scores), where


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--people", type=int, default=200)
    asked = parser.parse_args()
    tracks = people(read_mocap([asked.mocap], None, ""), asked.people)
    rng = np.random.default_rng(0)
    touched = sum(count for _, count in (repair_swaps(track) for track in tracks))
    print(f"sound people: {100 * touched / (LENGTH * len(tracks)):.3f}% of frames touched")
    for limb, pairs in _LIMBS.items():
        ends = list(pairs[-1])
        right_again = wrong = seen = swapped = 0
        for track in tracks:
            spoilt, where = exchanged(track, limb, rng)
            repaired, _ = repair_swaps(spoilt)
            sound = (repaired.keypoints[:, ends] == track.keypoints[:, ends]).all((1, 2))
            apart = np.linalg.norm(np.diff(track.keypoints[:, ends], axis=1)[:, 0], axis=-1)
            size = np.sqrt(np.prod(track.boxes[:, 2:] - track.boxes[:, :2], axis=1))
            clear = where & (apart > 0.15 * size)
            right_again += int((sound & clear).sum())
            swapped += int(clear.sum())
            wrong += int((~sound & ~where).sum())
            seen += int((~where).sum())
        print(
            f"{limb:20} {100 * right_again / max(swapped, 1):5.1f}% of exchanged frames with ends "
            f"apart put back, {100 * wrong / seen:.3f}% of the others spoilt"
        )


if __name__ == "__main__":
    main()
