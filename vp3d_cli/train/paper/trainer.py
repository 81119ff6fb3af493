"""The paper's optimiser and schedule, with labels and without."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vp3d_cli.datasets import Sequence
from vp3d_cli.device import torch_device
from vp3d_cli.errors import DataError
from vp3d_cli.lift.checkpoint import Checkpoint, save_checkpoint
from vp3d_cli.lift.model import StridedTemporalModel, TemporalModel
from vp3d_cli.train.logs import Means, errors_mm
from vp3d_cli.train.memory import require_room, shortage_explained
from vp3d_cli.train.paper import losses
from vp3d_cli.train.paper.chunks import Batch, Chunks, screen_inputs
from vp3d_cli.train.paper.config import PaperConfig, select, subset
from vp3d_cli.train.run_folder import BEST, best_of_run, is_best, load_state, save_state
from vp3d_cli.types import Float, Skeleton

_log = logging.getLogger(__name__)
# Added to the seed for the order of unlabelled chunks, which is another stream.
_UNLABELLED_SEED = 3087
# Keypoints that stand for joints of another name.
_SAME_PLACE = {"left_foot": "left_ankle", "right_foot": "right_ankle"}


@dataclass(frozen=True)
class EpochReport:
    """One row of the log. Errors in millimetres; the loss is the sum of the four terms.

    Pose and bone length in metres, the trajectory's weighted by 1 / depth, the reprojection in half
    widths of the picture; NaN where a term was not trained with.
    """

    epoch: int
    loss: float
    train_mm: float
    mpjpe_mm: float
    p_mpjpe_mm: float
    n_mpjpe_mm: float
    mpjve_mm: float
    learning_rate: float
    pose_loss: float = math.nan
    trajectory_loss: float = math.nan
    reprojection_loss: float = math.nan
    bone_length_loss: float = math.nan


class PaperTrainer:
    """A run in a folder: `lifter.safetensors` (best so far), `last.pt` (to resume), `log.csv`."""

    @shortage_explained()
    def __init__(
        self,
        config: PaperConfig,
        sequences: Iterable[Sequence],
        folder: Path,
        device: str = "cpu",
    ) -> None:
        self.config, self.folder, self.device = config, folder, torch_device(device)
        data, schedule = config.data, config.train
        sequences = tuple(sequences)
        labelled = [subset(s, data.subset) for s in select(sequences, data, data.train)]
        _require_joints("training", labelled)
        self.test = select(sequences, data, data.test)
        _require_joints("test", self.test)
        self.labelled = self._chunks(labelled)
        self._skeleton_out = self._checked_skeleton(labelled[0])
        self._check_test()
        self.unlabelled: Chunks | None = None
        if data.unlabelled:
            without = [
                dataclasses.replace(s, joints=None, skeleton_out=None)
                for s in select(sequences, data, data.unlabelled)
            ]
            self.unlabelled = self._chunks(without)
            self._pairs = matching(self._skeleton_out, self.unlabelled.skeleton_in)
            if config.semi.projection != "none" and any(s.camera is None for s in without):
                raise DataError(
                    "unlabelled subjects: a sequence has no camera, which the reprojection loss "
                    "needs; give it, or set projection = 'none' in [semi]"
                )
        kinds = 1 if self.unlabelled is None else 2
        windows = min(self._rows(), len(self.labelled)) * kinds
        require_room(windows, schedule.stride, config.model)
        torch.manual_seed(schedule.seed)
        self.pose = self._network(self._skeleton_out.num_joints)
        self.trajectory = self._network(1) if self.unlabelled is not None else None
        parameters = [p for network in self._networks() for p in network.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=schedule.learning_rate, amsgrad=True)
        self.epoch = 0
        self.history: list[EpochReport] = []
        self._set_momentum()

    @shortage_explained()
    def run(self, progress: Callable[[int, int], None] | None = None) -> EpochReport:
        """Train to the end of the schedule and return the best epoch.

        Stopped at any moment, `resume` goes on from the last whole epoch.

        Raises:
            DataError: it diverged, so that no epoch is the best.
        """
        steps = -(-len(self.labelled) // self._rows())
        while self.epoch < self.config.train.epochs:
            means = Means()
            for step, (seen, unseen) in enumerate(self._batches(), start=1):
                means.add(self._step(seen, unseen))
                if progress:
                    progress(self.epoch * steps + step, self.config.train.epochs * steps)
                means.tell(self.epoch + 1, step, steps)
            self._end_epoch(means.so_far())
        return best_of_run(self.folder, self.history)

    def _batches(self) -> Iterator[tuple[Batch, Batch | None]]:
        """The epoch's batches, the same in every run; unlabelled chunks go round without end."""
        rows, seed = self._rows(), self.config.train.seed
        order = np.random.default_rng([seed, self.epoch]).permutation(len(self.labelled))
        parts = [order[first : first + rows] for first in range(0, len(order), rows)]
        if self.unlabelled is None or self.epoch < self.config.semi.warmup:
            yield from ((self.labelled.batch(part), None) for part in parts)
            return
        rng = np.random.default_rng([seed + _UNLABELLED_SEED, self.epoch])
        count = len(self.unlabelled)
        rounds = [rng.permutation(count) for _ in range(-(-len(order) // count))]
        others = np.concatenate(rounds)
        for first, part in zip(range(0, len(order), rows), parts, strict=True):
            chosen = others[first : first + len(part)]
            yield self.labelled.batch(part), self.unlabelled.batch(chosen)

    def _step(self, seen: Batch, unseen: Batch | None) -> dict[str, float]:
        """One optimiser step; returns the losses of `EpochReport` that it had."""
        schedule = self.config.train
        mixed = schedule.mixed_precision and self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            inputs = seen.inputs if unseen is None else torch.cat([seen.inputs, unseen.inputs])
            poses = self.pose.train()(inputs).float()
            paths = None if self.trajectory is None else self.trajectory.train()(inputs).float()
        labelled = len(seen.inputs)
        terms = {"pose_loss": losses.mpjpe(poses[:labelled], seen.joints)}
        if paths is not None:
            terms["trajectory_loss"] = losses.weighted_mpjpe(paths[:labelled], seen.root)
        if unseen is not None and paths is not None:
            terms |= self._without_labels(poses, paths[labelled:], unseen, labelled)
        loss = torch.stack(list(terms.values())).sum()
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        values = torch.stack([loss, *terms.values()]).detach().tolist()
        return dict(zip(("loss", *terms), values, strict=True))

    def _without_labels(
        self, poses: Tensor, paths: Tensor, unseen: Batch, labelled: int
    ) -> dict[str, Tensor]:
        """The losses that need no 3D: where the joints are seen, and how long the bones are."""
        semi, guessed = self.config.semi, poses[labelled:]
        terms: dict[str, Tensor] = {}
        if semi.projection != "none":
            joints, keypoints = self._pairs
            before = self.config.model.context[0]
            # The frames that are predicted, also where the network is causal.
            now = unseen.inputs[:, before : before + guessed.shape[1], keypoints, :2]
            projected = losses.project(
                (guessed + paths)[:, :, joints], unseen.cameras, linear=semi.projection == "linear"
            )
            terms["reprojection_loss"] = losses.reprojection(projected, now)
        if semi.bone_length:
            bones = self._skeleton_out.edge_indices
            terms["bone_length_loss"] = losses.bone_length_gap(poses[:labelled], guessed, bones)
        return terms

    def _end_epoch(self, means: dict[str, float]) -> None:
        schedule = self.config.train
        self.epoch += 1
        rate = self.optimizer.param_groups[0]["lr"]
        for group in self.optimizer.param_groups:
            group["lr"] *= schedule.learning_rate_decay
        self._set_momentum()
        if self.epoch % schedule.evaluate_every == 0 or self.epoch == schedule.epochs:
            self._look_at_test(means, rate)
        self._save_last()

    def _look_at_test(self, means: dict[str, float], rate: float) -> None:
        report = self._evaluate(means, rate)
        self.history.append(report)
        if is_best(self.history):
            self._save_best(report)
        _log.info(
            *("epoch %d: train %.1f mm, test %.1f mm", self.epoch, report.train_mm, report.mpjpe_mm)
        )

    def _evaluate(self, terms: dict[str, float], rate: float) -> EpochReport:
        """On the test subjects, every frame, without flip averaging."""
        whole = self._whole_network()
        measured: list[dict[str, float]] = []
        for sequence in self.test:
            joints = np.asarray(sequence.joints, np.float32)
            target = (joints - joints[:, :1])[None]
            predicted = self._predict(whole, sequence)[None]
            measured.append(errors_mm(predicted, target))
        frames = [len(sequence) for sequence in self.test]
        errors = {
            name: float(np.average([each[name] for each in measured], weights=frames))
            for name in measured[0]
        }
        train_mm = terms["pose_loss"] * 1000
        return EpochReport(
            epoch=self.epoch, train_mm=train_mm, **errors, learning_rate=rate, **terms
        )

    @torch.no_grad()
    def _predict(self, network: TemporalModel, sequence: Sequence) -> Float:
        inputs = screen_inputs(sequence, self.config.model.features)
        before, after = self.config.model.context
        padded = np.pad(inputs, ((before, after), (0, 0), (0, 0)), mode="edge")
        output = network(torch.from_numpy(padded[None]).to(self.device))
        return np.asarray(output[0].float().cpu().numpy(), np.float32)

    def _whole_network(self) -> TemporalModel:
        """The network that runs over whole sequences, with the trained parameters."""
        if not isinstance(self.pose, StridedTemporalModel):
            return self.pose.eval()
        whole = self._network(self._skeleton_out.num_joints, twin=False)
        whole.load_state_dict(self.pose.state_dict())
        return whole.eval()

    def _network(self, joints_out: int, *, twin: bool = True) -> TemporalModel:
        model = self.config.model
        kind = TemporalModel
        if twin and self.config.train.stride == 1 and not model.dense:
            kind = StridedTemporalModel
        return kind(model, self.labelled.skeleton_in.num_joints, joints_out).to(self.device)

    def _networks(self) -> list[TemporalModel]:
        return [self.pose] if self.trajectory is None else [self.pose, self.trajectory]

    def _set_momentum(self) -> None:
        """Exponential from first to last over the run (paper, section 4)."""
        first, last = self.config.train.bn_momentum
        share = self.epoch / self.config.train.epochs
        for network in self._networks():
            network.set_bn_momentum(first * math.exp(-share * math.log(first / last)))

    def _rows(self) -> int:
        return self.config.train.batch_size // self.config.train.stride

    def _checked_skeleton(self, labelled: Sequence) -> Skeleton:
        """The skeleton of the labels, after a look at what the configuration says."""
        model, found = self.config.model, self.labelled
        assert found.skeleton_out is not None  # labelled sequences have joints
        for key, said, got, where in (
            ("skeleton_in", model.skeleton_in, found.skeleton_in.name, labelled.keypoints_at),
            ("skeleton_out", model.skeleton_out, found.skeleton_out.name, labelled.joints_at),
        ):
            if said != got:
                data = where or "the data"
                raise DataError(f"table [model]: {key}: expected {got}, as in {data}, got {said}")
        return found.skeleton_out

    def _check_test(self) -> None:
        """Refuse, before training, what could not be predicted or measured after an epoch."""
        expected = self.labelled.skeleton_in, self.labelled.skeleton_out
        for sequence in self.test:
            where = f"test subjects: {sequence.name}"
            if (sequence.skeleton_in, sequence.skeleton_out) != expected:
                said, got = (
                    " to ".join(kind.name if kind else "nothing" for kind in kinds)
                    for kinds in (expected, (sequence.skeleton_in, sequence.skeleton_out))
                )
                raise DataError(f"{where}: expected {said}, as in the training data, got {got}")
            if len(sequence) < 2:
                raise DataError(
                    f"{where}: expected at least 2 frames, for the velocity, got {len(sequence)} "
                    f"with downsample = {self.config.data.downsample} in [data]"
                )
            screen_inputs(sequence, self.config.model.features)  # raises where it cannot be had

    def _chunks(self, sequences: list[Sequence]) -> Chunks:
        return Chunks(
            sequences,
            self.config.train.stride,
            self.config.model.context,
            flip=self.config.train.flip,
            features=self.config.model.features,
            device=self.device,
        )

    def _save_best(self, report: EpochReport) -> None:
        known = {k: v for k, v in dataclasses.asdict(report).items() if not math.isnan(v)}
        training = self.config.to_json() | {"best": known}
        config = dataclasses.replace(self.config.model, training=training)
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
        self.history = [EpochReport(**row) for row in state["history"]]
        self._set_momentum()


def _require_joints(kind: str, sequences: Iterable[Sequence]) -> None:
    for sequence in sequences:
        if sequence.joints is None:
            raise DataError(f"{kind} subjects: {sequence.name}: has no 3D joints")


def matching(joints: Skeleton, keypoints: Skeleton) -> tuple[list[int], list[int]]:
    """The joints that have a keypoint of the same name, and those keypoints.

    Raises:
        DataError: they share too few.
    """
    names = {joint: _SAME_PLACE.get(joint, joint) for joint in joints.joints}
    if joints.name == keypoints.name:
        names = {joint: joint for joint in joints.joints}
    pairs = [(j, k) for j, k in names.items() if k in keypoints.joints]
    if len(pairs) < 8:
        raise DataError(f"{joints.name} and {keypoints.name} share only {len(pairs)} joints")
    return [joints.index(j) for j, _ in pairs], [keypoints.index(k) for _, k in pairs]
