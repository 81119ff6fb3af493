"""Run in its own process, with Detectron2 on PYTHONPATH: frames in, what the library finds out.

    python tests/oracle/run_detectron2.py FRAMES.npz WEIGHTS.pkl SHORT_SIDE LEAST_SCORE OUT.npz

`library_*` is the library alone, reading the weights file itself; `backend_*` is our detector
"detectron2" with the weights from VP3D_CACHE.
"""

from __future__ import annotations

import sys

import numpy as np
from detectron2 import model_zoo
from detectron2.config import get_cfg
from detectron2.engine import DefaultPredictor

from vp3d_cli import registry
from vp3d_cli.detect._base import DetectorOptions
from vp3d_cli.types import Frame


def main(frames: str, weights: str, short_side: int, least_score: float, out: str) -> None:
    config = get_cfg()
    name = "COCO-Keypoints/keypoint_rcnn_R_101_FPN_3x.yaml"
    config.merge_from_file(model_zoo.get_config_file(name))
    config.MODEL.WEIGHTS = weights
    config.MODEL.DEVICE = "cpu"
    config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = least_score
    config.INPUT.MIN_SIZE_TEST = short_side
    config.INPUT.MAX_SIZE_TEST = round(1333 / 800 * short_side)
    predictor = DefaultPredictor(config)
    backend = registry.load("detect", "detectron2").build(DetectorOptions(size=short_side))
    arrays = {}
    with np.load(frames) as images:
        for name, image in images.items():
            found = predictor(image)["instances"]
            arrays[f"library_boxes_{name}"] = found.pred_boxes.tensor.numpy()
            arrays[f"library_box_scores_{name}"] = found.scores.numpy()
            arrays[f"library_keypoints_{name}"] = found.pred_keypoints[..., :2].numpy()
            arrays[f"library_scores_{name}"] = found.pred_keypoints[..., 2].numpy()
            people = backend.detect(Frame(0, 0.0, image))
            for field in ("boxes", "box_scores", "keypoints", "scores"):
                arrays[f"backend_{field}_{name}"] = getattr(people, field)
    np.savez(out, **arrays)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
