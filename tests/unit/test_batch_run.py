"""Handing out a plan: what is redone, tried again, given up; with work done in this process."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import batch_worker
from tests.batch_worker import write_clip
from vp3d_cli import export
from vp3d_cli.batch import Layout, Report, Setup, Wishes, locked, make_plan, run
from vp3d_cli.batch.record import Keys, Record, Seen
from vp3d_cli.batch.values import Answered, Event, Failed, Job, Lost
from vp3d_cli.errors import OptionsError
from vp3d_cli.options import Options
from vp3d_cli.pipeline import detect_video, splitting
from vp3d_cli.types import Json, Result

Fault = Callable[[Job, int], Event | None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three videos of different content."""
    batch_worker.pretend(monkeypatch.setattr)
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "c.mp4", "sub/b.mp4"):
        write_clip(Path("in", name), 23, name)
    return tmp_path


class Here:
    """One worker at a time, in this process; `fault` may decide what becomes of a job."""

    def __init__(self, setup: Setup, fault: Fault | None = None) -> None:
        self._setup, self._fault = setup, fault
        self._loaded = batch_worker.fake_models(setup.options)
        self._waiting: deque[Job] = deque()
        self.jobs: list[Job] = []

    def models(self) -> Json:
        return self._loaded.describe()

    @property
    def has_room(self) -> bool:
        return not self._waiting

    def begin(self, job: Job) -> None:
        self.jobs.append(job)
        self._waiting.append(job)

    def events(self, patience_s: float) -> list[Event]:
        job = self._waiting.popleft()
        event = self._fault and self._fault(job, self.jobs.count(job))
        if event:
            return [event]
        answer = batch_worker.do(job, self._setup, self._loaded, lambda *_: None)
        return [Answered(job, answer)]


class Nobody:
    """Watches, and keeps what ended."""

    def __init__(self) -> None:
        self.ended_: list[Any] = []

    def planned(self, *_: Any) -> None: ...
    def moved(self, *_: Any) -> None: ...
    def said(self, *_: Any) -> None: ...
    def ticked(self) -> None: ...
    def ended(self, entry: Any) -> None:
        self.ended_.append(entry)


def _run(
    *, fault: Fault | None = None, wishes: Wishes | None = None, **changes: Any
) -> dict[str, Any]:
    """Run in/ to out/; the entries by name, the report, and the jobs."""
    options = {k: changes.pop(k) for k in list(changes) if k in Options.__dataclass_fields__}
    setup = Setup(Options(**options), Path.cwd() / "out", **changes)
    Layout(setup.root).make()
    workers = Here(setup, fault)
    report = Report.of(make_plan(["in"], (), setup.root))
    run(report, setup, workers, wishes or Wishes(), Nobody())
    told: dict[str, Any] = {entry.task.name: entry for entry in report.entries}
    return told | {"report": report, "jobs": workers.jobs}


def _states(told: dict[str, Any]) -> str:
    return " ".join(told[name].state for name in ("a", "c", "sub/b"))


def _files() -> dict[str, bytes]:
    out = Path("out")
    return {
        p.relative_to(out).as_posix(): p.read_bytes()
        for p in sorted(out.rglob("*"))
        if p.is_file() and ".vp3d" not in p.parts
    }


def test_only_what_options_touch_is_redone(folder: Path) -> None:
    told = _run()
    assert [told[n].stages for n in ("a", "c", "sub/b")] == [("detect", "lift")] * 3
    again = _run()
    assert _states(again) == "kept kept kept"
    assert again["jobs"] == []
    assert _run(as_json=True)["a"].stages == ("write",)
    before = _files()
    assert _run(as_json=True, render=True)["a"].stages == ("render",)
    assert {k: v for k, v in _files().items() if "overlay" not in k} == before
    assert _run(lifter="other", as_json=True, render=True)["a"].stages == ("lift", "render")
    assert _run(person="largest")["a"].stages == ("lift",)
    assert _run(detect_every=2)["a"].stages == ("detect", "lift")
    assert _run()["a"].stages == ("lift",)  # what was detected before is kept
    assert _states(_run(device="cuda:1")) == "done done done"
    assert _states(_run(device="cuda:0")) == "kept kept kept"  # one GPU is as good as another


def test_a_result_that_was_changed_or_is_gone_is_made_again(folder: Path) -> None:
    _run()
    before = _files()
    Path("out/a.npz").write_bytes(b"spoilt")
    Path("out/c.npz").unlink()
    os.utime("out/sub/b.npz", ns=(1, 1))  # touched, but the same
    told = _run()
    assert [told[n].stages for n in ("a", "c", "sub/b")] == [("lift",), ("lift",), ()]
    assert _files() == before
    assert _states(_run()) == "kept kept kept"


