"""The values that cross a doorway between two rooms of the pipeline (numpy only).

Axes: T frames, P people, J joints, B batch. The frames of reference:

- pixel: continuous, origin at the top-left corner of the upright frame, x right, y down,
  pixel centres at +0.5
- camera: metres, x right, y down, z forward, relative to the root joint
- world: metres, z up, floor at z = 0

Missing is NaN, never 0. Filled in by interpolation means `observed` is False. Scores rank;
they are not probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Double = NDArray[np.float64]
Real = NDArray[np.floating[Any]]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]
Image = NDArray[np.uint8]
Json = dict[str, Any]


def require_shape(name: str, array: NDArray[Any], shape: tuple[int | None, ...]) -> None:
    """Raise ValueError unless `array` has `shape`, where None stands for any size."""
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


@dataclass(frozen=True)
class Skeleton:
    """Named joints joined by edges.

    Attributes:
        name: as in the file name under `skeletons/`.
        joints: joint names; left and right partners differ only in `left_` / `right_`.
        edges: pairs of joint names, parent first.
        root: name of the joint that 3D positions are relative to; None for 2D skeletons.
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    root: str | None = None

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        return self.joints.index(joint)

    @cached_property
    def edge_indices(self) -> tuple[tuple[int, int], ...]:
        return tuple((self.index(a), self.index(b)) for a, b in self.edges)

    @cached_property
    def flip_order(self) -> tuple[int, ...]:
        """For each joint the index of its mirror partner (itself when it has none)."""
        return tuple(self.index(_mirror_name(joint)) for joint in self.joints)

    @cached_property
    def sides(self) -> tuple[str, ...]:
        """For each joint "left", "right" or "middle"."""
        return tuple(
            "left" if j.startswith("left_") else "right" if j.startswith("right_") else "middle"
            for j in self.joints
        )


def _mirror_name(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    if joint.startswith("right_"):
        return "left_" + joint.removeprefix("right_")
    return joint


@dataclass(frozen=True)
class VideoInfo:
    """What a video is, as seen upright.

    Attributes:
        path: the file.
        width, height: pixels after rotation and with square pixels.
        fps: average frame rate.
        num_frames: what the container promises; None where it does not say.
        rotation: degrees clockwise that the stored frames are turned to stand upright.
        duration_s: what the container promises; None where it does not say.
        has_audio: an audio stream exists.
        lens_mm: focal length on 35 mm film that gives the same picture; None where not told.
    """

    path: Path
    width: int
    height: int
    fps: Fraction
    num_frames: int | None = None
    rotation: int = 0
    duration_s: float | None = None
    has_audio: bool = False
    lens_mm: float | None = None


@dataclass(frozen=True)
class Frame:
    """One decoded frame: `image` (H, W, 3) uint8 BGR, upright; `time_s` presentation time."""

    index: int
    time_s: float
    image: Image

    def __post_init__(self) -> None:
        require_shape("image", self.image, (None, None, 3))


@dataclass(frozen=True)
class Detections:
    """The people found in one frame.

    Attributes:
        boxes: (P, 4) x0 y0 x1 y1, pixels.
        box_scores: (P,).
        keypoints: (P, J, 2) pixels.
        scores: (P, J).
    """

    boxes: Float
    box_scores: Float
    keypoints: Float
    scores: Float

    def __post_init__(self) -> None:
        require_shape("boxes", self.boxes, (None, 4))
        people, joints = self.scores.shape if self.scores.ndim == 2 else (len(self.boxes), None)
        require_shape("boxes", self.boxes, (people, 4))
        require_shape("box_scores", self.box_scores, (people,))
        require_shape("keypoints", self.keypoints, (people, joints, 2))
        require_shape("scores", self.scores, (people, joints))

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, rows: Any) -> Detections:
        """The people at `rows` (indices or mask), in that order."""
        return Detections(
            self.boxes[rows], self.box_scores[rows], self.keypoints[rows], self.scores[rows]
        )

    @staticmethod
    def empty(num_joints: int) -> Detections:
        return Detections(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, num_joints, 2), np.float32),
            np.zeros((0, num_joints), np.float32),
        )


