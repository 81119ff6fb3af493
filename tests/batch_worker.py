"""A worker of `vp3d batch` with networks and videos that weigh nothing, and with faults.

A video is a text, "frames N", and whatever follows (see `write_clip`); it is read without ffmpeg,
unless VP3D_TEST_REAL_VIDEOS is set.

The name of a video says what happens to it: `memory`, `killed` (each time), `killed-once`, `hang`,
`slow`, `full`. What each job did goes to the file that VP3D_TEST_LOG names, a line a job.
"""

from __future__ import annotations

import os
import sys

if os.environ.get("VP3D_TEST_STILLBORN"):
    sys.exit("no room for a model")

import signal
import subprocess
import time
import types
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tests import factories
from vp3d_cli import skeletons
from vp3d_cli.batch import work, worker
from vp3d_cli.batch.values import Answer, Beat, Done, Job, Setup
from vp3d_cli.choices import Choice
from vp3d_cli.errors import DiskFullError, NoFramesError, VideoError
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.options import Options
from vp3d_cli.pipeline import Models, detecting, splitting
from vp3d_cli.pipeline.detecting import LoadedDetector
from vp3d_cli.pipeline.lifting import LoadedLifter
from vp3d_cli.types import (
    Camera,
    Detections,
    Frame,
    Json,
    Result,
    Skeleton,
    Track2D,
    Track3D,
    VideoInfo,
)

FPS = Fraction(10)
_POSE = np.random.default_rng(5).uniform(-9, 9, (17, 2)).astype(np.float32)


class Brightest:
    """One person, wherever the picture is brightest."""

    skeleton: Skeleton = skeletons.get("coco17")

    def __init__(self) -> None:
        self.fault = ""
        self.frames = 0

    def describe(self) -> Json:
        return {"name": "brightest", "weights": {"none": "00"}, "settings": {}}

    def detect(self, frame: Frame) -> Detections:
        self.frames += 1
        if frame.index == 2:
            _fail(self.fault)
        if "slow" in self.fault:
            time.sleep(0.05)
        rows, columns = np.nonzero(frame.image[..., 1] > 128)
        if not len(rows):
            return Detections.empty(17)
        at = np.array([columns.mean(), rows.mean()], np.float32)
        keypoints = (at + _POSE)[None]
        box = np.concatenate([keypoints.min(1), keypoints.max(1)], 1)
        one = np.ones((1, 17), np.float32)
        return Detections(box, one[:, 0], keypoints, 0.9 * one)


class Flat:
    """Joints that follow from the keypoints."""

    name = "flat"
    config = LifterConfig((1,), 8)
    skeleton_in = skeletons.get("coco17")

    def __init__(self, name: str) -> None:
        self.name = name

    def describe(self) -> Json:
        return {"name": self.name, "sha256": "00"}

    def lift(
        self,
        tracks: Sequence[Track2D],
        video: VideoInfo,
        camera: Camera,
        progress: Any = None,
        *,
        zero_root: bool = True,
    ) -> tuple[Track3D, ...]:
        return tuple(factories.make_track3d(track) for track in tracks)


def _run_out_of_memory() -> None:
    """Take more than the system allows this process, as a large video on a small machine would."""
    import resource

    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + (64 << 20), before[1]))
    try:
        np.ones(256 << 20, np.uint8)
    finally:  # the same process may run other tests
        resource.setrlimit(resource.RLIMIT_AS, before)


def write_clip(path: Path, frames: int = 12, more: str = "") -> Path:
    """A light video; its content depends on `more`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"frames {frames} {more}")
    return path


def probe(path: Path) -> VideoInfo:
    """What a light video is."""
    try:
        word, count, *_ = path.read_text(errors="replace").split(" ")
    except (FileNotFoundError, ValueError):
        raise VideoError(f"{path}: is not a video that can be read") from None
    if word != "frames":
        raise VideoError(f"{path}: is not a video that can be read")
    return VideoInfo(path, 96, 64, FPS, int(count), duration_s=int(count) / float(FPS))


class LightReader:
    """As `VideoReader`."""

    def __init__(
        self,
        path: Path,
        start_s: float | None = None,
        end_s: float | None = None,
        on_decoded: Callable[[int], None] | None = None,
        hwaccel: str | None = None,
    ) -> None:
        self.info, self.warning = probe(path), None
        times = [(i, i / float(FPS)) for i in range(self.info.num_frames or 0)]
        self._times = [
            (i, t) for i, t in times if t >= (start_s or 0) and (end_s is None or t < end_s)
        ]
        self._shift = sum(path.read_bytes()) % 5
        if not self._times:
            raise NoFramesError(f"{path}: has no frame between {start_s} s and {end_s} s")

    def __enter__(self) -> LightReader:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[Frame]:
        for index, time_s in self._times:
            image = np.zeros((64, 96, 3), np.uint8)
            left = (8 + self._shift + index) % 72
            image[24:40, left : left + 16] = 255
            yield Frame(index, time_s, image)


def render_video(
    result: Result, out: Path, *, video: Path | None = None, progress: Any = None
) -> None:
    """As `render.compose.render_video`, in words."""
    out.write_text(f"{result.num_rows} rows, {[track.joints.sum() for track in result.tracks3d]}")


def fake_models(options: Options) -> Models:
    detector = LoadedDetector(Choice("brightest", "tests"), Brightest())
    lifter: Any = Flat(options.lifter)
    return Models(detector, LoadedLifter(Choice("flat", "tests"), lifter))


def _fail(fault: str) -> None:
    if "memory" in fault:
        _run_out_of_memory()
    if "full" in fault:
        raise DiskFullError("results: the disk is full")
    marker = Path(os.environ.get("VP3D_TEST_LOG", "/nowhere") + f".{fault}")
    if "killed" in fault and not ("once" in fault and marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if "hang" in fault:
        child = subprocess.Popen(["sleep", "600"])  # as ffmpeg would be
        marker.write_text(str(child.pid))
        time.sleep(600)


def do(job: Job, setup: Setup, models: Models, beat: Beat) -> Answer:
    """A job, its fault, and a line about it."""
    detector: Any = models.detector.detector
    detector.fault, detector.frames = job.task.source.stem, 0
    answer = _do(job, setup, models, beat)
    if log := os.environ.get("VP3D_TEST_LOG"):
        did = ",".join(answer.stages) if isinstance(answer, Done) else type(answer).__name__
        line = f"{job.task.name}:{did}:{detector.frames}\n"
        with Path(log).open("a") as stream:  # so short a line is written at once
            stream.write(line)
    return answer


_do = work.do


def pretend(patch: Any = setattr) -> None:
    """Put the light networks in the place of the real ones."""
    patch(Models, "load", staticmethod(fake_models))
    patch(work, "do", do)
    if os.environ.get("VP3D_TEST_REAL_VIDEOS"):
        return
    patch(detecting, "VideoReader", LightReader)
    patch(detecting, "probe", probe)
    patch(splitting, "probe", probe)
    compose = types.ModuleType("compose")
    compose.__dict__["render_video"] = render_video
    patch_module(patch, "vp3d_cli.render.compose", compose)


def patch_module(patch: Any, name: str, module: types.ModuleType) -> None:
    """Put a module in the place of another, by `setattr` or as monkeypatch does it."""
    if patch is setattr:
        sys.modules[name] = module
    else:
        patch.__self__.setitem(sys.modules, name, module)


def main() -> None:
    pretend()
    worker.main()
