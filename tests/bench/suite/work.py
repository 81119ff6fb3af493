"""One stage of the pipeline alone, or all of it written plainly; runs in a process of its own.

python -m tests.bench.suite.work STAGE VIDEO KEYPOINTS POSE [--frames N] [--quality NAME]

Loading is not counted. The last line of the output says what the work took.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vp3d_cli import keypoints, origin
from vp3d_cli.options import Options
from vp3d_cli.pipeline import Models, lift_keypoints
from vp3d_cli.pipeline.detecting import LoadedDetector
from vp3d_cli.pipeline.looking import Request, look
from vp3d_cli.pipeline.surroundings import Surroundings
from vp3d_cli.results import load_result
from vp3d_cli.scene import with_colours
from vp3d_cli.types import Detections, Frame, Keypoints2D
from vp3d_cli.video import VideoReader, probe

Work = Callable[[], object]
# Pictures that a stage finds in memory; they are gone through again until there are enough.
_HELD_BYTES = 400 << 20


@dataclasses.dataclass(frozen=True)
class Files:
    """A clip and what was made of it."""

    video: Path
    keypoints: Path
    pose: Path


def decode(files: Files, _options: Options, frames: int) -> Work:
    """Read the video, and nothing else."""

    def work() -> None:
        with VideoReader(files.video) as reader:
            for _ in zip(reader, range(frames), strict=False):
                pass

    return work


def detect(files: Files, options: Options, frames: int) -> Work:
    """The detector alone, on pictures in memory, on as many cores as there are."""
    loaded = LoadedDetector.load(options)
    held, video, every = _held(files.video), probe(files.video), options.look_every
    asked = (Request(f, f.index % every == 0) for f in _again(held, frames))
    return lambda: list(look(asked, loaded.detector, video, every, colours=False))


def watch(files: Files, _options: Options, frames: int) -> Work:
    """Clothes, cuts and how the camera moves, of pictures in memory and people who are known."""
    held, known = _held(files.video), keypoints.read(files.keypoints)
    people = {f.index: known.people.select(known.frames == f.index) for f in held}
    first = held[0].index

    def work() -> None:
        around = Surroundings(None, None)
        for frame, _ in around.watched(_again(held, frames)):
            there = people[first + (frame.index - first) % len(held)]
            around.add(frame.index, with_colours(there, frame.image, known.skeleton))

    return work


def _loaded(options: Options) -> Models:
    """Both networks, and what they run on, which the first use loads."""
    models = Models.load(options)
    lifter = models.lifter.lifter
    joints, features = lifter.skeleton_in.num_joints, lifter.config.features
    lifter.predict([np.zeros((1, joints, features), np.float32)])
    return models


def lift(files: Files, options: Options, _frames: int) -> Work:
    """The lifting network alone."""
    result = load_result(files.pose)
    lifter = _loaded(options).lifter.lifter
    return lambda: lifter.lift(result.tracks2d, result.video, result.camera)


def second_half(files: Files, options: Options, _frames: int) -> Work:
    """Track, lift and refine."""
    known, models = keypoints.read(files.keypoints), _loaded(options)
    return lambda: lift_keypoints(known, options, models=models)


def write(files: Files, _options: Options, _frames: int) -> Work:
    """Write the pose file."""
    from vp3d_cli.export import npz

    result = load_result(files.pose)

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            npz.write(result, Path(folder) / "pose.npz")

    return work


def render(files: Files, _options: Options, _frames: int) -> Work:
    """Draw people on the video and beside it, with decoding and encoding."""
    from vp3d_cli.render.compose import render_video

    result = load_result(files.pose)

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            render_video(result, Path(folder) / "out.mp4", video=files.video)

    return work


def plain(files: Files, options: Options, frames: int) -> Work:
    """The same as `vp3d infer`, one thing after the other: everybody looked for in each frame."""
    import cv2

    cv2.setNumThreads(1)
    models = _loaded(dataclasses.replace(options, quality="best"))
    detector = models.detector.detector

    def work() -> None:
        video, info = cv2.VideoCapture(str(files.video)), probe(files.video)
        around = Surroundings(None, None)
        indices, people = [], [Detections.empty(detector.skeleton.num_joints)]
        for frame, _ in around.watched(_read_by_opencv(video, float(info.fps), frames)):
            found = with_colours(detector.detect(frame), frame.image, detector.skeleton)
            around.add(frame.index, found)
            indices.append(frame.index)
            people.append(found)
        names = [field.name for field in dataclasses.fields(Detections)]
        table = {name: np.concatenate([getattr(p, name) for p in people]) for name in names}
        known = Keypoints2D(
            frames=np.repeat(np.array(indices, np.int32), [len(p) for p in people[1:]]),
            people=Detections(**table),
            skeleton=detector.skeleton,
            width=info.width,
            height=info.height,
            fps=info.fps,
            num_frames=len(indices),
            provenance=origin.describe(info) | {"detector": models.detector.describe()},
            frames_read=np.array(indices, np.int32),
            times_s=np.array(indices) / float(info.fps),
            **around.columns(),
        )
        lift_keypoints(known, options, models=models)

    return work


STAGES = {
    stage.__name__: stage
    for stage in (decode, detect, watch, second_half, lift, write, render, plain)
}


def _read_by_opencv(video: object, fps: float, frames: int) -> Iterator[Frame]:
    for index in range(frames):
        read, image = video.read()  # type: ignore[attr-defined]
        if not read:
            return
        yield Frame(index, index / fps, image)


def _held(video: Path) -> list[Frame]:
    """The first frames, as many as may be held."""
    info = probe(video)
    most = max(1, _HELD_BYTES // (3 * info.width * info.height))
    with VideoReader(video) as reader:
        return [frame for frame, _ in zip(reader, range(most), strict=False)]


def _again(held: list[Frame], frames: int) -> Iterator[Frame]:
    """The same pictures in turn, as frames of a longer video."""
    step_s = held[1].time_s - held[0].time_s if len(held) > 1 else 0.0
    for k in range(frames):
        image = held[k % len(held)].image
        yield Frame(held[0].index + k, held[0].time_s + k * step_s, image)


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    for name in (field.name for field in dataclasses.fields(Files)):
        parser.add_argument(name, type=Path)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--quality")
    asked = parser.parse_args()
    files = Files(asked.video, asked.keypoints, asked.pose)
    work = STAGES[asked.stage](files, Options(quality=asked.quality), asked.frames)
    started, cpu_s = time.perf_counter(), _cpu_s()
    work()
    print(json.dumps({"work_s": time.perf_counter() - started, "cpu_s": _cpu_s() - cpu_s}))


if __name__ == "__main__":
    main()
