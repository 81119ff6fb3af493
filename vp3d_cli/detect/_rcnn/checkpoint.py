"""The model zoo's file: a pickle of arrays, checked name by name."""

from __future__ import annotations

import io
import re

import numpy as np
import torch
from torch import Tensor

from vp3d_cli import pickles
from vp3d_cli.detect._rcnn.network import KeypointRCNN
from vp3d_cli.errors import WeightsError, one_line

PIXEL_MEAN_BGR = (103.53, 116.28, 123.675)
# What older files carry beside the parameters; all of it is fixed in the code.
_CONSTANTS = re.compile(r"pixel_mean|pixel_std|proposal_generator\.anchor_generator\..*")
_SHOWN = 3


def read_state(blob: bytes, where: str) -> dict[str, Tensor]:
    """The parameters of Detectron2's `keypoint_rcnn_R_101_FPN_3x`, every name and shape checked.

    Args:
        blob: the file; nothing in it is executed.
        where: names the file in errors.

    Raises:
        WeightsError: another kind of file, another network, damaged, or refused as unsafe.
    """
    state = _state(blob, where)
    wanted = _empty_network().state_dict()
    _check_names(set(wanted), set(state), where)
    for name, parameter in wanted.items():
        if state[name].shape != parameter.shape:
            raise WeightsError(
                f"{where}: {name}: expected shape {tuple(parameter.shape)}, "
                f"got {tuple(state[name].shape)}: it is another network"
            )
        if not bool(torch.isfinite(state[name]).all()):
            raise WeightsError(f"{where}: {name} holds NaN or infinity; fetch the file again")
    return state


def build_network(state: dict[str, Tensor]) -> KeypointRCNN:
    """The network with the parameters that `read_state` gave."""
    network = _empty_network()
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def _empty_network() -> KeypointRCNN:
    with torch.device("meta"):
        return KeypointRCNN()


def _state(blob: bytes, where: str) -> dict[str, Tensor]:
    again = "fetch model_final_997cc7.pkl again"
    if blob[:1] != b"\x80":
        start = blob[:40].decode("ascii", "replace").strip()
        raise WeightsError(
            f"{where}: expected a pickle of Detectron2's model zoo, got a file that starts with "
            f"{start!r}; {again}"
        )
    try:
        content = pickles.load(io.BytesIO(blob), encoding="latin1")
    except pickles.UnsafePickleError as error:
        raise WeightsError(
            f"{where}: refused, since it holds more than weights: {error}"
        ) from error
    except ValueError as error:
        raise WeightsError(f"{where}: {one_line(error)}; {again}") from error
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict):
        raise WeightsError(f"{where}: expected 'model' with arrays by name; {again}")
    arrays = {name: value for name, value in model.items() if not _is_constant(name)}
    strange = [n for n, v in arrays.items() if not _is_floats(v)]
    if strange:
        raise WeightsError(f"{where}: {one_line(strange[0], 80)} is no array of numbers; {again}")
    with np.errstate(all="ignore"):  # what becomes infinite is found later
        return {
            str(n): torch.from_numpy(np.ascontiguousarray(v, np.float32)) for n, v in arrays.items()
        }


def _is_constant(name: object) -> bool:
    return isinstance(name, str) and _CONSTANTS.fullmatch(name) is not None


def _is_floats(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _check_names(wanted: set[str], got: set[str], where: str) -> None:
    for what, names in (("lacks", wanted - got), ("has the unknown", got - wanted)):
        if names:
            shown = ", ".join(one_line(name, 80) for name in sorted(names)[:_SHOWN])
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise WeightsError(
                f"{where}: {what} {shown}{more}: it is not keypoint_rcnn_R_101_FPN_3x"
            )
