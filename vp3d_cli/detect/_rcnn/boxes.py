"""Boxes (..., 4) xyxy in pixels of the network's input: moved, clipped, kept once."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchvision.ops import batched_nms

# No box grows more than this: a 16 px anchor to 1000 px.
_MAX_LOG_SCALE = math.log(1000 / 16)

Weights = tuple[float, float, float, float]


def moved(boxes: Tensor, deltas: Tensor, weights: Weights) -> Tensor:
    """Boxes (N, 4) changed by deltas (N, 4), each divided by its weight.

    R-CNN's transform: the centre moves by dx widths and dy heights, the sides grow by exp(dw)
    and exp(dh).
    """
    deltas = deltas.float()
    boxes = boxes.to(deltas.dtype)
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    centres_x, centres_y = boxes[:, 0] + 0.5 * widths, boxes[:, 1] + 0.5 * heights
    dx, dy = deltas[:, 0] / weights[0], deltas[:, 1] / weights[1]
    dw = torch.clamp(deltas[:, 2] / weights[2], max=_MAX_LOG_SCALE)
    dh = torch.clamp(deltas[:, 3] / weights[3], max=_MAX_LOG_SCALE)
    x, y = dx * widths + centres_x, dy * heights + centres_y
    w, h = torch.exp(dw) * widths, torch.exp(dh) * heights
    return torch.stack((x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h), dim=-1)


def clipped(boxes: Tensor, height: float, width: float) -> Tensor:
    """Boxes (N, 4) cut off at the edge of the picture."""
    x0, x1 = boxes[:, 0].clamp(0, width), boxes[:, 2].clamp(0, width)
    y0, y1 = boxes[:, 1].clamp(0, height), boxes[:, 3].clamp(0, height)
    return torch.stack((x0, y0, x1, y1), dim=-1)


def nonempty(boxes: Tensor) -> Tensor:
    """Which of the boxes (N, 4) have an area: (N,) bool."""
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])


def once(boxes: Tensor, scores: Tensor, groups: Tensor, most_alike: float) -> Tensor:
    """Indices of the boxes that no better one of their group overlaps, best first."""
    kept: Tensor = batched_nms(boxes.float(), scores.float(), groups, most_alike)
    return kept
