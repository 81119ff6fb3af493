"""Video in, 3D human pose out.

    import vp3d_cli
    result = vp3d_cli.estimate("input.mp4")
    result.tracks3d[0].joints  # (T, 17, 3) metres, camera axes, relative to the hip

`load_result` reads a pose file back, `load_lifter` gives the lifter alone. `detect_video` and
`lift_keypoints` are the two halves of `estimate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vp3d_cli.lift.loading import load_lifter
    from vp3d_cli.options import Options
    from vp3d_cli.pipeline import detect_video, estimate, lift_keypoints
    from vp3d_cli.results import load_result
    from vp3d_cli.types import Result

__version__ = "0.1.0"
__all__ = [
    "Options",
    "Result",
    "__version__",
    "detect_video",
    "estimate",
    "lift_keypoints",
    "load_lifter",
    "load_result",
]

_HOMES = {
    "Options": "options",
    "Result": "types",
    "detect_video": "pipeline",
    "estimate": "pipeline",
    "lift_keypoints": "pipeline",
    "load_lifter": "lift.loading",
    "load_result": "results",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `vp3d --help` loads no network library."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
