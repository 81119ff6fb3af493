"""MoveNet on onnxruntime: MultiPose finds people, Thunder refines each of them.

The weights come with the package. Up to six people a frame, COCO-17 order, CPU only.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import onnxruntime

from vp3d_cli import skeletons, weights
from vp3d_cli.detect._base import Detector, DetectorOptions
from vp3d_cli.errors import BackendUnavailableError, DataError
from vp3d_cli.overlap import area, box_around, oks
from vp3d_cli.types import Bool, Detections, Float, Frame, Image, Json, Skeleton

_MULTIPOSE = "movenet_multipose.onnx"
_THUNDER = "movenet_thunder.onnx"
_THUNDER_SIDE = 256


@dataclass(frozen=True)
class Settings:
    """Every number that was chosen by measurement, on the clips named in `weights/README.md`.

    Attributes:
        long_side: MultiPose's input, px; the short side follows, padded to a multiple of 32.
            Error after Thunder: 256 11.6 px, 384 11.2, 512 12.3 (people 600 px tall); 512 finds
            smaller people but takes twice as long and loses limbs of large ones.
        candidate: MultiPose's score from which Thunder takes a look. Real people far away were
            seen at 0.05, furniture at 0.35: MultiPose proposes, it does not decide.
        person: best-nine score (see `_person_scores`) from which somebody is reported. On 48
            views of backgrounds furniture stayed below 0.4; blurred and cut-off people lay
            between 0.4 and 0.6, whole people above.
        keypoint: score from which a keypoint counts for boxes and comparisons.
        crop: side of Thunder's square, in long sides of the box around all 17 keypoints, sure
            or not. Error: 1.1 11.6 px, 1.25 11.2, 1.4 11.8, 1.6 12.7, 2.0 16.1. Without the
            unsure keypoints whole legs stayed outside the square.
        guard: similarity below which Thunder looks at somebody else than MultiPose. Jumps to a
            neighbour measured below 0.05, honest corrections above 0.5.
        same: similarity from which two people are one. MultiPose finds large or cut-off people
            up to six times, mostly at 0.6 to 1.0; different people measured below 0.35.
        shift: px of a network's input to add to its answer: mirroring the input and the answer
            shows both networks 0.22 to 0.34 px too far left, in Thunder's zoom test also up.
    """

    long_side: int = 384
    candidate: float = 0.05
    person: float = 0.3
    keypoint: float = 0.2
    crop: float = 1.25
    guard: float = 0.3
    same: float = 0.5
    shift: float = 0.3


def build(options: DetectorOptions) -> Detector:
    """A MoveNet detector.

    Raises:
        BackendUnavailableError: a device other than the CPU was asked for.
        DataError: an option is not for this detector.
        WeightsError: the bundled weights are missing or altered.
    """
    if options.device != "cpu":
        raise BackendUnavailableError(
            f"detector 'movenet' runs on the CPU only, not on '{options.device}'; "
            "use --device cpu, or another --detector on the GPU"
        )
    if options.crop or options.half:
        raise DataError(
            "detector 'movenet' looks at each person in a crop of its own already and has no half "
            "precision; leave out --detect-crop and --half"
        )
    if options.size is None:
        return MoveNet()
    if not 128 <= options.size <= 512:
        raise DataError(
            f"detector 'movenet' sees pictures of 128 to 512 px on the longer side, not "
            f"{options.size}; choose --detect-size within that"
        )
    return MoveNet(Settings(long_side=options.size))


class MoveNet:
    """Both networks and the settings; `detect` keeps no state between frames."""

    def __init__(self, settings: Settings | None = None, threads: int = 0) -> None:
        """Check and open the weights.

        Args:
            settings: the measured ones by default.
            threads: for onnxruntime; 0 takes what OMP_NUM_THREADS says, as PyTorch does, or one
                per physical core.
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
            Best person first. `box_scores` is the mean of the nine best keypoint scores; boxes
            are tight around the keypoints that count.
        """
        image = np.ascontiguousarray(frame.image[..., ::-1])
        people = [self._refine(image, person) for person in self._find(image)]
        return self._distinct(np.array(people, np.float32).reshape(-1, 17, 3))

    def _find(self, image: Image) -> Float:
        """MultiPose's candidates (P, 17, 3): x px, y px, score."""
        height, width = image.shape[:2]
        scale = self.settings.long_side / max(height, width)
        inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
        padded = np.zeros((_multiple_of_32(inner_h), _multiple_of_32(inner_w), 3), np.uint8)
        padded[:inner_h, :inner_w] = _resized(image, inner_w, inner_h)
        rows = _run(self._multipose, padded)
        rows = rows[rows[:, 55] >= self.settings.candidate]
        points = self._continuous(rows[:, :51].reshape(-1, 17, 3), padded.shape)
        points[..., :2] *= (width / inner_w, height / inner_h)
        return points

    def _refine(self, image: Image, person: Float) -> Float:
        """Thunder's view (17, 3) of one person, or the person unchanged if it saw another."""
        box = box_around(person[:, :2], np.ones(17, bool))
        side = max(8, round(self.settings.crop * float(max(box[2:] - box[:2]))))
        left, top = (round(float(c)) - side // 2 for c in (box[:2] + box[2:]) / 2)
        square = _crop(image, left, top, side)
        output = _run(self._thunder, _resized(square, _THUNDER_SIDE, _THUNDER_SIDE))[0]
        refined = self._continuous(output, (_THUNDER_SIDE, _THUNDER_SIDE))
        refined[:, :2] = refined[:, :2] * (side / _THUNDER_SIDE) + (left, top)
        both = np.minimum(person[:, 2], refined[:, 2]) >= self.settings.keypoint
        alike = oks(person[:, :2], refined[:, :2], both, area(box))
        return refined if alike >= self.settings.guard else person

    def _continuous(self, output: Float, shape: tuple[int, ...]) -> Float:
        """Output (..., y, x, score) relative to an input of `shape` as x px, y px, score."""
        points = output[..., [1, 0, 2]].astype(np.float32)
        points[..., :2] = points[..., :2] * (shape[1], shape[0]) + self.settings.shift
        return points

    def _distinct(self, people: Float) -> Detections:
        """Those of (P, 17, 3) that are people, best first, each once."""
        keypoints, scores = people[..., :2], people[..., 2]
        person_scores = _person_scores(scores)
        chosen = np.array([_chosen(s, self.settings.keypoint) for s in scores], bool)
        boxes = np.array(list(map(box_around, keypoints, chosen)), np.float32).reshape(-1, 4)
        kept: list[int] = []
        for i in np.argsort(-person_scores, kind="stable").tolist():
            if person_scores[i] < self.settings.person:
                break
            both = chosen[kept] & chosen[i]
            alike = oks(keypoints[kept], keypoints[i], both, area(boxes[kept]))
            if (alike < self.settings.same).all():
                kept.append(i)
        return Detections(boxes, person_scores, keypoints, scores).select(np.array(kept, int))


def _person_scores(scores: Float) -> Float:
    """Mean (P,) of the nine best of the keypoint scores (P, 17).

    MultiPose's own person score takes furniture for people; Thunder's keypoints do not. Nine,
    because somebody seen to the waist shows no more.
    """
    return np.asarray(np.sort(scores, axis=1)[:, -9:].mean(1), np.float32)


def _chosen(scores: Float, least: float) -> Bool:
    """The keypoints (17,) that make a box: those sure enough, or all where three are not."""
    sure = scores >= least
    return sure if sure.sum() >= 3 else np.ones_like(sure)


def _session(file_name: str, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _threads_of_environment()
    options.log_severity_level = 3
    # Two sessions take turns: idle threads of one must not spin while the other computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    content = weights.verified_bytes(file_name)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _threads_of_environment() -> int:
    """What OMP_NUM_THREADS says; 0 where it says nothing."""
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(said) if said.isascii() and said.isdecimal() else 0


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
