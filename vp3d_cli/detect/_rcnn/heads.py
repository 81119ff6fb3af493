"""What the proposals are: boxes around people, and their keypoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import roi_align

from vp3d_cli.detect._rcnn.backbone import PYRAMID_CHANNELS, STRIDES

NUM_KEYPOINTS = 17
# A box of 224 px, the side of ImageNet's pictures, belongs to the third map, of stride 16.
_USUAL_SIDE, _USUAL_LEVEL, _FIRST_LEVEL, _LAST_LEVEL = 224, 4, 2, 5
_CONV_LAYERS, _CONV_CHANNELS = 8, 512


def pooled(pyramid: list[Tensor], boxes: list[Tensor], side: int) -> Tensor:
    """The features (N, 256, side, side) of N boxes, each from the map of its size.

    Args:
        pyramid: maps (B, 256, H, W) at strides 4 to 32 (a fifth is ignored).
        boxes: B times (N_b, 4).
    """
    index = torch.cat([b.new_full((len(b), 1), i) for i, b in enumerate(boxes)])
    together = torch.cat(boxes)
    areas = (together[:, 2] - together[:, 0]) * (together[:, 3] - together[:, 1])
    # The 1e-8 stands inside the logarithm; torchvision adds 1e-6 outside and so differs at edges.
    scale = torch.log2(torch.sqrt(areas) / _USUAL_SIDE + 1e-8)
    level = torch.floor(_USUAL_LEVEL + scale).clamp(_FIRST_LEVEL, _LAST_LEVEL).to(torch.int64)
    regions = torch.cat([index, together], dim=1)
    features = pyramid[0]
    output = features.new_zeros((len(together), PYRAMID_CHANNELS, side, side))
    for i in range(_LAST_LEVEL - _FIRST_LEVEL + 1):
        rows = torch.nonzero(level == i + _FIRST_LEVEL)[:, 0]
        # In half precision a position of 1300 px would be off by half a pixel.
        output[rows] = roi_align(
            pyramid[i].float(),
            regions[rows],
            (side, side),
            spatial_scale=1 / STRIDES[i],
            sampling_ratio=0,
            aligned=True,
        ).to(features.dtype)
    return output


class BoxHead(nn.Module):
    """Features of a region to one vector."""

    side = 7

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(PYRAMID_CHANNELS * self.side**2, 1024)
        self.fc2 = nn.Linear(1024, 1024)

    def forward(self, features: Tensor) -> Tensor:
        """(N, 256, 7, 7) to (N, 1024)."""
        return functional.relu(self.fc2(functional.relu(self.fc1(features.flatten(1)))))


class BoxPredictor(nn.Module):
    """Logits of (person, background), background last, and box deltas."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_score = nn.Linear(1024, 2)
        self.bbox_pred = nn.Linear(1024, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1024) to (N, 2) and (N, 4)."""
        return self.cls_score(x), self.bbox_pred(x)


class KeypointHead(nn.Module):
    """Features of a person to one map a keypoint."""

    side = 14

    def __init__(self) -> None:
        super().__init__()
        inputs = PYRAMID_CHANNELS
        for layer in range(1, _CONV_LAYERS + 1):
            self.add_module(f"conv_fcn{layer}", nn.Conv2d(inputs, _CONV_CHANNELS, 3, padding=1))
            inputs = _CONV_CHANNELS
        self.score_lowres = nn.ConvTranspose2d(inputs, NUM_KEYPOINTS, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 256, 14, 14) to logits (N, 17, 56, 56)."""
        for layer in range(1, _CONV_LAYERS + 1):
            x = functional.relu(self.get_submodule(f"conv_fcn{layer}")(x))
        x = self.score_lowres(x)
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class RoiHeads(nn.Module):
    """The three heads under the names of the model zoo's files."""

    def __init__(self) -> None:
        super().__init__()
        self.box_head = BoxHead()
        self.box_predictor = BoxPredictor()
        self.keypoint_head = KeypointHead()


def keypoints_of(maps: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Where in its box each keypoint is, and how sure.

    Each map is resized to its box in whole pixels, bicubic; the peak's pixel centre, at +0.5, is
    the keypoint. Its score is the peak's share of the map, 1 / sum(exp(map - peak)), so it does
    not depend on the size of the box.

    Args:
        maps: (N, K, 56, 56) logits.
        boxes: (N, 4).

    Returns:
        Keypoints (N, K, 2) px, continuous, and scores (N, K).
    """
    maps = maps.float()
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    whole = sides.ceil()
    points = maps.new_zeros((*maps.shape[:2], 2))
    scores = maps.new_zeros(maps.shape[:2])
    for i, (columns, rows) in enumerate(whole.int().tolist()):
        size = (rows, columns)
        large = functional.interpolate(maps[i : i + 1], size, mode="bicubic", align_corners=False)
        peak, where = large.flatten(2)[0].max(1)
        x = ((where % columns).float() + 0.5) * (sides[i, 0] / whole[i, 0])
        y = ((where // columns).float() + 0.5) * (sides[i, 1] / whole[i, 1])
        points[i] = torch.stack((x, y), dim=-1) + boxes[i, :2]
        scores[i] = 1 / (maps[i] - peak[:, None, None]).exp().sum((1, 2))
    return points, scores
