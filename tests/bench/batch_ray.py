"""What a Ray cluster brings, and what it costs beside processes of this machine.

    python tests/bench/batch_ray.py --clips 8 --tiny 40

Runs `vp3d batch` on copies of the example, each with other bytes, with 1 and 2 workers, as
processes and as actors on nodes of one CPU each; then, with networks that weigh nothing, on files
that only wait for 2 s, which shows what is gained also on a machine that is busy with other things,
and on tiny ones, for what is lost on each file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ray.cluster_utils import Cluster

from tests.batch_worker import write_clip

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo.mp4"


def make_clips(folder: Path, count: int) -> None:
    """Files of different bytes: an MP4 may end with a free box of any content."""
    folder.mkdir()
    for number in range(count):
        note = f"{number:012d}".encode()
        box = (8 + len(note)).to_bytes(4, "big") + b"free" + note
        (folder / f"clip{number:03d}.mp4").write_bytes(DEMO.read_bytes() + box)


def measure(module: str, folder: Path, more: Iterable[object]) -> tuple[float, float]:
    """Seconds of a run, and of the work in it."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", module, "batch", "-q", folder, "-o", out, *more]
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)
        report = json.loads(Path(out, "report.json").read_text())
    return report["seconds"], sum(video["seconds"] for video in report["videos"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--waiting", type=int, default=8)
    parser.add_argument("--tiny", type=int, default=40)
    args = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    memory = 80_000_000
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": memory},
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=memory)
    with tempfile.TemporaryDirectory(prefix="vp3d-bench-") as scratch:
        clips, tiny, waiting = (Path(scratch, name) for name in ("clips", "tiny", "waiting"))
        make_clips(clips, args.clips)
        for number in range(args.waiting):
            write_clip(waiting / f"slow-{number}.mp4", 40, str(number))
        for number in range(args.tiny):
            write_clip(tiny / f"{number}.mp4", 3, str(number))
        print("| files | workers | count | s | s of work |\n" + "| --- " * 5 + "|")
        light = "tests.batch_driver"
        for module, folder in (("vp3d_cli", clips), (light, waiting), (light, tiny)):
            if not folder.is_dir() or not any(folder.iterdir()):
                continue
            for how, more in (("processes", ()), ("Ray", ("--ray", cluster.address))):
                for count in (1, 2):
                    run_s, work_s = measure(module, folder, ("--workers", count, *more))
                    print(
                        f"| {folder.name} | {how} | {count} | {run_s:.1f} | {work_s:.1f} |",
                        flush=True,
                    )
    cluster.shutdown()


if __name__ == "__main__":
    main()
