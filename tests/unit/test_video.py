"""Real files made by ffmpeg and PyAV, read and written back; nothing is mocked."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import av
import numpy as np
import pytest

from vp3d_cli.errors import BackendUnavailableError, OutputError, VideoError
from vp3d_cli.types import Frame, Image
from vp3d_cli.video import VideoReader, VideoWriter, ffmpeg_path, probe
from vp3d_cli.video.probing import _rate_of

FPS = Fraction(10)
GREY_STEP = 8  # one frame's grey level above the one before


def run_ffmpeg(*arguments: str | Path) -> None:
    command = [ffmpeg_path(), "-y", "-nostdin", "-v", "error", *map(str, arguments)]
    subprocess.run(command, check=True)


def picture(width: int = 64, height: int = 48) -> Image:
    """An upright image in which every corner has a colour of its own (BGR)."""
    image = np.full((height, width, 3), 40, np.uint8)
    h, w = height // 2, width // 2
    image[:h, :w], image[:h, w:], image[h:, :w] = (220, 30, 30), (30, 220, 30), (30, 30, 220)
    return image


def encode(
    path: Path,
    images: list[Image],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times_ms: list[int] | None = None,
) -> Path:
    """Write BGR images with PyAV, at 10 fps or at the given times in milliseconds."""
    height, width, _ = images[0].shape
    times_ms = times_ms or [100 * i for i in range(len(images))]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=10 if times_ms[1:2] == [100] else 1000)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if codec == "libx264":
            stream.options = {"crf": "10", "preset": "ultrafast"}
        for image, time_ms in zip(images, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(image, "bgr24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def grey_frames(count: int, size: tuple[int, int] = (48, 64)) -> list[Image]:
    """Frame i is flat grey of level 10 + 8 i, so that a decoded frame tells its index."""
    return [np.full((*size, 3), 10 + GREY_STEP * i, np.uint8) for i in range(count)]


def grey_index(image: Image) -> int:
    return round((float(image.mean()) - 8) / GREY_STEP)  # conversions lose up to 4 levels


def read_all(path: Path, **limits: float) -> list[Frame]:
    with VideoReader(path, **limits) as reader:
        return list(reader)


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def worst(a: Image, b: Image, border: int = 4) -> int:
    """Largest difference away from the edges that compression blurs."""
    assert a.shape == b.shape
    difference = np.abs(a.astype(int) - b.astype(int)).max(-1)
    h, w = difference.shape
    difference[h // 2 - border : h // 2 + border] = 0
    difference[:, w // 2 - border : w // 2 + border] = 0
    return int(difference.max())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def grey(folder: Path) -> Path:
    """30 frames at 10 fps, frame i of grey level 10 + 8 i."""
    return encode(folder / "grey.mp4", grey_frames(30))


@pytest.fixture(scope="module")
def with_audio(folder: Path) -> Path:
    """2 s at 10 fps; one second of silence, then one of a tone."""
    path = folder / "audio.mp4"
    sound = "aevalsrc='if(gte(t,1),0.5*sin(2*PI*440*t),0)':d=2:s=44100"
    source = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=2", "-f", "lavfi", "-i", sound]
    run_ffmpeg(*source, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", path)
    return path


@pytest.fixture(scope="module")
def long_clip(folder: Path) -> Path:
    """10 s of moving pictures at 30 fps, its index at the front."""
    path = folder / "long.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=30:d=10", "-c:v", "libx264"]
    run_ffmpeg(
        *source, "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-movflags", "faststart", path
    )
    return path


def children() -> set[int]:
    """Our child processes, zombies included, where the system lists them (Linux)."""
    pid = os.getpid()
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return {int(child) for child in listed.read_text().split()} if listed.exists() else set()


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    """Every test ends with all its ffmpeg processes collected."""
    before = children()
    yield
    assert children() <= before


# probe


def test_probe_says_what_the_file_promises(with_audio: Path) -> None:
    info = probe(with_audio)
    assert (info.width, info.height, info.fps, info.num_frames) == (64, 48, FPS, 20)
    assert info.duration_s == pytest.approx(2.0)
    assert (info.rotation, info.has_audio) == (0, True)


def test_probe_keeps_the_exact_rate_and_sees_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "ntsc.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=30000/1001:d=0.5", "-c:v", "libx264", path)
    assert probe(path).fps == Fraction(30000, 1001)
    assert not probe(path).has_audio


def test_probe_of_matroska_knows_time_but_no_count(grey: Path, tmp_path: Path) -> None:
    path = tmp_path / "grey.mkv"
    run_ffmpeg("-i", grey, "-c", "copy", path)
    info = probe(path)
    assert (info.num_frames, info.fps) == (None, FPS)
    assert info.duration_s == pytest.approx(3.0, abs=0.01)
    run_ffmpeg("-i", grey, "-c", "copy", "-metadata:s:v", "NUMBER_OF_FRAMES=30", path)
    assert probe(path).num_frames == 30


def test_probe_measures_the_rate_of_a_live_recording(grey: Path, tmp_path: Path) -> None:
    path = tmp_path / "live.webm"
    run_ffmpeg("-i", grey, "-c:v", "libvpx", "-live", "1", path)
    info = probe(path)
    assert (info.duration_s, info.num_frames, info.fps) == (None, None, FPS)


def test_packets_still_missing_do_not_lower_the_measured_rate() -> None:
    times = [Fraction(i, 30) for i in range(140) if i not in (130, 133, 137)]
    assert _rate_of(times) == 30
    assert _rate_of([Fraction(0)]) is None


def test_a_gif_has_its_average_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=30:d=1", path)  # delays of 3, 3, 4 cs
    assert float(probe(path).fps) == pytest.approx(30, rel=0.02)
    frames = read_all(path)
    assert len(frames) == 30
    assert frames[3].time_s == pytest.approx(0.1)


def write_text(path: Path) -> None:
    path.write_text("this is no video\n" * 100)


def write_sound(path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", "-c:a", "aac", path)


def write_sound_with_cover(path: Path) -> None:
    cover = path.with_name("cover.jpg")
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48", "-frames:v", "1", cover)
    sources = ["-i", str(cover), "-f", "lavfi", "-i", "sine=d=0.2", "-map", "0", "-map", "1"]
    run_ffmpeg(*sources, "-c:v", "mjpeg", "-c:a", "aac", "-disposition:v", "attached_pic", path)


def write_no_frames(path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=1", "-c:v", "libx264", path)
    content = path.read_bytes()
    start = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    path.write_bytes(content[:start] + bytes(end - start) + content[end:])


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("gone.mp4", lambda path: None, "no such file"),
        ("folder.mp4", Path.mkdir, "is a folder"),
        ("empty.mp4", Path.touch, "is empty"),
        ("text.mp4", write_text, "is not a video"),
        ("notes.txt", write_text, "is a text file"),
        ("sound.mp4", write_sound, "holds only sound"),
        ("cover.mp4", write_sound_with_cover, "holds only sound"),
        ("zeros.mp4", write_no_frames, "no frame can be decoded"),
        ("pipe.mp4", os.mkfifo, "not a regular file"),
        ("none-%03d.png", lambda path: None, "no such file"),
    ],
)
def test_what_is_no_video_is_a_plain_sentence(
    tmp_path: Path, name: str, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(VideoError) as caught:
        VideoReader(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_a_name_that_is_not_utf8(grey: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    path.write_bytes(grey.read_bytes())
    with pytest.raises(VideoError, match="rename the file"):
        read_all(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(grey: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.mp4"
    path.write_bytes(grey.read_bytes())
    path.chmod(0)
    with pytest.raises(VideoError, match="permission"):
        probe(path)


def test_a_playlist_in_disguise_fetches_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    path = tmp_path / "list.m3u8"
    url = f"http://127.0.0.1:{server.server_port}/a.ts"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n")
    with pytest.raises(VideoError):
        read_all(path)
    server.shutdown()
    assert asked == []


# reading


def test_frames_come_once_each_in_order_with_index_and_time(grey: Path) -> None:
    with VideoReader(grey) as reader:
        frames = list(reader)
    assert [frame.index for frame in frames] == list(range(30))
    assert [grey_index(frame.image) for frame in frames] == list(range(30))
    assert [frame.time_s for frame in frames] == pytest.approx([i / 10 for i in range(30)])
    assert reader.frames_read == 30
    assert reader.warning is None
    assert next(iter(reader), None) is None


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_of_a_variable_rate_are_the_written_ones(tmp_path: Path, suffix: str) -> None:
    times_ms = [0, 33, 50, 400, 401, 402, 1500, 1516, 3000, 3040]
    path = encode(tmp_path / f"vfr{suffix}", grey_frames(10), times_ms=times_ms)
    with VideoReader(path) as reader:
        frames = list(reader)
    assert [round(frame.time_s * 1000) for frame in frames] == times_ms
    assert [grey_index(frame.image) for frame in frames] == list(range(10))
    assert reader.warning is None


def test_times_stay_exact_far_into_a_file(tmp_path: Path) -> None:
    times_ms = [0, 5_000_001, 5_000_034, 5_000_067]
    path = encode(tmp_path / "late.mkv", grey_frames(4), times_ms=times_ms)
    assert [round(frame.time_s * 1000) for frame in read_all(path)] == times_ms


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"start_s": 0.95}, range(10, 30)),
        ({"start_s": np.float64(1.0)}, range(10, 30)),
        ({"end_s": 0.5}, range(5)),
        ({"start_s": 0.75, "end_s": 1.25}, range(8, 13)),
        ({"start_s": 2.9, "end_s": 99.0}, range(29, 30)),
    ],
)
def test_start_and_end_keep_the_index_in_the_whole_video(
    grey: Path, limits: dict[str, float], expected: range
) -> None:
    with VideoReader(grey, **limits) as reader:
        frames = list(reader)
    assert [frame.index for frame in frames] == list(expected)
    assert [grey_index(frame.image) for frame in frames] == list(expected)
    assert [frame.time_s for frame in frames] == pytest.approx([i / 10 for i in expected])
    assert reader.warning is None


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"start_s": 50.0}, "no frame between 50 s and its end; it lasts 3.00 s"),
        ({"start_s": 1.01, "end_s": 1.02}, "no frame between 1.01 s and 1.02 s"),
        ({"start_s": 2.0, "end_s": 1.0}, "must lie before"),
    ],
)
def test_limits_without_a_frame(grey: Path, limits: dict[str, float], said: str) -> None:
    with pytest.raises(VideoError, match=said):
        read_all(grey, **limits)


def turn_in_container(path: Path, quarter_turns: int) -> None:
    """Set the display matrix of an MP4, as phones do, to so many turns clockwise."""
    content = bytearray(path.read_bytes())
    matrix_at = content.index(b"tkhd") + 44  # version 0 of the box
    a, b = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarter_turns]
    one = 1 << 16
    matrix = (a * one, b * one, 0, -b * one, a * one, 0, 0, 0, 1 << 30)
    content[matrix_at : matrix_at + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_a_turned_video_gives_the_same_upright_picture(tmp_path: Path, quarter_turns: int) -> None:
    upright = picture(96, 64)
    stored = np.ascontiguousarray(np.rot90(upright, quarter_turns))
    path = encode(tmp_path / "turned.mp4", [stored] * 3)
    turn_in_container(path, quarter_turns)
    with VideoReader(path) as reader:
        frames = list(reader)
    assert (reader.info.width, reader.info.height) == (96, 64)
    assert reader.info.rotation == 90 * quarter_turns
    assert len(frames) == 3
    assert worst(frames[1].image, upright) < 12


@pytest.mark.parametrize(
    ("aspect", "quarter_turns", "size"),
    [("4/3", 0, (128, 64)), ("3/4", 0, (72, 64)), ("4/3", 1, (48, 96)), ("3/4", 3, (85, 96))],
)
def test_oblong_pixels_are_made_square(
    tmp_path: Path, aspect: str, quarter_turns: int, size: tuple[int, int]
) -> None:
    path = tmp_path / "oblong.mp4"
    still = encode(tmp_path / "still.mp4", [picture(96, 64)] * 2)
    run_ffmpeg("-i", still, "-vf", f"setsar={aspect}", "-c:v", "libx264", path)
    turn_in_container(path, quarter_turns)
    frame = read_all(path)[0]
    assert (probe(path).width, probe(path).height) == size
    upright = np.rot90(picture(96, 64), -quarter_turns)
    columns = ((np.arange(size[0]) + 0.5) * upright.shape[1] / size[0]).astype(int)
    assert worst(frame.image, upright[:, columns]) < 12


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "size"),
    [
        ("ffv1", "bgr0", (49, 65)),  # lossless and odd
        ("png", "rgb24", (48, 64)),
        ("libx264", "yuv420p10le", (48, 64)),
        ("libx264", "yuv444p", (49, 65)),
        ("mpeg4", "yuv420p", (50, 66)),
    ],
)
def test_codecs_depths_and_odd_sizes(
    tmp_path: Path, codec: str, pix_fmt: str, size: tuple[int, int]
) -> None:
    image = picture(size[1], size[0])
    path = tmp_path / ("clip.mov" if codec == "png" else "clip.mkv")
    frames = read_all(encode(path, [image] * 4, codec, pix_fmt))
    assert len(frames) == 4
    assert worst(frames[2].image, image) <= (0 if codec in ("ffv1", "png") else 12)


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "still.gif", "50%d.png"])
def test_a_still_is_a_video_of_one_frame(tmp_path: Path, name: str) -> None:
    still = encode(tmp_path / "still.mkv", [picture()], "ffv1", "bgr0")
    escaped = str(tmp_path / name).replace("%", "%%")
    run_ffmpeg("-i", still, "-frames:v", "1", "-update", "1", "-q:v", "1", escaped)
    path = tmp_path / name if (tmp_path / name).exists() else Path(escaped)
    frames = read_all(path)
    assert len(frames) == 1
    assert probe(path).num_frames == 1
    assert worst(frames[0].image, picture()) < (60 if path.suffix == ".gif" else 12)


def test_numbered_images_are_a_video(grey: Path, tmp_path: Path) -> None:
    run_ffmpeg("-i", grey, "-start_number", "17", tmp_path / "image-%04d.png")
    path = tmp_path / "image-%04d.png"
    with VideoReader(path) as reader:
        frames = list(reader)
    assert (reader.info.num_frames, reader.info.fps) == (30, Fraction(25))
    assert [grey_index(frame.image) for frame in frames] == list(range(30))
    assert reader.warning is None
    (tmp_path / "image-0030.png").unlink()
    with VideoReader(path) as reader:
        assert len(list(reader)) == 13
    assert reader.warning is not None
    assert "promises 29 frames, 1.16 s but only 13 frames" in reader.warning


@pytest.mark.parametrize(
    "name",
    ["a b'c\"d.mp4", "-i.mp4", "größe-歩く.mp4", "http:x.mp4", "50%.mp4", "[a],b;c.mp4", "-"],
)
def test_odd_file_names(
    grey: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(grey.read_bytes())
    assert len(read_all(Path(name))) == 30
    if name != "-":
        with VideoWriter(Path(f"{name}.mp4"), 64, 48, FPS, Path(name)) as writer:
            writer.write(picture())
        assert probe(Path(f"{name}.mp4")).num_frames == 1


def test_a_size_that_changes_within_the_video_is_fitted(tmp_path: Path) -> None:
    parts = []
    for size in ((64, 64), (64, 128), (64, 64)):
        part = encode(tmp_path / "part.mp4", [np.full((*size, 3), 200, np.uint8)] * 5)
        run_ffmpeg("-i", part, "-c", "copy", tmp_path / "part.h264")
        parts.append((tmp_path / "part.h264").read_bytes())
    path = tmp_path / "joined.h264"
    path.write_bytes(b"".join(parts))
    frames = read_all(path)
    assert [frame.index for frame in frames] == list(range(15))
    assert {frame.image.shape for frame in frames} == {(64, 64, 3)}
    wide = frames[7].image.astype(int)
    assert np.abs(wide[20:44] - 200).max() < 10  # its shape is kept, bars above and below
    assert wide[:12].max() < 10


def test_a_truncated_file_gives_what_it_has_and_warns(long_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    content = long_clip.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with VideoReader(path) as reader:
        assert reader.warning is None
        count = len(list(reader))
    assert 30 < count < 270
    assert reader.warning is not None
    assert "it promises 300 frames, 10.00 s" in reader.warning
    assert f"only {count} frames" in reader.warning


def test_a_part_of_a_truncated_file_that_is_there_does_not_warn(
    long_clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.mp4"
    content = long_clip.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with VideoReader(path, end_s=1.0) as reader:
        assert len(list(reader)) == 30
    assert reader.warning is None


def test_an_edit_list_or_longer_sound_is_no_damage(long_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "edited.mp4"
    sound = ["-f", "lavfi", "-i", "sine=d=12", "-c:a", "aac"]
    run_ffmpeg("-ss", "1.5", "-i", long_clip, *sound, "-c:v", "copy", path)
    with VideoReader(path) as reader:
        count = len(list(reader))
    assert reader.info.num_frames is not None
    assert count <= reader.info.num_frames
    assert reader.warning is None


def test_a_long_last_frame_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "pause.gif"
    source = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=1"]
    run_ffmpeg(*source, "-final_delay", "500", path)
    with VideoReader(path) as reader:
        assert len(list(reader)) == reader.info.num_frames == 10
    assert reader.info.duration_s == pytest.approx(5.9, abs=0.2)
    assert reader.warning is None


def test_damage_within_a_file_warns_with_few_messages_kept(long_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    content = bytearray(long_clip.read_bytes())
    start = content.index(b"mdat") + 2000
    for position in range(start, len(content) - 100, 997):
        content[position] ^= 0xFF
    path.write_bytes(content)
    with VideoReader(path) as reader:
        count = len(list(reader))
        assert reader._program is not None
        assert len(reader._program.messages) <= 20 < reader._program.num_errors
    assert count > 200
    assert reader.warning is not None
    assert "damaged" in reader.warning


def is_gone(pid: int) -> bool:
    """Whether a child has ended and was collected: a zombie still takes signals."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_leaving_early_ends_the_child(long_clip: Path) -> None:
    with VideoReader(long_clip) as reader:
        next(reader)
        assert reader._program is not None
        pid = reader._program.process.pid
        assert not is_gone(pid)
        assert os.getsid(pid) != os.getsid(0)  # the terminal's Ctrl-C does not reach it
    assert is_gone(pid)
    assert next(reader, None) is None


