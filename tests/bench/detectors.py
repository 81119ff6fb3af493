"""What finding people costs: Mask R-CNN as it is, made to do less, and beside its peers.

    python tests/bench/detectors.py [--frames 4] [--device cpu|cuda] [--half]

Frames of the example clip. The weights are seeded, not trained: the time does not depend on them,
once the number of people is fixed to the two of the clip (`max_people`), and where those stand is
taken from MoveNet where the crops need it. With Detectron2 importable its own time is in the table.
What each row changes in the answer is said in the README; accuracy needs the published weights.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from tests.conftest import PICTURE
from tests.seeded_rcnn import seeded_network, write_model_zoo_file
from vp3d_cli import provision, registry
from vp3d_cli.detect import keypoint_rcnn
from vp3d_cli.detect._base import Detector, DetectorOptions
from vp3d_cli.detect._following import Following, Region
from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.types import Detections, Frame
from vp3d_cli.video import VideoReader

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"
PEOPLE = 2


class Known:
    """The network's time with MoveNet's people: what `Following` would see with real weights."""

    def __init__(self, network: keypoint_rcnn.KeypointRCNN, movenet: Detector) -> None:
        self._network, self._movenet = network, movenet
        self.skeleton, self.describe = network.skeleton, network.describe
        self.scale = network.scale

    def detect(self, frame: Frame) -> Detections:
        self._network.detect(frame)
        return self._movenet.detect(frame)

    def detect_part(self, frame: Frame, region: Region, scale: float) -> Detections:
        self._network.detect_part(frame, region, scale)
        return self._movenet.detect(frame)


def _seconds(look: Callable[[Frame], object], frames: list[Frame]) -> tuple[float, float]:
    """Wall and CPU seconds a frame."""
    wall, cpu = time.perf_counter(), time.process_time()
    for frame in frames:
        look(frame)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall / len(frames), cpu / len(frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", action="store_true")
    given = parser.parse_args()
    with VideoReader(DEMO) as reader:
        frames = [frame for frame, _ in zip(reader, range(given.frames), strict=False)]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["VP3D_CACHE"] = cache
        picture = np.asarray(cv2.resize(cv2.imread(str(PICTURE)), (288, 256)), np.uint8)
        brought = Path(cache) / "brought.pkl"
        write_model_zoo_file(seeded_network(picture), brought)
        provision.fetch("keypoint-rcnn-r101", str(brought))
        rows = _rows(frames, given.device, given.half)
    print(f"{len(frames)} frames of {frames[0].image.shape[1]} x {frames[0].image.shape[0]}\n")
    print("| | s a frame | CPU s a frame | frames/s |")
    print("| --- | --- | --- | --- |")
    for name, (wall, cpu) in rows.items():
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {1 / wall:.2f} |")


def _rows(frames: list[Frame], device: str, half: bool) -> dict[str, tuple[float, float]]:
    rows: dict[str, tuple[float, float]] = {}

    def network(size: int | None = None, people: int | None = PEOPLE) -> keypoint_rcnn.KeypointRCNN:
        options = DetectorOptions(device=device, size=size, max_people=people, half=half)
        return keypoint_rcnn.KeypointRCNN(options)

    whole = network()
    whole.detect(frames[0])
    rows["keypoint-rcnn, short side 800"] = _seconds(whole.detect, frames)
    rows["the same, 100 people to the keypoint head"] = _everybody(network(people=None), frames)
    for size in (600, 400):
        rows[f"--detect-size {size}"] = _seconds(network(size).detect, frames)
    rows["--quality balanced, a frame between looks at the whole"] = _cropped(whole, frames)
    rows["--quality balanced --detect-size 400, likewise"] = _cropped(network(400), frames)
    if whole.batch_size > 1:
        rows[f"{len(frames)} frames in one batch"] = _batched(whole, frames)
    try:
        library = registry.load("detect", "detectron2").build(
            DetectorOptions(device=device, max_people=PEOPLE)
        )
        rows["detectron2 itself, all its people"] = _seconds(library.detect, frames)
    except BackendUnavailableError:
        pass
    movenet = registry.load("detect", "movenet").build(DetectorOptions())
    rows["movenet, the embedded detector"] = _seconds(movenet.detect, frames)
    return rows


def _everybody(network: keypoint_rcnn.KeypointRCNN, frames: list[Frame]) -> tuple[float, float]:
    usual, keypoint_rcnn.LEAST_SCORE = keypoint_rcnn.LEAST_SCORE, 0.05
    seconds = _seconds(network.detect, frames[:2])
    keypoint_rcnn.LEAST_SCORE = usual
    return seconds


def _cropped(network: keypoint_rcnn.KeypointRCNN, frames: list[Frame]) -> tuple[float, float]:
    """Frames after the first, which is looked at whole; MoveNet's own time taken off."""
    movenet = registry.load("detect", "movenet").build(DetectorOptions())
    following = Following(Known(network, movenet))
    known = [following.detect(frames[0])]

    def follow(frame: Frame) -> None:
        known.append(following.follow(frame, known[-1], 1 / 30))

    together = _seconds(follow, frames[1:])
    alone = _seconds(movenet.detect, frames[1:])
    return together[0] - alone[0], together[1] - alone[1]


def _batched(network: keypoint_rcnn.KeypointRCNN, frames: list[Frame]) -> tuple[float, float]:
    wall, cpu = _seconds(lambda _: network.detect_batch(frames), frames[:1])
    return wall / len(frames), cpu / len(frames)


if __name__ == "__main__":
    main()
