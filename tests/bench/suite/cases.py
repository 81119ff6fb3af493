"""What is measured: every case is a command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.suite import process
from tests.bench.suite.clips import MOST_PEOPLE, SIZES, Clip, make, path_of
from vp3d_cli.cores import granted_cores
from vp3d_cli.options import QUALITIES

VP3D = (sys.executable, "-m", "vp3d_cli")
# In the order of the work; `lift` is a part of `second_half`, `render` is done on demand.
ALONE = ("decode", "detect", "watch", "second_half", "lift", "write", "render")
SUMMED = ("decode", "detect", "watch", "second_half", "write")
LONG_S = 600.0
_PEER = "mediapipe==0.10.21"
_COMPLEXITIES = (1, 2)


@dataclass(frozen=True)
class Case:
    """A command, and how often it does its work.

    Attributes:
        part: of the suite.
        name: what is measured, the same for another clip.
        clip: what is worked on; None for what has none.
        frames: of it that are worked on.
        command: the arguments.
        cores: it is bound to so many; None: to none.
        rounds: at most.
        is_optional: the others are measured where it fails.
    """

    part: str
    name: str
    clip: Clip | None
    frames: int
    command: tuple[str | Path, ...]
    cores: int | None = None
    rounds: int | None = None
    environment: tuple[tuple[str, str], ...] = ()
    is_optional: bool = False


@dataclass
class Workshop:
    """Where clips lie, and what is made of them.

    Attributes:
        folder: for all files.
        seconds: of an ordinary clip.
        quick: fewer and shorter ones.
        peer_venv: an environment for the peer; None: it is not measured.
        skipped: what cannot be measured, and why.
    """

    folder: Path
    seconds: float = 30.0
    quick: bool = False
    peer_venv: Path | None = None
    skipped: list[str] = field(default_factory=list)
    # Those that are needed, and whether their keypoints and poses are too.
    _clips: dict[Clip, bool] = field(default_factory=dict)

    def clip(self, people: int | None, size: str = "720p", seconds: float | None = None) -> Clip:
        return Clip(size, people, self.seconds if seconds is None else seconds)

    def file(self, clip: Clip) -> Path:
        """The clip, once `make_all` was there."""
        self._clips.setdefault(clip, False)
        return path_of(clip, self.folder)

    def found(self, clip: Clip) -> tuple[Path, Path, Path]:
        """The clip, its keypoints and its poses, likewise."""
        self._clips[clip] = True
        video = path_of(clip, self.folder)
        return video, video.with_suffix(".keypoints.npz"), video.with_suffix(".pose.npz")

    def make_all(self) -> None:
        """Make the files that were asked for and are not there."""
        for clip, is_found in self._clips.items():
            make(clip, self.folder)
            if not is_found:
                continue
            video, known, pose = self.found(clip)
            if not known.exists():
                process.run([*VP3D, "detect", video, "-q", "-o", known])
            if not pose.exists():
                process.run([*VP3D, "lift", known, "-q", "-o", pose])


def startup(shop: Workshop) -> Iterator[Case]:
    """From nothing to the end, on one frame."""
    _, known, pose = shop.found(shop.clip(None, seconds=0))
    out = shop.folder
    for name, arguments in {
        "`vp3d --help`": ["--help"],
        "`vp3d export`": ["export", pose, "--to", "csv", "-o", out / "one.csv"],
        "`vp3d render`": ["render", pose, "-o", out / "one.mp4", "-q"],
        "`vp3d lift`": ["lift", known, "-o", out / "one.npz", "-q"],
    }.items():
        yield Case("startup", name, None, 1, (*VP3D, *arguments))
    yield _infer(shop, "startup", shop.clip(None, seconds=0))


def stages(shop: Workshop) -> Iterator[Case]:
    """Each alone."""
    for clip in _main_clips(shop):
        for stage in ALONE:
            yield _alone(shop, "stages", stage, clip)
        yield _infer(shop, "stages", clip)
    for quality in QUALITIES:
        yield _alone(shop, "stages", "detect", _main_clips(shop)[0], quality)


def clips(shop: Workshop) -> Iterator[Case]:
    """End to end: sizes, people, qualities."""
    people = (1, MOST_PEOPLE) if shop.quick else range(1, MOST_PEOPLE + 1)
    for size in list(SIZES)[: 1 if shop.quick else None]:
        for count in (None, *people):
            yield _infer(shop, "clips", shop.clip(count, size))
    for clip in (shop.clip(None), shop.clip(1)):
        for quality in QUALITIES:
            yield _infer(shop, "clips", clip, quality)


def length(shop: Workshop) -> Iterator[Case]:
    """Does the time of a frame, or memory, grow with the video?"""
    for seconds in (shop.seconds / 6, shop.seconds, *(() if shop.quick else (LONG_S,))):
        clip = shop.clip(None, seconds=seconds)
        yield _infer(shop, "length", clip, rounds=1 if seconds == LONG_S else None)
        if seconds != LONG_S:  # its keypoints would take as long again
            yield _alone(shop, "length", "second_half", clip)
        nothing = Path("-")
        yield _case("length", "decode", clip, (shop.file(clip), nothing, nothing))


def cores(shop: Workshop) -> Iterator[Case]:
    """End to end on one core, and on more."""
    most, number = granted_cores(), 1
    clip = shop.clip(None)
    while number <= most:
        yield _infer(shop, "cores", clip, cores=number)
        number *= 2


def ratios(shop: Workshop) -> Iterator[Case]:
    """What end to end is compared with, on the same clips."""
    peer = _peer_python(shop)
    for clip in _main_clips(shop)[: 1 if shop.quick else None]:
        yield _infer(shop, "ratios", clip)
        yield _infer(shop, "ratios", clip, cores=1)
        for stage in SUMMED:
            yield _alone(shop, "ratios", stage, clip)
        files = shop.found(clip)
        yield _case("ratios", "plain", clip, files, cores=1)
        for complexity in _COMPLEXITIES if peer else ():
            command = (peer, Path(__file__).with_name("peer.py"), files[0], str(complexity))
            name = f"MediaPipe, complexity {complexity}"
            yield Case("ratios", name, clip, clip.num_frames, command, is_optional=True)
    yield _infer(shop, "ratios", shop.clip(None, seconds=0))


PARTS: dict[str, Callable[[Workshop], Iterator[Case]]] = {
    part.__name__: part for part in (startup, stages, clips, length, cores, ratios)
}


def _main_clips(shop: Workshop) -> list[Clip]:
    return [shop.clip(None), shop.clip(1), *([] if shop.quick else [shop.clip(1, "1080p")])]


def _infer(
    shop: Workshop,
    part: str,
    clip: Clip,
    quality: str | None = None,
    cores: int | None = None,
    rounds: int | None = None,
) -> Case:
    command = (*VP3D, "infer", shop.file(clip), "-q", "-o", shop.folder / "out.npz")
    name = "`vp3d infer`"
    if quality:
        command, name = (*command, "--quality", quality), f"`vp3d infer --quality {quality}`"
    if cores:
        name += f", {cores} core{'s' if cores > 1 else ''}"
    return Case(part, name, clip, clip.num_frames, command, cores, rounds)


def _alone(shop: Workshop, part: str, stage: str, clip: Clip, quality: str | None = None) -> Case:
    return _case(part, stage, clip, shop.found(clip), quality)


def _case(
    part: str,
    stage: str,
    clip: Clip,
    files: tuple[Path, Path, Path],
    quality: str | None = None,
    cores: int | None = None,
) -> Case:
    worker = (sys.executable, "-m", "tests.bench.suite.work", stage, *files)
    command = (*worker, "--frames", str(clip.num_frames))
    if quality:
        command, stage = (*command, "--quality", quality), f"{stage}, {quality}"
    one = (("OMP_NUM_THREADS", "1"),) if cores == 1 else ()
    return Case(part, stage, clip, clip.num_frames, command, cores, environment=one)


def _peer_python(shop: Workshop) -> Path | None:
    """The Python of the peer's environment, which is made where it is not there."""
    if shop.peer_venv is None:
        shop.skipped.append("MediaPipe: no --peer-venv was given")
        return None
    python = shop.peer_venv / "bin" / "python"
    try:
        if not python.exists():
            _quietly([sys.executable, "-m", "venv", shop.peer_venv])
        if not any(shop.peer_venv.glob("lib/python*/site-packages/mediapipe")):
            _quietly([python, "-m", "pip", "install", "-q", _PEER, "numpy<2"])
    except (OSError, subprocess.CalledProcessError) as error:
        shop.skipped.append(f"MediaPipe: {_PEER} cannot be installed here ({error})")
        return None
    return python


def _quietly(command: list[str | Path]) -> None:
    subprocess.run(command, check=True, capture_output=True)
