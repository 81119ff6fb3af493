"""The paper's training on sequences: windows, losses, what is learnt, and stopping and resuming."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vp3d_cli.datasets import DatasetCamera, Sequence
from vp3d_cli.errors import DataError
from vp3d_cli.lift.checkpoint import read_checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.skeletons import get
from vp3d_cli.train.paper import losses
from vp3d_cli.train.paper.chunks import Chunks, screen_inputs
from vp3d_cli.train.paper.config import Data, PaperConfig, Schedule, Semi, select, subset
from vp3d_cli.train.paper.trainer import PaperTrainer, matching
from vp3d_cli.train.run_folder import BEST, LOG, open_run

H36M, COCO = get("h36m17"), get("coco17")
CPU = torch.device("cpu")
CAMERA = DatasetCamera(
    "front", 1000, 800, np.array([1100.0, 1090.0]), np.array([510.0, 395.0]),
    np.array([-0.2, 0.24, -0.003]), np.array([-0.001, -0.0014]),
)  # fmt: skip


def _sequence(subject: str, length: int = 40, seed: int = 0, action: str = "Walk 1") -> Sequence:
    """Somebody whose joints swing around a fixed shape, 4 m away, seen by CAMERA."""
    rng = np.random.default_rng([seed, length])
    shape = np.random.default_rng(7).normal(0, 0.4, (17, 3)) * [0.6, 1, 0.3]
    shape[0] = 0
    phase = rng.uniform(0, 6, (1, 17, 3))
    time = np.arange(length)[:, None, None] / 8
    relative = shape + 0.15 * np.sin(time + phase) * (np.arange(17) > 0)[None, :, None]
    root = np.stack(
        [0.4 * np.sin(time[:, 0, 0] / 3), 0 * time[:, 0, 0], 4 + 0.3 * np.cos(time[:, 0, 0] / 4)],
        -1,
    )
    joints = (relative + root[:, None]).astype(np.float32)
    return Sequence(
        subject, action, CAMERA, 50.0, 1000, 800,
        skeleton_in=H36M, keypoints=CAMERA.project(joints).astype(np.float32),
        skeleton_out=H36M, joints=joints,
    )  # fmt: skip


def _config(**changes: Any) -> PaperConfig:
    model = LifterConfig((3, 3), 16, skeleton_in="h36m17", causal=changes.pop("causal", False))
    data = Data((), ("S1",), ("S9",), changes.pop("unlabelled", ()))
    train = Schedule(epochs=changes.pop("epochs", 3), batch_size=64, learning_rate=0.01,
                     stride=changes.pop("stride", 1),
                     evaluate_every=changes.pop("evaluate_every", 1))  # fmt: skip
    return PaperConfig(model, data, train, Semi(**changes))


SEQUENCES = (
    _sequence("S1", 60, 1), _sequence("S1", 43, 2), _sequence("S5", 90, 3), _sequence("S9", 50, 4),
)  # fmt: skip


def _train(config: PaperConfig, folder: Path, *, resume: bool = False) -> PaperTrainer:
    return open_run(lambda: PaperTrainer(config, SEQUENCES, folder), folder, resume=resume)


@pytest.mark.parametrize(("length", "stride"), [(10, 1), (10, 4), (9, 4), (3, 8)])
@pytest.mark.parametrize("context", [(2, 2), (4, 0)])
def test_chunks_are_the_padded_sequence_cut_up(
    length: int, stride: int, context: tuple[int, int]
) -> None:
    """Against the plain way: pad the sequence by copying its ends, and cut."""
    sequences = [_sequence("S1", length, 1), _sequence("S1", length + 3, 2)]
    chunks = Chunks(sequences, stride, context, flip=False, features=2, device=CPU)
    rows = iter(range(len(chunks)))
    for sequence in sequences:
        count = -(-len(sequence) // stride)
        offset = (count * stride - len(sequence)) // 2
        reach = (context[0] + stride, context[1] + stride)
        inputs = np.pad(screen_inputs(sequence, 2), (reach, (0, 0), (0, 0)), mode="edge")
        joints = np.pad(np.asarray(sequence.joints), (reach, (0, 0), (0, 0)), mode="edge")
        for i in range(count):
            start = i * stride - offset + reach[0]
            batch = chunks.batch(np.array([next(rows)]))
            window = inputs[start - context[0] : start + stride + context[1]]
            np.testing.assert_allclose(batch.inputs[0], window, rtol=0, atol=0)
            target = joints[start : start + stride]
            np.testing.assert_allclose(batch.root[0], target[:, :1])
            np.testing.assert_allclose(batch.joints[0], target - target[:, :1])
    assert next(rows, None) is None


def test_mirrored_chunks_are_the_mirror_image() -> None:
    """The mirrored camera sees the mirrored person where the mirrored keypoints are."""
    chunks = Chunks([_sequence("S1")], 1, (0, 0), flip=True, features=2, device=CPU)
    half = len(chunks) // 2
    plain, mirrored = (chunks.batch(np.arange(half) + k * half) for k in (0, 1))
    order = list(H36M.flip_order)
    sign = torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(mirrored.joints, plain.joints[:, :, order] * sign)
    torch.testing.assert_close(mirrored.root, plain.root * sign)
    for batch in (plain, mirrored):
        seen = losses.project(batch.joints + batch.root, batch.cameras, linear=False)
        torch.testing.assert_close(seen, batch.inputs, rtol=0, atol=2e-5)


def test_projection_without_the_lens_is_a_pinhole() -> None:
    points = torch.tensor([[[[0.5, -0.25, 2.0], [9.0, 0.0, 1.0]]]])
    camera = torch.tensor([[2.0, 2.2, 0.01, -0.02, 0.3, 0.3, 0.3, 0.1, 0.1]])
    seen = losses.project(points, camera, linear=True)
    # The second ray is outside of 45 degrees.
    torch.testing.assert_close(seen[0, 0], torch.tensor([[0.51, -0.295], [2.01, -0.02]]))


def test_losses_by_hand() -> None:
    zeros = torch.zeros(2, 1, 2, 3)
    moved = zeros.clone()
    moved[0, 0, 0] = torch.tensor([3.0, 4.0, 0.0])
    assert losses.mpjpe(moved, zeros) == pytest.approx(5 / 4)
    root = torch.tensor([[[[0.0, 0, 2]]], [[[0.0, 0, 4]]]])
    off = root + torch.tensor([0.0, 1.0, 0.0])
    assert losses.weighted_mpjpe(off, root) == pytest.approx((1 / 2 + 1 / 4) / 2)
    seen = torch.zeros(1, 1, 2, 2)
    seen[0, 0, 1] = torch.nan
    assert losses.reprojection(torch.full((1, 1, 2, 2), 3.0), seen) == pytest.approx(18**0.5)
    bones = [(0, 1)]
    long = torch.tensor([[[[0.0, 0, 0], [0, 2.0, 0]]], [[[0.0, 0, 0], [0, 4.0, 0]]]])
    assert losses.bone_lengths(long, bones).tolist() == [3.0]
    assert losses.bone_length_gap(long, long / 3, bones) == pytest.approx(2.0)
    projected = torch.zeros(1, 1, 2, 2, requires_grad=True)
    losses.reprojection(projected, seen).backward()
    assert projected.grad is not None
    assert torch.isfinite(projected.grad).all()


@pytest.mark.parametrize("causal", [False, True])
def test_the_reprojection_looks_at_the_frame_that_is_predicted(
    tmp_path: Path, causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the true pose and path the loss is nothing: another frame's keypoints would cost."""
    trainer = PaperTrainer(
        _config(unlabelled=("S5",), causal=causal, bone_length=False), SEQUENCES, tmp_path
    )
    truth = Chunks(
        [SEQUENCES[2]], 1, trainer.config.model.context, flip=True, features=2, device=CPU
    )
    rows = np.arange(5, 40, 3)
    assert trainer.unlabelled is not None
    unseen, known = trainer.unlabelled.batch(rows), truth.batch(rows)
    torch.testing.assert_close(unseen.inputs, known.inputs)
    (loss,) = trainer._without_labels(known.joints, known.root, unseen, 0).values()
    assert loss < 1e-4
    shifted = dataclasses.replace(unseen, inputs=unseen.inputs.roll(1, dims=1))
    (loss,) = trainer._without_labels(known.joints, known.root, shifted, 0).values()
    assert loss > 1e-3


