"""What every file in `skeletons/` must do, tested the moment it exists."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_result, make_track2d, make_video
from vp3d_cli import registry, results, skeletons
from vp3d_cli.export import npz
from vp3d_cli.geometry import flip_centred
from vp3d_cli.lift.lifter import confidence
from vp3d_cli.render.compose import Picture
from vp3d_cli.types import Skeleton


@pytest.fixture(params=registry.names("skeletons"))
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    return skeletons.get(request.param)


@pytest.fixture
def rooted(skeleton: Skeleton) -> Skeleton:
    if skeleton.root is None:
        pytest.skip("keypoints in the picture: without a root")
    return skeleton


def test_it_is_called_as_its_file(skeleton: Skeleton) -> None:
    assert skeleton.name in registry.names("skeletons")
    assert len(set(skeleton.joints)) == skeleton.num_joints


def test_flipping_twice_is_nothing(skeleton: Skeleton) -> None:
    points = np.random.default_rng(0).normal(size=(4, skeleton.num_joints, 3)).astype(np.float32)
    assert (flip_centred(points, skeleton) != points).any()
    np.testing.assert_array_equal(flip_centred(flip_centred(points, skeleton), skeleton), points)
    assert "left" in skeleton.sides


def test_the_mirror_image_has_the_same_bones(skeleton: Skeleton) -> None:
    bones = {frozenset(edge) for edge in skeleton.edge_indices}
    mirror = skeleton.flip_order
    assert {frozenset((mirror[a], mirror[b])) for a, b in skeleton.edge_indices} == bones


def test_bones_lead_from_the_root_to_every_joint_once(rooted: Skeleton) -> None:
    reached = {rooted.root}
    for parent, child in rooted.edges:
        assert parent in reached, "parents come first"
        assert child not in reached
        reached.add(child)
    assert reached == set(rooted.joints)


def test_every_joint_rests_on_keypoints(rooted: Skeleton) -> None:
    trusted = confidence(make_track2d(1, 6), rooted)
    assert (trusted > 0).all()


@pytest.mark.parametrize("gaps", [False, True])
def test_results_with_it_are_drawn_and_read_back(
    skeleton: Skeleton, gaps: bool, tmp_path: Path
) -> None:
    ours = {"skeleton_3d": skeleton} if skeleton.root else {"skeleton_2d": skeleton}
    result = make_result(video=make_video(width=320, height=240), with_gaps=gaps, **ours)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = Picture(result)
        empty = picture.draw(0, 0.0, None).copy()
        assert (picture.draw(4, 0.1, None) != empty).any()
        npz.write(result, tmp_path / "a.npz")
    read = results.load_result(tmp_path / "a.npz")
    assert read.tracks3d[0].skeleton == result.tracks3d[0].skeleton
    assert read.tracks2d[0].skeleton == result.tracks2d[0].skeleton


def test_humaneva_has_the_references_order() -> None:
    skeleton = skeletons.get("humaneva15")
    parents = [-1] * skeleton.num_joints
    for parent, child in skeleton.edge_indices:
        parents[child] = parent
    assert parents == [-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1]
    left, right = [2, 3, 4, 8, 9, 10], [5, 6, 7, 11, 12, 13]
    assert [skeleton.flip_order[joint] for joint in left] == right
    assert [skeleton.joints[i] for i in (0, 1, 4, 7, 10, 13, 14)] == [
        "pelvis", "thorax", "left_wrist", "right_wrist", "left_ankle", "right_ankle", "head",
    ]  # fmt: skip
