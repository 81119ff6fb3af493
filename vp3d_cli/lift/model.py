"""The temporal-convolution network of the paper (Pavllo et al. 2019, section 3 and figure 2).

Parameter names follow VideoPose3D's files, so that its weights load as they are. The
convolutions pad nothing ("valid"): a sequence comes out shorter by the receptive field less one.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from vp3d_cli.lift.config import LifterConfig


class TemporalModel(nn.Module):
    """Residual dilated convolutions over time, from flattened keypoints to flattened joints.

    Args:
        config: widths, channels, features, causal, dense, dropout.
        joints_in, joints_out: 17 and 17 for a pose network, 17 and 1 for a trajectory network.
    """

    def __init__(self, config: LifterConfig, joints_in: int, joints_out: int) -> None:
        super().__init__()
        self.config, self.joints_out = config, joints_out
        channels = config.channels
        self.drop = nn.Dropout(config.dropout)
        self.expand_conv = nn.Conv1d(
            joints_in * config.features, channels, config.filter_widths[0], bias=False
        )
        self.expand_bn = nn.BatchNorm1d(channels)
        convs: list[nn.Module] = []
        for width, dilation, pad in zip(
            config.filter_widths[1:], config.dilations[1:], config.pads[1:], strict=True
        ):
            if config.dense:
                wide = nn.Conv1d(channels, channels, 2 * pad + 1, bias=False)
            else:
                wide = nn.Conv1d(channels, channels, width, dilation=dilation, bias=False)
            convs += [wide, nn.Conv1d(channels, channels, 1, bias=False)]
        self.layers_conv = nn.ModuleList(convs)
        self.layers_bn = nn.ModuleList(nn.BatchNorm1d(channels) for _ in convs)
        self.shrink = nn.Conv1d(channels, joints_out * 3, 1)

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, T, J, F) to joints (B, T - receptive field + 1, J_out, 3)."""
        x = keypoints.flatten(2).transpose(1, 2)  # (B, J * F, T)
        x = self.drop(torch.relu(self.expand_bn(self.expand_conv(x))))  # (B, C, T - 2 * pad)
        for block, pad in enumerate(self.config.pads[1:]):
            # The frames that the outputs belong to: the middle, or the last when causal.
            shift = pad if self.config.causal else 0
            kept = x[:, :, pad + shift : x.shape[2] - pad + shift]
            for layer in (2 * block, 2 * block + 1):
                x = torch.relu(self.layers_bn[layer](self.layers_conv[layer](x)))
                x = self.drop(x)
            x = kept + x
        x = cast(Tensor, self.shrink(x)).transpose(1, 2)  # (B, T', J_out * 3)
        return x.reshape(*x.shape[:2], self.joints_out, 3)

    def set_bn_momentum(self, momentum: float) -> None:
        """Set how fast every batch normalisation follows its batches."""
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.momentum = momentum


class StridedTemporalModel(TemporalModel):
    """The training twin: the same parameters, every dilation turned into a stride.

    It takes windows of exactly one receptive field and computes only what their one output
    needs. Where the stride equals the kernel no frame is used twice, so each convolution is one
    matrix product on (frames, channels), three times as fast on a CPU as the convolution.
    """

    def __init__(self, config: LifterConfig, joints_in: int, joints_out: int) -> None:
        if config.dense:
            raise ValueError("a dense network has no strided twin")
        super().__init__(config, joints_in, joints_out)

    def forward(self, keypoints: Tensor) -> Tensor:
        """Keypoints (B, receptive field, J, F) to joints (B, 1, J_out, 3)."""
        batch = len(keypoints)
        x = keypoints.reshape(-1, keypoints.shape[2] * keypoints.shape[3])  # (B * T, J * F)
        x = self._layer(self.expand_conv, self.expand_bn, x)
        for block, width in enumerate(self.config.filter_widths[1:]):
            kept = x[width - 1 if self.config.causal else width // 2 :: width]
            for layer in (2 * block, 2 * block + 1):
                x = self._layer(self.layers_conv[layer], self.layers_bn[layer], x)
            x = kept + x
        x = functional.linear(x, self.shrink.weight[:, :, 0], self.shrink.bias)
        return x.reshape(batch, -1, self.joints_out, 3)

    def _layer(self, conv: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
        """(B * T, C_in) to (B * T / W, C): T is a multiple of W, so rows never cross windows."""
        weight = cast(Tensor, conv.weight).transpose(1, 2).flatten(1)  # (C, W * C_in)
        product = functional.linear(x.reshape(-1, weight.shape[1]), weight)
        return cast(Tensor, self.drop(torch.relu(norm(product))))
