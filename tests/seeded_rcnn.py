"""A Keypoint R-CNN R-101 with seeded weights in the model zoo's layout that does find something.

PyTorch's own initialisation finds nothing: features vanish or explode on the way, every score is
0.5 and every map is flat. Here each layer is scaled by what a real picture makes it say, and the
last layers so that scores spread from 0 to 1 and maps have peaks. What it finds is nonsense, but
all of the network takes part.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vp3d_cli.detect._rcnn.backbone import FrozenNorm
from vp3d_cli.detect._rcnn.checkpoint import PIXEL_MEAN_BGR
from vp3d_cli.detect._rcnn.network import KeypointRCNN
from vp3d_cli.types import Image

SEED = 101
# Standard deviation of what the last layers say, in logits or box widths.
_SPREAD = {
    "objectness_logits": 1.0,
    "anchor_deltas": 0.2,
    "cls_score": 2.0,
    "bbox_pred": 1.0,
    "score_lowres": 3.0,
}
_RESIDUAL_SHARE = 0.3


def seeded_network(picture: Image) -> KeypointRCNN:
    """The network, calibrated on one picture (H, W, 3) BGR with sides that 32 divides."""
    torch.manual_seed(SEED)
    network = KeypointRCNN().eval()
    images = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    images -= torch.tensor(PIXEL_MEAN_BGR)[:, None, None]
    for layer in network.modules():
        if isinstance(layer, FrozenNorm):
            _reset(layer)
    with _calibrating(network), torch.no_grad():
        network(images, picture.shape[:2], 0.3)
    return network


def write_model_zoo_file(network: KeypointRCNN, path: Path) -> None:
    """What the model zoo publishes: a pickle of arrays, with the constants of older versions."""
    model = {name: value.numpy() for name, value in network.state_dict().items()}
    model["pixel_mean"] = np.array(PIXEL_MEAN_BGR, np.float32)[:, None, None]
    model["pixel_std"] = np.ones((3, 1, 1), np.float32)
    model["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    with path.open("wb") as stream:
        pickle.dump({"model": model, "__author__": "vp3d's tests"}, stream, protocol=3)


def _reset(norm: FrozenNorm) -> None:
    norm.get_buffer("weight").fill_(1)
    norm.get_buffer("running_var").fill_(1)


@contextmanager
def _calibrating(network: nn.Module) -> Iterator[None]:
    """While it runs, every layer is scaled the first time that it is used."""
    done: set[str] = set()
    hooks = []
    for name, layer in network.named_modules():
        if isinstance(layer, FrozenNorm):
            hooks.append(layer.register_forward_pre_hook(_settle_norm(name, done)))
        elif (
            isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and layer.bias is not None
        ):
            hooks.append(layer.register_forward_hook(_settle_layer(name, done)))
    yield
    for hook in hooks:
        hook.remove()


def _settle_norm(name: str, done: set[str]) -> Callable[[nn.Module, tuple[Tensor]], None]:
    def hook(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        if name in done:
            return
        done.add(name)
        (x,) = inputs
        norm.get_buffer("running_mean").copy_(x.mean((0, 2, 3)))
        norm.get_buffer("running_var").copy_(x.var((0, 2, 3)) + 1e-3)
        share = _RESIDUAL_SHARE if name.endswith("conv3.norm") else 1.0
        norm.get_buffer("weight").uniform_(0.8 * share, 1.2 * share)
        norm.get_buffer("bias").uniform_(-0.1, 0.1)

    return hook


def _settle_layer(
    name: str, done: set[str]
) -> Callable[[nn.Module, tuple[Tensor], Tensor], Tensor | None]:
    def hook(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor | None:
        if name in done or output.numel() < 2:
            return None
        done.add(name)
        factor = _SPREAD.get(name.rpartition(".")[2], 1.0) / output.std()
        for parameter in layer.parameters():
            parameter.mul_(factor)
        return output * factor

    return hook
