"""The reference's pipeline once more: best box, interpolation, network, flips, trajectory.

Written from a description of what VideoPose3D does. It shares no code with vp3d, nor with
VideoPose3D: plain NumPy and functional PyTorch, in double precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import conv1d

Array = NDArray[Any]
State = dict[str, torch.Tensor]

# COCO's left and right keypoints, Human3.6M's left and right joints.
COCO_LEFT, COCO_RIGHT = [1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]
H36M_LEFT, H36M_RIGHT = [4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]
# HumanEva-15: pelvis, thorax, left arm, right arm, left leg, right leg, head.
HUMANEVA_LEFT, HUMANEVA_RIGHT = [2, 3, 4, 8, 9, 10], [5, 6, 7, 11, 12, 13]


@dataclass(frozen=True)
class Person:
    """One detection: box score, box (4,), keypoints (17, 2), pixels."""

    score: float
    box: Array
    keypoints: Array


def state_dict(
    widths: tuple[int, ...], channels: int, joints_out: int, seed: int, joints_in: int = 17
) -> State:
    """Seeded weights, named and shaped as in its files, running statistics included."""
    rng = np.random.default_rng(seed)
    state: State = {}

    def put(name: str, values: Array) -> None:
        state[name] = torch.from_numpy(np.asarray(values, np.float32))

    def conv(name: str, out: int, into: int, width: int) -> None:
        put(f"{name}.weight", rng.normal(0, (into * width) ** -0.5, (out, into, width)))

    def norm(name: str) -> None:
        put(f"{name}.weight", rng.uniform(0.7, 1.4, channels))
        put(f"{name}.bias", rng.normal(0, 0.1, channels))
        put(f"{name}.running_mean", rng.normal(0, 0.2, channels))
        put(f"{name}.running_var", rng.uniform(0.3, 1.5, channels))
        state[f"{name}.num_batches_tracked"] = torch.tensor(1000)

    conv("expand_conv", channels, joints_in * 2, widths[0])
    norm("expand_bn")
    for block, width in enumerate(widths[1:]):
        conv(f"layers_conv.{2 * block}", channels, channels, width)
        norm(f"layers_bn.{2 * block}")
        conv(f"layers_conv.{2 * block + 1}", channels, channels, 1)
        norm(f"layers_bn.{2 * block + 1}")
    put("shrink.weight", rng.normal(0, 0.5 * channels**-0.5, (joints_out * 3, channels, 1)))
    put("shrink.bias", rng.normal(0, 0.3, joints_out * 3))
    return state


def save(path: Path, pose: State, trajectory: State | None) -> Path:
    """A checkpoint as it saves them."""
    content = {
        "epoch": 80,
        "lr": 1e-5,
        "random_state": np.random.RandomState(1234),
        "optimizer": None,
        "model_pos": pose,
        "model_traj": trajectory,
        "random_state_semi": None,
    }
    torch.save(content, path)
    return path


def best_person(frames: list[list[Person]]) -> Array:
    """Keypoints (F, 17, 2) of the best box, filled over the frame index."""
    keypoints = np.full((len(frames), 17, 2), np.nan, np.float32)
    for frame, people in enumerate(frames):
        if people:
            best = int(np.argmax([person.score for person in people]))
            keypoints[frame] = people[best].keypoints
    index, seen = np.arange(len(frames)), ~np.isnan(keypoints[:, 0, 0])
    for joint in range(17):
        for axis in range(2):
            known = keypoints[seen, joint, axis]
            keypoints[:, joint, axis] = np.interp(index, index[seen], known)
    return keypoints


def forward(state: State, x: torch.Tensor, widths: tuple[int, ...], causal: bool) -> torch.Tensor:
    """The network in eval mode: (B, T, J, 2) to (B, T - receptive field + 1, J_out, 3)."""

    def layer(x: torch.Tensor, conv: str, norm: str, dilation: int) -> torch.Tensor:
        x = conv1d(x, state[f"{conv}.weight"].double(), dilation=dilation)
        mean, var, weight, bias = (
            state[f"{norm}.{part}"].double()[None, :, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / torch.sqrt(var + 1e-5) * weight + bias).clamp(min=0)

    x = x.double().reshape(x.shape[0], x.shape[1], -1).permute(0, 2, 1)
    x = layer(x, "expand_conv", "expand_bn", 1)
    dilation = widths[0]
    for block, width in enumerate(widths[1:]):
        pad = (width - 1) * dilation // 2
        shift = (width // 2) * dilation if causal else 0
        residual = x[:, :, pad + shift : x.shape[2] - pad + shift]
        x = layer(x, f"layers_conv.{2 * block}", f"layers_bn.{2 * block}", dilation)
        x = layer(x, f"layers_conv.{2 * block + 1}", f"layers_bn.{2 * block + 1}", 1)
        x = residual + x
        dilation *= width
    x = conv1d(x, state["shrink.weight"].double(), state["shrink.bias"].double())
    return x.permute(0, 2, 1).reshape(x.shape[0], x.shape[2], -1, 3)


def lift(
    keypoints: Array,
    size: tuple[int, int],
    pose: State,
    trajectory: State | None,
    widths: tuple[int, ...],
    causal: bool,
    joints_out: tuple[list[int], list[int]] = (H36M_LEFT, H36M_RIGHT),
) -> Array:
    """What --viz-export holds, (F, J, 3), metres, from keypoints (F, 17, 2) px."""
    width, height = size
    normalised = keypoints / width * 2 - np.array([1, height / width])
    pad = (int(np.prod(widths)) - 1) // 2
    shift = pad if causal else 0
    padded = np.pad(normalised, ((pad + shift, pad - shift), (0, 0), (0, 0)), "edge")
    mirrored = padded.copy()
    mirrored[..., 0] *= -1
    mirrored[:, COCO_LEFT + COCO_RIGHT] = mirrored[:, COCO_RIGHT + COCO_LEFT]
    both = torch.from_numpy(np.stack([padded, mirrored]))
    with torch.no_grad():
        posed = forward(pose, both, widths, causal).numpy()
    left, right = joints_out
    posed[1, ..., 0] *= -1
    posed[1][:, left + right] = posed[1][:, right + left]
    exported = posed.mean(0)
    if trajectory is not None:
        with torch.no_grad():
            path = forward(trajectory, both, widths, causal).numpy()
        path[1, ..., 0] *= -1
        exported = exported + path.mean(0)
    return exported
