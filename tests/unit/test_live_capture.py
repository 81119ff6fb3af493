"""Only the newest frame is kept; what breaks off is opened again."""

from __future__ import annotations

import logging
import time
import tracemalloc
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import cv2
import pytest

from tests.streams import DEMO, jpegs, streaming
from vp3d_cli.errors import OptionsError, VideoError
from vp3d_cli.live import capture as room
from vp3d_cli.live.capture import Capture
from vp3d_cli.live.source import Source, source_of
from vp3d_cli.video import camera
from vp3d_cli.video.reading import VideoReader
from vp3d_cli.video.streaming import StreamReader


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.005)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of the example, 160 pixels wide."""
    import ffmpeg

    from vp3d_cli.video.program import Program

    path = tmp_path_factory.mktemp("small") / "small.mp4"
    graph = ffmpeg.input(str(DEMO), t=0.5).filter("scale", 160, 90).output(str(path))
    with Program(graph) as program:
        assert program.finish() == 0
    return path


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return jpegs(10, width=320)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("0", "camera", "camera 0"),
        ("12", "camera", "camera 12"),
        ("-", "pipe", "the pipe"),
        (str(DEMO), "file", "demo.mp4"),
        ("rtsp://me:secret@camera.local/one", "stream", "rtsp://camera.local/one"),
        ("http://h/a@b", "stream", "http://h/a@b"),
        ("rtsp://me:s@cret@h/one", "stream", "rtsp://h/one"),
        ("http://h/video?user=me&pwd=secret", "stream", "http://h/video"),
        ("udp://@:5000", "stream", "udp://:5000"),
    ],
)
def test_what_a_source_is_called(text: str, kind: str, name: str) -> None:
    source = source_of(text)
    assert (source.kind, source.place, source.name) == (kind, text, name)


def test_a_scheme_may_be_in_capitals() -> None:
    assert source_of("HTTP://Host/A").place == "http://Host/A"


@pytest.mark.parametrize(
    "text", ["file:///etc/passwd", "concat://a", "rtmp://h/a", "http://", "nowhere.mp4", "1234", ""]
)
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(OptionsError, match=r"there are http://|no such file"):
        source_of(text)


def test_every_frame_comes_with_the_times_of_the_file(small: Path) -> None:
    with VideoReader(small) as reader:
        expected = [(frame.index, frame.time_s) for frame in reader]
    with Capture(source_of(str(small)), every_frame=True) as capture:
        seen = []
        for captured in capture:
            time.sleep(0.005)  # it waits for us
            seen.append((captured.frame.index, captured.frame.time_s))
    assert [index for index, _ in seen] == [index for index, _ in expected]
    assert [time_s for _, time_s in seen] == pytest.approx([time_s for _, time_s in expected])


def test_whoever_is_behind_gets_the_newest_frame_at_its_own_time(small: Path) -> None:
    began_s = time.monotonic()
    with Capture(source_of(str(small))) as capture:
        seen = []
        for captured in capture:
            seen.append(captured)
            until(lambda: capture.num_read == 15)
    assert len(seen) == 2
    for captured in seen:
        assert captured.frame.time_s == pytest.approx(captured.frame.index / 30)
        # Played at its own speed: no frame before it is due.
        assert captured.captured_s - began_s >= captured.frame.time_s
    assert seen[-1].frame.index == 14


def test_a_loop_goes_on_in_time(small: Path) -> None:
    with Capture(source_of(str(small)), loop=True, every_frame=True) as capture:
        seen = [captured.frame for captured in islice(capture, 40)]
    assert [frame.index for frame in seen] == list(range(40))
    assert [frame.time_s for frame in seen] == pytest.approx([i / 30 for i in range(40)])


def test_memory_does_not_grow_behind_a_slow_consumer() -> None:
    tracemalloc.start()
    try:
        with Capture(source_of(str(DEMO)), loop=True) as capture:
            frames = iter(capture)
            next(frames)
            tracemalloc.reset_peak()
            until(lambda: capture.num_read > 20)
            size = next(frames).frame.image.nbytes
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * size


def test_a_camera_that_is_not_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "cameras", lambda: [0, 2])
    with Capture(source_of("7")) as capture, pytest.raises(VideoError) as caught:
        capture.wait()
    assert str(caught.value) == "camera 7 does not exist; there are 0, 2"


def test_a_camera_that_is_unplugged_is_opened_again(
    small: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenCV reads a file in place of a camera: it ends as one that is unplugged."""
    opened: list[int] = []

    def plugged(number: int) -> cv2.VideoCapture:
        opened.append(number)
        time.sleep(0.2)  # as a camera takes
        return cv2.VideoCapture(str(small))

    monkeypatch.setattr(camera, "_opened", plugged)
    with Capture(source_of("3"), every_frame=True) as capture:
        seen = [captured.frame for captured in islice(capture, 20)]
    assert [frame.index for frame in seen] == list(range(20))
    assert seen[0].image.shape == (90, 160, 3)
    times = [frame.time_s for frame in seen]
    assert times == sorted(times)
    assert times[0] == 0
    assert opened == [3, 3]
    assert "camera 3 is lost (it ended); opening it again" in caplog.text


