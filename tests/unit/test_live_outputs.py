"""Messages of a live run, and where they go: slow readers lose some, and nobody waits for them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_video
from vp3d_cli.errors import OutputError
from vp3d_cli.live import message
from vp3d_cli.live.motion import Moving
from vp3d_cli.live.numbers import Tally
from vp3d_cli.live.outputs import Datagrams, Lines, Osc, Outputs
from vp3d_cli.live.people import Sighted
from vp3d_cli.skeletons import get
from vp3d_cli.types import Json

COCO, H36M = get("coco17"), get("h36m17")
OPENING = message.opening(make_video(), (COCO, H36M), 0.0, "movenet", "bundled-causal")


def moving(track_id: int = 1, joints: bool = True) -> Moving:
    rng = np.random.default_rng(track_id)
    keypoints = rng.uniform(0, 1280, (17, 2)).astype(np.float32)
    box = np.concatenate([keypoints.min(0), keypoints.max(0)])
    sighted = Sighted(track_id, box, keypoints, rng.uniform(0, 1, 17).astype(np.float32))
    if not joints:
        return Moving(sighted, None, None)
    return Moving(sighted, rng.normal(0, 1, (17, 3)).astype(np.float32), np.float32([1, 0.5, 4]))


def frame(index: int = 7, *people: Moving) -> Json:
    return message.of_frame(
        index, index / 30, people, latency_ms=71.23, delay_s=0.0, dropped=0.12345
    )


def send_on(lines: Lines) -> None:
    for index in range(1000):
        lines.send(frame(index))
        time.sleep(0.001)


def test_a_message_says_it_all_to_a_tenth_of_a_millimetre() -> None:
    person = moving(3)
    told = json.loads(json.dumps(frame(7, person, moving(4, joints=False))))
    assert {k: v for k, v in told.items() if k != "people"} == {
        "frame": 7, "time_s": 0.2333, "latency_ms": 71.2, "delay_ms": 0.0, "dropped": 0.123,
    }  # fmt: skip
    one, other = told["people"]
    assert one["id"] == 3
    np.testing.assert_allclose(one["box"], person.sighted.box, atol=0.006)
    np.testing.assert_allclose(one["keypoints_2d"], person.sighted.keypoints, atol=0.006)
    np.testing.assert_allclose(one["scores_2d"], person.sighted.scores, atol=0.0006)
    np.testing.assert_allclose(one["joints_3d"], person.joints, atol=0.00006)
    assert one["root_camera"] == [1, 0.5, 4]
    assert other["joints_3d"] is other["root_camera"] is None


def test_what_is_unknown_is_null() -> None:
    person = moving()
    person.sighted.keypoints[3] = np.nan
    told = json.loads(json.dumps(frame(7, person), allow_nan=False))
    assert told["people"][0]["keypoints_2d"][3] == [None, None]


def test_the_opening_names_the_joints() -> None:
    told = json.loads(json.dumps(OPENING))
    assert told["schema"] == "vp3d.live/1"
    assert told["skeleton_3d"]["joints"] == list(H36M.joints)
    assert told["skeleton_2d"]["edges"] == [list(edge) for edge in COCO.edge_indices]
    assert (told["width"], told["height"], told["fps"]) == (720, 1280, 29.97)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def test_lines_arrive_whole_and_in_order(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = Lines(writing)
    for message_ in (OPENING, frame(0), frame(1)):
        lines.send(message_)
    lines.close()
    os.close(writing)
    with os.fdopen(os.dup(reading)) as stream:
        told = [json.loads(line) for line in stream]
    assert told == json.loads(json.dumps([OPENING, frame(0), frame(1)]))
    assert lines.num_lost == 0


def test_a_reader_who_sleeps_loses_the_oldest_lines_and_holds_up_nobody(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vp3d_cli.live.outputs._DRAIN_S", 60.0)  # a busy machine is no sleeper
    reading, writing = pipe
    lines, crowd = Lines(writing), [moving(i) for i in range(6)]
    lines.send(OPENING)
    for index in range(300):
        lines.send(frame(index, *crowd))
    assert lines.num_lost > 200
    assert len(lines._lines) <= 30
    told: list[Json] = []

    def read() -> None:
        with os.fdopen(os.dup(reading)) as stream:
            told.extend(json.loads(line) for line in stream)

    reader = threading.Thread(target=read)
    reader.start()
    lines.close()
    os.close(writing)
    reader.join()
    assert told[0]["schema"] == "vp3d.live/1"
    indices = [m["frame"] for m in told[1:]]
    assert indices == sorted(indices)
    assert indices[-1] == 299
    assert len(indices) + lines.num_lost == 300


def test_what_is_to_come_is_never_lost(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"\n" * 4096)
    os.set_blocking(writing, True)
    lines = Lines(writing)
    lines.send(frame(0))  # is being written, and stays so
    while lines._lines:
        time.sleep(0.001)
    lines.send(OPENING)
    for index in range(100):
        lines.send(frame(index))
    assert b'"schema"' in lines._lines[0]
    assert lines.num_lost == 71


def test_who_must_have_every_line_is_waited_for(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines, crowd = Lines(writing, wait=True), [moving(i) for i in range(6)]
    told: list[bytes] = []

    def read() -> None:
        with os.fdopen(os.dup(reading), "rb") as stream:
            for line in stream:
                told.append(line)
                time.sleep(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    for index in range(200):
        lines.send(frame(index, *crowd))
    lines.close()
    os.close(writing)
    reader.join()
    assert len(told) == 200
    assert lines.num_lost == 0


def test_closing_does_not_wait_for_a_reader_who_never_reads(pipe: tuple[int, int]) -> None:
    lines, crowd = Lines(pipe[1]), [moving(i) for i in range(6)]
    for index in range(100):
        lines.send(frame(index, *crowd))
    lines.close()  # the suite would hang
    assert lines._lines


def test_a_run_that_broke_off_does_not_wait_for_every_line(pipe: tuple[int, int]) -> None:
    lines, crowd = Lines(pipe[1], wait=True), [moving(i) for i in range(6)]
    for index in range(20):
        lines.send(frame(index, *crowd))
    with pytest.raises(KeyboardInterrupt), Outputs([lines]):
        raise KeyboardInterrupt  # the suite would hang
    assert lines._lines


def test_a_disk_that_is_full_at_the_end_is_said() -> None:
    disk = Path("/dev/full")
    if not disk.exists():
        pytest.skip("only Linux has a disk that is always full")
    with (
        disk.open("wb", buffering=0) as full,
        pytest.raises(OutputError, match="No space left"),
        Outputs([Lines(full.fileno())]) as outputs,
    ):
        outputs.send(OPENING)


def test_a_reader_who_has_gone_ends_it(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    lines = Lines(pipe[1])
    with pytest.raises(BrokenPipeError):
        send_on(lines)


def test_a_full_disk_is_said() -> None:
    disk = Path("/dev/full")
    if not disk.exists():
        pytest.skip("only Linux has a disk that is always full")
    with disk.open("wb", buffering=0) as full:
        lines = Lines(full.fileno())
        with pytest.raises(OutputError, match="No space left"):
            send_on(lines)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("127.0.0.1", 0))
        here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        here.settimeout(60)
        yield here


def test_datagrams_arrive(listener: socket.socket) -> None:
    target = Datagrams(*listener.getsockname())
    for message_ in (OPENING, frame(0, moving())):
        target.send(message_)
    told = [json.loads(listener.recv(1 << 16)) for _ in range(2)]
    assert told == json.loads(json.dumps([OPENING, frame(0, moving())]))
    target.close()


def test_a_large_crowd_is_sent_one_by_one(listener: socket.socket) -> None:
    target, crowd = Datagrams(*listener.getsockname()), [moving(i) for i in range(1, 21)]
    target.send(frame(5, *crowd))
    told = [listener.recv(1 << 16) for _ in crowd]
    assert max(map(len, told)) < 9216
    parts = [json.loads(part) for part in told]
    assert [part["people"][0]["id"] for part in parts] == list(range(1, 21))
    assert {part["frame"] for part in parts} == {5}


def test_who_comes_late_is_told_what_is_to_come(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vp3d_cli.live.outputs._AGAIN_S", 0.0)
    target = Datagrams(*listener.getsockname())
    for message_ in (OPENING, frame(0), frame(1)):
        target.send(message_)
    told = [json.loads(listener.recv(1 << 16)) for _ in range(5)]
    assert ["schema" in m for m in told] == [True, True, False, True, False]


def test_nobody_needs_to_listen_to_datagrams() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("127.0.0.1", 0))
        place = here.getsockname()
    target = Datagrams(*place)
    for index in range(100):
        target.send(frame(index, moving()))
    target.close()


def test_a_host_that_is_not_there_is_told() -> None:
    with pytest.raises(OutputError, match=r"nowhere\.invalid: no such host"):
        Datagrams("nowhere.invalid", 9000)


def test_osc_is_understood_by_its_own_library() -> None:
    dispatcher_room = pytest.importorskip("pythonosc.dispatcher")
    server_room = pytest.importorskip("pythonosc.osc_server")
    heard: dict[str, tuple[float, ...]] = {}
    dispatcher = dispatcher_room.Dispatcher()
    dispatcher.set_default_handler(lambda address, *values: heard.update({address: values}))
    with server_room.ThreadingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        target, person = Osc(*server.server_address), moving(4)
        target.send(OPENING)
        for index in range(20):
            target.send(frame(index, person, moving(5, joints=False)))
        until_s = time.monotonic() + 60
        while len(heard) < 1 + 1 + 17 and time.monotonic() < until_s:
            time.sleep(0.01)
        server.shutdown()
        target.close()
    assert heard["/vp3d/frame"][2] == 2
    assert heard["/vp3d/person/4/root"] == pytest.approx((1, 0.5, 4))
    assert person.joints is not None
    for name, place in zip(H36M.joints, person.joints, strict=True):
        np.testing.assert_allclose(heard[f"/vp3d/person/4/joint/{name}"], place, atol=1e-4)
    assert not [address for address in heard if "/person/5" in address]


def test_all_outputs_get_all_messages_and_losses_are_told(listener: socket.socket) -> None:
    reading, writing = os.pipe()
    lines, datagrams = Lines(writing), Datagrams(*listener.getsockname())
    with Outputs([lines, datagrams]) as outputs:
        outputs.send(OPENING)
        assert json.loads(listener.recv(1 << 16)) == json.loads(json.dumps(OPENING))
        assert outputs.losses() == []
        lines.num_lost = 3
        assert outputs.losses() == ["3 lost by JSON lines"]
    assert json.loads(os.read(reading, 1 << 16)) == json.loads(json.dumps(OPENING))
    os.close(reading)
    os.close(writing)


def test_a_tally_tells_rates_shares_and_percentiles() -> None:
    tally = Tally(0.0)
    assert tally.whole().frames == 0
    for number in range(101):
        tally.add(100 + 2 * number, 50 + number / 10, float(number), people=number % 3)
    whole = tally.whole()
    assert (whole.frames, whole.people) == (101, 2)
    assert whole.lasted_s == pytest.approx(10)
    assert (whole.p50_ms, whole.p95_ms) == pytest.approx((50, 95))
    assert whole.dropped == pytest.approx(0.5, abs=0.01)
    assert "50 ms (95 %: 95 ms), 49.8 % dropped" in str(whole)


def test_a_tally_says_what_is_now_and_forgets_what_was() -> None:
    tally = Tally(1333.0)
    for number in range(100_000):
        tally.add(number, number / 30, 500.0 if number < 90_000 else 20.0, people=1)
    now = tally.now()
    assert now.p95_ms == 20
    assert now.dropped == 0
    assert "1 person, 30.0 frames/s, latency 20 ms (95 %: 20 ms) + 1333 ms" in str(now)
    assert len(tally._latencies_ms) == 20_000
