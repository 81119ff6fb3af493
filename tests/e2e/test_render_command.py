"""`vp3d render` as a person uses it: each layout, size, speed, codec and kind of file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tests.drawn_people import make_result, make_tracks
from tests.e2e.conftest import Ran
from vp3d_cli.export import npz
from vp3d_cli.types import Image, Result
from vp3d_cli.video import VideoReader, VideoWriter, probe

Run = Callable[..., Ran]
FRAMES, FPS = 12, 30


def people(num_frames: int = FRAMES) -> Result:
    """Two people, of whom one goes to the right."""
    pairs = []
    for track_id, x in ((1, 100), (2, 220)):
        track2d, track3d = make_tracks(track_id, length=num_frames, at=(x, 110))
        step = 3 * track_id * np.arange(num_frames, dtype=np.float32)[:, None, None]
        keypoints = track2d.keypoints + step * np.array([1, 0], np.float32)
        pairs.append((replace(track2d, keypoints=keypoints), track3d))
    return make_result(*pairs, num_frames=num_frames)


@pytest.fixture
def pose(tmp_path: Path) -> Path:
    npz.write(people(), tmp_path / "pose.npz")
    return tmp_path / "pose.npz"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 320, 240, Fraction(FPS)) as writer:
        for k in range(FRAMES):
            writer.write(np.full((240, 320, 3), 20 + 15 * k, np.uint8))
    return path


def pictures(path: Path | str) -> list[Image]:
    with VideoReader(Path(path)) as reader:
        return [frame.image for frame in reader]


def codec_of(path: str) -> str:
    with av.open(path) as container:
        return str(container.streams.video[0].codec_context.name)


def with_alpha(path: str) -> list[np.ndarray]:
    """Frames (H, W, 4), BGRA; FFmpeg's own VP9 decoder would drop the alpha."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        if stream.codec_context.name == "vp9":
            decoder: Any = av.CodecContext.create("libvpx-vp9", "r")
            frames = [f for packet in container.demux(stream) for f in decoder.decode(packet)]
        else:
            frames = list(container.decode(stream))
        return [frame.to_ndarray(format="bgra") for frame in frames]


@pytest.mark.parametrize(
    ("layout", "size"),
    [
        ("overlay", (320, 240)),
        ("side-by-side", None),
        ("3d", (1280, 720)),
        ("grid", None),
    ],
)
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_layout(
    vp3d: Run, pose: Path, clip: Path, layout: str, size: tuple[int, int] | None, theme: str
) -> None:
    ran = vp3d("render", pose, "--video", clip, "-o", "a.mp4", "--layout", layout, "--theme", theme)
    assert (ran.code, ran.out) == (0, "a.mp4\n"), ran.err
    shown = pictures("a.mp4")
    assert len(shown) == FRAMES
    if size:
        assert shown[0].shape == (size[1], size[0], 3)
    if layout == "overlay":
        levels = [float(picture[:60].mean()) for picture in shown]
        assert levels == pytest.approx([20 + 15 * k for k in range(FRAMES)], abs=12)
    else:
        assert (shown[0][-3:].mean() > 190) == (theme == "light")


@pytest.mark.parametrize(
    ("asked", "size"), [("640x480", (640, 480)), ("64X64", (64, 64)), ("300x700", (300, 700))]
)
@pytest.mark.parametrize("layout", ["overlay", "side-by-side", "3d", "grid"])
def test_a_size_is_kept(
    vp3d: Run, pose: Path, asked: str, size: tuple[int, int], layout: str
) -> None:
    assert vp3d("render", pose, "-o", "a.mp4", "--size", asked, "--layout", layout).code == 0
    info = probe(Path("a.mp4"))
    assert (info.width, info.height) == size


def test_a_height_alone_and_its_older_name(vp3d: Run, pose: Path) -> None:
    for option in ("--size", "--height"):
        assert vp3d("render", pose, "-o", "a.mp4", option, "360").code == 0
        assert probe(Path("a.mp4")).height == 360


