"""The region proposal network: where in the picture something may be."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vp3d_cli.detect._rcnn import boxes as boxes_
from vp3d_cli.detect._rcnn.backbone import PYRAMID_CHANNELS, STRIDES

_SIZES = (32.0, 64.0, 128.0, 256.0, 512.0)
_RATIOS = (0.5, 1.0, 2.0)
_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
_BEFORE_NMS = 1000  # a level
_AFTER_NMS = 1000
_MOST_ALIKE = 0.7


class ProposalHead(nn.Module):
    """Objectness and box deltas of every anchor of a feature map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(PYRAMID_CHANNELS, PYRAMID_CHANNELS, 3, padding=1)
        self.objectness_logits = nn.Conv2d(PYRAMID_CHANNELS, len(_RATIOS), 1)
        self.anchor_deltas = nn.Conv2d(PYRAMID_CHANNELS, 4 * len(_RATIOS), 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """A map (B, 256, H, W) to logits (B, H * W * A) and deltas (B, H * W * A, 4)."""
        hidden = functional.relu(self.conv(features))
        batch, _, height, width = hidden.shape
        logits = self.objectness_logits(hidden).permute(0, 2, 3, 1).flatten(1)
        deltas = self.anchor_deltas(hidden).view(batch, -1, 4, height, width)
        return logits, deltas.permute(0, 3, 4, 1, 2).flatten(1, 3)


class Proposals(nn.Module):
    """The best boxes of all levels together."""

    def __init__(self) -> None:
        super().__init__()
        self.rpn_head = ProposalHead()

    def forward(self, pyramid: list[Tensor], height: int, width: int) -> list[Tensor]:
        """Five feature maps of B pictures to B times (at most 1000, 4) boxes, best first.

        `height` and `width` are of the pictures without their padding.
        """
        batch, device = len(pyramid[0]), pyramid[0].device
        candidates, scores, levels = [], [], []
        for level, features in enumerate(pyramid):
            logits, deltas = self.rpn_head(features)
            rows, columns = features.shape[-2:]
            anchors = grid_anchors(level, rows, columns, device)
            best, order = logits.sort(descending=True, dim=1)
            best, order = best[:, :_BEFORE_NMS], order[:, :_BEFORE_NMS]
            chosen = torch.stack(
                [
                    boxes_.moved(anchors[which], shifts[which], _WEIGHTS)
                    for which, shifts in zip(order, deltas, strict=True)
                ]
            )
            candidates.append(chosen)
            scores.append(best)
            levels.append(torch.full((best.shape[1],), level, device=device))
        together = torch.cat(candidates, 1), torch.cat(scores, 1), torch.cat(levels)
        return [
            _best(together[0][i], together[1][i], together[2], height, width) for i in range(batch)
        ]


def _best(boxes: Tensor, scores: Tensor, levels: Tensor, height: int, width: int) -> Tensor:
    usable = torch.isfinite(boxes).all(dim=1) & torch.isfinite(scores)
    boxes = boxes_.clipped(boxes, height, width)
    usable &= boxes_.nonempty(boxes)
    boxes, scores, levels = boxes[usable], scores[usable], levels[usable]
    return boxes[boxes_.once(boxes, scores, levels, _MOST_ALIKE)[:_AFTER_NMS]]


def cell_anchors(level: int) -> Tensor:
    """The anchors (A, 4) of one cell around the origin; not rounded, as torchvision's are."""
    area = _SIZES[level] ** 2.0
    widths = [math.sqrt(area / ratio) for ratio in _RATIOS]
    pairs = [(w, ratio * w) for w, ratio in zip(widths, _RATIOS, strict=True)]
    return torch.tensor([[-w / 2.0, -h / 2.0, w / 2.0, h / 2.0] for w, h in pairs])


def grid_anchors(level: int, rows: int, columns: int, device: torch.device) -> Tensor:
    """The anchors (rows * columns * A, 4) of a level; its first cell is at the origin."""
    stride = STRIDES[level]
    xs = torch.arange(0, columns * stride, stride, dtype=torch.float32, device=device)
    ys = torch.arange(0, rows * stride, stride, dtype=torch.float32, device=device)
    y, x = (grid.reshape(-1) for grid in torch.meshgrid(ys, xs, indexing="ij"))
    shifts = torch.stack((x, y, x, y), dim=1)
    return (shifts[:, None] + cell_anchors(level).to(device)[None]).reshape(-1, 4)
