"""A lifter over sequences: what is compared with what."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from tests.factories import make_track2d, make_video
from vp3d_cli import skeletons
from vp3d_cli.datasets import DatasetCamera, Sequence
from vp3d_cli.errors import DataError, SkeletonMismatchError
from vp3d_cli.evaluate.matching import match
from vp3d_cli.evaluate.run import evaluate
from vp3d_cli.lift.checkpoint import Checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.types import Camera, Skeleton

COCO, H36M, HUMANEVA = (skeletons.get(name) for name in ("coco17", "h36m17", "humaneva15"))
REFERENCE = LifterConfig((3, 3), 8)
OURS = LifterConfig((3, 3), 8, 3, normalisation="person")


def seeded(config: LifterConfig = REFERENCE) -> Lifter:
    torch.manual_seed(0)
    inputs, outputs = (skeletons.get(s) for s in (config.skeleton_in, config.skeleton_out))
    model = TemporalModel(config, inputs.num_joints, outputs.num_joints)
    return Lifter(Checkpoint(config, model.state_dict()), "seeded", "ab" * 32)


def camera(name: str = "left", focal: float = 900.0) -> DatasetCamera:
    zeros = np.zeros(3)
    centre = np.array([320.0, 240.0])
    return DatasetCamera(name, 640, 480, np.full(2, focal), centre, zeros, np.zeros(2))


def make_sequence(length: int = 12, seed: int = 0, **changes: Any) -> Sequence:
    """Somebody who drifts; the joints have nothing to do with the keypoints."""
    rng = np.random.default_rng([seed, length])
    fields: dict[str, Any] = {
        "subject": "S1",
        "action": "Walking 1",
        "camera": camera(),
        "fps": 50.0,
        "width": 640,
        "height": 480,
        "skeleton_in": COCO,
        "keypoints": make_track2d(1, length, seed).keypoints,
        "skeleton_out": H36M,
        "joints": (rng.normal(0, 0.4, (length, 17, 3)) + np.array([0.3, 0.1, 5])).astype(
            np.float32
        ),
    }
    return Sequence(**{**fields, **changes})


def lifted(lifter: Lifter, sequence: Sequence, **how: bool) -> np.ndarray:
    """What the lifter itself says of a sequence: (T, J, 3) metres."""
    assert sequence.keypoints is not None
    track = dataclasses.replace(
        make_track2d(1, len(sequence), skeleton=sequence.skeleton_in),
        keypoints=sequence.keypoints,
        scores=np.ones(sequence.keypoints.shape[:2], np.float32),
    )
    focal = float(sequence.camera.focal[0]) if sequence.camera else 0.9 * 640
    video = make_video(width=640, height=480, fps=Fraction(50))
    return lifter.lift([track], video, Camera(focal, "test"), **how)[0].joints


def mpjpe_mm(predicted: np.ndarray, target: np.ndarray) -> float:
    return float(1000 * np.linalg.norm(predicted - target, axis=-1).mean())


def test_the_predicted_root_is_an_error_of_lifters_of_the_references_kind() -> None:
    lifter, sequence = seeded(), make_sequence()
    assert sequence.joints is not None
    target = sequence.joints - sequence.joints[:, :1]
    predicted = lifted(lifter, sequence, zero_root=False)
    assert np.abs(predicted[:, 0]).max() > 0.01
    evaluation = evaluate(lifter, [sequence])
    errors = evaluation.clips[0].errors
    assert errors.mpjpe_mm == pytest.approx(mpjpe_mm(predicted, target), rel=1e-5)
    assert errors.joints_mm[0] == pytest.approx(mpjpe_mm(predicted[:, :1], target[:, :1]), rel=1e-5)
    assert evaluation.options == {"flip": True, "root": "as predicted"}
    assert evaluation.joints == H36M.joints
    assert evaluation.left_out == {}


def test_other_lifters_are_compared_as_they_are_used() -> None:
    lifter, sequence = seeded(OURS), make_sequence()
    assert sequence.joints is not None
    path = sequence.joints[:, :1]
    perfect = dataclasses.replace(sequence, joints=lifted(lifter, sequence) + path)
    evaluation = evaluate(lifter, [perfect])
    assert evaluation.options["root"] == "at zero"
    assert evaluation.clips[0].errors.mpjpe_mm == pytest.approx(0, abs=1e-3)
    assert evaluation.clips[0].errors.mpjve_mm == pytest.approx(0, abs=1e-3)


def test_where_the_person_stands_does_not_matter() -> None:
    sequence = make_sequence()
    assert sequence.joints is not None
    path = np.random.default_rng(1).normal(0, 1, (12, 1, 3)).astype(np.float32)
    moved = dataclasses.replace(sequence, joints=sequence.joints + path)
    one, other = evaluate(seeded(), [sequence, moved]).clips
    assert other.errors.mpjpe_mm == pytest.approx(one.errors.mpjpe_mm, rel=1e-5)


def test_flip_off_is_the_plain_network() -> None:
    lifter, sequence = seeded(), make_sequence()
    assert sequence.joints is not None
    with torch.no_grad():
        torch.manual_seed(0)
        model = TemporalModel(REFERENCE, 17, 17).eval()
        scaled = sequence.keypoints * np.float32(2 / 640) - np.array([1, 480 / 640], np.float32)
        padded = np.concatenate([np.repeat(scaled[:1], 4, 0), scaled, np.repeat(scaled[-1:], 4, 0)])
        plain = model(torch.from_numpy(padded.astype(np.float32))[None])[0].numpy()
    target = sequence.joints - sequence.joints[:, :1]
    without = evaluate(lifter, [sequence], flip=False)
    assert without.clips[0].errors.mpjpe_mm == pytest.approx(mpjpe_mm(plain, target), rel=1e-4)
    assert without.options["flip"] is False
    averaged = evaluate(lifter, [sequence]).clips[0].errors.mpjpe_mm
    assert averaged != pytest.approx(without.clips[0].errors.mpjpe_mm, rel=1e-3)


def test_the_calibrated_focal_length_is_used() -> None:
    lifter, near = seeded(OURS), make_sequence(camera=camera(focal=500.0))
    perfect = dataclasses.replace(near, joints=lifted(lifter, near) + np.float32(3))
    assert evaluate(lifter, [perfect]).clips[0].errors.mpjpe_mm == pytest.approx(0, abs=1e-3)
    unknown = dataclasses.replace(perfect, camera=None)
    assert evaluate(lifter, [unknown]).clips[0].errors.mpjpe_mm > 1
    assumed = dataclasses.replace(unknown, joints=lifted(lifter, unknown) + np.float32(3))
    assert evaluate(lifter, [assumed]).clips[0].errors.mpjpe_mm == pytest.approx(0, abs=1e-3)


def test_clips_keep_their_order_and_each_its_numbers() -> None:
    """Sequences of one camera are lifted together, whatever stands between them."""
    lifter = seeded(OURS)
    sequences = [
        make_sequence(9 + i, i, camera=camera(f"cam{i % 2}", 700.0 + 100 * (i % 2)), action=f"a{i}")
        for i in range(5)
    ]
    together = evaluate(lifter, sequences)
    assert [clip.action for clip in together.clips] == [f"a{i}" for i in range(5)]
    assert [clip.view for clip in together.clips] == ["cam0", "cam1", "cam0", "cam1", "cam0"]
    for clip, sequence in zip(together.clips, sequences, strict=True):
        (alone,) = evaluate(lifter, [sequence]).clips
        assert clip.errors.mpjpe_mm == pytest.approx(alone.errors.mpjpe_mm, rel=1e-4)
    assert together.frames == 9 + 10 + 11 + 12 + 13


def test_progress_counts_every_frame() -> None:
    told: list[tuple[int, int | None]] = []
    sequences = [make_sequence(9), make_sequence(11, camera=camera("right", 800.0))]
    evaluate(seeded(), sequences, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (20, 20)


def test_frames_without_keypoints_are_interpolated_and_counted() -> None:
    straight = make_sequence(8)
    assert straight.keypoints is not None
    first, last = straight.keypoints[0], straight.keypoints[-1]
    share = np.linspace(0, 1, 8, dtype=np.float32)[:, None, None]
    straight = dataclasses.replace(straight, keypoints=first + share * (last - first))
    assert straight.keypoints is not None
    holes = straight.keypoints.copy()
    holes[3:6] = np.nan
    one, other = evaluate(
        seeded(), [straight, dataclasses.replace(straight, keypoints=holes)]
    ).clips
    assert other.errors.mpjpe_mm == pytest.approx(one.errors.mpjpe_mm, rel=1e-4)
    assert other.notes == {"interpolated_frames": 3}
    assert one.notes == {}


def test_unknown_joints_of_the_target_do_not_count() -> None:
    sequence = make_sequence(8)
    assert sequence.joints is not None
    joints = sequence.joints.copy()
    joints[2, 5] = np.nan
    errors = evaluate(seeded(), [dataclasses.replace(sequence, joints=joints)]).clips[0].errors
    assert (errors.frames, errors.reference_frames) == (7, 7)
    assert np.isfinite(errors.mpjpe_mm)


def test_sequences_without_3d_or_2d_are_left_out_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    no_3d = make_sequence(joints=None, skeleton_out=None)
    no_2d = make_sequence(keypoints=None, skeleton_in=None)
    evaluation = evaluate(seeded(), [no_3d, make_sequence(), no_2d, no_3d])
    assert evaluation.left_out == {"without 3D": 2, "without 2D": 1}
    assert len(evaluation.clips) == 1
    assert "2 of 4 sequences are without 3D: left out" in caplog.text
    with pytest.raises(DataError, match=r"of 1 sequences 1 have no 3D joints and 0 no 2D"):
        evaluate(seeded(), [no_3d])


def test_keypoints_that_the_lifter_does_not_take_are_refused() -> None:
    other = make_sequence(skeleton_in=H36M)
    with pytest.raises(SkeletonMismatchError, match="keypoints are h36m17, but the lifter seeded"):
        evaluate(seeded(), [other])
    nothing = make_sequence(keypoints=np.full((12, 17, 2), np.nan, np.float32))
    with pytest.raises(DataError, match="S1 Walking 1, left: none of its 12 frames"):
        evaluate(seeded(), [nothing])


def test_humaneva_is_lifted_by_its_own_lifter() -> None:
    config = LifterConfig((3, 3), 8, skeleton_in="humaneva15", skeleton_out="humaneva15")
    keypoints = make_track2d(1, 12, skeleton=HUMANEVA).keypoints
    joints = np.random.default_rng(0).normal(0, 0.4, (12, 15, 3)).astype(np.float32)
    sequence = make_sequence(
        skeleton_in=HUMANEVA, keypoints=keypoints, skeleton_out=HUMANEVA, joints=joints
    )
    evaluation = evaluate(seeded(config), [sequence])
    expected = lifted(seeded(config), sequence, zero_root=False)
    assert evaluation.joints == HUMANEVA.joints
    assert evaluation.clips[0].errors.mpjpe_mm == pytest.approx(
        mpjpe_mm(expected, joints - joints[:, :1]), rel=1e-5
    )


def test_two_skeletons_share_their_limbs_around_the_hips() -> None:
    found = match(H36M, HUMANEVA)
    assert len(found.names) == 12
    assert found.root is None
    rng = np.random.default_rng(0)
    theirs = rng.normal(0, 1, (4, 15, 3))
    ours = rng.normal(0, 1, (4, 17, 3))
    for name in found.names:
        other = name.replace("foot", "ankle")
        ours[:, H36M.index(name)] = theirs[:, HUMANEVA.index(other)] + [1, 2, 3]
    np.testing.assert_allclose(found.of_prediction(ours), found.of_target(theirs), atol=1e-6)
    hips = [found.names.index(f"{side}_hip") for side in ("left", "right")]
    np.testing.assert_allclose(found.of_target(theirs)[:, hips].sum(1), 0, atol=1e-6)


@pytest.mark.parametrize("style", ["{side}{joint}", "{long}{joint}"])
def test_joint_names_of_other_tools(style: str) -> None:
    joints = [
        style.format(side=side, long={"R": "Right", "L": "Left"}[side], joint=joint)
        for side in "RL"
        for joint in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")
    ]
    found = match(H36M, Skeleton("reference", ("Nose", *joints), ()))
    assert len(found.names) == 12
    assert found.target[found.names.index("left_elbow")] == 8
    assert found.target[found.names.index("right_foot")] == 6


def test_a_foot_beside_an_ankle_is_another_point() -> None:
    names = (*HUMANEVA.joints[:-1], "left_foot", "right_foot")
    found = match(H36M, Skeleton("reference", names, ()))
    assert found.target[found.names.index("left_foot")] == names.index("left_ankle")


@pytest.mark.parametrize(
    "joints",
    [("nose", "tail", "left_wing"), ("left_hip", "right_hip", "left_knee"), H36M.joints[7:]],
)
def test_skeletons_with_too_little_in_common_are_refused(joints: tuple[str, ...]) -> None:
    with pytest.raises(SkeletonMismatchError, match="predicts h36m17 and the data has other"):
        match(H36M, Skeleton("other", joints, ()))


def test_different_joints_are_not_averaged() -> None:
    other = make_sequence(
        skeleton_out=HUMANEVA, joints=np.zeros((12, 15, 3), np.float32), action="Box"
    )
    with pytest.raises(SkeletonMismatchError, match="S1 Box, left have different 3D joints"):
        evaluate(seeded(), [make_sequence(), other])


def test_sequences_of_unlike_size_are_no_trouble() -> None:
    small = make_sequence(5, width=320, height=240)
    evaluation = evaluate(seeded(), [make_sequence(6), small, make_sequence(7, fps=29.97)])
    assert [clip.errors.frames for clip in evaluation.clips] == [6, 5, 7]
