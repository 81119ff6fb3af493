"""What is said when a training runs out of memory."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator

from vp3d_cli.errors import Vp3dError
from vp3d_cli.lift.config import LifterConfig

# Of PyTorch's RuntimeErrors, on the CPU, on a GPU, and in the process that makes the batches.
_SIGNS = (
    "alloc_failed",
    "can't allocate memory",
    "cannot allocate memory",
    "killed by signal",
    "memoryerror",
    "not enough memory",
    "out of memory",
    "unable to allocate",
)
_ADVICE = (
    "lower batch_size in [train] or channels in [model]; where sequences are made, also sequences, "
    "sequence_length or validation_sequences in [train]"
)

_MOST_SHOWN = 160
_MOST_BYTES = 64 << 30
_BYTES_A_NUMBER = 4


def require_room(windows: int, stride: int, model: LifterConfig) -> None:
    """Refuse batches of which a single layer is larger than any machine's memory.

    Without it, making the windows' numbers alone takes minutes before it fails.

    Args:
        windows: of a step, mirrored and unlabelled ones included.
        stride: predicted frames of each.
        model: says how many frames each sees, and in how many channels.

    Raises:
        Vp3dError: they are too many.
    """
    frames = model.receptive_field + stride - 1
    needed = windows * frames * model.channels * _BYTES_A_NUMBER
    if needed > _MOST_BYTES:
        raise Vp3dError(
            f"training: out of memory ({windows} windows of {frames} frames in {model.channels} "
            f"channels would need {needed / 2**30:.0f} GiB a layer, {_MOST_BYTES >> 30} at most); "
            f"{_ADVICE}"
        )


@contextlib.contextmanager
def shortage_explained() -> Iterator[None]:
    """Turn any shortage of memory into an error that says what to lower; also a decorator.

    Raises:
        Vp3dError: there was one.
    """
    try:
        yield
    except MemoryError as error:
        raise Vp3dError(f"training: out of memory ({_brief(error)}); {_ADVICE}") from error
    except (OSError, RuntimeError) as error:
        if not any(sign in str(error).lower() for sign in _SIGNS):
            raise
        raise Vp3dError(f"training: out of memory ({_brief(error)}); {_ADVICE}") from error


def _brief(error: BaseException) -> str:
    """The sentence of a message that says what could not be had."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if any(sign in line.lower() for sign in _SIGNS)]
    return textwrap.shorten(
        (named or lines or [type(error).__name__])[-1], _MOST_SHOWN, placeholder=" ..."
    )
