"""What `--quality` costs and gains: speed, people lost, keypoints and joints moved, and accuracy.

    python tests/bench/quality.py VIDEO... [--views VIEWS]

Videos without a reference are compared with looking for everybody in every frame. VIEWS is a
folder as `vp3d evaluate --data` takes it; there the error is measured.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from tests.bench.refined_views import measure
from vp3d_cli.evaluate.calibration import read_views
from vp3d_cli.options import QUALITIES, Options
from vp3d_cli.pipeline import Models, detect_video, lift_keypoints
from vp3d_cli.types import Keypoints2D, Result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--views", type=Path)
    asked = parser.parse_args()
    models = {name: Models.load(_options(name)) for name in QUALITIES[::-1]}
    for video in asked.videos:
        _compare(video, models)
    if asked.views:
        _score(asked.views, models)


def _options(quality: str) -> Options:
    return Options(detector="movenet", lifter="bundled", quality=quality)


def _timed(video: Path, name: str, models: Models) -> tuple[Keypoints2D, float, float]:
    """2D, frames a second, and CPU milliseconds a frame without the decoder's."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = detect_video(video, _options(name), models=models)
    frames = len(np.asarray(found.frames_read))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return found, frames / wall, 1000 * cpu / frames


def _compare(video: Path, models: dict[str, Models]) -> None:
    print(f"\n{video.name}\n")
    print("| quality | frames/s | CPU ms a frame | people's frames | 2D moved, % | 3D moved, mm |")
    print("| --- " * 6 + "|")
    results: dict[str, Result] = {}
    for name, loaded in models.items():
        found, fps, cpu_ms = _timed(video, name, loaded)
        results[name] = lift_keypoints(found, _options(name), models=loaded)
        moved_2d, moved_3d = _moved(results["best"], results[name])
        rows = results[name].num_rows
        print(f"| {name} | {fps:.1f} | {cpu_ms:.0f} | {rows} | {moved_2d:.2g} | {moved_3d:.3g} |")


def _moved(best: Result, other: Result) -> tuple[float, float]:
    """Median distance of the same person's keypoints, % of their box, and mean of joints, mm."""
    moved = []
    for a, a_3d in zip(best.tracks2d, best.tracks3d, strict=True):
        nearest = None
        for b, b_3d in zip(other.tracks2d, other.tracks3d, strict=True):
            _, at_a, at_b = np.intersect1d(a.frames, b.frames, return_indices=True)
            if not len(at_a):
                continue
            apart = np.linalg.norm(a.keypoints[at_a] - b.keypoints[at_b], axis=-1)
            side = (a.boxes[at_a, 2:] - a.boxes[at_a, :2]).max(1)
            share = float(np.median(apart / side[:, None]))
            if nearest is None or share < nearest[0]:
                joints = np.linalg.norm(a_3d.joints[at_a] - b_3d.joints[at_b], axis=-1)
                nearest = share, float(joints.mean()), len(at_a)
        if nearest:
            moved.append(nearest)
    shares, metres, frames = np.transpose(moved)
    return (
        100 * float(np.average(shares, weights=frames)),
        1000 * float(np.average(metres, weights=frames)),
    )


def _score(folder: Path, models: dict[str, Models]) -> None:
    print(f"\n{folder.name}: mean of the views\n")
    print("| quality | frames/s | CPU ms a frame | MPJPE mm | P-MPJPE mm | velocity mm/frame |")
    print("| --- " * 6 + "|")
    views = read_views(folder)
    for name, loaded in models.items():
        seen = [_timed(view.video, name, loaded) for view in views]
        errors = [measure(view, s[0], ()) for view, s in zip(views, seen, strict=True)]
        mpjpe, p_mpjpe, velocity = np.nanmean(errors, 0)[:3]
        fps, cpu_ms = (statistics.median(s[i] for s in seen) for i in (1, 2))
        print(
            f"| {name} | {fps:.1f} | {cpu_ms:.0f} | {mpjpe:.1f} | {p_mpjpe:.1f} | {velocity:.2f} |"
        )


if __name__ == "__main__":
    main()
