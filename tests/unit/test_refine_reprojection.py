"""Where people stand and how well they fit the picture."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.adapt_footage import FIGURE, make_footage
from vp3d_cli.refine import reprojection
from vp3d_cli.train.synthesize import mark_coco


def test_keypoints_are_those_that_lifters_are_trained_on() -> None:
    """The same joints as the mean of what training draws."""
    bodies = np.repeat(FIGURE[None, None] + np.array([0, 0, 4]), 4000, 0)
    drawn = mark_coco(bodies, np.random.default_rng(0))[:, 0, reprojection.FIRST_KEYPOINT :]
    np.testing.assert_allclose(bodies[0, 0, reprojection.JOINTS], drawn.mean(0), atol=0.002)


def test_people_are_put_where_they_are_seen() -> None:
    video = make_footage()
    fit = reprojection.fit(video.tracks2d[0], video.tracks3d[0], video.video, video.camera)
    np.testing.assert_allclose(fit.root, video.tracks3d[0].root, atol=1e-3)
    assert np.nanmax(fit.distances_px) < 0.05
    assert fit.sizes_px == pytest.approx(100, rel=0.2)  # 1.6 m at 4 m, focal length 900


def test_what_is_off_is_measured_in_pixels() -> None:
    video = make_footage()
    track = video.tracks2d[0]
    track.keypoints[:, 9] += [30, 0]  # the left wrist
    fit = reprojection.fit(track, video.tracks3d[0], video.video, video.camera)
    off = fit.distances_px.mean(0)
    assert off[4] == pytest.approx(27, abs=2)  # the rest goes along a little
    assert np.delete(off, 4).max() < 5


def test_guessed_filled_and_missing_keypoints_do_not_count() -> None:
    video = make_footage()
    track = video.tracks2d[0]
    track.scores[:, 9], track.scores[3], track.keypoints[5, 10] = 0.29, 0.1, np.nan
    track.observed[7] = False
    weights = reprojection.trusted(track)
    assert not weights[:, 4].any()
    assert not weights[3].any()
    assert not weights[7].any()
    assert weights[5, 5] == 0
    assert weights[5, 6] == np.float32(0.9)
    fit = reprojection.fit(track, video.tracks3d[0], video.video, video.camera)
    assert np.isnan(fit.root[[3, 7]]).all()
    assert np.isfinite(np.delete(fit.root, [3, 7], 0)).all()
    assert np.isnan(fit.distances_px[:, 4]).all()


def test_nearer_is_larger() -> None:
    video = make_footage()
    track = video.tracks2d[0]
    centre = track.keypoints.mean(1, keepdims=True)
    larger = dataclasses.replace(track, keypoints=centre + 2 * (track.keypoints - centre))
    fit = reprojection.fit(larger, video.tracks3d[0], video.video, video.camera)
    np.testing.assert_allclose(fit.root[:, 2], video.tracks3d[0].root[:, 2] / 2, rtol=0.1)


@pytest.mark.parametrize("at", [(np.nan, np.nan), (5000, 5000)])
def test_sizes_are_of_the_keypoints_that_count(at: tuple[float, float]) -> None:
    def measured(place: tuple[float, float] | None) -> reprojection.Fit:
        video = make_footage()
        track = video.tracks2d[0]
        track.scores[:, 9] = 0.29  # the left wrist
        if place:
            track.keypoints[:, 9] = place
        return reprojection.fit(track, video.tracks3d[0], video.video, video.camera)

    fit, plain = measured(at), measured(None)
    np.testing.assert_array_equal(fit.sizes_px, plain.sizes_px)
    np.testing.assert_array_equal(fit.distances_px, plain.distances_px)


def test_frames_that_collapsed_weigh_little() -> None:
    video = make_footage()
    track = video.tracks2d[0]
    track.keypoints[7] = track.keypoints[7, :1]
    track.observed[9] = False
    fit = reprojection.fit(track, video.tracks3d[0], video.video, video.camera)
    usual = np.median(fit.sizes_px)
    assert fit.sizes_px[7] == pytest.approx(usual / 4)
    assert fit.sizes_px[9] == pytest.approx(usual, rel=0.1)
    track.observed[:] = False
    nowhere = reprojection.fit(track, video.tracks3d[0], video.video, video.camera)
    assert (nowhere.sizes_px > 0).all()
