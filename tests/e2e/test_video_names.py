"""A file is what its name says and nothing else: names are no options, files name no others."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from tests.e2e.conftest import Ran
from tests.video_animals import B_FRAMES
from tests.video_zoo import COUNT, ffmpeg, film, h264, look, scene
from vp3d_cli.errors import VideoError
from vp3d_cli.video import VideoReader, VideoWriter, ffmpeg_path, opening, probe, program

Run = Callable[..., Ran]
NAMES = [
    "-",
    "--",
    "-i.mp4",
    "-vf",
    "concat:a.mp4|b.mp4",
    "http:\\\\127.0.0.1\\x.mp4",
    "http:127.0.0.1.mp4",
    "file:x.mp4",
    "pipe:0",
    "data:video,x",
    "subfile,,start,0,end,99,,:x.mp4",
    "crypto:x.mp4",
    "two\nlines.mp4",
    "a 'b' \"c\".mp4",
    "größe-歩く-🏃.mp4",
    "%d.mp4",
    "%03d",
    "50%.mp4",
    "*?[a-z].mp4",
    "[a],b;c:d=e.mp4",
    "$(x) `y` \\ ~.mp4",
    "m" * 251 + ".mp4",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return film(tmp_path_factory.mktemp("film") / "film.mp4", *h264(), count=3).read_bytes()


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """An address of ours, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *words: object) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}", asked
    listening.shutdown()
    listening.server_close()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Path(name), tmp_path / name):
        path.write_bytes(whole)
        seen = look(path)
        seen.require_film(count=3)
        assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "name", ["%d.png", "a%03d.png", "*.png", "50%%d.png", "%%%d.png", "%d.jpg", "%d.gif", "%d.webp"]
)
def test_an_image_with_the_name_of_a_pattern(tmp_path: Path, name: str) -> None:
    source = film(tmp_path / "source.mkv", "-c:v", "ffv1", count=1)
    suffix = Path(name).suffix
    image = tmp_path / f"image{suffix}"
    still = () if suffix == ".gif" else ("-update", 1)
    ffmpeg("-i", source, *still, "-q:v", 100 if suffix == ".webp" else 1, image)
    image.rename(tmp_path / name)
    film(tmp_path / "other.mkv", "-c:v", "ffv1", count=1, first=7)
    ffmpeg("-i", tmp_path / "other.mkv", *still, tmp_path / f"1{suffix}")
    look(tmp_path / name).require_film(count=1, tolerance=50 if suffix == ".gif" else 18)


@pytest.mark.parametrize("name", ["-i.mp4", "two\nlines.mp4", "concat:a|b.mp4", "%d.mp4"])
def test_names_through_the_command_line(vp3d: Run, whole: bytes, name: str) -> None:
    Path(name).write_bytes(whole)
    ran = vp3d("detect", "-o", "out.npz", "--", name)
    assert ran.code == 0, ran.err
    with np.load("out.npz") as data:
        assert len(data["times_s"]) == 3


def test_an_address_is_no_file(vp3d: Run, server: tuple[str, list[str]]) -> None:
    address, asked = server
    for name in (f"{address}/x.mp4", f"hls+{address}/x.m3u8", "concat:a|b", "lavfi:testsrc", "-"):
        ran = vp3d("infer", "-o", "out.npz", "--", name)
        assert ran.code == 2, ran.err
        with pytest.raises(VideoError, match="no such file"):
            probe(Path(name))
    assert asked == []


