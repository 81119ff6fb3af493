"""Libraries that an extra brings."""

from __future__ import annotations

import importlib
from typing import Any

from vp3d_cli.errors import BackendUnavailableError


def loaded(name: str, extra: str) -> Any:
    """Import a library.

    Raises:
        BackendUnavailableError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BackendUnavailableError(
            f"this format needs {name.partition('.')[0]} ({error}); "
            f"install it with pip install 'vp3d[{extra}]'"
        ) from error
