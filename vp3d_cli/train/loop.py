"""Supervised training: the paper's optimiser and schedule on synthesised pairs."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from vp3d_cli.device import torch_device
from vp3d_cli.errors import DataError
from vp3d_cli.evaluate import metrics
from vp3d_cli.lift.checkpoint import Checkpoint, save_checkpoint
from vp3d_cli.lift.model import StridedTemporalModel, TemporalModel
from vp3d_cli.skeletons import get
from vp3d_cli.train.config import TrainConfig
from vp3d_cli.train.mocap import Mocap, read_mocap
from vp3d_cli.train.run_folder import BEST, load_state, save_state
from vp3d_cli.train.synthesize import Batch, synthesize
from vp3d_cli.train.windows import cut, shuffled
from vp3d_cli.types import Float

_log = logging.getLogger(__name__)
# Validation draws from its own stream, the same in every run.
_VALIDATION_SEED = 20190616


@dataclass(frozen=True)
class EpochReport:
    """One row of the log; errors in millimetres on the held-out clips."""

    epoch: int
    train_mm: float
    mpjpe_mm: float
    p_mpjpe_mm: float
    n_mpjpe_mm: float
    mpjve_mm: float
    learning_rate: float


class _Stream(IterableDataset[Batch]):
    """Training batches; those of an epoch depend on the seed and the epoch alone."""

    def __init__(self, config: TrainConfig, mocap: Mocap, first_epoch: int) -> None:
        self.config, self.mocap, self.first_epoch = config, mocap, first_epoch

    def __iter__(self) -> Iterator[Batch]:
        schedule, model = self.config.train, self.config.model
        for epoch in range(self.first_epoch, schedule.epochs):
            rng = np.random.default_rng([schedule.seed, epoch])
            yield from shuffled(
                _synthesize(self.config, self.mocap, schedule.sequences, rng),
                schedule.steps_per_epoch,
                schedule.batch_size // schedule.stride,
                schedule.stride,
                model.context,
                rng,
            )


def _synthesize(config: TrainConfig, mocap: Mocap, count: int, rng: np.random.Generator) -> Batch:
    """A data set of `count` sequences, drawn in pieces to keep the memory of each step small."""
    length, causal = config.train.sequence_length, config.model.causal
    pieces = [
        synthesize(mocap, min(64, count - done), length, config.synthesis, rng, causal=causal)
        for done in range(0, count, 64)
    ]
    return Batch(
        np.concatenate([piece.inputs for piece in pieces]),
        np.concatenate([piece.targets for piece in pieces]),
    )


def held_out_sequences(config: TrainConfig) -> Batch:
    """What a run validates on: sequences of clips it never trains on, the same in every run.

    Without a split file they come from the training clips.
    """
    split = "heldout" if config.data.split else "train"
    mocap = read_mocap(config.data.mocap, config.data.split, split)
    rng = np.random.default_rng(_VALIDATION_SEED)
    return _synthesize(config, mocap, config.train.validation_sequences, rng)


class Trainer:
    """A run in a folder: `lifter.safetensors` (best so far), `last.pt` (to resume), `log.csv`."""

    def __init__(self, config: TrainConfig, folder: Path, device: str = "cpu") -> None:
        self.config, self.folder, self.device = config, folder, torch_device(device)
        self.mocap = read_mocap(config.data.mocap, config.data.split, "train")
        self.validation = held_out_sequences(config)
        torch.manual_seed(config.train.seed)
        model, schedule = config.model, config.train
        coco, h36m = get(model.skeleton_in), get(model.skeleton_out)
        self.flips = [torch.tensor(s.flip_order, device=self.device) for s in (coco, h36m)]
        # The network that predicts, and the one that is trained: the same parameters.
        self.network = TemporalModel(model, coco.num_joints, h36m.num_joints).to(self.device)
        self.twin: TemporalModel = self.network
        if schedule.stride == 1 and not model.dense:
            self.twin = StridedTemporalModel(model, coco.num_joints, h36m.num_joints)
            self.twin.to(self.device)
            self.twin.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.Adam(
            self.twin.parameters(), lr=schedule.learning_rate, amsgrad=True
        )
        self.epoch = 0
        self._set_momentum()
        self.history: list[EpochReport] = []

    def run(self, progress: Callable[[int, int], None] | None = None) -> EpochReport:
        """Train to the end of the schedule and return the best epoch.

        Stopped at any moment, `resume` goes on from the last whole epoch.
        """
        schedule = self.config.train
        total = schedule.epochs * schedule.steps_per_epoch
        first = self.epoch * schedule.steps_per_epoch
        stream = _Stream(self.config, self.mocap, self.epoch)
        # Enough batches ahead to bridge the synthesis of the next epoch's sequences.
        # Its own generator keeps it from drawing on dropout's, which a resumed run must match.
        loader = DataLoader(
            stream,
            batch_size=None,
            num_workers=1,
            prefetch_factor=32,
            generator=torch.Generator(),
        )
        loss_sum = 0.0
        for step, batch in enumerate(loader, start=first + 1):
            loss_sum += self._step(batch)
            if progress:
                progress(step, total)
            if step % schedule.steps_per_epoch == 0:
                self._end_epoch(loss_sum / schedule.steps_per_epoch * 1000)
                loss_sum = 0.0
        if not self.history:
            raise DataError(f"{self.folder}: nothing was trained and nothing to resume")
        return min(self.history, key=lambda report: report.mpjpe_mm)

    def _step(self, batch: Batch) -> float:
        """One optimiser step; returns the loss in metres (MPJPE)."""
        self.twin.train()
        inputs = torch.from_numpy(batch.inputs).to(self.device)
        targets = torch.from_numpy(batch.targets).to(self.device)
        if self.config.train.flip:
            inputs = torch.cat([inputs, _mirror(inputs, self.flips[0])])
            targets = torch.cat([targets, _mirror(targets, self.flips[1])])
        loss = torch.linalg.vector_norm(self.twin(inputs) - targets, dim=-1).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.item())

    def _end_epoch(self, train_mm: float) -> None:
        schedule = self.config.train
        self.epoch += 1
        rate = self.optimizer.param_groups[0]["lr"]
        report = self._evaluate(train_mm, rate)
        self.history.append(report)
        for group in self.optimizer.param_groups:
            group["lr"] *= schedule.learning_rate_decay
        self._set_momentum()
        if report.mpjpe_mm <= min(past.mpjpe_mm for past in self.history):
            self._save_best(report)
        self._save_last()
        _log.info(
            "epoch %d: train %.1f mm, held out %.1f mm", self.epoch, train_mm, report.mpjpe_mm
        )

    def _set_momentum(self) -> None:
        """Exponential from first to last over the run (paper, section 4)."""
        first, last = self.config.train.bn_momentum
        share = self.epoch / self.config.train.epochs
        self.twin.set_bn_momentum(first * math.exp(-share * math.log(first / last)))

    @torch.no_grad()
    def predict(self, sequences: Batch) -> Float:
        """Joints (B, T, J, 3) metres of every frame, without flip averaging."""
        if self.twin is not self.network:
            self.network.load_state_dict(self.twin.state_dict())
        self.network.eval()
        length, parts = sequences.inputs.shape[1], []
        for row in range(0, len(sequences.inputs), 16):
            which = np.arange(row, min(row + 16, len(sequences.inputs)))
            whole = cut(sequences, which, np.zeros_like(which), length, self.config.model.context)
            parts.append(self.network(torch.from_numpy(whole.inputs).to(self.device)).cpu())
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    def _evaluate(self, train_mm: float, rate: float) -> EpochReport:
        predicted, target = self.predict(self.validation), self.validation.targets
        return EpochReport(
            epoch=self.epoch,
            train_mm=train_mm,
            mpjpe_mm=float(metrics.mpjpe(predicted, target).mean()) * 1000,
            p_mpjpe_mm=float(metrics.p_mpjpe(predicted, target).mean()) * 1000,
            n_mpjpe_mm=float(metrics.n_mpjpe(predicted, target).mean()) * 1000,
            mpjve_mm=float(metrics.mpjve(predicted, target).mean()) * 1000,
            learning_rate=rate,
        )

    def _save_best(self, report: EpochReport) -> None:
        training = self.config.to_json() | {"best": dataclasses.asdict(report)}
        config = dataclasses.replace(
            self.config.model, fps_range=self.config.synthesis.fps, training=training
        )
        save_checkpoint(Checkpoint(config, self.twin.state_dict()), self.folder / BEST)

    def _save_last(self) -> None:
        state = {
            "config": self.config.to_json(),
            "epoch": self.epoch,
            "model": self.twin.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_state(self.folder, state, self.history)

    def resume(self) -> None:
        """Go on from `last.pt`.

        Raises:
            DataError: there is none, or it is of another configuration.
        """
        state = load_state(self.folder, self.config.to_json())
        self.twin.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        self.history = [EpochReport(**row) for row in state["history"]]
        self._set_momentum()


def _mirror(points: Tensor, flip_order: Tensor) -> Tensor:
    """(B, T, J, C) with x negated and sides swapped."""
    mirrored = points[:, :, flip_order].clone()
    mirrored[..., 0] *= -1
    return mirrored
