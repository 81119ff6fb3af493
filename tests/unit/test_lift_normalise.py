"""The two rules of normalisation."""

from __future__ import annotations

import numpy as np
import pytest

from tests.factories import make_track2d
from vp3d_cli import geometry
from vp3d_cli.geometry import flip_centred
from vp3d_cli.lift import normalise
from vp3d_cli.skeletons import get

COCO = get("coco17")
HALF = np.asarray(7)


def _person(seed: int = 0, frames: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A 3D person (T, 17, 3) m walking across at 4 m, and scores."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(0, 0.4, (1, 17, 3)) * [1, 2, 0.5]
    path = np.stack([np.linspace(-1, 1, frames), np.zeros(frames), np.full(frames, 4.0)], -1)
    points = shape + path[:, None] + 0.05 * rng.normal(size=(frames, 17, 3)).cumsum(0)
    points[..., 2] = np.maximum(points[..., 2], 1)
    return points.astype(np.float32), rng.uniform(0.3, 1, (frames, 17)).astype(np.float32)


def _rays(points: np.ndarray) -> np.ndarray:
    return points[..., :2] / points[..., 2:]


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (7, 5)])
def test_screen_is_the_papers_rule_and_inverts(width: int, height: int) -> None:
    pixels = np.random.default_rng(0).uniform(0, 2000, (5, 17, 2)).astype(np.float32)
    normalised = normalise.screen(pixels, width, height)
    np.testing.assert_allclose(normalised[..., 0], pixels[..., 0] / width * 2 - 1, atol=1e-5)
    np.testing.assert_allclose(
        normalised[..., 1], pixels[..., 1] / width * 2 - height / width, rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(
        normalise.screen_inverse(normalised, width, height), pixels, rtol=1e-5, atol=1e-2
    )


def test_person_is_the_same_wherever_the_camera_is_turned() -> None:
    """Panning and tilting the camera about its centre changes the rays but not the inputs."""
    points, scores = _person()
    plain = normalise.person(_rays(points), scores, COCO, HALF)
    angle = 0.3
    turn = np.array(
        [
            [np.cos(angle), 0, np.sin(angle)],
            [0, 1, 0],
            [-np.sin(angle), 0, np.cos(angle)],
        ]
    )
    panned = normalise.person(_rays(points @ turn.T), scores, COCO, HALF)
    np.testing.assert_allclose(panned.inputs, plain.inputs, atol=0.03)
    # And the rotation undoes the pan: both virtual cameras see the world alike.
    np.testing.assert_allclose(panned.rotations @ turn, plain.rotations, atol=0.03)


def test_person_is_the_same_near_and_far() -> None:
    points, scores = _person()
    near = normalise.person(_rays(points), scores, COCO, HALF)
    far = normalise.person(_rays(points) / 3, scores, COCO, HALF)
    size = normalise.body_size(far.inputs[..., :2], scores)
    np.testing.assert_allclose(size.mean(), 1, atol=0.1)
    assert np.abs(far.inputs - near.inputs).max() < 0.15


def test_person_commutes_with_the_mirror() -> None:
    points, scores = _person(1)
    directions = _rays(points)
    view = normalise.person(directions, scores, COCO, HALF)
    mirrored = normalise.person(
        flip_centred(directions, COCO), scores[:, COCO.flip_order], COCO, HALF
    )
    np.testing.assert_allclose(mirrored.inputs, flip_centred(view.inputs, COCO), atol=1e-5)


def test_person_works_on_a_batch_as_on_each() -> None:
    points, scores = zip(*(_person(seed) for seed in range(3)), strict=True)
    halves = np.array([0, 3, 50])
    batch = normalise.person(_rays(np.stack(points)), np.stack(scores), COCO, halves)
    for row in range(3):
        one = normalise.person(_rays(points[row]), scores[row], COCO, halves[row])
        np.testing.assert_allclose(batch.inputs[row], one.inputs, atol=1e-6)
        np.testing.assert_allclose(batch.rotations[row], one.rotations, atol=1e-6)


def test_a_causal_view_knows_no_future() -> None:
    points, scores = _person(2)
    whole = normalise.person(_rays(points), scores, COCO, HALF, causal=True)
    start = normalise.person(_rays(points[:20]), scores[:20], COCO, HALF, causal=True)
    np.testing.assert_allclose(start.inputs, whole.inputs[:20], atol=1e-6)
    symmetric = normalise.person(_rays(points[:20]), scores[:20], COCO, HALF)
    assert np.abs(symmetric.inputs - whole.inputs[:20]).max() > 1e-3


def test_one_wild_keypoint_leaves_the_rest_finite() -> None:
    points, scores = _person(3)
    directions = _rays(points)
    directions[10, 9] = (1e4, -1e4)
    view = normalise.person(directions, scores, COCO, HALF)
    assert np.isfinite(view.inputs).all()


def test_rays_know_the_focal_length_and_the_middle() -> None:
    track = make_track2d(1, 3)
    directions = geometry.rays(track.keypoints, 640, 480, 500.0)
    np.testing.assert_allclose(directions * 500 + [320, 240], track.keypoints, rtol=1e-4, atol=1e-2)
