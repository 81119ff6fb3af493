"""Adapt the lifter to a folder of your own videos, and say whether it was worth it.

    python examples/adapt_own_video.py recordings/ my_lifter/

It is `vp3d adapt recordings/ --out my_lifter/` with a look at what was measured on videos that were
held out.
"""

import json
import subprocess
import sys
from pathlib import Path


def main(recordings: str, out: str, *options: str) -> int:
    command = [sys.executable, "-m", "vp3d_cli", "adapt", recordings, "--out", out, *options]
    code = subprocess.run(command, check=False).returncode
    report = Path(out) / "report.json"
    if code == 0 and report.exists():
        told = json.loads(report.read_text(encoding="utf-8"))
        for name, before in told["before"].items():
            print(f"{name}: {before:.4g} before, {told['after'][name]:.4g} after")
        print(f"use it: vp3d infer new.mp4 --lifter {Path(out) / 'lifter.safetensors'}")
    return code


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
