"""What is said when an adaptation runs out of memory: it grows with the videos."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from vp3d_cli.errors import Vp3dError

# Of PyTorch's RuntimeErrors, on the CPU and on a GPU.
_SIGNS = ("alloc_failed", "can't allocate memory", "not enough memory", "out of memory")


@contextlib.contextmanager
def explained(device: str) -> Iterator[None]:
    """Turn any shortage of memory into an error that says what to lower.

    Raises:
        Vp3dError: there was one.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = str(error).strip() or type(error).__name__
        if not isinstance(error, MemoryError) and not any(s in words.lower() for s in _SIGNS):
            raise
        other = "" if device == "cpu" else ", or --device cpu"
        raise Vp3dError(
            f"adapt: out of memory ({words.splitlines()[0][:160]}); give fewer or shorter "
            f"videos{other}"
        ) from error
