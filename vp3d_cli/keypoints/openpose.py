"""OpenPose's `--write_json` folder, one `NAME_000000000012_keypoints.json` per frame, or one file.

`{"people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, score, ...]}]}`, of BODY_25 (75
numbers) or COCO-18 (54), whose keypoints are found by name. Old versions say `pose_keypoints`.
What OpenPose did not find is 0, 0, 0. A `person_id` of -1 is unknown; where any is, none is used.

Frames. The number in the name. A folder has a file for every frame, people or not, so where its
first number is 1, it counts from 1 and all are lowered by it. A folder may hold several videos.

Pixels. OpenPose adds half a pixel when it takes the peaks of its maps: its positions are
continuous, with centres at +0.5, and are taken as they are. `--keypoint_scale` must be 0, pixels
of the input, its default: other scales are refused where they can be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli import skeletons, sources
from vp3d_cli.keypoints import _json
from vp3d_cli.keypoints._json import Person
from vp3d_cli.keypoints._rows import About, assemble
from vp3d_cli.types import Keypoints2D

DESCRIPTION = "OpenPose's folder of *_keypoints.json (or one file), BODY_25 or COCO-18"

_LIMBS = {
    "left_shoulder": "LShoulder",
    "right_shoulder": "RShoulder",
    "left_elbow": "LElbow",
    "right_elbow": "RElbow",
    "left_wrist": "LWrist",
    "right_wrist": "RWrist",
    "left_hip": "LHip",
    "right_hip": "RHip",
    "left_knee": "LKnee",
    "right_knee": "RKnee",
    "left_ankle": "LAnkle",
    "right_ankle": "RAnkle",
}
_NAMES = {
    "nose": "Nose",
    "left_eye": "LEye",
    "right_eye": "REye",
    "left_ear": "LEar",
    "right_ear": "REar",
    **_LIMBS,
}
_ARMS = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist"
_FACE = "REye LEye REar LEar"
_FEET = "LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"
_LAYOUTS = {
    25: f"{_ARMS} MidHip RHip RKnee RAnkle LHip LKnee LAnkle {_FACE} {_FEET}".split(),
    18: f"{_ARMS} RHip RKnee RAnkle LHip LKnee LAnkle {_FACE}".split(),
}
_MPI = 15
_MAX_FRAME_BYTES = 16 << 20
_ENDING = "_keypoints.json"
_FILE = re.compile(r"(?P<video>.*?)[_-]?(?P<number>[0-9]{1,18})" + re.escape(_ENDING), re.DOTALL)


HOLDS_SEVERAL = True


def recognise(path: Path) -> bool:
    """Whether it is a folder with such files, or a JSON object with people."""
    try:
        if path.is_dir():
            return any(inner.name.endswith(_ENDING) for inner in path.iterdir())
    except OSError:
        return False
    head = sources.head(path)
    return head.startswith("{") and bool(re.search(r'"people"\s*:\s*\[', head))


def read(path: Path, video: str | None = None) -> Keypoints2D:
    """Read a folder, or the one frame of a file.

    Args:
        path: the folder or the file.
        video: what stands before the number, where a folder holds several videos.

    Raises:
        DataError: it is malformed; see the module.
    """
    with sources.explained(path, "openpose"):
        chosen = _numbered(path, video)
        people = [p for number, file in chosen.items() for p in _frame(file, number)]
        if len({len(person.points) for person in people}) > 1:
            raise ValueError("holds people of different numbers of keypoints")
        _check_scale(people)
        skeleton = skeletons.get("coco17")
        people = [_ordered(person, skeleton.joints) for person in people]
        shift = _json.counted_from_0(list(chosen)) if path.is_dir() else 0
        return assemble(
            _json.rows_of(people, skeleton.num_joints, half_px=False, shift=shift),
            skeleton,
            About(num_frames=max(chosen) + 1 + shift if path.is_dir() else None),
            sources.provenance(
                path,
                "openpose",
                frame_numbers="those of the names minus 1" if shift else "those of the names",
            ),
        )


def _numbered(path: Path, video: str | None) -> dict[int, Path]:
    """The files of one video by frame number, in order.

    Raises:
        ValueError: there is none, a name has no number, or several have the same.
    """
    if not path.is_dir():
        match = _FILE.fullmatch(path.name)
        return {_json.frame_number(int(match["number"]), "the name") if match else 0: path}
    videos: dict[str, dict[int, Path]] = {}
    for file in sorted(inner for inner in path.iterdir() if inner.name.endswith(_ENDING)):
        match = _FILE.fullmatch(file.name)
        if not match:
            raise ValueError(f"{file.name!a}: expected a frame number before {_ENDING}")
        frames = videos.setdefault(match["video"], {})
        number = _json.frame_number(int(match["number"]), file.name)
        if number in frames:
            raise ValueError(f"{file.name!a}: has the frame number of {frames[number].name!a}")
        frames[number] = file
    if not videos:
        raise ValueError(f"has no *{_ENDING} in it")
    nameless = list(videos) == [""]
    chosen = "" if nameless else sources.choose(list(videos), video)
    return dict(sorted(videos[chosen].items()))


def _frame(file: Path, number: int) -> Iterator[Person]:
    """The people in one file."""
    content = _json.entry_of(sources.load_json(file, _MAX_FRAME_BYTES), file.name)
    people = _json.list_of(content.get("people"), f"{file.name}: people")
    for index, value in enumerate(people):
        entry = _json.entry_of(value, where := f"{file.name}: people[{index}]")
        key = next((k for k in ("pose_keypoints_2d", "pose_keypoints") if k in entry), None)
        if key is None:
            raise ValueError(f"{where}: pose_keypoints_2d missing")
        if entry[key] == []:
            continue  # a face or a hand alone
        if isinstance(entry[key], list) and len(entry[key]) == 3 * _MPI:
            raise ValueError(
                f"{where}: 15 keypoints are MPI's, which lack the face that COCO-17 needs; "
                "run OpenPose with --model_pose BODY_25"
            )
        points = _json.points_of(entry[key], f"{where}.{key}", tuple(_LAYOUTS))
        points[~(points[:, 2] > 0)] = np.nan
        yield Person(number, points, track_id=_person_id(entry.get("person_id"), where))


def _person_id(value: Any, where: str) -> int | None:
    values = value if isinstance(value, list) else [value]
    if len(values) != 1:
        raise ValueError(f"{where}.person_id: expected one number, got {len(values)}")
    if values == [None]:
        return None
    person_id = _json.whole(values[0], f"{where}.person_id")
    return person_id if person_id >= 0 else None


def _check_scale(people: list[Person]) -> None:
    """Raise ValueError where all people fit into one pixel: they were normalised."""
    if not people:
        return
    points = np.stack([person.points[:, :2] for person in people])
    if np.isfinite(points).any() and np.nanmax(np.abs(points)) <= 1:
        raise ValueError("all keypoints are within 1; run OpenPose with --keypoint_scale 0")


def _ordered(person: Person, joints: tuple[str, ...]) -> Person:
    layout = _LAYOUTS[len(person.points)]
    order = [layout.index(_NAMES[joint]) for joint in joints]
    return Person(person.frame, person.points[order], track_id=person.track_id)
