"""The paper's finding: with few labels, unlabelled video helps, and the bone term matters.

    python tests/bench/semi_supervised.py FOLDER --mocap FILE... --split CSV [--jobs 2]

Motion capture (layout: vp3d_cli/train/mocap.py; the split file also has subject and in_place), seen
by four virtual cameras with Human3.6M's lens at 10 frames a second, exact 2D. A share of subject 1
is labelled; the other training subjects are not; the held-out ones are measured. Every run has the
same number of optimiser steps. One line a run in FOLDER/results.csv; runs that stand there are not
done again, so it can be stopped at any time. At the end a table, mean and deviation over the seeds.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np

from vp3d_cli import skeletons
from vp3d_cli.datasets import DatasetCamera, Sequence
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.train.mocap import read_mocap
from vp3d_cli.train.paper.config import Data, PaperConfig, Schedule, Semi
from vp3d_cli.types import Float

SHARES = (0.01, 0.05, 0.1, 1.0)
KINDS = ("supervised", "semi", "semi, no bone term")
SEEDS = (1, 2, 3)
STEPS, BATCH, STRIDE_FPS, WARMUP = 2500, 64, 10, 0.2
LABELLED = "1"
H36M = skeletons.get("h36m17")
# Human3.6M's bone lengths in mm by joint, to its parent; see `_parents`.
_LENGTHS = (0, 134, 443, 443, 134, 443, 443, 236, 254, 116, 115, 151, 277, 248, 151, 277, 248)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mocap", type=Path, nargs="+", required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    results = given.folder / "results.csv"
    done = set()
    if results.exists():
        with results.open() as stream:
            done = {tuple(row[:3]) for row in csv.reader(stream)}
    wanted = [
        run for run in itertools.product(SEEDS, SHARES, KINDS) if tuple(map(str, run)) not in done
    ]
    with ProcessPoolExecutor(given.jobs) as pool:
        jobs = [pool.submit(_run, *run, given.mocap, given.split) for run in wanted]
        for job in as_completed(jobs):
            with results.open("a", newline="") as stream:
                csv.writer(stream).writerow(job.result())
    print(_table(results))


def _run(
    seed: int, share: float, kind: str, mocap: list[Path], split: Path
) -> tuple[int, float, str, float, float, float]:
    import torch

    from vp3d_cli.train.paper.trainer import PaperTrainer

    torch.set_num_threads(1)
    sequences = studio(mocap, split)
    others = sorted({s.subject for s in sequences if not s.subject.startswith("test")} - {LABELLED})
    test = tuple(sorted({s.subject for s in sequences if s.subject.startswith("test")}))
    frames = sum(2 * max(1, round(len(s) * share)) for s in sequences if s.subject == LABELLED)
    epochs = max(1, round(STEPS / max(1, -(-frames // BATCH))))
    config = PaperConfig(
        LifterConfig((3, 3, 3), 192, skeleton_in="h36m17"),
        Data((), (LABELLED,), test, () if kind == "supervised" else tuple(others), subset=share),
        Schedule(
            epochs=epochs,
            batch_size=BATCH,
            # The same fall over the whole run, whatever its number of epochs.
            learning_rate_decay=0.05 ** (1 / epochs),
            evaluate_every=epochs,
            seed=seed,
        ),
        Semi(warmup=round(WARMUP * epochs), bone_length=kind != "semi, no bone term"),
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = PaperTrainer(config, sequences, Path(folder))
        trainer.run()
    last = trainer.history[-1]
    return seed, share, kind, last.mpjpe_mm, last.p_mpjpe_mm, last.mpjve_mm


def studio(files: list[Path], split: Path) -> list[Sequence]:
    """Every travelling clip of a known subject from four cameras; held-out ones are "test N"."""
    with split.open(newline="") as stream:
        rows = {(row["file"], row["clip"]): row for row in csv.DictReader(stream)}
    sequences = []
    for file in files:
        mocap = read_mocap([file], None, "train")
        step = round(mocap.fps / STRIDE_FPS)
        for clip, name in enumerate(mocap.names):
            row = rows.get((file.stem, name))
            if row is None or not row["subject"] or row["in_place"] == "1":
                continue
            world = mocap.joints[mocap.clip_start[clip] : mocap.clip_start[clip + 1] : step, :17]
            subject = row["subject"] if row["split"] == "train" else f"test {row['subject']}"
            body = _body(world, np.random.default_rng(int(row["subject"])))
            rng = np.random.default_rng([int(row["subject"]), clip])
            for camera in _cameras(body, rng):
                joints = camera.to_camera(body).astype(np.float32)
                pixels = camera.project(joints).astype(np.float32)
                inside = joints[..., 2].min() > 1 and len(joints) >= 9
                if inside and (np.abs(pixels - camera.centre) < 1000).all():
                    sequences.append(
                        Sequence(
                            subject, name, camera, STRIDE_FPS, camera.width, camera.height,
                            skeleton_in=H36M, keypoints=pixels, skeleton_out=H36M, joints=joints,
                        )
                    )  # fmt: skip
    return sequences


def _body(world: Float, rng: np.random.Generator) -> Float:
    """The clip on another body: its directions, Human3.6M's bones times one factor a subject."""
    scale = rng.normal(1, 0.05)
    body = np.zeros_like(world)
    body[:, 0] = world[:, 0] * scale
    for parent, child in H36M.edge_indices:
        along = world[:, child] - world[:, parent]
        length = np.linalg.norm(along, axis=-1, keepdims=True)
        body[:, child] = body[:, parent] + along / np.maximum(length, 1e-6) * (
            _LENGTHS[child] / 1000 * scale
        )
    return body


def _cameras(world: Float, rng: np.random.Generator) -> list[DatasetCamera]:
    """Four around the place, at a distance that holds the whole path, looking at its middle."""
    path = world[:, 0]
    middle = (path.min(0) + path.max(0)) / 2
    distance = 4.5 + np.linalg.norm(path - middle, axis=-1).max()
    cameras = []
    for i in range(4):
        around = np.pi / 4 + i * np.pi / 2 + rng.normal(0, 0.15)
        offset = [distance * np.cos(around), distance * np.sin(around)]
        position = np.array([middle[0] + offset[0], middle[1] + offset[1], rng.normal(1.6, 0.1)])
        forward = np.array([middle[0], middle[1], 0.9]) - position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        cameras.append(
            DatasetCamera(
                f"camera {i + 1}", 1000, 1002, np.array([1145.0, 1144.0]), np.array([512.5, 515.5]),
                np.array([-0.207, 0.248, -0.003]), np.array([-0.001, -0.0014]),
                np.stack([right, np.cross(forward, right), forward]), position,
            )
        )  # fmt: skip
    return cameras


def _table(results: Path) -> str:
    with results.open() as stream:
        rows = [(float(r[1]), r[2], float(r[3]), float(r[4])) for r in csv.reader(stream)]
    lines = [f"| labelled | {' | '.join(KINDS)} |", "| --- " * (len(KINDS) + 1) + "|"]
    for share in SHARES:
        cells = []
        for kind in KINDS:
            errors = [mpjpe for s, k, mpjpe, _ in rows if (s, k) == (share, kind)]
            cells.append(f"{np.mean(errors):.1f} ± {np.std(errors):.1f}" if errors else "")
        lines.append(f"| {share:.0%} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