def test_an_address_where_nothing_is_is_told_at_once() -> None:
    source = source_of("http://me:secret@127.0.0.1:9/x")
    with Capture(source) as capture, pytest.raises(VideoError) as caught:
        capture.wait()
    assert "http://127.0.0.1:9/x: no video could be read" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_stream_that_ends_is_opened_again_and_said_once(
    pictures: list[bytes], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_FIRST_PAUSE_S", 0.5)
    caplog.set_level(logging.INFO, "vp3d_cli")
    with (
        streaming(pictures, [(12, "end"), (0, "end"), (0, "end")]) as server,
        Capture(source_of(server.url), every_frame=True) as capture,
    ):
        seen = [captured.frame for captured in islice(capture, 25)]
    assert server.requests == 4
    assert [frame.index for frame in seen] == list(range(25))
    times = [frame.time_s for frame in seen]
    assert times == sorted(times)
    # The time of the loss has passed too.
    assert max(b - a for a, b in pairwise(times)) > 0.5
    told = [record.getMessage() for record in caplog.records]
    assert [t.split(" (")[0].split(" after")[0] for t in told] == [
        f"{server.url} is lost",
        f"{server.url} is back",
    ]


def test_a_stream_that_stalls_is_opened_again(
    pictures: list[bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room, "_FIRST_PAUSE_S", 1.0)
    with (
        streaming(pictures, [(12, "stall")]) as server,
        Capture(source_of(server.url), every_frame=True) as capture,
    ):
        frames = iter(capture)
        seen = [next(frames).frame for _ in range(8)]
        # Only now, for opening it may take as long on a busy machine.
        with monkeypatch.context() as impatient:
            impatient.setattr(StreamReader, "stall_s", 1.0)
            seen += [next(frames).frame for _ in range(4)]
            until(lambda: "is lost" in caplog.text)
        seen += [captured.frame for captured in islice(frames, 8)]
    assert [frame.index for frame in seen] == list(range(20))
    assert server.requests == 2
    assert "nothing came for 1 s" in caplog.text


def test_a_stream_that_is_lost_for_good_is_given_up(
    pictures: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with (
        streaming(pictures, [(12, "end"), *[(0, "end")] * 50]) as server,
        Capture(source_of(server.url), give_up_s=1.0) as capture,
        pytest.raises(VideoError, match=r"lost for \d+ s .*--give-up"),
    ):
        for _ in capture:
            pass
    assert capture.num_losses == 1


def test_a_stream_that_never_sends_anything_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StreamReader, "stall_s", 1.0)
    with (
        streaming([b""], [(0, "stall")]) as server,
        Capture(source_of(server.url)) as capture,
        pytest.raises(VideoError, match="nothing came for 1 s"),
    ):
        capture.wait()


def test_leaving_ends_ffmpeg_and_the_thread(pictures: list[bytes]) -> None:
    with streaming(pictures, []) as server:
        with Capture(source_of(server.url)) as capture:
            next(iter(capture))
        assert not capture._thread.is_alive()


def test_a_fault_while_reading_is_not_taken_for_the_end(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: VideoReader) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(VideoReader, "__next__", broken)
    with Capture(source_of(str(small))) as capture, pytest.raises(Exception, match="a fault"):
        list(capture)


def test_a_recording_behind_an_address_is_no_stream(small: Path) -> None:
    from tests.file_server import serving

    with serving() as server:
        server.content = small.read_bytes()
        with (
            Capture(Source("stream", server.url, server.url)) as capture,
            pytest.raises(VideoError, match="is a recording of 00:00:00, not a stream"),
        ):
            capture.wait()
