"""C3D files: named points a frame, read with the `c3d` library."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.types import Float

_INSTALL = "pip install 'vp3d[c3d]'"
_MAX_BYTES = 256 << 20
# Almost three hours at 100 Hz.
_MOST_FRAMES = 1_000_000
_BLOCK = 512
_PROCESSORS = (84, 85, 86)
# What the library raises at a damaged file.
_FAULTS = (
    *(AssertionError, AttributeError, LookupError, TypeError, RuntimeError, ValueError),
    *(ArithmeticError, struct.error),
)


class _FaultError(ValueError):
    """One that is found here, and said in words."""


@dataclass(frozen=True)
class Points:
    """What a file holds.

    Attributes:
        labels: of the points, with "Subject:" before them where the file has it.
        where: (T, points, 3) in the file's units and axes, NaN where a point was not seen.
        fps: frames a second.
        units: POINT:UNITS in small letters, "" where it says nothing.
        up: POINT:Y_SCREEN, as in "+z"; "" where it says nothing.
    """

    labels: tuple[str, ...]
    where: Float
    fps: float
    units: str
    up: str


def recognise(path: Path) -> bool:
    """Whether the file has the marks of C3D: byte 1, and the processor of its parameters."""
    try:
        if not path.is_file():  # opening a pipe would wait
            return False
        with path.open("rb") as stream:
            start = stream.read(2)
            if len(start) < 2 or start[0] == 0 or start[1] != 0x50:
                return False
            stream.seek((start[0] - 1) * _BLOCK)
            parameters = stream.read(4)
            return len(parameters) == 4 and parameters[3] in _PROCESSORS
    except OSError:
        return False


def read_points(path: Path) -> Points:
    """Read the labelled points of a file; analogue channels are passed over.

    Raises:
        BackendUnavailableError: the library is not installed.
        ValueError: the file is malformed, cut off or too large.
    """
    try:
        import c3d
    except ImportError as error:
        raise BackendUnavailableError(
            f"{path}: reading C3D needs the library c3d ({error}); install it with {_INSTALL}"
        ) from error
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"expected {_MAX_BYTES >> 20} MiB at most; split it")
    with path.open("rb") as stream, warnings.catch_warnings():
        # That it has no analogue channels, or no descriptions.
        warnings.simplefilter("ignore")
        try:
            reader = c3d.Reader(stream)
            labels = _labels(reader)
            frames = _frames(reader, path.stat().st_size)
            where = _positions(reader, labels, frames)
            rate = float(reader.point_rate)
            units, up = _text(reader, "POINT:UNITS"), _text(reader, "POINT:Y_SCREEN")
        except _FaultError:
            raise
        except _FAULTS as error:  # its words are of bytes and formats, for programmers
            raise ValueError("is damaged or cut off, or no C3D file") from error
    if not 0 < rate < 100_000:
        raise ValueError(f"POINT:RATE: expected frames a second, got {rate:g}")
    named = [i for i, label in enumerate(labels) if label and not label.startswith("*")]
    return Points(tuple(labels[i] for i in named), where[:, named], rate, units, up)


def _labels(reader: Any) -> list[str]:
    """One a point; LABELS2 and so on hold those beyond 255."""
    labels: list[str] = []
    names = ["LABELS", *(f"LABELS{number}" for number in range(2, 260))]
    for name in names:
        parameter = reader.get(f"POINT:{name}")
        if parameter is None:
            break
        sizes = parameter.dimensions
        if len(sizes) != 2 or sizes[0] * sizes[1] != len(parameter.bytes):
            raise _FaultError(f"POINT:{name}: expected a list of names, got {sizes}")
        labels += [str(label).strip(" \0") for label in parameter.string_array]
    if not labels:
        raise _FaultError("POINT:LABELS: is missing, so that no point has a name")
    return labels[: reader.point_used]


def _frames(reader: Any, size: int) -> int:
    """How many there are, after a look at whether the file is long enough for them."""
    frames, points = int(reader.frame_count), int(reader.point_used)
    if points < 1 or frames < 1:
        raise _FaultError(f"expected frames of points, got {frames} frames of {points} points")
    word = 4 if reader.point_scale < 0 else 2
    each = word * (4 * points + int(reader.analog_used) * int(reader.analog_per_frame))
    there = max(size - (int(reader.header.data_block) - 1) * _BLOCK, 0) // each
    if frames > there:
        raise _FaultError(f"is cut off: expected {frames} frames, got {there}")
    if frames > _MOST_FRAMES:
        raise _FaultError(f"expected {_MOST_FRAMES} frames at most, got {frames}; split it")
    return frames


def _positions(reader: Any, labels: list[str], frames: int) -> Float:
    """(T, labels, 3); a negative residual, or all zeros, stands for a point that was not seen."""
    where = np.empty((frames, len(labels), 3), np.float32)
    count = 0
    for count, (_, points, _) in enumerate(reader.read_frames(copy=False), start=1):
        part = points[: len(labels)]
        where[count - 1] = part[:, :3]
        where[count - 1, (part[:, 3] < 0) | (part[:, :3] == 0).all(-1)] = np.nan
    if count != frames:
        raise _FaultError(f"is cut off: expected {frames} frames, got {count}")
    return where


def _text(reader: Any, name: str) -> str:
    parameter = reader.get(name)
    if parameter is None:
        return ""
    return str(parameter.string_value).split("\0")[0].strip().lower()
