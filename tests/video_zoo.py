"""Videos of every odd kind, made by ffmpeg and by editing bytes, and how each was read.

Every film shows four coloured quadrants, so that a wrong turn or order of colours is seen, and
the grey of the last quadrant tells the frame's index.
"""

from __future__ import annotations

import re
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli.errors import VideoError
from vp3d_cli.types import Image, VideoInfo
from vp3d_cli.video import VideoReader, ffmpeg_path

LIMIT_S = 120.0  # of one reading: far beyond what any takes, so that only a hang reaches it
GREY_START, GREY_STEP = 40, 10
COLOURS = ((220, 40, 40), (40, 200, 40), (40, 40, 220))  # BGR: top left, top right, bottom left
TOLERANCE = 18  # of a quadrant's colour: a wrong matrix or range shifts them by 25 and more
SIZE = (96, 64)
COUNT = 10


def ffmpeg(*arguments: object, cwd: Path | None = None, data: bytes | None = None) -> None:
    """Run the ffmpeg that the product uses."""
    command = [ffmpeg_path(), "-y", "-v", "error", *map(str, arguments)]
    done = subprocess.run(command, input=data or b"", capture_output=True, check=False, cwd=cwd)
    assert done.returncode == 0, (command, done.stderr.decode()[-2000:])


def scene(width: int, height: int, index: int = 0) -> Image:
    """Four quadrants; in the last the index. Too small for four: the index alone."""
    image = np.full((height, width, 3), GREY_START + GREY_STEP * index, np.uint8)
    if min(width, height) >= 4:
        h, w = height // 2, width // 2
        image[:h, :w], image[:h, w:], image[h:, :w] = COLOURS
    return image


def film(
    path: Path,
    *options: object,
    size: tuple[int, int] = SIZE,
    count: int = COUNT,
    first: int = 0,
    rate: int = 10,
    before: Sequence[object] = (),
) -> Path:
    """Encode scenes; `options` are of the output, `before` other inputs."""
    images = [scene(*size, first + index) for index in range(count)]
    source = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{size[0]}x{size[1]}", "-r", rate)
    data = b"".join(image.tobytes() for image in images)
    ffmpeg(*source, "-i", "-", *before, *options, path, data=data)
    return path


def h264(*more: object, pix_fmt: str = "yuv420p") -> tuple[object, ...]:
    """Options of H.264 as good as lossless, its colours tagged as they are."""
    return (*COLOUR_709, "-c:v", "libx264", "-preset", "ultrafast", "-crf", 8,
            "-pix_fmt", pix_fmt, *more)  # fmt: skip


COLOUR_709 = (
    "-vf", "scale=out_color_matrix=bt709:out_range=tv",
    "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
    "-color_range", "tv",
)  # fmt: skip


@dataclass
class Seen:
    """How a file was read; `fault` names whatever must never happen."""

    info: VideoInfo | None = None
    images: list[Image] = field(default_factory=list, repr=False)
    times_s: list[float] = field(default_factory=list)
    warning: str | None = None
    error: str | None = None
    fault: str | None = None

    @property
    def outcome(self) -> str:
        """The class of the outcome, for counting."""
        if self.fault:
            return "FAULT"
        if self.error:
            return "error"
        return "warned" if self.warning else "read"

    def require_film(
        self,
        count: int = COUNT,
        size: tuple[int, int] = SIZE,
        times_s: Sequence[float] | None = None,
        first: int = 0,
        tolerance: int = TOLERANCE,
        fps: int | None = None,
    ) -> None:
        """The scenes as they were filmed: size, number, order, times, places and colours."""
        assert self.outcome == "read", self
        assert self.info is not None
        assert fps in (None, self.info.fps)
        assert (self.info.width, self.info.height) == size
        assert len(self.images) == count
        for index, image in enumerate(self.images):
            assert_scene(image, first + index, tolerance)
        expected = [i / 10 for i in range(count)] if times_s is None else times_s
        np.testing.assert_allclose(self.times_s, expected, atol=0.0021)


