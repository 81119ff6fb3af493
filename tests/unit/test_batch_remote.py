"""An output folder behind a URL: what is done stands, what is spoilt is made again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from tests import batch_worker
from tests.batch_worker import write_clip
from tests.unit.test_batch_run import Here, Nobody
from vp3d_cli.batch import Report, Setup, Wishes, make_plan, opened, run
from vp3d_cli.batch.record import Record, Seen
from vp3d_cli.errors import BackendUnavailableError, DiskFullError, OptionsError, OutputError
from vp3d_cli.options import Options


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    batch_worker.pretend(monkeypatch.setattr)
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "sub/b [1] #ü*.mp4"):
        write_clip(Path("in", name), 23, name)
    return tmp_path


@pytest.fixture(autouse=True)
def _nothing_is_left_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield
    assert list((tmp_path / "tmp").iterdir()) == []


def _run(root: Path | str, **changes: Any) -> dict[str, Any]:
    options = {k: changes.pop(k) for k in list(changes) if k in Options.__dataclass_fields__}
    setup = Setup(Options(**options), root, **changes)
    with opened(root) as layout:
        layout.make()
    report = Report.of(make_plan(["in"], (), Path("nowhere")))
    run(report, setup, Here(setup), Wishes(), Nobody())
    return {Path(entry.task.name).name[0]: entry for entry in report.entries}


def _files(top: Path) -> dict[str, bytes]:
    return {
        p.relative_to(top).as_posix(): p.read_bytes()
        for p in top.rglob("*")
        if p.is_file() and ".vp3d" not in p.parts
    }


def test_a_url_gets_what_a_folder_gets_and_goes_on_the_same(folder: Path) -> None:
    url = f"file://{folder}/there"
    for _ in range(2):
        _run(Path("here").absolute(), as_json=True, span_s=0.5)
        told = _run(url, as_json=True, span_s=0.5)
        assert _files(folder / "there") == _files(folder / "here")
    assert {entry.state for entry in told.values()} == {"kept"}
    assert not list(Path("there/.vp3d/keypoints").glob("*part*"))
    assert list(Path("there/.vp3d/scratch").iterdir()) == []
    assert _run(url, as_json=True, render=True)["a"].stages == ("render",)
    assert _run(url, person="largest")["b"].stages == ("lift",)


def test_what_was_spoilt_there_is_made_again(folder: Path) -> None:
    url = f"file://{folder}/there"
    _run(url)
    before = _files(folder / "there")
    Path("there/a.npz").write_bytes(b"spoilt")
    next(Path("there/sub").iterdir()).unlink()
    told = _run(url)
    assert [told[name].stages for name in "ab"] == [("lift",), ("lift",)]
    os.utime("there/a.npz", ns=(1, 1))  # touched, but the same
    told = _run(url)
    assert (told["a"].stages, told["a"].state, told["b"].state) == ((), "done", "kept")
    assert _run(url)["a"].state == "kept"
    assert _files(folder / "there") == before


def test_failures_are_kept_there(folder: Path) -> None:
    url = f"file://{folder}/there"
    Path("in/x.mp4").write_bytes(b"no video")
    assert _run(url)["x"].state == "failed"
    assert _run(url)["x"].state == "failed before"


def test_a_file_appears_whole_or_not_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"file://{folder}/there"
    told = _run(url)["a"]

    def broken(self: Any, source: str, target: str, **_: Any) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:10])
        raise OSError(28, "No space left on device")

    before = {p: p.read_bytes() for p in Path("there").rglob("*") if p.is_file()}
    with monkeypatch.context() as patch, opened(url) as layout:
        patch.setattr(LocalFileSystem, "put_file", broken)
        layout.make_folders()
        with pytest.raises(DiskFullError, match=r"there/.vp3d/records/.*: cannot be written"):
            Record(Seen.of(told.task.source)).save(layout, told.task)
    assert before == {p: p.read_bytes() for p in Path("there").rglob("*") if p.is_file()}


def test_whatever_a_store_raises_is_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the line is cut")

    with opened(f"file://{folder}/there") as layout:
        monkeypatch.setattr(LocalFileSystem, "info", broken)
        with pytest.raises(OutputError, match=r"there/a.npz: cannot be looked at: the line is cut"):
            layout.looks(layout.product("a", "npz"))


def test_urls_that_cannot_work_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionsError, match="do not share"), opened("memory://x"):
        pass
    with pytest.raises(OptionsError, match="Protocol not known"), opened("nosuch://x/y"):
        pass

    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "url_to_fs", missing)
    with pytest.raises(BackendUnavailableError, match="s3://b/x: Install s3fs"), opened("s3://b/x"):
        pass
