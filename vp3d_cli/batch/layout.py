"""Where things lie in an output folder; nothing is written anywhere else.

Beside the results there is `.vp3d/`: `keypoints/`, the 2D of each content and each way of
detecting; `records/`, what is done; `scratch/`, what is being made; and the lock.
A `Layout` is a folder; where results go to a URL, `remote.Mirror` is one that passes them on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from vp3d_cli import export
from vp3d_cli.errors import DiskFullError, OutputError, Vp3dError
from vp3d_cli.files import unwritable, written_whole
from vp3d_cli.types import Json

STATE = ".vp3d"
# What shows of a file without reading it: size, and two times in ns or what stands for them.
Looks = tuple[int, int, int]
SUFFIXES = {"npz": ".npz", "json": ".json", "render": ".overlay.mp4"}


class Layout:
    """The paths in an output folder.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / STATE
        self.keypoints = self.state / "keypoints"
        self.records = self.state / "records"
        self.scratch = self.state / "scratch"

    def product(self, name: str, kind: str) -> Path:
        """A result of the task of this name: a kind of `SUFFIXES`, or a format of `export`."""
        return self.root / f"{name}{SUFFIXES.get(kind) or export.ending(kind)}"

    def record(self, name: str) -> Path:
        """What is known of the task of this name."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return self.records / f"{digest[:40]}.json"

    def found(self, key: str) -> Path:
        """The 2D keypoints of this key."""
        return self.keypoints / f"{key}.npz"

    def part(self, key: str, number: int, count: int) -> Path:
        """The 2D keypoints of one span."""
        return self.keypoints / f"{key}.part-{number}-of-{count}.npz"

    def called(self, path: Path) -> str:
        """What a person calls a file in it."""
        return str(path)

    def looks(self, path: Path) -> Looks | None:
        """What shows of a file that is kept; None where there is none."""
        return looks_of(path)

    def fetch(self, path: Path) -> Path:
        """The same path, at which lies what is kept, if anything is."""
        return path

    def keep(self, path: Path) -> None:
        """Keep a file that was written at its place, whole."""

    def discard(self, path: Path) -> None:
        """Remove a file that was kept, and is of no use any more."""
        path.unlink(missing_ok=True)

    def forget_parts(self, key: str) -> None:
        """Remove the 2D keypoints of all spans; their whole is there."""
        for path in self.keypoints.glob(f"{key}.part-*"):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def looked_through(self) -> Iterator[None]:
        """Meanwhile much is asked for, and nothing written."""
        yield

    def make(self) -> None:
        """Make the folders.

        Raises:
            OutputError: that is not possible.
        """
        self.make_folders()
        self.require_writable()

    def make_folders(self) -> None:
        """Make them, but write nothing.

        Raises:
            OutputError: that is not possible.
        """
        for folder in (self.root, self.state, self.keypoints, self.records, self.scratch):
            try:
                folder.mkdir(parents=folder == self.root, exist_ok=True)
            except OSError as error:
                raise unwritable(folder, error) from error

    def require_writable(self) -> None:
        """Write something.

        Raises:
            OutputError: the folder is gone, read-only or full.
        """
        probe = self.scratch / f"probe-{secrets.token_hex(6)}"
        try:
            probe.write_bytes(bytes(1 << 16))
        except OSError as error:
            raise unwritable(self.root, error) from error
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)

    @contextlib.contextmanager
    def workshop(self) -> Iterator[Path]:
        """A folder of one's own to make files in, removed at the end.

        Raises:
            OutputError: it cannot be made; a root that is gone is not made anew.
        """
        folder = self.scratch / f"{os.getpid()}-{secrets.token_hex(4)}"
        try:
            folder.mkdir()
        except OSError as error:
            raise unwritable(self.root, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, made: Path, target: Path) -> None:
        """Give a finished file its name, whole.

        Raises:
            OutputError: that is not possible, or a link leads out of the output folder.
        """
        try:
            if self.root.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
            inside = target.parent.resolve().is_relative_to(self.root.resolve())
            if not inside:
                raise OutputError(f"{target}: lies outside of {self.root}; remove that link")
            made.replace(target)
        except OSError as error:
            raise unwritable(target, error) from error
        self.keep(target)

    def sweep(self) -> None:
        """Remove what a batch that was killed left in the making."""
        with contextlib.suppress(OSError):
            for folder in self.scratch.iterdir():
                shutil.rmtree(folder, ignore_errors=True)
                folder.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(root: Path | str) -> Iterator[Layout]:
    """The output folder at a path or URL, for one job or one look at it.

    Raises:
        BackendUnavailableError: what the URL needs is not installed.
    """
    if isinstance(root, Path):
        yield Layout(root)
        return
    from vp3d_cli.batch.remote import Mirror

    with tempfile.TemporaryDirectory(prefix="vp3d-") as folder:
        yield Mirror(root, Path(folder))


def looks_of(path: Path) -> Looks | None:
    """What shows of a file here; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the output folder for this batch alone.

    Raises:
        OutputError: another one holds it; the message says who, and since when.
    """
    holder = layout.state / "holder.json"
    lock = FileLock(layout.state / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(
            f"{layout.root}: another vp3d batch is at work in it{_who(holder)}; wait for it, end "
            "it, or give another --out"
        ) from None
    except OSError as error:
        raise unwritable(layout.root, error) from error
    try:
        layout.sweep()
        write_json(
            holder,
            {"pid": os.getpid(), "host": _host(), "since": time.strftime("%Y-%m-%d %H:%M:%S")},
        )
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _host() -> str:
    import platform

    return platform.node() or "this machine"


def _who(holder: Path) -> str:
    told = read_json(holder)
    if not told:
        return ""
    return f" (process {told.get('pid')} on {told.get('host')}, since {told.get('since')})"


def write_json(path: Path, value: Json) -> None:
    """Write a JSON file whole.

    Raises:
        OutputError: it cannot be written.
    """
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True), encoding="ascii")


def read_json(path: Path) -> Json | None:
    """A JSON object of ours; None where there is none, or it is damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_full(error: Vp3dError) -> bool:
    """Whether whatever is written next fails too."""
    return isinstance(error, DiskFullError)
