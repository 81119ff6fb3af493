"""Frames/s of the lifter beside the arithmetic alone, its chunk size, and its memory.

    python -m tests.bench.lifter_speed [--frames 4096] [--rounds 5] [--json FILE]

Frames are a person's, each predicted with its mirror image. Every round runs each version once,
and the best round counts: on a machine that others use too, the rest is their noise. Where only
versions of ours are compared, it is by the processor time that they take.

- "straightforward": the network as it was trained, in PyTorch: the picture's and the mirror's
  pass one after the other, eight windows of 512 frames a batch, with every core.
- "torch", "onnx": `Lifter.predict`, padding, chunks and the average included.
- "conv1d alone", "products alone": the arithmetic alone, without batch normalisation, bias, ReLU,
  residual sums, padding, copies and average. The windows and the threads are those of "torch". The
  first is PyTorch's dilated convolution; the second are the matrix products that "torch" makes too.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vp3d_cli import registry
from vp3d_cli.cores import usable_cores
from vp3d_cli.device import one_thread
from vp3d_cli.geometry import flip_centred
from vp3d_cli.lift import lifter as room
from vp3d_cli.lift.checkpoint import Checkpoint, build_models
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.folding import Convolution, FoldedLayers
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.lift.runtimes import torch as torch_runtime
from vp3d_cli.parallel import in_threads
from vp3d_cli.types import Float

PAPERS = LifterConfig((3, 3, 3, 3, 3), 1024)
LIFTERS = ("paper: 243 frames, 1,024 channels", "bundled", "bundled-causal")
CHUNKS = (256, 512, 1024, 2048, 4096)
BATCHES = (1, 128, 256, 512, 1024)
# Of 10 and of 60 minutes at 30 frames/s.
MEMORY_FRAMES = (18_000, 108_000)
# As the lifter was before.
_OLD_CHUNK, _OLD_BATCH = 512, 8

Work = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--grown", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.grown:
        print(json.dumps(grown(asked.grown[0], int(asked.grown[1]))))
        return
    bench = Bench(asked.frames, asked.rounds)
    report: dict[str, Any] = {"machine": platform.processor() or platform.machine()}
    report |= {"cores": usable_cores(), "torch": torch.__version__, "frames": asked.frames}
    print(", ".join(f"{name} {value}" for name, value in report.items()), flush=True)
    for part in (bench.speeds, bench.chunks, bench.batches, memory):
        print(f"\n{(part.__doc__ or '').splitlines()[0]}\n")
        rows = part()
        report[part.__name__] = rows
        show(rows)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def show(rows: list[dict[str, Any]]) -> None:
    """A Markdown table."""
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + " --- |" * len(rows[0]))
    for row in rows:
        shown = (f"{v:,.2f}" if isinstance(v, float) else f"{v:,}" if isinstance(v, int) else v
                 for v in row.values())  # fmt: skip
        print("| " + " | ".join(shown) + " |", flush=True)


@dataclass(frozen=True)
class Bench:
    """How many frames, and how often."""

    frames: int
    rounds: int

    def speeds(self) -> list[dict[str, Any]]:
        """Frames/s of a person, and what part of the arithmetic alone ours reaches."""
        rows = []
        for name in LIFTERS:
            lifter, on_onnx = (load(name, runtime) for runtime in ("torch", "onnx"))
            sequence = poses(lifter.config, self.frames)
            best = self._best(
                {
                    "straightforward": straightforward(lifter, sequence),
                    "torch": functools.partial(lifter.predict, [sequence]),
                    "onnx": functools.partial(on_onnx.predict, [sequence]),
                    "conv1d alone": arithmetic(lifter, sequence, _convolutions),
                    "products alone": arithmetic(lifter, sequence, _products),
                }
            )
            ratios = {
                "torch / straightforward": best["torch"] / best["straightforward"],
                "torch / conv1d": best["torch"] / best["conv1d alone"],
                "torch / products": best["torch"] / best["products alone"],
                "onnx / conv1d": best["onnx"] / best["conv1d alone"],
            }
            rows.append({"lifter": name, **{k: round(v) for k, v in best.items()}, **ratios})
        return rows

    def chunks(self) -> list[dict[str, Any]]:
        """Frames per second of processor time by `CHUNK`, the frames predicted at once."""
        rows = []
        for name, runtime in itertools.product(LIFTERS, registry.names("lift.runtimes")):
            lifter = load(name, runtime)
            sequence = poses(lifter.config, self.frames)
            works = {
                str(chunk): functools.partial(_with_chunk, chunk, lifter, sequence)
                for chunk in CHUNKS
            }
            rows.append({"lifter": name, "runtime": runtime} | self._rates(works, self.frames))
        return rows

    def batches(self) -> list[dict[str, Any]]:
        """The same for people of 30 frames each by `batch_frames`, put into one batch."""
        rows = []
        for name, runtime in itertools.product(LIFTERS, registry.names("lift.runtimes")):
            lifter = load(name, runtime)
            people = [poses(lifter.config, 30)] * (self.frames // 120)
            works = {
                str(frames): functools.partial(_with_batch, frames, lifter, people)
                for frames in BATCHES
            }
            rows.append({"lifter": name, "runtime": runtime} | self._rates(works, 30 * len(people)))
        return rows

    def _best(
        self, works: dict[str, Work], clock: Callable[[], float] = time.perf_counter
    ) -> dict[str, float]:
        """Frames/s of each, in its best round."""
        seconds = dict.fromkeys(works, np.inf)
        for _ in range(self.rounds):
            for name, work in works.items():
                start = clock()
                work()
                seconds[name] = min(seconds[name], clock() - start)
        return {name: self.frames / taken for name, taken in seconds.items()}

    def _rates(self, works: dict[str, Work], frames: int) -> dict[str, int]:
        best = self._best(works, time.process_time)
        return {name: round(rate * frames / self.frames) for name, rate in best.items()}


def memory() -> list[dict[str, Any]]:
    """MiB that the process's peak grows by while it lifts, and the arrays that must."""
    rows = []
    for runtime, frames in itertools.product(registry.names("lift.runtimes"), MEMORY_FRAMES):
        program = [sys.executable, "-m", "tests.bench.lifter_speed"]
        command = [*program, "--grown", runtime, str(frames)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows.append({"runtime": runtime, "frames": frames, **json.loads(answer)})
    return rows


def grown(runtime: str, frames: int) -> dict[str, float]:
    """Of the bundled lifter on one person, in a process of its own."""
    lifter = load(LIFTERS[1], runtime)
    sequence = poses(lifter.config, frames)
    lifter.predict([sequence[: 2 * room.CHUNK]])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (predicted,) = lifter.predict([sequence])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Of the mirror image what goes in and comes out, and what comes out.
    arrays = sequence.nbytes + 2 * predicted.nbytes
    return {"peak grew, MiB": (after - before) / 1024, "arrays, MiB": arrays / 2**20}


def load(name: str, runtime: str) -> Lifter:
    if name != LIFTERS[0]:
        return load_lifter(name, runtime=runtime)
    torch.manual_seed(0)
    state = TemporalModel(PAPERS, 17, 17).state_dict()
    return Lifter(Checkpoint(PAPERS, state), name, "00", runtime=runtime)


def poses(config: LifterConfig, frames: int) -> Float:
    shape = frames, 17, config.features
    return np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32)


