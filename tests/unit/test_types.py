"""The values between the stages refuse what does not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.factories import make_result, make_track2d, make_track3d
from vp3d_cli import registry, skeletons
from vp3d_cli.types import Detections, Frame, require_shape

SKELETONS = [skeletons.get(name) for name in registry.names("skeletons")]


@pytest.mark.parametrize("shape", [(3,), (3, 5), (4, 4), (3, 4, 1), ()])
def test_a_wrong_shape_names_both(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"boxes: expected shape \(3, 4\), got"):
        require_shape("boxes", np.zeros(shape), (3, 4))


def test_none_stands_for_any_size() -> None:
    require_shape("boxes", np.zeros((0, 4)), (None, 4))
    require_shape("boxes", np.zeros((9, 4)), (None, 4))


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_skeletons_are_consistent(skeleton) -> None:
    assert len(set(skeleton.joints)) == skeleton.num_joints
    assert skeleton.root is None or skeleton.root in skeleton.joints
    partner = skeleton.flip_order
    assert [partner[i] for i in partner] == list(range(skeleton.num_joints))
    other_side = {"left": "right", "right": "left", "middle": "middle"}
    assert [skeleton.sides[i] for i in partner] == [other_side[side] for side in skeleton.sides]
    # Mirrored, the edges are the same edges.
    edges = {frozenset(edge) for edge in skeleton.edge_indices}
    assert {frozenset(partner[i] for i in edge) for edge in edges} == edges


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_edges_of_a_rooted_skeleton_form_a_tree(skeleton) -> None:
    if skeleton.root is not None:
        reached = {skeleton.root}
        for parent, child in skeleton.edges:
            assert parent in reached
            assert child not in reached
            reached.add(child)
        assert reached == set(skeleton.joints)


def test_the_file_name_is_the_name_of_the_skeleton() -> None:
    assert [skeleton.name for skeleton in SKELETONS] == list(registry.names("skeletons"))


def test_frames_are_colour_images() -> None:
    with pytest.raises(ValueError, match="image: expected"):
        Frame(0, 0.0, np.zeros((4, 6), np.uint8))


def test_no_detection_is_a_value() -> None:
    assert len(Detections.empty(17)) == 0


@pytest.mark.parametrize("field", ["boxes", "box_scores", "keypoints", "scores"])
def test_detections_agree_on_the_number_of_people(field: str) -> None:
    people = {
        "boxes": np.zeros((2, 4), np.float32),
        "box_scores": np.zeros(2, np.float32),
        "keypoints": np.zeros((2, 17, 2), np.float32),
        "scores": np.zeros((2, 17), np.float32),
    }
    two = Detections(**people)
    assert len(two.select([1])) == 1
    with pytest.raises(ValueError, match="expected shape"):
        replace(two, **{field: people[field][:1]})


@pytest.mark.parametrize("field", ["times_s", "boxes", "keypoints", "scores", "observed"])
def test_tracks_agree_on_their_length(field: str) -> None:
    track = make_track2d(length=6)
    with pytest.raises(ValueError, match=f"{field}: expected shape"):
        replace(track, **{field: getattr(track, field)[:-1]})


@pytest.mark.parametrize("field", ["joints", "confidence", "root"])
def test_3d_tracks_agree_on_their_length(field: str) -> None:
    track = make_track3d(make_track2d(length=6))
    with pytest.raises(ValueError, match=f"{field}: expected shape"):
        replace(track, **{field: getattr(track, field)[:-1]})


@pytest.mark.parametrize("frames", [[], [0, 1, 3], [0, 0, 1], [2, 1, 0]])
def test_a_track_is_a_run_of_frames(frames: list[int]) -> None:
    track = make_track2d(length=3)
    rows = slice(len(frames))
    with pytest.raises(ValueError, match="consecutive"):
        replace(
            track,
            frames=np.array(frames, np.int32),
            times_s=track.times_s[rows],
            boxes=track.boxes[rows],
            keypoints=track.keypoints[rows],
            scores=track.scores[rows],
            observed=track.observed[rows],
            at_risk=track.at_risk[rows],
        )


def test_the_two_halves_of_a_result_pair_up() -> None:
    result = make_result(num_tracks=2, length=5)
    assert result.num_rows == 10
    for tracks3d in (result.tracks3d[::-1], result.tracks3d[:1]):
        with pytest.raises(ValueError, match="same ids and frames"):
            replace(result, tracks3d=tracks3d)
