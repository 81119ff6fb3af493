"""Synthesised sequences in pixels: what `synthesize` draws, before the lifter looks at it.

A batch of `synthesize` is in the axes and the scale of a virtual camera that follows the person,
with a wrong focal length on purpose: it cannot be turned back into pixels. Here the same people,
cameras and faults are drawn, and seen by a camera with a known focal length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from vp3d_cli.datasets import DatasetCamera, Sequence
from vp3d_cli.errors import DataError
from vp3d_cli.skeletons import get
from vp3d_cli.train import synthesize as draw
from vp3d_cli.train.mocap import Mocap
from vp3d_cli.train.noise import spoil
from vp3d_cli.types import Real

# Of the picture's width: from a wide phone lens to a portrait lens. Wider where the person would
# be cut off, down to the least; who is still cut off then is drawn anew.
_FOCAL = (0.6, 1.5)
_LEAST_FOCAL = 0.3
_MARGIN = 0.95
_BATCH = 128


def synthesize_sequences(
    mocap: Mocap,
    count: int,
    length: int,
    options: draw.Synthesis,
    seed: int,
    *,
    subject: str = "synthetic",
    size: tuple[int, int] = (1280, 720),
) -> Iterator[Sequence]:
    """Draw `count` sequences of `length` frames, each with its own camera.

    Args:
        mocap: where motion comes from.
        count: of sequences.
        length: of each, frames.
        options: what is drawn at random, the detector's faults included.
        seed: the same one draws the same sequences.
        subject: of all of them: they mix the mocap's people.
        size: of the pictures, pixels.

    Raises:
        DataError: nobody can be seen whole.
    """
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
        fps = rng.uniform(*options.fps, _BATCH)
        joints, rays, scores = _draw(mocap, fps, length, options, rng)
        cameras = {i: camera for i in range(_BATCH) if (camera := _camera(rays[i], size, rng))}
        if not cameras:
            raise DataError("people are too near the cameras: raise `distance` of [synthesis]")
        for i, unnamed in list(cameras.items())[: count - made]:
            camera = replace(unnamed, name=f"virtual{made}")
            yield Sequence(
                subject,
                f"synthetic {made}",
                camera,
                float(fps[i]),
                *size,
                get("coco17"),
                np.asarray(rays[i] * camera.focal + camera.centre, np.float32),
                np.asarray(scores[i], np.float32),
                get("h36m17"),
                np.asarray(joints[i], np.float32),
            )
            made += 1


def _draw(
    mocap: Mocap, fps: Real, length: int, options: draw.Synthesis, rng: np.random.Generator
) -> tuple[Real, Real, Real]:
    """Joints (B, T, 17, 3) camera metres; COCO keypoints (B, T, 17, 2) as x/z, y/z; scores."""
    body = draw.sample_motion(mocap, fps, length, options, rng)
    body = draw.vary_directions(body, options, rng)
    body = draw.change_bones(body, rng)
    body = draw.tilted(body, options.tilt, rng)
    seen = draw.look(body, options, rng)
    points = draw.mark_coco(seen, rng)
    rays: Real = points[..., :2] / points[..., 2:]
    spoilt, scores = spoil(rays, draw.face_turned(seen), fps, options.noise, rng)
    return seen[..., :17, :], spoilt, scores


def _camera(rays: Real, size: tuple[int, int], rng: np.random.Generator) -> DatasetCamera | None:
    """A camera without distortion that has the person in the picture; None where none can."""
    width, height = size
    reach = np.quantile(np.abs(rays), 0.99, axis=(0, 1))
    drawn = width * np.exp(rng.uniform(*np.log(_FOCAL)))
    fitting = _MARGIN * min(width / 2 / reach[0], height / 2 / reach[1])
    focal = min(drawn, fitting)
    if focal < _LEAST_FOCAL * width:
        return None
    return DatasetCamera(
        "virtual",
        width,
        height,
        focal=np.full(2, focal),
        centre=np.array([width / 2, height / 2]),
        radial=np.zeros(3),
        tangential=np.zeros(2),
    )
