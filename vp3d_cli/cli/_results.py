"""What commands that make poses do with them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vp3d_cli import export
from vp3d_cli.cli import _console
from vp3d_cli.cli._options import require_new_names, require_writable
from vp3d_cli.errors import DataError

if TYPE_CHECKING:
    from vp3d_cli.types import Result

_log = logging.getLogger("vp3d_cli.cli")


class Outputs:
    """The files to write, checked before hours of work and written after them."""

    def __init__(
        self,
        out: Path,
        as_json: bool,
        formats: Iterable[str],
        render: Path | None,
        people: Path | None,
        inputs: Iterable[Path | None],
    ) -> None:
        """Check the names.

        Args:
            out: the pose file.
            as_json: JSON beside it.
            formats: other formats beside it.
            render: a video of the skeletons.
            people: a picture of who has which id.
            inputs: files that must not be written over.
        """
        if out.suffix != ".npz":
            raise click.BadParameter(
                f"'{out}' should end in .npz; JSON comes beside it with --json"
            )
        names = dict.fromkeys([*(["json"] if as_json else []), *formats])
        for name in names:
            export.require(name)
        self._poses = {"npz": out}
        self._poses |= {name: out.with_name(f"{out.stem}{export.ending(name)}") for name in names}
        self._render, self._people = render, people
        self._written: list[Path] = []
        self._refused: DataError | None = None
        self._started = time.monotonic()
        if people and people.suffix.lower() != ".png":
            raise click.BadParameter(f"'{people}' should end in .png")
        outputs = [*self._poses.values(), *(path for path in (render, people) if path)]
        require_new_names(inputs, outputs)
        require_writable(*outputs)

    def write(self, result: Result, video: Path | None, progress: _console.Move | None) -> None:
        """Write them; the skeletons are drawn on `video` where there is one."""
        for name, path in self._poses.items():
            try:
                self._written += export.write(result, name, path, video)
            except DataError as error:
                if result.tracks3d:
                    self._refused = told_first(self._refused, error)
                else:
                    _log.warning("%s", error)  # that nobody was found is a result
        if self._render:
            from vp3d_cli.render.compose import render_video

            watch = _console.stage("render", progress)
            render_video(result, self._render, video=video, progress=watch)
            self._written.append(self._render)
        if self._people and video:
            from vp3d_cli.render.people_sheet import write_people_sheet

            write_people_sheet(result, video, self._people)
            self._written.append(self._people)

    def tell(self, result: Result) -> None:
        """Say what was found, and print the paths written.

        Raises:
            DataError: a format could not hold the result; the others are written.
        """
        _log.info(
            "%s in %s, %.1f s",
            count(len(result.tracks2d), "person", "people"),
            count(result.provenance["num_frames_read"], "frame", "frames"),
            time.monotonic() - self._started,
        )
        for path in self._written:
            click.echo(path)
        if self._refused:
            raise self._refused


def told_first(first: DataError | None, error: DataError) -> DataError:
    """The error to end with, once the rest is done; a later one is a warning."""
    if first:
        _log.warning("%s", error)
    return first or error


def count(number: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many}"
