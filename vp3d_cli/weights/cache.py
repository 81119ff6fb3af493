"""Where weights lie, and that they are intact.

Files that come with the package have their SHA-256 in `entries`. A fetched file has it beside
itself, in the form that `sha256sum --check` reads: pinned when its structure was found to be
right, and binding from then on, even when the file itself is removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from pathlib import Path

from vp3d_cli.errors import WeightsError
from vp3d_cli.files import written_whole
from vp3d_cli.weights import entries
from vp3d_cli.weights.entries import WeightsEntry, WeightsFile


def weights_folder() -> Path:
    """The folder of bundled weights.

    A wheel carries it inside the package; an editable install finds `weights/` beside it.

    Raises:
        WeightsError: neither exists.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_data" / "weights", package.parent / "weights"):
        if folder.is_dir():
            return folder
    raise WeightsError(f"no weights folder in {package} or beside it; reinstall vp3d")


def cache_folder() -> Path:
    """Where fetched files are kept: `VP3D_CACHE`, else the platform's folder for such files.

    Raises:
        WeightsError: the user has no home folder.
    """
    try:
        if chosen := os.environ.get("VP3D_CACHE"):
            return Path(chosen).expanduser().absolute()
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            base = Path(local) if local else Path.home() / "AppData" / "Local"
            return base / "vp3d" / "Cache"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "vp3d"
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        # The XDG rules: a relative path there counts as none.
        return (base if base.is_absolute() else Path.home() / ".cache") / "vp3d"
    except RuntimeError as error:
        raise WeightsError(
            f"no folder to keep weights in: {error}; set VP3D_CACHE to a folder"
        ) from error


def where(weights: WeightsEntry, file: WeightsFile | None = None) -> Path:
    """Where a file of an entry is, or would be once it is fetched; the first file if none is named.

    Raises:
        WeightsError: there is no such folder, see `weights_folder` and `cache_folder`.
    """
    file = file or weights.files[0]
    folder = weights_folder() if file.url is None else cache_folder() / "weights"
    return folder / file.name


def available(name: str) -> bool:
    """Whether the weights of that name could be loaded: bundled, or fetched and pinned.

    Cheap: files are looked for, not read.

    Raises:
        WeightsError: no weights have this name.
    """
    weights = entries.entry(name)
    if weights.bundled:
        return True
    try:
        return all(
            where(weights, file).is_file()
            and bool(file.sha256 or pin_path(where(weights, file)).is_file())
            for file in weights.files
        )
    except (WeightsError, OSError):  # no home folder, or one that may not be looked into
        return False


def verify(weights: WeightsEntry) -> None:
    """Read every file of an entry and compare its hash.

    Raises:
        WeightsError: a file is missing, unreadable or altered.
    """
    for file in weights.files:
        _read_checked(weights, file)


def verified_bytes(file_name: str) -> bytes:
    """The content of a bundled or fetched file, after its SHA-256 was found to be right.

    Raises:
        WeightsError: the file is unknown, missing, unreadable or altered.
    """
    for weights in entries.ENTRIES:
        for file in weights.files:
            if file.name == file_name:
                return _read_checked(weights, file)
    raise WeightsError(f"no weights have a file '{file_name}'")


def known_by_hash(sha256: str) -> WeightsEntry | None:
    """The entry that a file with this hash belongs to, wherever it lies."""
    for weights in entries.ENTRIES:
        for file in weights.files:
            with contextlib.suppress(WeightsError):
                if pinned_hash(weights, file) == sha256:
                    return weights
    return None


def pinned_hash(weights: WeightsEntry, file: WeightsFile | None = None) -> str | None:
    """The SHA-256 that a file must have: published, or pinned at its first fetch; None before it.

    Raises:
        WeightsError: the pin is damaged.
    """
    file = file or weights.files[0]
    if file.sha256 or file.url is None:
        return file.sha256
    path = pin_path(where(weights, file))
    try:
        found = re.match(r"[0-9a-f]{64}\b", path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise WeightsError(f"weights '{weights.name}': {path} cannot be read: {error}") from error
    if not found:
        raise WeightsError(
            f"weights '{weights.name}': {path} holds no SHA-256; delete it and run "
            f"`vp3d weights fetch {weights.name}`"
        )
    return found[0]


def pin(path: Path, sha256: str) -> None:
    """From now on a file must have this hash.

    Raises:
        OutputError: it cannot be written.
    """
    with written_whole(pin_path(path)) as temporary:
        temporary.write_text(f"{sha256}  {path.name}\n", encoding="ascii")


def pin_path(path: Path) -> Path:
    """Where the hash of a fetched file is written."""
    return path.with_name(f"{path.name}.sha256")


def how_to_get(weights: WeightsEntry, file: WeightsFile) -> str:
    """What it is that is missing, and both ways to bring it."""
    size = f"about {file.size / 1e6:.0f} MB, " if file.size else ""
    return (
        f"{file.name} ({size}{weights.terms}) is published at {file.url} ; "
        f"`vp3d weights fetch {weights.name}` brings it, "
        f"`vp3d weights fetch {weights.name} --from FILE` takes a copy of yours"
    )


def _read_checked(weights: WeightsEntry, file: WeightsFile) -> bytes:
    path = where(weights, file)
    if file.url is None:
        remedy = "reinstall vp3d or restore the file"
    else:
        remedy = f"delete it and run `vp3d weights fetch {weights.name}`"
    expected = pinned_hash(weights, file)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if file.url is None:
            raise WeightsError(f"weights '{weights.name}': {path} is missing; {remedy}") from error
        raise WeightsError(
            f"weights '{weights.name}' are not fetched yet: {how_to_get(weights, file)}"
        ) from error
    except OSError as error:
        raise WeightsError(
            f"weights '{weights.name}': {path}: {error.strerror or error}; {remedy}"
        ) from error
    if expected is None:
        raise WeightsError(
            f"weights '{weights.name}': {path} was never checked; "
            f"`vp3d weights fetch {weights.name} --from {path}` does it"
        )
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise WeightsError(
            f"weights '{weights.name}': SHA-256 of {path} differs "
            f"(expected {expected[:12]}…, got {found[:12]}…); {remedy}"
        )
    return content