def test_videos_are_known_by_their_content(folder: Path) -> None:
    _run()
    os.utime("in/a.mp4", ns=(5, 5))  # whatever the clock says
    Path("in/sub/b.mp4").rename("in/sub/moved.mp4")
    write_clip(Path("in/c.mp4"), 23, "new")
    told = _run()
    assert told["a"].stages == ()
    assert told["sub/moved"].stages == ("lift",)  # its name stands in the result
    assert told["c"].stages == ("detect", "lift")
    meta = json.loads(str(np.load("out/sub/moved.npz")["meta"]))
    assert meta["source"]["name"] == meta["video"]["name"] == "moved.mp4"


def test_damaged_state_is_made_anew(folder: Path) -> None:
    _run()
    before = _files()
    for path in Path("out/.vp3d/keypoints").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    for path in Path("out/.vp3d/records").iterdir():
        path.write_text('{"schema": "vp3d.batch/2", "source": 7}')
    told = _run()
    assert [told[n].stages for n in ("a", "c", "sub/b")] == [("detect", "lift")] * 3
    assert _files() == before


def test_failures_are_kept_and_tried_again_when_asked_or_when_anything_changed(
    folder: Path,
) -> None:
    Path("in/bad.mp4").write_bytes(b"no video")
    Path("in/empty.mp4").touch()
    told = _run()
    assert told["report"].exit_code == 3
    assert told["bad"].state == told["empty"].state == "failed"
    assert _states(told) == "done done done"
    again = _run()
    assert again["bad"].state == "failed before"
    assert again["bad"].reason == told["bad"].reason
    assert again["report"].exit_code == 3
    assert again["jobs"] == []
    assert _run(wishes=Wishes(retry_failed=True))["bad"].state == "failed"
    assert _run(end_s=2.0)["bad"].state == "failed"
    Path("in/bad.mp4").write_bytes(Path("in/a.mp4").read_bytes())
    assert _run()["bad"].state == "done"


def test_the_exit_code_is_that_of_the_first_failure_in_the_plan(folder: Path) -> None:
    def fault(job: Job, _: int) -> Event | None:
        codes = {"a": 0, "c": 6, "sub/b": 3}
        code = codes[job.task.name]
        return Answered(job, Failed("so", code)) if code else None

    assert _run(fault=fault, wishes=Wishes(shuffle=1))["report"].exit_code == 6


def test_a_lost_worker_is_replaced_once_and_then_the_video_is_given_up(folder: Path) -> None:
    def fault(job: Job, times: int) -> Event | None:
        if job.task.name == "a" and times == 1:
            return Lost(job, "ended by SIGKILL")
        if job.task.name == "sub/b":  # it had read the video by then
            Record(Seen.of(job.task.source)).save(Layout(Path.cwd() / "out"), job.task)
            return Lost(job, "ended by SIGSEGV")
        return None

    told = _run(fault=fault)
    assert _states(told) == "done done failed"
    assert told["a"].tries == 2
    assert told["sub/b"].reason == "ended by SIGSEGV; it was tried 2 times"
    assert _run()["sub/b"].state == "failed before"


def test_a_stalled_video_is_not_tried_again(folder: Path) -> None:
    def fault(job: Job, _: int) -> Event | None:
        return Lost(job, "made no progress", stalled=True) if job.task.name == "c" else None

    told = _run(fault=fault)
    assert _states(told) == "done failed done"
    assert len(told["jobs"]) == 3


def test_a_job_that_did_not_begin_is_not_counted(folder: Path) -> None:
    def fault(job: Job, times: int) -> Event | None:
        return Lost(job, "", began=False) if times < 5 else None

    assert _states(_run(fault=fault)) == "done done done"


def test_a_full_disk_ends_the_batch_and_nothing_is_forgotten(folder: Path) -> None:
    def fault(job: Job, _: int) -> Event | None:
        if job.task.name == "a":
            return None
        return Answered(job, Failed("the disk is full", 7, lasting=False, disk_full=True))

    told = _run(fault=fault)
    assert _states(told) == "done failed waiting"
    assert told["report"].stopped == ("the disk is full", 7)
    assert told["report"].exit_code == 7
    assert _states(_run()) == "kept done done"


def test_a_folder_that_is_gone_ends_the_batch_and_is_not_made_anew(folder: Path) -> None:
    def fault(job: Job, _: int) -> Event | None:
        if job.task.name == "c":
            Path("out").rename("gone")
        return None

    told = _run(fault=fault)
    assert _states(told) == "done failed waiting"
    assert told["report"].exit_code == 7
    assert not Path("out").exists()
    Path("gone").rename("out")
    assert _states(_run()) == "kept done done"


