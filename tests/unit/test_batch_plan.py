"""Which videos a batch finds, and what it calls their results."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from vp3d_cli.batch import make_plan
from vp3d_cli.batch.layout import SUFFIXES
from vp3d_cli.errors import DataError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"\0")


def _plan(*inputs: str, lists: tuple[Path, ...] = ()) -> dict[str, str]:
    return {task.name: str(task.source) for task in make_plan(inputs, lists, Path("out"))}


def test_a_folder_keeps_its_tree_and_only_what_may_be_a_video_is_taken() -> None:
    _touch(
        "in/a.mp4", "in/sub/b.MOV", "in/sub/deep/c.ts", "in/d.weird", "in/e",
        "in/.hidden.mp4", "in/.cache/f.mp4", "in/notes.txt", "in/picture.JPG", "in/sound.wav",
        "in/pose.npz",
    )  # fmt: skip
    Path("in/README").write_text("only text")
    assert _plan("in") == {
        "a": "in/a.mp4",
        "d": "in/d.weird",
        "e": "in/e",
        "sub/b": "in/sub/b.MOV",
        "sub/deep/c": "in/sub/deep/c.ts",
    }


def test_names_that_would_be_one_are_told_apart_whatever_the_order() -> None:
    _touch("in/a.mp4", "in/a.mov", "in/A.avi", "in/b.mp4", "in/c.mp4", "in/c.mp4.mov", "in/c.mov")
    plan = _plan("in")
    assert len({name.casefold() for name in plan}) == 7
    assert plan["a.mp4"] == "in/a.mp4"
    assert plan["a.mov"] == "in/a.mov"
    assert plan["A.avi"] == "in/A.avi"
    assert plan["b"] == "in/b.mp4"
    assert plan["c.mov"] == "in/c.mov"
    files = sorted(map(str, Path("in").iterdir()))
    assert _plan(*files) == _plan(*files[::-1])


def test_composed_and_decomposed_letters_are_one_name() -> None:
    _touch("in/\u00fc.mp4", "in/u\u0308.mov")
    assert set(_plan("in")) == {"\u00fc.mp4", "u\u0308.mov"}


def test_links_are_followed_once_and_loops_end() -> None:
    _touch("in/a/x.mp4", "elsewhere/y.mp4")
    Path("in/0_link").symlink_to(Path("in/a").resolve())
    Path("in/a/loop").symlink_to(Path("in").resolve())
    Path("in/other").symlink_to(Path("elsewhere").resolve())
    Path("in/gone.mp4").symlink_to("nowhere.mp4")
    Path("in/same.mp4").symlink_to("a/x.mp4")
    plan = _plan("in")
    assert plan.pop("gone") == "in/gone.mp4"  # to be reported, not to be forgotten
    assert plan == {"same": "in/same.mp4", "other/y": "in/other/y.mp4"}


def test_results_are_no_input(tmp_path: Path) -> None:
    _touch("in/a.mp4", "in/out/b.mp4", "in/c.overlay.mp4", "in/a.npz", "in/a.overlay.mp4")
    found = make_plan(["in"], (), Path("in/out"))
    assert [task.name for task in found] == ["a", "c.overlay"]
    assert [task.name for task in make_plan(["in/**/*.mp4"], (), Path("in/out"))][:1] == ["a"]
    found = make_plan(["in"], (), Path("in"))
    assert [task.name for task in found] == ["a", "c.overlay", "out/b"]


def test_patterns_lists_and_files_by_name(tmp_path: Path) -> None:
    _touch("in/a_front.mp4", "in/sub/b_front.mp4", "in/b_back.mp4", "other/notes.txt")
    assert set(_plan("in/**/*_front.mp4")) == {"a_front", "sub/b_front"}
    assert set(_plan(f"{tmp_path}/in/**/*_front.mp4")) == {"a_front", "sub/b_front"}
    Path("list.txt").write_text("in/a_front.mp4\r\n\nin/sub\n", encoding="utf-8")
    assert set(_plan(lists=(Path("list.txt"),))) == {"in/a_front", "b_front"}
    assert set(_plan(str(tmp_path / "in" / "b_back.mp4"))) == {"in/b_back"}
    assert set(_plan("other/notes.txt")) == {"other/notes"}  # whoever names it means it
    assert _plan("in", "in/a_front.mp4") == _plan("in")
    for nothing in ("nowhere", "in/*.avi"):
        with pytest.raises(DataError, match=r"no such file|no file fits"):
            _plan(nothing)


def test_names_never_leave_the_output_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch("a.mp4", "here/b.mp4")
    monkeypatch.chdir("here")
    names = set(_plan("../a.mp4", "./b.mp4", "../here/../a.mp4", "/../" + str(tmp_path) + "/a.mp4"))
    for name in names:
        assert ".." not in Path(name).parts
        assert not Path(name).is_absolute()
    assert names == {"a", "b"}


@pytest.mark.parametrize(
    "name",
    [
        "-x.mp4",
        "a b 'c' \"d\".mp4",
        "concat:a|b.mp4",
        "http:x.mp4",
        "日本語.mp4",
        "%04d.mp4",
        "~.mp4",
    ],
)
def test_odd_names(name: str) -> None:
    _touch(f"in/{name}")
    assert _plan("in") == {name.removesuffix(".mp4"): f"in/{name}"}


def test_a_name_that_is_no_text() -> None:
    Path("in").mkdir()
    Path(os.fsdecode(b"in/\xff.mp4")).write_bytes(b"\0")
    assert list(_plan("in")) == [os.fsdecode(b"\xff")]


def test_very_long_names_leave_room_for_suffixes() -> None:
    names = ["ü" * 120 + f"{i}.mp4" for i in range(2)] + ["x" * 251 + ".mp4"]
    _touch(*(f"in/{name}" for name in names))
    plan = _plan("in")
    assert len(plan) == 3
    for name in plan:
        for suffix in SUFFIXES.values():
            Path(name + suffix).touch()  # the file system takes it


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_files_are_planned_in_seconds(count: int) -> None:
    for i in range(count):
        if i % 100 == 0:
            Path(f"in/{i // 100}").mkdir(parents=True)
        Path(f"in/{i // 100}/{i}.mp4").touch()
    started = time.process_time()
    plan = make_plan(["in"], (), Path("out"))
    assert len(plan) == count
    assert time.process_time() - started < count / 2000
