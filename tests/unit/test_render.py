"""What a rendered picture must show, told by its pixels."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.drawn_people import COCO, FPS, H36M, HEIGHT, WIDTH, make_result, make_tracks, near
from vp3d_cli.errors import DataError, OutputError
from vp3d_cli.geometry import flip_pixels
from vp3d_cli.render import _palette as palette
from vp3d_cli.render.compose import Picture, render_video
from vp3d_cli.render.layout import arrange, share_panels
from vp3d_cli.render.overlay import Overlay
from vp3d_cli.render.panel import Panel
from vp3d_cli.render.scene import View, on_the_floor
from vp3d_cli.render.timing import paced
from vp3d_cli.types import Bool, Image, Result, Track2D, Track3D
from vp3d_cli.video import VideoReader, VideoWriter, probe

SIZE = (300, 360)


def overlay(track2d: Track2D, track3d: Track3D, row: int = 0) -> Image:
    """Only the bones, on black."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    result = make_result((track2d, track3d))
    Overlay(result, 1.0)._people[0].draw_bones(image, row)
    return image


def where(mask: Bool) -> tuple[float, float]:
    """Mean x and y of the pixels."""
    y, x = np.nonzero(mask)
    assert len(x) > 20
    return float(x.mean()), float(y.mean())


def panel_of(result: Result, frame: int = 0) -> Image:
    panel = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    Panel(result, list(range(len(result.tracks2d))), SIZE).draw(panel, frame)
    return panel


