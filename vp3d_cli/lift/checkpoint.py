"""Weights of lifters on disk: our own files and VideoPose3D's.

Ours are safetensors with the whole `LifterConfig` in the header. VideoPose3D's are pickles, so
they go through an unpickler that knows tensors and nothing else; their architecture is read from
the shapes. Both are read without PyTorch, which is loaded where tensors or networks are asked for.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import pickles, skeletons
from vp3d_cli.errors import WeightsError, one_line
from vp3d_cli.files import written_whole
from vp3d_cli.lift import folding, torch_file
from vp3d_cli.lift.config import MAX_LAYERS, LifterConfig
from vp3d_cli.lift.folding import FoldedLayers

if TYPE_CHECKING:
    from vp3d_cli.lift.model import TemporalModel

# A state_dict, of tensors or of NumPy arrays.
State = Mapping[str, Any]
_Arrays = dict[str, NDArray[Any]]
_HEADER = "vp3d.lifter/1"
_POSE, _TRAJECTORY = "pose.", "trajectory."
# What VideoPose3D's networks predict, known by the number of joints.
_SKELETONS_OUT = {17: "h36m17", 15: "humaneva15"}


@dataclass(frozen=True)
class Checkpoint:
    """A pose network, perhaps a trajectory network, and what they mean.

    `foreign` is a file in VideoPose3D's layout: some of `config` was assumed, not read.
    """

    config: LifterConfig
    pose: State
    trajectory: State | None = None
    foreign: bool = False

    @property
    def heads(self) -> list[tuple[State, int]]:
        """The networks there are and how many joints each predicts: pose, then trajectory."""
        heads = [(self.pose, skeletons.get(self.config.skeleton_out).num_joints)]
        return heads if self.trajectory is None else [*heads, (self.trajectory, 1)]

    def layers(self, where: str) -> list[FoldedLayers]:
        """Those networks for inference.

        Raises:
            WeightsError: names or shapes do not fit, or a value is not finite.
        """
        joints_in = skeletons.get(self.config.skeleton_in).num_joints
        return [
            folding.fold(self.config, joints_in, joints_out, state, where)
            for state, joints_out in self.heads
        ]

    def as_tensors(self) -> Checkpoint:
        """The same with PyTorch's tensors, which share the memory of arrays."""
        trajectory = None if self.trajectory is None else _as_tensors(self.trajectory)
        return dataclasses.replace(self, pose=_as_tensors(self.pose), trajectory=trajectory)


