"""`vp3d batch --ray`: whole runs on a cluster of several nodes, on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batch_light import ROOT, Light, is_alive, wait_for, workers
from tests.e2e.conftest import DEMO, Ran

cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups")

Run = Callable[..., Ran]


class Cluster:
    """A head that does nothing, and nodes of one CPU; they live in one folder."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log.txt"
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80_000_000}
        self._cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
        self.address: str = self._cluster.address
        self.nodes: list[Any] = []
        self.grow(2)

    def grow(self, count: int) -> None:
        """Add nodes until there are so many."""
        for _ in range(count - len(self.nodes)):
            node = self._cluster.add_node(wait=False, num_cpus=1, object_store_memory=80_000_000)
            self.nodes.append(node)
        self._cluster.wait_for_nodes(timeout=120)

    def lose_one(self) -> None:
        """End a node as if its power failed."""
        self._cluster.remove_node(self.nodes.pop(), allow_graceful=False)

    def end(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("nodes")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "PYTHONPATH": ROOT, "OMP_NUM_THREADS": 1, "RAY_USAGE_STATS_ENABLED": 0,
            "VP3D_TEST_LOG": folder / "log.txt",
        }.items():  # fmt: skip
            patch.setenv(name, str(value))
        cluster = Cluster(folder)
        yield cluster
        cluster.end()


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    """Two nodes, and nothing in their log."""
    running.grow(2)
    for path in running.log.parent.iterdir():
        path.unlink()
    return running


@pytest.fixture
def light(tmp_path: Path) -> Iterator[Light]:
    yield Light(tmp_path)
    wait_for(lambda: not workers(tmp_path), 20)


def _told(light: Light, out: str) -> dict[str, Any]:
    """The report without what differs each time."""
    vary = ("seconds", "frames_per_s")
    return {
        name: {key: value for key, value in row.items() if key not in vary}
        for name, row in light.rows(out).items()
    }


def _lifted(log: Path) -> Counter[str]:
    return Counter(line.split(":")[0] for line in log.read_text().splitlines() if "lift" in line)


def test_a_cluster_does_the_same_as_one_machine_also_to_a_url(
    light: Light, cluster: Cluster
) -> None:
    light.clips("a.mp4", "sub/b [1] ü#.mp4", "killed.mp4", "killed-once.mp4", "memory.mp4")
    (light.folder / "in" / "bad.mp4").write_text("no video")
    local = light.run("--workers", 2, "--json", out="local")
    url = f"file://{light.folder}/there"
    ran = light.run("--ray", cluster.address, "--json", out=url)
    assert ran.code == local.code == 3, ran.err
    assert ran.out.strip() == f"{url}/report.json"
    assert _told(light, "there") == _told(light, "local")
    assert light.files("there") == light.files("local")
    assert light.in_the_making("there") == []
    ours = ("[", "Failed", "detector", "6 videos", "3 done", "Warning: no worker")  # not Ray's
    assert [line for line in ran.err.splitlines() if not line.startswith(ours)] == []

    light.log.unlink()
    again = light.run("--json", out=url)  # this machine goes on where the cluster was
    assert "0 to do, 3 done before, 3 failed before" in again.err
    Path(light.folder, "there", "a.npz").unlink()
    assert "1 to do, 2 done before" in light.run("--json", out=url).err
    assert _lifted(light.log) == {"a": 1}
    assert light.log.read_text().splitlines() == ["a:lift:0"]
    assert light.files("there") == light.files("local")


def test_a_node_that_is_lost_in_mid_job_loses_nothing(light: Light, cluster: Cluster) -> None:
    light.clips(*(f"slow-{i}.mp4" for i in range(6)), frames=40)
    light.run("--workers", 2, out="undisturbed")
    with light.start("--ray", cluster.address) as process:
        wait_for(lambda: cluster.log.exists() and len(workers(light.folder)) == 2)
        cluster.lose_one()
        wait_for(lambda: len(workers(light.folder)) == 1)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "6 done, 0 done before, 0 failed" in err
    assert light.files() == light.files("undisturbed")
    assert _lifted(cluster.log) == {f"slow-{i}": 1 for i in range(6)}
    assert {row["tries"] for row in light.rows().values()} == {1}


def test_a_driver_that_is_killed_and_started_again_does_the_rest(
    light: Light, cluster: Cluster
) -> None:
    light.clips(*(f"slow-{i}.mp4" for i in range(6)), frames=30)
    light.run("--workers", 2, out="undisturbed")
    with light.start("--ray", cluster.address) as process:
        wait_for(lambda: cluster.log.exists() and len(_lifted(cluster.log)) >= 2)
        process.kill()
    wait_for(lambda: not workers(light.folder), 20)
    before = sum(_lifted(cluster.log).values())
    ran = light.run("--ray", cluster.address)
    assert ran.code == 0, ran.err
    assert f"{6 - before} done, {before} done before, 0 failed" in ran.err
    assert _lifted(cluster.log) == {f"slow-{i}": 1 for i in range(6)}
    assert light.files() == light.files("undisturbed")
    assert light.in_the_making() == []


