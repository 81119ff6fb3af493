"""Padding, chunks, flip averaging, many people."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.factories import make_track2d, make_video
from vp3d_cli.errors import BackendUnavailableError, DataError, SkeletonMismatchError
from vp3d_cli.geometry import flip_centred, flip_pixels
from vp3d_cli.lift import lifter as room
from vp3d_cli.lift.checkpoint import Checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.lifter import Lifter, confidence
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.skeletons import get
from vp3d_cli.types import Camera, Track2D

COCO, H36M = get("coco17"), get("h36m17")
CAMERA = Camera(1000.0, "test")
SCREEN = LifterConfig((3, 3, 3), 16)
PERSON = LifterConfig((3, 3, 3), 16, 3, normalisation="person")


def seeded_lifter(config: LifterConfig, seed: int = 0) -> Lifter:
    torch.manual_seed(seed)
    model = TemporalModel(config, 17, 17)
    return Lifter(Checkpoint(config, model.state_dict()), "seeded", "00")


def _moving(length: int, track_id: int = 1, filled: tuple[int, ...] = ()) -> Track2D:
    track = make_track2d(track_id, length, filled=filled)
    wobble = np.random.default_rng(track_id).normal(0, 30, track.keypoints.shape).cumsum(0) / 5
    return dataclasses.replace(track, keypoints=(track.keypoints + wobble).astype(np.float32))


@pytest.mark.parametrize("config", [SCREEN, PERSON, dataclasses.replace(PERSON, causal=True)])
def test_chunked_equals_whole(config: LifterConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    tracks = [_moving(100), _moving(37, 2), _moving(1, 3)]
    lifter, video = seeded_lifter(config), make_video()
    whole = lifter.lift(tracks, video, CAMERA)
    monkeypatch.setattr(room, "CHUNK", 16)
    for a, b in zip(whole, lifter.lift(tracks, video, CAMERA), strict=True):
        np.testing.assert_allclose(b.joints, a.joints, atol=1e-5)


def test_people_in_one_batch_equal_each_alone() -> None:
    tracks, lifter, video = [_moving(30), _moving(52, 2)], seeded_lifter(PERSON), make_video()
    together = lifter.lift(tracks, video, CAMERA)
    for track, joint in zip(tracks, together, strict=True):
        (alone,) = lifter.lift([track], video, CAMERA)
        np.testing.assert_allclose(joint.joints, alone.joints, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_ends_are_padded_with_replicas(causal: bool) -> None:
    config = dataclasses.replace(SCREEN, causal=causal)
    lifter = seeded_lifter(config)
    sequence = np.random.default_rng(0).normal(0, 0.3, (20, 17, 2)).astype(np.float32)
    before, after = config.context
    padded = np.concatenate(
        [np.repeat(sequence[:1], before, 0), sequence, np.repeat(sequence[-1:], after, 0)]
    )
    torch.manual_seed(0)
    model = TemporalModel(config, 17, 17).eval()

    def run(window: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(window)[None])[0].numpy()

    mirrored = flip_centred(run(flip_centred(padded, COCO)), H36M)
    (predicted,) = lifter.predict([sequence])
    np.testing.assert_allclose(predicted, (run(padded) + mirrored) / 2, atol=1e-5)


@pytest.mark.parametrize("config", [SCREEN, PERSON])
def test_mirrored_video_gives_mirrored_people(config: LifterConfig) -> None:
    track, lifter, video = _moving(40), seeded_lifter(config), make_video()
    mirrored = dataclasses.replace(
        track,
        keypoints=flip_pixels(track.keypoints, video.width, COCO),
        scores=track.scores[:, COCO.flip_order],
    )
    (plain,) = lifter.lift([track], video, CAMERA)
    (flipped,) = lifter.lift([mirrored], video, CAMERA)
    np.testing.assert_allclose(flipped.joints, flip_centred(plain.joints, H36M), atol=1e-5)


def test_person_normalisation_turns_predictions_back_to_camera_axes() -> None:
    """The same person seen off to the side comes out turned by the same angle."""
    track, lifter, video = _moving(30), seeded_lifter(PERSON), make_video()
    (joints,) = lifter.lift([track], video, CAMERA)
    assert np.abs(joints.joints[:, 0]).max() == 0
    rotations = lifter.prepare(track, video, CAMERA).rotations
    hips = track.keypoints[:, [11, 12]].mean((0, 1)) - [video.width / 2, video.height / 2]
    aim = np.array([*hips / CAMERA.focal_px, 1])
    # The virtual camera's z axis, in camera axes, points at the hips.
    axis = rotations[:, 2].mean(0)
    np.testing.assert_allclose(axis, aim / np.linalg.norm(aim), atol=0.03)


def test_confidence_is_that_of_the_keypoints_and_halves_where_filled() -> None:
    track = make_track2d(1, 5, filled=(2,))
    trusted = confidence(track, H36M)
    left_hip, hip = H36M.index("left_hip"), H36M.index("hip")
    np.testing.assert_allclose(trusted[0, left_hip], track.scores[0, COCO.index("left_hip")])
    hips = track.scores[0, [COCO.index("left_hip"), COCO.index("right_hip")]]
    np.testing.assert_allclose(trusted[0, hip], hips.mean())
    np.testing.assert_allclose(trusted[2], (trusted[1] + trusted[3]) / 4, rtol=1e-5)
    assert np.isfinite(trusted).all()
    assert trusted.min() >= 0
    assert trusted.max() <= 1


def test_a_trajectory_head_gives_the_root_in_the_camera_frame() -> None:
    """A head that answers (1, 2, 3) everywhere: x cancels between the picture and its mirror."""
    pose, head = TemporalModel(SCREEN, 17, 17), TemporalModel(SCREEN, 17, 1)
    torch.nn.init.zeros_(head.shrink.weight)
    head.shrink.bias.data = torch.tensor([1.0, 2.0, 3.0])
    checkpoint = Checkpoint(SCREEN, pose.state_dict(), head.state_dict())
    lifter, track, video = Lifter(checkpoint, "x", "00"), _moving(20), make_video()
    (lifted,) = lifter.lift([track], video, CAMERA)
    np.testing.assert_allclose(lifted.root, np.tile([0, 2, 3], (20, 1)), atol=1e-6)
    assert np.all(lifted.joints[:, 0] == 0)
    (without,) = seeded_lifter(SCREEN).lift([track], video, CAMERA)
    assert np.isnan(without.root).all()


def test_depth_is_in_proportion_to_the_focal_length_and_to_smallness() -> None:
    """A head that answers (1, 0, 0.4) body sizes; x cancels between the picture and its mirror."""
    pose, head = TemporalModel(PERSON, 17, 17), TemporalModel(PERSON, 17, 1)
    torch.nn.init.zeros_(head.shrink.weight)
    head.shrink.bias.data = torch.tensor([1.0, 0.0, 0.4])
    lifter = Lifter(Checkpoint(PERSON, pose.state_dict(), head.state_dict()), "x", "00")
    video, track = make_video(), _moving(20)
    middle = np.array([video.width / 2, video.height / 2], np.float32)
    small = dataclasses.replace(track, keypoints=middle + (track.keypoints - middle) / 8)
    smaller = dataclasses.replace(track, keypoints=middle + (track.keypoints - middle) / 16)
    (near,), (far,) = lifter.lift([small], video, CAMERA), lifter.lift([smaller], video, CAMERA)
    np.testing.assert_allclose(far.root[:, 2], 2 * near.root[:, 2], rtol=0.02)
    (long,) = lifter.lift([small], video, Camera(2 * CAMERA.focal_px, "given"))
    np.testing.assert_allclose(long.root[:, 2], 2 * near.root[:, 2], rtol=0.02)
    # Seen where the person's hips are.
    seen = near.root[:, :2] / near.root[:, 2:] * CAMERA.focal_px + middle
    hips = small.keypoints[:, [11, 12]].mean(1)
    np.testing.assert_allclose(seen, hips, atol=2)


def test_nobody_is_lifted_to_nobody() -> None:
    assert seeded_lifter(PERSON).lift([], make_video(), CAMERA) == ()


def test_keypoints_that_do_not_fit_are_refused() -> None:
    lifter, video = seeded_lifter(SCREEN), make_video()
    with pytest.raises(SkeletonMismatchError, match="h36m17"):
        lifter.lift([make_track2d(1, 4, skeleton=H36M)], video, CAMERA)
    track = make_track2d(1, 4)
    track.keypoints[1] = np.nan
    with pytest.raises(DataError, match="without any keypoint"):
        lifter.lift([track], video, CAMERA)


def test_a_keypoint_that_is_never_seen_does_not_stop_the_rest() -> None:
    """Its value cannot matter either: it counts as missing, not as where it was."""
    lifter, video = seeded_lifter(PERSON), make_video()
    tracks = [_moving(20), _moving(20)]
    for track, where in zip(tracks, (np.nan, np.inf), strict=True):
        track.keypoints[:, COCO.index("left_ear")] = where
    first, second = lifter.lift(tracks, video, CAMERA)
    assert np.isfinite(first.joints).all()
    assert np.isfinite(first.confidence).all()
    np.testing.assert_array_equal(first.joints, second.joints)


def test_a_frame_rate_outside_the_training_is_said(caplog: pytest.LogCaptureFixture) -> None:
    lifter = seeded_lifter(dataclasses.replace(PERSON, fps_range=(22, 62)))
    lifter.lift([_moving(5)], make_video(fps=Fraction(30)), CAMERA)
    assert not caplog.text
    lifter.lift([_moving(5)], make_video(fps=Fraction(240)), CAMERA)
    assert "240 frames/s" in caplog.text


@pytest.mark.parametrize("device", ["cuda:99", "warp"])
def test_a_device_that_is_not_there_is_not_replaced(device: str) -> None:
    checkpoint = Checkpoint(SCREEN, TemporalModel(SCREEN, 17, 17).state_dict())
    with pytest.raises(BackendUnavailableError, match=device):
        Lifter(checkpoint, "x", "00", device)


def test_golden_arrays() -> None:
    """A seeded network's answers, kept from the day it was checked against the closed forms."""
    golden = np.load(Path(__file__).parents[1] / "golden" / "lifter.npz")
    for name, config in (("screen", SCREEN), ("person", PERSON)):
        track, video = _moving(12), make_video()
        (joints,) = golden_lifter(config).lift([track], video, CAMERA)
        np.testing.assert_allclose(joints.joints, golden[name], atol=2e-5)


def golden_lifter(config: LifterConfig) -> Lifter:
    """Weights from NumPy's generator, whose stream is the same in every version."""
    model = TemporalModel(config, 17, 17)
    rng = np.random.RandomState(7)
    state = {}
    for name, value in model.state_dict().items():
        drawn = rng.standard_normal(tuple(value.shape)) * 0.1
        if name.endswith("running_var"):
            drawn = 1 + np.abs(drawn)
        state[name] = torch.from_numpy(np.asarray(drawn)).to(value.dtype)
    return Lifter(Checkpoint(config, state), "golden", "00")
