"""Workers on this machine: processes that are started, watched, and ended when they stall."""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import IO, Any

from vp3d_cli.batch.values import Answered, Event, Failed, Job, Lost, Moved, Said, Setup
from vp3d_cli.cores import granted_cores, thread_variables, usable_cores
from vp3d_cli.errors import BackendUnavailableError, Vp3dError
from vp3d_cli.types import Json

# Cores that one worker makes good use of.
CORES_EACH = 4
# Imports what we would import: with -c or -m alone the current folder would come first.
_BEGIN = "import sys; sys.path = sys.argv[2:]; __import__(sys.argv[1], fromlist=['main']).main()"
# Seconds that loading may take, and that leaving may.
_LOAD_S = 600.0
_LEAVE_S = 5.0
# Workers in a row that may die while they load.
_MAX_STILLBORN = 3
# What Python and others ask for the folder of temporary files.
_SCRATCH_VARIABLES = ("TMPDIR", "TEMP", "TMP")


@dataclass(frozen=True)
class _Heard:
    """What a worker's thread read: a value, or None at the end."""

    worker: _Worker
    value: Any


class _Worker:
    """One process.

    Attributes:
        job: what it is at.
        ready: it has loaded its models.
        began: it has begun with the job.
        last_words: the last line that it printed, once it has ended; perhaps nothing.
    """

    def __init__(
        self,
        module: str,
        setup: Setup,
        environment: Mapping[str, str],
        heard: queue.SimpleQueue[_Heard],
    ) -> None:
        self.job: Job | None = None
        self.ready = self.began = False
        self.stage, self.last_words = "loading", ""
        self.moved_s = monotonic()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `end`)
        # Whatever it leaves there when it is killed goes with it.
        self._scratch = tempfile.TemporaryDirectory(prefix="vp3d-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN, module, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**environment, **dict.fromkeys(_SCRATCH_VARIABLES, self._scratch.name)},
            start_new_session=True,
        )
        self._heard = heard
        threading.Thread(target=self._listen, daemon=True).start()
        self.send(setup)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                self._heard.put(_Heard(self, pickle.load(self._process.stdout)))
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self._heard.put(_Heard(self, None))
        finally:
            self._process.stdout.close()

    def send(self, value: object) -> None:
        """Send a value; a worker that died is noticed elsewhere."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            pickle.dump(value, self._process.stdin)
            self._process.stdin.flush()

    def begin(self, job: Job) -> None:
        """Give it a job."""
        self.job, self.began = job, False
        self.moved_s = monotonic()
        self.send(job)

    def ask_to_leave(self) -> None:
        """Let it unwind."""
        with contextlib.suppress(OSError):
            self._process.terminate()

    def end(self, patience_s: float = 0.0) -> int:
        """End it and all that it started; its exit code."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        code = self._process.wait()
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 4096))
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        self.last_words = next((line.strip() for line in reversed(lines) if line.strip()), "")
        self._errors.close()
        self._scratch.cleanup()
        return code