def _as_tensors(state: State) -> State:
    import torch

    return {name: torch.as_tensor(value) for name, value in state.items()}


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write our own format, whole or not at all."""
    from safetensors.torch import save

    tensors = {_POSE + name: value.contiguous() for name, value in checkpoint.pose.items()}
    for name, value in (checkpoint.trajectory or {}).items():
        tensors[_TRAJECTORY + name] = value.contiguous()
    config = json.dumps(checkpoint.config.to_json(), sort_keys=True)
    blob = save(tensors, metadata={"format": _HEADER, "config": config})
    with written_whole(path) as temporary:
        temporary.write_bytes(_with_sorted_header(blob))


def _with_sorted_header(blob: bytes) -> bytes:
    """The same safetensors file; the library shuffles the header, so that equal files differ."""
    length = int.from_bytes(blob[:8], "little")
    header = json.dumps(json.loads(blob[8 : 8 + length]), sort_keys=True, separators=(",", ":"))
    padded = header.encode().ljust(-(-len(header.encode()) // 8) * 8)
    return len(padded).to_bytes(8, "little") + padded + blob[8 + length :]


def read_checkpoint(
    blob: bytes, where: str, *, skeleton_in: str = "coco17", causal: bool = False
) -> Checkpoint:
    """Read weights of either format from the bytes of a file, as tensors.

    Args:
        blob: the file; nothing in it is executed.
        where: names the file in errors.
        skeleton_in, causal: what a VideoPose3D file cannot say. Ignored for our own format.

    Raises:
        WeightsError: not a lifter, damaged, or refused as unsafe.
    """
    return read_arrays(blob, where, skeleton_in=skeleton_in, causal=causal).as_tensors()


def read_arrays(
    blob: bytes, where: str, *, skeleton_in: str = "coco17", causal: bool = False
) -> Checkpoint:
    """The same as NumPy arrays: PyTorch is not loaded."""
    # Safetensors begin with the length of their JSON, whose lowest byte may be a pickle's first.
    pickled = blob[:2] == b"PK" or (blob[:1] == b"\x80" and blob[8:9] != b"{")
    if pickled:
        checkpoint = _read_videopose3d(blob, where, skeleton_in, causal)
    else:
        checkpoint = _read_own(blob, where)
    for state, joints_out in checkpoint.heads:
        _check(checkpoint.config, joints_out, state, where)
    return checkpoint


def build_models(checkpoint: Checkpoint, where: str) -> tuple[TemporalModel, TemporalModel | None]:
    """The networks, loaded and in evaluation mode: pose, and trajectory where there is one.

    They take over the checkpoint's tensors; nothing is initialised and nothing copied that is
    float32 already.

    Raises:
        WeightsError: names or shapes do not fit, or a value is not finite.
    """
    pose, *others = (
        _load(checkpoint.config, joints_out, state, where) for state, joints_out in checkpoint.heads
    )
    return pose, others[0] if others else None


def _load(config: LifterConfig, joints_out: int, state: State, where: str) -> TemporalModel:
    import torch

    from vp3d_cli.lift.model import TemporalModel

    _check(config, joints_out, state, where)
    with torch.device("meta"):  # shapes only
        model = TemporalModel(config, skeletons.get(config.skeleton_in).num_joints, joints_out)
    # Files of PyTorch 0.4 lack this counter, which evaluation does not use.
    counters = {n: torch.tensor(0) for n in model.state_dict() if n.endswith(folding.COUNTER)}
    floats = {
        n: v if n.endswith(folding.COUNTER) else v.float() for n, v in _as_tensors(state).items()
    }
    model.load_state_dict({**counters, **floats}, assign=True)
    return model.eval()


def _check(config: LifterConfig, joints_out: int, state: State, where: str) -> None:
    joints_in = skeletons.get(config.skeleton_in).num_joints
    folding.check(folding.shapes(config, joints_in, joints_out), state, where)


def _read_own(blob: bytes, where: str) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
        metadata = header["__metadata__"]
        tensors = load(blob)
        fields = json.loads(metadata.get("config", "null"))
    except (
        *(SafetensorError, AttributeError, KeyError, OverflowError),
        *(RuntimeError, TypeError, ValueError),
    ) as error:
        raise WeightsError(
            f"{where}: neither a vp3d lifter (safetensors) nor a VideoPose3D checkpoint; "
            "if it was downloaded, download it again"
        ) from error
    if metadata.get("format") != _HEADER:
        raise WeightsError(f"{where}: a safetensors file, but not a vp3d lifter ({_HEADER})")
    if any(array.dtype.kind == "c" for array in tensors.values()):
        raise WeightsError(f"{where}: holds complex numbers, which no lifter has")
    config = LifterConfig.from_json(fields, where)
    first = tensors.get(f"{_POSE}expand_conv.weight")
    if first is None or first.ndim != 3 or first.shape[0] != config.channels:
        raise WeightsError(f"{where}: the weights do not fit their architecture")
    return Checkpoint(config, _part(tensors, _POSE), _part(tensors, _TRAJECTORY) or None)


def _part(tensors: _Arrays, prefix: str) -> _Arrays:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}


def _read_videopose3d(blob: bytes, where: str, skeleton_in: str, causal: bool) -> Checkpoint:
    try:
        content = torch_file.load(blob)
    except pickles.UnsafePickleError as error:
        raise WeightsError(
            f"{where}: refused, since it holds more than weights: {one_line(error)}"
        ) from error
    except ValueError as error:
        raise WeightsError(
            f"{where}: damaged or not a PyTorch checkpoint: {one_line(error)}"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("model_pos"), dict):
        raise WeightsError(f"{where}: not a VideoPose3D checkpoint (it has no 'model_pos')")
    pose = _arrays(content["model_pos"], where)
    trajectory = content.get("model_traj")
    joints_in = skeletons.get(skeleton_in).num_joints
    config = infer_config(pose, where, joints_in, skeleton_in, causal)
    return Checkpoint(
        config,
        pose,
        None if trajectory is None else _arrays(trajectory, where) or None,
        foreign=True,
    )


def _arrays(arrays: Any, where: str) -> _Arrays:
    """A state_dict, whatever was read in its place."""
    if not isinstance(arrays, dict) or not all(
        isinstance(name, str)
        and isinstance(array, np.ndarray | np.generic)
        and array.dtype.kind in "biuf"
        for name, array in arrays.items()
    ):
        raise WeightsError(f"{where}: not a VideoPose3D checkpoint: its networks hold no tensors")
    with np.errstate(all="ignore"):  # what becomes infinite is found later
        return {
            name: np.array(array, np.float32 if array.dtype.kind == "f" else "i8")
            for name, array in arrays.items()
        }


def infer_config(
    state: State, where: str, joints_in: int, skeleton_in: str, causal: bool
) -> LifterConfig:
    """Read the architecture off the shapes of a VideoPose3D state_dict.

    Raises:
        WeightsError: the shapes are not those of such a network.
    """
    try:
        channels, inputs, first = state["expand_conv.weight"].shape
        outputs = state["shrink.weight"].shape[0]
        blocks = sum(name.startswith("layers_conv.") for name in state) // 2
        if blocks >= MAX_LAYERS:
            raise ValueError(f"{blocks} blocks")
        wide = [state[f"layers_conv.{2 * i}.weight"].shape[2] for i in range(blocks)]
    except (LookupError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"{where}: not a temporal-convolution lifter: {one_line(error)}"
        ) from error
    if inputs % joints_in or outputs % 3:
        raise WeightsError(
            f"{where}: {inputs} input channels do not fit {joints_in} keypoints of {skeleton_in}"
        )
    if outputs // 3 not in _SKELETONS_OUT:
        known = ", ".join(f"{count} ({name})" for count, name in _SKELETONS_OUT.items())
        raise WeightsError(f"{where}: {outputs // 3} output joints; known are {known}")
    # A dense block's kernel spans (W - 1) * dilation + 1 frames: for four 3s 7, 19, 55.
    spans = [(first - 1) * first**block + 1 for block in range(1, blocks + 1)]
    dense = first > 1 and blocks > 1 and wide == spans
    widths = (first,) * (blocks + 1) if dense else (first, *wide)
    try:
        return LifterConfig(
            widths,
            channels,
            inputs // joints_in,
            skeleton_in,
            _SKELETONS_OUT[outputs // 3],
            causal=causal,
            dense=dense,
        )
    except ValueError as error:
        raise WeightsError(f"{where}: {error}") from error
