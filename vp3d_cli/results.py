"""Read a pose file (see `vp3d_cli.pose_file`) without trusting it.

Nothing in the file is executed, and no array is read before its claimed type, shape and size
fit.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz, registry, skeletons
from vp3d_cli.errors import DataError, one_line
from vp3d_cli.pose_file import COLUMNS, KEYS, LATER, RESERVED, SCHEMA, Table, column_shape
from vp3d_cli.types import Camera, Json, Result, Skeleton, Track2D, Track3D, VideoInfo, World

_MAX_TEXT_BYTES = 16 << 20
_MAX_SIDE_PX = 1 << 16
_MAX_JOINTS = 1000
_ROUNDING = 1e-3


def load_result(path: Path | str) -> Result:
    """Read a pose file.

    `VideoInfo.path` is the name of the source file without its folder. World joints are
    checked, but a `Result` holds the camera's place in the world instead.

    Raises:
        DataError: it cannot be read, is no pose file, is damaged, or contradicts itself.
    """
    path = Path(path)
    try:
        with npz.opened(path) as archive:
            return _read(path, archive)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(
            f"{path}: is not a pose file (.npz), or is damaged ({one_line(error)}); "
            "give a file that vp3d wrote, or write it again"
        ) from error


def _read(path: Path, archive: zipfile.ZipFile) -> Result:
    _check_schema(path, archive)
    meta = _parse_meta(path, _read_text(path, archive, "meta"))
    with _explained(path, "meta"):
        video, camera = _video(meta["video"]), _camera(meta["camera"])
        skeleton_2d, skeleton_3d = _skeleton(meta["skeleton_2d"]), _skeleton(meta["skeleton_3d"])
        how = meta.get("world", {"how": "not estimated"})["how"]
        _expect(isinstance(how, str), "world.how", "text", how)
    frames = _read_array(path, archive, "frame", np.int32, (None,))
    columns = {"frame": frames}
    held = set(archive.namelist())
    for key, (dtype, _) in COLUMNS.items():
        if key != "frame" and not (key in LATER and f"{key}.npy" not in held):
            shape = (len(frames), *column_shape(key, skeleton_2d, skeleton_3d))
            columns[key] = _read_array(path, archive, key, dtype, shape)
    to_world = _read_array(path, archive, "camera_to_world", np.float64, (4, 4))
    _check_values(path, {**columns, "camera_to_world": to_world})
    pairs = [_tracks(rows, skeleton_2d, skeleton_3d) for rows in _runs(path, columns)]
    return Result(
        video=video,
        camera=camera,
        tracks2d=tuple(track2d for track2d, _ in pairs),
        tracks3d=tuple(track3d for _, track3d in pairs),
        provenance={key: value for key, value in meta.items() if key not in RESERVED},
        world=World(to_world, how),
    )


def _check_schema(path: Path, archive: zipfile.ZipFile) -> None:
    held = set(archive.namelist())
    if "schema.npy" not in held:
        raise DataError(
            f"{path}: is not a pose file: it has no 'schema'. "
            "If it holds 2D keypoints: vp3d infer VIDEO --detector precomputed --keypoints FILE"
        )
    schema = _read_text(path, archive, "schema")
    if schema != SCHEMA:
        newer = re.fullmatch(r"vp3d\.pose/[1-9]\d*", schema)
        what_next = "a newer vp3d wrote it; upgrade vp3d" if newer else "it is no pose file"
        raise DataError(f"{path}: schema: expected {SCHEMA!r}, got {schema[:40]!r}: {what_next}")
    if missing := [key for key in KEYS if key not in LATER and f"{key}.npy" not in held]:
        raise DataError(f"{path}: {', '.join(missing)} missing; write the pose file again")


def _read_text(path: Path, archive: zipfile.ZipFile, key: str) -> str:
    return str(_read_array(path, archive, key, np.str_, ()).item())


def _read_array(
    path: Path,
    archive: zipfile.ZipFile,
    key: str,
    dtype: type[np.generic],
    shape: tuple[int | None, ...],
) -> NDArray[Any]:
    """One member, its header compared with what is expected before any value is read."""
    limit = _MAX_TEXT_BYTES if dtype is np.str_ else npz.max_bytes(path)
    with _explained(path, key):
        return npz.read_array(
            archive, key, limit, lambda claimed, found: _check_header(claimed, found, dtype, shape)
        )


def _check_header(
    claimed_shape: tuple[int, ...],
    claimed: np.dtype[Any],
    dtype: type[np.generic],
    shape: tuple[int | None, ...],
) -> None:
    if claimed.type is not dtype or not claimed.isnative:
        raise ValueError(f"expected {np.dtype(dtype)}, got {claimed}")
    fits = len(claimed_shape) == len(shape) and all(
        want in (None, got) for got, want in zip(claimed_shape, shape, strict=True)
    )
    if not fits:
        wanted = str(shape).replace("None", "N")
        raise ValueError(f"expected shape {wanted}, got {claimed_shape}")


@contextlib.contextmanager
def _explained(path: Path, key: str) -> Iterator[None]:
    """Turn what goes wrong while reading `key` into a DataError that names it."""
    try:
        yield
    except KeyError as error:
        what = f"{one_line(error, 80)} is missing"
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        what = one_line(error)
    else:
        return
    raise DataError(f"{path}: {key}: {what}; write the pose file again")


def _parse_meta(path: Path, text: str) -> Json:
    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is not JSON")

    with _explained(path, "meta"):
        meta = json.loads(text, parse_constant=refuse)
        if not isinstance(meta, dict):
            raise ValueError("expected a JSON object")
        json.dumps(meta, allow_nan=False)  # 1e999 parses as infinity
        return meta


def _expect(holds: bool, key: str, wanted: str, got: object) -> None:
    if not holds:
        raise ValueError(f"{key}: expected {one_line(wanted, 80)}, got {one_line(got, 80)}")


def _is_count(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high  # a bool is an int, but no count


def _video(meta: Json) -> VideoInfo:
    for side in ("width", "height"):
        _expect(_is_count(meta[side], 1, _MAX_SIDE_PX), f"video.{side}", "pixels", meta[side])
    # Fraction() would also take "1e999999999", and work on it for ever.
    fps = re.fullmatch(r"[1-9]\d{0,11}/[1-9]\d{0,11}", str(meta["fps"]), re.ASCII)
    _expect(fps is not None, "video.fps", 'a fraction such as "30000/1001"', meta["fps"])
    count, duration_s, rotation = meta["num_frames"], meta["duration_s"], meta["rotation"]
    _expect(count is None or _is_count(count, 0, 1 << 31), "video.num_frames", "a count", count)
    lasts = type(duration_s) in (int, float) and duration_s >= 0
    _expect(duration_s is None or lasts, "video.duration_s", "seconds", duration_s)
    upright = _is_count(rotation, 0, 270) and rotation % 90 == 0
    _expect(upright, "video.rotation", "0, 90, 180 or 270", rotation)
    _expect(type(meta["has_audio"]) is bool, "video.has_audio", "true or false", meta["has_audio"])
    _expect(isinstance(meta["name"], str), "video.name", "a file name", meta["name"])
    return VideoInfo(
        path=Path(Path(meta["name"]).name),
        width=meta["width"],
        height=meta["height"],
        fps=Fraction(str(meta["fps"])),
        num_frames=count,
        rotation=rotation,
        duration_s=duration_s,
        has_audio=meta["has_audio"],
    )


def _camera(meta: Json) -> Camera:
    focal_px, how = meta["focal_px"], meta["how"]
    known = type(focal_px) in (int, float) and focal_px > 0
    _expect(known or focal_px is None, "camera.focal_px", "pixels", focal_px)
    _expect(isinstance(how, str), "camera.how", "text", how)
    return Camera(float(focal_px) if known else math.nan, how)


def _skeleton(meta: Json) -> Skeleton:
    name, joints, edges, root = (meta[key] for key in ("name", "joints", "edges", "root"))
    _expect(isinstance(name, str), "skeleton name", "text", name)
    named = isinstance(joints, list) and all(isinstance(joint, str) for joint in joints)
    named = named and 0 < len(joints) == len(set(joints)) <= _MAX_JOINTS
    _expect(named, "skeleton joints", "names", joints)
    joined = isinstance(edges, list) and all(
        isinstance(edge, list) and len(edge) == 2 and all(joint in joints for joint in edge)
        for edge in edges[: _MAX_JOINTS + 1]
    )
    joined = joined and len(edges) <= _MAX_JOINTS
    _expect(joined, "skeleton edges", "pairs of its joints", edges)
    _expect(root is None or root in joints, "skeleton root", "one of its joints", root)
    skeleton = Skeleton(name, tuple(joints), tuple((a, b) for a, b in edges), root)
    # Code that knows a skeleton by its name knows the order of its joints by heart.
    same = name not in registry.names("skeletons") or skeletons.get(name).joints == skeleton.joints
    _expect(same, "skeleton joints", f"those of {name}", joints)
    return skeleton


def _check_values(path: Path, arrays: Table) -> None:
    with _explained(path, "values"):
        for key, array in arrays.items():
            if array.dtype.kind == "f":
                _expect(not np.isinf(array).any(), key, "numbers or NaN", "infinity")
        _expect(not np.isnan(arrays["time_s"]).any(), "time_s", "numbers", "NaN")
        for key, low in (("frame", 0), ("track_id", 1)):
            least = arrays[key].min(initial=low)
            _expect(least >= low, key, f"nothing below {low}", least)
        confidence = arrays["confidence_3d"]
        outside = confidence[(confidence < -_ROUNDING) | (confidence > 1 + _ROUNDING)]
        _expect(not len(outside), "confidence_3d", "0 to 1", outside)


def _runs(path: Path, columns: Table) -> Iterator[Table]:
    """The rows of one track after the other."""
    ids, frames = columns["track_id"], columns["frame"]
    new_track = np.diff(ids) != 0
    if np.any(np.diff(ids) < 0) or np.any(np.diff(frames)[~new_track] != 1):
        raise DataError(
            f"{path}: expected rows sorted by track_id, then frame, every frame of a track "
            "once; write the pose file again"
        )
    starts = np.flatnonzero(np.concatenate([[True], new_track]))[: len(ids)]
    for start, stop in zip(starts, [*starts[1:], len(ids)], strict=False):
        yield {key: column[start:stop] for key, column in columns.items()}


def _tracks(rows: Table, skeleton_2d: Skeleton, skeleton_3d: Skeleton) -> tuple[Track2D, Track3D]:
    track_id = int(rows["track_id"][0])
    track2d = Track2D(
        track_id=track_id,
        frames=rows["frame"],
        times_s=rows["time_s"],
        boxes=rows["boxes"],
        keypoints=rows["keypoints_2d"],
        scores=rows["scores_2d"],
        observed=rows["observed"],
        skeleton=skeleton_2d,
        **_later(rows, at_risk="identity_risk"),
    )
    track3d = Track3D(
        track_id=track_id,
        frames=rows["frame"],
        joints=rows["joints_3d"],
        confidence=rows["confidence_3d"],
        skeleton=skeleton_3d,
        root=rows["root_camera"],
        **_later(rows, raw="joints_3d_raw", residual_px="residual_px", contacts="foot_contacts"),
    )
    return track2d, track3d


def _later(rows: Table, **keys: str) -> dict[str, Any]:
    """Fields by their key, of those that the file has."""
    return {name: rows[key] for name, key in keys.items() if key in rows}
