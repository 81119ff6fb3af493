"""Does memory grow with the length of a video? Reads 30 s and 10 min of 1280x720 and compares.

Run `python tests/bench/video_memory.py`; it needs 300 MB of disk for a while.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vp3d_cli.video import VideoReader, ffmpeg_path

LENGTHS_S = (30, 600)


def make_clip(path: Path, length_s: int) -> None:
    source = ["-f", "lavfi", "-i", f"testsrc2=s=1280x720:r=30:d={length_s}"]
    encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg_path(), "-y", "-v", "error", *source, *encoder, path], check=True)


def read(path: Path) -> dict[str, float]:
    """Frames, frames/s, and the peak memory in MiB of this process and of its ffmpeg."""
    import resource

    start = time.perf_counter()
    with VideoReader(path) as reader:
        count = sum(1 for _ in reader)
    seconds = time.perf_counter() - start
    own, child = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {"frames": count, "fps": count / seconds, "own_mib": own, "ffmpeg_mib": child}


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(read(Path(sys.argv[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for length_s in LENGTHS_S:
            path = Path(folder) / f"{length_s}.mp4"
            make_clip(path, length_s)
            command = [sys.executable, __file__, str(path)]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            print(
                "{0:4d} s: {frames} frames, {fps:.0f} frames/s, peak {own_mib:.0f} MiB, "
                "ffmpeg {ffmpeg_mib:.0f} MiB".format(length_s, **json.loads(answer))
            )


if __name__ == "__main__":
    main()
