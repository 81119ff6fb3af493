"""Videos in and out: all ffmpeg lives in this room.

`probe` says what a file is, `VideoReader` streams its frames with their real times,
`VideoWriter` encodes frames into a file that appears whole or not at all, `StillsWriter` writes
numbered PNGs.
"""

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
