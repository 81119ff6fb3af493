"""The tidy table of `csv` and `parquet`: one row per person, frame and joint.

| Column | What |
| --- | --- |
| frame | index of the decoded video frame, from 0 |
| time_s | presentation time, seconds |
| track_id | the person, from 1 |
| joint | name in the 3D skeleton |
| x_m, y_m, z_m | its position in the frame of `reference`, metres |
| reference | world (z up, floor at 0), camera (x right, y down, z forward, from the camera) or \
root (axes of the camera, from the hip); one for the whole file |
| confidence | of the joint, 0 to 1 |
| observed | false: the frame was filled in |
| keypoint | name of the 2D keypoint that belongs to the joint, if one does |
| u_px, v_px | where it is in the upright frame, pixels, x right and y down from its corner |
| score | the detector's, of the keypoint; ranks, no probability |

Rows are sorted by person, frame, and the joint's place in the skeleton. Keypoints that belong to
no joint (nose, eyes, ears) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vp3d_cli.export import _frame
from vp3d_cli.pose_file import Table
from vp3d_cli.types import Result, Skeleton

# Column: decimals kept where it is written as text; None where it is no fraction.
COLUMNS: dict[str, int | None] = {
    "frame": None,
    "time_s": 6,
    "track_id": None,
    "joint": None,
    "x_m": 5,
    "y_m": 5,
    "z_m": 5,
    "reference": None,
    "confidence": 4,
    "observed": None,
    "keypoint": None,
    "u_px": 3,
    "v_px": 3,
    "score": 4,
}
_SAME = {"foot": "ankle", "ankle": "foot"}


def tables(result: Result) -> Iterator[Table]:
    """The table, a person at a time."""
    reference = _frame.reference_of(result)
    pairs = zip(result.tracks2d, result.tracks3d, strict=True)
    for track2d, track3d in sorted(pairs, key=lambda pair: pair[0].track_id):
        names = _keypoints(track3d.skeleton, track2d.skeleton)
        shape = (len(track3d), len(names))
        flat = np.full((*shape, 3), np.nan)
        for joint, name in enumerate(names):
            if name:
                keypoint = track2d.skeleton.index(name)
                flat[:, joint, :2] = track2d.keypoints[:, keypoint]
                flat[:, joint, 2] = track2d.scores[:, keypoint]
        points = _frame.positions(result, track3d, reference)
        columns: Table = {
            "frame": track3d.frames[:, None],
            "time_s": track2d.times_s[:, None],
            "track_id": np.array([[track3d.track_id]], np.int32),
            "joint": np.array([track3d.skeleton.joints]),
            **{f"{axis}_m": points[..., i] for i, axis in enumerate("xyz")},
            "reference": np.array([[reference]]),
            "confidence": track3d.confidence,
            "observed": track2d.observed[:, None],
            "keypoint": np.array([names]),
            "u_px": flat[..., 0],
            "v_px": flat[..., 1],
            "score": flat[..., 2],
        }
        whole = {key: np.broadcast_to(columns[key], shape).ravel() for key in COLUMNS}
        yield {
            key: np.where(np.isinf(c), np.nan, c) if c.dtype.kind == "f" else c
            for key, c in whole.items()
        }


def _keypoints(joints: Skeleton, keypoints: Skeleton) -> list[str]:
    """For each joint, the keypoint that marks it; "" where none does."""
    found = []
    for joint in joints.joints:
        side, _, part = joint.rpartition("_")
        other = f"{side}_{_SAME.get(part, part)}"
        found.append(next((n for n in (joint, other) if n in keypoints.joints), ""))
    return found
