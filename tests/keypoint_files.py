"""Files of 2D keypoints as each tool writes them, from one scene: what the readers must give back.

Everything here is written down a second time, from the tools' documentation; nothing comes from
`vp3d_cli.keypoints`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT = 640, 480


@dataclass
class Someone:
    """A person in one frame: keypoints (17, 2) COCO-17 px, centres at +0.5; NaN where missing."""

    track_id: int
    keypoints: np.ndarray
    scores: np.ndarray
    score: float

    @property
    def tight_box(self) -> np.ndarray:
        """x0 y0 x1 y1 around the keypoints."""
        return np.concatenate([np.nanmin(self.keypoints, 0), np.nanmax(self.keypoints, 0)])

    @property
    def box(self) -> np.ndarray:
        """x0 y0 x1 y1, a little more than that, as detectors draw it."""
        return self.tight_box + np.array([-4, -4, 4, 4])


@dataclass
class Scene:
    """Who is in each frame of a video."""

    frames: list[list[Someone]] = field(default_factory=list)

    def rows(self) -> list[tuple[int, Someone]]:
        return [(i, someone) for i, people in enumerate(self.frames) for someone in people]


def _someone(rng: np.random.Generator, track_id: int, gaps: bool) -> Someone:
    keypoints = rng.uniform((20, 30), (WIDTH - 20, HEIGHT - 30), (17, 2)).round(2)
    scores = rng.uniform(0.2, 1, 17).round(3)
    if gaps:
        keypoints[[4, 16]], scores[[4, 16]] = np.nan, 0
    return Someone(track_id, keypoints, scores, round(float(rng.uniform(0.5, 1)), 3))


def two_people(length: int = 6) -> Scene:
    """One in all frames but frame 3, where nobody is, another in frames 2 and 4; some gaps."""
    rng = np.random.default_rng(0)
    scene = Scene([[_someone(rng, 1, i % 2 == 0)] for i in range(length)])
    for frame in (2, 4):
        scene.frames[frame].append(_someone(rng, 2, True))
    scene.frames[3] = []
    return scene


def one_person(length: int = 5) -> Scene:
    """The same person in every frame, every keypoint found."""
    rng = np.random.default_rng(1)
    return Scene([[_someone(rng, 1, False)] for _ in range(length)])


def nobody(length: int = 4) -> Scene:
    return Scene([[] for _ in range(length)])


def vp3d(folder: Path, scene: Scene) -> Path:
    rows = scene.rows()
    path = folder / "keypoints.npz"
    np.savez(
        path,
        frame=np.array([frame for frame, _ in rows], int),
        keypoints_2d=np.array([s.keypoints for _, s in rows]).reshape(-1, 17, 2),
        scores_2d=np.array([s.scores for _, s in rows]).reshape(-1, 17),
        boxes=np.array([s.box for _, s in rows]).reshape(-1, 4),
        box_scores=np.array([s.score for _, s in rows]),
        track_id=np.array([s.track_id for _, s in rows], int),
    )
    return path


def videopose3d(folder: Path, scene: Scene) -> Path:
    """`prepare_data_2d_custom.py`: one person, the whole video."""
    nothing = np.full((17, 2), np.nan)
    keypoints = [people[0].keypoints if people else nothing for people in scene.frames]
    symmetry = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]
    metadata = {
        "layout_name": "coco",
        "num_joints": 17,
        "keypoints_symmetry": symmetry,
        "video_metadata": {"input.mp4": {"w": WIDTH, "h": HEIGHT}},
    }
    positions = {"input.mp4": {"custom": [np.array(keypoints, np.float32)]}}
    path = folder / "data_2d_custom_mine.npz"
    np.savez_compressed(path, positions_2d=positions, metadata=metadata)
    return path


def videopose3d_detections(folder: Path, scene: Scene) -> Path:
    """`infer_video_d2.py`: Detectron's class lists."""
    boxes, keypoints = [], []
    for people in scene.frames:
        of_boxes: Any = [np.r_[s.box, s.score] for s in people]
        of_keypoints: Any = [np.stack([*s.keypoints.T, s.scores * 0, s.scores]) for s in people]
        boxes.append([[], np.array(of_boxes, np.float32) if people else []])
        keypoints.append([[], np.array(of_keypoints, np.float32) if people else []])
    path = folder / "input.mp4.npz"
    np.savez_compressed(
        path,
        boxes=np.array(boxes, object),
        segments=np.array([None] * len(scene.frames), object),
        keypoints=np.array(keypoints, object),
        metadata={"w": WIDTH, "h": HEIGHT},
    )
    return path