@pytest.mark.parametrize(
    ("options", "frames", "fps"),
    [
        (("--slow", "4"), 4 * FRAMES, 30),
        (("--slow", "0.5"), FRAMES // 2, 30),
        (("--fps", "60"), 2 * FRAMES, 60),
        (("--fps", "15"), FRAMES // 2, 15),
        (("--slow", "2", "--fps", "10"), 8, 10),
        (("--fps", "1"), 1, 1),
        (("--start", "0.1", "--end", "0.3"), 6, 30),
        (("--start", "0.1", "--end", "0.3", "--slow", "3"), 18, 30),
    ],
)
def test_length_and_rate(
    vp3d: Run, pose: Path, clip: Path, options: tuple[str, ...], frames: int, fps: int
) -> None:
    for source in ((), ("--video", clip)):
        ran = vp3d("render", pose, *source, "-o", "a.mp4", "--layout", "overlay", *options)
        assert ran.code == 0, ran.err
        assert len(pictures("a.mp4")) == frames
        assert probe(Path("a.mp4")).fps == fps
        assert probe(Path("a.mp4")).duration_s == pytest.approx(frames / fps, abs=0.02)


def test_a_part_shows_the_right_frames(vp3d: Run, pose: Path, clip: Path) -> None:
    span = ("--start", "0.1", "--end", "0.3")
    vp3d("render", pose, "--video", clip, "-o", "a.mp4", "--layout", "overlay", *span)
    levels = [float(picture[:60].mean()) for picture in pictures("a.mp4")]
    assert levels == pytest.approx([20 + 15 * k for k in range(3, 9)], abs=12)


@pytest.mark.parametrize(
    ("name", "asked", "codec"),
    [
        ("a.mp4", None, "h264"),
        ("a.mp4", "hevc", "hevc"),
        ("a.mkv", "vp9", "vp9"),
        ("a.webm", None, "vp9"),
        ("a.mov", "prores", "prores"),
        ("a.gif", None, "gif"),
    ],
)
def test_codecs(vp3d: Run, pose: Path, name: str, asked: str | None, codec: str) -> None:
    options = ("--codec", asked) if asked else ()
    ran = vp3d("render", pose, "-o", name, "--size", "240", "--layout", "grid", *options)
    assert ran.code == 0, ran.err
    assert codec_of(name) == codec
    assert len(pictures(name)) == FRAMES


@pytest.mark.parametrize("name", ["a.webm", "a.mov"])
def test_transparent_video(vp3d: Run, pose: Path, name: str) -> None:
    assert vp3d("render", pose, "-o", name, "--transparent").code == 0
    frames = with_alpha(name)
    assert len(frames) == FRAMES
    for frame in frames:
        assert frame.shape == (240, 320, 4)
        alpha = frame[..., 3]
        assert alpha[:, :40].max() < 8
        assert (alpha > 200).sum() > 300
    red = frames[0][frames[0][..., 3] > 200][:, 2].astype(int)
    assert (red > 200).sum() > 50  # the left side is orange


def test_numbered_pngs_with_and_without_alpha(vp3d: Run, pose: Path, tmp_path: Path) -> None:
    ran = vp3d("render", pose, "-o", "frames/%04d.png", "--transparent")
    assert (ran.code, ran.out) == (0, "frames/%04d.png\n"), ran.err
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == [f"{k:04d}.png" for k in range(FRAMES)]
    image = cv2.imread("frames/0003.png", cv2.IMREAD_UNCHANGED)
    assert image.shape == (240, 320, 4)
    assert image[..., 3].max() == 255
    again = vp3d("render", pose, "-o", "frames/%04d.png")
    assert again.code == 7
    assert "12 such images already" in again.err
    assert vp3d("render", pose, "-o", "b-%d.png", "--size", "240", "--layout", "3d").code == 0
    assert cv2.imread("b-11.png", cv2.IMREAD_UNCHANGED).shape == (240, 426, 3)
    assert len(pictures("b-%d.png")) == FRAMES


def test_a_failure_leaves_no_images(
    vp3d: Run, pose: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vp3d_cli.render.picture import Picture

    real = Picture.draw

    def fail(self: Picture, index: int, *args: Any) -> Image:
        if index == 5:
            raise OSError(28, "No space left on device", str(tmp_path / "frames" / "x"))
        return real(self, index, *args)

    monkeypatch.setattr(Picture, "draw", fail)
    before = sorted(tmp_path.iterdir())
    assert vp3d("render", pose, "-o", "frames/%04d.png").code != 0
    assert sorted(tmp_path.iterdir()) == before


def test_a_gif_shortens_as_asked(vp3d: Run, pose: Path) -> None:
    assert vp3d("render", pose, "-o", "a.gif", "--size", "240", "--fps", "10").code == 0
    assert len(pictures("a.gif")) == 4


def test_what_is_drawn_changes_the_picture(vp3d: Run, pose: Path) -> None:
    def last(*options: str) -> Image:
        ran = vp3d("render", pose, "-o", "a.mp4", "--layout", "3d", "--size", "360", *options)
        assert ran.code == 0, ran.err
        return pictures("a.mp4")[-1]

    plain = last().astype(int)
    for options in (
        ("--orbit", "60"),
        ("--orbit", "-60"),
        ("--angles",),
        ("--title", "Ünïcode 🙂 -- %s"),
        ("--palette", "colour-blind"),
        ("--theme", "light"),
    ):
        changed = np.abs(last(*options) - plain).max(-1) > 40
        assert changed.sum() > 100, options


def test_the_walk_is_smooth_in_slow_motion(vp3d: Run, pose: Path) -> None:
    options = ("--layout", "3d", "--size", "360", "--slow", "4", "--end", "0.05", "--orbit", "90")
    assert vp3d("render", pose, "-o", "frames-%d.png", *options).code == 0
    shown = [picture.astype(int) for picture in pictures("frames-%d.png")]
    assert len(shown) == 8
    for before, after in pairwise(shown):
        assert (np.abs(after - before).max(-1) > 20).sum() > 100


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("-o", "a.mp4", "--transparent"), 2, "choose .webm (VP9)"),
        (("-o", "a.webm", "--transparent", "--layout", "grid"), 2, "goes with --layout overlay"),
        (("-o", "a.mov", "--transparent", "--codec", "h264"), 2, "h264 holds no alpha"),
        (("-o", "a.webm", "--codec", "h264"), 2, "does not hold h264"),
        (("-o", "a.gif", "--codec", "h264"), 2, "does not hold h264"),
        (("-o", "%d.png", "--codec", "h264"), 2, "take no codec"),
        (("-o", "a.mp4", "--layout", "overlay", "--orbit", "5"), 2, "orbit is drawn in 3D"),
        (("-o", "a.mp4", "--layout", "overlay", "--trail", "1"), 2, "trail is drawn in 3D"),
        (("-o", "a.mp4", "--start", "2", "--end", "1"), 2, "must lie before"),
        (("-o", "a.mp4", "--size", "10"), 2, "64 to 8192"),
        (("-o", "a.mp4", "--size", "axb"), 2, "is not a size"),
        (("-o", "a.mp4", "--slow", "0"), 2, "0"),
        (("-o", "a.mp4", "--slow", "nan"), 2, "not a number"),
        (("-o", "a.mp4", "--trail", "-1"), 2, "-1"),
        (("-o", "a.mp4", "--fps", "0"), 2, "no frame rate"),
        (("-o", "a.mp4", "--start", "99"), 6, "no frame to draw"),
        (
            (
                "-o",
                "a.png",
            ),
            7,
            "frames/%04d.png",
        ),
        (
            (
                "-o",
                "a.avi",
            ),
            7,
            "cannot be written",
        ),
        (
            (
                "-o",
                "no/where/%d.png",
            ),
            7,
            "does not exist",
        ),
    ],
)
def test_what_does_not_go_together(
    vp3d: Run, pose: Path, tmp_path: Path, options: tuple[str, ...], code: int, told: str
) -> None:
    ran = vp3d("render", pose, *options)
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert told in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["pose.npz"]


