"""ResNet-101 and its feature pyramid: pictures to features at strides 4 to 64."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCKS = (3, 4, 23, 3)
PYRAMID_CHANNELS = 256
STRIDES = (4, 8, 16, 32, 64)


class FrozenNorm(nn.Module):
    """Batch normalisation with fixed statistics.

    torchvision's FrozenBatchNorm2d rounds otherwise, which moves boxes by 2e-3 px.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        mean, var = self.get_buffer("running_mean"), self.get_buffer("running_var")
        weight, bias = self.get_buffer("weight"), self.get_buffer("bias")
        return functional.batch_norm(x, mean, var, weight, bias, training=False, eps=1e-5)


class NormedConv(nn.Conv2d):
    """A convolution without bias, then `norm`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = FrozenNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(super().forward(x))
        return out


class Bottleneck(nn.Module):
    """A residual block. As in MSRA's ResNet the stride is in the first convolution."""

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut = NormedConv(inputs, outputs, 1, stride) if inputs != outputs else None
        self.conv1 = NormedConv(inputs, middle, 1, stride)
        self.conv2 = NormedConv(middle, middle, 3)
        self.conv3 = NormedConv(middle, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu_(self.conv1(x))
        out = functional.relu_(self.conv2(out))
        out = self.conv3(out)
        out += x if self.shortcut is None else self.shortcut(x)
        return functional.relu_(out)


class Stem(nn.Module):
    """The picture at a quarter of its size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = NormedConv(3, 64, 7, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu_(self.conv1(x))
        return functional.max_pool2d(x, kernel_size=3, stride=2, padding=1)


class ResNet(nn.Module):
    """ResNet-101 without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        inputs = 64
        for stage, blocks in enumerate(BLOCKS, start=2):
            middle, outputs = 16 << stage, 64 << stage
            layers = []
            for block in range(blocks):
                stride = 2 if stage > 2 and block == 0 else 1
                layers.append(Bottleneck(inputs, middle, outputs, stride))
                inputs = outputs
            self.add_module(f"res{stage}", nn.Sequential(*layers))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures (B, 3, H, W) to four feature maps, strides 4, 8, 16, 32."""
        x = self.stem(x)
        features = []
        for stage in range(2, 6):
            x = self.get_submodule(f"res{stage}")(x)
            features.append(x)
        return features


class FeaturePyramid(nn.Module):
    """The feature pyramid on top: every stride with 256 channels."""

    def __init__(self) -> None:
        super().__init__()
        for stage in range(2, 6):
            lateral = nn.Conv2d(64 << stage, PYRAMID_CHANNELS, 1)
            output = nn.Conv2d(PYRAMID_CHANNELS, PYRAMID_CHANNELS, 3, padding=1)
            self.add_module(f"fpn_lateral{stage}", lateral)
            self.add_module(f"fpn_output{stage}", output)
        self.bottom_up = ResNet()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Pictures (B, 3, H, W), sides multiples of 32, to five maps (B, 256, H / s, W / s)."""
        features = self.bottom_up(images)
        above = self.get_submodule("fpn_lateral5")(features[3])
        pyramid = [self.get_submodule("fpn_output5")(above)]
        for stage in (4, 3, 2):
            wide = functional.interpolate(above, scale_factor=2.0, mode="nearest")
            above = self.get_submodule(f"fpn_lateral{stage}")(features[stage - 2]) + wide
            pyramid.insert(0, self.get_submodule(f"fpn_output{stage}")(above))
        pyramid.append(functional.max_pool2d(pyramid[-1], kernel_size=1, stride=2))
        return pyramid
