"""The whole network: pictures to people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vp3d_cli.detect._rcnn import boxes as boxes_
from vp3d_cli.detect._rcnn.backbone import FeaturePyramid
from vp3d_cli.detect._rcnn.heads import RoiHeads, keypoints_of, pooled
from vp3d_cli.detect._rcnn.proposals import Proposals

_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
_MOST_ALIKE = 0.5
_MOST_PEOPLE = 100
# Sides of a padded picture are multiples of this, the largest stride of the backbone.
_MULTIPLE = 32
# People whose keypoint maps are computed at once; bounds memory.
_AT_ONCE = 16


@dataclass(frozen=True)
class People:
    """The people of one picture: boxes (P, 4) px, scores (P,), keypoints (P, 17, 2) px and their
    scores (P, 17). Best box first."""

    boxes: Tensor
    scores: Tensor
    keypoints: Tensor
    keypoint_scores: Tensor


class KeypointRCNN(nn.Module):
    """Keypoint R-CNN R-101 with a feature pyramid, for inference."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = FeaturePyramid()
        self.proposal_generator = Proposals()
        self.roi_heads = RoiHeads()

    @torch.inference_mode()
    def forward(
        self,
        images: Tensor,
        size: tuple[int, int],
        least_score: float,
        max_people: int | None = None,
    ) -> list[People]:
        """Find the people in pictures of one size.

        Args:
            images: (B, 3, h, w) BGR, minus the mean of the training data.
            size: (height, width) px that the answer is scaled to.
            least_score: of a box.
            max_people: only the best of each picture get keypoints; those are the same as with
                all.

        Returns:
            B times the people, in pixels of a picture of `size`, cut off at its edge.
        """
        height, width = images.shape[-2:]
        padding = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
        pyramid = self.backbone(nn.functional.pad(images, padding))
        proposals = self.proposal_generator(pyramid, height, width)
        vectors = self.roi_heads.box_head(pooled(pyramid, proposals, self.roi_heads.box_head.side))
        logits, deltas = self.roi_heads.box_predictor(vectors)
        scores = logits.float().softmax(-1)[:, 0]
        moved = boxes_.moved(torch.cat(proposals), deltas, _WEIGHTS)
        ends = np.cumsum([len(p) for p in proposals])[:-1].tolist()
        found = [
            _people(boxes, sure, (height, width), least_score)
            for boxes, sure in zip(
                torch.tensor_split(moved, ends), torch.tensor_split(scores, ends), strict=True
            )
        ]
        return [
            self._with_keypoints(
                [level[i : i + 1] for level in pyramid], *people, (height, width), size, max_people
            )
            for i, people in enumerate(found)
        ]

    def _with_keypoints(
        self,
        pyramid: list[Tensor],
        boxes: Tensor,
        scores: Tensor,
        input_size: tuple[int, int],
        size: tuple[int, int],
        max_people: int | None,
    ) -> People:
        """The people of one picture of `input_size`, with keypoints, in pixels of `size`."""
        scale = boxes.new_tensor([size[1] / input_size[1], size[0] / input_size[0]])
        scaled = boxes_.clipped(boxes * scale.repeat(2), *size)
        keep = torch.nonzero(boxes_.nonempty(scaled))[:, 0][:max_people]
        points, sure = [], []
        for i in range(0, max(len(keep), 1), _AT_ONCE):
            rows = keep[i : i + _AT_ONCE]
            features = pooled(pyramid, [boxes[rows]], self.roi_heads.keypoint_head.side)
            of_rows = keypoints_of(self.roi_heads.keypoint_head(features), boxes[rows])
            points.append(of_rows[0])
            sure.append(of_rows[1])
        return People(scaled[keep], scores[keep], torch.cat(points) * scale, torch.cat(sure))


def _people(
    boxes: Tensor, scores: Tensor, size: tuple[int, int], least_score: float
) -> tuple[Tensor, Tensor]:
    """The boxes (N, 4) that are people, each once, best first, and their scores."""
    usable = torch.isfinite(boxes).all(dim=1) & torch.isfinite(scores)
    boxes = boxes_.clipped(boxes, *size)
    usable &= scores > least_score
    boxes, scores = boxes[usable], scores[usable]
    one_class = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    keep = boxes_.once(boxes, scores, one_class, _MOST_ALIKE)[:_MOST_PEOPLE]
    return boxes[keep], scores[keep]
