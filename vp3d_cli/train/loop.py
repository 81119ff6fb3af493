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

from vp3d_cli.device import torch_device
from vp3d_cli.lift.checkpoint import Checkpoint, save_checkpoint
from vp3d_cli.lift.model import StridedTemporalModel, TemporalModel
from vp3d_cli.skeletons import get
from vp3d_cli.train import stream
from vp3d_cli.train.config import TrainConfig
from vp3d_cli.train.logs import Means, errors_mm
from vp3d_cli.train.memory import require_room, shortage_explained
from vp3d_cli.train.mocap import read_mocap
from vp3d_cli.train.paper.losses import mpjpe, weighted_mpjpe
from vp3d_cli.train.run_folder import BEST, best_of_run, is_best, load_state, save_state
from vp3d_cli.train.stream import draw
from vp3d_cli.train.synthesize import Batch
from vp3d_cli.train.windows import Windows, frames
from vp3d_cli.types import Float

_log = logging.getLogger(__name__)
# Validation draws from its own stream, the same in every run.
_VALIDATION_SEED = 20190616


@dataclass(frozen=True)
class EpochReport:
    """One row of the log; errors on the held-out clips.

    Millimetres, but for the root's distance from where it should be, in percent of its depth (NaN
    without a trajectory network).
    """

    epoch: int
    train_mm: float
    mpjpe_mm: float
    p_mpjpe_mm: float
    n_mpjpe_mm: float
    mpjve_mm: float
    root_percent: float
    learning_rate: float


def held_out_sequences(config: TrainConfig) -> Batch:
    """What a run validates on: sequences of clips it never trains on, the same in every run.

    People move there as they were recorded; bodies, cameras and the detector's faults are drawn.
    Without a split file the clips are the training clips.
    """
    config = dataclasses.replace(config, synthesis=config.synthesis.as_recorded())
    split = "heldout" if config.data.split else "train"
    mocap = read_mocap(config.data.mocap, config.data.split, split)
    rng = np.random.default_rng(_VALIDATION_SEED)
    return draw(config, mocap, config.train.validation_sequences, rng)


