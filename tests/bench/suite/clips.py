"""Clips of real people, made of the example: the same ones each time.

One to six people are the man on the roof, cut out and put side by side, each at another moment of
his jumps and every second one mirrored. A piece is played forwards and backwards, so that it can
be repeated without a leap.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from vp3d_cli.video import ffmpeg_path

EXAMPLE = Path(__file__).parents[3] / "examples" / "demo.mp4"
FPS = 30
SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
MOST_PEOPLE = 6
# Columns and rows of tiles.
_TILES = {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (2, 2), 5: (3, 2), 6: (3, 2)}
# Pixels of the example: around him all the way, and trees without anybody.
_MIDDLE, _WIDE, _HIGH, _NOBODY = 465, 270, 360, 800
# Frames before the woman comes near, and how far each is after the one before.
_PIECE, _APART = 96, 31
_ENCODER = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-bf", "0", "-g", "60")


@dataclass(frozen=True)
class Clip:
    """Which clip.

    Attributes:
        size: a name of `SIZES`.
        people: how many; None for the example as it is, with one or two.
        length_s: seconds, whatever is repeated for it; 0 is one frame.
    """

    size: str
    people: int | None
    length_s: float

    @property
    def name(self) -> str:
        who = "example" if self.people is None else f"{self.people} people"
        return f"{who}, {self.size}, {self.length_s:g} s"

    @property
    def num_frames(self) -> int:
        return max(1, round(FPS * self.length_s))


def path_of(clip: Clip, folder: Path) -> Path:
    """Where the file of a clip lies."""
    return folder / f"{_kind(clip)}_{clip.num_frames}.mp4"


def make(clip: Clip, folder: Path) -> Path:
    """The file of a clip, made where it is not there yet."""
    path = path_of(clip, folder)
    if path.exists():
        return path
    unit = folder / f"{_kind(clip)}.unit.mp4"
    if not unit.exists():
        _ffmpeg(["-i", EXAMPLE, "-an", "-filter_complex", _filters(clip), *_ENCODER], unit)
    repeat = ["-stream_loop", "-1", "-i", unit, "-c", "copy"]
    _ffmpeg([*repeat, "-frames:v", str(clip.num_frames)], path)
    return path


def _kind(clip: Clip) -> str:
    return f"{clip.people or 'example'}_{clip.size}"


def _ffmpeg(arguments: list[str | Path], path: Path) -> None:
    part = path.with_suffix(".part.mp4")
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", *arguments, part], check=True)
    part.replace(path)


def _filters(clip: Clip) -> str:
    width, height = SIZES[clip.size]
    if clip.people is None:
        return f"scale={width}:{height},fps={FPS}"
    columns, rows = _TILES[clip.people]
    wide, high = width // columns // 2 * 2, height // rows // 2 * 2
    cut_high = max(_HIGH, _WIDE * high // wide)
    cut_wide = cut_high * wide // high
    count = columns * rows
    chains = [
        f"fps={FPS},trim=end_frame={_PIECE},split[a][b]",
        "[b]reverse[c]",
        f"[a][c]concat,split={count}" + "".join(f"[s{k}]" for k in range(count)),
    ]
    for k in range(count):
        left = _MIDDLE - cut_wide // 2 if k < clip.people else _NOBODY
        chains.append(
            f"[s{k}]loop=1:{2 * _PIECE},trim=start_frame={_APART * k}:"
            f"end_frame={_APART * k + 2 * _PIECE},setpts=N/{FPS}/TB,"
            f"crop={cut_wide}:{cut_high}:{left}:0,scale={wide}:{high}"
            f"{',hflip' if k % 2 else ''}[t{k}]"
        )
    tiles = "".join(f"[t{k}]" for k in range(count))
    places = "|".join(f"{k % columns * wide}_{k // columns * high}" for k in range(count))
    together = f"{tiles}xstack=inputs={count}:layout={places}," if count > 1 else tiles
    return ";".join([*chains, f"{together}pad={width}:{height}"])
