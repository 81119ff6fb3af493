"""Joins a Ray cluster, quickly or not at all, and says how it is shared out."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vp3d_cli.batch.local import CORES_EACH
from vp3d_cli.errors import BackendUnavailableError

_log = logging.getLogger(__name__)

# Bytes of shared memory that are enough for jobs and answers; Ray takes a third of all otherwise.
_STORE_BYTES = 100_000_000
_PATIENCE_S = 5.0
# The beginning of HTTP/2, which Ray speaks, and the kind of frame that answers it.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4


@dataclass(frozen=True)
class Shares:
    """How many workers there are, and what each has."""

    count: int
    cores: int
    gpus: int = 0


def shares(nodes: Sequence[tuple[float, float]], wanted: int | None, gpu: bool) -> Shares:
    """Divide a cluster.

    Args:
        nodes: CPUs and GPUs of each.
        wanted: workers; as many as fit where None.
        gpu: each needs one.

    Raises:
        BackendUnavailableError: there is nothing to divide.
    """
    use = [(int(c), int(g)) for c, g in nodes if c >= 1 and (g >= 1 or not gpu)]
    if not use:
        raise BackendUnavailableError(
            f"no node of the cluster has {'a GPU and a CPU' if gpu else 'a CPU'} to give"
        )
    if gpu:
        cores = max(1, min(c // g for c, g in use))
        return Shares(wanted or sum(min(g, c // cores) for c, g in use), cores, 1)
    if wanted is None:
        cores = min(CORES_EACH, *(c for c, _ in use))
        return Shares(sum(c // cores for c, _ in use), cores)
    most = max(c for c, _ in use)
    fitting = (n for n in range(most, 0, -1) if sum(c // n for c, _ in use) >= wanted)
    return Shares(wanted, next(fitting, 1))


def join(address: str, cores: int) -> Any:
    """Join the cluster at an address, or start one for ourselves; the module of Ray.

    Args:
        address: HOST:PORT of the head, "auto", or "local".
        cores: of a cluster that is started.

    Raises:
        BackendUnavailableError: Ray is not installed, or there is no cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise BackendUnavailableError(
            f"--ray needs Ray ({error}); fix: pip install 'vp3d[ray]'"
        ) from error
    if address not in ("auto", "local"):
        _require_answer(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    loud = _log.isEnabledFor(logging.DEBUG)
    level = logging.INFO if loud else logging.ERROR
    more: dict[str, Any] = {}
    if address == "local":
        more = {"num_cpus": cores, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    in_main = threading.current_thread() is threading.main_thread()
    ours = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address, log_to_driver=loud, logging_level=level, **more)
    except Exception as error:
        raise BackendUnavailableError(f"--ray {address}: {error}") from error
    finally:
        if in_main:  # Ray has put its own handler there
            signal.signal(signal.SIGTERM, ours)
    return ray


def _require_answer(address: str) -> None:
    """Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    hint = f"is `ray status --address {address}` content? Give HOST:PORT of the head, or local"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S) as line:
            line.settimeout(_PATIENCE_S)
            if "RAY_USE_TLS" in os.environ:
                return
            line.sendall(_HELLO)
            frame = line.recv(9)
    except (OSError, ValueError, OverflowError) as error:
        raise BackendUnavailableError(
            f"--ray {address}: no cluster answers there ({error}); {hint}"
        ) from error
    if len(frame) < 4 or frame[3] != _SETTINGS:
        raise BackendUnavailableError(f"--ray {address}: what answers there is not Ray; {hint}")
