"""Every error that vp3d raises on purpose, with the exit code of its class.

A message says what is wrong, where, and what to do next. The library raises; only
`vp3d_cli.cli.main` prints and exits.
"""

from __future__ import annotations

import re

# Control characters and what turns text around: a terminal obeys them.
_OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(value: object, most: int = 600) -> str:
    """Something of a file in a message: without line breaks, and not longer than `most`."""
    try:
        text = str(value)
    except (RecursionError, ValueError):  # nested deeply, or a number of thousands of digits
        text = f"an odd {type(value).__name__}"
    text = " ".join(text[: 4 * most].split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


class Vp3dError(Exception):
    """Base of all expected failures.

    Names in files of others get into messages; whatever a terminal would obey is written out.
    """

    exit_code = 1

    def __str__(self) -> str:
        return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], super().__str__())


class OptionsError(Vp3dError):
    """Options contradict each other: wrong usage, from Python as from the command line."""

    exit_code = 2


class VideoError(Vp3dError):
    """A video cannot be opened, decoded or encoded."""

    exit_code = 3


class NoFramesError(VideoError):
    """The part of a video that was asked for has no frame."""


class WeightsError(Vp3dError):
    """Weights are unknown, unreachable, or not what they should be."""

    exit_code = 4


class BackendUnavailableError(Vp3dError):
    """Something the request needs is not installed: a library, ffmpeg, a CUDA device."""

    exit_code = 5


class DataError(Vp3dError):
    """An input file is malformed or does not fit."""

    exit_code = 6


class SkeletonMismatchError(DataError):
    """Keypoints of one skeleton were given to something that expects another."""


class OutputError(Vp3dError):
    """A result cannot be written: read-only folder, full disk."""

    exit_code = 7


class DiskFullError(OutputError):
    """The disk, or somebody's share of it, is full: whatever is written next fails too."""