def assert_scene(image: Image, index: int, tolerance: int = TOLERANCE) -> None:
    """The picture shows scene `index`, upright, in its colours."""
    height, width, _ = image.shape
    grey = (GREY_START + GREY_STEP * index,) * 3
    if min(width, height) < 4:
        assert np.abs(np.median(image, (0, 1)) - grey).max() <= tolerance, (index, image)
        return
    tops = (slice(height // 8, 3 * height // 8), slice(5 * height // 8, 7 * height // 8))
    lefts = (slice(width // 8, 3 * width // 8), slice(5 * width // 8, 7 * width // 8))
    places = [(y, x) for y in tops for x in lefts]
    for place, colour in zip(places, (*COLOURS, grey), strict=True):
        shown = np.median(image[place][:: 1 + height // 400, :: 1 + width // 400], (0, 1))
        assert np.abs(shown - colour).max() <= tolerance, (index, place, shown, colour)


def look(path: Path, **limits: Any) -> Seen:
    """Read a whole file within the time limit; whatever must not happen is `fault`."""
    seen = Seen()
    before = _ours()
    thread = threading.Thread(target=_read, args=(path, limits, seen), daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if thread.is_alive():
        return Seen(fault="hang")
    if seen.fault is None and (left := _ours() - before):
        seen.fault = f"left behind: {left}"
    return seen


def _read(path: Path, limits: dict[str, Any], seen: Seen) -> None:
    try:
        with VideoReader(path, **limits) as reader:
            seen.info = reader.info
            for position, frame in enumerate(reader):
                seen.images.append(frame.image)
                seen.times_s.append(frame.time_s)
                if frame.image.shape != (reader.info.height, reader.info.width, 3):
                    seen.fault = f"size {frame.image.shape}"
                if frame.index != position and not limits:
                    seen.fault = f"index {frame.index} at {position}"
            seen.warning = reader.warning
    except VideoError as error:
        seen.error = str(error)
        seen.fault = seen.fault or _unclear(path, seen.error)
    except BaseException as error:
        seen.fault = f"{type(error).__name__}: {error}"
    else:
        seen.fault = seen.fault or _wrong_looking(path, seen)


def _wrong_looking(path: Path, seen: Seen) -> str | None:
    if not seen.images:
        return "success without a frame"
    if not np.isfinite(seen.times_s).all() or (np.diff(seen.times_s) <= 0).any():
        return f"times do not rise: {seen.times_s}"
    return _unclear(path, seen.warning) if seen.warning else None


def _unclear(path: Path, sentence: str) -> str | None:
    if not sentence.startswith(str(path)) or "\n" in sentence or " @ 0x" in sentence:
        return f"unclear: {sentence!r}"
    return None


def _ours() -> set[str]:
    """Our children, zombies included, and open files, where the system lists them (Linux)."""
    found = set()
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            found |= {f"child {pid}" for pid in task.read_text().split()}
        except OSError:
            continue  # the thread has ended
    for entry in Path("/proc/self/fd").glob("*"):
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if not target.startswith(("/proc", "anon_inode", "socket")):
            found.add(f"file {target}")
    return found


def turn(path: Path, matrix: Sequence[int]) -> Path:
    """Set the display matrix (a, b, c, d, each times 1/65536) of an MP4, as phones do."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # version 0 of the box
    a, b, c, d = matrix
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


ONE = 1 << 16
QUARTERS = ((ONE, 0, 0, ONE), (0, ONE, -ONE, 0), (-ONE, 0, 0, -ONE), (0, -ONE, ONE, 0))


def turned(path: Path, quarters: int) -> Path:
    """A film stored turned, with the matrix that turns it upright."""
    still = np.rot90(scene(*SIZE, 3), quarters)
    height, width, _ = still.shape
    data = np.ascontiguousarray(still).tobytes() * COUNT
    source = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-r", 10)
    ffmpeg(*source, "-i", "-", *h264(), path, data=data)
    return turn(path, QUARTERS[quarters])


def places_to_cut(content: bytes, count: int) -> list[int]:
    """Lengths to which a file is cut: its first bytes, at and in its boxes, evenly, its last."""
    size = len(content)
    marks = {0, 1, 4, 8, 12, 31, 64, 200, size - 1, size - 4, size - 17, size - 300}
    for found in re.finditer(
        rb"moov|mdat|trak|mdia|stbl|stsz|stco|mvhd|\x1f\x43\xb6\x75|\x1c\x53\xbb\x6b|idx1|movi|RIFF",
        content,
    ):
        marks |= {found.start() - 4, found.start() + 4, found.end() + 9}
    even = {size * k // count for k in range(count)}
    near = sorted(mark for mark in marks if 0 <= mark < size)
    step = max(1, len(near) // count)
    return sorted({*near[::step], size - 1, *even})


def flipped(content: bytes, seed: int) -> bytes:
    """A copy with 1 to 64 bits flipped: anywhere, or close together, or in the head."""
    rng = np.random.default_rng(seed)
    data = np.frombuffer(content, np.uint8).copy()
    size = len(data)
    span = (size, min(size, 900), min(size, 64))[seed % 3]
    start = 0 if seed % 3 == 1 else int(rng.integers(0, size - span + 1))
    for place in rng.integers(start, start + span, int(2 ** rng.integers(0, 7))):
        data[place] ^= 1 << int(rng.integers(0, 8))
    return data.tobytes()


@dataclass(frozen=True)
class Animal:
    """A video.

    Attributes:
        name: the file's name.
        make: writes it to the path it is given.
        check: asserts that it was read as it must be.
        slow: not in every run.
    """

    name: str
    make: Callable[[Path], object]
    check: Callable[[Seen], None]
    slow: bool = False