def test_a_hanging_child_is_ended(long_clip: Path) -> None:
    reader = VideoReader(long_clip)
    next(reader)
    assert reader._program is not None
    pid = reader._program.process.pid
    os.kill(pid, signal.SIGSTOP)
    closing = Thread(target=reader.close)
    closing.start()
    closing.join(timeout=10)
    gone = is_gone(pid)
    if not gone:
        os.kill(pid, signal.SIGKILL)
    assert gone


def test_an_exception_ends_the_child(long_clip: Path) -> None:
    reader = VideoReader(long_clip)

    def interrupted() -> None:
        with reader:
            next(reader)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reader._program is not None
    assert is_gone(reader._program.process.pid)


def test_the_end_collects_the_child_also_without_with(grey: Path) -> None:
    reader = VideoReader(grey)
    assert len(list(reader)) == 30
    assert reader._program is not None
    assert is_gone(reader._program.process.pid)


def test_a_forgotten_reader_ends_the_child(long_clip: Path) -> None:
    reader = VideoReader(long_clip)
    next(reader)
    assert reader._program is not None
    pid = reader._program.process.pid
    del reader
    assert is_gone(pid)


def test_a_dying_decoder_is_an_error(long_clip: Path) -> None:
    with VideoReader(long_clip) as reader:
        next(reader)
        assert reader._program is not None
        os.kill(reader._program.process.pid, signal.SIGKILL)
        with pytest.raises(VideoError, match="died of signal 9"):
            list(reader)