@dataclass(frozen=True)
class Keypoints2D:
    """The people of a video in 2D, as a file holds them. N rows, one per person per frame.

    Attributes:
        frames: (N,) frame indices from 0, ascending.
        people: N rows, in the same order.
        skeleton: names of the keypoints.
        track_ids: (N,) who it is, each once a frame; None where the file does not say.
        width, height: pixels of the frames; None where the file does not say.
        fps: frame rate; None where the file does not say.
        num_frames: length of the video, frames without people included; None where unknown.
        provenance: JSON: format, file name, SHA-256, what the file says about its origin.
        frames_read: (F,) indices of the frames that were read, ascending, whether or not anybody
            was there; None where the file does not say: all of the video.
        times_s: (F,) presentation times of those, seconds; with `frames_read`, or not at all.
        looked_at: (F,) False where people were not looked for; with `frames_read`. None: True.
    """

    frames: Int
    people: Detections
    skeleton: Skeleton
    track_ids: Int | None = None
    width: int | None = None
    height: int | None = None
    fps: Fraction | None = None
    num_frames: int | None = None
    provenance: Json = field(default_factory=dict)
    frames_read: Int | None = None
    times_s: Double | None = None
    looked_at: Bool | None = None

    def __post_init__(self) -> None:
        rows = len(self.people)
        require_shape("frames", self.frames, (rows,))
        require_shape("keypoints", self.people.keypoints, (rows, self.skeleton.num_joints, 2))
        if np.any(np.diff(self.frames) < 0) or np.any(self.frames < 0):
            raise ValueError("frames: expected ascending indices from 0")
        if self.track_ids is not None:
            require_shape("track_ids", self.track_ids, (rows,))
        if (self.frames_read is None) != (self.times_s is None):
            raise ValueError("frames_read and times_s: expected both or neither")
        if self.frames_read is not None and self.times_s is not None:
            require_shape("times_s", self.times_s, self.frames_read.shape)
            if np.any(np.diff(self.frames_read) <= 0):
                raise ValueError("frames_read: expected ascending indices")
            seen = self.frames_read
            if self.looked_at is not None:
                require_shape("looked_at", self.looked_at, seen.shape)
                seen = seen[self.looked_at]
            if not np.isin(self.frames, seen).all():
                raise ValueError("frames: expected some of frames_read that were looked at")
        elif self.looked_at is not None:
            raise ValueError("looked_at: expected with frames_read")


@dataclass(frozen=True)
class Span:
    """A part of a video, the `number`th of `count` from 0; an end that is None is the video's."""

    number: int
    count: int
    start_s: float | None
    end_s: float | None


@dataclass(frozen=True)
class DetectorOptions:
    """What a detector may need to know: each reads what concerns it.

    Attributes:
        device: "cpu", "cuda", "cuda:1".
        keypoints: the file that `precomputed` reads.
        size: pixels of the picture that the detector sees: of the shorter side for Mask R-CNN,
            of the longer one for movenet; its own default where None.
        crop: look only around people who were there a moment ago; see `detect._following`.
        max_people: the best this many people of a frame are enough; all where None.
        half: half precision, on a GPU.
    """

    device: str = "cpu"
    keypoints: Path | None = None
    size: int | None = None
    crop: bool = False
    max_people: int | None = None
    half: bool = False


class Detector(Protocol):
    """Finds people and their 2D keypoints in one frame.

    A file in `detect/` defines `build(options: DetectorOptions) -> Detector`. `skeleton` is the
    order of `Detections.keypoints`. `describe` is stored in the result: name, weights with
    hashes, thresholds.
    """

    @property
    def skeleton(self) -> Skeleton: ...

    def describe(self) -> Json: ...

    def detect(self, frame: Frame) -> Detections: ...


