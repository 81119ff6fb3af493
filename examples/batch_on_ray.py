"""A folder of videos on a Ray cluster, and a table of what came of it.

    python examples/batch_on_ray.py clips/ /shared/results auto

ADDRESS is that of the cluster's head, auto for the one that this machine belongs to, or local to
start one. It is `vp3d batch clips/ --out /shared/results --ray ADDRESS` with a look at the report.
"""

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path


def main(clips: str, results: str, address: str) -> int:
    command = [sys.executable, "-m", "vp3d_cli", "batch", clips, "--out", results, "--ray", address]
    code = subprocess.run(command, check=False).returncode
    report = Path(results) / "report.csv"
    if report.exists():
        with report.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        states = Counter(row["state"] for row in rows)
        frames = sum(int(row["frames"]) for row in rows)
        print(", ".join(f"{count} {state}" for state, count in states.items()), f"{frames} frames")
        for row in rows:
            if row["state"].startswith("failed"):
                print(f"{row['video']}: {row['reason']}")
    return code


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