@pytest.mark.slow
def test_a_video_that_hangs_on_a_cluster_is_given_up(light: Light, cluster: Cluster) -> None:
    light.clips("a.mp4", "hang.mp4")
    ran = light.run("--ray", cluster.address, "--stall-timeout", 8)
    assert ran.code == 1, ran.err
    assert "made no progress for 8 s (detect); given up" in light.rows()["hang.mp4"]["reason"]
    assert light.rows()["a.mp4"]["state"] == "done"
    hung = Path(f"{cluster.log}.hang")
    wait_for(lambda: not is_alive(int(hung.read_text())))


@pytest.mark.slow
def test_a_batch_on_a_cluster_that_is_ended_leaves_nothing(light: Light, cluster: Cluster) -> None:
    light.clips(*(f"slow-{i}.mp4" for i in range(6)), frames=40)
    with light.start("--ray", cluster.address) as process:
        wait_for(lambda: cluster.log.exists())
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "not done" in err
    assert "Traceback" not in err
    assert light.in_the_making() == []
    wait_for(lambda: not workers(light.folder), 5)


def test_a_real_batch_on_a_cluster_writes_the_same_bytes(
    vp3d: Run, cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "demo.mp4").symlink_to(DEMO)
    options = ("--json", "--end", "0.2", "--workers", "1")
    assert vp3d("batch", "in", "-o", "one", *options).code == 0
    ran = vp3d("batch", "in", "-o", "many", *options, "--ray", cluster.address)
    assert ran.code == 0, ran.err
    for name in ("demo.npz", "demo.json"):
        assert Path("one", name).read_bytes() == Path("many", name).read_bytes()


def test_nodes_with_another_vp3d_are_refused(light: Light, cluster: Cluster) -> None:
    light.clips("a.mp4")
    ran = light.run("--ray", cluster.address, env={"VP3D_TEST_VERSION": "9.9"})
    assert ran.code == 5
    assert "and this is 9.9; install the same" in ran.err


@pytest.mark.slow
def test_a_cluster_of_our_own_ends_with_us(light: Light) -> None:
    light.clips("slow-a.mp4", "b.mp4")
    assert light.run("--ray", "local", "--workers", "2").code == 0
    assert {row["state"] for row in light.rows().values()} == {"done"}
    with light.start("--ray", "local", "--workers", "2", out="out2") as process:
        wait_for(lambda: bool(workers(light.folder)), 120)
        process.kill()
    wait_for(lambda: not workers(light.folder), 20)
    wait_for(lambda: not _rays_of(process.pid), 20)


def _rays_of(driver: int) -> list[int]:
    """What Ray started for a driver; its processes say whose they are."""
    found = []
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            told = (path / "cmdline").read_bytes()
            if path.name.isdecimal() and re.search(rb"session_[\d_-]+_%d\b" % driver, told):
                found.append(int(path.name))
    return found


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which something answers, but not Ray."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = server.accept()
                    with line:
                        line.recv(100)
                        line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield "{}:{}".format(*server.getsockname())
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_a_cluster_that_is_not_there(light: Light, nobody: str) -> None:
    light.clips("a.mp4")
    for address, reason in (
        ("127.0.0.1:1", "no cluster answers there"), ("no.such.invalid:6379", "no cluster answers"),
        (nobody, "what answers there is not Ray"),
    ):  # fmt: skip
        ran = light.run("--ray", address)
        assert ran.code == 5, ran.err
        assert f"--ray {address}: {reason}" in ran.err
    assert json.loads((light.folder / "out/report.json").read_text())["videos"][0]["state"] == (
        "not done"
    )


def test_without_ray_the_package_is_named(light: Light) -> None:
    light.clips("a.mp4")
    (light.folder / "ray.py").write_text("raise ImportError('no ray here')")
    path = f"{light.folder}{os.pathsep}{ROOT}"
    ran = light.run("--ray", "local", env={"PYTHONPATH": path})
    assert ran.code == 5
    assert "pip install 'vp3d[ray]'" in ran.err


@pytest.mark.parametrize("address", ["somewhere", "ray://host:10001", "host:", "local:x"])
def test_addresses_that_are_none(vp3d: Run, address: str) -> None:
    Path("in").mkdir()
    assert vp3d("batch", "in", "-o", "out", "--ray", address).code == 2
    assert vp3d("batch", "in", "-o", "out", "--ray", "auto", "--device", "cuda:1").code == 2
