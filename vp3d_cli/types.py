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

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vp3d_cli.skeletons._base import Skeleton as Skeleton

Float = NDArray[np.float32]
Double = NDArray[np.float64]
Real = NDArray[np.floating[Any]]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]
Image = NDArray[np.uint8]
Json = dict[str, Any]

# Of the histogram of a person's clothes.
NUM_COLOURS = 24


_Table = TypeVar("_Table", "Detections", "Track2D", "Track3D")


def require_shape(name: str, array: NDArray[Any], shape: tuple[int | None, ...]) -> None:
    """Raise ValueError unless `array` has `shape`, where None stands for any size."""
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


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
        colours: (P, NUM_COLOURS) histograms of the clothes, which sum to 1; NaN where they cannot
            be seen, or where None is given.
    """

    boxes: Float
    box_scores: Float
    keypoints: Float
    scores: Float
    colours: Float = None  # type: ignore[assignment]  # filled in below

    def __post_init__(self) -> None:
        require_shape("boxes", self.boxes, (None, 4))
        people, joints = self.scores.shape if self.scores.ndim == 2 else (len(self.boxes), None)
        require_shape("boxes", self.boxes, (people, 4))
        require_shape("box_scores", self.box_scores, (people,))
        require_shape("keypoints", self.keypoints, (people, joints, 2))
        require_shape("scores", self.scores, (people, joints))
        _fill(self, colours=np.full((people, NUM_COLOURS), np.nan, np.float32))
        require_shape("colours", self.colours, (people, NUM_COLOURS))

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, rows: Any) -> Detections:
        """The people at `rows` (indices or mask), in that order."""
        return _rows(self, rows)

    @staticmethod
    def empty(num_joints: int) -> Detections:
        return Detections(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, num_joints, 2), np.float32),
            np.zeros((0, num_joints), np.float32),
        )

    @staticmethod
    def concatenated(parts: Sequence[Detections]) -> Detections:
        """The people of all parts, of which there is at least one."""
        names = (f.name for f in fields(Detections))
        return Detections(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


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
        cuts: (F,) True where another shot begins; with `frames_read`. None where nobody looked.
        drift: (F,) how far the background moved since the frame before, in frame diagonals; NaN
            where it cannot be said; with `frames_read`. None where nobody looked.
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
    cuts: Bool | None = None
    drift: Float | None = None

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
        for name in ("cuts", "drift"):
            if (column := getattr(self, name)) is not None:
                read = self.frames_read
                require_shape(name, column, (0 if read is None else len(read),))


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
        at_risk: (T,) True where somebody else was so close that the two may be mixed up; False
            where None is given.
    """

    track_id: int
    frames: Int
    times_s: Double
    boxes: Float
    keypoints: Float
    scores: Float
    observed: Bool
    skeleton: Skeleton
    at_risk: Bool = None  # type: ignore[assignment]  # filled in below

    def __post_init__(self) -> None:
        length, joints = len(self.frames), self.skeleton.num_joints
        _fill(self, at_risk=np.zeros(length, bool))
        require_shape("at_risk", self.at_risk, (length,))
        require_shape("times_s", self.times_s, (length,))
        require_shape("boxes", self.boxes, (length, 4))
        require_shape("keypoints", self.keypoints, (length, joints, 2))
        require_shape("scores", self.scores, (length, joints))
        require_shape("observed", self.observed, (length,))
        if length == 0 or np.any(np.diff(self.frames) != 1):
            raise ValueError("frames: expected a non-empty run of consecutive indices")

    def __len__(self) -> int:
        return len(self.frames)

    def rows(self, rows: Any) -> Track2D:
        """A part of it."""
        return _rows(self, rows)


