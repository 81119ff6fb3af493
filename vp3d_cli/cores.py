"""How many processor cores are ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


# What libraries ask for the number of threads, when they are loaded.
_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM",
)  # fmt: skip


def thread_variables(count: int) -> dict[str, str]:
    """The environment of a process whose libraries take so many threads each."""
    return dict.fromkeys(_VARIABLES, str(count))


def limit_threads(count: int) -> None:
    """Take so many threads at most, in this process and in those that it starts.

    To be called before libraries are loaded that compute.
    """
    os.environ.update(thread_variables(count))


def usable_cores() -> int:
    """Threads that this process may keep busy: its cores, and no more than OMP_NUM_THREADS says."""
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    most = int(said) if said.isascii() and said.isdecimal() else 0
    return min(granted_cores(), most) if most else granted_cores()


def granted_cores() -> int:
    """Cores of this machine that we may use: by affinity, and by a container's share of time.

    A share of 2.5 cores is two: a thread too many waits for its share, and the others for it.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, int(min(cores, _quota(_OWN_GROUPS, _GROUPS))))


def _quota(own_groups: Path, groups: Path) -> float:
    """Cores that control groups leave us; infinite where they say nothing.

    Args:
        own_groups: which groups this process is in, one a line: "4:cpu,cpuacct:/some/group".
        groups: where they are mounted.
    """
    try:
        lines = own_groups.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return float("inf")
    shares = [float("inf")]
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:  # version 2
            shares += map(_share, _files(groups, group, "cpu.max"))
        elif "cpu" in controllers.split(","):
            shares += map(_share, _files(groups / "cpu", group, "cpu.cfs_quota_us"))
    return min(shares)


def _files(root: Path, group: str, name: str) -> Iterator[Path]:
    """Those of a group and of all above it: each of them sets a limit.

    Inside a container the group's path may be the host's, which is not there; its root is.
    """
    path = PurePosixPath(group.lstrip("/"))
    for folder in (path, *path.parents):
        yield root / folder / name


def _share(file: Path) -> float:
    """Version 2 writes "150000 100000" or "max 100000"; version 1 has a file each, -1 for all."""
    try:
        quota, *period = file.read_text(encoding="utf-8").split()
        if not period:
            period = [file.with_name("cpu.cfs_period_us").read_text(encoding="utf-8")]
        share = int(quota) / int(period[0])
    except (OSError, ValueError, ZeroDivisionError):
        return float("inf")
    return share if share > 0 else float("inf")
