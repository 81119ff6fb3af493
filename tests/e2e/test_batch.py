"""`vp3d batch`: whole runs, with real networks once, and with light ones where things go wrong."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.batch_light import Light, is_alive, wait_for, workers
from tests.e2e.conftest import DEMO, Ran
from vp3d_cli.options import Options
from vp3d_cli.pipeline import Models, detect_video, splitting
from vp3d_cli.video import VideoWriter, ffmpeg_path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups")

Run = Callable[..., Ran]


@pytest.fixture
def light(tmp_path: Path) -> Light:
    return Light(tmp_path)


@pytest.fixture(autouse=True)
def _no_worker_outlives_its_batch(tmp_path: Path) -> Iterator[None]:
    yield
    wait_for(lambda: not workers(tmp_path), 10)


ODD_NAMES = ("concat:d|e.mp4", "-ü 'b' \"c\".mov")


def test_a_batch_writes_what_infer_writes(vp3d: Run, tmp_path: Path) -> None:
    for name in ODD_NAMES:
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copyfile(DEMO, tmp_path / "in" / name)
    (tmp_path / "in" / "bad.mp4").write_text("no video")
    options = ("--json", "--end", "0.2")
    ran = vp3d("batch", "in", "-o", "out", "--workers", "2", *options)
    assert ran.code == 3, ran.err
    assert "detector movenet (auto" in ran.err
    assert "2 done, 0 done before, 1 failed" in ran.err
    assert ran.out.strip() == str(tmp_path / "out" / "report.json")
    assert vp3d("infer", f"in/{ODD_NAMES[1]}", "-o", "one.npz", *options).code == 0
    stem = Path(ODD_NAMES[1]).stem
    assert Path("one.npz").read_bytes() == Path(f"out/{stem}.npz").read_bytes()
    assert Path("one.json").read_bytes() == Path(f"out/{stem}.json").read_bytes()


@pytest.mark.parametrize(
    ("real", "options"),
    [
        (False, Options(detect_every=7)),
        (True, Options(end_s=2.6)),
        (True, Options(end_s=2.6, quality="fast")),
    ],
)
def test_parts_of_a_real_video_equal_the_whole(real: bool, options: Options) -> None:
    from tests.batch_worker import fake_models

    models = Models.load(options) if real else fake_models(options)
    spans = splitting.spans_of(DEMO, options, 0.9 if real else 1.7)
    assert len(spans) == 3
    parts = [splitting.detect_span(DEMO, options, span, models) for span in spans]
    joined, whole = splitting.joined(parts, options), detect_video(DEMO, options, models=models)
    assert joined is not None
    for name in ("frames", "frames_read", "times_s", "looked_at"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    np.testing.assert_array_equal(joined.people.keypoints, whole.people.keypoints)
    assert (joined.num_frames, joined.provenance) == (whole.num_frames, whole.provenance)


def test_whatever_becomes_of_a_worker_the_rest_goes_on(light: Light) -> None:
    light.clips("a.mp4", "b.mp4", "hang.mp4", "killed.mp4", "killed-once.mp4", "memory.mp4")
    ran = light.run("--workers", 2, "--stall-timeout", 3)
    rows = light.rows()
    assert {name: row["state"] for name, row in rows.items()} == {
        "a.mp4": "done", "b.mp4": "done", "hang.mp4": "failed", "killed.mp4": "failed",
        "killed-once.mp4": "done", "memory.mp4": "failed",
    }  # fmt: skip
    assert ran.code == 1
    assert "no progress for 3 s" in rows["hang.mp4"]["reason"]
    assert "SIGKILL" in rows["killed.mp4"]["reason"]
    assert "memory" in rows["memory.mp4"]["reason"]
    assert rows["killed-once.mp4"]["tries"] == rows["killed.mp4"]["tries"] == 2
    assert not is_alive(int(Path(f"{light.log}.hang").read_text()))
    assert light.in_the_making() == []
    assert "3 done, 0 done before, 3 failed" in ran.err


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, 6))]
)
def test_a_batch_that_is_killed_goes_on_where_it_was(light: Light, seed: int) -> None:
    names = [f"slow-{i}.mp4" for i in range(8)]
    light.clips(*names)
    chance = random.Random(seed)
    light.run(out="undisturbed")
    light.log.unlink()
    for _ in range(2):
        with light.start("--workers", 2, start_new_session=True) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3 + chance.uniform(0, 1.5))
            if chance.random() < 0.5:
                for pid in workers(light.folder):
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
            process.kill()
    ran = light.run("--workers", 2)
    assert ran.code == 0, ran.err
    assert {row["state"] for row in light.rows().values()} <= {"done", "kept"}
    assert light.files() == light.files("undisturbed")
    assert light.in_the_making() == []
    found = Counter(
        line.split(":")[0] for line in light.log.read_text().splitlines() if "lift" in line
    )
    assert set(found) <= {Path(name).stem for name in names}
    assert max(found.values()) == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
)
def test_a_batch_that_is_ended_leaves_nothing_half_done(
    light: Light, number: int, code: int
) -> None:
    light.clips(*(f"slow-{i}.mp4" for i in range(9)))
    with light.start(
        "--workers", 2, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    ) as process:
        wait_for(lambda: light.log.exists())
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert "not done" in err
    assert light.in_the_making() == []
    assert {row["state"] for row in light.rows().values()} <= {"done", "not done"}
    dry = light.run("--dry-run")
    left = [name for name, row in light.rows().items() if row["state"] == "not done"]
    assert sorted(dry.out.split()) == sorted(f"in/{name}" for name in left)
    assert light.run().code == 0
    assert len(light.files()) == 9


def test_two_batches_do_not_share_a_folder(light: Light) -> None:
    light.clips(*(f"slow-{i}.mp4" for i in range(9)))
    with light.start() as first:
        wait_for(lambda: (light.folder / "out/.vp3d/holder.json").exists())
        second = light.run()
        assert second.code == 7
        assert f"process {first.pid} on" in second.err
        assert first.wait(60) == 0


@pytest.mark.parametrize("limit", [2000])
def test_a_disk_that_takes_no_more(light: Light, limit: int) -> None:
    light.clips("a.mp4", "b.mp4", "c.mp4", frames=60)
    ran = light.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert ran.code == 7, ran.err
    assert light.files() == {}
    again = light.run()
    assert again.code == 0, again.err
    assert len(light.files()) == 3


def test_places_that_cannot_be_written(light: Light) -> None:
    light.clips("a.mp4", "sub/b.mp4", "c.mp4")
    (light.folder / "out").mkdir()
    (light.folder / "out" / "sub").write_text("a file where a folder is needed")
    assert light.run("--json").code == 7
    ran = light.run("--json", "--dry-run")
    assert "1 to do, 2 done before" in ran.err
    assert {name: row["state"] for name, row in light.rows().items()} == {
        "a.mp4": "done", "b.mp4": "failed", "c.mp4": "done",
    }  # fmt: skip
    (light.folder / "file").write_text("")
    assert light.run(out="file").code == 2
    assert light.run(out="file/out").code == 7


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_may_not_be_written(light: Light) -> None:
    light.clips("a.mp4")
    (light.folder / "out").mkdir(mode=0o555)
    ran = light.run()
    assert ran.code == 7
    assert "Permission denied" in ran.err


def test_a_hanging_ffmpeg_is_ended_with_its_worker(light: Light) -> None:
    (light.folder / "in").mkdir()
    with VideoWriter(light.folder / "in" / "a.mp4", 96, 64, Fraction(10)) as writer:
        for _ in range(5):
            writer.write(np.full((64, 96, 3), 90, np.uint8))
    fake = light.folder / "bin" / "ffmpeg"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\n[ "$1" = -version ] && exec "{ffmpeg_path()}" -version\n'
        f'echo $$ > "{light.folder}/pid"\nexec sleep 600\n'
    )
    fake.chmod(0o755)
    path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    ran = light.run("--stall-timeout", 2, env={"PATH": path, "VP3D_TEST_REAL_VIDEOS": "1"})
    assert ran.code == 1, ran.err
    assert "no progress for 2 s" in ran.err
    assert not is_alive(int((light.folder / "pid").read_text()))


def test_workers_that_cannot_start(light: Light) -> None:
    light.clips("a.mp4")
    ran = light.run(env={"VP3D_TEST_STILLBORN": "1"})
    assert ran.code == 5
    assert "no room for a model" in ran.err
    assert light.rows()["a.mp4"]["state"] == "not done"


def test_wrong_usage(vp3d: Run) -> None:
    Path("in").mkdir()
    for args in (
        (), ("in",), ("in", "--workers", "0"), ("in", "--device", "cuda:0,cpu"),
        ("in", "--split-minutes", "1", "--start", "1", "--quality", "fast"),
        ("in", "--shuffle", "x"),
    ):  # fmt: skip
        assert vp3d("batch", *args, "-o", "out").code == 2
    assert vp3d("batch", "nowhere", "-o", "out").code == 6
    assert not Path("out").exists()