def _triplets(someone: Someone, offset: float, places: list[int], count: int) -> list[float]:
    """x, y, score of `count` keypoints, COCO's at `places`; what is missing is 0, 0, 0."""
    points = np.zeros((count, 3))
    points[places] = np.column_stack([someone.keypoints - offset, someone.scores])
    points[np.isnan(points).any(1)] = 0
    return points.ravel().tolist()


def coco(folder: Path, scene: Scene) -> Path:
    """COCO's results: indices of pixels."""
    entries = [
        {
            "image_id": frame,
            "category_id": 1,
            "keypoints": _triplets(s, 0.5, list(range(17)), 17),
            "bbox": [*s.box[:2].tolist(), *(s.box[2:] - s.box[:2]).tolist()],
            "score": s.score,
        }
        for frame, s in scene.rows()
    ]
    return _json(folder / "results.json", entries)


def alphapose(folder: Path, scene: Scene, count: int = 17) -> Path:
    """AlphaPose's results: indices of pixels, scores that are sums."""
    entries = [
        {
            "image_id": f"{frame}.jpg",
            "category_id": 1,
            "keypoints": _triplets(s, 0.5, list(range(17)), count),
            "score": s.score * 3.25,
            "box": [*s.box[:2].tolist(), *(s.box[2:] - s.box[:2]).tolist()],
            "idx": s.track_id,
        }
        for frame, s in scene.rows()
    ]
    return _json(folder / "alphapose-results.json", entries)


# Where nose, left eye, right eye, left ear, right ear, left shoulder ... are.
BODY_25 = [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]
COCO_18 = [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]
MEDIAPIPE = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]


def openpose(folder: Path, scene: Scene, places: list[int] = BODY_25, first: int = 0) -> Path:
    """OpenPose's folder: a file for every frame, continuous positions."""
    count = {id(BODY_25): 25, id(COCO_18): 18}[id(places)]
    path = folder / "json"
    path.mkdir()
    for frame, people in enumerate(scene.frames):
        content = {
            "version": 1.3,
            "people": [
                {
                    "person_id": [s.track_id],
                    "pose_keypoints_2d": _triplets(s, 0, places, count),
                    "face_keypoints_2d": [],
                }
                for s in people
            ],
        }
        _json(path / f"video_{frame + first:012d}_keypoints.json", content)
    return path


def mediapipe(folder: Path, scene: Scene) -> Path:
    """Our own layout for MediaPipe's landmarks: shares of the frame."""
    most = max([len(people) for people in scene.frames], default=0)
    landmarks = np.full((len(scene.frames), most, 33, 5), np.nan, np.float32)
    for frame, people in enumerate(scene.frames):
        for place, s in enumerate(people):
            landmarks[frame, place, MEDIAPIPE, :2] = s.keypoints / (WIDTH, HEIGHT)
            landmarks[frame, place, MEDIAPIPE, 3] = s.scores
    path = folder / "landmarks.npz"
    np.savez(path, landmarks=landmarks, width=WIDTH, height=HEIGHT, fps="30000/1001")
    return path


def _json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


@dataclass
class Format:
    """How a tool's file is made, and what such a file holds."""

    build: Callable[[Path, Scene], Path]
    several: bool = True
    scores: bool = True
    boxes: bool = True
    box_scores: bool = True
    track_ids: bool = True
    size: bool = True
    num_frames: bool = True


FORMATS = {
    "vp3d": Format(vp3d, size=False, num_frames=False),
    "videopose3d": Format(videopose3d, several=False, scores=False, boxes=False, box_scores=False),
    "videopose3d-detections": Format(videopose3d_detections, track_ids=False),
    "coco": Format(coco, track_ids=False, size=False, num_frames=False),
    "alphapose": Format(alphapose, size=False, num_frames=False),
    "openpose": Format(openpose, boxes=False, box_scores=False, size=False),
    "mediapipe": Format(mediapipe, boxes=False, box_scores=False, track_ids=False),
}
