"""Folded layers: the network itself, in fewer steps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vp3d_cli.errors import WeightsError
from vp3d_cli.lift import folding
from vp3d_cli.lift.checkpoint import Checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.lift.runtimes import onnx
from vp3d_cli.lift.runtimes import torch as torch_runtime
from vp3d_cli.types import Float

CONFIG = LifterConfig((3, 3), 8)


def trained(config: LifterConfig, seed: int, joints_out: int = 17) -> TemporalModel:
    """A network whose batch normalisations have seen something, in evaluation mode."""
    torch.manual_seed(seed)
    network = TemporalModel(config, 17, joints_out)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            for tensor in (module.running_mean, module.weight.data, module.bias.data):
                tensor.normal_(0.5, 0.4)
            module.running_var.uniform_(0.2, 3)
    return network.eval()


def keypoints(config: LifterConfig, frames: int, batch: int = 2, seed: int = 0) -> Float:
    shape = batch, frames + config.receptive_field - 1, 17, config.features
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def unfolded(network: TemporalModel, windows: Float) -> Float:
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(windows)).numpy())


@st.composite
def configs(draw: st.DrawFn) -> LifterConfig:
    widths = tuple(draw(st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=4)))
    return LifterConfig(
        widths,
        draw(st.sampled_from([4, 32])),
        draw(st.sampled_from([2, 3])),
        causal=draw(st.booleans()),
        dense=draw(st.booleans()),
    )


@pytest.mark.parametrize("runtime", [torch_runtime, onnx])
@settings(deadline=None, max_examples=40)
@given(
    config=configs(),
    seed=st.integers(0, 1000),
    frames=st.integers(1, 40),
    joints_out=st.sampled_from([1, 17]),
)
def test_folded_layers_are_the_network(
    runtime: object, config: LifterConfig, seed: int, frames: int, joints_out: int
) -> None:
    network = trained(config, seed, joints_out)
    windows = keypoints(config, frames, seed=seed)
    expected = unfolded(network, windows)
    ready = runtime.build(folding.folded(network), "cpu")  # type: ignore[attr-defined]
    (found,) = ready.map([windows.reshape(*windows.shape[:2], -1)])
    assert found.dtype == np.float32
    assert np.abs(found.reshape(expected.shape) - expected).max() <= 1e-5 * np.abs(expected).max()


@settings(deadline=None, max_examples=40)
@given(configs(), st.sampled_from([1, 17]))
def test_the_shapes_are_the_networks(config: LifterConfig, joints_out: int) -> None:
    with torch.device("meta"):
        state = TemporalModel(config, 17, joints_out).state_dict()
    expected = {n: tuple(v.shape) for n, v in state.items() if not n.endswith(folding.COUNTER)}
    assert folding.shapes(config, 17, joints_out) == expected


def test_epsilon_is_pytorchs() -> None:
    assert nn.BatchNorm1d(1).eps == folding.EPSILON


def test_folding_changes_nothing_that_it_is_given() -> None:
    network = trained(CONFIG, 0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folding.folded(network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("layers_conv.0.weight", lambda v: v[:, :, :2], "layers_conv.0.weight is"),
        ("layers_bn.1.bias", None, "layers_bn.1.bias is missing"),
        ("shrink.bias", lambda v: v + torch.inf, "NaN or infinity"),
        ("expand_bn.running_var", lambda v: v - 9, "batch normalisation is damaged"),
    ],
)
def test_damaged_weights_are_told(name: str, change: object, message: str) -> None:
    state = dict(trained(CONFIG, 0).state_dict())
    value = state.pop(name)
    if callable(change):
        state[name] = change(value)
    with pytest.raises(WeightsError, match=message):
        Checkpoint(CONFIG, state).layers("x")


def test_a_parameter_too_many_is_told() -> None:
    state = trained(CONFIG, 0).state_dict() | {"attention.weight": torch.zeros(2)}
    with pytest.raises(WeightsError, match=r"attention.weight is \(2,\), expected nothing"):
        Checkpoint(CONFIG, state).layers("x")


def test_a_convolution_has_a_bias_for_each_channel() -> None:
    conv = folding.folded(trained(CONFIG, 0)).expand
    with pytest.raises(ValueError, match="expected weight"):
        dataclasses.replace(conv, bias=conv.bias[1:])
