"""Faithful results are shown as the reference shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.factories import make_result
from vp3d_cli.render.compose import Picture
from vp3d_cli.render.scene import as_the_reference, is_faithful, on_the_floor, reference_rotation
from vp3d_cli.types import Track3D

# As measured: camera to a world with z up.
PRINTED = np.array(
    [[-0.9154, 0.0515, -0.3993], [0.4018, 0.1804, -0.8978], [0.0257, -0.9822, -0.1858]]
)


def _track(**changes: Any) -> Track3D:
    result = make_result(num_tracks=1, length=20, with_gaps=False)
    return replace(result.tracks3d[0], **changes)


def test_the_rotation_is_the_printed_one() -> None:
    np.testing.assert_allclose(reference_rotation(), PRINTED, atol=5e-5)


def test_heights_are_the_references_over_one_floor() -> None:
    """World z of joints and root together, less the one lowest of the clip."""
    track = _track()
    track.joints[3, 5, 1] += 4  # one bad joint lifts the whole clip
    z = (track.joints + track.root[:, None]) @ PRINTED[2]
    np.testing.assert_allclose(as_the_reference(track)[..., 1], z - z.min(), atol=2e-3)


def test_the_root_stays_over_the_origin_and_shapes_are_kept() -> None:
    track = _track()
    scene = as_the_reference(track)
    assert np.abs(scene[:, 0][:, [0, 2]]).max() < 1e-6
    rigid = lambda points: np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)  # noqa: E731
    np.testing.assert_allclose(rigid(scene), rigid(track.joints), atol=1e-4)
    # Seen from about where the camera stood, and not mirrored.
    axes = np.linalg.lstsq(
        (track.joints - track.joints[:, :1]).reshape(-1, 3),
        (scene - scene[:, :1]).reshape(-1, 3),
        rcond=None,
    )[0].T
    assert np.linalg.det(axes) == pytest.approx(-1, abs=1e-3)  # the scene's y points up
    np.testing.assert_allclose(axes, np.diag([1, -1, 1]), atol=0.3)
    pitch = np.rad2deg(np.arcsin(-axes[1, 2]))
    assert pitch == pytest.approx(10.7, abs=0.1)


def test_an_unknown_path_counts_as_none() -> None:
    track = _track()
    still = replace(track, root=np.zeros_like(track.root))
    unknown = replace(track, root=np.full_like(track.root, np.nan))
    np.testing.assert_array_equal(as_the_reference(unknown), as_the_reference(still))
    nothing = replace(unknown, joints=np.full_like(track.joints, np.nan))
    assert np.isnan(as_the_reference(nothing)).all()


@pytest.mark.parametrize(
    ("options", "faithful"),
    [
        ({"faithful": True}, True),
        ({"faithful": False}, False),
        ({}, False),
        (None, False),
        ([], False),
    ],
)
def test_the_stored_options_decide(options: Any, faithful: bool) -> None:
    result = make_result(num_tracks=1, length=20, with_gaps=False)
    result = replace(result, provenance={**result.provenance, "options": options})
    assert is_faithful(result) == faithful


def test_the_picture_follows_the_option() -> None:
    def drawn(faithful: bool) -> np.ndarray:
        result = make_result(num_tracks=1, length=20, with_gaps=False)
        options = {"faithful": faithful}
        result = replace(result, provenance={**result.provenance, "options": options})
        return Picture(result).draw(5, 0.1, None).copy()

    assert (drawn(True) != drawn(False)).any()
    np.testing.assert_array_equal(drawn(True), drawn(True))


def test_other_results_stand_level() -> None:
    track = _track()
    level = on_the_floor(track, 30.0)
    np.testing.assert_allclose(level[..., 0], track.joints[..., 0], atol=1e-6)
