"""A file is a plug-in: its name is the command-line name, `_` files are skipped."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from vp3d_cli.errors import Vp3dError

PACKAGE = "vp3d_cli"


def names(package: str) -> tuple[str, ...]:
    """The plug-ins of a room ("detect", "export", "skeletons"), found without importing them."""
    folder = Path(__file__).parent.joinpath(*package.split("."))
    found = (m.name for m in pkgutil.iter_modules([str(folder)]) if not m.name.startswith("_"))
    return tuple(sorted(name.replace("_", "-") for name in found))


def load(package: str, name: str) -> ModuleType:
    """Import one plug-in.

    Raises:
        Vp3dError: there is none of that name.
    """
    known = names(package)
    if name not in known:
        raise Vp3dError(f"{package} has no '{name}'; it has {', '.join(known)}")
    return importlib.import_module(f"{PACKAGE}.{package}.{name.replace('-', '_')}")
