"""Is confidence honest? Fits `refine.trust`, and shows how often it is right on other people.

    python tests/bench/confidence.py CONFIG.toml [OUT.png] [VIEWS]

The held-out clips of a training configuration are put before virtual cameras (`scenes.py`), in
half of them much of the body is out of sight, some frames are lost, and all goes through the
pipeline. Half of the subjects' scenes are fitted; the
printed constants belong in `vp3d_cli/refine/trust.py`. The table and the plot are of the others,
and of a folder of calibrated views (see `evaluate.calibration`), from pixels, as they are now.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from tests.bench.scenes import Scene, make_scenes
from vp3d_cli.evaluate.calibration import read_views
from vp3d_cli.evaluate.matching import match
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.options import Options
from vp3d_cli.pipeline import estimate
from vp3d_cli.pipeline.refining import Refining, calmed
from vp3d_cli.refine import trust
from vp3d_cli.skeletons import get
from vp3d_cli.train.config import read_train_config
from vp3d_cli.train.mocap import read_mocap
from vp3d_cli.train.noise import Noise
from vp3d_cli.types import Double, Track2D, Track3D

_OPTIONS = Options(without=("calibration",))
_COUNT = 160
# From, to, share of joints, share of them that is right, mean error in mm.
Rows = list[tuple[float, float, float, float, float]]
_BINS = 10


def main(config_file: Path, plot: Path | None = None, views: Path | None = None) -> None:
    config = read_train_config(config_file)
    mocap = read_mocap(config.data.mocap, config.data.split, "heldout")
    hidden = dataclasses.replace(Noise(), cut=0.5, occlusion=0.3)
    scenes = [
        *make_scenes(mocap, _COUNT // 2, seed=7),
        *make_scenes(mocap, _COUNT // 2, seed=8, noise=hidden),
    ]
    lifter = load_lifter("bundled")
    rng = np.random.default_rng(0)
    told, wrong_m, names = [], [], []
    for scene in scenes:
        track, person = _through(with_gaps(scene.track, rng), scene, lifter)
        told.append(trust.features(track, person, person.confidence))
        wrong_m.append(errors_m(person, scene))
        names.append(scene.name.partition("_")[0])
    subjects = sorted(set(names))
    fitted = np.isin(names, subjects[::2])
    print(f"fitted: subjects {subjects[::2]}, tested: {subjects[1::2]}")
    weights, base = _fit(_joined(told, fitted), _joined(wrong_m, fitted))
    print("WEIGHTS =", tuple(float(w.round(3)) for w in weights))
    print("JOINTS =", {k: round(float(v), 3) for k, v in base.items()})
    chance = _chances(_joined(told, ~fitted), weights, base)[:, 1:].ravel()
    others_m = _joined(wrong_m, ~fitted)[:, 1:].ravel()
    tables = {"held-out motion capture": reliability(chance, others_m)}
    if views:
        tables["real views"] = reliability(*_of_views(views, lifter))
    for name, rows in tables.items():
        _print(name, rows)
    if plot:
        _draw(tables, plot)


def _print(name: str, rows: Rows) -> None:
    print(f"\n{name}\n\n| confidence | share of joints | right within 10 cm | mean error, mm |")
    print("| --- | --- | --- | --- |")
    for low, high, share, right, error in rows:
        print(f"| {low:.1f} to {high:.1f} | {share:.1%} | {right:.1%} | {error:.0f} |")
    expected = sum(abs((low + high) / 2 - right) * share for low, high, share, right, _ in rows)
    print(f"expected calibration error {expected:.3f}")


def _of_views(folder: Path, lifter: Lifter) -> tuple[Double, Double]:
    """Confidence and error in metres of the joints that were measured in real views."""
    chances, wrong = [], []
    for view in read_views(folder):
        matched = match(lifter.skeleton_out, view.skeleton)
        options = Options(focal_px=float(view.camera.focal.mean()))
        result = estimate(view.video, options)
        person = max(result.tracks3d, key=len)
        _, rows, found = np.intersect1d(view.frames, person.frames, return_indices=True)
        predicted = matched.of_prediction(person.joints[found]).astype(np.float64)
        off = np.linalg.norm(predicted - matched.of_target(view.joints[rows]), axis=-1)
        known = np.isfinite(off)
        chances.append(person.confidence[found][:, list(matched.predicted)][known])
        wrong.append(off[known])
    return np.concatenate(chances), np.concatenate(wrong)


def with_gaps(track: Track2D, rng: np.random.Generator) -> Track2D:
    """The track with frames lost and filled in linearly, as the tracker does."""
    observed = np.ones(len(track), bool)
    for _ in range(rng.integers(0, 4)):
        first = rng.integers(1, max(len(track) - 16, 2))
        observed[first : min(first + rng.integers(2, 15), len(track) - 1)] = False
    at, seen = track.times_s, track.times_s[observed]
    flat = track.keypoints[observed].reshape(len(seen), -1)
    filled = np.stack([np.interp(at, seen, column) for column in flat.T], -1)
    return dataclasses.replace(
        track,
        keypoints=filled.reshape(track.keypoints.shape).astype(np.float32),
        scores=np.where(observed[:, None], track.scores, 0).astype(np.float32),
        observed=observed,
    )


def _through(track: Track2D, scene: Scene, lifter: Lifter) -> tuple[Track2D, Track3D]:
    calm = calmed(track, _OPTIONS.smooth_hz)
    lifted = lifter.lift([calm], scene.video, scene.camera)
    refining = Refining(_OPTIONS, scene.video, scene.camera)
    return track, refining.run([track], [calm], lifted)[0][0]


def errors_m(person: Track3D, scene: Scene) -> Double:
    """Distances (T, J) from the truth, both relative to the root."""
    truth = scene.joints - scene.joints[:, :1]
    return np.linalg.norm(person.joints.astype(np.float64) - truth, axis=-1)


def _joined(parts: list[Double], chosen: np.ndarray) -> Double:
    return np.concatenate([part for part, taken in zip(parts, chosen, strict=True) if taken])


def _kinds() -> list[str]:
    joints = get("h36m17").joints
    return [joint.removeprefix("left_").removeprefix("right_") for joint in joints]


def _fit(told: Double, wrong_m: Double) -> tuple[Double, dict[str, float]]:
    """Logistic regression with a constant for each kind of joint; the root takes no part."""
    kinds = _kinds()
    names = sorted(set(kinds) - {"hip"} | {"hip"})
    column = np.array([names.index(kind) for kind in kinds])
    right = (wrong_m < trust.RIGHT_M).astype(np.float64)[:, 1:]
    seen, which = told[:, 1:], column[1:]

    def loss(guess: Double) -> tuple[float, Double]:
        weights, base = guess[: told.shape[-1]], guess[told.shape[-1] :]
        sums = seen @ weights + base[which]
        off = 1 / (1 + np.exp(-sums)) - right
        cost = np.logaddexp(0, sums).mean() - (sums * right).mean() + 1e-4 * (guess**2).sum()
        toward = np.bincount(which, off.sum(0), len(names)) / off.size
        slope = np.concatenate([np.einsum("tj,tjf->f", off, seen) / off.size, toward])
        return float(cost), slope + 2e-4 * guess

    found = minimize(loss, np.zeros(told.shape[-1] + len(names)), jac=True).x
    return found[: told.shape[-1]], dict(zip(names, found[told.shape[-1] :], strict=True))


def _chances(told: Double, weights: Double, base: dict[str, float]) -> Double:
    return 1 / (1 + np.exp(-(told @ weights + np.array([base[kind] for kind in _kinds()]))))


def reliability(chance: Double, wrong_m: Double) -> Rows:
    """By bins of confidence: from, to, share of joints, share right, mean error in mm."""
    rows = []
    for low in np.arange(_BINS) / _BINS:
        inside = (chance >= low) & (chance < low + 1 / _BINS)
        if inside.any():
            right = float((wrong_m[inside] < trust.RIGHT_M).mean())
            mean_mm = float(wrong_m[inside].mean() * 1000)
            rows.append((low, low + 1 / _BINS, float(inside.mean()), right, mean_mm))
    return rows


def _draw(tables: dict[str, Rows], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(4.6, 4.2), dpi=160)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--", label="honest")
    for (name, rows), colour in zip(tables.items(), ("#1f6fb2", "#d95f02"), strict=False):
        rows = [row for row in rows if row[2] > 0.005]
        middle = [(low + high) / 2 for low, high, *_ in rows]
        axes.plot(middle, [row[3] for row in rows], marker="o", color=colour, label=name)
        if name == next(iter(tables)):
            axes.bar(middle, [row[2] for row in rows], width=0.08, color="#c9ddee", zorder=0)
    axes.set(xlabel="confidence", ylabel="within 10 cm of the truth", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
