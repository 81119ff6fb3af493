"""One self-contained web page: the video and the people in 3D, side by side in step.

It needs neither network nor server, and forbids itself any. Its source is in `_page/`; the files
of SCRIPTS are joined in that order into one script.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import logging
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vp3d_cli import files
from vp3d_cli.export._page import data
from vp3d_cli.types import Json, Result
from vp3d_cli.video.browser import browser_type, write_small

SUFFIX = ".html"
DESCRIPTION = "a web page without server: video, people in 3D, joint angles and confidence"

SCRIPTS = (
    "data.js",
    "measure.js",
    "clock.js",
    "picture.js",
    "figure.js",
    "scene.js",
    "plots.js",
    "panels.js",
    "viewer.js",
)
# A larger video, or one of a kind that browsers do not play, goes in as a small copy.
LARGEST_VIDEO_BYTES = 60_000_000
SMALL_HEIGHT = 540

_SOURCE = Path(__file__).parent / "_page"
_LIBRARY = "vendor/three.min.js"
_MARK = re.compile(r"\{\{(\w+)\}\}")
_BLOCK = 3 << 18  # a multiple of 3, so that base64 of the blocks is base64 of the whole
_log = logging.getLogger(__name__)


def write(result: Result, path: Path) -> None:
    """Write the page, with the video in it where that lies beside the page under its own name.

    Raises:
        DataError: the result is too long for a page.
        OutputError: the folder is missing or not writable, or the disk is full.
        VideoError: the video cannot be made small enough for a page.
    """
    write_page(result, path, source_beside(result, path.parent))


def write_page(result: Result, path: Path, video: Path | None = None) -> None:
    """Write the page.

    Args:
        result: what it shows.
        path: the page.
        video: what the result was made from; None draws the keypoints on plain ground.

    Raises:
        DataError: the result is too long for a page.
        OutputError: the folder is missing or not writable, or the disk is full.
        VideoError: the video cannot be made small enough for a page.
    """
    about, arrays = data.pack(result)
    with tempfile.TemporaryDirectory() as folder:
        media = _media(video, Path(folder)) if video else None
        with (
            files.written_whole(path) as temporary,
            temporary.open("w", encoding="utf-8", newline="\n") as stream,
        ):
            stream.writelines(_parts(about, arrays, media))


def source_beside(result: Result, folder: Path) -> Path | None:
    """The video of a result, if a file of its name in `folder` has the content it had."""
    video = folder / result.video.path.name
    try:
        return video if video.is_file() and not is_another(result, video) else None
    except OSError:
        return None


def is_another(result: Result, video: Path) -> bool:
    """Whether a file differs from the one that the result was made from, or that is not told."""
    source = result.provenance.get("source")
    told = source.get("sha256") if isinstance(source, dict) else None
    return not video.is_file() or files.sha256(video) != told


def _media(video: Path, folder: Path) -> tuple[str, Path]:
    """The media type and the file to put into the page."""
    kind = browser_type(video)
    if kind and video.stat().st_size <= LARGEST_VIDEO_BYTES:
        return kind, video
    _log.info("making a copy of %s for the page, %d pixels high at most", video.name, SMALL_HEIGHT)
    small = folder / "small.mp4"
    write_small(video, small, SMALL_HEIGHT)
    return "video/mp4", small


def _parts(about: Json, arrays: str, media: tuple[str, Path] | None) -> Iterator[str]:
    """The page from its start to its end."""
    style = _read("style.css")
    library = _read(_LIBRARY)
    viewer = '(() => {\n"use strict";\n' + "\n".join(map(_read, SCRIPTS)) + "})();\n"
    about = about | {"videoType": media[0] if media else None}
    values = {
        "title": html.escape(f"{about['name']} · vp3d"),
        "policy": _policy(style, library, viewer),
        "style": style,
        "about": json.dumps(about, sort_keys=True).replace("<", "\\u003c"),
        "arrays": arrays,
        "library": library,
        "viewer": viewer,
    }
    # The template's marks and its text in turns.
    for position, part in enumerate(_MARK.split(_read("page.html"))):
        if position % 2 == 0:
            yield part
        elif part == "video":
            yield from _base64(media[1]) if media else ()
        else:
            yield values[part]


def _policy(style: str, *scripts: str) -> str:
    """The Content-Security-Policy: these very scripts, the video in the page, and nothing else."""
    allowed = " ".join(f"'{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src '{_digest(style)}'; "
        "img-src data:; media-src blob:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _read(name: str) -> str:
    return (_SOURCE / name).read_text(encoding="utf-8")


def _base64(path: Path) -> Iterator[str]:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield base64.b64encode(block).decode("ascii")
