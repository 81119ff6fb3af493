"""AlphaPose's results, a list of one object per person per frame (its default form).

`{"image_id": "12.jpg", "category_id", "keypoints": [x, y, score, ...], "score", "box", "idx"}`.
17 keypoints are COCO's; the first 17 of Halpe's 26 and 136 and of COCO-WholeBody's 133 are, too.

Scores. AlphaPose's score of a person is the mean of the keypoints' scores plus the box's plus
1.25 times the best keypoint's, 3.25 at most: where any is above 1, all are divided by 3.25.

People. `idx` is the track id, in some versions as a list of one. Without tracking AlphaPose
writes one idx for all: then the file has no ids.

Frames. The last number of the name, as it is: AlphaPose counts a video's frames from 0, and
writes nothing for a frame without people.

Pixels. AlphaPose is trained on COCO's indices of pixels, and its heat maps map index to index: so
half a pixel is added to keypoints. Boxes are continuous already.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from vp3d_cli import skeletons, sources
from vp3d_cli.keypoints import _json
from vp3d_cli.keypoints._json import Person
from vp3d_cli.keypoints._rows import About, assemble
from vp3d_cli.types import Keypoints2D

DESCRIPTION = "AlphaPose's results (a JSON list) of 17, 26, 133 or 136 keypoints"

_COUNTS = (17, 26, 133, 136)
_MOST = 3.25


def recognise(path: Path) -> bool:
    """Whether it is a list with a file name as `image_id`, or with `idx` or `box`."""
    entry = sources.first_entry(path)
    if not entry or not {"image_id", "keypoints"} <= entry.keys():
        return False
    return bool(entry.keys() & {"box", "idx"}) or (
        isinstance(entry["image_id"], str) and "bbox" not in entry
    )


def read(path: Path, video: str | None = None) -> Keypoints2D:
    """Read the results of one video; `video` is not looked at.

    Raises:
        DataError: it is malformed; see the module.
    """
    with sources.explained(path, "alphapose"):
        entries = _json.list_of(sources.load_json(path), "the file")
        people = [_person(entry, f"[{i}]") for i, entry in enumerate(entries)]
        _json.require_own_frames(entries, people)
        if len({len(person.points) for person in people}) > 1:
            raise ValueError("holds people of different numbers of keypoints")
        summed = any(person.score is not None and person.score > 1 for person in people)
        if summed:
            people = [replace(p, score=p.score and p.score / _MOST) for p in people]
        if _untracked(people):
            people = [replace(person, track_id=None) for person in people]
        skeleton = skeletons.get("coco17")
        return assemble(
            _json.rows_of(people, skeleton.num_joints, half_px=True),
            skeleton,
            About(),
            sources.provenance(
                path,
                "alphapose",
                frame_numbers="those of the file",
                box_scores="those of the file divided by 3.25" if summed else None,
            ),
        )


def _person(entry: Any, where: str) -> Person:
    entry = _json.entry_of(entry, where)
    for key in ("image_id", "keypoints"):
        if key not in entry:
            raise ValueError(f"{where}: {key} missing")
    return Person(
        frame=_json.frame_number(entry["image_id"], f"{where}.image_id"),
        points=_json.points_of(entry["keypoints"], f"{where}.keypoints", _COUNTS),
        score=_json.number(entry["score"], f"{where}.score") if "score" in entry else None,
        box=_json.box_of(entry["box"], f"{where}.box") if "box" in entry else None,
        track_id=_track_id(entry["idx"], f"{where}.idx") if "idx" in entry else None,
    )


def _track_id(value: Any, where: str) -> int:
    while isinstance(value, list) and value:
        value = value[0]
    return _json.whole(value, where)


def _untracked(people: list[Person]) -> bool:
    """Whether all have one id, and yet some stand in one frame."""
    once = {person.frame for person in people}
    return len({person.track_id for person in people}) == 1 and len(once) < len(people)
