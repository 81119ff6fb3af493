"""Sequences synthesised ahead of the training, on the cores that it leaves free."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from vp3d_cli.cores import granted_cores
from vp3d_cli.train.config import TrainConfig
from vp3d_cli.train.mocap import Mocap
from vp3d_cli.train.synthesize import Batch, synthesize

# Sequences drawn at a time: what one process makes, and what bounds the memory of synthesis.
_PIECE = 64
_MOST_WORKERS = 8


class Pieces(Dataset[Batch]):
    """The sequences of all epochs from `first` on, in pieces.

    A piece depends on the seed, its epoch and its number alone: not on who makes it, nor when.
    """

    def __init__(self, config: TrainConfig, mocap: Mocap, first: int) -> None:
        self._config, self._mocap, self._first = config, mocap, first
        self.per_epoch = -(-config.train.sequences // _PIECE)

    def __len__(self) -> int:
        return max(0, self._config.train.epochs - self._first) * self.per_epoch

    def __getitem__(self, index: int) -> Batch:
        later, piece = divmod(index, self.per_epoch)
        schedule = self._config.train
        count = min(_PIECE, schedule.sequences - piece * _PIECE)
        rng = np.random.default_rng([schedule.seed, self._first + later, piece])
        return draw(self._config, self._mocap, count, rng)


def draw(config: TrainConfig, mocap: Mocap, count: int, rng: np.random.Generator) -> Batch:
    """`count` sequences as the configuration wants them, a piece at a time."""
    length, causal = config.train.sequence_length, config.model.causal
    pieces = [
        synthesize(mocap, min(_PIECE, count - done), length, config.synthesis, rng, causal=causal)
        for done in range(0, count, _PIECE)
    ]
    names = [field.name for field in dataclasses.fields(Batch)]
    return Batch(*(np.concatenate([getattr(p, name) for p in pieces]) for name in names))


def epochs(config: TrainConfig, mocap: Mocap, first: int) -> Iterator[list[Batch]]:
    """The pieces of each epoch from `first` on; those of the next are made meanwhile."""
    pieces = Pieces(config, mocap, first)
    workers = min(_MOST_WORKERS, max(1, granted_cores() - 1), pieces.per_epoch)
    loader = DataLoader(
        pieces,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=-(-pieces.per_epoch // workers),
        # Its own, so that it does not draw on dropout's, which a resumed run must match.
        generator=torch.Generator(),
    )
    epoch: list[Batch] = []
    for piece in loader:
        epoch.append(piece)
        if len(epoch) == pieces.per_epoch:
            yield epoch
            epoch = []
