"""What is said when a training runs out of memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from vp3d_cli.errors import Vp3dError

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
    return (named or lines or [type(error).__name__])[-1][:160]
