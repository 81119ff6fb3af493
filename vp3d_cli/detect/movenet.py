"""MoveNet on onnxruntime: MultiPose finds people, Thunder refines each of them.

The weights come with the package. Up to six people a frame, COCO-17 order, CPU only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import onnxruntime

from vp3d_cli import skeletons, weights
from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.overlap import area, box_around, iou, oks
from vp3d_cli.types import (
    Detections,
    Detector,
    DetectorOptions,
    Float,
    Frame,
    Image,
    Json,
    Skeleton,
)

_MULTIPOSE = "movenet_multipose.onnx"
_THUNDER = "movenet_thunder.onnx"
_THUNDER_SIDE = 256


@dataclass(frozen=True)
class Settings:
    """Every number that was chosen by measurement.

    Attributes:
        long_side: MultiPose's input, px; the short side follows, padded to a multiple of 32.
        person: MultiPose's score from which somebody is reported at all.
        certain: MultiPose's score that is reported as 0.5.
        keypoint: score from which a keypoint counts for boxes and comparisons.
        crop: side of Thunder's square, in long sides of the person's box.
        guard: similarity below which Thunder looks at somebody else than MultiPose.
        same: similarity from which two people of one frame are one.
        shift: px of the network's input to add to its answer (see `_upright`).
    """

    long_side: int = 384
    person: float = 0.1
    certain: float = 0.2
    keypoint: float = 0.2
    crop: float = 1.25
    guard: float = 0.4
    same: float = 0.7
    shift: float = 0.3


def build(options: DetectorOptions) -> Detector:
    """A MoveNet detector.

    Raises:
        BackendUnavailableError: a device other than the CPU was asked for.
        WeightsError: the bundled weights are missing or altered.
    """
    if options.device != "cpu":
        raise BackendUnavailableError(
            f"detector 'movenet' runs on the CPU only, not on '{options.device}'; "
            "use --device cpu, or another --detector on the GPU"
        )
    return MoveNet()


class MoveNet:
    """Both networks and the settings; `detect` keeps no state between frames."""

    def __init__(self, settings: Settings | None = None, threads: int = 0) -> None:
        """Check and open the weights.

        Args:
            settings: the measured ones by default.
            threads: for onnxruntime; 0 takes one per physical core.
        """
        self.settings = settings or Settings()
        self._multipose = _session(_MULTIPOSE, threads)
        self._thunder = _session(_THUNDER, threads)

    @property
    def skeleton(self) -> Skeleton:
        return skeletons.get("coco17")

    def describe(self) -> Json:
        files = weights.entry("movenet").files
        return {
            "name": "movenet",
            "weights": {file.name: file.sha256 for file in files},
            "settings": asdict(self.settings),
        }

    def detect(self, frame: Frame) -> Detections:
        """Find up to six people.

        Returns:
            Best person first. `box_scores` is MultiPose's score scaled so that 0.5 is
            "certain"; boxes are tight around the keypoints that count.
        """
        image = cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB)
        points, person_scores = self._find(image)
        people = [self._refine(image, p) for p in points]
        return self._distinct(np.array(people, np.float32).reshape(-1, 17, 3), person_scores)

    def _find(self, image: Image) -> tuple[Float, Float]:
        """MultiPose: keypoints with scores (P, 17, 3) x px, y px, score; and scores (P,)."""
        height, width = image.shape[:2]
        scale = self.settings.long_side / max(height, width)
        inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
        padded = np.zeros((_multiple_of_32(inner_h), _multiple_of_32(inner_w), 3), np.uint8)
        padded[:inner_h, :inner_w] = _resized(image, inner_w, inner_h)
        rows = _run(self._multipose, padded)
        rows = rows[rows[:, 55] >= self.settings.person]
        points = self._upright(rows[:, :51].reshape(-1, 17, 3), padded.shape)
        points[..., :2] *= (width / inner_w, height / inner_h)
        return points, rows[:, 55]

    def _refine(self, image: Image, person: Float) -> Float:
        """Thunder's view (17, 3) of one person, or the person unchanged if it saw another."""
        sure = person[:, 2] >= self.settings.keypoint
        box = box_around(person[:, :2], sure if sure.sum() >= 3 else np.ones(17, bool))
        side = max(8, round(self.settings.crop * float(max(box[2:] - box[:2]))))
        left, top = (round(float(c)) - side // 2 for c in (box[:2] + box[2:]) / 2)
        square = _crop(image, left, top, side)
        output = _run(self._thunder, _resized(square, _THUNDER_SIDE, _THUNDER_SIDE))[0]
        refined = self._upright(output, (_THUNDER_SIDE, _THUNDER_SIDE))
        refined[:, :2] = refined[:, :2] * (side / _THUNDER_SIDE) + (left, top)
        both = sure & (refined[:, 2] >= self.settings.keypoint)
        alike = oks(person[:, :2], refined[:, :2], both, area(box))
        return refined if alike >= self.settings.guard else person

    def _upright(self, output: Float, shape: tuple[int, ...]) -> Float:
        """Network output (..., y, x, score), relative to its input, as x px, y px, score.

        Mirroring the input and the answer shows MoveNet's points to lie a fraction of an input
        pixel up and left of the continuous convention; `shift` takes that back.
        """
        points = output[..., [1, 0, 2]].astype(np.float32)
        points[..., :2] = points[..., :2] * (shape[1], shape[0]) + self.settings.shift
        return points

    def _distinct(self, people: Float, person_scores: Float) -> Detections:
        """Boxes for people (P, 17, 3), best first, each person once."""
        keypoints, scores = people[..., :2], people[..., 2]
        sure = scores >= self.settings.keypoint
        sure |= sure.sum(1, keepdims=True) < 3
        boxes = np.array([box_around(k, s) for k, s in zip(keypoints, sure, strict=True)])
        boxes = boxes.reshape(-1, 4).astype(np.float32)
        kept: list[int] = []
        for i in np.argsort(-person_scores, kind="stable"):
            if not any(
                oks(keypoints[i], keypoints[j], sure[i] & sure[j], area(boxes[j]))
                >= self.settings.same
                or iou(boxes[[i]], boxes[[j]])[0, 0] >= 0.9
                for j in kept
            ):
                kept.append(int(i))
        box_scores = np.minimum(person_scores / (2 * self.settings.certain), 1)
        found = Detections(boxes, box_scores.astype(np.float32), keypoints, scores)
        return found.select(kept) if kept else Detections.empty(17)


def _session(file_name: str, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    content = weights.verified_bytes(file_name)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run(session: Any, image: Image) -> Float:
    name = session.get_inputs()[0].name
    output: Float = session.run(None, {name: image[None].astype(np.int32)})[0][0]
    return output


def _multiple_of_32(length: int) -> int:
    return -(-length // 32) * 32


def _resized(image: Image, width: int, height: int) -> Image:
    shrinks = width < image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def _crop(image: Image, left: int, top: int, side: int) -> Image:
    """The square (side, side, 3) at (left, top), black where it leaves the image."""
    square = np.zeros((side, side, 3), np.uint8)
    height, width = image.shape[:2]
    x0, x1 = max(left, 0), min(left + side, width)
    y0, y1 = max(top, 0), min(top + side, height)
    if x0 < x1 and y0 < y1:
        square[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return square
