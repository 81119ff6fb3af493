from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vp3d_cli import cores
from vp3d_cli.batch.local import environment
from vp3d_cli.cores import granted_cores, usable_cores

PROGRAM = "from vp3d_cli.cores import usable_cores; print(usable_cores())"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _quota(folder: Path, own_groups: str, **files: str) -> float:
    """Cores left by these files of control groups."""
    _write(folder / "cgroup", own_groups)
    for name, text in files.items():
        _write(folder / "mounted" / name, text)
    return cores._quota(folder / "cgroup", folder / "mounted")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not on this system")
def test_a_process_bound_to_one_core_has_one() -> None:
    first = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{first}]); {PROGRAM}"],
        env={k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"},
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout == "1\n"


@pytest.mark.parametrize(
    ("said", "cores"), [("3", 3), ("3,2", 3), (" 8 ", 8), ("99", 8), ("0", 8), ("x", 8), ("", 8)]
)
def test_the_environment_may_ask_for_fewer(
    monkeypatch: pytest.MonkeyPatch, said: str, cores: int
) -> None:
    monkeypatch.setattr("vp3d_cli.cores.granted_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert usable_cores() == cores


@pytest.mark.parametrize(
    ("limit", "share"),
    [("150000 100000\n", 1.5), ("max 100000\n", float("inf")), ("junk", float("inf"))],
)
def test_version_2_groups(tmp_path: Path, limit: str, share: float) -> None:
    assert _quota(tmp_path, "0::/a/b\n", **{"a/b/cpu.max": limit}) == share


def test_a_group_above_may_be_the_narrowest(tmp_path: Path) -> None:
    files = {"a/cpu.max": "200000 100000", "a/b/cpu.max": "400000 100000"}
    assert _quota(tmp_path, "0::/a/b\n", **files) == 2


def test_inside_a_container_only_the_root_is_there(tmp_path: Path) -> None:
    assert _quota(tmp_path, "0::/of/the/host\n", **{"cpu.max": "50000 100000"}) == 0.5


@pytest.mark.parametrize(("quota", "share"), [("300000", 3), ("-1", float("inf"))])
def test_version_1_groups(tmp_path: Path, quota: str, share: float) -> None:
    files = {"cpu/a/cpu.cfs_quota_us": quota, "cpu/a/cpu.cfs_period_us": "100000\n"}
    # A group of version 2 beside it, without a controller for processors.
    groups = "9:memory:/m\n4:cpu,cpuacct:/a\n3:cpuset:/c\n0::/\n"
    assert _quota(tmp_path, groups, **files) == share


def test_no_groups_set_no_limit(tmp_path: Path) -> None:
    assert cores._quota(tmp_path / "none", tmp_path) == float("inf")
    assert _quota(tmp_path, "4:cpu:/a\n0::/a\n") == float("inf")


@pytest.mark.parametrize(("share", "cores"), [(0.5, 1), (1.5, 1), (2.0, 2)])
def test_part_of_a_core_makes_no_thread(
    monkeypatch: pytest.MonkeyPatch, share: float, cores: int
) -> None:
    monkeypatch.setattr("vp3d_cli.cores._quota", lambda *paths: share)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert granted_cores() == cores


@pytest.mark.parametrize(
    ("said", "count", "cores", "threads"),
    [
        ("", 3, None, "2"),
        ("", 16, None, "1"),
        ("1", 3, None, "1"),  # fewer were asked for
        ("4", 3, None, "2"),
        ("1", 2, 6, "3"),  # a cluster says how many there are
    ],
)
def test_workers_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, said: str, count: int, cores: int | None, threads: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    for module in ("cores", "batch.local"):
        monkeypatch.setattr(f"vp3d_cli.{module}.granted_cores", lambda: 8)
    assert environment("cpu", count, cores)["OMP_NUM_THREADS"] == threads
