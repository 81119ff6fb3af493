"""The paper's finding: with few labels, unlabelled video helps, and the bone term matters.

    python tests/bench/semi_supervised.py FOLDER --mocap FILE... --split CSV [--plot PNG]

Motion capture (layout: vp3d_cli/train/mocap.py; the split file also has subject and in_place), seen
by four virtual cameras with Human3.6M's lens at 10 frames a second, exact 2D. A share of one
subject is labelled; the other training subjects are not; the held-out ones are measured after the
last step. Every run has the same number of optimiser steps. One line a run in FOLDER/results.csv;
runs that stand there are not done again, so it can be stopped at any time. At the end a table, mean
and deviation over the seeds, and with --plot a picture. docs/semi_supervised.md has the results.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from vp3d_cli import skeletons
from vp3d_cli.datasets import DatasetCamera, Sequence
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.render._draw import discs, fill, fixed, lines, text, text_width
from vp3d_cli.render._palette import INK, MUTED, Colour
from vp3d_cli.render.bars import nice_step
from vp3d_cli.train.mocap import read_mocap
from vp3d_cli.train.paper.config import Data, PaperConfig, Schedule, Semi
from vp3d_cli.types import Float, Image

if TYPE_CHECKING:
    from vp3d_cli.train.paper.trainer import PaperTrainer

SHARES = (0.01, 0.05, 0.1, 1.0)
# The losses without labels of each kind; None has no unlabelled sequences.
KINDS: dict[str, Semi | None] = {
    "supervised": None,
    "semi-supervised": Semi(),
    "without bone term": Semi(bone_length=False),
    "without reprojection": Semi(projection="none"),
}
METRICS = ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm", "mpjve_mm")
HEADER = ("seed", "share", "kind", *METRICS, "size", "seconds")
SEEDS = (1, 2, 3)
STEPS, BATCH, STRIDE_FPS, WARMUP = 3000, 64, 10, 0.2
MODEL = LifterConfig((3, 3), 192, skeleton_in="h36m17")
# Everyday motions, as the paper's subjects do; see docs/semi_supervised.md.
LABELLED = "13"
H36M = skeletons.get("h36m17")
# Human3.6M's bone lengths in mm by joint, to its parent; see `H36M.edges`.
_LENGTHS = (0, 134, 443, 443, 134, 443, 443, 236, 254, 116, 115, 151, 277, 248, 151, 277, 248)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mocap", type=Path, nargs="+", required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=tuple(KINDS))
    parser.add_argument("--plot", type=Path, help="write a picture of error against share here")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    results = given.folder / "results.csv"
    if not results.exists():
        results.write_text(",".join(HEADER) + "\n")
    done = {(run.seed, run.share, run.kind) for run in _read(results)}
    wanted = [
        run for run in itertools.product(given.seeds, given.shares, given.kinds) if run not in done
    ]
    with ProcessPoolExecutor(given.jobs) as pool:
        jobs = [pool.submit(_run, *run, tuple(given.mocap), given.split) for run in wanted]
        for job in as_completed(jobs):
            with results.open("a", newline="") as stream:
                csv.writer(stream).writerow(dataclasses.astuple(job.result()))
    print(_table(_read(results)))
    if given.plot:
        cv2.imwrite(str(given.plot), _plot(_read(results)))


@dataclasses.dataclass(frozen=True)
class Run:
    """One line of the results.

    Attributes:
        seed, share, kind: what was trained.
        mpjpe_mm, p_mpjpe_mm, n_mpjpe_mm, mpjve_mm: on the held-out subjects.
        size: their bones as predicted over their true ones, the mean of lengths.
        seconds: of processor time.
    """

    seed: int
    share: float
    kind: str
    mpjpe_mm: float
    p_mpjpe_mm: float
    n_mpjpe_mm: float
    mpjve_mm: float
    size: float
    seconds: float


def _read(results: Path) -> list[Run]:
    with results.open(newline="") as stream:
        return [
            Run(int(row["seed"]), float(row["share"]), row["kind"],
                *(float(row[name]) for name in HEADER[3:]))
            for row in csv.DictReader(stream)
        ]  # fmt: skip


def _run(seed: int, share: float, kind: str, mocap: tuple[Path, ...], split: Path) -> Run:
    import torch

    from vp3d_cli.train.paper.trainer import PaperTrainer

    torch.set_num_threads(1)
    sequences = studio(mocap, split)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        trainer = PaperTrainer(configuration(seed, share, kind, sequences), sequences, Path(folder))
        trainer.run()
    # The last, not the best: the held-out subjects choose nothing.
    errors = [getattr(trainer.history[-1], name) for name in METRICS]
    return Run(seed, share, kind, *errors, _size(trainer), time.process_time() - start)


def _size(trainer: PaperTrainer) -> float:
    """Bones of the held-out subjects as predicted over the true ones: 1 is the right size."""
    network = trainer._whole_network()
    parents, children = np.array(H36M.edge_indices).T
    predicted = true = 0.0
    for sequence in trainer.test:
        joints = np.asarray(sequence.joints)
        guessed = trainer._predict(network, sequence)
        predicted += np.linalg.norm(guessed[:, children] - guessed[:, parents], axis=-1).sum()
        true += np.linalg.norm(joints[:, children] - joints[:, parents], axis=-1).sum()
    return float(predicted / true)


def configuration(
    seed: int, share: float, kind: str, sequences: tuple[Sequence, ...]
) -> PaperConfig:
    """One run: as many epochs as make STEPS steps, whatever the share."""
    test = sorted({s.subject for s in sequences if s.subject.startswith("test")})
    others = sorted({s.subject for s in sequences} - {LABELLED, *test})
    # Each frame twice, once mirrored.
    chunks = sum(2 * max(1, round(len(s) * share)) for s in sequences if s.subject == LABELLED)
    epochs = max(1, round(STEPS / -(-chunks // BATCH)))
    semi = KINDS[kind]
    schedule = Schedule(
        epochs=epochs,
        batch_size=BATCH,
        # The same fall over the whole run, whatever its number of epochs.
        learning_rate_decay=0.05 ** (1 / epochs),
        evaluate_every=epochs,
        seed=seed,
    )
    data = Data((), (LABELLED,), tuple(test), tuple(others) if semi else (), subset=share)
    warmup = round(WARMUP * epochs)
    return PaperConfig(MODEL, data, schedule, dataclasses.replace(semi or Semi(), warmup=warmup))


@lru_cache
def studio(files: tuple[Path, ...], split: Path) -> tuple[Sequence, ...]:
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
            body = _body(world, _height(row["subject"]))
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
    return tuple(sequences)


def _height(subject: str) -> float:
    """How tall somebody is over the average; the labelled subject is average."""
    return 1.0 if subject == LABELLED else np.random.default_rng(int(subject)).normal(1, 0.05)


def _body(world: Float, scale: float) -> Float:
    """The clip on another body: its directions, Human3.6M's bones times one factor."""
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