def test_limit_and_shuffle(folder: Path) -> None:
    told = _run(wishes=Wishes(limit=1))
    assert _states(told) == "done waiting waiting"
    assert told["report"].exit_code == 0
    ran = [_run(end_s=1.0 + seed, wishes=Wishes(shuffle=seed)) for seed in range(4)]
    assert len({tuple(job.task.name for job in told["jobs"]) for told in ran}) > 1
    assert _states(_run(person="9", wishes=Wishes(dry=True))) == "waiting waiting waiting"


@pytest.mark.parametrize("name", ["memory", "full"])
def test_what_a_detector_raises_fails_that_video_alone(folder: Path, name: str) -> None:
    write_clip(Path(f"in/{name}.mp4"), 23, name)
    told = _run()
    assert told[name].state == "failed"
    assert told[name].exit_code == {"memory": 1, "full": 7}[name]
    assert {"memory": "not enough memory", "full": "is full"}[name] in told[name].reason
    assert told["a"].state == "done"


def test_a_video_that_changes_meanwhile_fails_and_is_done_the_next_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detect = batch_worker.Brightest.detect

    def replaced(self: Any, frame: Any) -> Any:
        if frame.index == 3 and self.fault == "c":
            write_clip(Path("in/new.mp4"), 23, "new")
            Path("in/new.mp4").replace("in/c.mp4")
        if frame.index == 3 and self.fault == "a":
            Path("in/a.mp4").unlink()
        return detect(self, frame)

    content = Path("in/a.mp4").read_bytes()
    Path("in/z.mp4").write_bytes(content)
    monkeypatch.setattr(batch_worker.Brightest, "detect", replaced)
    told = _run()
    assert "removed while it was being read" in told["a"].reason
    monkeypatch.setattr(batch_worker.Brightest, "detect", detect)
    assert told["report"].exit_code == 3
    Path("in/a.mp4").write_bytes(content)
    assert _states(_run()) == "done done kept"
    assert not [p for p in _files() if "npz" in p and p.startswith("new")]


def test_links_in_the_output_folder_lead_nowhere_else(folder: Path) -> None:
    Path("elsewhere").mkdir()
    Path("out").mkdir()
    Path("out/sub").symlink_to(Path("elsewhere").resolve())
    told = _run()
    assert _states(told) == "done done failed"
    assert "lies outside" in told["sub/b"].reason
    assert list(Path("elsewhere").iterdir()) == []


@pytest.mark.parametrize("changes", [{}, {"detect_every": 4}, {"start_s": 0.35, "end_s": 2.0}])
def test_a_split_video_equals_the_whole_one(folder: Path, changes: Json) -> None:
    _run(**changes)
    before = _files()
    Path("out").rename("whole")
    told = _run(span_s=0.5, **changes)
    spans = [job.span for job in told["jobs"] if job.span and job.task.name == "a"]
    assert len(spans) >= 4
    assert told["a"].stages == ("detect", "join", "lift")
    assert _files() == before
    assert not list(Path("out/.vp3d/keypoints").glob("*part*"))


def test_a_split_video_that_ends_early_equals_the_whole_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = splitting.probe

    def promising(path: Path) -> Any:
        return dataclasses.replace(real(path), duration_s=9.0)

    _run(detect_every=4)
    before = _files()
    Path("out").rename("whole")
    monkeypatch.setattr(splitting, "probe", promising)
    told = _run(detect_every=4, span_s=1.0)
    assert len([job for job in told["jobs"] if job.task.name == "a"]) == 11
    assert _files() == before


def test_parts_that_leave_frames_out_do_not_make_a_whole(folder: Path) -> None:
    options = Options()
    models = batch_worker.fake_models(options)
    spans = splitting.spans_of(Path("in/a.mp4"), options, 1.0)
    parts = [splitting.detect_span(Path("in/a.mp4"), options, s, models) for s in spans]
    whole = detect_video("in/a.mp4", options, models=models)
    joined = splitting.joined(parts, options)
    assert joined is not None
    assert joined.provenance == whole.provenance
    assert (joined.num_frames, joined.looked_at) == (whole.num_frames, whole.looked_at)
    assert splitting.joined([parts[0], None, parts[2]], options) is None
    assert splitting.joined([parts[0], parts[2]], options) is None


def test_parts_found_before_an_interruption_are_not_found_again(folder: Path) -> None:
    def fault(job: Job, _: int) -> Event | None:
        if job.span and job.span.number == 3:
            raise KeyboardInterrupt
        return None

    with pytest.raises(KeyboardInterrupt):
        _run(span_s=0.5, fault=fault)
    told = _run(span_s=0.5)
    assert 0 < told["a"].detected < told["a"].frames


def test_a_part_that_fails_fails_the_video(folder: Path) -> None:
    def fault(job: Job, _: int) -> Event | None:
        if job.task.name == "a" and job.span and job.span.number == 1:
            return Answered(job, Failed("broken", 3))
        return None

    told = _run(span_s=0.5, fault=fault)
    assert _states(told) == "failed done done"
    assert _run(span_s=0.5)["a"].state == "failed before"


