"""Mask R-CNN's keypoint detector as Detectron2 itself runs it.

The library builds the network and runs it; the weights come from our cache, read without
executing the pickle that they are. Its pixel convention is ours.
"""

from __future__ import annotations

import hashlib
from typing import Any

from vp3d_cli import skeletons, weights
from vp3d_cli.detect import keypoint_rcnn
from vp3d_cli.detect._base import Detector, DetectorOptions
from vp3d_cli.device import torch_device
from vp3d_cli.errors import BackendUnavailableError, DataError
from vp3d_cli.types import Detections, Frame, Json, Skeleton

CONFIG = "COCO-Keypoints/keypoint_rcnn_R_101_FPN_3x.yaml"
INSTALL = (
    "pip install 'setuptools<82' && pip install --no-build-isolation "
    "git+https://github.com/facebookresearch/detectron2.git"
)


def build(options: DetectorOptions) -> Detector:
    """The detector with fetched weights.

    Raises:
        BackendUnavailableError: Detectron2 or the device is not there.
        WeightsError: the weights were not fetched, or are not what they should be.
        DataError: an option is not for this detector.
    """
    try:
        import detectron2.engine
        import detectron2.model_zoo  # noqa: F401
    except (ImportError, OSError, AttributeError) as error:
        raise BackendUnavailableError(
            f"detector 'detectron2': the library is not usable here ({error}); install it with "
            f"{INSTALL}; or use --detector keypoint-rcnn, which gives the same results without it"
        ) from error
    return Detectron2(options)


class Detectron2:
    """The library's predictor; keeps no state between frames."""

    def __init__(self, options: DetectorOptions) -> None:
        from detectron2 import __version__
        from detectron2.engine import DefaultPredictor

        from vp3d_cli.detect._rcnn.checkpoint import read_state

        torch_device(options.device)
        if options.half or options.quality not in (None, "best"):
            raise DataError(
                "detector 'detectron2' runs as the library does, without following people or half "
                "precision; use --detector keypoint-rcnn with --quality balanced and --half"
            )
        file = weights.entry(keypoint_rcnn.WEIGHTS).files[0]
        blob = weights.verified_bytes(file.name)
        self._max_people = options.max_people
        self._about = {
            "name": "detectron2",
            "version": __version__,
            "weights": {file.name: hashlib.sha256(blob).hexdigest()},
            "settings": {
                "config": CONFIG,
                "short_side": options.size or keypoint_rcnn.SHORT_SIDE,
                "least_score": keypoint_rcnn.LEAST_SCORE,
                "max_people": options.max_people,
            },
        }
        self._predictor = DefaultPredictor(_config(options))
        self._predictor.model.load_state_dict(read_state(blob, file.name))

    @property
    def skeleton(self) -> Skeleton:
        return skeletons.get("coco17")

    def describe(self) -> Json:
        return self._about

    def detect(self, frame: Frame) -> Detections:
        """Find the people in one frame: best box first."""
        found = self._predictor(frame.image)["instances"].to("cpu")
        points = found.pred_keypoints.numpy()
        people = Detections(
            boxes=found.pred_boxes.tensor.numpy(),
            box_scores=found.scores.numpy(),
            keypoints=points[..., :2].copy(),
            scores=points[..., 2].copy(),
        )
        return people.select(slice(self._max_people))


def _config(options: DetectorOptions) -> Any:
    from detectron2 import model_zoo
    from detectron2.config import get_cfg

    config = get_cfg()
    config.merge_from_file(model_zoo.get_config_file(CONFIG))
    config.MODEL.WEIGHTS = ""
    config.MODEL.DEVICE = options.device
    config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = keypoint_rcnn.LEAST_SCORE
    short_side = options.size or keypoint_rcnn.SHORT_SIDE
    config.INPUT.MIN_SIZE_TEST = short_side
    config.INPUT.MAX_SIZE_TEST = keypoint_rcnn.longest_side(short_side)
    return config
