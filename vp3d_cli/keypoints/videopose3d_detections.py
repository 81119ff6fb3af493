"""What VideoPose3D's detector writes for one video: `input.mp4.npz`.

Per frame Detectron's list of classes, nobody and people: `boxes` [[], (P, 5)] x0 y0 x1 y1 score,
`keypoints` [[], (P, 4, 17)] rows x, y, logit and score, `metadata` {"w", "h"}; [[], []] where
nobody is. All people of every frame are read, in the file's order.

These are pickled lists: they are read without executing them.

Pixels. Detectron's, continuous with centres at +0.5: taken as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import npz, skeletons, sources
from vp3d_cli.keypoints._rows import About, Rows, assemble, size_px
from vp3d_cli.types import Keypoints2D
from vp3d_cli.videopose3d_files import is_list

DESCRIPTION = "VideoPose3D's detections: input.mp4.npz (boxes, keypoints, metadata)"

_BOX = (5,)
_KEYPOINTS = (4, 17)


def recognise(path: Path) -> bool:
    """Whether it is an archive with boxes, keypoints and metadata."""
    return {"boxes", "keypoints", "metadata"} <= npz.keys(path)


def read(path: Path, video: str | None = None) -> Keypoints2D:
    """Read everybody of one video; `video` is not looked at.

    Raises:
        DataError: it is malformed; see the module.
    """
    with sources.explained(path, "videopose3d-detections"):
        columns = {}
        with npz.opened(path) as archive:
            for key in ("boxes", "keypoints", "metadata"):
                with sources.named(key):
                    columns[key] = npz.read_objects(archive, key, path)
        metadata = columns["metadata"].item() if columns["metadata"].shape == () else None
        if not isinstance(metadata, dict):
            raise ValueError("metadata: expected a dictionary")
        boxes = _people("boxes", columns["boxes"], _BOX)
        keypoints = _people("keypoints", columns["keypoints"], _KEYPOINTS)
        frames = _frames(boxes, keypoints)
        stacked_boxes = np.concatenate([np.zeros((0, *_BOX)), *boxes])
        stacked = np.concatenate([np.zeros((0, *_KEYPOINTS)), *keypoints])
        points = stacked[:, :2].transpose(0, 2, 1)
        return assemble(
            Rows(
                frames=frames,
                keypoints=points,
                scores=np.where(np.isnan(points).any(-1), 0, stacked[:, 3]),
                boxes=stacked_boxes[:, :4],
                box_scores=stacked_boxes[:, 4],
            ),
            skeletons.get("coco17"),
            About(
                width=size_px("metadata: w", metadata.get("w")),
                height=size_px("metadata: h", metadata.get("h")),
                num_frames=len(boxes),
            ),
            sources.provenance(
                path,
                "videopose3d-detections",
                source={"name": path.name.removesuffix(".npz")},
            ),
        )


def _frames(boxes: list[NDArray[Any]], keypoints: list[NDArray[Any]]) -> NDArray[np.int64]:
    """The frame of each row.

    Raises:
        ValueError: there are more boxes than keypoints, or fewer.
    """
    if len(boxes) != len(keypoints):
        raise ValueError(f"boxes: {len(boxes)} frames, but {len(keypoints)} of keypoints")
    counts = [len(of_frame) for of_frame in boxes]
    for frame, (count, of_frame) in enumerate(zip(counts, keypoints, strict=True)):
        if count != len(of_frame):
            raise ValueError(f"frame {frame}: {count} boxes, but {len(of_frame)} keypoints")
    return np.repeat(np.arange(len(boxes)), counts)


def _people(key: str, column: NDArray[Any], shape: tuple[int, ...]) -> list[NDArray[Any]]:
    """The people of each frame, (P, *shape).

    Raises:
        ValueError: a frame is no list of two classes, or its people are of another shape.
    """
    if column.ndim == 0:
        raise ValueError(f"{key}: expected a list with one entry per frame")
    found = []
    for frame, classes in enumerate(column):
        where = f"{key}: frame {frame}"
        if not is_list(classes) or len(classes) != 2:
            raise ValueError(f"{where}: expected a list of two classes")
        found.append(_stacked(where, classes[1], shape))
    return found


def _stacked(where: str, people: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """One array of the people of a frame, given as that, or as a list of one array for each."""
    if is_list(people) and len(people) == 0:
        return np.zeros((0, *shape))
    parts = people if isinstance(people, list | tuple) else [people]
    if isinstance(people, list | tuple):
        shaped = all(isinstance(part, np.ndarray) and part.shape == shape for part in parts)
    else:
        shaped = isinstance(people, np.ndarray) and people.shape[1:] == shape
    if not shaped or any(part.dtype.kind not in "fiu" for part in parts):
        raise ValueError(f"{where}: expected numbers of shape {('P', *shape)}")
    return np.stack(parts) if isinstance(people, list | tuple) else people
