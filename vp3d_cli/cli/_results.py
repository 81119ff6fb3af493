"""What commands that make poses do with them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vp3d_cli import registry
from vp3d_cli.cli import _console
from vp3d_cli.cli._options import require_new_names, require_writable

if TYPE_CHECKING:
    from vp3d_cli.types import Result

_log = logging.getLogger("vp3d_cli.cli")


class Outputs:
    """The files to write, checked before hours of work and written after them."""

    def __init__(
        self, out: Path, as_json: bool, render: Path | None, inputs: Iterable[Path | None]
    ) -> None:
        """Check the names.

        Args:
            out: the pose file.
            as_json: JSON beside it.
            render: a video of the skeletons.
            inputs: files that must not be written over.
        """
        if out.suffix != ".npz":
            raise click.BadParameter(
                f"'{out}' should end in .npz; JSON comes beside it with --json"
            )
        self._poses = {"npz": out} | ({"json": out.with_suffix(".json")} if as_json else {})
        self._render = render
        self._started = time.monotonic()
        require_new_names(inputs, self._all)
        require_writable(*self._all)

    @property
    def _all(self) -> list[Path]:
        return [*self._poses.values(), *([self._render] if self._render else [])]

    def write(self, result: Result, video: Path | None, progress: _console.Move | None) -> None:
        """Write them; the skeletons are drawn on `video` where there is one."""
        for name, path in self._poses.items():
            registry.load("export", name).write(result, path)
        if self._render:
            from vp3d_cli.render.compose import render_video

            watch = _console.stage("render", progress)
            render_video(result, self._render, video=video, progress=watch)

    def tell(self, result: Result) -> None:
        """Say what was found, and print the paths written."""
        _log.info(
            "%s in %s, %.1f s",
            count(len(result.tracks2d), "person", "people"),
            count(result.provenance["num_frames_read"], "frame", "frames"),
            time.monotonic() - self._started,
        )
        for path in self._all:
            click.echo(path)


def count(number: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many}"