def test_labels_of_unlabelled_subjects_are_not_looked_at(tmp_path: Path) -> None:
    trainer = PaperTrainer(_config(unlabelled=("S5",)), SEQUENCES, tmp_path)
    assert trainer.unlabelled is not None
    batch = trainer.unlabelled.batch(np.arange(3))
    assert not batch.joints.any()
    assert not batch.root.any()


@pytest.mark.parametrize(
    "changes",
    [{}, {"stride": 4}, {"unlabelled": ("S5",)}, {"unlabelled": ("S5",), "causal": True}],
)
def test_training_learns_and_its_weights_load(tmp_path: Path, changes: dict[str, Any]) -> None:
    trainer = _train(_config(epochs=12, **changes), tmp_path)
    best = trainer.run()
    first = trainer.history[0]
    assert best.mpjpe_mm < 0.8 * first.mpjpe_mm
    read = read_checkpoint((tmp_path / BEST).read_bytes(), "x")
    assert (read.trajectory is not None) == ("unlabelled" in changes)
    assert read.config.normalisation == "screen"
    assert len((tmp_path / LOG).read_text().splitlines()) == 13


@pytest.mark.parametrize(
    "changes", [{}, {"unlabelled": ("S5",)}, {"evaluate_every": 2}, {"evaluate_every": 3}]
)
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, changes: dict[str, Any]) -> None:
    config = _config(epochs=4, **changes)
    _train(config, tmp_path / "whole").run()

    class Stopped(Exception): ...  # noqa: N818

    def stop(done: int, total: int) -> None:
        if done > total * 0.6:
            raise Stopped

    stopped = _train(config, tmp_path / "part")
    with pytest.raises(Stopped):
        stopped.run(stop)
    resumed = _train(config, tmp_path / "part", resume=True)
    assert resumed.epoch == stopped.epoch == 2  # no epoch is lost, looked at or not
    resumed.run()
    part, whole = (
        read_checkpoint((tmp_path / name / BEST).read_bytes(), name) for name in ("part", "whole")
    )
    assert part.config == whole.config
    for mine, its in ((part.pose, whole.pose), (part.trajectory or {}, whole.trajectory or {})):
        assert mine.keys() == its.keys()
        assert all(torch.equal(mine[name], its[name]) for name in mine)
    assert (tmp_path / "part" / LOG).read_bytes() == (tmp_path / "whole" / LOG).read_bytes()


