"""The table that a pose file holds, schema `vp3d.pose/1`: what every export format starts from.

One row per person per frame, sorted by track, then frame. `vp3d_cli.results` reads it back.

`meta` is one JSON object. Five of its keys come from the result's own fields: `video`,
`camera`, `world`, `skeleton_2d`, `skeleton_3d`. All others are `Result.provenance`, kept as they
are:

- `version`: of vp3d
- `source`: `{"name": file name without folder, "sha256": hex}`
- `num_frames_read`: frames decoded, fewer than `video.num_frames` if the file is truncated
- `detector`: what its `describe()` said, and why it was chosen
- `lifter`: name, SHA-256, skeleton, and why it was chosen
- `options`: every option that changes the numbers; with `faithful` joints are as predicted, their
  root too
- `keypoints`: file name, format and SHA-256, where the 2D came from a file
- `warnings`: sentences, as printed
- `same_person`: lists of track ids that are of one person, who was gone in between; `repaired`: of
  how many frames of a track left and right were put back; `cuts`: first frames of other shots
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import skeletons
from vp3d_cli.types import Json, Result, Skeleton

SCHEMA = "vp3d.pose/1"
RESERVED = ("video", "camera", "world", "skeleton_2d", "skeleton_3d")

# Key: type, and shape after the rows, where K and J are the joints of the 2D and 3D skeletons.
COLUMNS: dict[str, tuple[type[np.generic], tuple[int | str, ...]]] = {
    "frame": (np.int32, ()),
    "time_s": (np.float64, ()),
    "track_id": (np.int32, ()),
    "boxes": (np.float32, (4,)),
    "keypoints_2d": (np.float32, ("K", 2)),
    "scores_2d": (np.float32, ("K",)),
    "observed": (np.bool_, ()),
    "joints_3d": (np.float32, ("J", 3)),
    "confidence_3d": (np.float32, ("J",)),
    "root_camera": (np.float32, (3,)),
    "joints_world": (np.float32, ("J", 3)),
    "joints_3d_raw": (np.float32, ("J", 3)),
    "residual_px": (np.float32, ()),
    "foot_contacts": (np.bool_, (2,)),
    "identity_risk": (np.bool_, ()),
}
# Files of the first versions do not have them.
LATER = ("joints_3d_raw", "residual_px", "foot_contacts", "identity_risk")
KEYS = ("schema", "meta", *COLUMNS, "camera_to_world")

Table = dict[str, NDArray[Any]]


def skeletons_of(result: Result) -> tuple[Skeleton, Skeleton]:
    """The 2D and the 3D skeleton of all tracks; COCO-17 and Human3.6M-17 if there are none.

    Raises:
        ValueError: the tracks do not share one pair of skeletons.
    """
    tracks = zip(result.tracks2d, result.tracks3d, strict=True)
    pairs = list(dict.fromkeys((a.skeleton, b.skeleton) for a, b in tracks))
    if len(pairs) > 1:
        raise ValueError(f"tracks: expected one pair of skeletons, got {len(pairs)}")
    return pairs[0] if pairs else (skeletons.get("coco17"), skeletons.get("h36m17"))


def metadata(result: Result) -> Json:
    """The `meta` object: JSON values without NaN, provenance at the top level.

    Raises:
        ValueError: the tracks differ in skeleton, or provenance uses a reserved key.
    """
    if clash := set(RESERVED) & set(result.provenance):
        raise ValueError(f"provenance: {sorted(clash)} are filled in from the result")
    video, focal_px = result.video, float(result.camera.focal_px)
    skeleton_2d, skeleton_3d = skeletons_of(result)
    return {
        **result.provenance,
        "video": {
            "name": video.path.name,
            "width": video.width,
            "height": video.height,
            "fps": f"{video.fps.numerator}/{video.fps.denominator}",
            "num_frames": video.num_frames,
            "rotation": video.rotation,
            "duration_s": video.duration_s,
            "has_audio": video.has_audio,
        },
        "camera": {
            "focal_px": focal_px if math.isfinite(focal_px) else None,
            "how": result.camera.how,
        },
        "world": {"how": result.world.how},
        "skeleton_2d": _skeleton_to_json(skeleton_2d),
        "skeleton_3d": _skeleton_to_json(skeleton_3d),
    }


def table(result: Result) -> Table:
    """Every array of the pose file, by key, in the order of `KEYS`."""
    skeleton_2d, skeleton_3d = skeletons_of(result)
    parts = list(track_columns(result))
    columns = {}
    for key, (dtype, _) in COLUMNS.items():
        none = np.zeros((0, *column_shape(key, skeleton_2d, skeleton_3d)), dtype)
        columns[key] = np.concatenate([none, *(part[key] for part in parts)], dtype=dtype)
    meta = json.dumps(metadata(result), sort_keys=True, allow_nan=False)
    return {
        "schema": np.array(SCHEMA),
        "meta": np.array(meta),
        **columns,
        "camera_to_world": result.world.camera_to_world.astype(np.float64),
    }


def track_columns(result: Result) -> Iterator[Table]:
    """The columns of one track after the other, by track id.

    What a `Result` does not hold is NaN. So is infinity: a position that overflowed is not
    known.
    """
    pairs = zip(result.tracks2d, result.tracks3d, strict=True)
    for track2d, track3d in sorted(pairs, key=lambda pair: pair[0].track_id):
        columns: Table = {
            "frame": track2d.frames,
            "time_s": track2d.times_s,
            "track_id": np.full(len(track2d), track2d.track_id, np.int32),
            "boxes": track2d.boxes,
            "keypoints_2d": track2d.keypoints,
            "scores_2d": track2d.scores,
            "observed": track2d.observed,
            "joints_3d": track3d.joints,
            "confidence_3d": track3d.confidence,
            "root_camera": track3d.root,
            "joints_world": result.world.of(track3d),
            "joints_3d_raw": track3d.raw,
            "residual_px": track3d.residual_px,
            "foot_contacts": track3d.contacts,
            "identity_risk": track2d.at_risk,
        }
        for key, column in columns.items():
            if column.dtype.kind == "f":
                columns[key] = np.where(np.isinf(column), np.nan, column)
        yield columns


def column_shape(key: str, skeleton_2d: Skeleton, skeleton_3d: Skeleton) -> tuple[int, ...]:
    """The shape of one row of a column."""
    sizes = {"K": skeleton_2d.num_joints, "J": skeleton_3d.num_joints}
    return tuple(sizes[size] if isinstance(size, str) else size for size in COLUMNS[key][1])


def _skeleton_to_json(skeleton: Skeleton) -> Json:
    return {
        "name": skeleton.name,
        "joints": list(skeleton.joints),
        "edges": [list(edge) for edge in skeleton.edges],
        "root": skeleton.root,
    }
