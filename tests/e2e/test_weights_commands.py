"""`vp3d weights` as a person uses it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import videopose3d_files
from tests.e2e.conftest import DEMO, Ran
from tests.file_server import Answer, FileServer, make_entry, serving, use_entries
from vp3d_cli import weights
from vp3d_cli.weights import LifterShape

Run = Callable[..., Ran]
GOOD = videopose3d_files.blob()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FileServer]:
    """Serves the lifter 'small', which joins the weights that there are."""
    with serving() as server:
        server.content = GOOD
        shape = LifterShape((3, 3, 3), 8, 2)
        small = make_entry(server.url, skeleton_in="coco17", skeleton_out="h36m17", shape=shape)
        use_entries(monkeypatch, tmp_path / "cache", small, *weights.ENTRIES)
        yield server


def test_fetch_says_the_licence_and_prints_the_path(vp3d: Run, server: FileServer) -> None:
    ran = vp3d("weights", "fetch", "small")
    assert ran.code == 0, ran.err
    assert ran.out == f"{weights.where(weights.entry('small'))}\n"
    assert ran.err.splitlines() == [
        "small: licence CC-BY-NC-4.0: for non-commercial use only",
        f"from {server.url}",
    ]
    again = vp3d("weights", "fetch", "small", "bundled")
    assert again.code == 0
    assert again.out.startswith(ran.out)
    assert again.err == "small is already here, intact\nbundled comes with vp3d, intact\n"
    assert len(server.requests) == 1


def test_a_fetched_lifter_is_used_by_its_name(vp3d: Run, server: FileServer) -> None:
    infer = ("infer", DEMO, "--end", "0.2", "--lifter", "small", "-o", "out.npz")
    ran = vp3d(*infer)
    assert ran.code == 4
    assert "`vp3d weights fetch small` brings it" in ran.err
    assert vp3d("weights", "fetch", "small").code == 0
    ran = vp3d(*infer)
    assert ran.code == 0, ran.err
    assert "assuming" not in ran.err
    with np.load("out.npz") as data:
        assert len(data["frame"])


def test_a_copy_is_taken(vp3d: Run, server: FileServer) -> None:
    Path("copy.bin").write_bytes(GOOD)
    ran = vp3d("weights", "fetch", "small", "--from", "copy.bin")
    assert ran.code == 0, ran.err
    assert "non-commercial" in ran.err
    assert server.requests == []
    assert vp3d("weights", "fetch", "small", "--from", server.url).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["small", "--from", "nowhere.bin"], 2, "neither a file nor an address"),
        (["small", "bundled", "--from", "copy.bin"], 2, "give one NAME"),
        ([], 2, "NAME"),
        (["nothing"], 4, "no weights are called 'nothing'; there are small"),
        (["small", "nothing"], 4, "no weights are called 'nothing'"),
        (["small", "--from", "ftp://there/w.bin"], 4, "http, https or file"),
        (["small", "--from", "bad.bin"], 4, "bad.bin: neither a vp3d lifter"),
    ],
)
def test_wrong_requests(
    vp3d: Run, server: FileServer, arguments: list[str], code: int, words: str
) -> None:
    Path("copy.bin").write_bytes(GOOD)
    Path("bad.bin").write_bytes(b"nothing good")
    ran = vp3d("weights", "fetch", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert server.requests == []


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (GOOD, 404, "404 Not Found; `vp3d weights fetch small --from FILE` takes a copy"),
        (b"<html>", None, "a web page, not weights"),
        (GOOD[:500], None, "damaged"),
        (videopose3d_files.wider(), None, "another network than 'small'"),
    ],
)
def test_what_goes_wrong_ends_with_a_sentence(
    vp3d: Run, server: FileServer, content: bytes, status: int | None, words: str
) -> None:
    server.content, server.answers = content, [Answer(status=status)]
    ran = vp3d("weights", "fetch", "small")
    assert (ran.code, ran.out) == (4, "")
    assert words in ran.err
    assert vp3d("weights", "where", "small").code == 4


def test_a_cache_that_cannot_be_written(
    vp3d: Run, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("VP3D_CACHE", "file/cache")
    ran = vp3d("weights", "fetch", "small")
    assert (ran.code, ran.out) == (7, "")
    assert "VP3D_CACHE" in ran.err


def test_list_shows_what_is_here(vp3d: Run, server: FileServer) -> None:
    before = vp3d("weights", "list")
    assert re.search(r"^  small +not fetched .*CC-BY-NC-4\.0 +coco17 to h36m17$", before.out, re.M)
    assert re.search(r"^  movenet +bundled +22 MB +Apache-2\.0 +coco17$", before.out, re.M)
    vp3d("weights", "fetch", "small")
    after = vp3d("weights", "list")
    assert re.search(r"^  small +in cache ", after.out, re.M)
    pin = weights.pinned_hash(weights.entry("small"))
    assert f"sha256 {pin}" in after.out
    assert f"sha256 {pin}" not in before.out
    for entry in weights.ENTRIES:
        assert entry.source in after.out
        for file in entry.files:
            assert (file.url or file.name) in after.out
    long = [line for line in after.out.splitlines() if len(line) > 80 and "http" not in line]
    assert long == []
    weights.where(weights.entry("small")).with_name("small.bin.sha256").write_text("?")
    assert vp3d("weights", "list").code == 0


def test_verify_looks_at_what_is_here(vp3d: Run, server: FileServer) -> None:
    ran = vp3d("weights", "verify")
    assert ran.code == 0, ran.err
    assert "small: not fetched\n" in ran.out
    assert "bundled: intact\n" in ran.out
    ran = vp3d("weights", "verify", "small")
    assert ran.code == 4
    assert "not fetched yet" in ran.err
    path = Path(vp3d("weights", "fetch", "small").out.strip())
    assert "small: intact\n" in vp3d("weights", "verify").out
    path.write_bytes(GOOD[::-1])
    ran = vp3d("weights", "verify")
    assert ran.code == 4
    assert "SHA-256" in ran.err
    assert "bundled: intact\n" in ran.out  # the rest is looked at all the same


def test_where(vp3d: Run, server: FileServer, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "weights"
    assert vp3d("weights", "where").out == f"{folder}\n"
    ran = vp3d("weights", "where", "small")
    assert (ran.code, ran.out) == (4, "")
    assert "not fetched yet" in ran.err
    vp3d("weights", "fetch", "small")
    assert vp3d("weights", "where", "small").out == f"{folder / 'small.bin'}\n"
    names = [Path(line).name for line in vp3d("weights", "where", "movenet").out.splitlines()]
    assert names == ["movenet_multipose.onnx", "movenet_thunder.onnx"]


def test_convert(vp3d: Run, server: FileServer) -> None:
    assert vp3d("weights", "convert", "small", "-o", "own.safetensors").code == 4
    vp3d("weights", "fetch", "small")
    ran = vp3d("weights", "convert", "small", "-o", "own.safetensors")
    assert (ran.code, ran.out, ran.err) == (0, "own.safetensors\n", "")
    ran = vp3d("weights", "convert", "own.safetensors", "-o", "more.safetensors")
    assert (ran.code, Path("more.safetensors").exists()) == (6, False)
    assert "nothing to convert" in ran.err
    assert vp3d("weights", "convert", "small", "-o", "own.bin").code == 2
    assert vp3d("weights", "convert", "nowhere", "-o", "a.safetensors").code == 2
    assert vp3d("weights", "convert", "small", "-o", "none/a.safetensors").code == 7
    assert vp3d("weights", "convert", "own.safetensors", "-o", "own.safetensors").code == 7


def test_doctor_offers_what_can_be_fetched(vp3d: Run, server: FileServer) -> None:
    ran = vp3d("doctor")
    assert ran.code == 0, ran.out
    assert re.search(r"^optional small .*vp3d weights fetch small +\(CC-BY-NC", ran.out, re.M)
    path = Path(vp3d("weights", "fetch", "small").out.strip())
    assert re.search(r"^ok +small +intact", vp3d("doctor").out, re.M)
    path.write_bytes(b"")
    ran = vp3d("doctor")
    assert ran.code == 4
    assert re.search(r"^MISSING +small .*SHA-256", ran.out, re.M)


@pytest.mark.parametrize("command", ["", "fetch", "list", "verify", "where", "convert"])
def test_help_has_an_example(vp3d: Run, command: str) -> None:
    ran = vp3d("weights", *command.split(), "--help")
    assert ran.code == 0
    assert f"vp3d weights {command}" in ran.out.split("Example")[1]


_PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.file_server import make_entry
from vp3d_cli import weights
weights.entries.ENTRIES = weights.ENTRIES = (make_entry(sys.argv.pop(1)),)
from vp3d_cli.cli.main import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
def test_interrupted_says_that_what_came_is_kept(server: FileServer, tmp_path: Path) -> None:
    server.answers = [Answer(send=500, stall=True)]
    root = Path(__file__).parents[2]
    part = weights.where(weights.entry("small")).with_name("small.bin.part")
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, server.url, "weights", "fetch", "small"],
        cwd=root, env=os.environ | {"VP3D_CACHE": str(tmp_path / "cache")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while not (part.exists() and part.stat().st_size == 500):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, ""), err
    assert "what came of small is kept; the same command goes on from there" in err
    assert "Traceback" not in err
