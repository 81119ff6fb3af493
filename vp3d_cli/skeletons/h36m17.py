"""The 17 joints of Human3.6M that the paper predicts."""

from __future__ import annotations

from vp3d_cli.skeletons._base import Skeleton

SKELETON = Skeleton(
    name="h36m17",
    joints=(
        "hip",
        "right_hip",
        "right_knee",
        "right_foot",
        "left_hip",
        "left_knee",
        "left_foot",
        "spine",
        "thorax",
        "neck",
        "head",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
    ),
    edges=(
        ("hip", "right_hip"),
        ("right_hip", "right_knee"),
        ("right_knee", "right_foot"),
        ("hip", "left_hip"),
        ("left_hip", "left_knee"),
        ("left_knee", "left_foot"),
        ("hip", "spine"),
        ("spine", "thorax"),
        ("thorax", "neck"),
        ("neck", "head"),
        ("thorax", "left_shoulder"),
        ("left_shoulder", "left_elbow"),
        ("left_elbow", "left_wrist"),
        ("thorax", "right_shoulder"),
        ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"),
    ),
    root="hip",
)