def test_ffmpeg_is_the_systems_else_imageios(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(ffmpeg_path()).is_file()
    own = tmp_path / "ffmpeg"
    own.write_text("#!/bin/sh\nexit 1\n")
    own.chmod(0o755)
    assert ffmpeg_path() == str(own)
    own.unlink()
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(BackendUnavailableError, match="pip install imageio-ffmpeg"):
        ffmpeg_path()


def test_a_broken_ffmpeg_is_unavailable(
    grey: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(BackendUnavailableError, match="does not run"):
        read_all(grey)


# writing


def write_video(
    path: Path,
    images: list[Image],
    fps: Fraction = FPS,
    audio_from: Path | None = None,
    audio_start_s: float = 0.0,
) -> VideoWriter:
    height, width, _ = images[0].shape
    with VideoWriter(path, width, height, fps, audio_from, audio_start_s) as writer:
        for image in images:
            writer.write(image)
    return writer


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".gif", ".MP4"])
def test_what_is_written_reads_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    writer = write_video(path, [picture()] * 3 + [picture()[::-1]] * 4)
    info = probe(path)
    assert (info.width, info.height, info.fps) == (64, 48, FPS)
    assert info.duration_s == pytest.approx(0.7, abs=0.02)
    frames = read_all(path)
    assert len(frames) == writer.frames_written == 7
    assert [frame.time_s for frame in frames] == pytest.approx(
        [i / 10 for i in range(7)], abs=0.002
    )
    # A wrong matrix or range shifts these colours by 25 and more
    assert worst(frames[1].image, picture()) < 20
    assert worst(frames[5].image, picture()[::-1]) < 20
    assert names_in(tmp_path) == [path.name]


