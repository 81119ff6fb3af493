"""Layouts, themes, sizes and titles of rendered pictures, told by their pixels."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.drawn_people import make_result, make_tracks, near, picture, placed
from vp3d_cli.errors import OptionsError
from vp3d_cli.render import _draw as draw
from vp3d_cli.render.compose import Picture
from vp3d_cli.render.layout import arrange
from vp3d_cli.render.style import DARK, LAYOUTS, LIGHT, PALETTES, THEMES, Style, theme_named

# Machado et al. (2009), severity 1: what linear RGB looks like to eyes of each kind.
BLIND = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
    "none": np.eye(3).tolist(),
}  # fmt: skip
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float64
)


def lab(bgr: tuple[int, int, int], eyes: str) -> np.ndarray:
    """CIE L*a*b* of a colour as such eyes see it."""
    rgb = np.array(bgr[::-1]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(BLIND[eyes]) @ linear, 0, 1)
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ seen / TO_XYZ.sum(1), 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


class TestStyle:
    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ({"layout": "pie"}, "expected one of side-by-side, overlay, 3d, grid"),
            ({"layout": "overlay", "trail_s": 1}, "trail is drawn in 3D"),
            ({"layout": "overlay", "orbit_deg_s": 9}, "orbit is drawn in 3D"),
            ({"transparent": True}, "transparent is for the layout overlay"),
            ({"size": (None, 20)}, "expected 64 to 8192"),
            ({"size": (9000, 720)}, "expected 64 to 8192"),
            ({"slow": 0}, "slow 0"),
            ({"slow": math.nan}, "slow nan"),
            ({"trail_s": -1}, "trail -1"),
            ({"start_s": 2, "end_s": 2}, "must lie before"),
        ],
    )
    def test_what_contradicts_itself_is_wrong_usage(self, wrong: Any, told: str) -> None:
        with pytest.raises(OptionsError, match=told):
            Style(**wrong)

    def test_a_title_becomes_one_line_of_letters(self) -> None:
        assert Style(title=" a\n\tb\x1b[31m \u202ec\x00 ").heading == "a b[31m c"

    @pytest.mark.parametrize("eyes", BLIND)
    @pytest.mark.parametrize("theme", THEMES)
    @pytest.mark.parametrize("colours", PALETTES)
    def test_left_and_right_differ_for_all_eyes(self, eyes: str, theme: str, colours: str) -> None:
        chosen = theme_named(theme, colours)
        left, right = lab(chosen.left, eyes), lab(chosen.right, eyes)
        assert np.linalg.norm(left - right) > 40  # 2 can just be told apart
        if colours == "colour-blind":
            assert abs(left[0] - right[0]) > 20  # also in grey
        for side in (left, right):
            assert np.linalg.norm(side - lab(chosen.middle, eyes)) > 20

    def test_a_red_and_a_green_would_be_noticed(self) -> None:
        red, green = (lab(colour, "deuteranopia") for colour in ((40, 90, 200), (40, 130, 120)))
        assert np.linalg.norm(red - green) < 40


class TestLayouts:
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize(
        "size", [None, (None, 240), (None, 2160), (1920, 1080), (1080, 1920), (64, 64)]
    )
    @pytest.mark.parametrize("source", [(1280, 720), (720, 1280), (300, 1), (1, 300)])
    @pytest.mark.parametrize("people", [1, 2, 5])
    def test_parts_lie_inside_and_apart(
        self, layout: str, size: Any, source: tuple[int, int], people: int
    ) -> None:
        made = arrange(source, people, Style(layout=layout, size=size))
        covered = np.zeros((made.height, made.width), int)
        for box in (made.video, made.footer, *made.panels):
            if box is not None:
                part = box.of(covered)  # type: ignore[arg-type]
                assert part.shape == (box.height, box.width)
                assert part.size > 0
                part += 1
        assert covered.max() == 1
        if size is not None:
            assert made.height == size[1]
            assert size[0] in (None, made.width)
        assert made.width <= 8192
        assert (made.video is None) == (layout in ("3d", "grid"))
        assert len(made.panels) == {"overlay": 0, "3d": 1}.get(layout, people)

    def test_the_overlay_has_the_videos_own_size(self) -> None:
        made = arrange((333, 211), 1, Style(layout="overlay"))
        assert (made.width, made.height) == (333, 211)

    @pytest.mark.parametrize("size", [(1280, 720), (720, 1280)])
    def test_the_video_is_never_stretched(self, size: tuple[int, int]) -> None:
        for wanted in ((1920, 1080), (1080, 1920), (800, 800)):
            box = arrange(size, 2, Style(size=wanted)).video
            assert box
            assert box.width / box.height == pytest.approx(size[0] / size[1], rel=0.02)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_a_crowd_of_twenty_nobody_and_one_frame(self, layout: str) -> None:
        crowd = make_result(*(make_tracks(k, at=(10.0 * k, 110)) for k in range(1, 21)))
        alone, nobody = make_result(make_tracks(length=1), num_frames=1), make_result()
        for result in (crowd, alone, nobody):
            drawn = picture(result, 0, layout=layout, angles=True, title="T")
            assert drawn.std() > 1
        if layout == "grid":
            assert len(Picture(crowd, Style(layout=layout)).layout.panels) == 20

    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.filterwarnings("error")
    def test_stretches_without_joints_draw_nothing(self, layout: str) -> None:
        track2d, track3d = placed(1, 0, 4)
        joints, keypoints = track3d.joints.copy(), track2d.keypoints.copy()
        joints[2:4], keypoints[2:4] = np.nan, np.nan
        root = track3d.root.copy()
        root[2:4] = np.nan
        track2d = replace(track2d, keypoints=keypoints)
        result = make_result((track2d, replace(track3d, joints=joints, root=root)))
        trail = 0.1 if layout != "overlay" else 0.0
        style = Style(layout=layout, angles=True, trail_s=trail)
        made = Picture(result, style)
        full, gone = (made.draw(k, 0, None)[:-48].copy() for k in (1, 2))
        assert near(full, DARK.left).sum() > 30
        assert near(gone, DARK.left).sum() < 0.35 * near(full, DARK.left).sum()

    def test_letters_are_drawn_larger_and_not_enlarged(self) -> None:
        small, large = (
            Picture(make_result(make_tracks()), Style(layout="3d", size=(None, height)))
            for height in (720, 2160)
        )
        drawn = [made.draw(2, 0.07, None) for made in (small, large)]
        foot = [
            made.layout.footer.of(image)
            for made, image in zip((small, large), drawn, strict=True)
            if made.layout.footer
        ]
        ink = [np.abs(part[:, :400].astype(int) - np.array(DARK.canvas)).max(-1) for part in foot]
        heights = [np.ptp(np.nonzero((part > 60).any(1))[0]) for part in ink]
        assert heights[1] == pytest.approx(3 * heights[0], rel=0.25)
        # Sharp: an edge is no wider than in the small picture.
        edges = [np.abs(np.diff(part, axis=1)).max() for part in ink]
        assert edges[1] >= 0.9 * edges[0]


class TestThemes:
    @pytest.mark.parametrize("layout", ["side-by-side", "3d", "grid"])
    def test_light_is_light_and_dark_is_dark(self, layout: str) -> None:
        result = make_result(make_tracks())
        assert picture(result, layout=layout, theme=LIGHT).mean() > 190
        assert picture(result, layout=layout, theme=DARK).mean() < 70

    def test_sides_have_the_themes_colours(self) -> None:
        result = make_result(make_tracks())
        for colours in PALETTES:
            theme = theme_named("light", colours)
            drawn = picture(result, layout="overlay", theme=theme)
            assert near(drawn, theme.left, 12).sum() > 100
            assert near(drawn, theme.right, 12).sum() > 100


class TestTitle:
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("title", ["Knee", "žlutý 中文 🙂 %s {}", "x" * 500])
    def test_it_stands_at_the_top(self, layout: str, title: str) -> None:
        result = make_result(make_tracks(at=(160, 140)))
        style = Style(layout=layout, title=title, size=(640, 480))
        without = Picture(result, replace(style, title="  ")).draw(0, 0, None).copy()
        drawn = Picture(result, style).draw(0, 0, None)
        assert drawn.shape == without.shape
        assert (drawn[:40] != without[:40]).any()
        assert near(drawn[:40], DARK.text, 90).sum() > 15

    def test_what_does_not_fit_is_cut_with_an_ellipsis(self) -> None:
        cut = draw.shortened("a long line of words", 90, 14)
        assert cut.endswith("...")
        assert draw.text_width(cut, 14) <= 90
        assert draw.shortened("short", 90, 14) == "short"
        assert draw.shortened("anything", 1, 14) == ""
