"""How fast a picture is made, beside the same one drawn with matplotlib.

    python tests/bench/render_speed.py [--frames 240] [--rounds 2] [--only-1080]

The picture of the baseline is 1200 x 600 as the reference's; ours has the same number of
pixels. Both read the same 720p clip and write with the same encoder. Then a 1080p clip is drawn
in every layout at 1920 x 1080, and decoding, drawing and encoding alone. Frames per second depend
on what else the machine does; the ratio of one round and the processor time hardly do.
"""

from __future__ import annotations

import argparse
import functools
import resource
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from vp3d_cli import skeletons
from vp3d_cli.render.compose import Picture, render_video
from vp3d_cli.render.style import LAYOUTS, Style
from vp3d_cli.types import Camera, Float, Result, Track2D, Track3D
from vp3d_cli.video import VideoReader, VideoWriter, ffmpeg_path, probe

FPS = Fraction(30)
SMALL, LARGE = (1280, 720), (1920, 1080)
SAME_AREA_HEIGHT = 558  # gives about 1293 x 558 pixels, as many as 1200 x 600
COCO, H36M = skeletons.get("coco17"), skeletons.get("h36m17")


def make_clip(path: Path, num_frames: int, size: tuple[int, int] = SMALL) -> None:
    """A clip with texture that moves, so that neither coder has it easy."""
    width, height = size
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 216, (height // 16 + 8, width // 16 + 40, 3), dtype=np.uint8)
    wide = coarse.repeat(16, 0).repeat(16, 1)
    wide = wide // 2 + rng.integers(0, 24, wide.shape, dtype=np.uint8)
    with VideoWriter(path, width, height, FPS) as writer:
        for k in range(num_frames):
            x = 2 * k % 600
            writer.write(wide[:height, x : x + width])


def make_result(path: Path, num_frames: int) -> Result:
    """One person who walks on the spot, seen by a level camera 4 m away."""
    info = probe(path)
    swing = np.sin(2 * np.pi * np.arange(num_frames) / 32)[:, None].astype(np.float32)
    joints = _walk(H36M.joints, swing)
    flat = _walk(COCO.joints, swing) + np.array([0, 0, 4], np.float32)
    keypoints = flat[..., :2] / flat[..., 2:] * info.width
    keypoints = keypoints + np.array([info.width / 2, info.height / 2])
    keypoints = keypoints.astype(np.float32)
    frames = np.arange(num_frames, dtype=np.int32)
    boxes = np.concatenate([keypoints.min(1) - 20, keypoints.max(1) + 20], -1)
    scores = np.full((num_frames, 17), 0.9, np.float32)
    root = np.full((num_frames, 3), np.nan, np.float32)
    seen = np.ones(num_frames, bool)
    times_s = frames / float(FPS)
    return Result(
        info,
        Camera(info.width, "synthetic"),
        (Track2D(1, frames, times_s, boxes, keypoints, scores, seen, COCO),),
        (Track3D(1, frames, joints, scores, H36M, root),),
    )


def _walk(names: tuple[str, ...], swing: Float) -> Float:
    """Joints (T, J, 3), metres, camera axes; arms and legs swing against each other."""
    heights = {"knee": 0.45, "foot": 0.9, "ankle": 0.9, "spine": -0.25, "thorax": -0.5,
               "neck": -0.6, "head": -0.75, "shoulder": -0.5, "elbow": -0.22, "wrist": 0.02,
               "nose": -0.62, "eye": -0.65, "ear": -0.64}  # fmt: skip
    reach = {"knee": 0.2, "foot": 0.35, "ankle": 0.35, "elbow": -0.15, "wrist": -0.3}
    joints = np.zeros((len(swing), len(names), 3), np.float32)
    for k, name in enumerate(names):
        part = name.split("_")[-1]
        side = {"left": 1, "right": -1}.get(name.split("_")[0], 0)
        joints[:, k, 0] = side * (0.2 if "shoulder elbow wrist".find(part) >= 0 else 0.12)
        joints[:, k, 1] = heights.get(part, 0)
        joints[:, k, 2] = side * swing[:, 0] * reach.get(part, 0)
    return joints


def render_with_matplotlib(result: Result, clip: Path, out: Path) -> None:
    """The least that draws the same with matplotlib: one figure, artists updated."""
    figure = plt.figure(figsize=(12, 6), dpi=100)
    left, right = figure.add_subplot(121), figure.add_subplot(122, projection="3d")
    left.axis("off")
    image = left.imshow(np.zeros((SMALL[1], SMALL[0], 3), np.uint8))
    flat = [left.plot([], [], lw=2)[0] for _ in COCO.edges]
    solid = [right.plot([], [], [], lw=3)[0] for _ in H36M.edges]
    axes: Any = right
    axes.set(xlim=(-0.85, 0.85), ylim=(-0.85, 0.85), zlim=(-1, 0.9))
    axes.view_init(elev=15, azim=70)
    keypoints, joints = result.tracks2d[0].keypoints, result.tracks3d[0].joints
    with VideoReader(clip) as reader, VideoWriter(out, 1200, 600, FPS) as writer:
        for frame in reader:
            image.set_data(frame.image[..., ::-1])
            for artist, (a, b) in zip(flat, COCO.edge_indices, strict=True):
                artist.set_data(*keypoints[frame.index, [a, b]].T)
            for artist, (a, b) in zip(solid, H36M.edge_indices, strict=True):
                x, y, z = joints[frame.index, [a, b]].T
                artist.set_data_3d(x, z, -y)
            canvas: Any = figure.canvas
            canvas.draw()
            writer.write(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1]))
    plt.close(figure)


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds that `work` takes: on the wall, and of the processor, children included."""
    wall, cpu = time.perf_counter(), _cpu_s()
    work()
    return time.perf_counter() - wall, _cpu_s() - cpu


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def split(result: Result, clip: Path, out: Path, style: Style, num_frames: int) -> None:
    """Print what decoding, drawing and encoding take alone."""
    picture = Picture(result, style)
    size = (picture.layout.width, picture.layout.height)
    with VideoReader(clip) as reader:
        images = [frame.image for frame, _ in zip(reader, range(40), strict=False)]
    shown = [picture.draw(k, k / 30, image).copy() for k, image in enumerate(images)]

    def decode() -> None:
        with VideoReader(clip) as reader:
            for _ in reader:
                pass

    def draw() -> None:
        for k in range(num_frames):
            picture.draw(k, k / 30, images[k % len(images)])

    def encode() -> None:
        with VideoWriter(out, *size, FPS) as writer:
            for k in range(num_frames):
                writer.write(shown[k % len(shown)])

    for work in (decode, draw, encode):
        report(f"  {work.__name__} alone", *timed(work), num_frames)


def report(name: str, wall_s: float, cpu_s: float, num_frames: int) -> None:
    print(
        f"{name:<24} {num_frames / wall_s:7.1f} frames/s   "
        f"{1000 * cpu_s / num_frames:6.1f} ms of one core per frame"
    )


def against_matplotlib(folder: Path, num_frames: int, rounds: int) -> None:
    """The same picture by both, and ours at its usual size."""
    few = max(num_frames // 6, 10)
    clip, short, out = (folder / name for name in ("clip.mp4", "short.mp4", "out.mp4"))
    make_clip(clip, num_frames)
    make_clip(short, few)
    result, short_result = make_result(clip, num_frames), make_result(short, few)
    for _ in range(rounds):
        theirs = timed(lambda: render_with_matplotlib(short_result, short, out))
        report("matplotlib 1200x600", *theirs, few)
        for height in (SAME_AREA_HEIGHT, 720):
            style = Style(size=(None, height))
            ours = timed(functools.partial(render_video, result, out, video=clip, style=style))
            with av.open(str(out)) as container:
                stream = container.streams.video[0]
                name = f"vp3d {stream.width}x{stream.height}"
                codec = stream.codec_context.name
            report(name, *ours, num_frames)
            wall, cpu = (t / few / (o / num_frames) for t, o in zip(theirs, ours, strict=True))
            print(f"  ratio {wall:23.1f}              {cpu:10.1f}")
        split(result, clip, out, Style(size=(None, SAME_AREA_HEIGHT)), num_frames)
    print(f"both write {codec}, by {Path(ffmpeg_path()).name}")


def at_1080(folder: Path, num_frames: int) -> None:
    """Every layout of a 1080p clip at 1920 x 1080, whole and in its parts."""
    clip, out = folder / "large.mp4", folder / "out.mp4"
    make_clip(clip, num_frames, LARGE)
    result = make_result(clip, num_frames)
    for layout in LAYOUTS:
        style = Style(layout=layout, size=LARGE)
        ours = timed(functools.partial(render_video, result, out, video=clip, style=style))
        report(f"{layout} 1920x1080", *ours, num_frames)
        split(result, clip, out, style, num_frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only-1080", action="store_true")
    args = parser.parse_args()
    matplotlib.use("Agg")
    with tempfile.TemporaryDirectory() as folder:
        if not args.only_1080:
            against_matplotlib(Path(folder), args.frames, args.rounds)
        at_1080(Path(folder), args.frames)


if __name__ == "__main__":
    main()
