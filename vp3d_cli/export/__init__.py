"""Results as files that other programs open: one plug-in a format.

A format is a file here with `SUFFIX`, `DESCRIPTION` (one line) and `write(result, path)`. It may
also say `NEEDS`, a library and the extra that brings it; `INFIX`, what its names have before the
suffix; `ONE_PERSON`, that its program wants a file for each person; `REAL_TIME`, that slow motion
is to be as fast as it was; and `write_page(result, path, video)`, which shows the video too.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from vp3d_cli import registry
from vp3d_cli.errors import BackendUnavailableError, DataError

if TYPE_CHECKING:
    from vp3d_cli.types import Result

_log = logging.getLogger(__name__)


def describe(name: str) -> str:
    """What a format is, in one line."""
    module = _module(name)
    text: str = getattr(module, "DESCRIPTION", None) or (module.__doc__ or "").partition("\n")[0]
    return text


def require(name: str) -> None:
    """Check that a format can be written here.

    Raises:
        BackendUnavailableError: its library is not installed.
        Vp3dError: there is no such format.
    """
    library, extra = getattr(_module(name), "NEEDS", ("", ""))
    if library and importlib.util.find_spec(library) is None:
        raise BackendUnavailableError(
            f"export to {name} needs {library}; install it with pip install 'vp3d[{extra}]'"
        )


def ending(name: str) -> str:
    """What the names of a format's files end in: ".trc", ".angles.csv"."""
    module = _module(name)
    return f"{getattr(module, 'INFIX', '')}{module.SUFFIX}"


def planned(result: Result, name: str, path: Path) -> list[tuple[Result, Path]]:
    """Which file gets what.

    Where a format's files hold one person and there are several, the file of person 2 is
    NAME.person2.trc; otherwise `path` gets everything.
    """
    people = [track.track_id for track in result.tracks3d]
    if len(people) < 2 or not getattr(_module(name), "ONE_PERSON", False):
        return [(result, path)]
    tail = ending(name) if path.name.endswith(ending(name)) else path.suffix
    stem = path.name.removesuffix(tail)
    return [(of_people(result, [i]), path.with_name(f"{stem}.person{i}{tail}")) for i in people]


def of_people(result: Result, ids: Collection[int]) -> Result:
    """A result with some of its people."""
    return replace(
        result,
        tracks2d=tuple(track for track in result.tracks2d if track.track_id in ids),
        tracks3d=tuple(track for track in result.tracks3d if track.track_id in ids),
    )


def write(result: Result, name: str, path: Path, video: Path | None = None) -> list[Path]:
    """Write a result in a format; gives the paths written.

    Args:
        result: what to write.
        name: the format.
        path: the file; `planned` says which others there are.
        video: what the result was made from, for a format that shows it.

    Raises:
        BackendUnavailableError: the format's library is not installed.
        DataError: the format cannot hold the result.
        OutputError: a file cannot be written.
    """
    require(name)
    files = planned(result, name, path)
    written: list[Path] = []
    refused: DataError | None = None
    for part, file in files:
        try:
            _write_one(_module(name), part, file, video)
        except DataError as error:  # one of several of whom nothing is known
            refused = error
            if len(files) > 1:
                _log.warning("%s: %s", file.name, error)
        else:
            written.append(file)
    if refused and not written:
        raise refused
    return written


def _write_one(module: ModuleType, result: Result, path: Path, video: Path | None) -> None:
    if getattr(module, "REAL_TIME", False):
        from vp3d_cli.export._frame import in_real_time

        result = in_real_time(result)
    if video and hasattr(module, "write_page"):
        module.write_page(result, path, video)
    else:
        module.write(result, path)


def _module(name: str) -> ModuleType:
    return registry.load("export", name)
