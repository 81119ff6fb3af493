"""One subject doing one thing, seen by one camera."""

from __future__ import annotations

from dataclasses import dataclass

from vp3d_cli.datasets.cameras import DatasetCamera
from vp3d_cli.types import Float, Skeleton, require_shape

SPACES = ("camera", "world")


@dataclass(frozen=True)
class Sequence:
    """What a lifter learns from, and is measured with. T frames.

    Attributes:
        subject: who; sequences are split by subject, never by frames.
        action: what; its first word is the action that errors are averaged over.
        camera: which view, with its calibration where that is known.
        fps: frames a second.
        width, height: of the picture, pixels.
        skeleton_in: of the keypoints.
        keypoints: (T, J, 2) pixels, NaN where missing; None where there is only 3D.
        scores: (T, J) 0 to 1; None where the data set has none.
        skeleton_out: of the joints; None without them.
        joints: (T, K, 3) metres in camera axes, absolute (not relative to the root); None for
            unlabelled sequences.
        space: of the joints: "camera", or "world" (z up) for motion capture that no camera saw.
        keypoints_at, joints_at: for messages: file and key that they were read from.
    """

    subject: str
    action: str
    camera: DatasetCamera | None
    fps: float
    width: int
    height: int
    skeleton_in: Skeleton | None = None
    keypoints: Float | None = None
    scores: Float | None = None
    skeleton_out: Skeleton | None = None
    joints: Float | None = None
    space: str = "camera"
    keypoints_at: str = ""
    joints_at: str = ""

    def __post_init__(self) -> None:
        if self.keypoints is None and self.joints is None:
            raise ValueError("keypoints, joints: expected one of them at least")
        if (self.keypoints is None) != (self.skeleton_in is None):
            raise ValueError("keypoints and skeleton_in: expected both or neither")
        if (self.joints is None) != (self.skeleton_out is None):
            raise ValueError("joints and skeleton_out: expected both or neither")
        if self.space not in SPACES:
            raise ValueError(f"space: expected camera or world, got {self.space!a}")
        if self.space == "world" and (self.keypoints is not None or self.camera is not None):
            raise ValueError("space: joints that a camera saw are in camera axes")
        if self.keypoints is not None and self.skeleton_in is not None:
            joints_in = self.skeleton_in.num_joints
            require_shape("keypoints", self.keypoints, (len(self), joints_in, 2))
            if self.scores is not None:
                require_shape("scores", self.scores, (len(self), joints_in))
        if self.joints is not None and self.skeleton_out is not None:
            require_shape("joints", self.joints, (len(self), self.skeleton_out.num_joints, 3))

    def __len__(self) -> int:
        known = self.keypoints if self.keypoints is not None else self.joints
        return 0 if known is None else len(known)

    @property
    def name(self) -> str:
        """For people: subject, action, view."""
        view = "" if self.camera is None else f", {self.camera.name}"
        return f"{self.subject} {self.action}{view}"
