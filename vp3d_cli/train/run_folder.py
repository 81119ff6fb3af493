"""The folder of a training run: `lifter.safetensors` (best so far), `last.pt`, and its logs."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from vp3d_cli.errors import DataError, OutputError
from vp3d_cli.files import written_whole
from vp3d_cli.train.logs import LOG, best, write_logs
from vp3d_cli.types import Json

__all__ = [
    "BEST",
    "LAST",
    "LOG",
    "Resumable",
    "best_of_run",
    "is_best",
    "load_state",
    "open_run",
    "require_new",
    "save_state",
]

BEST, LAST = "lifter.safetensors", "last.pt"
# Characters of a value in a message.
_MOST_SHOWN = 80


class Resumable(Protocol):
    """A trainer that can go on from `last.pt`."""

    def resume(self) -> None: ...


T = TypeVar("T", bound=Resumable)
Report = TypeVar("Report")


def require_new(folder: Path, *, resume: bool) -> None:
    """Refuse to go on in a folder that holds a run, unless asked to.

    Raises:
        DataError: it holds one.
    """
    if (folder / LAST).exists() and not resume:
        raise DataError(f"{folder}: already holds a run; give --resume or another --out")


def open_run(build: Callable[[], T], folder: Path, *, resume: bool) -> T:
    """Prepare a run; a folder that already holds one is only touched to resume it.

    Raises:
        DataError: the folder holds a run and `resume` is not asked for.
        OutputError: it cannot be made.
    """
    require_new(folder, resume=resume)
    trainer = build()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error
    if resume:
        trainer.resume()
    return trainer


def is_best(history: Sequence[Any]) -> bool:
    """Whether the last epoch is the best so far; one whose error is no number never is."""
    return best(_rows(history)) == len(history) - 1


def best_of_run(folder: Path, history: Sequence[Report]) -> Report:
    """The epoch that `lifter.safetensors` is of.

    Raises:
        DataError: there is none.
    """
    if not history:
        raise DataError(f"{folder}: nothing was trained and nothing to resume")
    index = best(_rows(history))
    if index is None:
        raise DataError(
            f"{folder}: training diverged: the error on held-out people is no number after any "
            "epoch; lower learning_rate in [train] and use a new --out"
        )
    return history[index]


def save_state(folder: Path, state: dict[str, Any], history: Sequence[Any]) -> None:
    """Write what resuming needs, and the logs, each whole or not at all.

    Args:
        folder: of the run.
        state: tensors and plain values, with "config".
        history: dataclasses, one a row of the log.
    """
    random = {
        "torch_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    rows = _rows(history)
    with written_whole(folder / LAST) as temporary:
        torch.save({**state, **random, "history": rows}, temporary)
    write_logs(folder, rows)


def load_state(folder: Path, config: Json) -> dict[str, Any]:
    """What `save_state` wrote; the random generators go on from where they were.

    Raises:
        DataError: there is none, or it is of another configuration.
    """
    path = folder / LAST
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        difference = _difference(_plain(state["config"]), _plain(config))
    except Exception as error:
        raise DataError(f"{path}: cannot be resumed from: {error}") from error
    if difference:
        raise DataError(
            f"{path}: was trained with another configuration; {difference}; use a new --out"
        )
    torch.set_rng_state(state["torch_rng"])
    if torch.cuda.is_available() and len(state.get("cuda_rng", [])) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda_rng"])
    return state


def _rows(history: Sequence[Any]) -> list[Json]:
    return [dataclasses.asdict(report) for report in history]


def _difference(expected: Any, found: Any, key: str = "") -> str:
    """The first key of two configurations that differs, in words; "" where none does."""
    if isinstance(expected, dict) and isinstance(found, dict):
        each = (
            _difference(expected.get(name), found.get(name), f"{key}.{name}" if key else name)
            for name in {**expected, **found}
        )
        return next(filter(None, each), "")
    if expected == found:
        return ""
    said, got = (textwrap.shorten(repr(value), _MOST_SHOWN) for value in (expected, found))
    return f"{key}: expected {said}, got {got}"


def _plain(value: Any) -> Any:
    """Tuples as lists, as they come back from a file."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