def write_clip(path: Path, num_frames: int = 6, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    with VideoWriter(path, *size, Fraction(FPS)) as writer:
        for k in range(num_frames):
            writer.write(np.full((size[1], size[0], 3), 20 + 20 * k, np.uint8))
    return path


class TestOverlay:
    def test_each_side_has_its_colour(self) -> None:
        image = overlay(*make_tracks())
        left, _ = where(near(image, palette.SIDES["left"]))
        right, _ = where(near(image, palette.SIDES["right"]))
        assert right < 150 < 170 < left  # the person faces the camera

    def test_a_flipped_person_gives_the_mirrored_picture(self) -> None:
        track2d, track3d = make_tracks(at=(130.3, 110.7))
        flipped = replace(track2d, keypoints=flip_pixels(track2d.keypoints, WIDTH, COCO))
        swapped = overlay(flipped, track3d)[:, ::-1]
        plain = overlay(track2d, track3d)
        for side, other in (("left", "right"), ("right", "left")):
            a, b = near(plain, palette.SIDES[side]), near(swapped, palette.SIDES[other])
            assert (a != b).sum() < 0.12 * a.sum()
        assert where(near(plain, palette.SIDES["left"])) == pytest.approx(
            where(near(swapped, palette.SIDES["right"])), abs=0.3
        )

    def test_a_small_shift_moves_the_picture_by_less_than_a_pixel(self) -> None:
        centres = []
        for shift in (0.0, 0.25):
            track2d, track3d = make_tracks()
            keypoints = np.full_like(track2d.keypoints, np.nan)
            keypoints[:, COCO.index("left_hip")] = (160 + shift, 50)
            keypoints[:, COCO.index("left_knee")] = (160 + shift, 150)
            light = overlay(replace(track2d, keypoints=keypoints), track3d).sum((0, 2))
            centres.append(float((light * (np.arange(WIDTH) + 0.5)).sum() / light.sum()))
        assert centres == pytest.approx([160, 160.25], abs=0.05)

    def test_low_confidence_is_fainter(self) -> None:
        track2d, track3d = make_tracks()
        wrist, elbow = COCO.index("left_wrist"), COCO.index("left_elbow")
        place = tuple(track2d.keypoints[0, [wrist, elbow]].mean(0)[::-1].astype(int))
        brightness = []
        for score in (0.9, 0.4, 0.2):
            scores = track2d.scores.copy()
            scores[:, wrist] = score
            brightness.append(int(overlay(replace(track2d, scores=scores), track3d)[place].sum()))
        assert brightness[0] > 1.3 * brightness[1] > 1.6 * brightness[2] > 0

    def test_filled_in_frames_are_fainter_and_dashed(self) -> None:
        track2d, track3d = make_tracks()
        observed = track2d.observed.copy()
        observed[3] = False
        track2d = replace(track2d, observed=observed)
        seen, filled = overlay(track2d, track3d, 2), overlay(track2d, track3d, 3)
        assert 0 < filled.sum() < 0.5 * seen.sum()
        assert 0 < filled.any(-1).sum() < 0.7 * seen.any(-1).sum()

    @pytest.mark.filterwarnings("error")
    def test_a_missing_keypoint_takes_its_bone_with_it(self) -> None:
        track2d, track3d = make_tracks()
        keypoints = track2d.keypoints.copy()
        keypoints[:, COCO.index("left_wrist")] = np.nan
        image, whole = (
            overlay(replace(track2d, keypoints=keypoints), track3d),
            overlay(*make_tracks()),
        )
        _, elbow_y = keypoints[0, COCO.index("left_elbow")].astype(int)
        hip_x, _ = keypoints[0, COCO.index("left_hip")].astype(int)
        forearm = np.s_[elbow_y + 8 :, hip_x + 8 :]
        assert whole[forearm].any()
        assert not image[forearm].any()

    def test_a_keypoint_far_outside_is_drawn_towards(self) -> None:
        track2d, track3d = make_tracks()
        keypoints = track2d.keypoints.copy()
        keypoints[:, COCO.index("left_wrist")] = (1e9, -1e9)
        image = overlay(replace(track2d, keypoints=keypoints), track3d)
        x, y = keypoints[0, COCO.index("left_elbow")].astype(int)
        assert near(image[y - 20, x + 20], palette.SIDES["left"]).all()
        filled = replace(track2d, keypoints=keypoints, observed=np.zeros(len(track2d), bool))
        assert overlay(filled, track3d).any()


class TestPanel:
    def test_a_level_camera_gives_an_upright_person_with_sides_in_place(self) -> None:
        panel = panel_of(make_result(make_tracks()))
        assert (
            where(near(panel, palette.SIDES["right"]))[0] + 10
            < where(near(panel, palette.SIDES["left"]))[0]
        )
        view = View(np.zeros((1, 3), np.float32), SIZE, (0, 0, 0, 0))
        foot, head = view.project(np.array([[0, 0, 0], [0, 1.7, 0]], np.float32))
        assert abs(foot[0] - head[0]) < 1e-3
        assert head[1] < foot[1]

    def test_a_raised_arm_is_drawn_above_the_hip(self) -> None:
        track2d, track3d = make_tracks()
        heights = []
        for raised in (False, True):
            joints = track3d.joints.copy()
            if raised:
                joints[:, H36M.index("left_elbow"), 1] = -0.75
                joints[:, H36M.index("left_wrist"), 1] = -1.0
            result = make_result((track2d, replace(track3d, joints=joints)))
            rows = np.nonzero(near(panel_of(result), palette.SIDES["left"]).any(1))[0]
            heights.append(int(rows.min()))
            hip = np.nonzero(near(panel_of(result), palette.SIDES["middle"]).any(1))[0].max()
            assert heights[-1] < hip
        scene = on_the_floor(replace(track3d, joints=joints), FPS)
        assert scene[0, H36M.index("left_wrist"), 1] > scene[0, H36M.index("hip"), 1]
        assert heights[1] < 60 < heights[0]  # near the top of the panel, now

    def test_someone_absent_is_said_to_be_and_the_panel_dims(self) -> None:
        result = make_result(make_tracks(), make_tracks(2, start=2, length=4))
        picture = Picture(result)
        before, after = picture.draw(0, 0.0, None).copy(), picture.draw(3, 0.1, None).copy()
        first, second = (box.of(before).astype(int) for box in picture.layout.panels)
        present = picture.layout.panels[1].of(after).astype(int)
        assert near(present.astype(np.uint8), palette.SIDES["left"]).any()
        assert not near(second.astype(np.uint8), palette.SIDES["left"]).any()
        assert second.mean() < 0.8 * present.mean()
        assert np.abs(second - first).max() > 100

    def test_one_bad_row_moves_neither_floor_nor_scale(self) -> None:
        track2d, track3d = make_tracks(length=400)
        wild = replace(track3d, joints=track3d.joints.copy())
        wild.joints[200, H36M.index("left_foot"), 1] = 30.0
        calm_scene, wild_scene = (on_the_floor(track, FPS)[0] for track in (track3d, wild))
        assert np.allclose(calm_scene, wild_scene, atol=0.01)
        pictures = [panel_of(make_result((track2d, track))) for track in (track3d, wild)]
        assert np.array_equal(pictures[0], pictures[1])

    def test_feet_stay_on_the_floor_when_someone_sits_down(self) -> None:
        _, track3d = make_tracks(length=90)
        joints = track3d.joints.copy()
        for side in ("left", "right"):
            joints[45:, H36M.index(f"{side}_foot"), 1] = 0.45  # knees bent to the front
            joints[45:, H36M.index(f"{side}_knee")] = (0.12, 0.05, -0.4)
        lowest = on_the_floor(replace(track3d, joints=joints), FPS)[..., 1].min(1)
        assert lowest[0] == pytest.approx(0.03, abs=0.01)
        assert lowest[-1] == pytest.approx(0.03, abs=0.01)
        assert np.abs(np.diff(lowest[:44])).max() < 0.03  # it glides

    def test_rows_without_joints_leave_an_empty_floor(self) -> None:
        track2d, track3d = make_tracks()
        lost = replace(track3d, joints=np.full_like(track3d.joints, np.nan))
        assert not near(panel_of(make_result((track2d, lost))), palette.SIDES["left"]).any()

    def test_low_confidence_sinks_into_the_panel(self) -> None:
        track2d, track3d = make_tracks()
        confidence = track3d.confidence.copy()
        confidence[:, H36M.index("left_wrist")] = 0.1
        seen = panel_of(make_result((track2d, track3d)))
        unsure = panel_of(make_result((track2d, replace(track3d, confidence=confidence))))
        left, right = palette.SIDES["left"], palette.SIDES["right"]
        assert near(unsure, left).sum() < near(seen, left).sum() - 20
        assert np.array_equal(near(unsure, right), near(seen, right))


class TestLayout:
    @pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (640, 640), (4000, 700), (90, 60)])
    @pytest.mark.parametrize("people", [1, 2, 3, 4, 5, 6])
    def test_parts_lie_inside_and_apart(self, size: tuple[int, int], people: int) -> None:
        layout = arrange(size, people)
        assert layout.video
        assert layout.footer
        assert len(layout.panels) == people
        assert layout.width % 2 == layout.height % 2 == 0
        assert layout.height <= 720
        assert layout.width <= 1940
        covered = np.zeros((layout.height, layout.width), int)
        for box in (layout.video, layout.footer, *layout.panels):
            part = covered[box.top : box.top + box.height, box.left : box.left + box.width]
            assert part.shape == (box.height, box.width)
            part += 1
        assert covered.max() == 1
        stretch = layout.video.width / layout.video.height / (size[0] / size[1])
        assert stretch == pytest.approx(1, abs=0.02)

    def test_those_who_never_meet_share_a_panel(self) -> None:
        spans = [(0, 50), (40, 90), (60, 80), (95, 99)]
        assert share_panels(spans, [1, 1, 1, 1]) == [[0, 2, 3], [1]]

    def test_of_a_crowd_the_six_largest_are_shown(self) -> None:
        sizes = [5.0, 1.0, 7.0, 3.0, 8.0, 2.0, 6.0, 4.0]
        shown = [person for panel in share_panels([(0, 9)] * 8, sizes) for person in panel]
        assert sorted(shown) == [0, 2, 3, 4, 6, 7]
        assert Picture(make_result(*(make_tracks(k) for k in range(1, 9)))).layout.panels[5:]


