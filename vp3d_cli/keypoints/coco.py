"""COCO keypoints: a list of results, or annotations with their images.

Results are a list of `{"image_id", "category_id", "keypoints": [x, y, score, ...], "score"}`,
perhaps with `bbox` (x, y, width, height) and `track_id`, for 17 keypoints. Annotations are an
object with `images` and `annotations`, whose third number is a flag: 0 not labelled, which is
missing here, 1 hidden, which becomes a score of 0.5, 2 visible, a score of 1. Results whose third
numbers are 0, 1 and 2 are read the same way; where all are 0, they hold no scores: all are 1.

Frames. `image_id` is a number, or a file name whose last number counts. Annotated images are
numbered by their file names where each has a number of its own, else by their ids. Numbers are
frame indices as they are. Only annotations list every image; where the first of those is 1, they
count from 1, and all are lowered by it. `frame_numbers` in the provenance says what was done.

Pixels. COCO's keypoints are indices of pixels: half a pixel is added. (Detectron2 does the same
when it loads annotations, and takes it off again when it writes results.) Boxes are continuous
already.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli import skeletons, sources
from vp3d_cli.keypoints import _json
from vp3d_cli.keypoints._json import Person
from vp3d_cli.keypoints._rows import About, assemble, size_px
from vp3d_cli.types import Double, Json, Keypoints2D, Skeleton

DESCRIPTION = "COCO keypoints: results (a JSON list) or annotations (images and annotations)"

_FLAGS = "visibility: 1 became 0.5, 2 became 1"
_FLAG_SCORES = (np.nan, 0.5, 1.0)
_NO_SCORES = "none in the file: 1"


def recognise(path: Path) -> bool:
    """Whether it is a list with numbers as `image_id`, or holds images or annotations."""
    entry = sources.first_entry(path)
    if entry is not None:
        ours = {"image_id", "keypoints"} <= entry.keys() and not entry.keys() & {"box", "idx"}
        return not entry or (ours and (type(entry["image_id"]) is int or "bbox" in entry))
    head = sources.head(path)
    return head.startswith("{") and bool(re.search(r'"(images|annotations)"\s*:\s*\[', head))


def read(path: Path, video: str | None = None) -> Keypoints2D:
    """Read results or annotations; `video` is not looked at, since there is one.

    Raises:
        DataError: it is malformed; see the module.
    """
    with sources.explained(path, "coco"):
        content = sources.load_json(path)
        skeleton = skeletons.get("coco17")
        about, shift = About(), 0
        if isinstance(content, list):
            people = [_person(entry, f"[{i}]") for i, entry in enumerate(content)]
            _json.require_own_frames(content, people)
        else:
            people, about, shift = _annotated(_json.entry_of(content, "the file"), skeleton)
        meaning = _third_numbers(people, annotated=isinstance(content, dict))
        if meaning is not None:
            people = [replace(p, points=_scored(p.points, meaning)) for p in people]
        return assemble(
            _json.rows_of(people, skeleton.num_joints, half_px=True, shift=shift),
            skeleton,
            about,
            sources.provenance(
                path,
                "coco",
                frame_numbers="those of the file minus 1" if shift else "those of the file",
                scores=meaning,
            ),
        )


def _person(entry: Any, where: str, frame: int | None = None) -> Person:
    entry = _json.entry_of(entry, where)
    for key in ("image_id", "keypoints"):
        if key not in entry:
            raise ValueError(f"{where}: {key} missing")
    if frame is None:
        frame = _json.frame_number(entry["image_id"], f"{where}.image_id")
    track_id = entry.get("track_id")
    return Person(
        frame=frame,
        points=_json.points_of(entry["keypoints"], f"{where}.keypoints", (17,)),
        score=_json.number(entry["score"], f"{where}.score") if "score" in entry else None,
        box=_json.box_of(entry["bbox"], f"{where}.bbox") if "bbox" in entry else None,
        track_id=None if track_id is None else _json.whole(track_id, f"{where}.track_id"),
    )


def _annotated(content: Json, skeleton: Skeleton) -> tuple[list[Person], About, int]:
    """People, the size of the images, and what to add to frame numbers."""
    for key in ("images", "annotations"):
        if key not in content:
            raise ValueError(f"{key} missing; expected images and annotations, or a list")
    images = {}
    for index, value in enumerate(_json.list_of(content["images"], "images")):
        image = _json.entry_of(value, where := f"images[{index}]")
        if type(image.get("id")) not in (int, str):
            raise ValueError(f"{where}.id: expected a number or text")
        if image["id"] in images:
            raise ValueError(f"{where}.id: {str(image['id'])[:80]!a} is there twice")
        images[image["id"]] = image
    numbers = _numbers(images)
    order = _keypoint_order(content.get("categories"), skeleton)
    people = []
    for index, value in enumerate(_json.list_of(content["annotations"], "annotations")):
        entry = _json.entry_of(value, where := f"annotations[{index}]")
        if "keypoints" not in entry:
            continue  # a box alone
        image_id = entry.get("image_id")
        if type(image_id) not in (int, str) or image_id not in numbers:
            raise ValueError(f"{where}.image_id: names none of the images")
        person = _person(entry, where, numbers[image_id])
        people.append(replace(person, points=person.points[order]))
    shift = _json.counted_from_0(list(numbers.values()))
    width, height = _size(images)
    count = max(numbers.values(), default=-1) + 1 + shift
    return people, About(width=width, height=height, num_frames=count), shift


def _numbers(images: dict[Any, Json]) -> dict[Any, int]:
    """The frame number of each image, by its id.

    Raises:
        ValueError: neither the names nor the ids number them.
    """
    try:
        named = {
            image_id: _json.frame_number(image.get("file_name"), "images.file_name")
            for image_id, image in images.items()
        }
        if len(set(named.values())) == len(images):
            return named
    except ValueError:
        pass
    numbers = {image_id: _json.frame_number(image_id, "images.id") for image_id in images}
    if len(set(numbers.values())) < len(images):
        raise ValueError("images: two have the same frame number, by file name and by id")
    return numbers


def _size(images: dict[Any, Json]) -> tuple[int | None, int | None]:
    sizes = {
        (size_px("images.width", image["width"]), size_px("images.height", image["height"]))
        for image in images.values()
        if "width" in image and "height" in image
    }
    if len(sizes) > 1:
        raise ValueError(f"images: of {len(sizes)} sizes, so they are no frames of one video")
    return next(iter(sizes), (None, None))


def _keypoint_order(categories: Any, skeleton: Skeleton) -> list[int]:
    """Where each keypoint of the skeleton is in the file, which may name its own order.

    Raises:
        ValueError: the file names other keypoints.
    """
    for index, value in enumerate(_json.list_of(categories or [], "categories")):
        category = _json.entry_of(value, where := f"categories[{index}]")
        if "keypoints" in category:
            names = [str(name) for name in _json.list_of(category["keypoints"], where)]
            if sorted(names) != sorted(skeleton.joints):
                raise ValueError(f"{where}.keypoints: expected COCO's 17, got {len(names)} others")
            return [names.index(joint) for joint in skeleton.joints]
    return list(range(skeleton.num_joints))


def _third_numbers(people: list[Person], annotated: bool) -> str | None:
    """What the third numbers are where they are no scores; None where they are."""
    values = {float(v) for person in people for v in person.points[:, 2] if v == v}
    if values <= {0.0, 1.0, 2.0} and (annotated or 2.0 in values):
        return _FLAGS
    return _NO_SCORES if values == {0.0} else None


def _scored(points: Double, meaning: str) -> Double:
    """The points (17, 3) with scores as their third numbers."""
    third = np.nan_to_num(points[:, 2]).astype(int)
    scores = np.array(_FLAG_SCORES)[third] if meaning == _FLAGS else np.ones(len(points))
    scored = np.column_stack([points[:, :2], scores])
    scored[np.isnan(points[:, 2]) | np.isnan(scores)] = np.nan
    return scored
