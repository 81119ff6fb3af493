"""Training on a small made-up mocap file: pairs that fit, learning, stopping and resuming."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.factories import make_track2d, make_video
from vp3d_cli.errors import DataError, Vp3dError
from vp3d_cli.lift.checkpoint import read_checkpoint
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.skeletons import get
from vp3d_cli.train import run_folder
from vp3d_cli.train.config import TrainConfig, read_train_config
from vp3d_cli.train.logs import EVENTS, PICTURE
from vp3d_cli.train.loop import Trainer
from vp3d_cli.train.mocap import FACE, read_mocap
from vp3d_cli.train.noise import Noise
from vp3d_cli.train.run_folder import BEST, LAST, LOG
from vp3d_cli.train.stream import epochs
from vp3d_cli.train.synthesize import Batch, Synthesis, synthesize
from vp3d_cli.train.windows import Windows
from vp3d_cli.types import Camera

# A standing figure, metres, z up, facing -y: Human3.6M-17, then nose, eyes, ears.
_FIGURE = """
0 0 .95  -.1 0 .93  -.1 0 .5  -.1 0 .06  .1 0 .93  .1 0 .5  .1 0 .06  0 0 1.18  0 0 1.42
0 -.02 1.52  0 0 1.64  .16 0 1.4  .2 0 1.12  .2 -.02 .88  -.16 0 1.4  -.2 0 1.12  -.2 -.02 .88
0 -.1 1.55  .03 -.08 1.58  -.03 -.08 1.58  .07 0 1.56  -.07 0 1.56
"""
QUIET = Noise(
    offset=0, jitter=0, face=0, outlier=0, occlusion=0, limb=0, swap=0, merge=0, cut=0, gap=0
)
STILL = Synthesis(speed_sigma=0, arm_swap=0, leg_swap=0, limb_bend=0, lean=0, tilt=0, noise=QUIET)


def open_run(config: TrainConfig, folder: Path, device: str, *, resume: bool) -> Trainer:
    return run_folder.open_run(lambda: Trainer(config, folder, device), folder, resume=resume)


@pytest.fixture
def mocap_file(tmp_path: Path) -> Path:
    """Three clips of the figure waving its limbs."""
    figure = np.array(_FIGURE.split(), float).reshape(22, 3)
    rng = np.random.default_rng(0)
    clips = []
    for length in (60, 40, 30):
        phase = np.linspace(0, 6, length)[:, None, None]
        sway = 0.06 * np.sin(phase + rng.uniform(0, 6, (1, 22, 3)))
        path = np.stack([np.linspace(0, 1, length), np.zeros(length), np.zeros(length)], -1)
        clips.append(figure + sway + path[:, None])
    joints = np.concatenate(clips)
    toes = joints[:, [6, 3]] - [0, 0.1, 0]
    names = [f"joint{i}" for i in range(17)] + [*FACE, "LToe", "RToe"]
    np.savez(
        tmp_path / "mocap.npz",
        joints_mm=np.round(np.concatenate([joints, toes], 1) * 1000).astype(np.int16),
        clip_start=np.array([0, 60, 100, 130], np.int32),
        clip_name=np.array(["a", "b", "c"]),
        joint_names=np.array(names),
        fps=np.int64(30),
    )
    (tmp_path / "split.csv").write_text(
        "file,clip,split\nmocap,a,train\nmocap,b,train\nmocap,c,heldout\n"
    )
    return tmp_path / "mocap.npz"


TOML = """
[data]
mocap = ["mocap.npz"]
split = "split.csv"
[model]
filter_widths = [3, 3]
channels = 16
features = 3
normalisation = "person"
[train]
epochs = {epochs}
steps_per_epoch = 12
batch_size = 32
stride = {stride}
sequences = 24
sequence_length = 20
trajectory_every = 5
validation_sequences = 8
"""


def _config(mocap_file: Path, epochs: int = 2, stride: int = 1) -> TrainConfig:
    path = mocap_file.parent / "train.toml"
    path.write_text(TOML.format(epochs=epochs, stride=stride))
    return read_train_config(path)


def test_clips_are_split_by_name(mocap_file: Path) -> None:
    split = mocap_file.parent / "split.csv"
    assert read_mocap([mocap_file], split, "train").names == ("a", "b")
    assert read_mocap([mocap_file], split, "heldout").names == ("c",)
    assert read_mocap([mocap_file], None, "all").num_clips == 3
    with pytest.raises(DataError, match="no clip"):
        read_mocap([mocap_file], split, "other")


def test_without_noise_the_picture_fits_the_pose(mocap_file: Path) -> None:
    """Keypoints are the perspective image of the targets: the same up to scale and depth."""
    mocap = read_mocap([mocap_file], None, "")
    far = dataclasses.replace(STILL, distance=(60, 61), focal_sigma=0)
    batch = synthesize(mocap, 16, 10, far, np.random.default_rng(0))
    coco, h36m = get("coco17"), get("h36m17")
    names = ("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_knee", "right_knee")
    drawn = batch.inputs[..., [coco.index(n) for n in names], :2]
    posed = batch.targets[..., [h36m.index(n) for n in names], :2]
    drawn = drawn - drawn.mean(-2, keepdims=True)
    posed = posed - posed.mean(-2, keepdims=True)
    scale = (drawn * posed).sum((-1, -2)) / np.square(posed).sum((-1, -2))
    assert scale.min() > 0
    np.testing.assert_allclose(drawn, posed * scale[..., None, None], atol=0.02)
    # Upright: y points down. Depth grows away from the camera, so a face that looks at it is near.
    assert (batch.targets[..., h36m.index("head"), 1] < -0.3).all()


def test_the_root_is_where_the_hips_are_seen(mocap_file: Path) -> None:
    """In units of the picture a person is about as far away as tall, near or far."""
    mocap = read_mocap([mocap_file], None, "")
    exact = dataclasses.replace(STILL, distance=(8, 40), focal_sigma=0)
    right = synthesize(mocap, 16, 10, exact, np.random.default_rng(0))
    assert np.abs(right.roots[..., :2]).max() < 0.03
    points = right.targets - right.targets.mean(-2, keepdims=True)
    radius = np.sqrt(np.square(points[..., :2]).sum(-1).mean(-1))
    np.testing.assert_allclose(right.roots[..., 0, 2], radius, rtol=0.35)
    # Told another focal length, the lifter sees the same picture: depth falls as size grows.
    wrong = dataclasses.replace(exact, focal_sigma=0.3)
    told = synthesize(mocap, 16, 10, wrong, np.random.default_rng(0))
    assert np.abs(told.inputs - right.inputs).max() > 0.01
    np.testing.assert_allclose(told.roots[..., 2], right.roots[..., 2], rtol=0.1)


def test_the_trajectory_network_learns_where_people_are(mocap_file: Path) -> None:
    config, folder = _config(mocap_file, 12), mocap_file.parent / "run"
    schedule = dataclasses.replace(config.train, trajectory_every=1, learning_rate=0.003)
    trainer = open_run(dataclasses.replace(config, train=schedule), folder, "cpu", resume=False)
    trainer.run()
    errors = [report.root_percent for report in trainer.history]
    assert errors[-1] < 0.7 * errors[0]
    lifter = load_lifter(str(folder / BEST))
    (lifted,) = lifter.lift([make_track2d(1, 20)], make_video(), Camera(1000, "given"))
    assert np.isfinite(lifted.root).all()


def test_bones_are_left_right_equal_and_rigid(mocap_file: Path) -> None:
    batch = synthesize(
        read_mocap([mocap_file], None, ""), 8, 12, Synthesis(), np.random.default_rng(1)
    )
    skeleton = get("h36m17")
    for parent, child in (("hip", "knee"), ("knee", "foot"), ("shoulder", "elbow")):
        left, right = (
            np.linalg.norm(
                batch.targets[..., skeleton.index(f"{side}_{child}"), :]
                - batch.targets[..., skeleton.index(f"{side}_{parent}"), :],
                axis=-1,
            )
            for side in ("left", "right")
        )
        np.testing.assert_allclose(left, right, atol=1e-4)
        np.testing.assert_allclose(left, left[:, :1].repeat(12, 1), atol=1e-4)
    np.testing.assert_allclose(batch.targets[..., 0, :], 0, atol=1e-6)


def test_noise_lowers_the_scores_of_what_it_spoils(mocap_file: Path) -> None:
    mocap = read_mocap([mocap_file], None, "")
    noisy = synthesize(mocap, 64, 30, Synthesis(), np.random.default_rng(2)).inputs[..., 2]
    clean = synthesize(mocap, 64, 30, STILL, np.random.default_rng(2)).inputs[..., 2]
    assert (noisy < 0.15).mean() > 2 * (clean < 0.15).mean()
    assert noisy.min() >= 0
    assert noisy.max() <= 1


def test_windows_repeat_the_ends() -> None:
    places = np.arange(5, dtype=np.float32).reshape(1, 5, 1, 1)
    joints = np.broadcast_to(places, (1, 5, 17, 3))
    piece = Batch(joints, joints, joints[:, :, :1])
    whole = Windows.joined([piece, piece], torch.device("cpu"))
    assert len(whole.inputs) == 2
    window = whole.cut(np.array([0, 1]), np.array([0, 3]), 2, (2, 1))
    assert window.inputs[:, :, 0, 0].tolist() == [[0, 0, 0, 1, 2], [1, 2, 3, 4, 4]]
    assert window.targets[:, :, 0, 0].tolist() == [[0, 1], [3, 4]]
    assert window.roots[:, :, 0, 0].tolist() == [[0, 1], [3, 4]]


def test_an_epoch_is_the_same_whoever_makes_it_and_wherever_one_starts(mocap_file: Path) -> None:
    config = _config(mocap_file, 3)
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, sequences=130))
    mocap = read_mocap([mocap_file], None, "")
    all_epochs, last = list(epochs(config, mocap, 0)), list(epochs(config, mocap, 2))
    assert [len(piece.inputs) for piece in all_epochs[0]] == [64, 64, 2]
    assert (len(all_epochs), len(last)) == (3, 1)
    for one, other in zip(all_epochs[2], last[0], strict=True):
        np.testing.assert_array_equal(one.inputs, other.inputs)
    first, second = all_epochs[0][:2]
    assert not np.array_equal(first.inputs, second.inputs)
    assert not np.array_equal(first.inputs, all_epochs[1][0].inputs)


@pytest.mark.parametrize("stride", [1, 4])
def test_training_learns_and_writes_a_usable_lifter(mocap_file: Path, stride: int) -> None:
    folder = mocap_file.parent / "run"
    best = open_run(_config(mocap_file, 4, stride), folder, "cpu", resume=False).run()
    with (folder / LOG).open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4
    assert float(rows[-1]["train_mm"]) < 0.7 * float(rows[0]["train_mm"])
    assert best.mpjpe_mm == min(float(row["mpjpe_mm"]) for row in rows)
    assert sorted(p.name for p in folder.iterdir()) == sorted((BEST, LAST, LOG, PICTURE, EVENTS))
    lifter = load_lifter(str(folder / BEST))
    assert lifter.config.normalisation == "person"
    assert lifter.config.training["train"]["seed"] == 1234
    assert lifter.config.fps_range == Synthesis().fps


def test_resumed_run_equals_an_undisturbed_one(mocap_file: Path) -> None:
    config, base = _config(mocap_file, 2), mocap_file.parent
    whole = open_run(config, base / "whole", "cpu", resume=False)
    whole.run()

    class StoppedError(Exception): ...

    def stop(done: int, total: int) -> None:
        if done == 17:
            raise StoppedError

    with pytest.raises(StoppedError):
        open_run(config, base / "part", "cpu", resume=False).run(stop)
    part = open_run(config, base / "part", "cpu", resume=True)
    assert part.epoch == 1
    part.run()
    for one, other in zip(whole._networks(), part._networks(), strict=True):
        for name, value in one.state_dict().items():
            torch.testing.assert_close(other.state_dict()[name], value, rtol=0, atol=0)
    assert (base / "part" / LOG).read_text() == (base / "whole" / LOG).read_text()
    files = [read_checkpoint((base / n / BEST).read_bytes(), n) for n in ("whole", "part")]
    assert files[0].config == files[1].config


def test_a_diverged_epoch_is_never_the_best(
    mocap_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict, diverged = Trainer.predict, {1}

    def broken(self: Trainer, *args: Any) -> Any:
        return predict(self, *args) * np.float32(np.inf if self.epoch in diverged else 1)

    monkeypatch.setattr(Trainer, "predict", broken)
    folder = mocap_file.parent / "run"
    assert open_run(_config(mocap_file), folder, "cpu", resume=False).run().epoch == 2
    assert load_lifter(str(folder / BEST)).config.training["best"]["epoch"] == 2
    diverged.add(2)
    with pytest.raises(DataError, match=r"training diverged: .*; lower learning_rate"):
        open_run(_config(mocap_file), folder.parent / "other", "cpu", resume=False).run()
    assert not (folder.parent / "other" / BEST).exists()


def test_a_step_that_fits_no_machine_is_refused_at_once(mocap_file: Path) -> None:
    config = _config(mocap_file)
    schedule = dataclasses.replace(config.train, batch_size=400_000_000)
    words = r"out of memory \(800000000 windows of 9 frames in 16 channels .* 429 GiB .*; lower bat"
    with pytest.raises(Vp3dError, match=words):
        Trainer(dataclasses.replace(config, train=schedule), mocap_file.parent)


def test_a_folder_with_a_run_is_not_overwritten(mocap_file: Path) -> None:
    config, folder = _config(mocap_file, 1), mocap_file.parent / "run"
    open_run(config, folder, "cpu", resume=False).run()
    with pytest.raises(DataError, match="--resume"):
        open_run(config, folder, "cpu", resume=False)
    words = "another configuration; train.epochs: expected 1, got 3; use a new --out"
    with pytest.raises(DataError, match=words):
        open_run(_config(mocap_file, 3), folder, "cpu", resume=True)
    with pytest.raises(DataError, match="cannot be resumed"):
        open_run(config, folder.parent / "none", "cpu", resume=True)


def test_each_window_is_trained_with_its_mirror_image(mocap_file: Path) -> None:
    """Answering every window and its mirror image rightly leaves no loss."""
    trainer = Trainer(_config(mocap_file), mocap_file.parent)
    inputs, targets = trainer.validation.inputs[:4, :9], trainer.validation.targets[:4, 4:5]
    sign = np.array([-1, 1, 1], np.float32)
    right = np.concatenate([targets, targets[:, :, get("h36m17").flip_order] * sign])
    seen: list[torch.Tensor] = []

    def answer(_: object, given: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        seen.append(given[0])
        return torch.from_numpy(right) + 0 * output

    trainer.pose.register_forward_hook(answer)
    batch = Batch(inputs, targets, targets[:, :, :1])
    assert trainer._step(Windows.joined([batch], torch.device("cpu"))) == 0
    both = seen[0].numpy()
    np.testing.assert_array_equal(both[:4], inputs)
    np.testing.assert_array_equal(both[4:], inputs[:, :, get("coco17").flip_order] * sign)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[train]\nepochs = 0", "epochs"),
        ("[train]\nbatch = 3", "batch"),
        ("[model]\nfilter_widths = [2]\nchannels = 8", "odd"),
        ("[unknown]", "unknown table"),
        ("[data]\nmocap = []", r"\[data\] needs files = \[...\] or mocap = \[...\]"),
        ("[data]\nfiles = ['d.npz']", r"\[data\] needs mocap = \[...\]"),
        ("[model]\nfilter_widths = [3]\nchannels = 8\nfeatures = 2", "person"),
        ("[train", "TOML"),
    ],
)
def test_a_bad_configuration_is_named(tmp_path: Path, line: str, message: str) -> None:
    base = {
        "data": '[data]\nmocap = ["m.npz"]\n',
        "model": (
            "[model]\nfilter_widths = [3]\nchannels = 8\nfeatures = 3\nnormalisation = 'person'\n"
        ),
    }
    table = line.split("]")[0].strip("[")
    path = tmp_path / "t.toml"
    path.write_text("".join(text for name, text in base.items() if name != table) + line)
    with pytest.raises(DataError, match=message):
        read_train_config(path)
