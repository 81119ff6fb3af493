"""Workers on a cluster: how it is divided, and whose fault a loss is; Ray itself is pretended."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vp3d_cli import __version__
from vp3d_cli.batch import Layout, RayWorkers, Setup, Task
from vp3d_cli.batch import ray as rooms
from vp3d_cli.batch.agent import Agent
from vp3d_cli.batch.cluster import Shares, shares
from vp3d_cli.batch.layout import write_json
from vp3d_cli.batch.values import Answered, Done, Failed, Job, Lost, Moved
from vp3d_cli.errors import BackendUnavailableError, OutputError
from vp3d_cli.options import Options

MODELS = {"detector": {"name": "d"}, "lifter": {"name": "l"}}
JOBS = [Job(Task(name, Path(f"{name}.mp4"))) for name in "abcdef"]


@pytest.mark.parametrize(
    ("nodes", "wanted", "gpu", "expected"),
    [
        ([(8, 0), (8, 0)], None, False, Shares(4, 4)),
        ([(0, 0), (2, 0), (3, 0)], None, False, Shares(2, 2)),  # a head that does nothing
        ([(8, 0), (8, 0)], 2, False, Shares(2, 8)),
        ([(8, 0), (8, 0)], 3, False, Shares(3, 4)),
        ([(1, 0)], 5, False, Shares(5, 1)),  # they wait, or the cluster grows
        ([(16, 4), (8, 0), (8, 1)], None, True, Shares(5, 4, 1)),
        ([(2, 4)], None, True, Shares(2, 1, 1)),
        ([(16, 4)], 2, True, Shares(2, 4, 1)),
    ],
)
def test_a_cluster_is_divided(nodes: Any, wanted: Any, gpu: bool, expected: Shares) -> None:
    assert shares(nodes, wanted, gpu) == expected


def test_nothing_to_divide() -> None:
    for nodes, gpu in (([], False), ([(0, 0)], False), ([(8, 0)], True)):
        with pytest.raises(BackendUnavailableError, match="no node of the cluster has a"):
            shares(nodes, None, gpu)


class RayError(Exception):
    """As Ray's."""


class PretendedRay:
    """Actors whose answers are told beforehand: `answer(number of the actor, method, job)`."""

    def __init__(self, answer: Callable[[int, str, Any], Any]) -> None:
        self.exceptions = SimpleNamespace(RayError=RayError)
        self.asked: dict[object, tuple[int, str, Any]] = {}
        self._answer, self._numbers = answer, itertools.count()

    def remote(self, **_: Any) -> Any:
        return lambda kind: SimpleNamespace(remote=self._actor)

    def _actor(self) -> Any:
        number = next(self._numbers)

        def method(name: str) -> Any:
            def ask(*args: Any) -> object:
                self.asked[(answer := object())] = (number, name, args[0] if args else None)
                return answer

            return SimpleNamespace(remote=ask)

        return SimpleNamespace(**{name: method(name) for name in ("look", "load", "go_on")})

    def wait(self, answers: list[object], **_: Any) -> Any:
        return answers, []

    def get(self, answer: object) -> Any:
        told = self._answer(*self.asked[answer])
        if isinstance(told, Exception) and isinstance(told, RayError):
            raise told
        return told

    def kill(self, _: Any) -> None: ...


def _workers(answer: Callable[[int, str, Any], Any], count: int = 2) -> RayWorkers:
    """Workers that have joined a cluster which answers so; its agents load where None is told."""

    def whole(number: int, name: str, job: Any) -> Any:
        plain = {"look": (f"node{number}", __version__), "load": MODELS}
        told = answer(number, name, job)
        return plain.get(name) if told is None else told

    workers: Any = RayWorkers(Setup(Options(), Path("out")), "auto")
    workers._ray, workers._shares, workers._holder = PretendedRay(whole), Shares(count, 1), None
    workers._heard_s = rooms.monotonic()
    made: RayWorkers = workers
    return made


