"""2D keypoints of whole videos in files: one format a file.

The name of a file here is the name of its format, which `--format` takes. It defines

- `DESCRIPTION: str`: one line for help
- `recognise(path: Path) -> bool`: looks at the content, cheaply, and never raises
- `read(path: Path, video: str | None = None) -> Keypoints2D`: raises DataError
- `HOLDS_SEVERAL = True` where one file may hold several videos
"""

from __future__ import annotations

from pathlib import Path

from vp3d_cli import registry, sources
from vp3d_cli.errors import DataError
from vp3d_cli.types import Keypoints2D


def read(path: Path, format: str = "auto", video: str | None = None) -> Keypoints2D:
    """Read the people of one video.

    Args:
        path: a file, or a folder where a format is one.
        format: a file of this room, or "auto": the one that recognises the content.
        video: which one, by name with or without suffix, where a file holds several.

    Returns:
        Pixels of our convention: origin at the top-left corner, centres at +0.5. Scores within 0
        and 1. Track ids from 1.

    Raises:
        DataError: it is not there, of no known format, malformed, or holds several videos.
    """
    known = registry.names("keypoints")
    if format not in ("auto", *known):
        raise DataError(f"format {format!r}: there is none; expected auto, {', '.join(known)}")
    if not path.exists():
        raise DataError(f"{path}: does not exist")
    name = _recognised(path) if format == "auto" else format
    reader = registry.load("keypoints", name)
    if video is not None and not getattr(reader, "HOLDS_SEVERAL", False):
        raise DataError(f"{path}: {name} files hold one video; leave out the name {video!r}")
    keypoints: Keypoints2D = reader.read(path, video)
    return keypoints


def write(keypoints: Keypoints2D, path: Path) -> None:
    """Write our own format (`vp3d.keypoints/1`), whole or not at all; equal values, equal bytes.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    registry.load("keypoints", "vp3d").write(keypoints, path)


def descriptions() -> dict[str, str]:
    """What each format is, in one line, by name."""
    return {
        name: registry.load("keypoints", name).DESCRIPTION for name in registry.names("keypoints")
    }


def _recognised(path: Path) -> str:
    """The one format that recognises the content.

    Raises:
        DataError: none does, or several do.
    """
    known = registry.names("keypoints")
    found = [name for name in known if registry.load("keypoints", name).recognise(path)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{path}: could be {' or '.join(found)}; say which with --format")
    formats = "".join(f"\n  {name}: {line}" for name, line in descriptions().items())
    raise DataError(
        f"{path}: is not a readable file of 2D keypoints{sources.looks_like(path)}. "
        f"The formats that --format knows:{formats}"
    )
