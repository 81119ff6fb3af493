"""How a 2D detector errs on real video: what `vp3d_cli/train/noise.py` imitates.

    python tests/bench/detector_noise.py REFERENCE.npz POSE.npz [REFERENCE.npz POSE.npz ...]

Each reference holds `joints` (F, 12, 3), metres in the camera's axes (shoulder, elbow, wrist of
the right arm, of the left, hip, knee, ankle of the right leg, of the left), `valid` (F, 12), `K`,
`dist` and `fps`; each pose file is what `vp3d infer` made of the same view. Errors are keypoints
minus the projected reference, in units of the person's size in the picture (root mean square
distance of the keypoints from their mean), per axis. The reference's own error is in them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from vp3d_cli import load_result
from vp3d_cli.lift.normalise import body_size

JOINTS = [f"{side}_{joint}" for limb in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
          for side in ("right", "left") for joint in limb]  # fmt: skip
LAGS_S = (1 / 60, 0.1, 0.25, 0.5)


def main(files: list[str]) -> None:
    views = [errors(Path(a), Path(b)) for a, b in zip(files[::2], files[1::2], strict=True)]
    print(
        "| keypoint | bias | over time | frame to frame | correlation after 17, 100, 250, 500 ms |"
    )
    print("| --- | --- | --- | --- | --- |")
    kinds = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for kind in kinds:
        which = [i for i, joint in enumerate(JOINTS) if joint.endswith(kind)]
        print(f"| {kind} | {_row([(e[:, which], fps) for e, fps in views])} |")
    print(f"| all | {_row(views)} |")


def errors(reference: Path, pose: Path) -> tuple[np.ndarray, float]:
    """(F, 12, 2) body sizes, NaN where either side has nothing; and the frame rate."""
    with np.load(reference) as data:
        joints, valid, fps = data["joints"], data["valid"], float(data["fps"])
        pixels = cv2.projectPoints(
            np.nan_to_num(joints).reshape(-1, 3), np.zeros(3), np.zeros(3), data["K"], data["dist"]
        )[0].reshape(-1, 12, 2)
    track = max(load_result(pose).tracks2d, key=len)
    seen = np.full((len(joints), 12, 2), np.nan)
    kept = track.frames < len(joints)
    columns = [track.skeleton.index(joint) for joint in JOINTS]
    seen[track.frames[kept]] = track.keypoints[kept][:, columns]
    size = np.median(body_size(track.keypoints, np.ones(track.keypoints.shape[:2])))
    return np.where(valid[..., None], (seen - pixels) / size, np.nan), fps


def _row(views: list[tuple[np.ndarray, float]]) -> str:
    bias = [np.nanmean(e, 0) for e, _ in views]
    moving = [e - b for (e, _), b in zip(views, bias, strict=True)]
    steps = [np.diff(e, axis=0) for e, _ in views]
    kept = []
    for lag in LAGS_S:
        shift = [max(1, round(lag * fps)) for _, fps in views]
        kept.append(
            np.mean([np.nanmean(m[:-s] * m[s:]) / np.nanmean(m**2) for m, s in
                     zip(moving, shift, strict=True)])
        )  # fmt: skip
    parts = [np.sqrt(np.mean([np.nanmean(v**2) for v in values])) for values in
             (bias, moving, steps)]  # fmt: skip
    return " | ".join(f"{part:.3f}" for part in parts) + " | " + ", ".join(f"{k:.2f}" for k in kept)


if __name__ == "__main__":
    main(sys.argv[1:])
