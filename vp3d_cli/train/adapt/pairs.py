"""Both sides of a step: pairs drawn from motion capture, and windows of real 2D tracks.

T frames, J keypoints, K of them with a joint. A lifter sees a direction x/z at `zoom` times x/z,
in the units of its inputs; a path is the root's position times `size`; see `lift.normalise`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli.geometry import rotate
from vp3d_cli.lift import normalise
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.refine import reprojection
from vp3d_cli.train.mocap import Mocap
from vp3d_cli.train.synthesize import Synthesis, synthesize
from vp3d_cli.train.views import synthesize_sequences
from vp3d_cli.types import Float, Result

_PIECE = 64
Rows = NDArray[np.integer[Any]]
# B windows of one size: `inputs` (B, T + context, J, F), all else (B, T, ...).
Batch = dict[str, Float]


@dataclass(frozen=True)
class Labelled:
    """Sequences with labels.

    Attributes:
        inputs: each (T, J, F) as the lifter takes them in.
        joints: each (T, 17, 3) metres, relative to the root.
        paths: each (T, 1, 3).
    """

    inputs: Sequence[Float]
    joints: Sequence[Float]
    paths: Sequence[Float]


@dataclass(frozen=True)
class Unlabelled:
    """Tracks of real people.

    Attributes:
        inputs: each (T, J, F) as the lifter takes them in.
        joints: each (T, 17, 3) what the starting lifter says.
        zooms, sizes: each (T,), see the module.
        weights: each (T, K), see `reprojection.trusted`; 0 in frames with too few keypoints.
    """

    inputs: Sequence[Float]
    joints: Sequence[Float]
    zooms: Sequence[Float]
    sizes: Sequence[Float]
    weights: Sequence[Float]


def cut(
    sequences: Labelled | Unlabelled,
    which: Rows,
    starts: Rows,
    length: int,
    context: tuple[int, int],
) -> Batch:
    """`length` frames from each start on; beyond the ends the nearest frame, with no weight."""
    seen = np.arange(-context[0], length + context[1])
    batch: Batch = {}
    for field in dataclasses.fields(sequences):
        values = [getattr(sequences, field.name)[row] for row in which]
        offsets = seen if field.name == "inputs" else np.arange(length)
        picked = []
        for value, start in zip(values, starts, strict=True):
            frames = start + offsets
            rows = value[np.clip(frames, 0, len(value) - 1)]
            if field.name == "weights":
                rows = rows * (frames < len(value))[:, None]
            picked.append(rows)
        batch[field.name] = np.stack(picked)
    return batch


def labelled(
    mocap: Mocap,
    count: int,
    length: int,
    options: Synthesis,
    config: LifterConfig,
    rng: np.random.Generator,
) -> Labelled:
    """Draw `count` sequences of `length` frames for a lifter of this kind."""
    if config.normalisation == "screen":
        return _on_screen(mocap, count, length, options, config, rng)
    parts = [
        synthesize(mocap, min(_PIECE, count - done), length, options, rng, causal=config.causal)
        for done in range(0, count, _PIECE)
    ]
    return Labelled(
        [row for part in parts for row in part.inputs[..., : config.features]],
        [row for part in parts for row in part.targets],
        [row for part in parts for row in part.roots],
    )


def _on_screen(
    mocap: Mocap,
    count: int,
    length: int,
    options: Synthesis,
    config: LifterConfig,
    rng: np.random.Generator,
) -> Labelled:
    columns: tuple[list[Float], list[Float], list[Float]] = ([], [], [])
    seed = int(rng.integers(2**31))
    for drawn in synthesize_sequences(mocap, count, length, options, seed):
        joints, keypoints = np.asarray(drawn.joints), np.asarray(drawn.keypoints)
        seen = normalise.screen(keypoints, drawn.width, drawn.height)
        scores = np.asarray(drawn.scores, np.float32)[..., None]
        columns[0].append(np.concatenate([seen, scores], -1)[..., : config.features])
        columns[1].append(joints - joints[:, :1])
        columns[2].append(joints[:, :1])
    return Labelled(*columns)


def unlabelled(videos: Iterable[Result], lifter: Lifter) -> Unlabelled:
    """The people of videos, as `lifter` takes them in, with what it says of them."""
    columns: list[list[Float]] = [[] for _ in dataclasses.fields(Unlabelled)]
    for video in videos:
        for track, lifted in zip(video.tracks2d, video.tracks3d, strict=True):
            view = lifter.prepare(track, video.video, video.camera)
            zooms = 1 / view.sizes
            if lifter.config.normalisation == "screen":
                half_width = video.video.width / 2
                zooms = np.full(len(track), video.camera.focal_px / half_width, np.float32)
            joints, weights = rotate(view.rotations, lifted.joints), reprojection.trusted(track)
            # Too few to say where the person stands: then nothing says how far off the pose is.
            weights[(weights > 0).sum(-1) < reprojection.LEAST_KEYPOINTS] = 0
            values = (view.inputs, joints, zooms, view.sizes, weights)
            for value, column in zip(values, columns, strict=True):
                column.append(np.asarray(value, np.float32))
    return Unlabelled(*columns)
