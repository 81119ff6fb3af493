"""Labelled and unlabelled sequences to train on and to evaluate with.

Every format is a file in `formats/`; the name of the file is the name of the format.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli import registry, sources
from vp3d_cli.datasets.cameras import DatasetCamera
from vp3d_cli.datasets.checking import Finding, check, grave
from vp3d_cli.datasets.choice import Choice
from vp3d_cli.datasets.sequence import Sequence
from vp3d_cli.errors import DataError

__all__ = [
    "Checked",
    "DatasetCamera",
    "Finding",
    "Sequence",
    "check",
    "check_files",
    "descriptions",
    "names",
    "read",
    "write",
]

_ROOM = "datasets/formats"


def names() -> tuple[str, ...]:
    """Of the formats."""
    return registry.names(_ROOM)


def descriptions() -> dict[str, str]:
    """What each format is, in one line, by name."""
    return {name: _load(name).DESCRIPTION for name in names()}


@np.errstate(all="ignore")  # what overflows is found and said by the checks
def read(
    paths: Iterable[Path],
    format: str = "auto",
    subjects: Collection[str] | None = None,
    actions: Collection[str] | None = None,
) -> tuple[Sequence, ...]:
    """Read data sets, whichever formats they have.

    Args:
        paths: all files of them, cameras (.json) and lists of subjects (.csv) included; or
            folders, taken with all that is in them.
        format: a file of `formats/`, or "auto": the one that recognises each file.
        subjects, actions: keep only these; an action is its whole name or its first word.

    Returns:
        At least one. Joints are absolute, in metres.

    Raises:
        DataError: a file is missing, of no known format, or malformed; joints are NaN or in
            millimetres; there is no such subject or action.
    """
    paths = list(paths)
    choice = Choice(subjects, actions)
    sequences: list[Sequence] = []
    for group in _groups(paths, format):
        for sequence in group.read(choice):
            if fault := grave(sequence):
                raise DataError(f"{fault}; `vp3d data check` shows all that is wrong")
            sequences.append(sequence)
    choice.require_found()
    if not sequences:
        raise DataError(f"{', '.join(map(str, paths)) or 'no files'}: no sequence in it")
    return tuple(sequences)


@dataclass(frozen=True)
class Checked:
    """What is wrong with data sets.

    Attributes:
        failures: what could not be read, a sentence each.
        findings: what is wrong with the rest.
        sequences: all that could be read.
    """

    failures: tuple[str, ...]
    findings: tuple[Finding, ...]
    sequences: tuple[Sequence, ...]


@np.errstate(all="ignore")
def check_files(
    paths: Iterable[Path],
    format: str = "auto",
    subjects: Collection[str] | None = None,
    actions: Collection[str] | None = None,
) -> Checked:
    """Read what can be read of data sets, and look for all that is wrong; arguments as `read`."""
    choice = Choice(subjects, actions)
    failures: list[str] = []
    sequences: list[Sequence] = []
    try:
        for group in _groups(paths, format):
            try:
                sequences.extend(group.read(choice))
            except DataError as error:
                failures.append(str(error))
        if not failures:  # what could not be read may hold the subject that is asked for
            choice.require_found()
            if not sequences:
                failures.append("no sequence in these files")
    except DataError as error:
        failures.append(str(error))
    return Checked(tuple(failures), check(sequences), tuple(sequences))


def write(sequences: Iterable[Sequence], path: Path) -> None:
    """Write our own format, whole or not at all; equal sequences give equal bytes.

    Raises:
        DataError: they have several 2D skeletons, or several 3D ones.
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    _load("vp3d").write(tuple(sequences), path)


@dataclass(frozen=True)
class _Group:
    """Files that are read together."""

    format: str
    paths: tuple[Path, ...]

    def read(self, choice: Choice) -> Iterator[Sequence]:
        found: Iterator[Sequence] = _load(self.format).read(self.paths, choice)
        return found


def _load(name: str) -> Any:
    return importlib.import_module(f"{__name__}.formats.{name.replace('-', '_')}")


def _groups(paths: Iterable[Path], format: str) -> list[_Group]:
    """Which files are read together, and as what.

    Raises:
        DataError: one is missing, of no known format, or goes with none of the others.
    """
    if format not in ("auto", *names()):
        raise DataError(f"format {format!r}: there is none; expected auto, {', '.join(names())}")
    companions = {_load(name).COMPANION for name in names()} - {""}
    main: dict[str, list[Path]] = {}
    beside: list[Path] = []
    for path in _files(paths, companions | {_load(name).SUFFIX for name in names()}):
        if path.suffix.lower() in companions:
            beside.append(path)
        else:
            main.setdefault(_recognised(path) if format == "auto" else format, []).append(path)
    groups: list[_Group] = []
    for name, files in main.items():
        module = _load(name)
        with_it = [path for path in beside if path.suffix.lower() == module.COMPANION]
        together = [files] if module.TOGETHER else [[path] for path in files]
        groups += [_Group(name, (*each, *with_it)) for each in together]
    used = {path for group in groups for path in group.paths}
    if lost := [path for path in beside if path not in used]:
        raise DataError(f"{lost[0]}: goes with a data set, but none of the other files needs it")
    return groups


def _files(paths: Iterable[Path], suffixes: set[str]) -> Iterator[Path]:
    """The files themselves, each once, and those of data sets in the folders."""
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: does not exist")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found = [p for p in inside if p.is_file() and (p == path or p.suffix.lower() in suffixes)]
        if not found:
            raise DataError(f"{path}: expected files of a data set in this folder, got none")
        for file in found:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _recognised(path: Path) -> str:
    found = [name for name in names() if _load(name).recognise(path)]
    if len(found) == 1:
        return found[0]
    formats = "".join(f"\n  {name}: {line}" for name, line in descriptions().items())
    raise DataError(
        f"{path}: is no known data set{sources.looks_like(path)}. "
        f"The formats that --format knows:{formats}"
    )
