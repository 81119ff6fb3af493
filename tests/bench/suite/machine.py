"""Which machine it was."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from vp3d_cli import __version__
from vp3d_cli.cores import granted_cores

_LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "torch", "av", "scipy")


def describe() -> dict[str, Any]:
    """Processor, system, versions."""
    return {
        "cpu": _cpu_model(),
        "cores": granted_cores(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "vp3d": __version__,
        **{name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
