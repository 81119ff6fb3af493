"""The One-Euro filters of `vp3d live`: cutoffs and betas against smoothing that knows the future.

python -m tests.bench.live_smoothing [VIDEO]...

Truth is what `vp3d infer` makes of the same keypoints: Whittaker's smoother, without lag. In 2D the
error is the root mean square distance in sizes of the person's box, in 3D in millimetres, of the
longest track of each video, without its first half second. Jitter is how much it changes from
frame to frame; lag, by how much later than the truth it fits best.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from vp3d_cli import smoothing
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.live import loop, motion
from vp3d_cli.live.people import Sighted
from vp3d_cli.options import SMOOTH_HZ, Options
from vp3d_cli.pipeline import estimate
from vp3d_cli.pipeline.refining import calmed
from vp3d_cli.types import Double, Real, Result, Track2D

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"
_CUTOFFS = (1.0, 2.0, 4.0)
_BETAS_2D = (0.0, 10.0, 20.0, 40.0, 80.0)
_BETAS_3D = (0.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_START = 15  # frames


def main(videos: Sequence[Path]) -> None:
    options = Options(detector=loop.DETECTOR, lifter=loop.LIFTER)
    results = [estimate(video, options) for video in videos]
    results = [result for result in results if result.tracks2d]
    tracks = [max(result.tracks2d, key=len) for result in results]
    print(f"{len(tracks)} videos, {sum(map(len, tracks))} frames")
    print("| 2D: cutoff, Hz | beta | error, % of size | jitter | lag, ms |")
    print("| --- | --- | --- | --- | --- |")
    for cutoff, beta in [(None, 0.0), *product(_CUTOFFS, _BETAS_2D)]:
        motion.CUTOFF_2D_HZ, motion.BETA_2D = cutoff or 1e6, beta
        print(_row(cutoff, beta, *_mean([_in_2d(track) for track in tracks], 100)))
    motion.CUTOFF_2D_HZ, motion.BETA_2D = _CHOSEN_2D
    print("| 3D: cutoff, Hz | beta | error, mm | jitter | lag, ms |")
    print("| --- | --- | --- | --- | --- |")
    for cutoff, beta in [(None, 0.0), *product(_CUTOFFS, _BETAS_3D)]:
        motion.CUTOFF_3D_HZ, motion.BETA_3D = cutoff or 1e6, beta
        pairs = zip(results, tracks, strict=True)
        print(_row(cutoff, beta, *_mean([_in_3d(*pair) for pair in pairs], 1000)))


_CHOSEN_2D = motion.CUTOFF_2D_HZ, motion.BETA_2D


def _in_2d(track: Track2D) -> tuple[float, float, float]:
    filtered = smoothing.OneEuro()
    found = []
    for keypoints, box, time_s in zip(track.keypoints, track.boxes, track.times_s, strict=True):
        size = float(np.sqrt(np.prod(np.maximum(box[2:] - box[:2], 1))))
        filtered.cutoff_hz, filtered.beta = motion.CUTOFF_2D_HZ, motion.BETA_2D / size
        found.append(filtered(keypoints, float(time_s)) / size)
    sizes = np.sqrt(np.prod(np.maximum(track.boxes[:, 2:] - track.boxes[:, :2], 1), -1))
    true = calmed(track, SMOOTH_HZ).keypoints / sizes[:, None, None]
    return _compared(np.stack(found), true, track.times_s)


def _in_3d(result: Result, track: Track2D) -> tuple[float, float, float]:
    lifter = load_lifter(loop.LIFTER)
    (lifted,) = lifter.lift([calmed(track, SMOOTH_HZ)], result.video, result.camera)
    true = smoothing.smooth(lifted.joints, np.ones((1, 1, 1)), track.times_s, SMOOTH_HZ)
    live = motion.Motion(lifter, track.skeleton, result.video, result.camera)
    found = []
    for row in range(len(track)):
        seen = (track.boxes[row], track.keypoints[row], track.scores[row])
        (moving,) = live.step([Sighted(1, *seen)], float(track.times_s[row]))
        assert moving.joints is not None
        found.append(moving.joints)
    return _compared(np.stack(found), true, track.times_s)


def _compared(found: Real, true: Real, times_s: Double) -> tuple[float, float, float]:
    """Root mean square distance, the same of its change in a frame, and the lag in seconds."""
    found, true = found[_START:], true[_START:]
    away = found - true
    error, jitter = (
        float(np.sqrt(np.nanmean(np.square(values).sum(-1))))
        for values in (away, np.diff(away, axis=0))
    )
    speed = np.gradient(true, times_s[_START:], axis=0)
    known = np.isfinite(found) & np.isfinite(true)
    off = np.where(known, true - found, 0) * np.nan_to_num(speed)
    return (
        error,
        jitter,
        float(off.sum() / np.where(known, np.square(np.nan_to_num(speed)), 0).sum()),
    )


def _mean(errors: list[tuple[float, float, float]], unit: float) -> tuple[float, float, float]:
    error, jitter, lag_s = np.mean(errors, 0)
    return unit * error, unit * jitter, 1000 * lag_s


def _row(cutoff: float | None, beta: float, error: float, jitter: float, lag_ms: float) -> str:
    named = f"{cutoff:g} | {beta:g}" if cutoff else "none |"
    return f"| {named} | {error:.2f} | {jitter:.2f} | {lag_ms:.0f} |"


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or [DEMO])
