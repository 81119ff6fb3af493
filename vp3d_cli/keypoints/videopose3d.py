"""VideoPose3D's 2D datasets: `data_2d_custom_NAME.npz`, and `data_2d_h36m_*.npz`.

`positions_2d` is {video name: {"custom": [(F, J, 2) pixels]}}: every frame of the video, one
person, gaps filled before. `metadata` names the layout, "coco" (17 keypoints) or "h36m" (17), and
the size of each video. Scores are not in the file: they are 1. A third column of numbers, as the
oldest files have, is taken for them.

A file holds several videos: `video` chooses, "input" or "input.mp4". For Human3.6M it is subject,
action and camera: "S1/Walking 1/0".

These are pickled dictionaries: they are read without executing them.

Pixels. Detectron's, continuous with centres at +0.5: taken as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz, sources
from vp3d_cli.keypoints._rows import About, Rows, assemble, size_px
from vp3d_cli.types import Keypoints2D, Skeleton
from vp3d_cli.videopose3d_files import dictionary, is_list, skeleton_of

DESCRIPTION = "VideoPose3D's dataset: data_2d_custom_*.npz (positions_2d, metadata)"


HOLDS_SEVERAL = True


def recognise(path: Path) -> bool:
    """Whether it is an archive with positions_2d."""
    return "positions_2d" in npz.keys(path)


def read(path: Path, video: str | None = None) -> Keypoints2D:
    """Read the one person of one video.

    Args:
        path: the file.
        video: its name, where the file holds several.

    Raises:
        DataError: it is malformed, or `video` does not choose one; see the module.
    """
    with sources.explained(path, "videopose3d"):
        with npz.opened(path) as archive:
            positions = dictionary(archive, "positions_2d", path)
            metadata = dictionary(archive, "metadata", path)
        skeleton = skeleton_of(metadata)
        sequences = _sequences(positions)
        name = sources.choose(list(sequences), video)
        points = _checked(sequences[name], name, skeleton)
        scores = points[..., 2] if points.shape[-1] == 3 else np.ones(points.shape[:2])
        width, height = _size(metadata, name)
        count = len(points)
        return assemble(
            Rows(
                frames=np.arange(count),
                keypoints=points[..., :2],
                scores=np.where(np.isnan(points).any(-1), 0, scores),
                track_ids=np.ones(count, int),
            ),
            skeleton,
            About(width=width, height=height, num_frames=count),
            sources.provenance(path, "videopose3d", source={"name": name}),
        )


def _sequences(positions: dict[Any, Any]) -> dict[str, Any]:
    """The keypoints of each video by name: "input.mp4", or "S1/Walking 1/0" for cameras."""
    found: dict[str, Any] = {}
    for subject, actions in positions.items():
        if not isinstance(subject, str) or not isinstance(actions, dict):
            raise ValueError("positions_2d: expected dictionaries by name")
        for action, cameras in actions.items():
            if not isinstance(action, str) or not is_list(cameras):
                raise ValueError(f"positions_2d: {subject[:80]!a}: expected lists of arrays")
            lone = list(actions) == ["custom"] and len(cameras) == 1
            for camera, points in enumerate(cameras):
                found[subject if lone else f"{subject}/{action}/{camera}"] = points
    return found


def _checked(points: Any, name: str, skeleton: Skeleton) -> NDArray[Any]:
    """Keypoints (F, J, 2 or 3)."""
    where = f"positions_2d: {name[:80]!a}"
    if not isinstance(points, np.ndarray) or points.dtype.kind not in "fiu":
        raise ValueError(f"{where}: expected an array of numbers")
    if points.ndim != 3 or points.shape[1] != skeleton.num_joints or points.shape[2] not in (2, 3):
        wanted = f"(F, {skeleton.num_joints}, 2)"
        raise ValueError(f"{where}: expected shape {wanted}, got {points.shape}")
    return points


def _size(metadata: dict[Any, Any], name: str) -> tuple[int | None, int | None]:
    videos = metadata.get("video_metadata", {})
    size = videos.get(name) if isinstance(videos, dict) else None
    if not isinstance(size, dict):
        return None, None
    where = "metadata: video_metadata"
    return size_px(f"{where}: w", size.get("w")), size_px(f"{where}: h", size.get("h"))