def test_warm_up_is_without_unlabelled_sequences(tmp_path: Path) -> None:
    trainer = PaperTrainer(_config(unlabelled=("S5",), warmup=2), SEQUENCES, tmp_path)
    kinds = []
    for epoch in range(3):
        trainer.epoch = epoch
        batches = list(trainer._batches())
        kinds.append({unseen is None for _, unseen in batches})
        for seen, unseen in batches:
            assert unseen is None or len(unseen.inputs) == len(seen.inputs)
    assert kinds == [{True}, {True}, {False}]


def test_subset_follows_the_length_alone() -> None:
    """The stretch that REFERENCE says: SHA-256 of the length, first four bytes, little-endian."""
    sequence = _sequence("S1", 60)
    part = subset(sequence, 0.25)
    assert len(part) == 15
    # sha256(b"60") starts with the bytes 39 fa 9e c1.
    draw = int.from_bytes(bytes.fromhex("39fa9ec1"), "little") / (2**32 - 1)
    start = int(draw * (60 - 15 + 1))
    np.testing.assert_array_equal(
        part.keypoints, np.asarray(sequence.keypoints)[start : start + 15]
    )


def test_selection() -> None:
    data = Data((), ("S1",), ("S9",), actions=("Walk",), downsample=3)
    others = (*SEQUENCES, _sequence("S1", 40, 9, action="WalkDog 1"))
    chosen = select(others, data, ("S1",))
    assert [len(s) for s in chosen] == [20, 15]
    assert chosen[0].fps == pytest.approx(50 / 3)
    with pytest.raises(DataError, match="subjects S7: no such sequences; there are S1, S5, S9"):
        select(others, data, ("S1", "S7"))
    unknown = dataclasses.replace(data, actions=("Walk", "Wlak"))
    with pytest.raises(DataError, match="actions Wlak: no such sequences; there are Walk, WalkDog"):
        select(others, unknown, ("S1",))
    dog = dataclasses.replace(data, actions=("WalkDog",))
    assert len(select(others, dog, ("S1",))) == 1
    with pytest.raises(DataError, match=r"WalkDog: no such sequences of S9; there are Walk$"):
        select(others, dog, ("S1", "S9"))


