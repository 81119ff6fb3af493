"""Many videos to learn from: found, detected once, lifted; and how long their lenses are."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from tests.adapt_footage import FOCAL, SIZE, lifted, make_footage, make_lifter
from tests.unit.test_pipeline import Steady
from vp3d_cli import origin
from vp3d_cli.errors import DataError, OutputError, SkeletonMismatchError, VideoError
from vp3d_cli.options import Options
from vp3d_cli.pipeline import cameras, detecting, footage
from vp3d_cli.types import Camera, Result, Track2D, VideoInfo
from vp3d_cli.video import VideoWriter, probe
from vp3d_cli.video.lens import lens_of_tags

MOVENET = Options(detector="movenet")


def _clip(path: Path, frames: int = 12, grey: int = 0) -> Path:
    with VideoWriter(path, 320, 240, Fraction(25)) as writer:
        for _ in range(frames):
            writer.write(np.full((240, 320, 3), grey, np.uint8))
    return path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[str]:
    """The frames that were looked at."""
    told: list[str] = []
    monkeypatch.setattr(detecting, "build_detector", lambda *_: Steady(told))
    logger = logging.getLogger("vp3d_cli")
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(logger, "level", logging.INFO)
    return told


def test_folders_hold_videos_and_other_things(tmp_path: Path) -> None:
    names = ("b.MOV", "inner/a.mp4", "out/old.mp4", "notes.txt", "given.xyz")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = footage.find_videos(
        [tmp_path, tmp_path / "given.xyz", tmp_path / "b.MOV"], tmp_path / "out"
    )
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "b.MOV", "inner/a.mp4", "given.xyz",
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"looked for avi, .*mp4"):
        footage.find_videos([tmp_path / "out"], tmp_path / "out")


def test_what_was_detected_is_not_detected_again(tmp_path: Path, told: list[str]) -> None:
    video, kept = _clip(tmp_path / "a.mp4"), tmp_path / "run" / "keypoints"
    first = footage.detect_videos([video], MOVENET, kept)
    assert len(told) == 12
    moved = tmp_path / "moved.mp4"
    shutil.move(video, moved)
    again = footage.detect_videos([moved], MOVENET, kept)
    assert len(told) == 12
    np.testing.assert_array_equal(again[moved].people.keypoints, first[video].people.keypoints)
    footage.detect_videos([moved], Options(detector="movenet", detect_every=2), kept)
    assert len(told) > 12


def test_a_damaged_file_of_keypoints_is_made_again(
    tmp_path: Path, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    video, kept = _clip(tmp_path / "a.mp4"), tmp_path / "keypoints"
    footage.detect_videos([video], MOVENET, kept)
    (file,) = kept.iterdir()
    file.write_bytes(file.read_bytes()[:200])
    found = footage.detect_videos([video], MOVENET, kept)
    assert len(found[video].frames) == 10
    assert "detecting again" in caplog.text


def test_one_bad_video_is_reported_and_left_out(
    tmp_path: Path, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    good, bad, twin = _clip(tmp_path / "a.mp4"), tmp_path / "bad.mp4", tmp_path / "twin.mp4"
    bad.write_text("no video")
    shutil.copy(good, twin)
    found = footage.detect_videos([bad, good, twin], MOVENET, tmp_path / "keypoints")
    assert list(found) == [good]
    assert "bad.mp4" in caplog.text
    assert "twin.mp4: is the same as" in caplog.text
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        footage.detect_videos([bad], MOVENET, tmp_path / "keypoints")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        footage.detect_videos([good], MOVENET, tmp_path / "file")


def test_videos_are_lifted_and_empty_ones_left_out(
    tmp_path: Path, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    paths = [_clip(tmp_path / "a.mp4"), _clip(tmp_path / "empty.mp4", 2, grey=90)]
    found = footage.detect_videos(paths, MOVENET, tmp_path / "keypoints")
    given = Options(detector="movenet", focal_px=333)
    (video,) = footage.lift_videos(found, make_lifter(), given)
    assert video.video.path == paths[0]
    assert video.tracks3d[0].joints.shape == (10, 17, 3)
    assert video.camera == Camera(333, "given")
    assert "empty.mp4: nobody was found (2 frames read); left out" in caplog.text
    done: list[tuple[str, int, int | None]] = []
    (video,) = footage.lift_videos(found, make_lifter(), MOVENET, lambda *now: done.append(now))
    assert "estimated" in video.camera.how
    assert done == [("lift", 0, 2), ("lift", 1, 2), ("lift", 2, 2)]


def test_a_lifter_of_other_keypoints_is_no_fault_of_a_video(
    tmp_path: Path, told: list[str]
) -> None:
    found = footage.detect_videos([_clip(tmp_path / "a.mp4")], MOVENET, tmp_path / "keypoints")
    other = make_lifter("screen", skeleton_in="h36m17")
    with pytest.raises(SkeletonMismatchError, match="h36m17"):
        footage.lift_videos(found, other, MOVENET)


# --- lenses


def _video(**fields: float) -> VideoInfo:
    return VideoInfo(Path("a.mp4"), *SIZE, Fraction(25), **fields)  # type: ignore[arg-type]


def test_the_camera_is_given_told_or_assumed() -> None:
    assert cameras.camera_of(_video(lens_mm=26.0), 700) == Camera(700, "given")
    told = cameras.camera_of(_video(lens_mm=26.0), None)
    assert told.focal_px == pytest.approx(26 / 43.27 * np.hypot(*SIZE))
    assert "26 mm" in told.how
    assumed = cameras.camera_of(_video(), None)
    assert assumed.focal_px == pytest.approx(0.9 * 1280)
    assert [cameras.is_assumed(camera) for camera in (told, assumed)] == [False, True]


class _Knows:
    """A lifter that is right where the lens is right, and bent elsewhere."""

    def __init__(self, strength: float) -> None:
        self.truth, self.strength = make_footage(), strength

    def lift(self, tracks: object, video: object, camera: Camera, **_: object) -> object:
        person = self.truth.tracks3d[0]
        wrong = self.strength * np.log(camera.focal_px / FOCAL)
        person.joints[:, 13, 1] = self.truth.tracks3d[0].joints[:, 12, 1] + 0.24 + wrong
        person.joints[:, 16, 1] = self.truth.tracks3d[0].joints[:, 15, 1] + 0.24 - wrong
        return (person,)


def test_the_lens_that_fits_is_found_where_it_shows() -> None:
    video = make_footage()
    found = cameras.estimated(_Knows(3), video.tracks2d, video.video)  # type: ignore[arg-type]
    assert found.focal_px == pytest.approx(FOCAL, rel=0.1)  # 0.7 of the longer side
    assert "estimated" in found.how
    unsure = cameras.estimated(_Knows(0), video.tracks2d, video.video)  # type: ignore[arg-type]
    assert found.focal_px <= unsure.focal_px <= 0.9 * 1280 + 1


class _Counts:
    """A lifter that remembers the frames that it was asked for."""

    def __init__(self) -> None:
        self.lifter, self.frames = make_lifter(), list[list[int]]()

    def lift(self, tracks: list[Track2D], *others: Any, **options: Any) -> object:
        self.frames.append([int(frame) for track in tracks for frame in track.frames])
        return self.lifter.lift(tracks, *others, **options)


def test_of_long_videos_a_sample_is_tried() -> None:
    video, counts = make_footage(length=1300, people=2), _Counts()
    found = cameras.estimated(counts, video.tracks2d, video.video)  # type: ignore[arg-type]
    assert found.how.startswith("estimated")
    assert len(counts.frames) == 12
    assert {len(frames) for frames in counts.frames} == {1000}
    frames = counts.frames[0]
    assert (frames[0], frames[-1]) == (0, 1299)  # from the first frame of one to the last of two
    assert (np.diff(frames) != 1).sum() == 5  # between five stretches, one with the end of one


def test_an_estimate_is_told_to_other_commands() -> None:
    def video(name: str, focal_px: float, how: str) -> Result:
        return dataclasses.replace(make_footage(name, 9), camera=Camera(focal_px, how))

    default = 0.9 * 1280
    guessed = cameras.estimated(_Knows(3), *_seen(make_footage()))  # type: ignore[arg-type]
    told = cameras.advice(
        [
            video("a.mp4", 900, guessed.how),
            video("b.mp4", 900, guessed.how),
            video("near.mp4", default * 1.04, guessed.how),
            video("given.mp4", 500, "given"),
        ]
    )
    assert told == [
        "Focal length estimated: use `--focal 900` with `vp3d infer` for a.mp4, b.mp4",
    ]
    assert cameras.advice([lifted(make_footage(length=9), make_lifter())]) == []


def _seen(video: Result) -> tuple[tuple[Track2D, ...], VideoInfo]:
    return video.tracks2d, video.video


class _Tagged:
    def __init__(self, **metadata: str) -> None:
        self.metadata = metadata


@pytest.mark.parametrize(
    ("key", "value", "lens"),
    [
        ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "26", 26.0),
        ("FocalLengthIn35mmFilm", "28.5 mm", 28.5),
        ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "none", None),
        ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "0", None),
        ("com.apple.quicktime.model", "26", None),
    ],
)
def test_tags_tell_the_lens(key: str, value: str, lens: float | None) -> None:
    assert lens_of_tags(_Tagged(**{key: value}), _Tagged()) == lens
    assert lens_of_tags(_Tagged(), _Tagged(**{key: value})) == lens


def test_a_phones_video_tells_its_lens(tmp_path: Path) -> None:
    """Written as a phone does it, and kept by a file of keypoints."""
    import av

    path = tmp_path / "phone.mov"
    key = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata[key] = "26"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24")
        for packet in (*stream.encode(frame), *stream.encode()):
            container.mux(packet)
    video = probe(path)
    assert video.lens_mm == 26
    assert origin.describe(video)["container"]["lens_mm"] == 26


def test_a_photo_tells_its_lens(tmp_path: Path) -> None:
    exif = Picture.Exif()
    exif.get_ifd(0x8769)[0xA405] = 50
    picture = Picture.new("RGB", (64, 48))
    picture.save(tmp_path / "a.jpg", exif=exif)
    picture.save(tmp_path / "b.jpg")
    assert probe(tmp_path / "a.jpg").lens_mm == 50
    assert probe(tmp_path / "b.jpg").lens_mm is None
