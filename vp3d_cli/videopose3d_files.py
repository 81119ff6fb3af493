"""What all files of VideoPose3D share: NPZ archives of pickled dictionaries, and named layouts."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli import npz, skeletons, sources
from vp3d_cli.types import Skeleton

_SKELETONS = {"coco": "coco17", "h36m": "h36m17", "humaneva15": "humaneva15"}


def dictionary(archive: zipfile.ZipFile, key: str, path: Path) -> dict[Any, Any]:
    """The dictionary of one member; nothing in it is executed.

    Raises:
        ValueError: it is missing, damaged, something else, or holds more than data.
    """
    with sources.named(key):
        array = npz.read_objects(archive, key, path)
    value = array.item() if array.shape == () else None
    if not isinstance(value, dict):
        raise ValueError(f"{key}: expected a dictionary")
    return value


def is_list(value: Any) -> bool:
    """Whether it has a length: an array of no dimensions has none."""
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def skeleton_of(metadata: dict[Any, Any]) -> Skeleton:
    """The skeleton of the 2D keypoints whose layout the metadata name.

    Raises:
        ValueError: it is none of ours, or left and right are others than in ours.
    """
    layout = metadata.get("layout_name")
    if not isinstance(layout, str) or layout not in _SKELETONS:
        what = ascii(layout)[:40]
        raise ValueError(f"metadata: layout_name: expected {', '.join(_SKELETONS)}, got {what}")
    skeleton = skeletons.get(_SKELETONS[layout])
    count = metadata.get("num_joints", skeleton.num_joints)
    if not isinstance(count, int | np.integer) or count != skeleton.num_joints:
        what = f"expected {skeleton.num_joints} for {layout}, got {ascii(count)[:40]}"
        raise ValueError(f"metadata: num_joints: {what}")
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
