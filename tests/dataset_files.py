"""Data sets in the exact layouts, small and seeded: a figure that walks before cameras."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A standing figure, metres, z up, facing -y: Human3.6M-17.
_FIGURE = """
0 0 .95  -.13 0 .94  -.13 0 .5  -.13 0 .06  .13 0 .94  .13 0 .5  .13 0 .06  0 0 1.18  0 0 1.42
0 -.02 1.52  0 0 1.64  .16 0 1.4  .2 0 1.12  .2 -.02 .88  -.16 0 1.4  -.2 0 1.12  -.2 -.02 .88
"""
FIGURE = np.array(_FIGURE.split(), float).reshape(17, 3)
# The same in the order of HumanEva's 15: pelvis, thorax, arms, legs, head.
HUMANEVA = FIGURE[[0, 8, 11, 12, 13, 14, 15, 16, 4, 5, 6, 1, 2, 3, 10]]
KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
SYMMETRY = {
    "h36m": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]],
    "coco": [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]],
    "humaneva15": [[2, 3, 4, 8, 9, 10], [5, 6, 7, 11, 12, 13]],
}
SIZE = (1000, 1002)
Json = dict[str, Any]


def walk(length: int = 60, figure: NDArray[Any] = FIGURE, seed: int = 0) -> NDArray[np.float32]:
    """The figure swaying along x, (T, K, 3) world metres."""
    rng = np.random.default_rng(seed)
    phase = np.linspace(0, 6, length)[:, None, None]
    sway = 0.05 * np.sin(phase + rng.uniform(0, 6, (1, len(figure), 3)))
    path = np.stack([np.linspace(-0.5, 0.5, length), np.zeros(length), np.zeros(length)], -1)
    return np.asarray(figure + sway + path[:, None], np.float32)


def camera(index: int = 0, **changes: Any) -> Json:
    """One of four cameras around the figure, level, 4 m away, as the JSON file has it."""
    angle = 0.3 + index * np.pi / 2
    away = np.array([np.cos(angle), np.sin(angle), 0])
    rows = [[-away[1], away[0], 0], [0, 0, -1], (-away).tolist()]
    entry = {
        "name": f"5413896{index}",
        "width": SIZE[0],
        "height": SIZE[1],
        "focal": [1145.0 + index, 1143.5],
        "centre": [512.5, 515.25 - index],
        "radial": [-0.2, 0.24, -0.002],
        "tangential": [-0.001, -0.0015],
        "rotation": rows,
        "position": (4 * away + [0, 0, 1.1]).tolist(),
    }
    return {key: value for key, value in {**entry, **changes}.items() if value is not None}


def cameras_file(folder: Path, subjects: Sequence[str], count: int = 4, **changes: Any) -> Path:
    path = folder / "cameras.json"
    entries = [camera(i, **changes) for i in range(count)]
    path.write_text(json.dumps(dict.fromkeys(subjects, entries)), encoding="utf-8")
    return path


def project(entry: Json, world: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels of world points, a point at a time, as REFERENCE.md A8 writes the lens."""
    rotation, position = np.array(entry["rotation"]), np.array(entry["position"])
    k1, k2, k3 = entry["radial"]
    p1, p2 = entry["tangential"]
    out = []
    for point in world.reshape(-1, 3).astype(np.float64):
        x, y, z = (sum(row[i] * (point[i] - position[i]) for i in range(3)) for row in rotation)
        x, y = x / z, y / z
        r2 = x**2 + y**2
        bend = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + p1 * x + p2 * y
        u = entry["focal"][0] * (x * bend + p1 * r2) + entry["centre"][0]
        v = entry["focal"][1] * (y * bend + p2 * r2) + entry["centre"][1]
        out.append((u, v))
    return np.array(out, np.float32).reshape(*world.shape[:-1], 2)


def spread32(joints: NDArray[Any]) -> NDArray[Any]:
    """The 17 joints among the 32 of the file; the others are far away."""
    whole = np.full((len(joints), 32, 3), 77, joints.dtype)
    whole[:, KEPT] = joints
    return whole


def save_3d(path: Path, positions: Json) -> Path:
    np.savez_compressed(path, positions_3d=np.array(positions, dtype=object))
    return path


def save_2d(path: Path, positions: Json, layout: str = "h36m", **changes: Any) -> Path:
    symmetry = SYMMETRY.get(layout, [[], []])
    metadata = {
        "layout_name": layout,
        "num_joints": 15 if layout == "humaneva15" else 17,
        "keypoints_symmetry": symmetry,
        **changes,
    }
    positions_2d = np.array(positions, dtype=object)
    np.savez_compressed(path, positions_2d=positions_2d, metadata=np.array(metadata, dtype=object))
    return path