def _playlists(name: str) -> dict[str, str]:
    """Files that name another, by their suffix."""
    hls = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\n{name}\n#EXT-X-ENDLIST\n"
    concat = f"ffconcat version 1.0\nfile '{name}'\n"
    dash = (
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:full:2011"><Period>'
        '<AdaptationSet contentType="video"><Representation id="1" mimeType="video/mp4" '
        f'bandwidth="1000"><BaseURL>{name}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    )
    sdp = (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5555 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image width="9" href="{name}"/></svg>'
    texts = {".m3u8": hls, ".ts": hls, ".ffconcat": concat, ".mp4": concat, ".txt": concat}
    texts |= {".concat": f"file '{name}'\n", ".mpd": dash, ".sdp": sdp, ".svg": svg}
    return texts | {".m3u": f"{name}\n", ".pls": f"[playlist]\nFile1={name}\n", ".avs": name}


@pytest.mark.parametrize("checked", [True, False], ids=["by_content", "by_ffmpeg_alone"])
def test_a_file_that_names_others_opens_none(
    tmp_path: Path,
    server: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    checked: bool,
) -> None:
    address, asked = server
    film(tmp_path / "there.ts", *h264())
    monkeypatch.chdir(tmp_path)
    if not checked:
        monkeypatch.setattr(opening, "_PLAYLIST", re.compile(rb"(?!)"))
    for name in ("there.ts", str(tmp_path / "there.ts"), f"file:{tmp_path}/there.ts", address):
        for suffix, text in _playlists(name).items():
            path = tmp_path / f"list{suffix}"
            path.write_text(text)
            seen = look(path)
            assert seen.outcome == "error", (name, suffix, seen)
            if checked and suffix not in (".svg", ".m3u", ".avs"):
                assert "is a playlist" in str(seen.error)
            if checked:
                continue
            with VideoWriter(tmp_path / "out.mkv", *scene(64, 48).shape[1::-1], 10, path) as writer:
                writer.write(scene(64, 48))
            assert not probe(tmp_path / "out.mkv").has_audio
    assert asked == []
    # Second walls, which the first hide from the eye
    options = opening.input_options(tmp_path / "there.ts")
    assert options["protocol_whitelist"] == "file"
    assert int(options["max_pixels"]) < 1 << 28


def test_sound_of_a_playlist_is_not_taken(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", tmp_path / "there.ts")
    lists = _playlists("there.ts")
    for suffix in (".m3u8", ".ffconcat"):
        path = tmp_path / f"list{suffix}"
        path.write_text(lists[suffix])
        with VideoWriter(tmp_path / "out.mkv", 64, 48, 10, path) as writer:
            writer.write(scene(64, 48))
        assert writer.warning is None  # the list was not even asked for its sound
        assert not probe(tmp_path / "out.mkv").has_audio


def test_a_title_does_not_pass_for_times(tmp_path: Path) -> None:
    stamps = ("n:   0 pts:   7777 pts_time:7", "config in time_base: 1/1")
    stamp = "\n".join(f"[Parsed_showinfo_0 @ 0x1] [info] {stamp}" for stamp in stamps)
    titles = (f"title={stamp}", f"comment=x\n{stamp}\r{stamp}", "artist=" + "x" * 1950 + stamp * 9)
    for suffix in (".mp4", ".mkv"):
        path = tmp_path / f"in{suffix}"
        film(path, *B_FRAMES, *(part for title in titles for part in ("-metadata", title)))
        look(path).require_film()


def test_a_decoder_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bytes
) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(whole)
    hanging = tmp_path / "bin" / "ffmpeg"
    hanging.parent.mkdir()
    hanging.write_text(
        f'#!/bin/sh\ncase "$*" in *pipe:*) exec sleep 1000;; esac\nexec {ffmpeg_path()} "$@"\n'
    )
    hanging.chmod(hanging.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(hanging.parent), prepend=":")
    monkeypatch.setattr(program.Program, "stall_s", 2)
    seen = look(path)
    assert seen.outcome == "error", seen
    assert "delivered nothing for 2 s after 0 frames" in str(seen.error)


def test_who_takes_time_over_a_frame_is_not_taken_for_hanging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "in.avi", "-c:v", "mjpeg", size=(1280, 720), count=COUNT)
    monkeypatch.setattr(program.Program, "stall_s", 1)
    with VideoReader(path) as reader:
        for frame in reader:
            if frame.index == 1:
                time.sleep(3.5)
        assert reader.frames_read == COUNT
    assert reader.warning is None
