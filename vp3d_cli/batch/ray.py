"""Workers on a Ray cluster: an `Agent` as actor on each share of it.

A process that dies or stalls is its agent's matter, and counts against the video as on one
machine. An agent is lost with its node, or because the node's memory is short; of that a video is
mostly innocent, so it goes to another without counting, until it has seen `_MAX_LOST` of them go.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, deque
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from vp3d_cli import __version__
from vp3d_cli.batch.agent import Agent
from vp3d_cli.batch.cluster import join, shares
from vp3d_cli.batch.layout import Layout, read_json
from vp3d_cli.batch.values import Answered, Event, Job, Lost, Setup
from vp3d_cli.cores import granted_cores
from vp3d_cli.errors import BackendUnavailableError, Vp3dError
from vp3d_cli.types import Json

_log = logging.getLogger(__name__)

# Agents that may be lost with one job before that counts against it.
_MAX_LOST = 4
# Agents that may be lost in a row before they have loaded anything, beyond one for each worker.
_MAX_STILLBORN = 3
# Seconds without a sign from any agent, until that is said, and until it is too long.
_SAY_S, _NOBODY_S = 30.0, 900.0
_LEAVE_S = 8.0


class _Actor:
    """An agent on the cluster.

    Attributes:
        stage: "starting", "loading", "free", "busy".
        job: what it is at.
        answer: what it was asked last, as Ray's reference; None when it is free.
        heard_s: when it last answered.
    """

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.stage, self.node = "starting", "?"
        self.job: Job | None = None
        self.answer: Any = handle.look.remote()
        self.heard_s = monotonic()

    def begin(self, job: Job) -> None:
        self.stage, self.job, self.heard_s = "busy", job, monotonic()
        self.answer = self.handle.go_on.remote(job)

    def rest(self) -> None:
        self.stage, self.job, self.answer = "free", None, None


class RayWorkers:
    """Those of a cluster; a context manager. Jobs wait here for an agent to be free.

    Args:
        setup: what is the same for all jobs.
        address: see `cluster.join`.
        count: at most; as many as there is room for where None.
        stall_s: a job that makes no progress for so long is ended.
        module: what the processes run; see `worker`.
    """

    def __init__(
        self,
        setup: Setup,
        address: str,
        count: int | None = None,
        stall_s: float = 600.0,
        module: str = "vp3d_cli.batch.worker",
    ) -> None:
        self._setup, self._address, self._wanted = setup, address, count
        self._stall_s, self._module = stall_s, module
        self._actors: list[_Actor] = []
        self._waiting: deque[Job] = deque()
        self._lost: Counter[Job] = Counter()
        self._models: Json | None = None
        self._stillborn = 0
        self._said = False

    def __enter__(self) -> RayWorkers:
        self._ray = join(self._address, granted_cores())
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        try:
            self._shares = shares(
                [(node.get("CPU", 0), node.get("GPU", 0)) for node in alive],
                self._wanted,
                self._setup.options.device != "cpu",
            )
        except BackendUnavailableError:
            self._ray.shutdown()
            raise
        root = self._setup.root
        holder = Layout(root).state / "holder.json" if isinstance(root, Path) else None
        self._holder = holder and read_json(holder)
        self._heard_s = monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with contextlib.suppress(self._ray.exceptions.RayError):
                leaving = [a.handle.leave.remote() for a in self._actors if a.stage != "starting"]
                if leaving:
                    self._ray.wait(leaving, num_returns=len(leaving), timeout=_LEAVE_S)
                for actor in self._actors:
                    self._ray.kill(actor.handle)
        finally:
            self._actors.clear()
            self._ray.shutdown()

    def models(self) -> Json:
        """Start one agent; what its models say of themselves.

        Raises:
            Vp3dError: they cannot be loaded.
        """
        self._start_one()
        while self._models is None:
            self.events(1.0)
            if not self._actors:
                self._start_one()
        return self._models

    @property
    def has_room(self) -> bool:
        """Whether a job would not wait longer than until an agent has started."""
        busy = sum(actor.job is not None for actor in self._actors)
        return busy + len(self._waiting) < self._shares.count

    def begin(self, job: Job) -> None:
        """Give a job to the agent that is free first; only when there is room."""
        self._waiting.append(job)
        self._hand_out()

    def events(self, patience_s: float) -> list[Event]:
        """What happened; waits a while for the first.

        Raises:
            Vp3dError: no agent can do anything any more.
        """
        events: list[Event] = []
        for actor, value in self._heard(patience_s):
            self._heard_s = actor.heard_s = monotonic()
            events += self._understood(actor, value)
        events += self._silent()
        self._hand_out()
        return events

    def _hand_out(self) -> None:
        for actor in self._actors:
            if self._waiting and actor.stage == "free":
                actor.begin(self._waiting.popleft())
        coming = sum(actor.stage in ("starting", "loading") for actor in self._actors)
        free = self._shares.count - len(self._actors)
        for _ in range(min(free, len(self._waiting) - coming)):
            self._start_one()

    def _start_one(self) -> None:
        actor = self._ray.remote(
            num_cpus=self._shares.cores,
            num_gpus=self._shares.gpus,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )(Agent)
        self._actors.append(_Actor(actor.remote()))

    def _heard(self, patience_s: float) -> list[tuple[_Actor, Any]]:
        """What agents answered; the error where one cannot any more."""
        asked = {actor.answer: actor for actor in self._actors if actor.answer is not None}
        if not asked:
            sleep(patience_s)
            return []
        found, _ = self._ray.wait(list(asked), timeout=patience_s)
        if found:
            found, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=0)
        return [(asked[answer], self._value(answer)) for answer in found]

    def _value(self, answer: Any) -> Any:
        try:
            return self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            return error

    def _understood(self, actor: _Actor, value: Any) -> list[Event]:
        if isinstance(value, self._ray.exceptions.RayError):
            return self._buried(actor, value)
        if isinstance(value, Vp3dError):
            raise type(value)(f"node {actor.node}: {value}")
        if actor.stage == "starting":
            self._load(actor, *value)
        elif actor.stage == "loading":
            self._compare(actor, value)
            self._stillborn = 0
            actor.rest()
        elif any(isinstance(event, Answered | Lost) for event in value):
            actor.rest()
            return list(value)
        else:
            actor.answer = actor.handle.go_on.remote(None)
            return list(value)
        return []

    def _load(self, actor: _Actor, node: str, version: str) -> None:
        if version != __version__:
            raise BackendUnavailableError(
                f"node {node}: has vp3d {version}, and this is {__version__}; install the same"
            )
        actor.stage, actor.node = "loading", node
        actor.answer = actor.handle.load.remote(
            self._setup, self._shares.cores, self._stall_s, self._module, str(Path.cwd()),
            self._holder,
        )  # fmt: skip

    def _compare(self, actor: _Actor, models: Json) -> None:
        """What `auto` chooses depends on what is installed."""
        if self._models is None:
            self._models = models
        differ = [name for name in models if models[name] != self._models[name]]
        if differ:
            raise BackendUnavailableError(
                f"node {actor.node}: has another {' and '.join(differ)} than the others; fetch "
                "the same weights on all (`vp3d weights`)"
            )

    def _buried(self, actor: _Actor, error: Exception) -> list[Event]:
        self._actors.remove(actor)
        with contextlib.suppress(Exception):
            self._ray.kill(actor.handle)
        if "No module named" in str(error):
            cause = str(error).strip().split("\n")[-1]
            raise BackendUnavailableError(
                f"a node cannot load vp3d: {cause}; install vp3d {__version__} on all nodes"
            ) from error
        _log.debug("node %s: %s", actor.node, error)
        if actor.job is None:
            self._stillborn += actor.stage != "free"
            if self._stillborn >= _MAX_STILLBORN + self._shares.count:
                cause = str(error).strip().split("\n")[-1]
                raise BackendUnavailableError(f"workers cannot be started on the cluster: {cause}")
            return []
        return [self._gone(actor.job, f"its node ({actor.node}) was lost")]

    def _gone(self, job: Job, reason: str) -> Lost:
        self._lost[job] += 1
        counts = self._lost[job] > _MAX_LOST
        many = f", as were {_MAX_LOST} before" if counts else ""
        return Lost(job, f"{reason}{many}", began=counts)

    def _silent(self) -> list[Event]:
        """Agents that do not answer, though they always have news of their process."""
        now = monotonic()
        lost: list[Event] = []
        for actor in list(self._actors):
            if actor.job is not None and now - actor.heard_s > max(60.0, self._stall_s):
                self._actors.remove(actor)
                self._ray.kill(actor.handle)
                lost.append(self._gone(actor.job, f"its node ({actor.node}) did not answer"))
        nowhere = all(actor.stage == "starting" for actor in self._actors)
        if nowhere and now - self._heard_s > _SAY_S and not self._said:
            need = f"{self._shares.cores} CPUs and {self._shares.gpus} GPUs"
            _log.warning("no worker has started for %g s; are %s free? Waiting", _SAY_S, need)
            self._said = True
        if now - self._heard_s > _NOBODY_S + self._stall_s:
            raise BackendUnavailableError(f"no node of the cluster answered for {_NOBODY_S:g} s")
        return lost
