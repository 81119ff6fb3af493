"""`vp3d live` as its user sees it, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.conftest import Ran
from tests.streams import DEMO, jpegs, streaming
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.pipeline import Options, build_detector
from vp3d_cli.pipeline.cameras import camera_of
from vp3d_cli.skeletons import get
from vp3d_cli.types import Json, Track2D
from vp3d_cli.video import VideoReader, ffmpeg_path, probe

LIVE = [sys.executable, "-m", "vp3d_cli", "live"]


def start(*args: object, **how: Any) -> subprocess.Popen[bytes]:
    how = {"stdin": subprocess.DEVNULL, **how}
    command = [*LIVE, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)


def ended(process: subprocess.Popen[bytes]) -> Ran:
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert b"Traceback" not in err
    return Ran(process.returncode, out.decode(), err.decode())


def live(*args: object, **how: Any) -> Ran:
    return ended(start(*args, **how))


def messages(ran: Ran) -> tuple[Json, list[Json]]:
    first, *frames = map(json.loads, ran.out.splitlines())
    assert first["schema"] == "vp3d.live/1"
    return first, frames


def children_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The fourth number of a process's state is its parent's, behind a name in brackets."""
    children = []
    for state in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it may have ended by now
            if int(state.read_text().rpartition(") ")[2].split()[1]) == process.pid:
                children.append(int(state.parent.name))
    return children


@pytest.fixture(scope="module")
def every_frame() -> Ran:
    return live(DEMO, "--every-frame", "--no-smooth", "--frames", 45, "--jsonl")


def test_a_file_gives_a_line_a_frame(every_frame: Ran) -> None:
    assert every_frame.code == 0
    first, frames = messages(every_frame)
    video = probe(DEMO)
    assert (first["width"], first["height"], first["fps"]) == (video.width, video.height, 30)
    assert (first["detector"], first["lifter"]) == ("movenet", "bundled-causal")
    assert [m["frame"] for m in frames] == list(range(45))
    assert [m["time_s"] for m in frames] == pytest.approx([i / 30 for i in range(45)], abs=1e-3)
    assert {m["dropped"] for m in frames} == {0}
    assert all(m["latency_ms"] > 0 for m in frames)
    assert (
        "movenet finds people, bundled-causal lifts them (27 frames, no delay)" in every_frame.err
    )
    assert "45 frames: " in every_frame.err


def longest(frames: list[Json]) -> list[Json]:
    """One person through all the frames that they are in."""
    seen = [person for m in frames for person in m["people"]]
    ids = [person["id"] for person in seen]
    most = max(set(ids), key=ids.count)
    return [person for person in seen if person["id"] == most]


def test_its_joints_are_those_of_the_whole_sequence(every_frame: Ran) -> None:
    """As near as the digits of the 2D keypoints that are told."""
    _, frames = messages(every_frame)
    people, video, lifter = longest(frames), probe(DEMO), load_lifter("bundled-causal")
    keypoints, scores, boxes, joints = (
        np.array([person[name] for person in people], np.float32)
        for name in ("keypoints_2d", "scores_2d", "box", "joints_3d")
    )
    length = len(people)
    assert length > 35
    frames_ = np.arange(length, dtype=np.int32)
    seen = np.ones(length, bool)
    track = Track2D(1, frames_, frames_ / 30, boxes, keypoints, scores, seen, get("coco17"))
    (whole,) = lifter.lift([track], video, camera_of(video, None))
    np.testing.assert_allclose(joints, whole.joints, atol=2e-3)


def test_its_keypoints_are_near_those_found_frame_by_frame(every_frame: Ran) -> None:
    _, frames = messages(every_frame)
    detector, off = build_detector("movenet", Options(detector="movenet", quality="best")), []
    with VideoReader(DEMO) as reader:
        for frame, told in zip(reader, frames[:45:6], strict=False):
            for _ in range(5):
                next(reader, None)
            found = detector.detect(frame)
            for person in told["people"]:
                box = np.array(person["box"])
                size = np.sqrt(np.prod(box[2:] - box[:2]))
                apart = np.linalg.norm(found.keypoints - np.array(person["keypoints_2d"]), axis=-1)
                off.append(np.median(apart, -1).min() / size)
    assert len(off) >= 5
    assert np.median(off) < 0.02


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    stream = tmp_path / "stream.ts"
    make = [ffmpeg_path(), "-v", "error", "-i", str(DEMO), "-t", "1", "-c:v", "libx264"]
    subprocess.run([*make, "-preset", "ultrafast", str(stream)], check=True)
    with stream.open("rb") as piped:
        ran = live("-", "--every-frame", "--jsonl", stdin=piped)
    assert ran.code == 0
    _, frames = messages(ran)
    assert [m["time_s"] for m in frames] == pytest.approx([i / 30 for i in range(30)], abs=1e-3)


