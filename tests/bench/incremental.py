"""Milliseconds a frame of lifting while the video runs: cached, and the window anew each time.

    OMP_NUM_THREADS=1 python -m tests.bench.incremental [FRAMES]

"window" is `Lifter.lift` on the frames that the newest answer rests on; "strided" the pose network
alone on them, computing no more than the one answer and its mirror image need. Medians.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch

from tests import walkers
from tests.factories import make_video
from vp3d_cli.lift import normalise
from vp3d_cli.lift.checkpoint import Checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.incremental import IncrementalLifter
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.lift.model import StridedTemporalModel, TemporalModel
from vp3d_cli.types import Camera, Track2D

PAPERS = LifterConfig((3, 3, 3, 3, 3), 1024)
CAMERA, VIDEO = Camera(1000.0, "bench"), make_video()
# Of the two that are slow.
FEW = 10


def main(frames: int) -> None:
    lifters = [load_lifter("bundled-causal"), load_lifter("bundled"), _papers()]
    print(f"{torch.get_num_threads()} threads, {frames} frames")
    print("| lifter | people | delay, frames | cached, ms | window, ms | strided, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for lifter in lifters:
        for people in (1, 2, 6):
            print(_row(lifter, people, frames), flush=True)


def _row(lifter: Lifter, people: int, frames: int) -> str:
    cached = IncrementalLifter(lifter, VIDEO, CAMERA)
    averaged = 0
    if lifter.config.normalisation == "person":
        averaged = 4 * normalise.half_window(float(VIDEO.fps))
    needed = lifter.config.receptive_field + averaged
    tracks = [_walk(max(frames, needed), number) for number in range(people)]
    window = [track.rows(slice(needed)) for track in tracks]
    numbers = iter(range(frames))

    def push() -> None:
        row = next(numbers)
        cached.push({t.track_id: (t.keypoints[row], t.scores[row]) for t in tracks})

    times = (
        _median_ms(push, frames),
        _median_ms(lambda: lifter.lift(window, VIDEO, CAMERA), FEW),
        _median_ms(_strided(lifter, people), FEW),
    )
    shown = " | ".join(f"{ms:.2f}" for ms in times)
    return f"| {lifter.name} | {people} | {cached.delay} | {shown} |"


def _papers() -> Lifter:
    torch.manual_seed(0)
    state = TemporalModel(PAPERS, 17, 17).state_dict()
    return Lifter(Checkpoint(PAPERS, state), "243 frames, 1,024 channels", "00")


def _walk(frames: int, number: int) -> Track2D:
    return walkers.film(walkers.walk(frames / 30), track_id=number + 1).track


def _strided(lifter: Lifter, people: int) -> Callable[[], object]:
    """The pose network on windows of everybody and their mirror images."""
    config = lifter.config
    network = StridedTemporalModel(config, 17, 17).eval()
    network.load_state_dict(lifter.checkpoint().pose)
    windows = torch.zeros(2 * people, config.receptive_field, 17, config.features)
    return torch.inference_mode()(lambda: network(windows))


def _median_ms(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
