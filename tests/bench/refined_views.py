"""What each part of the refinement brings on calibrated real views, from their 2D keypoints.

    python tests/bench/refined_views.py VIEWS KEYPOINTS

VIEWS is a folder as `vp3d evaluate --data` takes it; KEYPOINTS is filled with what `vp3d detect`
finds in each video where it is empty, so that a second run takes seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vp3d_cli import keypoints
from vp3d_cli.evaluate import metrics
from vp3d_cli.evaluate.calibration import View, read_views
from vp3d_cli.evaluate.matching import match
from vp3d_cli.evaluate.views import place
from vp3d_cli.options import PARTS, Options
from vp3d_cli.pipeline import detect_video, lift_keypoints
from vp3d_cli.skeletons import get
from vp3d_cli.types import Keypoints2D

ROWS = {
    "everything": (),
    **{f"without {part}": (part,) for part in PARTS if part not in ("appearance", "calibration")},
    "nothing": tuple(PARTS),
}
COLUMNS = ("MPJPE", "P-MPJPE", "velocity", "jitter m/s²", "hip off mm", "hip off %", "up off °")


def main(folder: Path, found: Path) -> None:
    views = read_views(folder)
    seen = [_keypoints(view, found) for view in views]
    print("|  | " + " | ".join(COLUMNS) + " |\n" + "| --- " * (len(COLUMNS) + 1) + "|")
    for name, without in ROWS.items():
        rows = [measure(*pair, without) for pair in zip(views, seen, strict=True)]
        print(f"| {name} | " + " | ".join(f"{cell:.3g}" for cell in np.nanmean(rows, 0)) + " |")


def _keypoints(view: View, folder: Path) -> Keypoints2D:
    path = folder / f"{view.camera.name}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        keypoints.write(detect_video(view.video), path)
    return keypoints.read(path)


def measure(view: View, seen: Keypoints2D, without: tuple[str, ...]) -> list[float]:
    """A number for each of `COLUMNS`."""
    options = Options(focal_px=float(view.camera.focal.mean()), without=without)
    result = lift_keypoints(seen, options)
    person = max(result.tracks3d, key=len)
    matched = match(get("h36m17"), view.skeleton)
    _, rows, at = np.intersect1d(view.frames, person.frames, return_indices=True)
    predicted = matched.of_prediction(person.joints[at]).astype(np.float64)
    target = matched.of_target(view.joints[rows]).astype(np.float64)
    whole = np.isfinite(target).all((1, 2))
    rate = float(result.video.fps) ** 2
    told = place(view, person.root[at], rows, result.world)
    return [
        float(metrics.mpjpe(predicted[whole], target[whole]).mean() * 1000),
        float(metrics.p_mpjpe(predicted[whole], target[whole]).mean() * 1000),
        float(np.nanmean(metrics.mpjve(predicted, target)) * 1000),
        float(np.linalg.norm(np.diff(predicted, 2, axis=0), axis=-1).mean() * rate),
        told.get("root_off_mm", np.nan),
        told.get("root_off_percent", np.nan),
        told.get("up_off_degrees", np.nan),
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
