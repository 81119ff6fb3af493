"""Frames per second of each stage on one clip, each alone, and of the whole job with its memory.

python tests/bench/stages.py [VIDEO]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.pipeline import Options, build_detector, estimate
from vp3d_cli.render.compose import render_video
from vp3d_cli.video import VideoReader

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"


def main(video: Path) -> None:
    with VideoReader(video) as reader:
        frames = list(reader)
    detector = build_detector("movenet", Options())
    result = estimate(video)
    lifter = load_lifter("bundled")
    lifter.lift(result.tracks2d, result.video, result.camera)
    people = result.num_rows / len(frames)
    print(
        f"{video.name}: {result.video.width} x {result.video.height}, {len(frames)} frames, "
        f"{people:.1f} people a frame"
    )
    print("| stage | frames/s | CPU ms per frame |")
    print("| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        _row("decode", len(frames), lambda: _drain(video))
        _row("detect", len(frames), lambda: [detector.detect(frame) for frame in frames])
        _row(
            "lift (a person's frames)",
            result.num_rows,
            lambda: lifter.lift(result.tracks2d, result.video, result.camera),
        )
        _row(
            "render, decode and encode",
            len(frames),
            lambda: render_video(result, out / "a.mp4", video=video),
        )
        infer = [sys.executable, "-m", "vp3d_cli", "infer", str(video), "-q", "-o"]
        _row(
            "`vp3d infer`", len(frames), lambda: subprocess.run([*infer, out / "b.npz"], check=True)
        )
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest child process (`vp3d infer`): {peak_mb:.0f} MB")


def _drain(video: Path) -> None:
    with VideoReader(video) as reader:
        for _ in reader:
            pass


def _row(name: str, frames: int, work: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), _cpu_s()
    work()
    wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    print(f"| {name} | {frames / wall:.1f} | {1000 * cpu / frames:.1f} |", flush=True)


def _cpu_s() -> float:
    """Of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO)
