"""How late the joints of `vp3d live` come, and how many frames are dropped on the way.

python tests/bench/live_latency.py [--seconds 20] [--json FILE] [VIDEO]...

Each video is played at its own speed, again and again, by the command itself, its lines read as
they come. `OMP_NUM_THREADS` and `taskset` say how many cores it has. CPU time is that of the
process and of its ffmpeg; where it is far below the latency, the machine was busy with other work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vp3d_cli.cores import usable_cores

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"
_CASES: dict[str, tuple[str, ...]] = {
    "one person": ("--max-people", "1"),
    "everybody": (),
    "one person, symmetric lifter": ("--max-people", "1", "--lifter", "bundled"),
}


@dataclass(frozen=True)
class Measured:
    """Of one run, without its first second."""

    video: str
    size: str
    case: str
    frames_per_s: float
    dropped: float
    p50_ms: float
    p95_ms: float
    delay_ms: float
    cpu_ms_per_frame: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path, default=[DEMO])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {usable_cores()} cores")
    print("| video | size | case | frames/s | dropped | p50 | p95 | delay | CPU ms a frame |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    results, loading_s = [], _loading_s()
    for video in asked.videos:
        for case in _CASES:
            results.append(_measured(video, case, asked.seconds, loading_s))
            print(_row(results[-1]), flush=True)
    if asked.json:
        about = {"machine": platform.platform(), "cores": usable_cores(), "load": os.getloadavg()}
        runs = [asdict(result) for result in results]
        asked.json.write_text(json.dumps(about | {"runs": runs}, indent=2), encoding="utf-8")


def _loading_s() -> float:
    """CPU seconds of a run of one frame."""
    command = [sys.executable, "-m", "vp3d_cli", "live", str(DEMO), "--jsonl", "-q"]
    before_s = _cpu_s()
    subprocess.run([*command, "--frames", "1"], stdout=subprocess.DEVNULL, check=True)
    return _cpu_s() - before_s


def _measured(video: Path, case: str, seconds: float, loading_s: float) -> Measured:
    command = [sys.executable, "-m", "vp3d_cli", "live", str(video), "--loop", "--jsonl", "-q"]
    command += ["--seconds", str(seconds), *_CASES[case]]
    lines, arrived_s, before_s = [], [], _cpu_s()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(json.loads(line))
            arrived_s.append(time.monotonic())
    used_s = _cpu_s() - before_s
    assert process.returncode == 0
    opening, *frames = lines
    warm = [m for m in frames if m["time_s"] >= frames[0]["time_s"] + 1]
    latencies = [m["latency_ms"] for m in warm]
    p50, p95 = np.percentile(latencies, [50, 95])
    read = warm[-1]["frame"] - warm[0]["frame"]
    return Measured(
        video=video.name,
        size=f"{opening['width']} x {opening['height']}",
        case=case,
        frames_per_s=(len(warm) - 1) / (arrived_s[-1] - arrived_s[-len(warm)]),
        dropped=1 - (len(warm) - 1) / read,
        p50_ms=float(p50),
        p95_ms=float(p95),
        delay_ms=opening["delay_ms"],
        cpu_ms_per_frame=1000 * (used_s - loading_s) / len(frames),
    )


def _cpu_s() -> float:
    """Of the children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _row(of: Measured) -> str:
    return (
        f"| {of.video} | {of.size} | {of.case} | {of.frames_per_s:.1f} | {100 * of.dropped:.1f} % "
        f"| {of.p50_ms:.0f} ms | {of.p95_ms:.0f} ms | {of.delay_ms:.0f} ms "
        f"| {of.cpu_ms_per_frame:.0f} |"
    )


if __name__ == "__main__":
    main()