@pytest.mark.parametrize("size", [(300, 1), (1, 300), (5001, 3)])
@pytest.mark.parametrize("layout", ["overlay", "side-by-side", "3d", "grid"])
def test_narrow_videos(vp3d: Run, tmp_path: Path, size: tuple[int, int], layout: str) -> None:
    result = people(1)
    info = replace(result.video, width=size[0], height=size[1])
    npz.write(replace(result, video=info), tmp_path / "pose.npz")
    cv2.imwrite("clip.png", np.full((size[1], size[0], 3), 90, np.uint8))
    for source in ((), ("--video", "clip.png")):
        ran = vp3d("render", "pose.npz", *source, "-o", "a.mp4", "--layout", layout)
        assert ran.code == 0, ran.err
        assert len(pictures("a.mp4")) == 1


def test_nobody_and_one_frame(vp3d: Run, tmp_path: Path) -> None:
    npz.write(make_result(num_frames=1), tmp_path / "nobody.npz")
    npz.write(make_result(make_tracks(length=1), num_frames=1), tmp_path / "one.npz")
    for name in ("nobody", "one"):
        for layout in ("overlay", "side-by-side", "3d", "grid"):
            ran = vp3d("render", f"{name}.npz", "-o", "a.mp4", "--layout", layout)
            assert ran.code == 0, ran.err
            assert len(pictures("a.mp4")) == 1