def test_an_mp4_is_one_that_browsers_play(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write_video(path, [picture(65, 49)] * 3, Fraction(30000, 1001))
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 66, 50)
        assert (codec.colorspace, codec.color_primaries, codec.color_trc) == (1, 1, 1)  # BT.709
        assert codec.color_range == 1  # limited
    assert probe(path).fps == Fraction(30000, 1001)
    assert worst(read_all(path)[1].image[:49, :65], picture(65, 49), border=6) < 12


def sound_of(path: Path) -> tuple[str, np.ndarray]:
    """Codec and samples of a file's sound, 44100 a second."""
    with av.open(str(path)) as container:
        name = container.streams.audio[0].codec_context.name
        resampler = av.AudioResampler("s16", "mono", 44100)
        frames = [new for frame in container.decode(audio=0) for new in resampler.resample(frame)]
    return name, np.concatenate([frame.to_ndarray()[0] for frame in frames])


def test_sound_is_copied_and_cut_to_the_videos_length(with_audio: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    writer = write_video(path, [picture()] * 15, audio_from=with_audio)
    assert writer.warning is None
    assert probe(path).num_frames == 15
    codec, samples = sound_of(path)
    assert codec == "aac"
    assert len(samples) / 44100 == pytest.approx(1.5, abs=0.05)
    onset_s = np.flatnonzero(np.abs(samples) > 5000)[0] / 44100
    assert onset_s == pytest.approx(1.0, abs=0.05)
    assert names_in(tmp_path) == [path.name]


def test_sound_that_ends_early_does_not_cut_the_video(with_audio: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write_video(path, [picture()] * 40, audio_from=with_audio)
    assert probe(path).num_frames == 40
    assert len(read_all(path)) == 40
    assert len(sound_of(path)[1]) / 44100 == pytest.approx(2.0, abs=0.05)


def test_sound_starts_where_the_clip_was_cut(with_audio: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write_video(path, [picture()] * 10, audio_from=with_audio, audio_start_s=0.7)
    samples = sound_of(path)[1]
    onset_s = np.flatnonzero(np.abs(samples) > 5000)[0] / 44100
    assert onset_s == pytest.approx(0.3, abs=0.02)
    assert len(samples) / 44100 == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "aac"), (".mkv", "aac"), (".webm", "opus")])
