"""The network: shapes, parameter counts of the paper, and equivalences."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.model import StridedTemporalModel, TemporalModel


def _randomised(model: TemporalModel, seed: int = 0) -> TemporalModel:
    """Weights and batch statistics away from their defaults, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            for tensor in (module.running_mean, module.weight.data, module.bias.data):
                tensor.normal_(0.5, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return model.eval()


def _window(frames: int, features: int = 2, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, frames, 17, features, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("widths", "dense", "pose", "trajectory"),
    [
        # Table 5 of the paper, for 1,024 channels.
        ((3, 3, 3), False, 8_555_571, 8_506_371),
        ((3, 3, 3, 3), False, 12_753_971, 12_704_771),
        ((3, 3, 3, 3, 3), False, 16_952_371, 16_903_171),
        ((1, 1, 1, 1, 1), False, 8_494_131, 8_444_931),
        ((3, 3, 3), True, 29_527_091, 29_477_891),
    ],
)
def test_parameter_counts_are_the_papers(
    widths: tuple[int, ...], dense: bool, pose: int, trajectory: int
) -> None:
    config = LifterConfig(widths, 1024, dense=dense)
    with torch.device("meta"):
        for joints_out, expected in ((17, pose), (1, trajectory)):
            model = TemporalModel(config, 17, joints_out)
            assert sum(p.numel() for p in model.parameters()) == expected


def test_receptive_field_and_pads_of_five_threes() -> None:
    config = LifterConfig((3, 3, 3, 3, 3), 8)
    assert config.pads == (1, 3, 9, 27, 81)
    assert config.receptive_field == 243
    assert config.context == (121, 121)
    assert dataclasses.replace(config, causal=True).context == (242, 0)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("widths", [(3, 3, 3), (3, 5, 1), (9, 3), (1,), (7,)])
def test_strided_twin_equals_dilated(widths: tuple[int, ...], causal: bool) -> None:
    config = LifterConfig(widths, 16, causal=causal)
    dilated = _randomised(TemporalModel(config, 17, 17))
    strided = StridedTemporalModel(config, 17, 17).eval()
    strided.load_state_dict(dilated.state_dict())
    window = _window(config.receptive_field)
    torch.testing.assert_close(strided(window), dilated(window), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_each_output_sees_its_receptive_field_and_no_more(causal: bool, dense: bool) -> None:
    config = LifterConfig((3, 3, 3), 8, causal=causal, dense=dense)
    model = _randomised(TemporalModel(config, 17, 17))
    sequence = _window(40, batch=1).requires_grad_()
    predicted = model(sequence)
    assert predicted.shape == (1, 40 - 26, 17, 3)
    predicted[0, 5].sum().backward()
    seen = np.flatnonzero(sequence.grad.abs().sum((0, 2, 3)).numpy())
    assert (seen.min(), seen.max()) == (5, 5 + 26)


@pytest.mark.parametrize(("causal", "frame"), [(False, 13), (True, 26)])
def test_residual_follows_the_predicted_frame(causal: bool, frame: int) -> None:
    """With all block outputs silenced, only the frame that is predicted gets through."""
    config = LifterConfig((1, 3, 9), 8, causal=causal)
    model = _randomised(TemporalModel(config, 17, 17))
    for layer in model.layers_bn:
        nn.init.constant_(layer.weight, 0)
        nn.init.constant_(layer.bias, -1)
    sequence = _window(27, batch=1).requires_grad_()
    model(sequence).sum().backward()
    assert np.flatnonzero(sequence.grad.abs().sum((0, 2, 3)).numpy()).tolist() == [frame]


def test_one_layer_is_a_plain_convolution() -> None:
    """The closed form: shrink(relu(bn(conv(x)))) with batch normalisation at rest."""
    config = LifterConfig((3,), 4)
    model = TemporalModel(config, 17, 17).eval()
    window = _window(3, batch=1)
    flat = window.reshape(1, 3, 34)
    hidden = torch.einsum("btc,oct->bo", flat, model.expand_conv.weight) / np.sqrt(1 + 1e-5)
    expected = torch.relu(hidden) @ model.shrink.weight[:, :, 0].T + model.shrink.bias
    torch.testing.assert_close(model(window).reshape(1, -1), expected)


@pytest.mark.parametrize("widths", [(), (2, 3), (3, 0), (-1,)])
def test_only_odd_widths_are_legal(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="odd"):
        LifterConfig(widths, 8)


def test_a_dense_network_has_no_strided_twin() -> None:
    with pytest.raises(ValueError, match="dense"):
        StridedTemporalModel(LifterConfig((3, 3), 8, dense=True), 17, 17)


def test_bn_momentum_reaches_every_layer() -> None:
    model = TemporalModel(LifterConfig((3, 3), 8), 17, 17)
    model.set_bn_momentum(0.025)
    layers = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(layers) == 3
    assert {layer.momentum for layer in layers} == {0.025}
