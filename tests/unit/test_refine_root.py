"""Where people stand: found again exactly from exact joints, and sensibly from others."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.walkers import Shot, film, walk
from vp3d_cli.refine import root
from vp3d_cli.types import Camera, Double, Float

LANDSCAPE, PORTRAIT = (1280, 720), (720, 1280)


def _path(shot: Shot, prior: Float | None = None, camera: Camera | None = None) -> Double:
    if prior is None:
        prior = np.full((len(shot.track), 3), np.nan, np.float32)
    joints = shot.person.joints
    path = root.path(shot.track, joints, prior, shot.video, camera or shot.camera, 6.0)
    assert path.dtype == np.float32
    return path.astype(np.float64)


def _off(shot: Shot, path: Double) -> tuple[float, float]:
    """The largest error across and along the line of sight, metres."""
    off = np.abs(path - shot.person.root)
    return float(off[:, :2].max()), float(off[:, 2].max())


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
@pytest.mark.parametrize("aside", [-2.5, 0.0, 2.5])
@pytest.mark.parametrize("heading", [0.0, 0.8, np.pi / 2])
def test_exact_joints_are_put_where_they_were(
    size: tuple[int, int], aside: float, heading: float
) -> None:
    shot = film(walk(heading=heading), size=size, aside=aside, distance=6)
    across, along = _off(shot, _path(shot))
    assert across < 0.01
    assert along < 0.03


@pytest.mark.parametrize("view", [{"pitch": 0.4, "height": 3.0}, {"roll": 0.5}, {"focal": 2400.0}])
def test_any_camera_will_do(view: dict[str, Any]) -> None:
    shot = film(walk(speed=0.5), **view)
    across, along = _off(shot, _path(shot))
    assert across < 0.01
    assert along < 0.02


def test_poses_of_any_kind() -> None:
    """Random joints, moving all at once: nothing is known about bodies."""
    rng = np.random.default_rng(0)
    motion = walk(speed=0.3)
    wave = np.sin(np.arange(120)[:, None, None] / 9 + rng.uniform(0, 6, (1, 17, 3)))
    motion.points[:, 1:17] += 0.2 * wave[:, 1:]
    shot = film(motion)
    across, along = _off(shot, _path(shot))
    assert across < 0.01
    assert along < 0.03


def test_people_and_distances_grow_together() -> None:
    shot = film(walk(heading=1.0))
    larger = dataclasses.replace(
        shot, person=dataclasses.replace(shot.person, joints=2 * shot.person.joints)
    )
    np.testing.assert_allclose(_path(larger), 2 * _path(shot), rtol=1e-4)


def test_a_longer_lens_puts_people_further_away_by_as_much() -> None:
    shot = film(walk(speed=0.3), distance=12)
    longer = _path(shot, camera=Camera(2 * shot.camera.focal_px, "given"))
    plain = _path(shot)
    np.testing.assert_allclose(longer[:, 2], 2 * plain[:, 2], rtol=0.02)
    np.testing.assert_allclose(longer[:, :2], plain[:, :2], atol=0.05)


def test_a_mirror_image_has_a_mirrored_path() -> None:
    shot = film(walk(heading=0.6), aside=1.0)
    flipped = dataclasses.replace(shot.track, keypoints=shot.track.keypoints.copy())
    flipped.keypoints[..., 0] = shot.video.width - flipped.keypoints[..., 0]
    joints = shot.person.joints * np.float32([-1, 1, 1])
    prior = np.full((len(joints), 3), np.nan)
    got = root.path(flipped, joints, prior, shot.video, shot.camera, 6.0)
    np.testing.assert_allclose(got * [-1, 1, 1], _path(shot), atol=1e-4)


def test_noise_of_depth_is_calmed() -> None:
    rng = np.random.default_rng(1)
    shot = film(walk(speed=0.3, seconds=8))
    shot.track.keypoints[:] += rng.normal(0, 3, shot.track.keypoints.shape)
    path = _path(shot)
    across, along = _off(shot, path)
    assert across < 0.04
    assert along < 0.2
    # Faster than people change their distance nothing moves along the line of sight.
    jitter = np.diff(path - shot.person.root, 2, axis=0)
    assert np.abs(jitter[:, 2]).max() < 0.005


def test_guessed_keypoints_hardly_count() -> None:
    exact = film(walk(speed=0.3))
    shot = film(walk(speed=0.3))
    shot.track.keypoints[:, 9:11] += [150, -80]
    wrong = _off(shot, _path(shot))
    shot.track.scores[:, 9:11] = 0.1
    guessed = _off(shot, _path(shot))
    assert guessed[0] < 0.1 * wrong[0]
    assert guessed[0] < 0.01
    shot.track.keypoints[:, 9:11] = np.nan
    np.testing.assert_allclose(_path(shot), exact.person.root, atol=0.01)


def test_frames_that_are_filled_in_hardly_count() -> None:
    shot = film(walk(speed=0.3))
    shot.track.keypoints[40:42] += [60, 0]
    wrong = _off(shot, _path(shot))
    shot.track.observed[40:42] = False
    assert _off(shot, _path(shot))[0] < 0.6 * wrong[0]


def test_nobody_visible_is_nowhere() -> None:
    shot = film(walk())
    shot.track.keypoints[:] = np.nan
    assert np.isnan(_path(shot)).all()
    shot = film(walk())
    shot.track.keypoints[:, 8:] = np.nan  # shoulders and an elbow say too little
    assert np.isnan(_path(shot)).all()
    shot = film(walk())
    shot.person.joints[:] = np.nan
    assert np.isnan(_path(shot)).all()


def test_unknown_joints_have_no_place() -> None:
    shot = film(walk(speed=0.3))
    shot.person.joints[30:40] = np.nan
    path = _path(shot)
    assert np.isnan(path[30:40]).all()
    others = np.delete(np.arange(len(path)), np.s_[30:40])
    np.testing.assert_allclose(path[others], shot.person.root[others], atol=0.02)


def test_the_lifters_path_leads_where_the_picture_says_nothing() -> None:
    shot = film(walk(heading=np.pi / 2, seconds=6), distance=8)
    hidden = slice(60, 120)
    shot.track.keypoints[hidden] = np.nan
    blind = _path(shot)
    led = _path(shot, shot.person.root)
    assert np.isfinite(blind).all()
    off = [np.abs(path - shot.person.root)[hidden, 2].max() for path in (blind, led)]
    assert off[1] < 0.05
    assert off[1] <= off[0] + 0.01
    # Only how its depth changes counts, not how far away it is.
    further = shot.person.root * np.float32(1.7)
    np.testing.assert_allclose(_path(shot, further), led, atol=0.02)
    unknown = shot.person.root.copy()
    unknown[::2] = np.nan
    assert np.abs(_path(shot, unknown) - shot.person.root)[hidden, 2].max() < 0.05


def test_a_prior_behind_the_camera_is_not_believed() -> None:
    shot = film(walk(speed=0.3))
    behind = -shot.person.root
    np.testing.assert_array_equal(_path(shot, behind), _path(shot))


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_short_tracks(length: int) -> None:
    whole = film(walk(speed=0.3))
    shot = dataclasses.replace(
        whole, track=whole.track.rows(slice(length)), person=whole.person.rows(slice(length))
    )
    np.testing.assert_allclose(_path(shot), shot.person.root, atol=0.01)


def _residuals(shot: Shot, where: Float | None = None) -> Float:
    place = shot.person.root if where is None else where
    return root.residuals(shot.track, shot.person.joints, place, shot.video, shot.camera)


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
def test_residuals_are_pixels(size: tuple[int, int]) -> None:
    shot = film(walk(), size=size, aside=1)
    assert _residuals(shot).max() < 0.01
    shot.track.keypoints[:] += [3, 4]
    np.testing.assert_allclose(_residuals(shot), 5, atol=0.01)
    shot.track.keypoints[:, :5] += 400  # the face has no joints
    np.testing.assert_allclose(_residuals(shot), 5, atol=0.01)
    shot.track.keypoints[:, 9] += [9, 12]  # one of twelve: 20 px
    expected = np.sqrt((11 * 25 + 400) / 12)
    np.testing.assert_allclose(_residuals(shot), expected, atol=0.01)
    shot.track.scores[:, 9] = 0.1
    np.testing.assert_allclose(_residuals(shot), 5, atol=0.01)


def test_residuals_are_unknown_where_nothing_counts() -> None:
    shot = film(walk())
    shot.track.scores[3] = 0.1
    shot.track.observed[5] = False
    where = shot.person.root.copy()
    where[7] = np.nan
    where[9, 2] = -4
    got = _residuals(shot, where)
    assert np.flatnonzero(np.isnan(got)).tolist() == [3, 5, 7, 9]
    assert got.dtype == np.float32