class LocalWorkers:
    """Processes that do jobs; a context manager.

    Args:
        setup: what is the same for all jobs.
        count: processes at most; the cores are divided between them.
        devices: shared out between them.
        stall_s: one that makes no progress for so long is ended, with its ffmpeg.
        module: what the processes run; see `worker`.
        cores: for all of them; those of this machine where None.
    """

    def __init__(
        self,
        setup: Setup,
        count: int,
        devices: Sequence[str] = (),
        stall_s: float = 600.0,
        module: str = "vp3d_cli.batch.worker",
        cores: int | None = None,
    ) -> None:
        self._setup, self._count, self._stall_s = setup, count, stall_s
        self._module = module
        self._environments = itertools.cycle(
            environment(device, count, cores) for device in devices or ["cpu"]
        )
        self._heard: queue.SimpleQueue[_Heard] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._stillborn = 0

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.ask_to_leave()
        until_s = monotonic() + _LEAVE_S
        for worker in self._workers:
            worker.end(max(0.0, until_s - monotonic()))
        self._workers.clear()

    def models(self) -> Json:
        """Start one worker; what its models say of themselves.

        Raises:
            Vp3dError: they cannot be loaded.
        """
        self._start_one()
        while True:
            heard = self._hear(_LOAD_S)
            if heard is None or heard.value is None:
                self._mourn(heard.worker if heard else self._workers[0])
                self._start_one()
            elif isinstance(heard.value, dict):
                heard.worker.ready = True
                return heard.value
            elif isinstance(heard.value, Vp3dError):
                raise heard.value

    @property
    def has_room(self) -> bool:
        """Whether one of them is free, or may be started."""
        return len(self._workers) < self._count or any(w.job is None for w in self._workers)

    def begin(self, job: Job) -> None:
        """Give a job to one that is free; only when there is room."""
        free = [worker for worker in self._workers if worker.job is None]
        worker = max(free, key=lambda w: w.ready) if free else self._start_one()
        worker.begin(job)

    def events(self, patience_s: float) -> list[Event]:
        """What happened; waits a while for the first.

        Raises:
            Vp3dError: no worker can load its models any more.
        """
        events: list[Event] = []
        heard = self._hear(patience_s)
        while heard is not None:
            events += self._understood(heard)
            heard = self._hear(0)
        return events + self._stalled()

    def _hear(self, patience_s: float) -> _Heard | None:
        while True:
            try:
                heard = (
                    self._heard.get(timeout=patience_s) if patience_s else self._heard.get_nowait()
                )
            except queue.Empty:
                return None
            if heard.worker in self._workers:  # not one that was ended
                return heard

    def _start_one(self) -> _Worker:
        worker = _Worker(self._module, self._setup, next(self._environments), self._heard)
        self._workers.append(worker)
        return worker

    def _understood(self, heard: _Heard) -> list[Event]:
        worker, value = heard.worker, heard.value
        worker.moved_s = monotonic()
        if value is None:
            return self._buried(worker)
        if isinstance(value, Vp3dError):
            raise value
        if isinstance(value, Moved):
            worker.began, worker.stage = True, value.stage
        elif isinstance(value, Answered):
            worker.job, self._stillborn = None, 0
            if isinstance(value.answer, Failed) and value.answer.shaken:
                self._remove(worker)
        elif not isinstance(value, Said):
            worker.ready = True
            return []
        return [value]

    def _buried(self, worker: _Worker) -> list[Event]:
        if not worker.ready:
            job = worker.job
            self._mourn(worker)
            return [Lost(job, "", began=False)] if job else []
        code = self._remove(worker)
        if worker.job is None:
            return []
        return [Lost(worker.job, _cause(code, worker.last_words), began=worker.began)]

    def _mourn(self, worker: _Worker) -> None:
        """One died before it could do anything; a few in a row are too many."""
        code = self._remove(worker)
        self._stillborn += 1
        if self._stillborn >= _MAX_STILLBORN:
            raise BackendUnavailableError(
                f"workers cannot be started: {_cause(code, worker.last_words)}; does `vp3d "
                "doctor` find anything? With less memory take fewer --workers"
            )

    def _stalled(self) -> list[Event]:
        lost: list[Event] = []
        now = monotonic()
        for worker in list(self._workers):
            limit_s = self._stall_s if worker.ready else max(self._stall_s, _LOAD_S)
            if worker.job is None or now - worker.moved_s <= limit_s:
                continue
            job, began = worker.job, worker.began
            self._remove(worker)
            reason = f"made no progress for {limit_s:g} s ({worker.stage}); given up"
            lost.append(Lost(job, reason, stalled=True, began=began))
        return lost

    def _remove(self, worker: _Worker) -> int:
        self._workers.remove(worker)
        return worker.end()


def environment(device: str, count: int, cores: int | None = None) -> dict[str, str]:
    """The environment of one of `count` workers: its share of the cores, and its GPU."""
    threads = max(1, (cores or granted_cores()) // count)
    if cores is None:
        threads = min(threads, usable_cores())
    found = {**os.environ, **thread_variables(threads)}
    kind, _, index = device.partition(":")
    if kind == "cuda" and index:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        known = visible.split(",") if visible else []
        found["CUDA_VISIBLE_DEVICES"] = known[int(index)] if int(index) < len(known) else index
    return found


def _cause(code: int, last_words: str) -> str:
    said = f" ({last_words[:300]})" if last_words else ""
    if code >= 0:
        return f"its worker ended with exit code {code}{said}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = "; memory may be short" if -code == signal.SIGKILL else ""
    return f"its worker was ended by {name}{hint}{said}"
