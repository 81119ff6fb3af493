"""Figures in space: their ways, the viewer's walk, the room, angles, transparent layers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.drawn_people import (
    COCO,
    H36M,
    HEIGHT,
    WIDTH,
    make_result,
    make_tracks,
    near,
    picture,
    placed,
)
from vp3d_cli.export import _angles
from vp3d_cli.render import _draw as draw
from vp3d_cli.render.angles import joint_angles
from vp3d_cli.render.compose import Picture
from vp3d_cli.render.scene import Eye, View, in_a_room
from vp3d_cli.render.style import DARK, LAYOUTS, Style
from vp3d_cli.skeletons._base import Skeleton
from vp3d_cli.types import Float, Image, Result, World


class TestThreeD:
    def moving(self) -> Result:
        """A hand that goes up by 10 cm a frame."""
        track2d, track3d = placed(1, 0, 4, length=12)
        joints = track3d.joints.copy()
        joints[:, H36M.index("left_wrist"), 0] = 0.6
        joints[:, H36M.index("left_wrist"), 1] = 0.4 - 0.1 * np.arange(12)
        return make_result((track2d, replace(track3d, joints=joints)), num_frames=12)

    @pytest.mark.parametrize("layout", ["side-by-side", "3d", "grid"])
    def test_a_trail_shows_where_the_hand_was(self, layout: str) -> None:
        plain = picture(self.moving(), 11, layout=layout)
        long, short = (
            (picture(self.moving(), 11, layout=layout, trail_s=s) != plain).any(-1)
            for s in (0.3, 0.1)
        )
        assert long.sum() > 1.5 * short.sum() > 30
        begin = picture(self.moving(), 0, layout=layout)
        assert np.array_equal(begin, picture(self.moving(), 0, layout=layout, trail_s=1.0))

    @pytest.mark.parametrize("layout", ["side-by-side", "3d", "grid"])
    def test_the_viewer_walks_around_once_and_is_back(self, layout: str) -> None:
        result = self.moving()
        seen = [
            picture(result, 3, at, layout=layout, orbit_deg_s=90).astype(int)
            for at in (0.0, 1.0, 4.0)
        ]
        assert (np.abs(seen[1] - seen[0]).max(-1) > 20).mean() > 0.01
        assert np.abs(seen[2] - seen[0]).max() <= 2

    def test_who_walks_around_keeps_all_in_the_picture(self) -> None:
        points = np.array([[0, 0, -4], [0, 1, 4]], np.float32)  # one behind the other
        around = []
        for orbits in (True, False):
            view = View(points, (400, 300), (0, 0, 0, 0), Eye(distance_m=9, orbits=orbits))
            x = [view.turned(turn).project(points)[:, 0] for turn in np.arange(0, 6.3, 0.1)]
            around.append((np.min(x), np.max(x)))
        assert around[0][0] >= -3
        assert around[0][1] <= 403
        assert around[1][1] > 403  # one who stands still goes nearer

    def test_the_scale_bar_is_as_long_as_it_says(self) -> None:
        made = Picture(make_result(make_tracks()), Style(layout="3d"))
        panel = made.layout.panels[0].of(made.draw(0, 0, None))
        row = np.nonzero(near(panel[-16], DARK.muted, 16))[0]
        length = int(row[np.flatnonzero(np.diff(row) > 3)[0]] - row[0])  # up to its label
        stage = made._panels[0]._stage  # type: ignore[union-attr]
        assert stage
        aim = np.array([0, stage.view.eye.aim_m, 0], np.float32)
        turn = stage.view._turn
        across = np.array([math.cos(turn), 0, math.sin(turn)], np.float32)
        metre = np.ptp(stage.view.project(np.stack([aim, aim + across]))[:, 0])
        said = min((0.1, 0.2, 0.5, 1.0, 2.0, 5.0), key=lambda m: abs(m * metre - length))
        assert length == pytest.approx(said * metre, abs=4)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_somebody_at_risk_is_marked(self, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
        written: set[str] = set()
        real = draw.text

        def record(image: Image, words: str, *args: Any, **kwargs: Any) -> None:
            written.add(words)
            real(image, words, *args, **kwargs)

        monkeypatch.setattr(draw, "text", record)
        track2d, track3d = placed(1, 0, 4)
        for risk, marks in ((False, set()), (True, {"1?", "may be mixed up"})):
            risky = replace(track2d, at_risk=np.full(len(track2d), risk))
            written.clear()
            picture(make_result((risky, track3d)), layout=layout)
            expected = marks & ({"may be mixed up"} if layout == "grid" else {"1?"})
            expected |= marks if layout == "side-by-side" else set()
            assert written & {"1?", "may be mixed up"} == expected


class TestRoom:
    def test_people_stand_where_they_are(self) -> None:
        result = make_result(placed(1, -1, 4), placed(2, 1, 6))
        scenes, how = in_a_room(result)
        hips = [scene[0, H36M.index("hip")] for scene in scenes]
        assert hips[1][0] - hips[0][0] == pytest.approx(2, abs=1e-3)
        assert hips[1][2] - hips[0][2] == pytest.approx(2, abs=1e-3)
        feet = scenes[0][0, H36M.index("left_foot"), 1]
        assert 0 <= feet < 0.1
        assert how == "floor estimated"

    def test_the_world_is_upright_where_it_is_known(self) -> None:
        """A camera 1.4 m high that looks 20 degrees down."""
        pitch = math.radians(20)
        turn = np.array(
            [
                [1, 0, 0],
                [0, -math.sin(pitch), math.cos(pitch)],
                [0, -math.cos(pitch), -math.sin(pitch)],
            ]
        )
        matrix = np.eye(4)
        matrix[:3, :3], matrix[2, 3] = turn, 1.4
        upright = turn.T @ np.array([0, 0, 1.0])
        track2d, track3d = placed(1, 0, 4)
        joints = track3d.joints[..., :1] * np.array([1, 0, 0]) - track3d.joints[..., 1:2] * upright
        tilted = replace(track3d, joints=joints.astype(np.float32))
        result = replace(make_result((track2d, tilted)), world=World(matrix, "told"))
        scenes, how = in_a_room(result)
        head, hip = scenes[0][0, H36M.index("head")], scenes[0][0, H36M.index("hip")]
        assert head - hip == pytest.approx([0, 0.75, 0], abs=1e-3)
        assert hip[1] == pytest.approx((turn @ [0, 0.5, 4])[2] + 1.4, abs=1e-3)
        assert how == ""

    def test_those_without_a_place_stand_side_by_side(self) -> None:
        result = make_result(
            make_tracks(1, at=(200, 110)), make_tracks(2, at=(60, 110)), make_tracks(3)
        )
        scenes, how = in_a_room(result)
        hips = [float(scene[0, 0, 0]) for scene in scenes]
        assert hips == pytest.approx([1.2, -1.2, 0], abs=1e-3)  # as in the picture
        assert how == "places unknown: side by side"

    def test_one_without_a_place_stands_beside_those_who_have_one(self) -> None:
        scenes, _ = in_a_room(make_result(placed(1, 0, 4), make_tracks(2)))
        assert float(scenes[1][0, 0, 0]) > float(scenes[0][..., 0].max()) + 0.5


def hinged(**places: tuple[float, float, float]) -> tuple[Float, Skeleton]:
    joints = np.full((1, 17, 3), np.nan, np.float32)
    for name, place in places.items():
        joints[0, H36M.index(name)] = place
    return joints, H36M


class TestAngles:
    def test_they_are_those_computed_by_hand(self) -> None:
        joints, skeleton = hinged(
            hip=(0, 0, 0), thorax=(0, -0.5, 0),
            left_hip=(0.1, 0, 0), left_knee=(0.1, 0.4, 0), left_foot=(0.1, 0.4, 0.4),
            left_shoulder=(0.2, -0.5, 0), left_elbow=(0.5, -0.5, 0), left_wrist=(0.5, -0.2, 0.3),
            right_hip=(-0.1, 0, 0), right_knee=(-0.1, 0, -0.4), right_foot=(-0.1, 0, -0.8),
        )  # fmt: skip
        angles = {name: float(a[0]) for name, a in joint_angles(joints, skeleton).items()}
        assert angles["left_knee"] == pytest.approx(90)
        assert angles["left_hip"] == pytest.approx(0)
        assert angles["left_shoulder"] == pytest.approx(90)
        assert angles["left_elbow"] == pytest.approx(90)
        assert angles["right_knee"] == pytest.approx(0)
        assert angles["right_hip"] == pytest.approx(90)
        assert math.isnan(angles["right_elbow"])
        bent, _ = hinged(
            left_hip=(1, 0, 0), left_knee=(0, 0, 0), left_foot=(-0.5, math.sqrt(0.75), 0)
        )
        moved = bent + np.array([0.3, 0.1, 0.2], np.float32)
        assert joint_angles(moved, H36M)["left_knee"][0] == pytest.approx(60, abs=1e-3)

    def test_they_are_those_of_the_export(self) -> None:
        joints = np.random.default_rng(5).normal(0, 0.4, (40, 17, 3)).astype(np.float32)
        exported = _angles.measured(_angles.Body.of(joints * np.array([1, -1, -1]), H36M))
        ours = joint_angles(joints, H36M)
        for joint, column in (
            ("knee", "knee_flexion"), ("elbow", "elbow_flexion"), ("shoulder", "shoulder_elevation")
        ):  # fmt: skip
            for side in ("left", "right"):
                theirs = exported[f"{column}_{side}"]
                np.testing.assert_allclose(ours[f"{side}_{joint}"], theirs, atol=0.05)

    def test_two_joints_in_one_place_have_no_angle(self) -> None:
        joints, _ = hinged(left_hip=(0, 0, 0), left_knee=(0, 0, 0), left_foot=(0, 1, 0))
        assert np.isnan(joint_angles(joints, H36M)["left_knee"]).all()

    @pytest.mark.parametrize("name", ["h36m17", "coco17", "humaneva15"])
    def test_every_skeleton_has_eight(self, name: str) -> None:
        from vp3d_cli import skeletons

        skeleton = skeletons.get(name)
        joints = np.random.default_rng(1).normal(size=(2, skeleton.num_joints, 3))
        angles = joint_angles(joints.astype(np.float32), skeleton)
        assert len(angles) == 8
        assert all(np.isfinite(angle).all() for angle in angles.values())

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_the_value_is_what_is_written(
        self, layout: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written: list[str] = []
        real = draw.text
        monkeypatch.setattr(
            draw,
            "text",
            lambda image, words, *a, **k: (written.append(words), real(image, words, *a, **k)),
        )
        track2d, track3d = placed(1, 0, 4)
        expected = {
            f"{float(angle[2]):.0f}°" for angle in joint_angles(track3d.joints, H36M).values()
        }
        result = make_result((track2d, track3d))
        picture(result, layout=layout)
        assert not any(words.endswith("°") for words in written)
        written.clear()
        picture(result, layout=layout, angles=True)
        shown = [words for words in written if words.endswith("°")]
        assert len(shown) == 8
        assert set(shown) == expected


def test_letters_that_the_font_has_not_are_no_question_marks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw._lettering.cache_clear()
    monkeypatch.setattr(draw, "_ASCII_ALONE", True)
    written: list[str] = []
    real = draw.cv2.putText
    monkeypatch.setattr(
        draw.cv2,
        "putText",
        lambda image, words, *a: (written.append(words), real(image, words, *a)),
    )
    for words in ("33°", "Žižka – Über", "日本", "plain"):
        draw.text_width(words, 14)
    draw._lettering.cache_clear()
    assert written == ["33", "Zizka - Uber", "??", "plain"]


class TestTransparent:
    def test_alpha_is_there_only_where_something_is_drawn(self) -> None:
        result = make_result(make_tracks())
        drawn = picture(result, layout="overlay", transparent=True)
        assert drawn.shape == (HEIGHT, WIDTH, 4)
        alpha = drawn[..., 3]
        assert alpha[:, :60].max() == alpha[:, -60:].max() == 0
        assert (alpha == 255).sum() > 300
        assert 0 < ((alpha > 0) & (alpha < 255)).sum() < (alpha == 255).sum()
        assert near(drawn[..., :3][alpha == 255], DARK.left).sum() > 60

    def test_laid_over_a_picture_it_gives_the_overlay(self) -> None:
        track2d, track3d = make_tracks()
        scores = track2d.scores.copy()
        scores[:, COCO.index("left_wrist")] = 0.3  # half transparent
        result = make_result((replace(track2d, scores=scores), track3d))
        layer = picture(result, layout="overlay", transparent=True, title="T").astype(float)
        ground = np.full((HEIGHT, WIDTH, 3), (60, 120, 180), np.uint8)
        over = Picture(result, Style(layout="overlay", title="T")).draw(2, 0, ground)
        share = layer[..., 3:] / 255
        laid = layer[..., :3] * share + ground * (1 - share)
        assert np.abs(laid - over).max() < 6