def test_coco_keypoints_stand_for_the_limbs() -> None:
    joints, keypoints = matching(H36M, COCO)
    names = [(H36M.joints[j], COCO.joints[k]) for j, k in zip(joints, keypoints, strict=True)]
    assert ("left_foot", "left_ankle") in names
    assert len(names) == 12
    assert matching(H36M, H36M)[0] == list(range(17))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"joints": None, "skeleton_out": None}, "training subjects: S1 Walk 1, front: has no 3D"),
        (
            {"skeleton_in": COCO, "keypoints": np.ones((60, 17, 2), np.float32)},
            "skeleton_in: expected coco17, as in the data, got h36m17",
        ),
        (
            {"skeleton_in": COCO, "keypoints_at": "d.npz: 7"},
            "expected coco17, as in d.npz: 7, got h36m17",
        ),
        ({"keypoints": np.full((60, 17, 2), np.nan, np.float32)}, "without any keypoint"),
    ],
)
def test_sequences_that_do_not_fit(tmp_path: Path, broken: dict[str, Any], words: str) -> None:
    sequence = dataclasses.replace(SEQUENCES[0], **broken)
    with pytest.raises(DataError, match=words):
        PaperTrainer(_config(), (sequence, SEQUENCES[3]), tmp_path)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"joints": None, "skeleton_out": None}, "has no 3D joints"),
        ({"skeleton_in": COCO}, "expected h36m17 to h36m17, as in the training data, got coco17"),
        ({"keypoints": None, "skeleton_in": None}, "expected h36m17 to h36m17, .* got nothing"),
    ],
)
def test_test_subjects_that_do_not_fit(tmp_path: Path, broken: dict[str, Any], words: str) -> None:
    """They are refused before anything is trained."""
    sequence = dataclasses.replace(SEQUENCES[3], **broken)
    with pytest.raises(DataError, match=f"test subjects: S9 Walk 1, front: {words}"):
        PaperTrainer(_config(), (SEQUENCES[0], sequence), tmp_path)


def test_test_subjects_that_are_too_short(tmp_path: Path) -> None:
    config = _config()
    thin = dataclasses.replace(config, data=dataclasses.replace(config.data, downsample=50))
    words = "S9 Walk 1, front: expected at least 2 frames, .* got 1 with downsample = 50"
    with pytest.raises(DataError, match=words):
        PaperTrainer(thin, SEQUENCES, tmp_path)


def _diverging(monkeypatch: pytest.MonkeyPatch, diverged: set[int]) -> None:
    """Let the network predict nothing that is a number after some epochs."""
    predict = PaperTrainer._predict

    def broken(self: PaperTrainer, *args: Any) -> Any:
        return predict(self, *args) * np.float32(np.nan if self.epoch in diverged else 1)

    monkeypatch.setattr(PaperTrainer, "_predict", broken)


def test_a_diverged_epoch_is_never_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _diverging(monkeypatch, {1})
    trainer = _train(_config(), tmp_path)
    best = trainer.run()
    assert not np.isfinite(trainer.history[0].mpjpe_mm)
    assert best.mpjpe_mm == min(report.mpjpe_mm for report in trainer.history[1:])
    stored = read_checkpoint((tmp_path / BEST).read_bytes(), "x").config.training
    assert stored["best"]["epoch"] == best.epoch


def test_a_run_that_diverged_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _diverging(monkeypatch, {1, 2, 3})
    with pytest.raises(DataError, match=r"training diverged: .*; lower learning_rate"):
        _train(_config(), tmp_path).run()
    assert not (tmp_path / BEST).exists()


def test_no_more_windows_than_there_are(tmp_path: Path) -> None:
    """A step larger than the data is a step with all of it."""
    config = _config()
    train = dataclasses.replace(config.train, batch_size=400_000_000)
    PaperTrainer(dataclasses.replace(config, train=train), SEQUENCES, tmp_path)


def test_reprojection_needs_cameras(tmp_path: Path) -> None:
    blind = dataclasses.replace(SEQUENCES[2], camera=None)
    sequences = (SEQUENCES[0], blind, SEQUENCES[3])
    with pytest.raises(DataError, match="has no camera"):
        PaperTrainer(_config(unlabelled=("S5",)), sequences, tmp_path)
    PaperTrainer(_config(unlabelled=("S5",), projection="none"), sequences, tmp_path)
