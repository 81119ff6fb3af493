"""Our own 2D files, anybody's NPZ of the same arrays, and the 2D half of pose files.

One row per person per frame, in any order:

- `frame` (N,) integers from 0
- `keypoints_2d` (N, J, 2) pixels, origin at the top-left corner, centres at +0.5; NaN where a
  keypoint is missing; rows of nothing are ignored
- `scores_2d` (N, J) 0 to 1; NaN only where the keypoint is
- optional: `boxes` (N, 4) x0 y0 x1 y1, `box_scores` (N,), `track_id` (N,) integers, `observed`
  (N,) bool; rows not observed are ignored
- optional: `frames_read` (F,) indices of the frames that were read, ascending, and with it
  `times_s` (F,), when those are shown, seconds, and perhaps `looked_at` (F,) bool, False where
  people were not looked for
- optional, written by vp3d: `colours` of people's clothes, see `Detections`; `cuts` (F,) and
  `drift` (F,) of the picture, with `frames_read`, see `Keypoints2D`
- optional: `schema`, text: "vp3d.keypoints/1" or "vp3d.pose/1"
- optional: `meta`, a JSON object. `skeleton_2d` names the skeleton, which is COCO-17 without
  `meta`. `video` may hold `name`, `width`, `height`, `fps` (a fraction such as "30000/1001") and
  `num_frames`. The rest is the origin of the keypoints: version, source, detector, options.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz, skeletons, sources
from vp3d_cli.errors import Vp3dError
from vp3d_cli.keypoints._rows import About, Rows, assemble, check_shapes, fraction, size_px
from vp3d_cli.types import Bool, Json, Keypoints2D, Skeleton, require_shape

DESCRIPTION = "vp3d's own: an NPZ with frame, keypoints_2d and scores_2d, or a pose file"
SCHEMA = "vp3d.keypoints/1"
# What `write` fills in; the rest of `meta` is the provenance.
RESERVED = ("video", "skeleton_2d")

_NEEDED = ("frame", "keypoints_2d", "scores_2d")
_OPTIONAL = (
    "boxes", "box_scores", "track_id", "observed", "frames_read", "times_s", "looked_at",
    "colours", "cuts", "drift",
)  # fmt: skip
# How the picture changes: what only vp3d writes, and the kind of numbers.
_SCENE = {"cuts": "b", "drift": "f"}
_POSE_FILE = "vp3d.pose/1"
_MAX_TEXT_BYTES = 16 << 20

Arrays = dict[str, NDArray[Any]]


def recognise(path: Path) -> bool:
    """Whether it is an archive with any of the arrays that are needed."""
    return not npz.keys(path).isdisjoint(_NEEDED)


def read(path: Path, video: str | None = None) -> Keypoints2D:
    """Read the observed rows; `video` is not looked at, since there is one.

    Raises:
        DataError: it is malformed; see the module.
    """
    with sources.explained(path, "vp3d"):
        with npz.opened(path) as archive:
            arrays = _read(path, archive, npz.keys(path))
            meta = _meta(arrays)
        skeleton = _skeleton(meta)
        about = _about(meta)
        rows, observed = _rows(arrays)
        check_shapes(rows, skeleton)
        rows = rows.select(observed)
        if about.num_frames is not None and str(arrays.get("schema", "")) == _POSE_FILE:
            # What a container promises, not what was counted.
            longest = max(about.num_frames, int(rows.frames.max(initial=-1)) + 1)
            about = replace(about, num_frames=longest)
        told = sources.provenance(path, "vp3d", **_told(meta))
        return _timed(assemble(rows, skeleton, about, told), arrays)


def write(keypoints: Keypoints2D, path: Path) -> None:
    """Write a file of schema `vp3d.keypoints/1`; equal keypoints give equal bytes.

    The name of the video is that of `source` in the provenance, `{"name", "sha256"}`.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
        ValueError: the provenance uses a reserved key.
    """
    people = keypoints.people
    columns: Arrays = {
        "frame": keypoints.frames.astype(np.int32),
        "boxes": people.boxes,
        "box_scores": people.box_scores,
        "keypoints_2d": people.keypoints,
        "scores_2d": people.scores,
    }
    for key, column in columns.items():
        if column.dtype.kind == "f":  # a position that overflowed is not known
            columns[key] = np.where(np.isinf(column), np.nan, column).astype(np.float32)
    if keypoints.track_ids is not None:
        columns["track_id"] = keypoints.track_ids.astype(np.int32)
    if keypoints.frames_read is not None and keypoints.times_s is not None:
        columns["frames_read"] = keypoints.frames_read.astype(np.int32)
        columns["times_s"] = keypoints.times_s.astype(np.float64)
    if np.isfinite(people.colours).any():
        columns["colours"] = people.colours
    for key in ("looked_at", *_SCENE):
        if (column := getattr(keypoints, key)) is not None:
            columns[key] = column
    meta = json.dumps(_metadata(keypoints), sort_keys=True, allow_nan=False)
    npz.write(path, {"schema": np.array(SCHEMA), "meta": np.array(meta), **columns})


def _metadata(keypoints: Keypoints2D) -> Json:
    if clash := set(RESERVED) & set(keypoints.provenance):
        raise ValueError(f"provenance: {sorted(clash)} are filled in from the keypoints")
    source, fps, skeleton = keypoints.provenance.get("source"), keypoints.fps, keypoints.skeleton
    return {
        **keypoints.provenance,
        "video": {
            "name": source.get("name") if isinstance(source, dict) else None,
            "width": keypoints.width,
            "height": keypoints.height,
            "fps": None if fps is None else f"{fps.numerator}/{fps.denominator}",
            "num_frames": keypoints.num_frames,
        },
        "skeleton_2d": {
            "name": skeleton.name,
            "joints": list(skeleton.joints),
            "edges": [list(edge) for edge in skeleton.edges],
            "root": skeleton.root,
        },
    }


def _read(path: Path, archive: zipfile.ZipFile, held: frozenset[str]) -> Arrays:
    """Every array of ours in the file.

    Raises:
        ValueError: one is missing or damaged, or the schema is another's.
    """
    if missing := [key for key in _NEEDED if key not in held]:
        has = sources.listed(sorted(held))
        raise ValueError(f"{', '.join(missing)} missing; the file has {has}")
    arrays: Arrays = {}
    for key in ("schema", "meta", *_NEEDED, *_OPTIONAL):
        if key in held:
            most = _MAX_TEXT_BYTES if key in ("schema", "meta") else npz.max_bytes(path)
            with sources.named(key):
                arrays[key] = npz.read_array(archive, key, most)
    schema = str(arrays.get("schema", SCHEMA))
    if schema.startswith("vp3d.") and schema not in (SCHEMA, _POSE_FILE):
        raise ValueError(f"schema: expected {SCHEMA}, got {schema[:40]!a}; upgrade vp3d")
    return arrays


def _meta(arrays: Arrays) -> Json | None:
    """The `meta` object; None where there is none."""

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is not JSON")

    if "meta" not in arrays:
        return None
    with sources.named("meta"):
        try:
            meta = json.loads(str(arrays["meta"]), parse_constant=refuse)
            json.dumps(meta, allow_nan=False)  # 1e999 parses as infinity
        except RecursionError:
            raise ValueError("is nested too deeply") from None
        if not isinstance(meta, dict) or not isinstance(meta.get("video", {}), dict):
            raise ValueError("expected a JSON object, and its video to be one")
    return meta


def _skeleton(meta: Json | None) -> Skeleton:
    """The skeleton that `meta` names; COCO-17 without it.

    Raises:
        ValueError: it is none of ours.
    """
    if meta is None:
        return skeletons.get("coco17")
    try:
        named = meta["skeleton_2d"]
        skeleton = skeletons.get(str(named["name"]))
    except (KeyError, TypeError, Vp3dError) as error:
        raise ValueError(f"meta: names no known skeleton_2d: {error}") from error
    if named.get("joints", list(skeleton.joints)) != list(skeleton.joints):
        raise ValueError(f"meta: skeleton_2d: its joints are not those of {skeleton.name}")
    return skeleton


def _about(meta: Json | None) -> About:
    """What `meta` says about the video.

    Raises:
        ValueError: it is no size, frame rate or count.
    """
    video = (meta or {}).get("video", {})
    width, height = (
        None if video.get(side) is None else size_px(f"meta: video.{side}", video[side])
        for side in ("width", "height")
    )
    count = video.get("num_frames")
    if count is not None and not (type(count) is int and 0 <= count < 1 << 31):
        raise ValueError("meta: video.num_frames: expected a count")
    fps = video.get("fps")
    return About(width, height, None if fps is None else fraction("meta: video.fps", fps), count)


def _told(meta: Json | None) -> Json:
    """`source`, and as `origin` all else that is not in the fields of `Keypoints2D`."""
    origin = {key: value for key, value in (meta or {}).items() if key not in RESERVED}
    name = (meta or {}).get("video", {}).get("name")
    source = origin.pop("source", None if name is None else {"name": name})
    return {"source": source, "origin": origin or None}


def _timed(keypoints: Keypoints2D, arrays: Arrays) -> Keypoints2D:
    """With the frames that were read, where the file has them.

    Raises:
        ValueError: they are no ascending frames from 0, or not all have a time.
    """
    if not {"frames_read", "times_s", "looked_at", *_SCENE} & arrays.keys():
        return keypoints
    if "frames_read" not in arrays or "times_s" not in arrays:
        raise ValueError("frames_read and times_s: expected both or neither")
    frames, times_s = arrays["frames_read"], arrays["times_s"]
    for key, array, kinds in (("frames_read", frames, "iu"), ("times_s", times_s, "fiu")):
        require_shape(key, array, (len(np.atleast_1d(frames)),))
        if array.dtype.kind not in kinds or not np.isfinite(array).all():
            raise ValueError(f"{key}: expected finite numbers, got {array.dtype}")
    if len(frames) and not 0 <= frames.min() <= frames.max() < 1 << 31:
        raise ValueError(f"frames_read: expected indices from 0, got {frames.min()}")
    looked_at = arrays.get("looked_at")
    if looked_at is not None and looked_at.dtype.kind != "b":
        raise ValueError(f"looked_at: expected bool, got {looked_at.dtype}")
    scene: dict[str, Any] = {key: arrays[key] for key in _SCENE if key in arrays}
    for key, column in scene.items():
        require_shape(key, column, frames.shape)
        if column.dtype.kind != _SCENE[key] or np.isinf(column).any():
            raise ValueError(f"{key}: expected other values than of {column.dtype}")
    if "drift" in scene:
        scene["drift"] = scene["drift"].astype(np.float32)
    return replace(
        keypoints,
        frames_read=frames.astype(np.int32),
        times_s=times_s.astype(np.float64),
        looked_at=looked_at,
        **scene,
    )


def _rows(arrays: Arrays) -> tuple[Rows, Bool]:
    """The rows, and which of them were observed."""
    observed = arrays.get("observed", np.ones(len(np.atleast_1d(arrays["frame"])), bool))
    require_shape("observed", observed, (len(np.atleast_1d(arrays["frame"])),))
    if observed.dtype.kind != "b":
        raise ValueError(f"observed: expected bool, got {observed.dtype}")
    rows = Rows(
        frames=arrays["frame"],
        keypoints=arrays["keypoints_2d"],
        scores=arrays["scores_2d"],
        boxes=arrays.get("boxes"),
        box_scores=arrays.get("box_scores"),
        track_ids=arrays.get("track_id"),
        colours=arrays.get("colours"),
    )
    return rows, observed
