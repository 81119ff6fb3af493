"""Find a lifter by name or path."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from vp3d_cli import weights
from vp3d_cli.errors import DataError, WeightsError
from vp3d_cli.lift.checkpoint import read_checkpoint
from vp3d_cli.lift.lifter import Lifter

_log = logging.getLogger(__name__)


def load_lifter(
    lifter: str = "bundled",
    *,
    device: str = "cpu",
    skeleton_in: str | None = None,
    causal: bool | None = None,
) -> Lifter:
    """Load a lifter and check it first.

    Args:
        lifter: a name of the weights registry, or the path of a checkpoint: ours
            (.safetensors) or in VideoPose3D's layout (.bin).
        device: "cpu", "cuda", "cuda:1".
        skeleton_in, causal: what VideoPose3D's layout cannot say; COCO and symmetric where not
            given. Our own files know both.

    Raises:
        WeightsError: there is none of that name, or the file is not a lifter.
        DataError: `skeleton_in` or `causal` is given for a file of ours.
        BackendUnavailableError: the device is not there.
    """
    names = [entry.name for entry in weights.ENTRIES if entry.kind == "lifter"]
    if lifter in names:
        blob, name = weights.verified_bytes(weights.entry(lifter).files[0].name), lifter
    else:
        path = Path(lifter)
        if not path.is_file():
            raise WeightsError(
                f"lifter '{lifter}': neither a file nor one of {', '.join(names)}; "
                "`vp3d weights list` shows what there is"
            )
        try:
            blob, name = path.read_bytes(), path.name
        except OSError as error:
            raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    checkpoint = read_checkpoint(
        blob, name, skeleton_in=skeleton_in or "coco17", causal=bool(causal)
    )
    if checkpoint.foreign and (skeleton_in is None or causal is None):
        _log.warning(
            "%s does not say whether it is causal and which 2D skeleton it takes: assuming %s, %s",
            name,
            "causal" if causal else "symmetric",
            checkpoint.config.skeleton_in,
        )
    if not checkpoint.foreign and (skeleton_in is not None or causal is not None):
        raise DataError(
            f"{name} says itself which 2D skeleton it takes and whether it is causal; "
            "leave out --skeleton-in and --causal / --symmetric"
        )
    return Lifter(checkpoint, name, hashlib.sha256(blob).hexdigest(), device)
