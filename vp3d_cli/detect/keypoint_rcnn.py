"""Mask R-CNN's keypoint detector on plain PyTorch, with the weights of Detectron2's model zoo.

The same boxes, scores and keypoints as Detectron2 itself, without its compiler. Detectron2's
pixel convention is ours: continuous, pixel centres at +0.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vp3d_cli import skeletons, weights
from vp3d_cli.detect._base import Detector, DetectorOptions
from vp3d_cli.detect._following import Following, Region
from vp3d_cli.device import torch_device
from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.types import Detections, Frame, Image, Json, Skeleton

if TYPE_CHECKING:
    from torch import Tensor

    from vp3d_cli.detect._rcnn.network import People

WEIGHTS = "keypoint-rcnn-r101"
SHORT_SIDE = 800
LEAST_SCORE = 0.7
# Frames at once on a GPU.
_GPU_BATCH = 8


def build(options: DetectorOptions) -> Detector:
    """The detector with fetched weights.

    Raises:
        WeightsError: the weights were not fetched, or are not what they should be.
        BackendUnavailableError: the device is not there, or torchvision is not usable.
    """
    _require_torchvision()
    detector = KeypointRCNN(options)
    return detector if options.quality in (None, "best") else Following(detector)


def check(blob: bytes, where: str) -> None:
    """Raise WeightsError unless `blob` is the model zoo's file for this network."""
    _require_torchvision()
    from vp3d_cli.detect._rcnn.checkpoint import read_state

    read_state(blob, where)


def _require_torchvision() -> None:
    try:
        import torchvision.ops  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        raise BackendUnavailableError(
            f"detector 'keypoint-rcnn' needs torchvision, made for the installed torch: {error}; "
            "fix: pip install --force-reinstall torch torchvision"
        ) from error


class KeypointRCNN:
    """The network and its settings; keeps no state between frames."""

    def __init__(self, options: DetectorOptions) -> None:
        from vp3d_cli.detect._rcnn.checkpoint import build_network, read_state

        self._device = torch_device(options.device)
        if options.half and self._device.type != "cuda":
            raise BackendUnavailableError("half precision needs a GPU; use --device cuda")
        self._half = options.half
        self._max_people = options.max_people
        self._short_side = options.size or SHORT_SIDE
        file = weights.entry(WEIGHTS).files[0]
        blob = weights.verified_bytes(file.name)
        self._weights = {file.name: hashlib.sha256(blob).hexdigest()}
        self._network = build_network(read_state(blob, file.name)).to(self._device)

    @property
    def skeleton(self) -> Skeleton:
        return skeletons.get("coco17")

    def scale(self, height: int, width: int) -> float:
        """Pixels of the network's input per pixel of a whole frame."""
        return input_size(height, width, self._short_side)[0] / height

    @property
    def batch_size(self) -> int:
        """Frames that are best given together."""
        return _GPU_BATCH if self._device.type == "cuda" else 1

    def describe(self) -> Json:
        return {
            "name": "keypoint-rcnn",
            "weights": self._weights,
            "settings": {
                "short_side": self._short_side,
                "least_score": LEAST_SCORE,
                "max_people": self._max_people,
                "half": self._half,
            },
        }

    def detect(self, frame: Frame) -> Detections:
        """Find the people in one frame: best box first."""
        return self.detect_batch([frame])[0]

    def detect_batch(self, frames: Sequence[Frame]) -> list[Detections]:
        """Find the people in frames of one size, in one pass where memory allows.

        Raises:
            BackendUnavailableError: the GPU's memory does not hold one frame.
        """
        import torch

        height, width = frames[0].image.shape[:2]
        shape = input_size(height, width, self._short_side)
        try:
            return self._look([frame.image for frame in frames], shape)
        except torch.cuda.OutOfMemoryError as error:
            if len(frames) == 1:
                raise BackendUnavailableError(
                    f"the memory of {self._device} does not hold one frame at {shape[1]} x "
                    f"{shape[0]} px; use a smaller --detect-size, --half, or --device cpu"
                ) from error
        torch.cuda.empty_cache()
        half = len(frames) // 2
        return self.detect_batch(frames[:half]) + self.detect_batch(frames[half:])

    def detect_part(self, frame: Frame, region: Region, scale: float) -> Detections:
        """Find the people in a part of a frame, in pixels of the frame: best box first."""
        x0, y0, x1, y1 = region
        shape = (max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale)))
        (found,) = self._look([frame.image[y0:y1, x0:x1]], shape)
        offset = np.array([x0, y0], np.float32)
        return Detections(
            found.boxes + np.tile(offset, 2),
            found.box_scores,
            found.keypoints + offset,
            found.scores,
        )

    def _look(self, images: Sequence[Image], shape: tuple[int, int]) -> list[Detections]:
        """Find the people in pictures that the network sees in `shape`, height and width."""
        height, width = images[0].shape[:2]
        inputs = np.stack([_resized(image, *shape) for image in images])
        return [_detections(people) for people in self._people(inputs, (height, width))]

    def _people(self, images: Image, size: tuple[int, int]) -> list[People]:
        import torch

        from vp3d_cli.detect._rcnn.checkpoint import PIXEL_MEAN_BGR

        pixels: Tensor = torch.from_numpy(images)
        if self._device.type == "cuda":
            pixels = pixels.pin_memory().to(self._device, non_blocking=True)
        mean = torch.tensor(PIXEL_MEAN_BGR, device=self._device)[:, None, None]
        pixels = (pixels.permute(0, 3, 1, 2).float() - mean).contiguous()
        # Elsewhere the context does nothing.
        precision = torch.autocast(self._device.type, torch.float16, enabled=self._half)
        with precision:
            people: list[People] = self._network(pixels, size, LEAST_SCORE, self._max_people)
        return people


def longest_side(short_side: int) -> int:
    """The longer side of the input at most: 1333 where the shorter one is 800."""
    return round(1333 / SHORT_SIDE * short_side)


def input_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Height and width that a frame is resized to, as Detectron2 rounds them."""
    scale = short_side / min(height, width)
    if height < width:
        new_height, new_width = float(short_side), scale * width
    else:
        new_height, new_width = scale * height, float(short_side)
    longest = longest_side(short_side)
    if max(new_height, new_width) > longest:
        scale = longest / max(new_height, new_width)
        new_height, new_width = new_height * scale, new_width * scale
    return max(1, int(new_height + 0.5)), max(1, int(new_width + 0.5))


def _resized(image: Image, height: int, width: int) -> Image:
    """Pillow's bilinear resize, which filters when it shrinks; OpenCV's differs."""
    from PIL import Image as Picture

    picture = Picture.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), Picture.Resampling.BILINEAR))


def _detections(people: People) -> Detections:
    return Detections(
        boxes=people.boxes.float().cpu().numpy(),
        box_scores=people.scores.float().cpu().numpy(),
        keypoints=people.keypoints.float().cpu().numpy(),
        scores=people.keypoint_scores.float().cpu().numpy(),
    )