class TestTiming:
    def shown(self, times_s: list[float], fps: int = FPS) -> list[int]:
        """Index of the frame that each picture shows."""
        moments = [(k, time_s, None) for k, time_s in enumerate(times_s)]
        paces = paced(moments, Fraction(fps))
        return [moment[0] for moment, lasting in paces for _ in range(lasting)]

    def test_rounded_times_keep_every_frame_once(self) -> None:
        assert self.shown([round(k / FPS, 3) for k in range(50)]) == list(range(50))

    def test_a_pause_is_held_and_a_burst_thinned(self) -> None:
        assert self.shown([0, 0.1, 0.2, 0.6, 0.62, 0.64, 0.7], 10) == [0, 1, 2, 2, 2, 2, 5, 6]

    def test_a_late_start_is_the_beginning(self) -> None:
        assert self.shown([5.0, 5.1, 5.2], 10) == [0, 1, 2]

    def test_a_broken_clock_does_not_fill_the_disk(self) -> None:
        assert self.shown([0, 0.1, 1e5, 1e5 + 0.1, 0.2, 0.3], 10) == [0, 1, 2, 3, 4, 5]


class TestRenderVideo:
    def read(self, path: Path) -> list[Image]:
        with VideoReader(path) as reader:
            return [frame.image for frame in reader]

    def test_it_lasts_as_long_as_the_source(self, tmp_path: Path) -> None:
        clip, out = write_clip(tmp_path / "clip.mp4", 9), tmp_path / "out.mp4"
        done: list[tuple[int, int | None]] = []
        result = make_result(make_tracks(start=2), num_frames=9)
        render_video(result, out, video=clip, progress=lambda *args: done.append(args))
        pictures = self.read(out)
        assert len(pictures) == 9
        assert probe(out).fps == probe(clip).fps
        assert done == [(k, 9) for k in range(1, 10)]
        # The right frame stands under each picture: the clip brightens by 20 a frame.
        levels = [float(picture[100:300, 30:60].mean()) for picture in pictures[:8]]
        assert levels == pytest.approx([20 + 20 * k for k in range(8)], abs=8)

    def test_variable_frame_times_are_kept_without_the_video(self, tmp_path: Path) -> None:
        track2d, track3d = make_tracks()
        times_s = np.array([0, 1, 2, 12, 13, 14]) / FPS  # a pause of ten frames
        result = make_result((replace(track2d, times_s=times_s), track3d))
        render_video(result, tmp_path / "out.mp4")
        assert len(self.read(tmp_path / "out.mp4")) == 15

    def test_only_the_part_with_poses_is_rendered(self, tmp_path: Path) -> None:
        clip, out = write_clip(tmp_path / "clip.mp4", 9), tmp_path / "out.mp4"
        pair = make_tracks(start=3, length=4)
        result = make_result(pair, num_frames=9, start_s=0.1, end_s=7 / FPS)
        for video in (clip, None):
            render_video(result, out, video=video)
            assert len(self.read(out)) == 4

    @pytest.mark.parametrize(("start_s", "sound_s"), [(None, 0.0), (0.1, 0.1)])
    def test_the_sound_begins_with_the_picture(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        start_s: float | None,
        sound_s: float,
    ) -> None:
        sounds: list[tuple[Path | None, float]] = []

        class Recorder(VideoWriter):
            def __init__(self, *args: Any) -> None:
                sounds.append(args[4:6])
                super().__init__(*args)

        monkeypatch.setattr("vp3d_cli.video.stills.VideoWriter", Recorder)
        clip = write_clip(tmp_path / "clip.mp4", 9)
        result = make_result(make_tracks(start=3), num_frames=9, start_s=start_s)
        render_video(result, tmp_path / "out.mp4", video=clip)
        assert [sound for sound, _ in sounds] == [clip]
        assert sounds[0][1] == pytest.approx(sound_s, abs=1e-3)

    def test_nobody_found_still_renders(self, tmp_path: Path) -> None:
        clip, out = write_clip(tmp_path / "clip.mp4"), tmp_path / "out.mp4"
        for video in (clip, None):
            render_video(make_result(), out, video=video)
            assert len(self.read(out)) == 6

    @pytest.mark.parametrize(("size", "num_frames"), [((HEIGHT, WIDTH), 6), ((WIDTH, HEIGHT), 4)])
    def test_another_video_is_refused(
        self, tmp_path: Path, size: tuple[int, int], num_frames: int
    ) -> None:
        clip = write_clip(tmp_path / "clip.mp4", num_frames, size)
        with pytest.raises(DataError, match="give the video they were found in"):
            render_video(make_result(make_tracks()), tmp_path / "out.mp4", video=clip)
        assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]

    def test_the_source_is_never_overwritten(self, tmp_path: Path) -> None:
        clip = write_clip(tmp_path / "clip.mp4")
        with pytest.raises(OutputError, match="is the video itself"):
            render_video(make_result(make_tracks()), clip, video=clip)
