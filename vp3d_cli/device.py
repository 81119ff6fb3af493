"""Where the networks run."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vp3d_cli.errors import BackendUnavailableError

if TYPE_CHECKING:
    import torch


def torch_device(name: str) -> torch.device:
    """The device "cpu", "cuda" or "cuda:1".

    Raises:
        BackendUnavailableError: no such device, or PyTorch cannot use it here.
    """
    import torch

    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise BackendUnavailableError(f"device '{name}': unknown; use cpu, cuda, cuda:1")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BackendUnavailableError(
            f"device '{name}': PyTorch sees {torch.cuda.device_count()} CUDA devices; "
            "use --device cpu, or install a CUDA build of PyTorch"
        )
    return device


def require_device(name: str) -> None:
    """Check a device early; PyTorch is not loaded to know that there is a CPU.

    Raises:
        BackendUnavailableError: as `torch_device`.
    """
    if name != "cpu":
        torch_device(name)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch's sums on a CPU differ in their last bits with the number of threads: take one."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def describe_gpus() -> str:
    """Names of the CUDA devices, for people."""
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join(names) or "none that PyTorch can use; movenet and the lifter need none"
