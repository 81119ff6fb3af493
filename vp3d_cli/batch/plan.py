"""Which videos there are, and what their results are called: the same for the same files."""

from __future__ import annotations

import collections
import glob
import hashlib
import logging
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from vp3d_cli.batch.layout import SUFFIXES
from vp3d_cli.batch.values import Task, shown
from vp3d_cli.errors import DataError

_log = logging.getLogger(__name__)

# Suffixes of what lies beside videos in folders; all others are tried.
_NO_VIDEO = re.compile(
    r"""\.(
    aac|aiff?|flac|m4a|mp3|ogg|opus|wav|wma|m3u8?                       # sound
    |avif|bmp|heic|jpe?g|png|psd|svg|thm|tiff?|webp                     # pictures
    |ass|srt|sub|vtt                                                    # subtitles
    |cfg|csv|dat|db|ini|ipynb|jsonl?|log|md|py|rst|toml|tsv|txt|xml|ya?ml
    |docx?|html?|pdf|pptx?|url|xlsx?
    |blend|bvh|c3d|fbx|glb|mat|npy|npz|obj|pkl|pth?|safetensors|trc     # data and models
    |7z|bak|bin|dmg|exe|gz|iso|lnk|lock|otf|part|rar|sha256|tar|tgz|tmp|ttf|xz|zip|zst
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_SNIFFED = 512
# Bytes of a file name; most file systems take 255, and the longest suffix of ours is added.
_MAX_NAME = 230


def make_plan(inputs: Sequence[str], lists: Sequence[Path], out: Path) -> tuple[Task, ...]:
    """Find the videos and name their results, in the order of the names.

    A folder is searched with all below it, links to folders too, each folder once; its results
    keep its tree. The tree of a pattern is that below its fixed part. Of a file named by itself
    the folders are kept as they were named, but those above the current one.

    Args:
        inputs: folders, videos, and patterns such as `clips/**/*.mp4`.
        lists: text files with one such name a line.
        out: the output folder; what lies in it is left out.

    Raises:
        DataError: an input is not there or cannot be read.
    """
    found: dict[str, tuple[Path, str]] = {}
    wanted = [*inputs, *(line for path in lists for line in _lines(path))]
    for name in wanted:
        for source, relative in _sources(name, out):
            found.setdefault(os.path.realpath(source), (source, relative))
    names = _distinct([relative for _, relative in found.values()])
    sources = [source for source, _ in found.values()]
    return tuple(sorted(map(Task, names, sources), key=lambda task: task.name))


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return [line for line in re.split(r"\r?\n", text) if line.strip()]


def _sources(name: str, out: Path) -> Iterator[tuple[Path, str]]:
    """The videos that one input means, and their names relative to its tree."""
    path = Path(name)
    if path.is_dir():
        for source in _walked(path, out):
            yield source, os.path.relpath(source, path)
    elif path.exists():
        yield path, _inside(name)
    elif glob.has_magic(name):
        yield from _matching(name, out)
    else:
        raise DataError(f"{name}: no such file or folder; check the path")


def _matching(pattern: str, out: Path) -> Iterator[tuple[Path, str]]:
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    base = Path(*parts[:fixed])
    files = [path for path in sorted(base.glob(str(Path(*parts[fixed:])))) if path.is_file()]
    if not files:
        raise DataError(f"{pattern}: no file fits this pattern; put it in quotes, check the path")
    left_out = os.path.realpath(out)
    for file in files:
        ours = os.path.realpath(file).startswith(left_out + os.sep)
        if not ours and _may_be_video(file):
            yield file, _inside(os.path.relpath(file, base))


def _walked(top: Path, out: Path) -> Iterator[Path]:
    """The videos in and below a folder; real folders before links, so that loops end."""
    left_out = os.path.realpath(out)
    inside_out = _is_within(os.path.realpath(top), left_out)
    seen: set[str] = set()
    folders, links = collections.deque([os.fspath(top)]), collections.deque[str]()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        real = os.path.realpath(folder)
        if real in seen or (real == left_out and not inside_out):
            continue
        seen.add(real)
        for entry in _entries(folder):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                (links if entry.is_symlink() else folders).append(entry.path)
            elif _is_taken(entry):
                yield Path(entry.path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        _log.warning("%s: left out: %s", shown(folder), error.strerror or error)
        return []


def _is_taken(entry: os.DirEntry[str]) -> bool:
    """Whether a file of a folder may be a video; a link to nowhere is one that fails."""
    path = Path(entry.path)
    nowhere = entry.is_symlink() and not path.exists()
    return (nowhere or entry.is_file()) and _may_be_video(path) and not _is_ours(path)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _is_ours(path: Path) -> bool:
    """Whether it is a video that we drew, beside its pose file."""
    drawn = SUFFIXES["render"]
    if not path.name.endswith(drawn):
        return False
    return path.with_name(path.name.removesuffix(drawn) + SUFFIXES["npz"]).is_file()


def _may_be_video(path: Path) -> bool:
    if path.suffix:
        return not _NO_VIDEO.fullmatch(path.suffix)
    try:
        with path.open("rb") as stream:
            start = stream.read(_SNIFFED)
    except OSError:
        return True  # whoever works on it says what is wrong
    return b"\0" in start  # text is none


def _inside(name: str) -> str:
    """A name without what leads out of a folder: `../a/b` and `/a/b` are `a/b`."""
    path = Path(os.path.normpath(name))
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return str(Path(*(part for part in path.parts if part not in (os.pardir, path.anchor))))


def _distinct(names: Sequence[str]) -> list[str]:
    """What results are called: without suffix; with it where two would be called the same."""
    files = [PurePosixPath(*Path(name).parts) for name in names]
    bare = [_short(file.with_suffix("") if file.stem else file) for file in files]
    whole = [_short(file) for file in files]
    marked = [f"{name}~{_mark(str(file))}" for name, file in zip(whole, files, strict=True)]
    chosen = bare
    for longer in (whole, marked):
        count = collections.Counter(map(_folded, chosen))
        chosen = [
            other if count[_folded(name)] > 1 else name
            for name, other in zip(chosen, longer, strict=True)
        ]
    return chosen


def _folded(name: str) -> str:
    """Equal for names that are one file where case or composition do not count."""
    return unicodedata.normalize("NFC", name).casefold()


def _short(path: PurePosixPath) -> str:
    """A name that leaves room for suffixes; what was cut off is told by a digest."""
    raw = path.name.encode("utf-8", "surrogateescape")
    if len(raw) > _MAX_NAME:
        cut = raw[: _MAX_NAME - 13].decode("utf-8", "ignore")
        path = path.with_name(f"{cut}~{_mark(path.name)}")
    return str(path)


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
