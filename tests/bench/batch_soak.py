"""An hour of `vp3d batch`: are memory and open files flat?

    python tests/bench/batch_soak.py --minutes 70 --workers 2

Short clips of the example, each with other bytes, every twentieth cut off in the middle, go
through one unattended run, which is then told to end. Prints, for the driver and its workers,
resident memory and open files in each tenth of the time. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from time import monotonic, sleep

import numpy as np

from vp3d_cli.video.program import ffmpeg_path

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"
FRAMES = (5, 10, 20, 40)


def base_clips(folder: Path) -> list[bytes]:
    """Some clips of the example, of several lengths and sizes."""
    clips = []
    for number, frames in enumerate(FRAMES):
        path = folder / f"base{number}.mp4"
        size = 640 if number % 2 else 960
        command = [ffmpeg_path(), "-v", "error", "-ss", str(number), "-i", DEMO, "-an"]
        command += ["-frames:v", str(frames), "-vf", f"scale={size}:-2", "-preset", "veryfast"]
        subprocess.run([*command, path], check=True)
        clips.append(path.read_bytes())
    return clips


def make_clips(folder: Path, count: int) -> None:
    """Files of different bytes: an MP4 may end with a free box of any content."""
    with tempfile.TemporaryDirectory() as scratch:
        clips = base_clips(Path(scratch))
    for number in range(count):
        note = f"{number:012d}".encode()
        data = clips[number % len(clips)]
        data = data[: len(data) // 2] if number % 20 == 19 else data
        path = folder / f"{number // 100:03d}" / f"clip{number:05d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data + (8 + len(note)).to_bytes(4, "big") + b"free" + note)


def processes(driver: int) -> Iterator[tuple[str, int]]:
    """The driver and the Python processes under it; ffmpeg comes and goes."""
    yield "driver", driver
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().split("(", 1)[1].rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(rest.split()[1]) == driver and name.startswith("python"):
            yield "worker", int(stat.parent.name)


def sample(driver: int) -> dict[str, list[tuple[float, int]]]:
    """MiB and open files of each process, by kind."""
    found: dict[str, list[tuple[float, int]]] = {}
    for kind, pid in processes(driver):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        except (FileNotFoundError, ProcessLookupError):
            continue
        resident = next((line for line in status.splitlines() if line.startswith("VmRSS")), None)
        if resident:
            found.setdefault(kind, []).append((int(resident.split()[1]) / 1024, files))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=70)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--out", type=Path, help="keep the samples as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vp3d-soak-") as scratch:
        clips, results = Path(scratch, "clips"), Path(scratch, "results")
        make_clips(clips, args.count)
        command = [sys.executable, "-m", "vp3d_cli", "batch", "-q", clips, "--out", results]
        command += ["--json", "--workers", str(args.workers)]
        started = monotonic()
        run = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        samples = []
        while run.poll() is None and monotonic() - started < args.minutes * 60:
            samples.append((monotonic() - started, sample(run.pid)))
            if args.out:
                args.out.write_text(json.dumps(samples))
            sleep(5)
        run.terminate()
        code = run.wait(60)
        entries = json.loads((results / "report.json").read_text())["videos"]
    states = {state: sum(e["state"] == state for e in entries) for state in ("done", "failed")}
    frames = sum(entry["frames"] for entry in entries)
    print(f"{samples[-1][0] / 60:.0f} min, exit code {code}, {states}, {frames} frames")
    print("| min | kind | MiB mean | MiB max | files mean | files max |\n" + "| --- " * 6 + "|")
    for tenth in np.array_split(np.arange(len(samples)), 10):
        for kind in ("driver", "worker"):
            seen = [value for i in tenth for value in samples[i][1].get(kind, [])]
            if seen:
                size, files = zip(*seen, strict=True)
                print(
                    f"| {samples[tenth[-1]][0] / 60:.0f} | {kind} | {mean(size):.0f} | "
                    f"{max(size):.0f} | {mean(files):.1f} | {max(files)} |"
                )


if __name__ == "__main__":
    main()