def test_jobs_wait_for_whoever_is_free_first() -> None:
    at: dict[int, Job] = {}

    def answer(number: int, name: str, job: Any) -> Any:
        if name == "go_on" and job is not None:
            at[number] = job
            return [Moved(job, "begin", 0, None)]
        return [Answered(at[number], Done())] if name == "go_on" else None

    workers = _workers(answer)
    assert workers.models() == MODELS
    waiting, done = list(JOBS), list[Job]()
    while len(done) < len(JOBS):
        while waiting and workers.has_room:
            workers.begin(waiting.pop(0))
        done += [event.job for event in workers.events(0) if isinstance(event, Answered)]
    assert sorted(job.task.name for job in done) == list("abcdef")
    assert set(at) == {0, 1}


def test_a_lost_node_does_not_count_against_a_video_until_it_has_lost_many() -> None:
    def answer(number: int, name: str, job: Any) -> Any:
        return RayError("the node died") if name == "go_on" else None

    workers = _workers(answer)
    workers.models()
    counted = []
    for _ in range(6):
        workers.begin(JOBS[0])
        while not (lost := [e for e in workers.events(0) if isinstance(e, Lost)]):
            pass
        counted.append(lost[0].began)
    assert counted == [False] * 4 + [True] * 2
    assert "as were 4 before" in lost[0].reason


def test_agents_that_never_load_end_the_batch() -> None:
    workers = _workers(lambda *_: RayError("out of memory"))
    with pytest.raises(BackendUnavailableError, match="cannot be started on the cluster: out of"):
        workers.models()


@pytest.mark.parametrize(
    ("name", "told", "sentence"),
    [
        ("look", ("node0", "0.0.1"), "node node0: has vp3d 0.0.1"),
        ("look", RayError("x\nModuleNotFoundError: No module named 'vp3d_cli'"), "No module"),
        ("load", OutputError("out: is another folder here"), "node node0: out: is another"),
    ],
)
def test_nodes_that_do_not_fit_are_told(name: str, told: Any, sentence: str) -> None:
    workers = _workers(lambda _, asked, __: told if asked == name else None)
    with pytest.raises((BackendUnavailableError, OutputError), match=sentence):
        workers.models()


def test_nodes_with_other_weights_are_told() -> None:
    def answer(number: int, name: str, job: Any) -> Any:
        if name == "load" and number == 1:
            return MODELS | {"lifter": {"name": "another"}}
        return [] if name == "go_on" else None

    workers = _workers(answer)
    workers.models()
    workers.begin(JOBS[0])
    workers.begin(JOBS[1])
    workers.events(0)  # the second agent looks, and then loads
    with pytest.raises(BackendUnavailableError, match="node1: has another lifter"):
        workers.events(0)


def test_an_agent_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    workers: Any = _workers(lambda *_: None)
    workers.models()
    workers.begin(JOBS[0])
    workers._ray.wait = lambda *_, **__: ([], [])
    now = rooms.monotonic()
    assert workers.events(0) == []
    monkeypatch.setattr(rooms, "monotonic", lambda: now + 700)
    (lost,) = workers.events(0)
    assert (lost.job, lost.stalled, lost.began) == (JOBS[0], False, False)


def test_a_node_says_what_it_does_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vp3d_cli.batch.agent._SHARED_S", 0.0)
    layout = Layout(tmp_path / "out")
    layout.make()
    write_json(layout.state / "holder.json", {"pid": 1})
    before, agent = Path.cwd(), Agent()
    try:
        told = agent.load(
            Setup(Options(), layout.root), 1, 9.0, "no.module", str(tmp_path), {"pid": 2}
        )
        assert Path.cwd() == tmp_path
    finally:
        os.chdir(before)
    assert isinstance(told, OutputError)
    assert "all nodes share" in str(told)
    (event,) = agent.go_on(JOBS[0])  # type: ignore[misc]
    assert isinstance(event, Answered)
    assert isinstance(event.answer, Failed)
    assert "a.mp4: is not seen by node" in event.answer.reason
    assert (event.answer.exit_code, event.answer.lasting) == (3, False)