@dataclass(frozen=True)
class Track3D:
    """One person's 3D joints, row by row beside the `Track2D` of the same id.

    The last four are NaN, or False, where None is given.

    Attributes:
        track_id: from 1.
        frames: (T,) frame indices.
        joints: (T, J, 3) metres, camera axes, relative to the root joint; in faithful results as
            predicted, with the root joint near the origin.
        confidence: (T, J) 0 to 1.
        skeleton: names of the J joints.
        root: (T, 3) the root joint in the camera frame, metres; NaN where unknown.
        raw: (T, J, 3) joints as the lifter gave them: neither smoothed nor of constant bones.
        spread: (T, J) metres between the lifter's answers to the picture and to its mirror image.
        residual_px: (T,) root mean square distance of the joints, projected into the picture,
            from the keypoints, pixels.
        contacts: (T, 2) the left and the right foot stand on the ground.
    """

    track_id: int
    frames: Int
    joints: Float
    confidence: Float
    skeleton: Skeleton
    root: Float
    raw: Float = None  # type: ignore[assignment]  # filled in below, and so are those that follow
    spread: Float = None  # type: ignore[assignment]
    residual_px: Float = None  # type: ignore[assignment]
    contacts: Bool = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        length, joints = len(self.frames), self.skeleton.num_joints
        _fill(
            self,
            raw=np.full((length, joints, 3), np.nan, np.float32),
            spread=np.full((length, joints), np.nan, np.float32),
            residual_px=np.full(length, np.nan, np.float32),
            contacts=np.zeros((length, 2), bool),
        )
        require_shape("joints", self.joints, (length, joints, 3))
        require_shape("confidence", self.confidence, (length, joints))
        require_shape("root", self.root, (length, 3))
        require_shape("raw", self.raw, (length, joints, 3))
        require_shape("spread", self.spread, (length, joints))
        require_shape("residual_px", self.residual_px, (length,))
        require_shape("contacts", self.contacts, (length, 2))

    def __len__(self) -> int:
        return len(self.frames)

    def rows(self, rows: Any) -> Track3D:
        """A part of it."""
        return _rows(self, rows)


def _rows(value: _Table, rows: Any) -> _Table:
    """Some rows of all arrays of a dataclass."""
    columns = {field.name: getattr(value, field.name) for field in fields(value)}
    chosen = {k: column[rows] for k, column in columns.items() if isinstance(column, np.ndarray)}
    return replace(value, **chosen)


def _fill(value: object, **defaults: NDArray[Any]) -> None:
    """Give the fields of a frozen dataclass that are None a value."""
    for name, default in defaults.items():
        if getattr(value, name) is None:
            object.__setattr__(value, name, default)


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
class World:
    """Where the ground is: how camera coordinates become those of the world.

    Attributes:
        camera_to_world: (4, 4) takes a point in camera axes, metres, to the world: z up, floor at
            0, origin on the floor below the camera, y where the camera looks. NaN: unknown.
        how: a sentence that says where it comes from, or why it is unknown.
    """

    camera_to_world: Double
    how: str

    def __post_init__(self) -> None:
        require_shape("camera_to_world", self.camera_to_world, (4, 4))

    @staticmethod
    def unknown(why: str) -> World:
        return World(np.full((4, 4), np.nan), why)

    @property
    def is_known(self) -> bool:
        return bool(np.isfinite(self.camera_to_world).all())

    def of(self, track: Track3D) -> Float:
        """The joints (T, J, 3) of a track in the world, metres; NaN where unknown."""
        turn, shift = self.camera_to_world[:3, :3], self.camera_to_world[:3, 3]
        points = track.joints.astype(np.float64) + track.root[:, None]
        return np.asarray(points @ turn.T + shift, np.float32)


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
    world: World = field(default_factory=lambda: World.unknown("not estimated"))

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

    # Values know no room: the one that knows the formats is found by name.
    def to_dataframe(self) -> Any:
        """A pandas table with a row per person, frame and joint; see `export._table`."""
        return importlib.import_module("vp3d_cli.notebook").dataframe(self)

    def _repr_html_(self) -> str:
        return str(importlib.import_module("vp3d_cli.notebook").summary(self))
