"""Synthesised sequences in pixels: pairs that fit, cameras that see people whole."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.dataset_files import walk
from vp3d_cli import datasets, skeletons
from vp3d_cli.errors import DataError
from vp3d_cli.train.mocap import Mocap
from vp3d_cli.train.noise import Noise
from vp3d_cli.train.synthesize import Synthesis
from vp3d_cli.train.views import synthesize_sequences

QUIET = Noise(
    offset=0, jitter=0, face=0, outlier=0, occlusion=0, limb=0, swap=0, merge=0, cut=0, gap=0
)
# From the neck: nose, eyes, ears.
FACE = "0 -.1 .03  .03 -.08 .06  -.03 -.08 .06  .07 0 .04  -.07 0 .04"
OPTIONS = Synthesis(noise=QUIET)


@pytest.fixture
def mocap() -> Mocap:
    clips = [walk(60), walk(50, seed=1)]
    body = np.concatenate(clips)
    face = body[:, 9:10] + np.float32(FACE.split()).reshape(5, 3)
    return Mocap(np.concatenate([body, face], 1), np.array([0, 60, 110], np.int32), 30, ("a", "b"))


def test_pairs_fit_and_people_are_whole(mocap: Mocap) -> None:
    made = list(synthesize_sequences(mocap, 150, 40, OPTIONS, 0, subject="train"))
    assert len(made) == 150
    assert datasets.check(made) == ()
    coco, h36m = skeletons.get("coco17"), skeletons.get("h36m17")
    for sequence in made:
        camera, joints, keypoints = sequence.camera, sequence.joints, sequence.keypoints
        assert camera is not None
        assert joints is not None
        assert keypoints is not None
        # Knees are marked where the joints are.
        for name in ("left_knee", "right_knee"):
            expected = camera.project(joints[:, h36m.index(name)])
            np.testing.assert_allclose(keypoints[:, coco.index(name)], expected, atol=0.05)
        assert 0.3 * 1280 <= camera.focal[0] <= 1.5 * 1280
        assert joints[..., 2].min() > 0.5
    assert {s.subject for s in made} == {"train"}
    assert len({s.name for s in made}) == 150
    assert len({s.fps for s in made}) == 150


def test_a_seed_draws_the_same(mocap: Mocap) -> None:
    one, two, other = (
        next(synthesize_sequences(mocap, 1, 30, OPTIONS, seed)).keypoints for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_the_detector_s_faults_are_in_the_2d(mocap: Mocap) -> None:
    noisy = dataclasses.replace(OPTIONS, noise=Noise(jitter=0.1))
    clean = next(synthesize_sequences(mocap, 1, 30, OPTIONS, 0)).keypoints
    spoilt = next(synthesize_sequences(mocap, 1, 30, noisy, 0)).keypoints
    assert clean is not None
    assert spoilt is not None
    assert np.abs(np.diff(spoilt, axis=0)).mean() > 2 * np.abs(np.diff(clean, axis=0)).mean()


def test_nobody_can_be_seen_whole(mocap: Mocap) -> None:
    with pytest.raises(DataError, match="raise `distance` of"):
        list(synthesize_sequences(mocap, 1, 30, OPTIONS, 0, size=(1280, 9)))