def test_what_cannot_be_split_exactly_is_refused() -> None:
    splitting.require_splittable(Options(detect_every=3))
    for options in (Options(quality="fast", start_s=1.0), Options(detect_every=3, start_s=1.0)):
        with pytest.raises(OptionsError, match="split"):
            splitting.require_splittable(options)


def test_what_a_killed_batch_left_in_the_making_is_removed(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "out")
    layout.make()
    (layout.scratch / "123-abc").mkdir()
    (layout.scratch / "123-abc" / "half.npz").touch()
    with locked(layout):
        assert list(layout.scratch.iterdir()) == []


def test_keys_tell_apart_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    models: Json = {"detector": {"name": "x", "weights": "1"}, "lifter": {"name": "y"}}

    def keys(sha256: str = "1", name: str = "a.mp4", models: Json = models, **o: Any) -> Keys:
        return Keys.of(sha256, name, Setup(Options(**o), Path("/out")), models)

    base = keys()
    for other in (keys(lifter="z"), keys(person="1"), keys(name="b.mp4"),
                  keys(models=models | {"lifter": {"name": "z"}})):  # fmt: skip
        assert other.detect == base.detect
        assert other.poses != base.poses
    for other in (keys("2"), keys(detect_every=2), keys(end_s=1.0), keys(device="cuda"),
                  keys(models=models | {"detector": {"name": "x", "weights": "2"}})):  # fmt: skip
        assert other.detect != base.detect
        assert other.poses != base.poses
    for name, touches in (("POSE_REVISION", 1), ("__version__", 1), ("DETECTION_REVISION", 2)):
        monkeypatch.setattr(f"vp3d_cli.batch.record.{name}", "another")
        now = keys()
        assert [now.poses != base.poses, now.detect != base.detect] == [True, touches == 2]
        base = now


def test_report_names_all_videos_and_no_spreadsheet_runs_them(folder: Path) -> None:
    Path("in/=1+1.mp4").write_bytes(b"no")
    told = _run(wishes=Wishes(limit=2))
    report: Report = told["report"]
    report.write(Path("out"))
    rows = json.loads(Path("out/report.json").read_text())["videos"]
    assert [row["state"] for row in rows] == ["failed", "done", "not done", "not done"]
    report.entries[0].task = dataclasses.replace(report.entries[0].task, source=Path("=1+1.mp4"))
    report.write(Path("out"))
    assert "\n'=1+1.mp4,failed" in Path("out/report.csv").read_text()


def test_a_record_survives_and_a_damaged_one_is_none(folder: Path) -> None:
    _run()
    layout, (task, *_) = Layout(Path.cwd() / "out"), make_plan(["in"], (), Path("out"))
    record = Record.load(layout, task)
    assert record is not None
    assert record.frames == 23
    record.save(layout, task)
    assert Record.load(layout, task) == record
    newer = layout.record("a").read_text().replace("vp3d.batch/2", "vp3d.batch/3")
    for text in (newer, "", "[]", "{}", '{"schema": "vp3d.batch/2", "name": "a", "failure": 3}'):
        layout.record("a").write_text(text)
        assert Record.load(layout, task) is None


def test_other_formats_are_products_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One may make a file for each person; that of somebody who is not there any more goes."""
    people = [1, 2]

    def write(result: Result, name: str, path: Path) -> list[Path]:
        made = [path.with_name(f"{path.stem}.person{i}{path.suffix}") for i in people]
        for file in made:
            file.write_text(name)
        return made

    real = export.write
    monkeypatch.setattr(
        export, "write", lambda *a, **k: write(*a) if a[1] == "trc" else real(*a, **k)
    )
    told = _run(formats=("trc", "csv"))
    assert told["a"].outputs == ("a.npz", "a.person1.trc", "a.person2.trc", "a.csv")
    assert {"a.person1.trc", "a.person2.trc", "a.csv"} <= _files().keys()
    assert _states(_run(formats=("trc", "csv"))) == "kept kept kept"
    Path("out/a.person2.trc").unlink()
    again = _run(formats=("trc", "csv"))
    assert (again["a"].state, again["a"].stages, again["c"].state) == ("done", ("write",), "kept")
    people.pop()
    changed = _run(formats=("trc", "csv"), smooth_hz=3.0)
    assert changed["a"].outputs == ("a.npz", "a.person1.trc", "a.csv")
    assert "a.person2.trc" not in _files()


def test_files_of_other_options_that_stay_are_named(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _run(formats=("csv",))
    caplog.clear()
    _run(person="largest")
    assert "a.csv: of other options" in caplog.text
    assert "a.csv" in _files()
    caplog.clear()
    _run(person="largest", formats=("csv",))
    assert "of other options" not in caplog.text