class Trainer:
    """A run in a folder: `lifter.safetensors` (best so far), `last.pt` (to resume), `log.csv`."""

    @shortage_explained()
    def __init__(self, config: TrainConfig, folder: Path, device: str = "cpu") -> None:
        self.config, self.folder, self.device = config, folder, torch_device(device)
        windows = config.train.batch_size // config.train.stride * (1 + config.train.flip)
        require_room(windows, config.train.stride, config.model)
        self.mocap = read_mocap(config.data.mocap, config.data.split, "train")
        self.validation = held_out_sequences(config)
        torch.manual_seed(config.train.seed)
        model, schedule = config.model, config.train
        coco, h36m = get(model.skeleton_in), get(model.skeleton_out)
        orders = (coco.flip_order, h36m.flip_order, (0,))
        self.flips = [torch.tensor(order, device=self.device) for order in orders]
        self.pose = self._network(h36m.num_joints)
        self.trajectory = self._network(1) if schedule.trajectory_every else None
        parameters = [p for network in self._networks() for p in network.parameters()]
        self.optimizer = torch.optim.Adam(
            parameters, lr=schedule.learning_rate, amsgrad=schedule.amsgrad
        )
        self.steps = 0
        self.epoch = 0
        self._set_momentum()
        self.history: list[EpochReport] = []

    @shortage_explained()
    def run(self, progress: Callable[[int, int], None] | None = None) -> EpochReport:
        """Train to the end of the schedule and return the best epoch.

        Stopped at any moment, `resume` goes on from the last whole epoch.

        Raises:
            DataError: it diverged, so that no epoch is the best.
        """
        schedule = self.config.train
        steps = schedule.steps_per_epoch
        for pieces in stream.epochs(self.config, self.mocap, self.epoch):
            means = Means()
            for step, batch in enumerate(self._batches(pieces), start=1):
                means.add({"pose_loss": self._step(batch)})
                if progress:
                    progress(self.epoch * steps + step, schedule.epochs * steps)
                means.tell(self.epoch + 1, step, steps)
            self._end_epoch(means.so_far()["pose_loss"] * 1000)
        return best_of_run(self.folder, self.history)

    def _batches(self, pieces: list[Batch]) -> Iterator[Windows]:
        """The epoch's windows; they depend on the seed and the epoch alone."""
        schedule = self.config.train
        return Windows.joined(pieces, self.device).shuffled(
            schedule.steps_per_epoch,
            schedule.batch_size // schedule.stride,
            schedule.stride,
            self.config.model.context,
            np.random.default_rng([schedule.seed, self.epoch]),
        )

    def _step(self, batch: Windows) -> float:
        """One optimiser step; returns the error of the pose in metres (MPJPE)."""
        inputs, targets, roots = batch.inputs, batch.targets, batch.roots
        if self.config.train.flip:
            inputs = torch.cat([inputs, _mirror(inputs, self.flips[0])])
            targets = torch.cat([targets, _mirror(targets, self.flips[1])])
            roots = torch.cat([roots, _mirror(roots, self.flips[2])])
        schedule = self.config.train
        network = self.trajectory
        if network is not None and self.steps % schedule.trajectory_every:
            network = None
        mixed = schedule.mixed_precision and self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            poses = self.pose.train()(inputs).float()
            paths = None if network is None else network.train()(inputs).float()
        loss = error = mpjpe(poses, targets)
        if paths is not None:
            loss = error + weighted_mpjpe(paths, roots)
        self.steps += 1
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return float(error.item())

    def _end_epoch(self, train_mm: float) -> None:
        schedule = self.config.train
        self.epoch += 1
        rate = self.optimizer.param_groups[0]["lr"]
        report = self._evaluate(train_mm, rate)
        self.history.append(report)
        for group in self.optimizer.param_groups:
            group["lr"] *= schedule.learning_rate_decay
        self._set_momentum()
        if is_best(self.history):
            self._save_best(report)
        self._save_last()
        _log.info(
            "epoch %d: train %.1f mm, held out %.1f mm", self.epoch, train_mm, report.mpjpe_mm
        )

    def _set_momentum(self) -> None:
        """Exponential from first to last over the run (paper, section 4)."""
        first, last = self.config.train.bn_momentum
        share = self.epoch / self.config.train.epochs
        for network in self._networks():
            network.set_bn_momentum(first * math.exp(-share * math.log(first / last)))

    def _networks(self) -> list[TemporalModel]:
        return [self.pose] if self.trajectory is None else [self.pose, self.trajectory]

    def _network(self, joints_out: int, *, twin: bool = True) -> TemporalModel:
        model = self.config.model
        kind = TemporalModel
        if twin and self.config.train.stride == 1 and not model.dense:
            kind = StridedTemporalModel
        joints_in = get(model.skeleton_in).num_joints
        return kind(model, joints_in, joints_out).to(self.device)

    @torch.no_grad()
    def predict(self, sequences: Batch, network: TemporalModel | None = None) -> Float:
        """Joints (B, T, J, 3) of every frame, without flip averaging; of the pose network."""
        network = network or self.pose
        whole = self._network(network.joints_out, twin=False)
        whole.load_state_dict(network.state_dict())
        whole.eval()
        length, parts = sequences.inputs.shape[1], []
        for row in range(0, len(sequences.inputs), 16):
            some = sequences.inputs[row : row + 16]
            seen, _ = frames(np.zeros(1, int), length, self.config.model.context, length)
            parts.append(whole(torch.from_numpy(some[:, seen[0]]).to(self.device)).cpu())
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    def _root_percent(self) -> float:
        if self.trajectory is None:
            return math.nan
        roots = self.validation.roots
        missed = np.linalg.norm(self.predict(self.validation, self.trajectory) - roots, axis=-1)
        return float((missed / roots[..., 2]).mean()) * 100

    def _evaluate(self, train_mm: float, rate: float) -> EpochReport:
        predicted, target = self.predict(self.validation), self.validation.targets
        return EpochReport(
            epoch=self.epoch,
            train_mm=train_mm,
            **errors_mm(predicted, target),
            root_percent=self._root_percent(),
            learning_rate=rate,
        )

    def _save_best(self, report: EpochReport) -> None:
        known = {k: v for k, v in dataclasses.asdict(report).items() if not math.isnan(v)}
        training = self.config.to_json() | {"best": known}
        config = dataclasses.replace(
            self.config.model, fps_range=self.config.synthesis.fps, training=training
        )
        trajectory = None if self.trajectory is None else self.trajectory.state_dict()
        save_checkpoint(Checkpoint(config, self.pose.state_dict(), trajectory), self.folder / BEST)

    def _save_last(self) -> None:
        state = {
            "config": self.config.to_json(),
            "epoch": self.epoch,
            "networks": [network.state_dict() for network in self._networks()],
            "optimizer": self.optimizer.state_dict(),
        }
        save_state(self.folder, state, self.history)

    def resume(self) -> None:
        """Go on from `last.pt`.

        Raises:
            DataError: there is none, or it is of another configuration.
        """
        state = load_state(self.folder, self.config.to_json())
        for network, saved in zip(self._networks(), state["networks"], strict=True):
            network.load_state_dict(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        self.steps = self.epoch * self.config.train.steps_per_epoch
        self.history = [EpochReport(**row) for row in state["history"]]
        self._set_momentum()


def _mirror(points: Tensor, flip_order: Tensor) -> Tensor:
    """(B, T, J, C) with x negated and sides swapped."""
    mirrored = points[:, :, flip_order].clone()
    mirrored[..., 0] *= -1
    return mirrored
