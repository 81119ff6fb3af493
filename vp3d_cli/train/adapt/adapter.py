"""Go on training a lifter on footage without labels; the best on held-out footage is kept."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vp3d_cli.device import torch_device
from vp3d_cli.errors import DataError
from vp3d_cli.lift.checkpoint import Checkpoint, build_models, save_checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.refine import reprojection
from vp3d_cli.train.adapt import losses, pairs
from vp3d_cli.train.adapt.config import AdaptConfig
from vp3d_cli.train.adapt.footage import Footage
from vp3d_cli.train.adapt.measure import Measures, measure
from vp3d_cli.train.adapt.pairs import Batch, Labelled, Rows, Unlabelled
from vp3d_cli.train.adapt.people import as_mocap
from vp3d_cli.train.mocap import Mocap
from vp3d_cli.train.paper.losses import bone_length_gap, mpjpe
from vp3d_cli.train.run_folder import BEST, load_state, save_state
from vp3d_cli.types import Bool, Json, Result

_log = logging.getLogger(__name__)
# The losses that are reported, and what makes their numbers readable.
_SHOWN = {
    "pose": "mm", "seen": "percent", "bones": "mm", "stretch": "mm", "depth": "mm", "bent": "mm",
    "path": "percent",
}  # fmt: skip
# Options that weigh the losses after the first, in their order.
_WEIGHTS = ("reprojection", "bone_length", "constancy", "depth", "steadiness")
_UNITS = {name: {"mm": 1000.0, "percent": 100.0}[unit] for name, unit in _SHOWN.items()}


@dataclass(frozen=True)
class EpochReport:
    """One row of the log; epoch 0 is the lifter that it starts from.

    Losses are means over the epoch's steps, see `losses`: `pose_mm` of labelled joints,
    `seen_percent` of the body's size in the picture, `bones_mm`, `stretch_mm`, `depth_mm`,
    `bent_mm` a frame squared, and `path_percent` of the labelled depth, 0 where no trajectory
    network is trained. Then `Measures` of the held-out footage, and whether the epoch is the best
    so far.
    """

    epoch: int
    pose_mm: float
    seen_percent: float
    bones_mm: float
    stretch_mm: float
    depth_mm: float
    bent_mm: float
    path_percent: float
    reprojection_px: float
    reprojection_percent: float
    jitter: float
    bone_variation_percent: float
    frames: int
    best: bool
    learning_rate: float

    @property
    def measures(self) -> Measures:
        fields = (field.name for field in dataclasses.fields(Measures))
        return Measures(**{name: getattr(self, name) for name in fields})


class Adapter:
    """A run in a folder: `lifter.safetensors` (best so far), `last.pt` (to resume), `log.csv`.

    Args:
        config: how.
        start: the lifter to go on from; as loaded, or the very same when resuming.
        footage: people that it lifted.
        folder: of the run.
        mocap: real labels; None to make them of what `start` says.
        device: "cpu", "cuda", "cuda:1".

    Raises:
        DataError: the lifter is of a kind that cannot be adapted.
    """

    def __init__(
        self,
        config: AdaptConfig,
        start: Lifter,
        footage: Footage,
        folder: Path,
        mocap: Mocap | None = None,
        device: str = "cpu",
    ) -> None:
        require_fitting(start)
        self.config, self.folder, self.device = config, folder, torch_device(device)
        self.model, self.footage, self._start = start.config, footage, start
        self.mocap = mocap or as_mocap(footage.training)
        self._own_labels = mocap is None
        self._unlabelled = pairs.unlabelled(footage.training, start)
        torch.manual_seed(config.seed)
        # In evaluation mode: batch normalisation keeps the statistics of the starting lifter, and
        # nothing is dropped. A few videos are too little to estimate the former.
        pose, trajectory = build_models(start.checkpoint(), start.name)
        self.pose = copy.deepcopy(pose).to(self.device)
        self.trajectory = None if trajectory is None else copy.deepcopy(trajectory).to(self.device)
        # On a screen's inputs the focal length is not to be seen, so neither is the distance: what
        # is learnt of it under these lenses would be lost under others. It stays as it is.
        self._steered = None if self.model.normalisation == "screen" else self.trajectory
        parameters = [p for network in self._networks() for p in network.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=config.learning_rate, amsgrad=True)
        self.epoch = 0
        self.history: list[EpochReport] = []

    @property
    def start(self) -> EpochReport:
        return self.history[0]

    @property
    def best(self) -> EpochReport:
        """The epoch that `lifter.safetensors` holds."""
        return next(report for report in reversed(self.history) if report.best)

    @property
    def stopped(self) -> bool:
        """Whether nothing became better for as long as one waits."""
        return self.epoch - self.best.epoch >= self.config.patience

    def run(self, progress: Callable[[int, int], None] | None = None) -> EpochReport:
        """Train until it gets no better and return the best epoch.

        Stopped at any moment, `resume` goes on from the last whole epoch.
        """
        steps, epochs = self.config.steps, self.config.epochs
        if not self.history:
            self._save_start()
        while self.epoch < epochs and not self.stopped:
            sums = np.zeros(len(_UNITS))
            for step, (labelled, unlabelled) in enumerate(self._batches()):
                sums += self._step(labelled, unlabelled)
                if progress:
                    progress(self.epoch * steps + step + 1, epochs * steps)
            self._end_epoch(sums / steps)
        if progress:
            progress(epochs * steps, epochs * steps)
        return self.best

    def _batches(self) -> Iterator[tuple[Batch, Batch]]:
        """The epoch's batches, the same in every run."""
        config, context = self.config, self.model.context
        rng = np.random.default_rng([config.seed, self.epoch])
        # Ends of sequences, where frames are repeated, are seen on both sides.
        length = config.length + sum(context)
        drawn = pairs.labelled(
            self.mocap, config.steps * config.windows, length, config.synthesis, self.model, rng
        )
        lengths = np.array([len(track) for track in self._unlabelled.inputs])
        for step in range(config.steps):
            rows = np.arange(step * config.windows, (step + 1) * config.windows)
            starts = rng.integers(0, length - config.length + 1, config.windows)
            which = rng.choice(len(lengths), config.windows, p=lengths / lengths.sum())
            last = np.maximum(lengths[which] - config.length, 0)
            begin = np.floor(rng.random(config.windows) * (last + 1)).astype(int)
            mirrored = rng.random((2, config.windows)) < 0.5
            yield (
                self._mirrored(self._cut(drawn, rows, starts), mirrored[0]),
                self._mirrored(self._cut(self._unlabelled, which, begin), mirrored[1]),
            )

    def _cut(self, sequences: Labelled | Unlabelled, which: Rows, starts: Rows) -> Batch:
        return pairs.cut(sequences, which, starts, self.config.length, self.model.context)

    def _step(self, labelled: Batch, unlabelled: Batch) -> np.ndarray:
        """One optimiser step; returns the losses of `EpochReport`, in its units."""
        seen, unseen = self._tensors(labelled), self._tensors(unlabelled)
        inputs, count = torch.cat([seen["inputs"], unseen["inputs"]]), len(seen["inputs"])
        poses = self.pose(inputs)
        guessed, config = poses[count:], self.config
        edges = self._start.skeleton_out.edge_indices
        terms = {
            "pose": mpjpe(poses[:count], seen["joints"]),
            "seen": self._picture(guessed, None, unseen),
            "bones": bone_length_gap(poses[:count], guessed, edges),
            "stretch": losses.stretching(poses, edges),
            "depth": losses.depth_drift(guessed, unseen["joints"], unseen["weights"]),
            "bent": losses.unsteadiness(guessed, unseen["weights"]),
        }
        weights = [1.0, *(getattr(config, name) for name in _WEIGHTS)]
        loss = torch.stack([w * t for w, t in zip(weights, terms.values(), strict=True)]).sum()
        terms["path"] = path = torch.zeros_like(loss)
        if self._steered is not None:
            paths = self._steered(inputs)
            terms["path"] = path = losses.path_error(paths[:count], seen["paths"])
            roots = paths[count:] / unseen["sizes"][..., None, None]
            loss = loss + path + config.reprojection * self._picture(guessed, roots, unseen)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        values = torch.stack([terms[name] for name in _UNITS]).detach().double().cpu()
        return values.numpy() * list(_UNITS.values())

    def _picture(self, poses: Tensor, roots: Tensor | None, batch: dict[str, Tensor]) -> Tensor:
        """The reprojection loss of poses where the picture shows them, or of roots alone.

        The paper lets the trajectory say where people stand, and its errors pull at the poses.
        Here each network answers for its own.
        """
        before, first = self.model.context[0], reprojection.FIRST_KEYPOINT
        now = batch["inputs"][:, before : before + poses.shape[1], first:, :2]
        zooms, weights = batch["zooms"], batch["weights"]
        if roots is None:
            points, directions = poses[:, :, reprojection.JOINTS], now / zooms[..., None, None]
            points = points + losses.fitted_roots(points, directions, weights)
        else:
            points = poses.detach()[:, :, reprojection.JOINTS] + roots
        return losses.off_the_picture(points, zooms, now, weights)

    def _mirrored(self, batch: Batch, which: Bool) -> Batch:
        """With those of the windows (B,) in a mirror: x is negated, sides swap."""
        coco, h36m = self._start.skeleton_in.flip_order, self._start.skeleton_out.flip_order
        first = reprojection.FIRST_KEYPOINT
        limbs = [side - first for side in coco[first:]]
        mirrored = dict(batch)
        for name, order in (
            ("inputs", coco),
            ("joints", h36m),
            ("paths", (0,)),
            ("weights", limbs),
        ):
            if name not in batch:
                continue
            mirrored[name] = values = batch[name].copy()
            turned = values[which][:, :, list(order)]
            if name != "weights":
                turned[..., 0] *= -1
            values[which] = turned
        return mirrored

    def _tensors(self, batch: Batch) -> dict[str, Tensor]:
        return {name: torch.from_numpy(values).to(self.device) for name, values in batch.items()}

    def _end_epoch(self, values: np.ndarray) -> None:
        self.epoch += 1
        report = self._report(values)
        for group in self.optimizer.param_groups:
            group["lr"] *= self.config.learning_rate_decay
        if report.measures.better_than(self.best.measures, self.start.measures):
            report, verdict = dataclasses.replace(report, best=True), ", best so far"
            self._save_best(report)
        else:
            verdict = self._why_not(report)
        self.history.append(report)
        self._save_last()
        _log.info(
            "epoch %d: held out %.2f %% of the body off, jitter %.2f m/s²%s",
            report.epoch,
            report.reprojection_percent,
            report.jitter,
            verdict,
        )

    def _why_not(self, report: EpochReport) -> str:
        """What to say of an epoch that fits better than the best, and yet is not kept."""
        faults = report.measures.faults(self.start.measures)
        nearer = report.reprojection_percent < self.best.reprojection_percent
        return f", not kept: {' and '.join(faults)}" if nearer and faults else ""

    def _report(self, values: np.ndarray, *, best: bool = False) -> EpochReport:
        measures = dataclasses.asdict(measure(self._lifter(), self.footage.held_out))
        names = (f"{name}_{_SHOWN[name]}" for name in _UNITS)
        return EpochReport(
            epoch=self.epoch,
            best=best,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            **dict(zip(names, values.tolist(), strict=True)),
            **measures,
        )

    def _lifter(self) -> Lifter:
        return Lifter(self._checkpoint(self.model), self._start.name, "", str(self.device))

    def _checkpoint(self, config: LifterConfig) -> Checkpoint:
        trajectory = None if self.trajectory is None else self.trajectory.state_dict()
        return Checkpoint(config, self.pose.state_dict(), trajectory)

    def _save_best(self, report: EpochReport) -> None:
        training: Json = {
            "adapted": self._identity()["adapt"],
            "from": {"name": self._start.name, "sha256": self._start.digest},
            "labels": "its own" if self._own_labels else "motion capture",
            "best": dataclasses.asdict(report),
            "before": self.model.training,
        }
        config = dataclasses.replace(self.model, training=training)
        save_checkpoint(self._checkpoint(config), self.folder / BEST)

    def _save_start(self) -> None:
        """Epoch 0: the starting lifter is the best so far."""
        self.history.append(self._report(np.full(len(_UNITS), np.nan), best=True))
        save_checkpoint(self._start.checkpoint(), self.folder / BEST)
        self._save_last()

    def _networks(self) -> list[TemporalModel]:
        """Those that are trained."""
        return [self.pose] if self._steered is None else [self.pose, self._steered]

    def _identity(self) -> Json:
        """What a run must share with the one that it resumes; it may become longer."""
        videos = [*self.footage.training, *self.footage.held_out]
        free = ("epochs", "patience")
        return {
            "adapt": {k: v for k, v in self.config.to_json().items() if k not in free},
            "lifter": self._start.digest,
            "mocap": None if self._own_labels else list(self.mocap.names),
            "held_out": self.footage.how,
            "videos": [_digest(video) for video in videos],
        }

    def _save_last(self) -> None:
        state = {
            "config": self._identity(),
            "epoch": self.epoch,
            "networks": [network.state_dict() for network in self._networks()],
            "optimizer": self.optimizer.state_dict(),
        }
        save_state(self.folder, state, self.history)

    def resume(self) -> None:
        """Go on from `last.pt`.

        Raises:
            DataError: there is none, or it is of another configuration or other videos.
        """
        state = load_state(self.folder, self._identity())
        for network, saved in zip(self._networks(), state["networks"], strict=True):
            network.load_state_dict(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        self.history = [EpochReport(**row) for row in state["history"]]


def _digest(video: Result) -> str:
    """Of what is learnt from a video: found with other options it is another."""
    digest = hashlib.sha256(repr(video.camera.focal_px).encode())
    for track in video.tracks2d:
        digest.update(track.keypoints.tobytes() + track.scores.tobytes())
    return digest.hexdigest()


def require_fitting(lifter: Lifter) -> None:
    """Refuse lifters of a kind that cannot be adapted.

    Raises:
        DataError: it is one.
    """
    takes = (lifter.skeleton_in.name, lifter.skeleton_out.name)
    if takes != ("coco17", "h36m17"):
        raise DataError(
            f"{lifter.name}: turns {takes[0]} into {takes[1]}; adapt goes on from lifters that "
            "turn coco17 into h36m17, such as bundled or h36m-coco-243"
        )
