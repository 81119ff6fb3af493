"""Decoding by hardware, where it proves that it can."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.video.opening import input_options
from vp3d_cli.video.program import ffmpeg_path, file_url

AUTO = "auto"
_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error")
_PATIENCE_S = 30


def hardware_options(path: Path, name: str | None) -> dict[str, str]:
    """ffmpeg's input options to decode a video by hardware.

    ffmpeg falls back by itself in some cases, gives up in others, and with some drivers crashes:
    hence a first frame is decoded to see.

    Args:
        path: the video.
        name: as ffmpeg calls it; "auto" for the first that works, or else none; None for none.

    Raises:
        BackendUnavailableError: ffmpeg does not know it, or it does not decode this video.
    """
    if name is None:
        return {}
    known = _known(ffmpeg_path())
    if name == AUTO:
        works = (each for each in known if _reason_against(path, each) is None)
        found = next(works, None)
        return {} if found is None else {"hwaccel": found}
    if name not in known:
        raise BackendUnavailableError(
            f"hardware decoder '{name}': this ffmpeg knows {', '.join(known) or 'none'}; "
            "use one of them, or auto"
        )
    if reason := _reason_against(path, name):
        raise BackendUnavailableError(
            f"hardware decoder '{name}' does not decode {path} here ({reason}); leave out --hwaccel"
        )
    return {"hwaccel": name}


@functools.cache
def _known(program: str) -> tuple[str, ...]:
    """What this ffmpeg can ask to decode; the machine may not have it."""
    try:
        answer = subprocess.run(
            [program, *_QUIET, "-hwaccels"], capture_output=True, check=True, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(answer.stdout.decode(errors="replace").split("\n", 1)[-1].split())


@functools.lru_cache(64)
def _reason_against(path: Path, name: str) -> str | None:
    """Why a hardware decoder cannot decode the first frame; None where it can."""
    options = input_options(path) | {"hwaccel": name, "i": file_url(path)}
    flags = (part for key, value in options.items() for part in (f"-{key}", value))
    command = [ffmpeg_path(), *_QUIET, *flags, "-frames:v", "1", "-f", "null", "-"]
    try:
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if answer.returncode == 0:
        return None
    words = answer.stderr.decode(errors="replace").strip().splitlines()
    return words[-1] if words else f"ffmpeg ended with {answer.returncode}"
