"""Videos in and out: all ffmpeg lives in this room.

`probe` says what a file is, `VideoReader` streams its frames with their real times,
`VideoWriter` encodes frames into a file that appears whole or not at all, `StillsWriter` writes
numbered PNGs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vp3d_cli.video.probing import probe
    from vp3d_cli.video.program import ffmpeg_path, stay_in_session
    from vp3d_cli.video.reading import VideoReader
    from vp3d_cli.video.stills import StillsWriter, is_numbered, open_writer, require_format
    from vp3d_cli.video.writing import VideoWriter

__all__ = [
    "StillsWriter",
    "VideoReader",
    "VideoWriter",
    "ffmpeg_path",
    "is_numbered",
    "open_writer",
    "probe",
    "require_format",
    "stay_in_session",
]

_HOMES = {
    "StillsWriter": "stills",
    "VideoReader": "reading",
    "VideoWriter": "writing",
    "ffmpeg_path": "program",
    "is_numbered": "stills",
    "open_writer": "stills",
    "probe": "probing",
    "require_format": "stills",
    "stay_in_session": "program",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that a command's help may name the codecs without NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
