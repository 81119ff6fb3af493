"""C3D: ezc3d writes, c3d reads, and so does `vp3d data`."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import c3d
import numpy as np
import pytest

from tests.factories import make_result
from tests.unit.test_export_frame import in_the_world
from vp3d_cli import export
from vp3d_cli.datasets.formats._c3d_file import read_points
from vp3d_cli.errors import DataError
from vp3d_cli.types import Double, Result


def _read(path: Path) -> tuple[Any, Double]:
    """A reader, and points (T, P, 5): x, y, z, residual, cameras."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has no analogue channels
        reader = c3d.Reader(io.BytesIO(path.read_bytes()))
        return reader, np.stack([points for _, points, _ in reader.read_frames()])


def _written(result: Result, path: Path) -> tuple[Any, Double]:
    export.write(result, "c3d", path)
    return _read(path)


def test_a_reader_finds_positions_rate_and_units(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, with_gaps=False)
    reader, points = _written(result, tmp_path / "pose.c3d")
    track = result.tracks3d[0]
    x, y, z = np.moveaxis(1000 * (track.joints + track.root[:, None]), -1, 0)
    np.testing.assert_allclose(points[..., :3], np.stack([x, z, -y], -1), atol=1e-3)
    assert (points[..., 3] == 0).all()
    assert reader.get("POINT:UNITS").string_value.strip() == "mm"
    assert reader.get("POINT:X_SCREEN").string_value.strip() == "+X"
    assert reader.get("POINT:Y_SCREEN").string_value.strip() == "+Z"
    assert reader.point_rate == pytest.approx(30000 / 1001, abs=1e-4)
    assert (reader.first_frame, reader.last_frame) == (3, 10)
    assert [label.strip() for label in reader.point_labels] == list(track.skeleton.joints)
    assert "camera" in reader.get("VP3D:REFERENCE").string_value


def test_up_is_z_from_the_floor_where_the_world_is_known(tmp_path: Path) -> None:
    result = in_the_world(make_result(num_tracks=1, with_gaps=False))
    reader, points = _written(result, tmp_path / "pose.c3d")
    np.testing.assert_allclose(
        points[..., :3], 1000 * result.world.of(result.tracks3d[0]), atol=1e-3
    )
    assert "world" in reader.get("VP3D:REFERENCE").string_value


def test_missing_has_the_residual_minus_one(tmp_path: Path) -> None:
    _, points = _written(make_result(num_tracks=1), tmp_path / "pose.c3d")
    assert (points[0, :, 3] == -1).all()
    assert (points[1:, :, 3] == 0).all()


def test_twenty_people_have_all_their_points(tmp_path: Path) -> None:
    result = make_result(num_tracks=20, length=3, with_gaps=False)
    _, points = _written(result, tmp_path / "pose.c3d")
    assert points.shape[:2] == (3 + 2 * 19, 20 * 17)
    labels = read_points(tmp_path / "pose.c3d").labels
    assert (labels[0], labels[-1]) == ("person1:hip", "person20:right_wrist")
    last = result.tracks3d[-1]
    x, y, z = np.moveaxis(1000 * (last.joints + last.root[:, None]), -1, 0)
    np.testing.assert_allclose(points[-3:, -17:, :3], np.stack([x, z, -y], -1), atol=1e-3)


def test_nobody_is_one_frame_in_which_all_is_missing(tmp_path: Path) -> None:
    _, points = _written(make_result(num_tracks=0), tmp_path / "pose.c3d")
    assert points.shape[:2] == (1, 17)
    assert (points[..., 3] == -1).all()


def test_frames_with_nobody_between_are_there_since_the_format_has_no_times(tmp_path: Path) -> None:
    _, points = _written(make_result(num_tracks=3, length=1, with_gaps=False), tmp_path / "a.c3d")
    assert (points[..., 3] == 0).sum(1).tolist() == [17, 0, 17, 0, 17]


def test_our_own_reader_of_motion_capture_takes_the_points(tmp_path: Path) -> None:
    result = in_the_world(make_result(num_tracks=1, with_gaps=False))
    export.write(result, "c3d", tmp_path / "pose.c3d")
    found = read_points(tmp_path / "pose.c3d")
    assert (found.units, found.up) == ("mm", "+z")
    np.testing.assert_allclose(found.where, 1000 * result.world.of(result.tracks3d[0]), atol=1e-3)


def test_more_frames_than_the_format_counts_are_refused(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, length=65536, with_gaps=False)
    with pytest.raises(DataError, match="65535 frames"):
        export.write(result, "c3d", tmp_path / "pose.c3d")
    assert not list(tmp_path.iterdir())


def test_late_frames_of_a_long_video_are_counted_from_one(tmp_path: Path) -> None:
    late = make_result(num_tracks=1, length=2, with_gaps=False)
    for track in (late.tracks2d[0], late.tracks3d[0]):
        track.frames[:] += 70000
    reader, points = _written(late, tmp_path / "pose.c3d")
    assert (reader.first_frame, len(points)) == (1, 2)
