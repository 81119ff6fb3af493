"""Bring weights in: fetched, checked by the room that will load them, converted to our format."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from vp3d_cli import registry, skeletons, weights
from vp3d_cli.errors import DataError, WeightsError
from vp3d_cli.weights import Progress, WeightsEntry

if TYPE_CHECKING:
    from vp3d_cli.lift.checkpoint import Checkpoint

_log = logging.getLogger(__name__)

# The file of `detect/` that reads the detectors which are fetched.
_DETECTOR = "keypoint-rcnn"


def fetch(name: str, source: str | None = None, progress: Progress | None = None) -> Path:
    """Bring weights into the cache, unless they are there and intact.

    Args:
        name: an entry of the weights registry.
        source: another URL (http, https, file), or the path of a copy; the publisher if None.
        progress: told bytes done, and bytes in all where the server says.

    Returns:
        Where the file is.

    Raises:
        WeightsError: no such weights, unreachable, or not the file it should be.
        OutputError: the cache cannot be written to.
        BackendUnavailableError: a library that the check needs is not installed.
    """
    entry = weights.entry(name)
    return weights.fetch(entry, functools.partial(check, entry), source, progress)


def check(entry: WeightsEntry, blob: bytes, where: str) -> None:
    """Look at the structure of a file, without executing anything in it.

    Args:
        entry: what it should be.
        blob: the file.
        where: names the file in errors.

    Raises:
        WeightsError: it is something else.
    """
    if entry.kind == "detector":
        registry.load("detect", _DETECTOR).check(blob, where)
        return
    from vp3d_cli.lift.checkpoint import read_checkpoint

    skeleton_in = entry.skeleton_in or "coco17"
    _require_layout(entry, read_checkpoint(blob, where, skeleton_in=skeleton_in), where)


def _require_layout(entry: WeightsEntry, checkpoint: Checkpoint, where: str) -> None:
    if not checkpoint.foreign:
        raise WeightsError(
            f"{where}: a lifter in vp3d's own format, not the published file '{entry.name}'; "
            "use it as it is: --lifter FILE"
        )
    config = checkpoint.config
    joints = skeletons.get(entry.skeleton_out or "h36m17").num_joints
    found = (
        *(config.filter_widths, config.channels, config.features),
        *(config.dense, skeletons.get(config.skeleton_out).num_joints),
    )
    shape = entry.shape
    if shape and found != (shape.filter_widths, shape.channels, shape.features, False, joints):
        raise WeightsError(
            f"{where}: another network than '{entry.name}': expected "
            f"{_described(shape.filter_widths, shape.channels, shape.features, joints)}, got "
            f"{_described(config.filter_widths, config.channels, config.features, found[-1])}"
            f"{' without dilation' if config.dense else ''}"
        )


def _described(widths: tuple[int, ...], channels: int, features: int, joints: int) -> str:
    return (
        f"filter widths {','.join(map(str, widths))}, {channels} channels, "
        f"{features} numbers a keypoint, {joints} joints"
    )


def convert(
    source: str, out: Path, skeleton_in: str | None = None, causal: bool | None = None
) -> None:
    """Write a VideoPose3D checkpoint as a lifter of our own format, which says everything itself.

    The result stays under the licence of the original, and says so.

    Args:
        source: a name of the weights registry, or a path.
        out: file to write, .safetensors.
        skeleton_in, causal: what the file cannot say, for one that is not of the registry; COCO
            and symmetric where not given.

    Raises:
        WeightsError: the source is missing, or is no lifter.
        DataError: it has our format, or its registry entry says what is said again here.
        OutputError: `out` cannot be written.
    """
    from vp3d_cli.lift.checkpoint import read_checkpoint, save_checkpoint

    blob, name = _source_bytes(source)
    digest = hashlib.sha256(blob).hexdigest()
    entry = weights.known_by_hash(digest)
    if entry and (skeleton_in is not None or causal is not None):
        raise DataError(
            f"{source}: is '{entry.name}', whose 2D skeleton and kind are known; "
            "leave out --skeleton-in and --causal / --symmetric"
        )
    if entry:
        skeleton_in, causal = entry.skeleton_in, entry.causal
    checkpoint = read_checkpoint(
        blob, name, skeleton_in=skeleton_in or "coco17", causal=bool(causal)
    )
    if not checkpoint.foreign:
        raise DataError(f"{source}: is in vp3d's own format; there is nothing to convert")
    if skeleton_in is None or causal is None:
        _log.warning(
            "%s does not say whether it is causal and which 2D skeleton it takes: taken as %s, %s",
            *(name, "causal" if causal else "symmetric", checkpoint.config.skeleton_in),
        )
    provenance = {
        "converted_from": name,
        "sha256": digest,
        "licence": entry.licence if entry else "unknown: that of the original",
        "source": entry.files[0].url if entry else None,
    }
    config = dataclasses.replace(checkpoint.config, training=provenance)
    save_checkpoint(dataclasses.replace(checkpoint, config=config), out)


def _source_bytes(source: str) -> tuple[bytes, str]:
    """A checkpoint's bytes, and its file name."""
    if source in [entry.name for entry in weights.ENTRIES]:
        entry = weights.entry(source)
        if entry.kind != "lifter":
            raise DataError(f"'{source}' is a {entry.kind}; only lifters are converted")
        name = entry.files[0].name
        return weights.verified_bytes(name), name
    path = Path(source)
    try:
        return path.read_bytes(), path.name
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