def test_a_pipe_without_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no video\n" * 100)
    with (tmp_path / "text").open("rb") as piped:
        ran = live("-", "--jsonl", stdin=piped)
    assert (ran.code, ran.out) == (3, "")
    assert "the pipe: no video came through the pipe" in ran.err


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for children in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_a_summary_and_without_ffmpeg(
    number: signal.Signals, code: int
) -> None:
    process = start(DEMO, "--loop", "--jsonl")
    assert process.stdout is not None
    for _ in range(4):
        process.stdout.readline()
    decoders = children_of(process)
    assert decoders
    process.send_signal(number)
    ran = ended(process)
    assert ran.code == code
    assert "frames/s, latency" in ran.err
    assert not [pid for pid in decoders if Path(f"/proc/{pid}").exists()]


def test_a_stream_that_dies_comes_back() -> None:
    with streaming(jpegs(20), [(15, "end")]) as server:
        ran = live(server.url, "--jsonl", "--frames", 20)  # more than the first answer has
    assert ran.code == 0, ran.err
    _, frames = messages(ran)
    assert server.requests == 2
    assert "is lost (it ended); opening it again" in ran.err
    assert "is back after" in ran.err
    assert "; the source was lost once" in ran.err
    assert frames[-1]["frame"] > 15
    times = [m["time_s"] for m in frames]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["99"], 3, "camera 99 does not exist; there "),
        (["http://127.0.0.1:9/video"], 3, "no video could be read"),
        (["nowhere.mp4"], 2, "no such file"),
        (["rtmp://h/a"], 2, "there are http://, https://, rtsp://, rtsps://, udp://"),
        (["0", "--loop"], 2, "--loop is for a file, and camera 0 is a camera"),
        (["0", "--every-frame"], 2, "--every-frame is for a file or a pipe"),
        ([DEMO, "--size", "640x480"], 2, "--size is for a camera"),
        ([DEMO, "--udp", "9000"], 2, "'9000' is no place to send to; write 127.0.0.1:9000"),
        ([DEMO, "--page", "99999"], 2, "'99999' is no place to send to"),
        ([DEMO, "--lifter", "nothing", "--jsonl"], 4, "lifter 'nothing'"),
        ([DEMO, "--osc", "nowhere.invalid:9000"], 7, "nowhere.invalid: no such host"),
    ],
)
def test_bad_input_is_told_at_once(args: list[object], code: int, words: str) -> None:
    ran = live(*args)
    assert (ran.code, ran.out) == (code, "")
    assert words in " ".join(ran.err.split())


def test_somebody_who_has_read_enough_ends_it_quietly() -> None:
    process = start(DEMO, "--loop", "--jsonl")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(300) == 0
    told = process.stderr.read().decode()
    process.stderr.close()
    assert "Error" not in told


@pytest.mark.skipif(os.name == "nt", reason="sends the signal of Ctrl-C")
def test_somebody_who_never_reads_holds_up_nobody() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(120)
        host, port = listener.getsockname()
        process = start(DEMO, "--loop", "--jsonl", "--udp", f"{host}:{port}")  # stdout unread
        told = [json.loads(listener.recv(1 << 16)) for _ in range(40)]
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert ended(process).code == 130
    indices = [m["frame"] for m in told if "frame" in m]
    assert indices == sorted(indices)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as here:
        here.bind(("127.0.0.1", 0))
        port: int = here.getsockname()[1]
    return port


def test_the_page_is_served(free_port: int) -> None:
    pytest.importorskip("aiohttp")
    process = start(DEMO, "--loop", "--page", free_port)
    page = f"http://127.0.0.1:{free_port}/"
    try:
        end_s = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(page, timeout=60) as answer:
                    content = answer.read()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < end_s
                time.sleep(0.1)
        with urllib.request.urlopen(f"{page}video", timeout=60) as pictures:
            picture = pictures.read(20_000)
    finally:
        process.send_signal(signal.SIGINT)
        ran = ended(process)
    assert b"demo.mp4" in content
    assert b"\xff\xd8\xff" in picture
    assert ran.code == 130
    assert f"open {page} in a browser" in ran.err


def test_a_port_that_is_taken_is_told() -> None:
    pytest.importorskip("aiohttp")
    with socket.socket() as here:
        here.bind(("127.0.0.1", 0))
        here.listen()
        ran = live(DEMO, "--page", here.getsockname()[1])
    assert ran.code == 7
    assert "the page cannot be served" in ran.err


def test_a_symmetric_lifter_tells_its_delay() -> None:
    ran = live(DEMO, "--lifter", "bundled", "--every-frame", "--frames", 70, "--jsonl")
    assert ran.code == 0
    first, frames = messages(ran)
    assert first["delay_ms"] > 1000
    assert {m["delay_ms"] for m in frames} == {first["delay_ms"]}
    assert f"{first['delay_ms']:.0f} ms delay" in ran.err
    late = round(first["delay_ms"] * 30 / 1000)
    known = [m["frame"] for m in frames if any(p["joints_3d"] for p in m["people"])]
    assert known[0] >= late
    assert len(known) > 5


def test_no_more_people_than_asked_for() -> None:
    ran = live(DEMO, "--max-people", 1, "--every-frame", "--frames", 20, "--jsonl")
    _, frames = messages(ran)
    assert max(len(m["people"]) for m in frames) == 1
