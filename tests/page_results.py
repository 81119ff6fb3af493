"""Results and clips that the HTML page is tested with."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.factories import make_track2d, make_video
from vp3d_cli import skeletons
from vp3d_cli.types import Camera, Double, Float, Result, Track2D, Track3D, World

# A standing person, metres, z up; the knees are bent by `bend`.
_STANDING = {
    "hip": (0, 0, 0.95), "right_hip": (0.13, 0, 0.95), "right_knee": (0.13, -0.02, 0.5),
    "right_foot": (0.13, 0, 0.05), "left_hip": (-0.13, 0, 0.95), "left_knee": (-0.13, -0.02, 0.5),
    "left_foot": (-0.13, 0, 0.05), "spine": (0, 0, 1.2), "thorax": (0, 0, 1.45),
    "neck": (0, -0.03, 1.55), "head": (0, -0.03, 1.7), "left_shoulder": (-0.17, 0, 1.42),
    "left_elbow": (-0.22, 0, 1.15), "left_wrist": (-0.24, -0.05, 0.9),
    "right_shoulder": (0.17, 0, 1.42), "right_elbow": (0.22, 0, 1.15),
    "right_wrist": (0.24, -0.05, 0.9),
}  # fmt: skip
_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # world axes to the camera's
_EYE_M = 1.5


def walking(
    num_people: int = 3,
    length: int = 40,
    times: Double | None = None,
    size: tuple[int, int] = (160, 120),
    noise_m: float = 0.0,
) -> Result:
    """People who cross the picture side by side, 4 m away, in a known world."""
    times = np.arange(length) / 25 if times is None else times
    tracks2d, tracks3d = [], []
    to_world = np.eye(4)
    to_world[:3, :3], to_world[2, 3] = _UP.T, _EYE_M
    camera = Camera(float(max(size)), "told")
    for number in range(num_people):
        joints = _steps(number, num_people, times, noise_m)
        seen = (joints - [0, 0, _EYE_M]) @ _UP.T
        keypoints = seen[..., :2] / seen[..., 2:] * camera.focal_px + np.array(size) / 2
        track = make_track2d(number + 1, length, skeleton=skeletons.get("h36m17"))
        tracks2d.append(
            Track2D(
                track_id=number + 1,
                frames=track.frames,
                times_s=times,
                boxes=np.concatenate([keypoints.min(1), keypoints.max(1)], 1).astype(np.float32),
                keypoints=keypoints.astype(np.float32),
                scores=np.full(keypoints.shape[:2], 0.9, np.float32),
                observed=np.arange(length) % 20 != 13,
                skeleton=track.skeleton,
            )
        )
        root = seen[:, 0].astype(np.float32)
        tracks3d.append(
            Track3D(
                track_id=number + 1,
                frames=track.frames,
                joints=(seen - root[:, None]).astype(np.float32),
                confidence=np.full(keypoints.shape[:2], 0.8, np.float32),
                skeleton=track.skeleton,
                root=root,
            )
        )
    info = make_video(
        width=size[0], height=size[1], fps=Fraction(25), num_frames=length, rotation=0
    )
    return Result(
        info, camera, tuple(tracks2d), tuple(tracks3d), {"num_frames_read": length},
        World(to_world, "told"),
    )  # fmt: skip


def _steps(number: int, count: int, times: Double, noise_m: float) -> Float:
    """Joints (T, 17, 3) of one person in the world, metres."""
    joints = skeletons.get("h36m17").joints
    pose = np.array([_STANDING[joint] for joint in joints])
    moved = np.repeat(pose[None], len(times), 0)
    phase = 2 * np.pi * times[:, None] + number
    for side, sign in (("left", 1), ("right", -1)):
        swing = 0.25 * np.sin(phase + (0 if sign > 0 else np.pi))
        moved[:, joints.index(f"{side}_knee"), 1] += 0.5 * swing[:, 0]
        moved[:, joints.index(f"{side}_foot"), 1] += swing[:, 0]
        moved[:, joints.index(f"{side}_wrist"), 1] -= swing[:, 0]
    moved[..., 0] += 1.0 * (number - (count - 1) / 2) + 0.3 * np.sin(times)[:, None]
    moved[..., 1] += 4.0
    rng = np.random.default_rng([7, number])
    return np.asarray(moved + rng.normal(0, noise_m, moved.shape), np.float32)


def write_clip(path: Path, times: Double, size: tuple[int, int] = (160, 120)) -> None:
    """A video whose frame i is a plain grey of 40 + 4 i, shown at the time given, H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000, options={"crf": "4", "bf": "0"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for i, time_s in enumerate(times):
            image = np.full((size[1], size[0], 3), 40 + 4 * i, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = round(1000 * time_s), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
