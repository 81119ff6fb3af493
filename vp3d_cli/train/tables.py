"""TOML tables as dataclasses, checked against the types that their fields are declared with."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from vp3d_cli import sources
from vp3d_cli.errors import DataError, one_line
from vp3d_cli.types import Json

T = TypeVar("T")
# Beyond it a number is a slip of the hand, and some libraries cannot take it.
_MOST = 2**53
_NONE = type(None)
_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
}


def read_toml(file: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        DataError: it is not readable as TOML.
    """
    try:
        return sources.load_toml(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # wrong UTF-8 and wrong TOML are the second
        raise DataError(f"{file}: not readable as TOML: {one_line(error)}") from error


def require_tables(file: Path, tables: Json, known: Sequence[str]) -> None:
    """Refuse what is no table, and tables that nothing reads.

    Raises:
        DataError: there is one.
    """
    for name, values in tables.items():
        if name not in known:
            there = ", ".join(f"[{table}]" for table in known)
            raise DataError(f"{file}: unknown table [{one_line(name, 80)}]: expected {there}")
        _require_table(file, name, values)


def build(kind: type[T], values: Any, file: Path, table: str) -> T:
    """One table as a dataclass.

    Raises:
        DataError: a key is unknown, missing or unusable; says file, table, key, expected, found.
    """
    _require_table(file, table, values)
    hints = typing.get_type_hints(kind)
    fields: Any = dataclasses.fields(kind)  # type: ignore[arg-type]
    names = [field.name for field in fields]
    where = f"{file}: table [{table}]"
    checked: Json = {}
    for key, value in values.items():
        if key not in names:
            raise DataError(
                f"{where}: {one_line(key, 80)}: unknown key; expected {', '.join(names)}"
            )
        fixed = tuple(value) if isinstance(value, list) else value
        if not _fits(fixed, hints[key]):
            found = one_line(ascii(value) if isinstance(value, str) else value, 80)
            raise DataError(f"{where}: {key}: expected {_said(hints[key])}, got {found}")
        checked[key] = fixed
    needless = (dataclasses.MISSING, dataclasses.MISSING)
    for field in fields:
        if field.name not in checked and (field.default, field.default_factory) == needless:
            raise DataError(
                f"{where}: {field.name}: expected {_said(hints[field.name])}, is missing"
            )
    try:
        return kind(**checked)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {one_line(error)}") from error


def file_names(values: Any, folder: Path) -> Any:
    """A path or a list of them, relative to `folder`; what is neither is left for `build`."""
    names = [values] if isinstance(values, str) else values
    if not isinstance(names, list):
        return names
    return tuple(folder / name if isinstance(name, str) else name for name in names)


def require_range(values: object, names: Sequence[str], low: float, high: float = math.inf) -> None:
    """Refuse fields that are not from `low` to `high`, both included.

    Raises:
        ValueError: there is one.
    """
    for name in names:
        for value in _each(getattr(values, name)):
            if not low <= value <= high:
                most = "" if high == math.inf else f", at most {high:g}"
                raise ValueError(f"{name}: expected at least {low:g}{most}, got {value:g}")


def require_above_zero(values: object, names: Sequence[str], high: float = math.inf) -> None:
    """Refuse fields that are 0 or below, or above `high`.

    Raises:
        ValueError: there is one.
    """
    for name in names:
        for value in _each(getattr(values, name)):
            if not 0 < value <= high:
                most = "" if high == math.inf else f", at most {high:g}"
                raise ValueError(f"{name}: expected above 0{most}, got {value:g}")


def require_ascending(values: object, names: Sequence[str]) -> None:
    """Refuse pairs of low and high that are the wrong way round.

    Raises:
        ValueError: there is one.
    """
    for name in names:
        low, high = getattr(values, name)
        if low > high:
            raise ValueError(f"{name}: expected low, then high, got {low:g}, {high:g}")


def _require_table(file: Path, name: str, values: Any) -> None:
    if not isinstance(values, dict):
        raise DataError(f"{file}: '{name}' should be a table, [{name}], got {one_line(values, 60)}")


def _each(value: Any) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a declared type; NaN and infinity are no numbers here."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(_fits(value, each) for each in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        kinds = typing.get_args(hint)
        if not isinstance(value, tuple):
            return False
        if kinds[-1] is Ellipsis:
            return all(_fits(item, kinds[0]) for item in value)
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    if typing.get_origin(hint) is dict:
        return isinstance(value, dict)
    if hint is float:
        return type(value) in (int, float) and abs(value) < _MOST
    if hint is int:
        return type(value) is int and abs(value) < _MOST
    return isinstance(value, hint)


def _said(hint: Any) -> str:
    """A declared type in words."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return " or ".join(_said(kind) for kind in typing.get_args(hint) if kind is not _NONE)
    if typing.get_origin(hint) is tuple:
        kinds = typing.get_args(hint)
        if kinds[-1] is Ellipsis:
            return f"a list, each {_said(kinds[0])}"
        return f"a list of {len(kinds)}, each {_said(kinds[0])}"
    return _WORDS.get(hint, "a table")
