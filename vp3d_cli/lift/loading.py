"""Find a lifter by name or path."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from vp3d_cli import weights
from vp3d_cli.errors import DataError, WeightsError
from vp3d_cli.lift.checkpoint import Checkpoint, read_arrays
from vp3d_cli.lift.lifter import Lifter

_log = logging.getLogger(__name__)


def load_lifter(
    lifter: str = "bundled",
    *,
    device: str = "cpu",
    skeleton_in: str | None = None,
    causal: bool | None = None,
    runtime: str = "torch",
) -> Lifter:
    """Load a lifter and check it first.

    Args:
        lifter: a name of the weights registry, or the path of a checkpoint: ours
            (.safetensors) or in VideoPose3D's layout (.bin).
        device: "cpu", "cuda", "cuda:1".
        skeleton_in, causal: what VideoPose3D's layout cannot say; COCO and symmetric where not
            given. Our own files know both, and so do files of the registry, wherever they lie.
        runtime: what the network runs on, a file of `lift/runtimes/`: "torch", "onnx".

    Raises:
        WeightsError: there is none of that name, or the file is not a lifter.
        DataError: `skeleton_in` or `causal` is given for a file that is known to have them.
        BackendUnavailableError: the device or the runtime is not there.
    """
    blob, name, entry = _read(lifter)
    digest = hashlib.sha256(blob).hexdigest()
    entry = entry or weights.known_by_hash(digest)
    said = skeleton_in is not None or causal is not None
    checkpoint = read_arrays(
        blob,
        name,
        skeleton_in=(entry and entry.skeleton_in) or skeleton_in or "coco17",
        causal=entry.causal if entry else bool(causal),
    )
    if said and (entry or not checkpoint.foreign):
        raise DataError(_known_already(checkpoint, name))
    if checkpoint.foreign and not entry and (skeleton_in is None or causal is None):
        _log.warning(
            "%s does not say whether it is causal and which 2D skeleton it takes: assuming %s, %s",
            name,
            "causal" if causal else "symmetric",
            checkpoint.config.skeleton_in,
        )
    return Lifter(checkpoint, name, digest, device, runtime)


def _read(lifter: str) -> tuple[bytes, str, weights.WeightsEntry | None]:
    """The bytes of a lifter, what to call it, and its entry where it was asked for by name."""
    names = [entry.name for entry in weights.ENTRIES if entry.kind == "lifter"]
    if lifter in names:
        entry = weights.entry(lifter)
        return weights.verified_bytes(entry.files[0].name), lifter, entry
    path = Path(lifter)
    if not path.is_file():
        raise WeightsError(
            f"lifter '{lifter}': neither a file nor one of {', '.join(names)}; "
            "`vp3d weights list` shows what there is"
        )
    try:
        return path.read_bytes(), path.name, None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error


def _known_already(checkpoint: Checkpoint, name: str) -> str:
    config = checkpoint.config
    kind = "causal" if config.causal else "symmetric"
    return (
        f"{name} says itself which 2D skeleton it takes ({config.skeleton_in}) and whether it is "
        f"causal ({kind}); leave out --skeleton-in and --causal / --symmetric"
    )
