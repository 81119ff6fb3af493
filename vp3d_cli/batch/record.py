"""What is done: the same content, options and weights, and results that stand as written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vp3d_cli import __version__, files
from vp3d_cli.batch.layout import Layout, Looks, looks_of, opened, read_json, write_json
from vp3d_cli.batch.values import Failed, Setup, Task
from vp3d_cli.errors import OutputError, Vp3dError
from vp3d_cli.options import DETECTION_REVISION, POSE_REVISION, Options
from vp3d_cli.types import Json

_log = logging.getLogger(__name__)

SCHEMA = "vp3d.batch/2"


@dataclass(frozen=True)
class Seen:
    """A file as it was: its content, and what shows without reading it that it is the same.

    Times are only compared for being equal, so clocks may go as they like.
    """

    sha256: str
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path, beat: Callable[[], None] | None = None) -> Seen:
        """Read a file.

        Raises:
            OSError: it cannot be read.
        """
        before = path.stat()
        digest = files.sha256(path, beat)
        return cls(digest, before.st_size, before.st_mtime_ns, before.st_ctime_ns)

    @classmethod
    def kept(cls, layout: Layout, path: Path, sha256: str) -> Seen:
        """A file of known content, as it shows where it is kept.

        Raises:
            OutputError: it is gone.
        """
        looks = layout.looks(path)
        if looks is None:
            raise OutputError(f"{layout.called(path)}: was removed by somebody; run it again")
        return cls(sha256, *looks)

    @property
    def looks(self) -> Looks:
        """What showed of it."""
        return self.size, self.mtime_ns, self.ctime_ns

    def stands(self, path: Path) -> bool:
        """Whether a file here was not touched since."""
        return self.looks == looks_of(path)

    def stands_in_content(self, layout: Layout, path: Path) -> bool:
        """Whether a file that is kept holds the same, touched or not."""
        looks = layout.looks(path)
        if looks is None or looks[0] != self.size:
            return False
        try:
            return looks == self.looks or files.sha256(layout.fetch(path)) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True)
class Product:
    """The files of a kind that were written, by name, and the key of what they were made from.

    A format that wants a file for each person may have several, or none.
    """

    key: str
    files: dict[str, Seen]

    @classmethod
    def from_json(cls, told: Json) -> Product:
        """As a record has it.

        Raises:
            LookupError, TypeError, ValueError: it is none of ours.
        """
        names = {str(name): Seen(**seen) for name, seen in told["files"].items()}
        if any(Path(name).is_absolute() or ".." in Path(name).parts for name in names):
            raise ValueError("files: expected names in the output folder")
        return cls(str(told["key"]), names)


@dataclass(frozen=True)
class Record:
    """What is known of a task.

    Attributes:
        source: the video.
        products: the results by kind.
        failure: key of the attempt, reason and exit code, where it lies in the video.
        frames, people, warnings: see `Done`.
    """

    source: Seen
    products: dict[str, Product] = field(default_factory=dict)
    failure: tuple[str, str, int] | None = None
    frames: int = 0
    people: int = 0
    warnings: tuple[str, ...] = ()

    def outputs(self, kinds: Iterable[str]) -> tuple[str, ...]:
        """The names of the files of these kinds."""
        return tuple(name for kind in kinds for name in self.products[kind].files)

    def save(self, layout: Layout, task: Task) -> None:
        """Write it.

        Raises:
            OutputError: it cannot be written.
        """
        told = dataclasses.asdict(self)
        about = {"schema": SCHEMA, "name": task.name, "video": str(task.source)}
        path = layout.record(task.name)
        write_json(path, about | told)
        layout.keep(path)

    @classmethod
    def load(cls, layout: Layout, task: Task) -> Record | None:
        """Read it; None where there is none, or it is damaged."""
        told = read_json(layout.fetch(layout.record(task.name)))
        if told is None or told.get("schema") != SCHEMA or told.get("name") != task.name:
            return None
        try:
            failure = told["failure"]
            return cls(
                source=Seen(**told["source"]),
                products={
                    kind: Product.from_json(product) for kind, product in told["products"].items()
                },
                failure=(str(failure[0]), str(failure[1]), int(failure[2])) if failure else None,
                frames=int(told["frames"]),
                people=int(told["people"]),
                warnings=tuple(map(str, told["warnings"])),
            )
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class Keys:
    """Digests of all that decides on the 2D and on the poses of one video."""

    detect: str
    poses: str

    @classmethod
    def of(cls, sha256: str, name: str, setup: Setup, models: Json) -> Keys:
        """The keys.

        Args:
            sha256: of the video.
            name: of the video's file, which stands in the result.
            setup: the options.
            models: `Models.describe()`.
        """
        options = setup.options
        detect = _digest(
            [
                DETECTION_REVISION,
                sha256,
                models["detector"],
                _of_device(options.detection_to_json(), options),
            ]
        )
        wanted = _of_device(options.to_json(), options)
        made_by = [__version__, POSE_REVISION]
        return cls(detect, _digest([detect, made_by, name, models["lifter"], wanted]))

    def attempt(self, setup: Setup) -> str:
        """The key of making all products."""
        return _digest([self.poses, setup.products])


def _of_device(options: Json, whole: Options) -> Json:
    """Which of several equal devices did it does not matter."""
    return options | {"device": whole.device.partition(":")[0]}


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def missing(
    record: Record | None, keys: Keys, setup: Setup, layout: Layout, task: Task, *, quick: bool
) -> tuple[str, ...]:
    """The products that are not there, or were made from something else.

    Args:
        record: what is known.
        keys: of what is wanted.
        setup, layout, task: what is wanted, and where it lies.
        quick: a file that was touched counts as missing; else its content is compared.
    """
    products = record.products if record else {}

    def stands(kind: str) -> bool:
        product = products.get(kind)
        if product is None or product.key != keys.poses:
            return False
        there = [(seen, layout.root / name) for name, seen in product.files.items()]
        if quick:
            return all(seen.looks == layout.looks(path) for seen, path in there)
        return all(seen.stands_in_content(layout, path) for seen, path in there)

    return tuple(kind for kind in setup.products if not stands(kind))


def remember_failure(task: Task, setup: Setup, models: Json, failed: Failed) -> None:
    """Put a failure that would happen again on record, as far as that is possible."""
    try:
        with opened(setup.root) as layout:
            record = Record.load(layout, task)
            if record is None or not record.source.stands(task.source):
                return
            key = Keys.of(record.source.sha256, task.source.name, setup, models).attempt(setup)
            failure = (key, failed.reason, failed.exit_code)
            dataclasses.replace(record, failure=failure).save(layout, task)
    except Vp3dError as error:
        _log.debug("%s: %s", task.source, error)
