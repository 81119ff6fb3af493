"""Whole files or none."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vp3d_cli import files
from vp3d_cli.errors import OutputError


def test_a_file_appears_whole_with_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "pose.mp4"
    with files.written_whole(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".mp4")
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", ["old", None])
@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interruption_leaves_nothing_new(
    old: str | None, interruption: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "pose.npz"
    if old:
        path.write_text(old)

    def write() -> None:
        with files.written_whole(path) as temporary:
            temporary.write_text("half")
            raise interruption

    with pytest.raises(interruption):
        write()
    assert [p.read_text() for p in tmp_path.iterdir()] == ([old] if old else [])


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "pose.npz"
    with files.written_whole(path) as first, files.written_whole(path) as second:
        assert first != second


@pytest.mark.parametrize("name", ["missing/pose.npz", ".", "file/pose.npz"])
def test_an_impossible_place_is_an_output_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / name
    with pytest.raises(OutputError, match="folder"), files.written_whole(path):
        pytest.fail("there is nowhere to write")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_trouble_with_another_file_is_not_blamed_on_this_one(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "none.txt"
    with pytest.raises(FileNotFoundError), files.written_whole(tmp_path / "a.npz"):
        elsewhere.read_text()
    assert not list(tmp_path.iterdir())


def test_a_name_too_long_is_an_output_error(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300 + ".npz")
    with pytest.raises(OutputError, match="cannot be written"), files.written_whole(path) as t:
        t.write_text("whole")
    assert not list(tmp_path.iterdir())


def test_the_longest_name_there_is_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("動" * 83 + ".npz")  # 253 bytes of the 255 that file systems take
    with files.written_whole(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole"


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes there")
def test_a_device_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OutputError, match="device"), files.written_whole(path):
        pytest.fail("there is nowhere to write")
    assert path.is_fifo()


_FILL_THE_DISK = """
import resource, sys
from pathlib import Path
from vp3d_cli import files
from vp3d_cli.errors import OutputError

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with files.written_whole(Path(sys.argv[1])) as temporary:
        temporary.write_bytes(bytes(5000))
except OutputError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    path = tmp_path / "pose.npz"
    path.write_text("old")
    command = [sys.executable, "-c", _FILL_THE_DISK, str(path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == OutputError.exit_code, done.stderr
    assert done.stdout.startswith(f"{path}: cannot be written: ")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_sha256_reads_every_block(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one block
    path = tmp_path / "weights.bin"
    path.write_bytes(content)
    assert files.sha256(path) == hashlib.sha256(content).hexdigest()
