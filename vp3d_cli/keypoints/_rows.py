"""Rows as a format gives them: checked, completed and sorted into `Keypoints2D`."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli.overlap import box_around
from vp3d_cli.types import (
    NUM_COLOURS,
    Bool,
    Detections,
    Float,
    Json,
    Keypoints2D,
    Skeleton,
    require_shape,
)

_log = logging.getLogger(__name__)

MAX_SIDE_PX = 1 << 16
_MAX_INT32 = (1 << 31) - 1


@dataclass(frozen=True)
class Rows:
    """One row per person per frame, in any order. N rows, J joints of the skeleton.

    Attributes:
        frames: (N,) integers from 0.
        keypoints: (N, J, 2) pixels; NaN where missing; rows of nothing are nobody.
        scores: (N, J); NaN only where the keypoint is.
        boxes: (N, 4) x0 y0 x1 y1; around the keypoints where NaN.
        box_scores: (N,); 1 where the file does not say.
        track_ids: (N,) integers, each once a frame; None where the file does not say.
        colours: (N, NUM_COLOURS), see `Detections`.
    """

    frames: NDArray[Any]
    keypoints: NDArray[Any]
    scores: NDArray[Any]
    boxes: NDArray[Any] | None = None
    box_scores: NDArray[Any] | None = None
    track_ids: NDArray[Any] | None = None
    colours: NDArray[Any] | None = None

    def columns(self) -> dict[str, NDArray[Any] | None]:
        """The arrays under their names in our files."""
        return {
            "frame": self.frames,
            "keypoints_2d": self.keypoints,
            "scores_2d": self.scores,
            "boxes": self.boxes,
            "box_scores": self.box_scores,
            "track_id": self.track_ids,
            "colours": self.colours,
        }

    def select(self, keep: Bool) -> Rows:
        """The rows where `keep` is true."""
        columns = (
            None if column is None else column[keep]
            for column in (self.boxes, self.box_scores, self.track_ids, self.colours)
        )
        return Rows(self.frames[keep], self.keypoints[keep], self.scores[keep], *columns)


@dataclass(frozen=True)
class About:
    """What a file says about its video; see `Keypoints2D`."""

    width: int | None = None
    height: int | None = None
    fps: Fraction | None = None
    num_frames: int | None = None


def assemble(rows: Rows, skeleton: Skeleton, about: About, provenance: Json) -> Keypoints2D:
    """Check rows and make them `Keypoints2D`, sorted by frame, then track id.

    Raises:
        ValueError: a shape, a type or a value is not as `Rows` says.
    """
    check_shapes(rows, skeleton)
    rows = rows.select(~np.isnan(rows.keypoints).any(-1).all(-1))
    frames = _integers("frame", rows.frames)
    track_ids = None if rows.track_ids is None else _integers("track_id", rows.track_ids)
    _check_once(frames, track_ids)
    if track_ids is not None and (shift := 1 - int(track_ids.min(initial=1))) > 0:
        track_ids = _integers("track_id", track_ids + shift)
        provenance = {**provenance, "track_ids": f"those of the file plus {shift}"}
    keypoints = _floats("keypoints_2d", rows.keypoints)
    missing = np.asarray(np.isnan(keypoints).any(-1))
    keypoints[missing] = np.nan
    scores = _scores(rows.scores, missing)
    ones = np.ones(len(frames))
    box_scores = _floats("box_scores", ones if rows.box_scores is None else rows.box_scores)
    if np.isnan(box_scores).any():
        raise ValueError(f"box_scores: NaN in frame {frames[np.isnan(box_scores)][0]}")
    boxes = _boxes(rows.boxes, keypoints, scores)
    scores, box_scores = _within_0_and_1(provenance["file"], scores, box_scores)
    unseen = np.full((len(frames), NUM_COLOURS), np.nan)
    colours = _floats("colours", unseen if rows.colours is None else rows.colours)
    order = np.lexsort((np.arange(len(frames)) if track_ids is None else track_ids, frames))
    last = int(frames.max(initial=-1))
    if about.num_frames is not None and last >= about.num_frames:
        raise ValueError(f"frame {last}: the file says that there are {about.num_frames} frames")
    return Keypoints2D(
        frames=frames[order].astype(np.int32),
        people=Detections(boxes, box_scores, keypoints, scores, colours).select(order),
        skeleton=skeleton,
        track_ids=None if track_ids is None else track_ids[order].astype(np.int32),
        provenance=provenance,
        **vars(about),
    )


def check_shapes(rows: Rows, skeleton: Skeleton) -> None:
    """Raise ValueError unless all columns fit each other, the skeleton and their types."""
    count, joints = len(np.atleast_1d(rows.frames)), skeleton.num_joints
    shapes = {
        "frame": (count,),
        "keypoints_2d": (count, joints, 2),
        "scores_2d": (count, joints),
        "boxes": (count, 4),
        "box_scores": (count,),
        "track_id": (count,),
        "colours": (count, NUM_COLOURS),
    }
    for key, array in rows.columns().items():
        if array is None:
            continue
        require_shape(key, array, shapes[key])
        whole = key in ("frame", "track_id")
        if array.dtype.kind not in ("iu" if whole else "fiu"):
            wanted = "integers" if whole else "numbers"
            raise ValueError(f"{key}: expected {wanted}, got {array.dtype}")


def _integers(key: str, values: NDArray[Any]) -> NDArray[np.int64]:
    """A copy that fits 32 bits.

    Raises:
        ValueError: a value does not, or a frame is negative.
    """
    least = 0 if key == "frame" else -_MAX_INT32
    if len(values) and values.min() < least:
        raise ValueError(f"{key}: expected {least} or more, got {values.min()}")
    if len(values) and values.max() > _MAX_INT32:
        raise ValueError(f"{key}: expected {_MAX_INT32} or less, got {values.max()}")
    return values.astype(np.int64)


def _check_once(frames: NDArray[Any], track_ids: NDArray[Any] | None) -> None:
    if track_ids is None:
        return
    people, counts = np.unique(np.stack([frames, track_ids], 1), axis=0, return_counts=True)
    if (counts > 1).any():
        twice = people[counts.argmax()]
        raise ValueError(f"track_id {twice[1]} is twice in frame {twice[0]}")


def _floats(key: str, values: NDArray[Any]) -> Float:
    """A copy as float32.

    Raises:
        ValueError: a value is infinite, or too large for float32.
    """
    with np.errstate(over="ignore"):
        floats = values.astype(np.float32)
    if np.isinf(floats).any():
        raise ValueError(f"{key}: expected numbers or NaN, got infinity")
    return floats


def _scores(values: NDArray[Any], missing: Bool) -> Float:
    """Scores (N, J), 0 where the keypoint is missing.

    Raises:
        ValueError: a value is infinite, or a keypoint has no score.
    """
    scores = _floats("scores_2d", values)
    if (unscored := np.isnan(scores) & ~missing).any():
        row, joint = np.argwhere(unscored)[0]
        raise ValueError(f"scores_2d[{row}, {joint}]: is NaN, but its keypoint is not")
    return np.where(missing, np.float32(0), scores)


def _boxes(given: NDArray[Any] | None, keypoints: Float, scores: Float) -> Float:
    """Boxes (N, 4): the given ones, else tight around the keypoints with a score."""
    around = [
        box_around(points, sure if (sure := of_it > 0).any() else ~sure)
        for points, of_it in zip(keypoints, scores, strict=True)
    ]
    tight = np.array(around, np.float32).reshape(-1, 4)
    if given is None:
        return tight
    boxes = _floats("boxes", given)
    return np.where(np.isfinite(boxes).all(-1, keepdims=True), boxes, tight)


def _within_0_and_1(name: str, *scores: Float) -> list[Float]:
    """Scores clipped to what scores are, with one warning where some were not."""
    outside = sum(int(((s < 0) | (s > 1)).sum()) for s in scores)
    if outside:
        _log.warning("%s: %d scores are not within 0 and 1; taken as 0 or 1", name, outside)
    return [np.clip(s, 0, 1) for s in scores]


def size_px(key: str, value: Any) -> int:
    """A width or height.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value.item()
    if isinstance(value, float | np.floating) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not 1 <= value <= MAX_SIDE_PX:
        what = value if whole else type(value).__name__
        raise ValueError(f"{key}: expected 1 to {MAX_SIDE_PX} pixels, got {what}")
    return int(value)


def fraction(key: str, value: Any) -> Fraction:
    """A frame rate from text such as "30000/1001".

    Raises:
        ValueError: it is none.
    """
    # Fraction() would also take "1e999999999", and work on it for ever.
    if not re.fullmatch(r"[1-9]\d{0,11}(/[1-9]\d{0,11})?", str(value)[:40], re.ASCII):
        raise ValueError(
            f'{key}: expected a fraction such as "30000/1001", got {str(value)[:40]!a}'
        )
    return Fraction(str(value))
