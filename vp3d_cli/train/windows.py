"""Windows of sequences, as the temporal network takes them in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vp3d_cli.train.synthesize import Batch


def cut(
    sequences: Batch,
    which: NDArray[np.intp],
    start: NDArray[np.intp],
    stride: int,
    context: tuple[int, int],
) -> Batch:
    """Cut windows that predict `stride` frames each.

    Args:
        sequences: B sequences of T frames.
        which, start: (W,) sequence and first predicted frame of each window.
        context: frames needed before the first and after the last predicted frame. Out of range
            means a replica of the first or last frame, as in the paper.

    Returns:
        Inputs (W, before + stride + after, J, F), targets (W, stride, J, 3) and roots.
    """
    before, after = context
    last = sequences.inputs.shape[1] - 1
    seen = start[:, None] + np.arange(-before, stride + after)
    predicted = start[:, None] + np.arange(stride)
    rows = which[:, None]
    return Batch(
        sequences.inputs[rows, np.clip(seen, 0, last)],
        sequences.targets[rows, np.clip(predicted, 0, last)],
        sequences.roots[rows, np.clip(predicted, 0, last)],
    )


def shuffled(
    sequences: Batch,
    steps: int,
    windows: int,
    stride: int,
    context: tuple[int, int],
    rng: np.random.Generator,
) -> Iterator[Batch]:
    """`steps` batches of `windows` windows from random places of random sequences."""
    count, length = sequences.inputs.shape[:2]
    for _ in range(steps):
        which = rng.integers(0, count, windows)
        start = rng.integers(0, max(length - stride, 0) + 1, windows)
        yield cut(sequences, which, start, stride, context)
