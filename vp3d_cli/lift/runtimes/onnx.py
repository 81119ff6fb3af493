"""ONNX Runtime on the CPU: no PyTorch is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from vp3d_cli.cores import usable_cores
from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.lift.folding import Convolution, FoldedLayers
from vp3d_cli.parallel import in_threads
from vp3d_cli.types import Float

if TYPE_CHECKING:
    from onnx import ModelProto

_INPUT, _OUTPUT = "keypoints", "joints"
# Old enough for the oldest onnxruntime that vp3d runs with.
_OPSET, _IR_VERSION = 17, 8
# Frames of a batch, with which a core is busy.
_BATCH_FRAMES = 256


class OnnxNetwork:
    """A session that computes on the thread that calls it."""

    batch_frames = _BATCH_FRAMES

    def __init__(self, layers: FoldedLayers) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        blob = graph(layers).SerializeToString()
        self._session = onnxruntime.InferenceSession(blob, options, ["CPUExecutionProvider"])

    def map(self, batches: Iterable[Float]) -> Iterator[Float]:
        """As `Network.map`."""
        return in_threads(self._run, batches, usable_cores())

    def _run(self, windows: Float) -> Float:
        return np.asarray(self._session.run([_OUTPUT], {_INPUT: windows})[0], np.float32)


class _Graph:
    """Nodes and weights, named after what they compute."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def constant(self, value: Any, name: str) -> str:
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def convolution(self, x: str, conv: Convolution, name: str) -> str:
        weight = self.constant(conv.weight.transpose(2, 1, 0), f"{name}.weight")
        bias = self.constant(conv.bias, f"{name}.bias")
        return self.add("Conv", [x, weight, bias], name, dilations=[conv.dilation])

    def rectified(self, x: str, conv: Convolution, name: str) -> str:
        return self.add("Relu", [self.convolution(x, conv, name)], f"{name}.relu")

    def cut(self, x: str, first: int, behind: int, name: str) -> str:
        """Without the first frames, and without so many behind."""
        end = -behind or np.iinfo(np.int64).max
        bounds = [self.constant([v], f"{name}.{i}") for i, v in enumerate((first, end, 2))]
        return self.add("Slice", [x, *bounds], name)


def graph(layers: FoldedLayers) -> ModelProto:
    """`TemporalModel` as ONNX: keypoints (B, T, J * F) to joints (B, T', J_out * 3)."""
    from onnx import TensorProto, helper

    net = _Graph()
    x = net.add("Transpose", [_INPUT], "channels", perm=[0, 2, 1])  # (B, J * F, T)
    x = net.rectified(x, layers.expand, "expand")
    for number, (wide, narrow) in enumerate(layers.blocks):
        shift = layers.shifts[number]
        inner = net.rectified(x, wide, f"wide.{number}")
        outer = net.rectified(inner, narrow, f"narrow.{number}")
        kept = net.cut(x, shift, wide.span - shift, f"kept.{number}")
        x = net.add("Add", [kept, outer], f"block.{number}")
    x = net.convolution(x, layers.shrink, "shrink")
    net.add("Transpose", [x], _OUTPUT, perm=[0, 2, 1])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", frames, width])
        for name, frames, width in (
            (_INPUT, "frames", layers.expand.weight.shape[1]),
            (_OUTPUT, "frames_out", len(layers.shrink.bias)),
        )
    ]
    made = helper.make_graph(net.nodes, "lifter", ends[:1], ends[1:], net.weights)
    opset = helper.make_opsetid("", _OPSET)
    return helper.make_model(made, opset_imports=[opset], ir_version=_IR_VERSION)


def build(layers: FoldedLayers, device: str) -> OnnxNetwork:
    """Make a session of a network.

    Raises:
        BackendUnavailableError: another device than the CPU, or the package onnx is missing.
    """
    if device != "cpu":
        raise BackendUnavailableError(
            f"device '{device}': the lift runtime onnx runs on the CPU only; "
            "use --lift-runtime torch, or --device cpu"
        )
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise BackendUnavailableError(
            f"the lift runtime onnx needs the package onnx ({error}); "
            "install it with pip install 'vp3d[onnx]'"
        ) from error
    return OnnxNetwork(layers)
