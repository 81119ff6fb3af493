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

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz, skeletons
from vp3d_cli.keypoints import _source
from vp3d_cli.keypoints._rows import About, Rows, assemble, size_px
from vp3d_cli.types import Keypoints2D, Skeleton

DESCRIPTION = "VideoPose3D's dataset: data_2d_custom_*.npz (positions_2d, metadata)"

_SKELETONS = {"coco": "coco17", "h36m": "h36m17"}


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
    with _source.explained(path, "videopose3d"):
        with npz.opened(path) as archive:
            positions = _dictionary(archive, "positions_2d", path)
            metadata = _dictionary(archive, "metadata", path)
        skeleton = _skeleton(metadata)
        sequences = _sequences(positions)
        name = _source.choose(list(sequences), video)
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
            _source.provenance(path, "videopose3d", source={"name": name}),
        )


def _dictionary(archive: zipfile.ZipFile, key: str, path: Path) -> dict[Any, Any]:
    with _source.named(key):
        array = npz.read_objects(archive, key, path)
    value = array.item() if array.shape == () else None
    if not isinstance(value, dict):
        raise ValueError(f"{key}: expected a dictionary")
    return value


def _sequences(positions: dict[Any, Any]) -> dict[str, Any]:
    """The keypoints of each video by name: "input.mp4", or "S1/Walking 1/0" for cameras."""
    found: dict[str, Any] = {}
    for subject, actions in positions.items():
        if not isinstance(subject, str) or not isinstance(actions, dict):
            raise ValueError("positions_2d: expected dictionaries by name")
        for action, cameras in actions.items():
            if not isinstance(action, str) or not isinstance(cameras, list | tuple | np.ndarray):
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


def _skeleton(metadata: dict[Any, Any]) -> Skeleton:
    """The skeleton of the layout that the metadata name.

    Raises:
        ValueError: it is none of ours, or left and right are others than in ours.
    """
    layout = metadata.get("layout_name")
    if not isinstance(layout, str) or layout not in _SKELETONS:
        what = layout[:40] if isinstance(layout, str) else None
        raise ValueError(f"metadata: layout_name: expected coco or h36m, got {what!a}")
    skeleton = skeletons.get(_SKELETONS[layout])
    joints = metadata.get("num_joints", skeleton.num_joints)
    if not isinstance(joints, int | np.integer) or joints != skeleton.num_joints:
        raise ValueError(f"metadata: num_joints: expected {skeleton.num_joints} for {layout}")
    if "keypoints_symmetry" in metadata:
        order = np.arange(skeleton.num_joints)
        try:
            left, right = (np.array([int(i) for i in s]) for s in metadata["keypoints_symmetry"])
            order[left], order[right] = right, left
        except (IndexError, TypeError, ValueError) as error:
            raise ValueError("metadata: keypoints_symmetry: expected two lists") from error
        if order.tolist() != list(skeleton.flip_order):
            raise ValueError(f"metadata: keypoints_symmetry: is not that of {layout}")
    return skeleton


def _size(metadata: dict[Any, Any], name: str) -> tuple[int | None, int | None]:
    videos = metadata.get("video_metadata", {})
    size = videos.get(name) if isinstance(videos, dict) else None
    if not isinstance(size, dict):
        return None, None
    where = "metadata: video_metadata"
    return size_px(f"{where}: w", size.get("w")), size_px(f"{where}: h", size.get("h"))
