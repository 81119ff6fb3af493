"""The benchmark suite runs, and measures what it says; nothing is timed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bench.suite import cases, clips, process, table
from tests.bench.suite.process import Run
from vp3d_cli.results import load_result
from vp3d_cli.video import VideoReader

CLIP_S = 0.2


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> cases.Workshop:
    return cases.Workshop(tmp_path_factory.mktemp("bench"), CLIP_S, quick=True)


@pytest.mark.parametrize("people", [None, 1, 3, 6])
def test_clips_have_their_size_and_length(people: int | None, tmp_path: Path) -> None:
    clip = clips.Clip("720p", people, 0.3)
    with VideoReader(clips.make(clip, tmp_path)) as reader:
        frames = list(reader)
    assert [frame.image.shape for frame in frames] == [(720, 1280, 3)] * clip.num_frames
    assert frames[-1].time_s == pytest.approx((clip.num_frames - 1) / clips.FPS, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("people", [1, 2, 3, 4, 5, 6])
def test_clips_show_as_many_people_as_they_say(people: int, tmp_path: Path) -> None:
    clip = clips.make(clips.Clip("720p", people, 1), tmp_path)
    out = tmp_path / "pose.npz"
    process.run([*cases.VP3D, "infer", clip, "-q", "-o", out])
    counts = np.bincount(np.concatenate([t.frames for t in load_result(out).tracks2d]))
    assert np.median(counts) == people


def test_every_part_has_cases(shop: cases.Workshop) -> None:
    for name, part in cases.PARTS.items():
        found = list(part(shop))
        assert found
        assert {case.part for case in found} == {name}


def test_every_stage_runs_on_a_tiny_clip(shop: cases.Workshop) -> None:
    """In one process: that of a case is the same, but for loading the networks each time."""
    from tests.bench.suite import work
    from vp3d_cli.options import Options

    clip = shop.clip(None)
    files = work.Files(*shop.found(clip))
    shop.make_all()
    for stage in work.STAGES.values():
        stage(files, Options(), clip.num_frames)()


def test_a_run_says_what_it_took(tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text("import time; held = b'1' * 99_000_000; time.sleep(0.5)")
    program = tmp_path / "program.py"
    program.write_text(f"""
import subprocess, sys
held = b"1" * 50_000_000
subprocess.run([sys.executable, {str(child)!r}])
print('hello\\n{{"work_s": 0.25, "cpu_s": 0.5}}')
""")
    run = process.run([sys.executable, program])
    assert (run.work_s, run.cpu_s) == (0.25, 0.5)
    assert run.wall_s > 0.5
    if sys.platform == "linux":
        assert 99 < run.largest_mb < 150 < run.together_mb


def test_what_fails_says_why() -> None:
    with pytest.raises(process.CommandError, match="it is no use"):
        process.run([sys.executable, "-c", "raise SystemExit('it is no use')"])


def test_ratios_leave_loading_out() -> None:
    clip, one = clips.Clip("720p", 1, 1), clips.Clip("720p", None, 0)
    taken = {
        ("`vp3d infer`", clip): 5.0, ("`vp3d infer`", one): 2.0, ("detect", clip): 2.0,
        ("plain", clip): 6.0, ("MediaPipe, complexity 1", clip): 1.5,
        **{(stage, clip): 0.5 for stage in cases.SUMMED if stage != "detect"},
    }  # fmt: skip
    measured = {
        cases.Case("ratios", name, where, where.num_frames, ()): [Run(s, s, 2 * s, 1, 1)] * 3
        for (name, where), s in taken.items()
    }
    found = {row["to"]: row["ratio"] for row in table.ratios(measured)}
    assert [row["cpu_ratio"] for row in table.ratios(measured)] == list(found.values())
    assert found == {
        "the plain sum of the stages": 0.75,
        "the detector alone": 1.5,
        "the plain version, one core": 0.5,
        "MediaPipe, complexity 1": 2.0,
    }


def test_one_command_writes_a_table_and_a_file(tmp_path: Path) -> None:
    program = """
import sys
from tests.bench import __main__ as bench
from tests.bench.suite.cases import PARTS
whole = PARTS["startup"]
PARTS["startup"] = lambda shop: list(whole(shop))[:2]  # the others take seconds
sys.argv[1:] = ["--out", "bench.json", "--only", "startup", "--quick"]
bench.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=True, cwd=tmp_path,
        env={"PYTHONPATH": str(process.ROOT), "PATH": ""},
    )  # fmt: skip
    told = json.loads((tmp_path / "bench.json").read_text())
    assert [row["what"] for row in told["rows"]] == ["`vp3d --help`", "`vp3d export`"]
    assert told["machine"]["cores"] >= 1
    assert "| `vp3d --help` |" in done.stdout
