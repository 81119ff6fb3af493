"""Files are fetched whole, once, and stay what they were, whatever the line and the server do."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.file_server import Answer, FileServer, make_entry, serving, use_entries
from vp3d_cli import weights
from vp3d_cli.errors import OutputError, WeightsError
from vp3d_cli.weights import Patience, WeightsEntry, WeightsFile, download

ROOT = Path(__file__).parents[2]
CONTENT = b"GOOD" + bytes(range(256)) * 8 + b"END"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


def _check(blob: bytes, where: str) -> None:
    """What a room does that knows the format."""
    if not (blob.startswith(b"GOOD") and blob.endswith(b"END")):
        raise WeightsError(f"{where}: not a network")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        server.content = CONTENT
        yield server


@pytest.fixture
def small(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsEntry:
    """The only weights there are; their file is on the server."""
    return use_entries(monkeypatch, tmp_path / "cache", make_entry(server.url))


def _fetch(entry: WeightsEntry, source: str | None = None, attempts: int = 3) -> Path:
    patience = Patience(stall_s=0.3, attempts=attempts, wait_s=0)
    return weights.fetch(entry, _check, source, patience=patience)


def _kept(entry: WeightsEntry) -> list[str]:
    """What lies in the cache, without the lock."""
    folder = weights.where(entry).parent
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


def test_a_file_is_fetched_and_pinned(server: FileServer, small: WeightsEntry) -> None:
    told: list[tuple[int, int | None]] = []
    assert not weights.available("small")
    path = weights.fetch(small, _check, progress=lambda *now: told.append(now))
    assert path == weights.where(small)
    assert path.read_bytes() == weights.verified_bytes("small.bin") == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert weights.available("small")
    assert weights.known_by_hash(SHA256) is small
    assert _kept(small) == ["small.bin", "small.bin.sha256"]
    assert path.with_name("small.bin.sha256").read_text() == f"{SHA256}  small.bin\n"
    assert server.requests[0]["User-Agent"].startswith("vp3d/")


def test_a_fetched_file_is_not_fetched_again(server: FileServer, small: WeightsEntry) -> None:
    assert _fetch(small) == _fetch(small)
    assert len(server.requests) == 1


def test_a_cut_is_resumed_in_the_same_call(server: FileServer, small: WeightsEntry) -> None:
    server.answers = [Answer(send=HALF), Answer(send=10)]
    assert _fetch(small).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-", f"bytes={HALF + 10}-"]
    assert server.requests[1]["If-Range"] == '"one"'


def test_a_cut_is_resumed_by_the_next_call(server: FileServer, small: WeightsEntry) -> None:
    server.answers = [Answer(send=HALF)]
    message = rf"ended after {HALF:,} of {len(CONTENT):,} bytes; .* kept .*--from FILE"
    with pytest.raises(WeightsError, match=message):
        _fetch(small, attempts=1)
    assert not weights.available("small")
    assert _fetch(small).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]


def test_the_date_serves_where_the_tag_is_weak(server: FileServer, small: WeightsEntry) -> None:
    server.etag, server.modified = 'W/"one"', "Wed, 21 Oct 2015 07:28:00 GMT"
    server.answers = [Answer(send=HALF)]
    assert _fetch(small).read_bytes() == CONTENT
    assert server.requests[1]["If-Range"] == server.modified
    assert server.asked == [None, f"bytes={HALF}-"]


def test_without_a_version_nothing_is_resumed(server: FileServer, small: WeightsEntry) -> None:
    server.etag = None
    server.answers = [Answer(send=HALF)]
    assert _fetch(small).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_a_server_without_ranges_begins_again(server: FileServer, small: WeightsEntry) -> None:
    server.ranges = False
    server.answers = [Answer(send=HALF)]
    assert _fetch(small).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("careless", [False, True])
@pytest.mark.parametrize("longer", [b"", b"!!"])
def test_a_file_that_changed_between_is_not_mixed(
    server: FileServer, small: WeightsEntry, careless: bool, longer: bytes
) -> None:
    server.answers = [Answer(send=HALF)]
    with pytest.raises(WeightsError):
        _fetch(small, attempts=1)
    server.content = b"GOOD" + longer + CONTENT[4:-3][::-1] + b"END"
    server.etag = '"two"'
    # A careless server sends the rest of the new file, whatever version was asked for.
    server.answers = [Answer(changed=careless)]
    assert _fetch(small).read_bytes() == server.content


def test_another_address_begins_again(server: FileServer, small: WeightsEntry) -> None:
    server.answers = [Answer(send=HALF)]
    with pytest.raises(WeightsError):
        _fetch(small, attempts=1)
    assert _fetch(small, server.url + "?mirror").read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_a_stall_counts_as_a_cut(
    server: FileServer, small: WeightsEntry, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [Answer(send=HALF, stall=True)]
    with caplog.at_level(logging.INFO):
        assert _fetch(small).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]
    assert "nothing came for 0.3 s" in caplog.text


def test_attempts_end(server: FileServer, small: WeightsEntry) -> None:
    server.answers = [Answer(send=0)] * 9
    with pytest.raises(WeightsError, match=r"ended after 0 of .* bytes, 3 times"):
        _fetch(small, attempts=3)
    assert len(server.requests) == 3


def test_headway_renews_the_attempts(
    server: FileServer, small: WeightsEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_HEADWAY", 100)
    server.answers = [Answer(send=150)] * 8
    assert _fetch(small, attempts=2).read_bytes() == CONTENT
    assert len(server.requests) == 9


def test_a_length_that_is_too_long_is_noticed(server: FileServer, small: WeightsEntry) -> None:
    lie = str(len(CONTENT) + 50)
    server.answers = [Answer(length=lie), *[Answer(status=503)] * 2]
    with pytest.raises(WeightsError, match="503"):
        _fetch(small)
    assert not weights.available("small")
    # Then the server has nothing after what came: that was all.
    assert _fetch(small).read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={len(CONTENT)}-"


def test_a_length_that_is_too_short_is_noticed(server: FileServer, small: WeightsEntry) -> None:
    server.answers = [Answer(length="500")]
    with pytest.raises(WeightsError, match=r"w\.bin: not a network \(500 bytes came, none are"):
        _fetch(small)
    assert _kept(small) == []
    assert _fetch(small).read_bytes() == CONTENT


def test_the_length_is_learnt_at_the_second_answer(server: FileServer, small: WeightsEntry) -> None:
    server.answers = [Answer(length="", send=HALF, stall=True), Answer(send=10)]
    assert _fetch(small).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-", f"bytes={HALF + 10}-"]


def test_an_unknown_length_is_no_trouble(server: FileServer, small: WeightsEntry) -> None:
    server.answers = [Answer(length="")]
    told: list[tuple[int, int | None]] = []
    path = weights.fetch(small, _check, progress=lambda *now: told.append(now))
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), None)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_said_at_once(server: FileServer, small: WeightsEntry, status: int) -> None:
    server.answers = [Answer(status=status)] * 5
    with pytest.raises(WeightsError, match=rf"w\.bin: the server answers {status} \w+.*--from"):
        _fetch(small)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_waited_out(
    server: FileServer, small: WeightsEntry, status: int
) -> None:
    server.answers = [Answer(status=status)] * 2
    assert _fetch(small).read_bytes() == CONTENT
    server.answers = [Answer(status=status)] * 3
    weights.where(small).unlink()
    with pytest.raises(WeightsError, match=f"{status}.*3 times"):
        _fetch(small)


def test_the_wait_doubles(
    server: FileServer, small: WeightsEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.answers = [Answer(status=503)] * 3
    weights.fetch(small, _check)
    assert waits == [1, 2, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n<!DOCTYPE html><title>Sign in</title>", "a web page, not weights"),
        (b"\xef\xbb\xbf<HTML>", "a web page"),
        (os.urandom(500), "not a network"),
        (CONTENT[:-1], "not a network"),
        (b"", "not a network"),
    ],
)
def test_what_is_no_network_is_refused_and_not_kept(
    server: FileServer, small: WeightsEntry, content: bytes, message: str
) -> None:
    server.content = content
    with pytest.raises(WeightsError, match=message):
        _fetch(small)
    assert _kept(small) == []
    server.content, server.etag = CONTENT, '"two"'
    assert _fetch(small).read_bytes() == CONTENT


def test_nobody_there_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/w.bin"
    small = use_entries(monkeypatch, tmp_path, make_entry(url))
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waited"))
    message = rf"{url}: cannot be reached: Connection refused; `vp3d weights fetch small --from"
    with pytest.raises(WeightsError, match=message):
        _fetch(small)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ftp://there/w.bin", "http, https or file"),
        ("file://there/w.bin", "http, https or file"),
        ("http://", "http, https or file"),
        ("http://[::1/w.bin", "not an address"),
        ("http://there:port/w.bin", "not an address"),
        ("http://there/a b", "not an address"),
        ("nowhere.bin", "not a file"),
        (".", "not a file"),
    ],
)
def test_sources_that_are_none(small: WeightsEntry, source: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        _fetch(small, source)


def test_redirects_are_followed_in_the_network(server: FileServer, small: WeightsEntry) -> None:
    server.answers = [Answer(location=server.url + "?there"), Answer(send=HALF)]
    assert _fetch(small).read_bytes() == CONTENT
    assert [request[":path"] for request in server.requests] == ["/w.bin", "/w.bin?there", "/w.bin"]


@pytest.mark.parametrize(
    ("location", "message"),
    [("file:///etc/hostname", "not allowed"), ("ftp://127.0.0.1/w.bin", "unknown url type: ftp")],
)
def test_redirects_never_leave_the_network(
    server: FileServer, small: WeightsEntry, location: str, message: str
) -> None:
    server.answers = [Answer(location=location)] * 3
    with pytest.raises(WeightsError, match=message):
        _fetch(small)
    assert _kept(small) == []


def test_a_secure_address_does_not_lead_to_an_open_one() -> None:
    request = urllib.request.Request("https://there/w.bin")
    redirects = download._Redirects()
    with pytest.raises(WeightsError, match="anybody on the way"):
        redirects.redirect_request(request, None, 302, "", {}, "http://there/w.bin")
    assert redirects.redirect_request(request, None, 302, "", {}, "https://other/w.bin")


def test_the_environment_s_proxy_is_used(
    server: FileServer, small: WeightsEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    assert _fetch(small, "http://weights.invalid/w.bin").read_bytes() == CONTENT
    assert server.requests[0][":path"] == "http://weights.invalid/w.bin"


@pytest.mark.parametrize("form", ["path", "url", "uri"])
def test_a_copy_is_checked_and_pinned(
    server: FileServer, small: WeightsEntry, form: str, tmp_path: Path
) -> None:
    copy = tmp_path / "downloaded file.bin"
    copy.write_bytes(CONTENT)
    source = {"path": str(copy), "url": server.url + "?mirror", "uri": copy.as_uri()}[form]
    assert _fetch(small, source).read_bytes() == CONTENT
    assert weights.verified_bytes("small.bin") == CONTENT
    assert _kept(small) == ["small.bin", "small.bin.sha256"]
    assert copy.read_bytes() == CONTENT


def test_a_copy_ends_a_download_that_was_cut(
    server: FileServer, small: WeightsEntry, tmp_path: Path
) -> None:
    server.answers = [Answer(send=HALF)]
    with pytest.raises(WeightsError):
        _fetch(small, attempts=1)
    assert "small.bin.part" in _kept(small)
    (tmp_path / "copy.bin").write_bytes(CONTENT)
    _fetch(small, str(tmp_path / "copy.bin"))
    assert _kept(small) == ["small.bin", "small.bin.sha256"]


def test_a_copy_of_something_else_is_refused(small: WeightsEntry, tmp_path: Path) -> None:
    copy = tmp_path / "copy.bin"
    copy.write_bytes(b"GOOD, but cut off")
    with pytest.raises(WeightsError, match=f"{copy}: not a network"):
        _fetch(small, str(copy))
    assert _kept(small) == []


def test_another_file_than_the_first_is_refused(server: FileServer, small: WeightsEntry) -> None:
    path = _fetch(small)
    server.content, server.etag = b"GOOD and new END", '"two"'
    path.unlink()
    new = hashlib.sha256(server.content).hexdigest()
    message = rf"differs \(expected {SHA256[:12]}…, got {new[:12]}….*delete {path} and .*sha256"
    with pytest.raises(WeightsError, match=message):
        _fetch(small)
    assert _kept(small) == ["small.bin.sha256"]
    path.with_name("small.bin.sha256").unlink()  # as the message says
    assert _fetch(small).read_bytes() == server.content


def test_another_copy_than_the_first_is_refused(small: WeightsEntry, tmp_path: Path) -> None:
    path = _fetch(small)
    copy = tmp_path / "copy.bin"
    copy.write_bytes(b"GOOD and new END")
    with pytest.raises(WeightsError, match=f"SHA-256 of {copy} differs"):
        _fetch(small, str(copy))
    assert path.read_bytes() == CONTENT
    copy.write_bytes(CONTENT)
    assert _fetch(small, str(copy)) == path


def test_a_published_hash_binds_from_the_start(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = WeightsFile("small.bin", SHA256, len(CONTENT), server.url)
    small = use_entries(monkeypatch, tmp_path, make_entry(server.url, files=(file,)))
    server.content = b"GOOD and new END"
    with pytest.raises(WeightsError, match=f"expected {SHA256[:12]}"):
        _fetch(small)
    server.content, server.etag = CONTENT, '"two"'
    assert _fetch(small).read_bytes() == CONTENT


def test_an_altered_file_is_refused_by_every_reader(
    server: FileServer, small: WeightsEntry
) -> None:
    path = _fetch(small)
    path.write_bytes(CONTENT.replace(b"GOOD", b"EVIL"))
    for use in (
        lambda: weights.verified_bytes("small.bin"),
        lambda: weights.verify(small),
        lambda: _fetch(small),
    ):
        with pytest.raises(WeightsError, match=r"SHA-256 of .* differs .*; delete it and run"):
            use()
    path.unlink()  # as the message says
    assert _fetch(small).read_bytes() == CONTENT


def test_a_file_put_there_by_hand_is_checked_before_use(
    server: FileServer, small: WeightsEntry
) -> None:
    path = weights.where(small)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert not weights.available("small")
    with pytest.raises(WeightsError, match=f"was never checked; .* --from {path}"):
        weights.verified_bytes("small.bin")
    _fetch(small, str(path))  # as the message says
    assert weights.verified_bytes("small.bin") == CONTENT
    assert server.requests == []


def test_a_damaged_pin_is_refused(small: WeightsEntry) -> None:
    pin = _fetch(small).with_name("small.bin.sha256")
    pin.write_text("?")
    with pytest.raises(WeightsError, match=f"{pin} holds no SHA-256; delete it"):
        weights.verified_bytes("small.bin")
    assert weights.known_by_hash(SHA256) is None
    pin.unlink()
    assert _fetch(small).read_bytes() == CONTENT


def test_what_is_not_fetched_says_how_to_get_it(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = WeightsFile("small.bin", None, 67_889_963, server.url)
    use_entries(monkeypatch, tmp_path, make_entry(server.url, files=(file,)))
    with pytest.raises(WeightsError) as refused:
        weights.verified_bytes("small.bin")
    for words in (
        "small.bin", "about 68 MB", "non-commercial", server.url,
        "`vp3d weights fetch small`", "`vp3d weights fetch small --from FILE`",
    ):  # fmt: skip
        assert words in str(refused.value)


def test_bundled_weights_are_only_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VP3D_CACHE", str(tmp_path / "none"))
    entry = weights.entry("bundled")
    assert weights.available("bundled")
    assert _fetch(entry) == weights.weights_folder() / entry.files[0].name
    assert not (tmp_path / "none").exists()


# Processes


_PROGRAM = """
import sys
from tests.file_server import make_entry
from tests.unit.test_weights_fetch import _check
from vp3d_cli import weights
small = make_entry(sys.argv[1])
weights.entries.ENTRIES = (small,)
print(weights.fetch(small, _check, patience=weights.Patience(wait_s=0)), flush=True)
"""


def _process(url: str, cache: Path, program: str = _PROGRAM) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, url],
        cwd=ROOT, env=os.environ | {"VP3D_CACHE": str(cache)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _wait_until(true: object) -> None:
    end = time.monotonic() + 20
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_two_processes_fetch_once(server: FileServer, small: WeightsEntry, tmp_path: Path) -> None:
    server.answers = [Answer(send=HALF, stall=True), Answer(status=500)]
    part = weights.where(small).with_name("small.bin.part")
    with _process(server.url, tmp_path / "cache") as first:
        _wait_until(lambda: part.exists() and part.stat().st_size == HALF)
        with _process(server.url, tmp_path / "cache") as second:
            time.sleep(0.3)  # time enough to ask the server, were there no lock
            assert len(server.requests) == 1
            server.answers = []
            server.release.set()
            outputs = [process.communicate(timeout=30) for process in (first, second)]
    assert [out.strip() for out, _ in outputs] == [str(weights.where(small))] * 2
    assert server.asked == [None, f"bytes={HALF}-"]
    assert weights.verified_bytes("small.bin") == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_is_gone_on_from(
    server: FileServer, small: WeightsEntry, tmp_path: Path, number: int
) -> None:
    server.answers = [Answer(send=HALF, stall=True)]
    part = weights.where(small).with_name("small.bin.part")
    # A shell that runs the tests in the background has its children ignore Ctrl-C.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    with _process(server.url, tmp_path / "cache", listen + _PROGRAM) as process:
        _wait_until(lambda: part.exists() and part.stat().st_size == HALF)
        process.send_signal(number)
        process.wait(10)
    server.release.set()
    assert _fetch(small).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]


def test_killed_between_the_last_byte_and_the_check(
    server: FileServer, small: WeightsEntry
) -> None:
    def killed(blob: bytes, where: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.fetch(small, killed)
    assert _fetch(small).read_bytes() == CONTENT
    assert len(server.requests) == 1


# Places


def test_a_cache_that_cannot_be_written_is_an_output_error(
    small: WeightsEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VP3D_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OutputError, match="set VP3D_CACHE"):
        _fetch(small)
    assert not weights.available("small")


@pytest.mark.skipif(not hasattr(os, "geteuid") or not os.geteuid(), reason="root may write")
def test_a_read_only_folder_is_an_output_error(small: WeightsEntry, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="set VP3D_CACHE"):
        _fetch(small)


def test_a_read_only_cache_with_the_file_in_it_serves(small: WeightsEntry) -> None:
    folder = _fetch(small).parent
    (folder / "small.bin.lock").unlink()
    assert _fetch(small).read_bytes() == CONTENT
    assert sorted(p.name for p in folder.iterdir()) == ["small.bin", "small.bin.sha256"]


def test_too_little_room_is_said_before_the_work(
    small: WeightsEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil._ntuple_diskusage(10**9, 10**9 - 100, 100)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    with pytest.raises(OutputError, match=r"MB are needed, 0 MB are free; .*VP3D_CACHE"):
        _fetch(small)
    assert _kept(small) == []


_FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from vp3d_cli.errors import OutputError
try:
    exec({program!r})
except OutputError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_full_disk_is_an_output_error(
    server: FileServer, small: WeightsEntry, tmp_path: Path
) -> None:
    program = "import sys\n" + _FULL.format(program=_PROGRAM)
    with _process(server.url, tmp_path / "cache", program) as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == OutputError.exit_code, err
    assert "small.bin.part: cannot be written: " in out
    assert "VP3D_CACHE" in out
    assert _fetch(small).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, "~/.cache/vp3d"),
        ("linux", {"XDG_CACHE_HOME": "/there"}, "/there/vp3d"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "~/.cache/vp3d"),
        ("linux", {"XDG_CACHE_HOME": "/there", "VP3D_CACHE": "~/mine"}, "~/mine"),
        ("linux", {"VP3D_CACHE": ""}, "~/.cache/vp3d"),
        ("darwin", {}, "~/Library/Caches/vp3d"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/vp3d/Cache"),
        ("win32", {}, "~/AppData/Local/vp3d/Cache"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_such_files(
    platform: str, variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VP3D_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert weights.cache_folder() == Path(folder).expanduser()


def test_without_a_home_the_cache_must_be_named(
    small: WeightsEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VP3D_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert not weights.available("small")
    with pytest.raises(WeightsError, match="set VP3D_CACHE"):
        weights.verified_bytes("small.bin")