@runtime_checkable
class BatchDetector(Detector, Protocol):
    """A detector that looks at several frames in less time together, as a GPU does."""

    @property
    def batch_size(self) -> int: ...

    def detect_batch(self, frames: Sequence[Frame]) -> list[Detections]: ...


@runtime_checkable
class RememberingDetector(Detector, Protocol):
    """A detector to which earlier frames matter; it is told when another video begins."""

    def forget(self) -> None: ...


@dataclass(frozen=True)
class Track2D:
    """One person's keypoints over consecutive frames.

    Attributes:
        track_id: from 1.
        frames: (T,) consecutive frame indices.
        times_s: (T,) presentation times.
        boxes: (T, 4) pixels.
        keypoints: (T, J, 2) pixels.
        scores: (T, J); 0 where the person was looked for and not found.
        observed: (T,) False where the frame was filled in by interpolation.
        skeleton: names of the J keypoints.
    """

    track_id: int
    frames: Int
    times_s: Double
    boxes: Float
    keypoints: Float
    scores: Float
    observed: Bool
    skeleton: Skeleton

    def __post_init__(self) -> None:
        length, joints = len(self.frames), self.skeleton.num_joints
        require_shape("times_s", self.times_s, (length,))
        require_shape("boxes", self.boxes, (length, 4))
        require_shape("keypoints", self.keypoints, (length, joints, 2))
        require_shape("scores", self.scores, (length, joints))
        require_shape("observed", self.observed, (length,))
        if length == 0 or np.any(np.diff(self.frames) != 1):
            raise ValueError("frames: expected a non-empty run of consecutive indices")

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class Track3D:
    """One person's 3D joints, row by row beside the `Track2D` of the same id.

    Attributes:
        track_id: from 1.
        frames: (T,) frame indices.
        joints: (T, J, 3) metres, camera axes, relative to the root joint; in faithful results as
            predicted, with the root joint near the origin.
        confidence: (T, J) 0 to 1.
        skeleton: names of the J joints.
        root: (T, 3) the root joint in the camera frame, metres; NaN where unknown.
    """

    track_id: int
    frames: Int
    joints: Float
    confidence: Float
    skeleton: Skeleton
    root: Float

    def __post_init__(self) -> None:
        length, joints = len(self.frames), self.skeleton.num_joints
        require_shape("joints", self.joints, (length, joints, 3))
        require_shape("confidence", self.confidence, (length, joints))
        require_shape("root", self.root, (length, 3))

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with its centre in the middle of the frame.

    Attributes:
        focal_px: focal length in pixels of the upright frame.
        how: where the number comes from, for the result's metadata.
    """

    focal_px: float
    how: str


@dataclass(frozen=True)
class Result:
    """Everything known about one video: what the pose file holds.

    `tracks2d` and `tracks3d` pair up by position. `provenance` is JSON: version, source hash,
    detector, lifter, options. It holds no clock times, so that equal runs give equal bytes.
    """

    video: VideoInfo
    camera: Camera
    tracks2d: tuple[Track2D, ...]
    tracks3d: tuple[Track3D, ...]
    provenance: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        pairs = list(zip(self.tracks2d, self.tracks3d, strict=False))
        if len(self.tracks2d) != len(self.tracks3d) or any(
            a.track_id != b.track_id or not np.array_equal(a.frames, b.frames) for a, b in pairs
        ):
            raise ValueError("tracks2d and tracks3d: expected the same ids and frames in order")
        if len({track.track_id for track in self.tracks2d}) != len(pairs):
            raise ValueError("tracks2d: expected every id once")
        if len({(a.skeleton, b.skeleton) for a, b in pairs}) > 1:
            raise ValueError("tracks: expected one 2D and one 3D skeleton for all")

    @property
    def num_rows(self) -> int:
        return sum(len(track) for track in self.tracks2d)