def test_sound_is_encoded_where_the_container_does_not_take_it(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    source = tmp_path / "sound.wav"
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=1", source)
    path = tmp_path / f"out{suffix}"
    assert write_video(path, [picture()] * 5, audio_from=source).warning is None
    name, samples = sound_of(path)
    assert name.removeprefix("lib") == codec
    assert len(samples) / 44100 == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("source", ["grey", "text"])
def test_a_source_without_sound_gives_a_silent_video(
    grey: Path, tmp_path: Path, source: str
) -> None:
    text = tmp_path / "text.mp4"
    write_text(text)
    path = tmp_path / "out.mp4"
    write_video(path, [picture()] * 5, audio_from=grey if source == "grey" else text)
    assert not probe(path).has_audio


def test_sound_that_vanishes_costs_the_sound_not_the_video(
    with_audio: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source.mp4"
    source.write_bytes(with_audio.read_bytes())
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 64, 48, FPS, source) as writer:
        writer.write(picture())
        source.unlink()
    assert writer.warning is not None
    assert "No such file" in writer.warning
    assert probe(path).num_frames == 1
    assert names_in(tmp_path) == [path.name]


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("sound", [False, True])
def test_an_exception_leaves_the_old_file_and_nothing_else(
    with_audio: Path, tmp_path: Path, kind: type[BaseException], sound: bool
) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("old")
    writer = VideoWriter(path, 64, 48, FPS, with_audio if sound else None)

    def interrupted() -> None:
        with writer:
            writer.write(picture())
            assert len(names_in(tmp_path)) > 1
            raise kind

    with pytest.raises(kind):
        interrupted()
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("more_frames", [0, 100])
def test_a_dying_encoder_is_an_output_error(tmp_path: Path, more_frames: int) -> None:
    def write() -> None:
        with VideoWriter(tmp_path / "out.mp4", 640, 480, FPS) as writer:
            writer.write(picture(640, 480))
            assert writer._program is not None
            pid = writer._program.process.pid
            assert os.getsid(pid) != os.getsid(0)  # the terminal's Ctrl-C does not reach it
            os.kill(pid, signal.SIGKILL)
            for _ in range(more_frames):
                writer.write(picture(640, 480))

    with pytest.raises(OutputError, match="ended with signal 9"):
        write()
    assert names_in(tmp_path) == []


def test_an_ffmpeg_without_the_encoder_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = tmp_path / "ffmpeg"
    poor.write_text(
        f'#!/bin/bash\nexec {ffmpeg_path()} "${{@/libx264/libx999}}"  # as if built without it\n'
    )
    poor.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "videos").mkdir()
    with pytest.raises(BackendUnavailableError, match="built without libx264"):
        write_video(tmp_path / "videos" / "out.mp4", [picture()] * 3)
    assert names_in(tmp_path / "videos") == []


