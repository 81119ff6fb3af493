"""Flips and rotations."""

from __future__ import annotations

import numpy as np
import pytest

from vp3d_cli import geometry, registry, skeletons
from vp3d_cli.types import Skeleton

RNG = np.random.default_rng(0)
RAYS = np.concatenate([[[0, 0]], RNG.normal(0, 0.7, (40, 2)), [[30, -20]]]).astype(np.float32)


@pytest.fixture(params=registry.names("skeletons"))
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    return skeletons.get(request.param)


def _points(skeleton: Skeleton, coordinates: int) -> np.ndarray:
    return RNG.normal(300, 100, (5, 2, skeleton.num_joints, coordinates)).astype(np.float32)


def test_flipping_pixels_twice_is_identity(skeleton: Skeleton) -> None:
    keypoints = _points(skeleton, 2)
    twice = geometry.flip_pixels(geometry.flip_pixels(keypoints, 640, skeleton), 640, skeleton)
    np.testing.assert_allclose(twice, keypoints, atol=1e-3)


@pytest.mark.parametrize("coordinates", [2, 3])
def test_flipping_about_the_centre_twice_is_identity(skeleton: Skeleton, coordinates: int) -> None:
    points = _points(skeleton, coordinates)
    twice = geometry.flip_centred(geometry.flip_centred(points, skeleton), skeleton)
    np.testing.assert_array_equal(twice, points)


def test_a_flip_swaps_sides_and_leaves_its_input(skeleton: Skeleton) -> None:
    keypoints = _points(skeleton, 2)
    before = keypoints.copy()
    flipped = geometry.flip_pixels(keypoints, 640, skeleton)
    np.testing.assert_array_equal(keypoints, before)
    left, right = skeleton.index("left_knee"), skeleton.index("right_knee")
    np.testing.assert_array_equal(flipped[..., left, 0], 640 - keypoints[..., right, 0])
    np.testing.assert_array_equal(flipped[..., left, 1], keypoints[..., right, 1])


def test_the_two_flips_agree(skeleton: Skeleton) -> None:
    """Mirroring the picture is mirroring about its centre line."""
    keypoints = _points(skeleton, 2)
    centre = np.array([320, 0], np.float32)
    np.testing.assert_allclose(
        geometry.flip_pixels(keypoints, 640, skeleton),
        geometry.flip_centred(keypoints - centre, skeleton) + centre,
        atol=1e-3,
    )


def test_flipped_pixel_centres_are_pixel_centres(skeleton: Skeleton) -> None:
    """The mirror of the first column of a 640 px picture is its last."""
    keypoints = np.full((skeleton.num_joints, 2), 0.5, np.float32)
    np.testing.assert_array_equal(geometry.flip_pixels(keypoints, 640, skeleton)[:, 0], 639.5)


def test_rotate_applies_each_rotation_to_its_points() -> None:
    rotations = geometry.look_at_rotations(RAYS)
    points = RNG.normal(size=(len(RAYS), 4, 3)).astype(np.float32)
    rotated = geometry.rotate(rotations, points)
    assert rotated.dtype == points.dtype
    for rotation, before, after in zip(rotations, points, rotated, strict=True):
        np.testing.assert_allclose(after, [rotation @ point for point in before], atol=1e-5)


def test_look_at_rotations_are_rotations() -> None:
    rotations = geometry.look_at_rotations(RAYS)
    assert rotations.dtype == np.float32
    identity = np.broadcast_to(np.eye(3), rotations.shape)
    np.testing.assert_allclose(rotations @ rotations.swapaxes(-1, -2), identity, atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-5)


def test_look_at_turns_the_ray_to_the_axis() -> None:
    rays = np.concatenate([RAYS, np.ones((len(RAYS), 1), np.float32)], 1)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    turned = geometry.rotate(geometry.look_at_rotations(RAYS), rays[:, None])[:, 0]
    np.testing.assert_allclose(turned, np.broadcast_to([0, 0, 1], turned.shape), atol=1e-5)


def test_look_at_does_not_roll() -> None:
    rotations = geometry.look_at_rotations(RAYS)
    # The turned camera's x axis is horizontal, and its y axis still points down.
    np.testing.assert_allclose(rotations[:, 0, 1], 0, atol=1e-6)
    assert (rotations[:, 1, 1] > 0).all()


def test_looking_straight_ahead_changes_nothing() -> None:
    rotation = geometry.look_at_rotations(np.zeros((1, 2), np.float32))[0]
    np.testing.assert_array_equal(rotation, np.eye(3))


def test_looking_commutes_with_a_flip(skeleton: Skeleton) -> None:
    """Turning to the mirrored ray gives the mirror of what turning to the ray gives."""
    ray = np.array([0.4, -0.3], np.float32)
    points = RNG.normal(size=(skeleton.num_joints, 3)).astype(np.float32)
    turned = geometry.rotate(geometry.look_at_rotations(ray), points)
    mirrored_ray = ray * np.array([-1, 1], np.float32)
    turned_mirror = geometry.rotate(
        geometry.look_at_rotations(mirrored_ray), geometry.flip_centred(points, skeleton)
    )
    np.testing.assert_allclose(turned_mirror, geometry.flip_centred(turned, skeleton), atol=1e-5)


def test_leading_axes_are_kept() -> None:
    assert geometry.look_at_rotations(np.zeros((2, 5, 2), np.float32)).shape == (2, 5, 3, 3)