def _with_chunk(chunk: int, lifter: Lifter, sequence: Float) -> None:
    before, room.CHUNK = room.CHUNK, chunk
    try:
        lifter.predict([sequence])
    finally:
        room.CHUNK = before


def _with_batch(frames: int, lifter: Lifter, people: list[Float]) -> None:
    network = lifter._pose
    before, network.batch_frames = network.batch_frames, frames
    try:
        lifter.predict(people)
    finally:
        network.batch_frames = before


def straightforward(lifter: Lifter, sequence: Float) -> Work:
    """Two passes of the network with its batch normalisation, in windows of equal length."""
    network, _ = build_models(lifter.checkpoint(), lifter.name)
    before, after = lifter.config.context
    order, sign = lifter.skeleton_out.flip_order, np.array([-1, 1, 1], np.float32)
    windows = [
        sequence[
            np.clip(np.arange(start - before, start + _OLD_CHUNK + after), 0, len(sequence) - 1)
        ]
        for start in range(0, len(sequence), _OLD_CHUNK)
    ]

    def work() -> None:
        torch.set_num_threads(usable_cores())
        with torch.inference_mode():
            for start in range(0, len(windows), _OLD_BATCH):
                batch = np.stack(windows[start : start + _OLD_BATCH])
                mirrored = flip_centred(batch, lifter.skeleton_in)
                first, other = (network(torch.from_numpy(b)).numpy() for b in (batch, mirrored))
                (first + other[..., order, :] * sign) / 2

    return work


def arithmetic(
    lifter: Lifter, sequence: Float, make: Callable[[FoldedLayers], Callable[[Tensor], Tensor]]
) -> Work:
    """Nothing but the multiplications and sums of `Lifter.predict`, in its windows and threads."""
    layers, width = lifter.layers()[0], sequence.shape[1] * sequence.shape[2]
    run = torch.inference_mode()(make(layers))
    context = lifter.config.receptive_field - 1
    lengths = [window.length for (window,) in room._batches([len(sequence)] * 2, 1)]
    inputs = [torch.randn(1, length + context, width) for length in lengths]

    def work() -> None:
        with one_thread():
            alone = functools.partial(torch.set_num_threads, 1)
            for _ in in_threads(run, inputs, usable_cores(), alone):
                pass

    return work


def _stack(layers: FoldedLayers) -> list[Convolution]:
    return [layers.expand, *itertools.chain(*layers.blocks), layers.shrink]


def _convolutions(layers: FoldedLayers) -> Callable[[Tensor], Tensor]:
    """PyTorch's own convolution, channels first."""
    convs = []
    for conv in _stack(layers):
        taps, inputs, outputs = conv.weight.shape
        convs.append(nn.Conv1d(inputs, outputs, taps, dilation=conv.dilation, bias=False))
    stack = nn.Sequential(*convs)

    def run(x: Tensor) -> Tensor:
        return stack(x.transpose(1, 2))

    return run


def _products(layers: FoldedLayers) -> Callable[[Tensor], Tensor]:
    """A matrix product for each tap, added up."""
    device = torch.device("cpu")
    first, *others = (torch_runtime._Products(conv, device) for conv in _stack(layers))

    def run(x: Tensor) -> Tensor:
        x = first.side_by_side(x)
        for products in others:
            x = products.added_up(x)
        return x

    return run


if __name__ == "__main__":
    main()
