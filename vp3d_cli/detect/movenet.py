"""MoveNet on onnxruntime: MultiPose finds people, Thunder refines each of them.

The weights come with the package. Up to six people a frame, COCO-17 order, CPU only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np
import onnxruntime

from vp3d_cli import skeletons, weights
from vp3d_cli.cores import usable_cores
from vp3d_cli.detect._base import Detector, DetectorOptions
from vp3d_cli.errors import BackendUnavailableError, DataError
from vp3d_cli.overlap import area, box_around, oks
from vp3d_cli.types import Bool, Detections, Float, Frame, Image, Int, Json, Skeleton

_MULTIPOSE = "movenet_multipose.onnx"
_THUNDER = "movenet_thunder.onnx"
_THUNDER_SIDE = 256


@dataclass(frozen=True)
class Settings:
    """Every number of this file, chosen by measurement on the clips named in `weights/README.md`.

    But for `follow_s` and `patience_s`, of which no others were tried.

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
        follow_s: for how long people are followed before everybody is looked for again, seconds.
        patience_s: looks farther apart than this are at everybody, seconds.
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
    follow_s: float | None = 1 / 3
    patience_s: float = 0.15
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
    if options.half:
        raise DataError("detector 'movenet' has no half precision; leave out --half")
    settings = Settings()
    if options.quality == "best":
        settings = replace(settings, follow_s=None)
    if options.patience_s is not None:
        settings = replace(settings, patience_s=options.patience_s)
    if options.size is None:
        return MoveNet(settings, options.workers)
    if not 128 <= options.size <= 512:
        raise DataError(
            f"detector 'movenet' sees pictures of 128 to 512 px on the longer side, not "
            f"{options.size}; choose --detect-size within that"
        )
    return MoveNet(replace(settings, long_side=options.size), options.workers)


class MoveNet:
    """Both networks and the settings; keeps no state between frames.

    Attributes:
        settings: see `Settings`.
        workers: threads that may look at frames at the same time; each takes its share of the
            cores, for the networks are too small to gain much from several.
    """

    least_followed = 0

    def __init__(self, settings: Settings | None = None, workers: int = 1) -> None:
        """Check and open the weights.

        Args:
            settings: the measured ones by default.
            workers: as the attribute.
        """
        self.settings = settings or Settings()
        self.workers = workers
        threads = max(1, usable_cores() // workers)
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

    @property
    def follow_s(self) -> float | None:
        return self.settings.follow_s

    def detect(self, frame: Frame) -> Detections:
        """Find up to six people.

        Returns:
            Best person first. `box_scores` is the mean of the nine best keypoint scores; boxes
            are tight around the keypoints that count.
        """
        image, found = frame.image, []
        for person in self._find(image):
            refined = self._look_around(image, person)
            found.append(person if refined is None else refined)
        people = self._people(np.array(found, np.float32).reshape(-1, 17, 3))
        return people.select(self._distinct(people))

    def follow(self, frame: Frame, people: Detections, since_s: float) -> Detections:
        """Look at each person around where they were, with Thunder alone; at all after long."""
        if since_s > self.settings.patience_s:
            return self.detect(frame)
        points = np.concatenate([people.keypoints, people.scores[..., None]], -1)
        looks = (self._look_around(frame.image, person) for person in points)
        found = [refined for refined in looks if refined is not None]
        seen = self._people(np.array(found, np.float32).reshape(-1, 17, 3))
        return seen.select(self._distinct(seen))

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

    def _look_around(self, image: Image, person: Float) -> Float | None:
        """Thunder's view (17, 3) of somebody near `person` (17, 3); None if it saw another."""
        box = box_around(person[:, :2], np.ones(17, bool))
        side = max(8, round(self.settings.crop * float(max(box[2:] - box[:2]))))
        left, top = (round(float(c)) - side // 2 for c in (box[:2] + box[2:]) / 2)
        square = _crop(image, left, top, side)
        output = _run(self._thunder, _resized(square, _THUNDER_SIDE, _THUNDER_SIDE))[0]
        refined = self._continuous(output, (_THUNDER_SIDE, _THUNDER_SIDE))
        refined[:, :2] = refined[:, :2] * (side / _THUNDER_SIDE) + (left, top)
        both = np.minimum(person[:, 2], refined[:, 2]) >= self.settings.keypoint
        alike = oks(person[:, :2], refined[:, :2], both, area(box))
        return refined if alike >= self.settings.guard else None

    def _continuous(self, output: Float, shape: tuple[int, ...]) -> Float:
        """Output (..., y, x, score) relative to an input of `shape` as x px, y px, score."""
        points = output[..., [1, 0, 2]].astype(np.float32)
        points[..., :2] = points[..., :2] * (shape[1], shape[0]) + self.settings.shift
        return points

    def _people(self, points: Float) -> Detections:
        """All of (P, 17, 3) with their boxes and scores."""
        keypoints, scores = points[..., :2], points[..., 2]
        chosen = self._chosen(scores)
        boxes = np.array(list(map(box_around, keypoints, chosen)), np.float32).reshape(-1, 4)
        return Detections(boxes, _person_scores(scores), keypoints, scores)

    def _distinct(self, people: Detections) -> Int:
        """Rows of those that are people, best first, each once."""
        chosen = self._chosen(people.scores)
        kept: list[int] = []
        for i in np.argsort(-people.box_scores, kind="stable").tolist():
            if people.box_scores[i] < self.settings.person:
                break
            both = chosen[kept] & chosen[i]
            points, boxes = people.keypoints, people.boxes
            alike = oks(points[kept], points[i], both, area(boxes[kept]))
            if (alike < self.settings.same).all():
                kept.append(i)
        return np.array(kept, np.int32)

    def _chosen(self, scores: Float) -> Bool:
        """Which of (P, 17) make a box: those sure enough, or all where three are not."""
        sure = scores >= self.settings.keypoint
        return np.asarray(sure | (sure.sum(1, keepdims=True) < 3), np.bool_)


def _person_scores(scores: Float) -> Float:
    """Mean (P,) of the nine best of the keypoint scores (P, 17).

    MultiPose's own person score takes furniture for people; Thunder's keypoints do not. Nine,
    because somebody seen to the waist shows no more.
    """
    return np.asarray(np.sort(scores, axis=1)[:, -9:].mean(1), np.float32)


def _session(file_name: str, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Two sessions take turns: idle threads of one must not spin while the other computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    content = weights.verified_bytes(file_name)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run(session: Any, image: Image) -> Float:
    name = session.get_inputs()[0].name
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    output: Float = session.run(None, {name: rgb[None].astype(np.int32)})[0][0]
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