def human36m(folder: Path, subjects: Sequence[str] = ("S1", "S9"), extra: int = 3) -> list[Path]:
    """Two actions a subject, 2D of four cameras that goes on for `extra` frames."""
    joints, points = {}, {}
    for n, subject in enumerate(subjects):
        takes = {
            "Walking 1": walk(60, seed=2 * n),
            "TakingPhoto": walk(45, seed=2 * n + 1),
        }
        joints[subject] = {action: spread32(take) for action, take in takes.items()}
        points[subject] = {
            action: [
                np.concatenate([seen, np.repeat(seen[-1:], extra, 0)])
                for seen in (project(camera(i), take) for i in range(4))
            ]
            for action, take in takes.items()
        }
    return [
        save_3d(folder / "data_3d_h36m.npz", joints),
        save_2d(folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz", points),
        cameras_file(folder, subjects),
    ]


def humaneva15(folder: Path) -> list[Path]:
    takes = {"Walking 1 chunk0": walk(60, HUMANEVA), "Walking 1 chunk2": walk(40, HUMANEVA, 1)}
    points = {a: [project(camera(i), take) for i in range(3)] for a, take in takes.items()}
    joints = {"Train/S1": takes, "Validate/S1": takes}
    return [
        save_3d(folder / "data_3d_humaneva15.npz", joints),
        save_2d(folder / "data_2d_humaneva15_gt.npz", dict.fromkeys(joints, points), "humaneva15"),
        cameras_file(folder, ["S1"], 3),
    ]


def mocap(folder: Path, **changes: Any) -> list[Path]:
    """Two clips of two people, and a third one's; the table knows the first two."""
    clips = [walk(60), walk(40, seed=1), walk(30, seed=2)]
    joints = np.concatenate(clips)
    more = np.repeat(joints[:, 10:11], 7, 1)
    arrays = {
        "joints_mm": np.round(np.concatenate([joints, more], 1) * 1000).astype(np.int16),
        "clip_start": np.array([0, 60, 100, 130], np.int32),
        "clip_name": np.array(["01_02", "05_01", "dance"]),
        "joint_names": np.array(
            [f"joint{i}" for i in range(17)]
            + ["Nose", "LEye", "REye", "LEar", "REar", "LToe", "RToe"]
        ),
        "fps": np.int64(30),
    }
    np.savez(
        folder / "clips.npz", **{k: v for k, v in {**arrays, **changes}.items() if v is not None}
    )
    table = folder / "split.csv"
    table.write_text(
        "file,clip,subject,split\nclips,01_02,1,train\nclips,05_01,5,heldout\nclips,dance,,train\n"
    )
    return [folder / "clips.npz", table]


# Name, parent, row of FIGURE; the ends of bones last.
BVH = [
    *[("Hips", "", 0), ("Spine", "Hips", 0), ("Spine1", "Spine", 7), ("Neck", "Spine1", 8)],
    *[("Head", "Neck", 9), ("RightUpLeg", "Hips", 1), ("RightLeg", "RightUpLeg", 2)],
    *[("RightFoot", "RightLeg", 3), ("LeftUpLeg", "Hips", 4), ("LeftLeg", "LeftUpLeg", 5)],
    *[("LeftFoot", "LeftLeg", 6), ("LeftShoulder", "Spine1", 8), ("LeftArm", "LeftShoulder", 11)],
    *[("LeftForeArm", "LeftArm", 12), ("LeftHand", "LeftForeArm", 13)],
    *[("RightShoulder", "Spine1", 8), ("RightArm", "RightShoulder", 14)],
    *[("RightForeArm", "RightArm", 15), ("RightHand", "RightForeArm", 16)],
]


def bvh_text(unit: float = 100, prefix: str = "", frames: int = 60) -> str:
    """The figure in centimetres, y up, its left elbow bending a degree a frame about z."""
    row_of = {name: row for name, _, row in BVH}

    def joint(name: str, parent: str, row: int, depth: int) -> list[str]:
        x, y, z = unit * (FIGURE[row] - (FIGURE[row_of[parent]] if parent else FIGURE[0]))
        position = "6 Xposition Yposition Zposition" if not parent else "3"
        lines = [
            f"{'JOINT' if parent else 'ROOT'} {prefix}{name}",
            "{",
            f"OFFSET {x:.6f} {z:.6f} {-y:.6f}",
            f"CHANNELS {position} Zrotation Xrotation Yrotation",
        ]
        for child, above, child_row in BVH:
            if above == name:
                lines += joint(child, name, child_row, depth + 1)
        if name == "Head":
            up = unit * (FIGURE[10] - FIGURE[9])
            lines += ["End Site", "{", f"OFFSET {up[0]:.6f} {up[2]:.6f} {-up[1]:.6f}", "}"]
        return [*lines, "}"]

    lines = joint("Hips", "", 0, 0)
    order = [line.split()[1].removeprefix(prefix) for line in lines if line[:4] in ("ROOT", "JOIN")]
    motion = []
    for frame in range(frames):
        angles = np.zeros((len(order), 3))
        angles[order.index("LeftForeArm"), 0] = frame
        root = unit * FIGURE[0]
        values = [root[0] + unit * frame / 100, root[2], -root[1], *angles.ravel()]
        motion.append(" ".join(f"{value:.6f}" for value in values))
    head = ["MOTION", f"Frames: {frames}", "Frame Time: 0.0083333"]
    return "\n".join(["HIERARCHY", *lines, *head, *motion]) + "\n"


def bvh(folder: Path) -> list[Path]:
    """Two subjects, a clip each: their folders."""
    for subject in ("anna", "bert"):
        (folder / subject).mkdir()
        (folder / subject / f"walk {subject}.bvh").write_text(bvh_text())
    return [folder / who / f"walk {who}.bvh" for who in ("anna", "bert")]


# Where a person like FIGURE wears the markers of Plug-in Gait; the right side is mirrored.
_MARKERS = """
LASI .12 -.09 1  LPSI .05 .07 1  LKNE .18 0 .5  LANK .165 0 .06  LSHO .17 0 1.46  LELB .24 0 1.12
LWRA .2 -.05 .88  LWRB .2 .01 .88  LFHD .07 -.08 1.65  LBHD .07 .08 1.65
"""
_WORDS = _MARKERS.split()
MARKERS = {
    **{_WORDS[i]: np.array(_WORDS[i + 1 : i + 4], float) for i in range(0, len(_WORDS), 4)},
    "C7": np.array([0, 0.08, 1.46]),
    "CLAV": np.array([0, -0.08, 1.4]),
}
MARKERS |= {"R" + name[1:]: at * [-1, 1, 1] for name, at in MARKERS.items() if name[0] == "L"}


def c3d_file(
    path: Path, points: dict[str, NDArray[Any]], units: str = "mm", up: str = "+Z", rate: int = 100
) -> Path:
    """Points (T, 3) in the file's units and axes, by label; NaN where not seen."""
    import c3d

    writer = c3d.Writer(point_rate=rate, point_units=units)
    writer.set_point_labels(list(points))
    if up:
        writer.set_screen_axis("+X", up)
    for frame in np.stack(list(points.values()), 1):
        row = np.zeros((len(frame), 5), np.float32)
        missing = ~np.isfinite(frame).all(-1)
        row[:, :3], row[missing, 3] = np.where(missing[:, None], 0, frame), -1
        writer.add_frames([(row, np.empty((0, 0)))])
    with path.open("wb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are no analogue channels
        writer.write(stream)
    return path


def c3d_points(frames: int = 64, unit: float = 1000) -> dict[str, NDArray[Any]]:
    """The figure's joints by our names, moving along x by a centimetre a frame."""
    from vp3d_cli.skeletons import get

    path = np.stack([np.arange(frames) / 100, np.zeros(frames), np.zeros(frames)], -1)
    return {name: unit * (at + path) for name, at in zip(get("h36m17").joints, FIGURE, strict=True)}


def c3d(folder: Path) -> list[Path]:
    """Two subjects, a clip of joints each: their folders. Every frame fills its part of a block."""
    for subject in ("anna", "bert"):
        (folder / subject).mkdir()
        c3d_file(folder / subject / f"walk {subject}.c3d", c3d_points())
    return [folder / who / f"walk {who}.c3d" for who in ("anna", "bert")]


def vp3d_arrays(**changes: Any) -> Json:
    """Our own: two sequences in the world, seen by two cameras each, without 2D."""
    entries = [camera(0), camera(1)]
    arrays = {
        "sequence_start": np.array([0, 60, 100]),
        "subject": np.array(["anna", "bert"]),
        "action": np.array(["Walking 1", "Walking 2"]),
        "fps": np.array(50),
        "space": np.array("world"),
        "joints_3d": np.concatenate([walk(60), walk(40, seed=1)]),
        "camera_name": np.array([entry["name"] for entry in entries]),
        "camera_size": np.array([SIZE, SIZE]),
        **{
            f"camera_{key}": np.array([entry[key] for entry in entries])
            for key in ("focal", "centre", "radial", "tangential", "rotation", "position")
        },
    }
    return {key: value for key, value in {**arrays, **changes}.items() if value is not None}


def vp3d(folder: Path, **changes: Any) -> list[Path]:
    np.savez(folder / "mine.npz", **vp3d_arrays(**changes))
    return [folder / "mine.npz"]