def test_a_limit_on_file_size_is_an_output_error(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from fractions import Fraction
        from pathlib import Path
        import numpy as np
        from vp3d_cli.errors import OutputError
        from vp3d_cli.video import VideoWriter

        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        noise = np.random.default_rng(0)
        try:
            with VideoWriter(Path(sys.argv[1]), 320, 240, Fraction(30)) as writer:
                for _ in range(60):
                    writer.write(noise.integers(0, 255, (240, 320, 3), np.uint8))
        except OutputError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "out.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path / 'out.mp4'}: the encoder ended with")
    assert done.stderr == ""
    assert names_in(tmp_path) == []


def test_wrong_uses_of_the_writer(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'\.xyz' videos cannot be written; choose \.mp4"):
        VideoWriter(tmp_path / "out.xyz", 64, 48, FPS)
    with pytest.raises(OutputError, match="does not exist"):
        write_video(tmp_path / "gone" / "out.mp4", [picture()])
    with pytest.raises(OutputError, match="no frame"), VideoWriter(tmp_path / "a.mp4", 64, 48, FPS):
        pass
    with pytest.raises(ValueError, match=r"expected \(48, 64, 3\)"):
        write_video(tmp_path / "a.mp4", [picture(), picture(64, 50)])
    assert names_in(tmp_path) == []