def _table(runs: list[Run]) -> str:
    found = [kind for kind in KINDS if any(run.kind == kind for run in runs)]
    lines = [
        "| labelled | training | MPJPE | P-MPJPE | N-MPJPE | velocity | size, % | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for share, kind in itertools.product(SHARES, found):
        rows = [
            [*(getattr(run, name) for name in METRICS), run.size * 100]
            for run in runs
            if (run.share, run.kind) == (share, kind)
        ]
        if rows:
            cells = [_spread(values) for values in np.array(rows).T]
            lines.append(f"| {share:.0%} | {kind} | {' | '.join(cells)} | {len(rows)} |")
    seconds = sum(run.seconds for run in runs)
    return "\n".join(
        [*lines, "", f"{len(runs)} runs, {seconds / 60:.0f} minutes of processor time"]
    )


def _spread(values: Float) -> str:
    if len(values) < 2:
        return f"{values.mean():.1f}"
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


# The kinds' colours on white paper, BGR.
_COLOURS: tuple[Colour, ...] = ((120, 108, 100), (24, 124, 240), (232, 140, 40), (170, 90, 200))
_GRID: Colour = (226, 222, 220)
# Pixels.
_WIDTH, _HEIGHT, _LEFT, _TOP, _BETWEEN, _BOTTOM, _LETTERS = 400, 340, 62, 104, 84, 56, 14


def _plot(runs: list[Run]) -> Image:
    """Two panels of error against share: the line is the mean of the seeds, a dot is one."""
    width = 2 * (_LEFT + _WIDTH) + _BETWEEN - _LEFT + 24
    picture: Image = np.full((_TOP + _HEIGHT + _BOTTOM, width, 3), 255, np.uint8)
    text(picture, "Error on people never seen, by how much of one person is labelled", 20, 26, INK,
         size=19, weight=1.3)  # fmt: skip
    x = 20.0
    for kind, colour in zip(KINDS, _COLOURS, strict=True):
        if any(run.kind == kind for run in runs):
            lines(picture, np.array([[[x, 60], [x + 26, 60]]]), colour, 3)
            text(picture, kind, x + 34, 60, INK, size=_LETTERS)
            x += 34 + text_width(kind, _LETTERS) + 26
    for panel, (name, title) in enumerate((("mpjpe_mm", "MPJPE"), ("p_mpjpe_mm", "P-MPJPE"))):
        _panel(picture, runs, name, f"{title}, mm", _LEFT + panel * (_WIDTH + _BETWEEN))
    return picture


def _panel(picture: Image, runs: list[Run], name: str, title: str, left: int) -> None:
    values = [getattr(run, name) for run in runs]
    step = nice_step(max(values) - min(values) + 1e-6)
    low, high = np.floor(min(values) / step) * step, np.ceil(max(values) / step) * step
    shares = np.log10(SHARES)

    def place(share: float, value: float) -> tuple[float, float]:
        along = (np.log10(share) - shares[0]) / (shares[-1] - shares[0])
        up = (value - low) / (high - low)
        return left + 14 + along * (_WIDTH - 28), _TOP + _HEIGHT * (1 - up)

    for tick in np.arange(low, high + step / 2, step):
        y = place(1, tick)[1]
        lines(picture, np.array([[[left, y], [left + _WIDTH, y]]]), _GRID)
        text(picture, f"{tick:g}", left - 10, y, MUTED, size=_LETTERS, align=1.0)
    for share in SHARES:
        x = place(share, low)[0]
        lines(picture, np.array([[[x, _TOP + _HEIGHT], [x, _TOP + _HEIGHT + 5]]]), MUTED)
        text(picture, f"{share:.0%}", x, _TOP + _HEIGHT + 18, MUTED, size=_LETTERS, align=0.5)
    text(picture, title, left, _TOP - 16, INK, size=_LETTERS, weight=1.3)
    text(picture, "labelled", left + _WIDTH / 2, _TOP + _HEIGHT + 40, MUTED, size=_LETTERS,
         align=0.5)  # fmt: skip
    for kind, colour in zip(KINDS, _COLOURS, strict=True):
        dots = [(run.share, getattr(run, name)) for run in runs if run.kind == kind]
        means = [
            place(share, np.mean([value for s, value in dots if s == share]))
            for share in sorted({share for share, _ in dots})
        ]
        lines(picture, np.array([means[i : i + 2] for i in range(len(means) - 1)]), colour, 2)
        if dots:
            centres = np.array([place(*dot) for dot in dots], np.float32)
            for outline in discs(centres, np.full(len(dots), 3.5, np.float32)):
                fill(picture, fixed(outline), colour)


if __name__ == "__main__":
    main()
