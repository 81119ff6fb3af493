"""MediaPipe's 33 pose landmarks, in an NPZ of our own: MediaPipe itself writes no files.

- `landmarks` (F, 33, C) of one person, or (F, P, 33, C) of up to P people a frame; NaN where
  nobody or nothing was found, so that all frames have one shape. C is 2 to 5, in MediaPipe's
  order: x, y, z, visibility, presence. z and presence are not looked at; without visibility the
  scores are 1.
- `width`, `height`: pixels of the frames
- optional: `normalised` (or `normalized`), bool: x and y are shares of width and height, as
  MediaPipe gives them; else pixels. Without it, they are shares.
- optional: `fps`, a number or text such as "30000/1001"

Every frame of the video has a row. One person is track 1; places among several mean nothing.

    rows = [[[m.x, m.y, m.z, m.visibility] for m in person] for person in result.pose_landmarks]

Pixels. Shares run from the left edge to the right, so times the width they are continuous, with
centres at +0.5; given as pixels they must be, too.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz, skeletons, sources
from vp3d_cli.keypoints._rows import About, Rows, assemble, fraction, size_px
from vp3d_cli.types import Keypoints2D

DESCRIPTION = "MediaPipe's 33 landmarks in an NPZ: landmarks (F, [P,] 33, 2 to 5), width, height"

LANDMARKS = (
    "nose",
    *("left_eye_inner", "left_eye", "left_eye_outer"),
    *("right_eye_inner", "right_eye", "right_eye_outer"),
    *("left_ear", "right_ear", "mouth_left", "mouth_right"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    *("left_heel", "right_heel", "left_foot_index", "right_foot_index"),
)
_VISIBILITY = 3
# MediaPipe guesses where limbs are beyond the frame, but never this many frames away.
_FARTHEST_SHARE = 10
_OPTIONAL = ("normalised", "normalized", "fps")


def recognise(path: Path) -> bool:
    """Whether it is an archive with landmarks."""
    return "landmarks" in npz.keys(path)


def read(path: Path, video: str | None = None) -> Keypoints2D:
    """Read the landmarks that COCO-17 has, too; `video` is not looked at.

    Raises:
        DataError: it is malformed; see the module.
    """
    with sources.explained(path, "mediapipe"):
        arrays = _read(path)
        width, height = (size_px(side, arrays[side]) for side in ("width", "height"))
        landmarks = _landmarks(arrays["landmarks"])
        scale = (width, height) if _are_shares(arrays, landmarks) else (1, 1)
        skeleton = skeletons.get("coco17")
        order = [LANDMARKS.index(joint) for joint in skeleton.joints]
        num_frames, num_people = landmarks.shape[:2]
        rows = landmarks[:, :, order].reshape(-1, skeleton.num_joints, landmarks.shape[-1])
        visible = (
            rows[..., _VISIBILITY] if rows.shape[-1] > _VISIBILITY else np.ones(rows.shape[:2])
        )
        alone = arrays["landmarks"].ndim == 3
        return assemble(
            Rows(
                frames=np.repeat(np.arange(num_frames), num_people),
                keypoints=rows[..., :2] * np.array(scale),
                scores=visible,
                track_ids=np.ones(num_frames, int) if alone else None,
            ),
            skeleton,
            About(width, height, _fps(arrays.get("fps")), num_frames),
            sources.provenance(path, "mediapipe"),
        )


def _read(path: Path) -> dict[str, NDArray[Any]]:
    arrays = {}
    with npz.opened(path) as archive:
        held = npz.keys(path)
        for key in ("landmarks", "width", "height", *(k for k in _OPTIONAL if k in held)):
            with sources.named(key):
                arrays[key] = npz.read_array(archive, key, npz.max_bytes(path))
    return arrays


def _landmarks(array: NDArray[Any]) -> NDArray[Any]:
    """Landmarks (F, P, 33, C)."""
    count = len(LANDMARKS)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"landmarks: expected numbers, got {array.dtype}")
    if array.ndim not in (3, 4) or array.shape[-2] != count or not 2 <= array.shape[-1] <= 5:
        raise ValueError(f"landmarks: expected shape (F, [P,] {count}, 2 to 5), got {array.shape}")
    return array[:, None] if array.ndim == 3 else array


def _are_shares(arrays: dict[str, NDArray[Any]], landmarks: NDArray[Any]) -> bool:
    """Whether x and y are shares of the frame.

    Raises:
        ValueError: they cannot be what the file says.
    """
    flag = arrays.get("normalised", arrays.get("normalized", np.array(True)))
    if flag.shape != () or flag.dtype.kind != "b":
        raise ValueError("normalised: expected one bool")
    positions = landmarks[..., :2]
    known = np.abs(positions[np.isfinite(positions)].astype(np.float64))
    if flag and known.max(initial=0) > _FARTHEST_SHARE:
        raise ValueError(
            f"landmarks: {known.max():.4g} is no share of the frame; "
            "save normalised=False beside pixels"
        )
    if not flag and len(known) and known.max() <= 1:
        raise ValueError(
            "landmarks: all are within one pixel; save normalised=True beside shares of the frame"
        )
    return bool(flag)


def _fps(array: NDArray[Any] | None) -> Fraction | None:
    if array is None:
        return None
    if array.shape != ():
        raise ValueError("fps: expected one number or text")
    if array.dtype.kind == "U":
        return fraction("fps", array.item())
    if array.dtype.kind not in "fiu" or not 1e-3 <= array <= 1e6:
        raise ValueError("fps: expected a frame rate")
    return Fraction(float(array)).limit_denominator(1001)
