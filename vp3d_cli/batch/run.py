"""Hands the plan out to workers, and makes sense of what comes back."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vp3d_cli.batch.layout import Layout, opened
from vp3d_cli.batch.record import Keys, Record, missing, remember_failure
from vp3d_cli.batch.report import Report
from vp3d_cli.batch.values import (
    Answered,
    Cut,
    Done,
    Entry,
    Event,
    Failed,
    Job,
    Lost,
    Moved,
    Said,
    Setup,
    Task,
)
from vp3d_cli.errors import OutputError
from vp3d_cli.types import Json

# A worker that dies may be innocent: so many may begin with one job.
_MAX_TRIES = 2
_PATIENCE_S = 0.5


class Workers(Protocol):
    """Those that do the jobs: `LocalWorkers`, or those of a cluster."""

    def models(self) -> Json: ...

    @property
    def has_room(self) -> bool: ...

    def begin(self, job: Job) -> None: ...

    def events(self, patience_s: float) -> list[Event]: ...


class Watch(Protocol):
    """Whoever looks on."""

    def planned(self, report: Report, todo: int, models: Json) -> None: ...

    def moved(self, event: Moved) -> None: ...

    def said(self, event: Said) -> None: ...

    def ended(self, entry: Entry) -> None: ...

    def ticked(self) -> None: ...


@dataclass(frozen=True)
class Wishes:
    """Which of the plan is done now, and in which order.

    Attributes:
        retry_failed: those too that failed before in a way that would happen again.
        limit: at most so many videos.
        shuffle: seed of a random order; that of the plan where None.
        dry: nothing is done.
    """

    retry_failed: bool = False
    limit: int | None = None
    shuffle: int | None = None
    dry: bool = False


def run(
    report: Report, setup: Setup, workers: Workers, wishes: Wishes, watch: Watch
) -> list[Entry]:
    """Do what is not done of a plan; the report says at any time how far it is.

    What is interrupted can be run again: what was finished stands.

    Args:
        report: of a plan; see `make_plan`.
        setup: what is the same for all videos.
        workers: those that do the jobs.
        wishes: see there.
        watch: told what happens.

    Returns:
        The videos that were, or in a dry run would be, worked on.

    Raises:
        WeightsError, BackendUnavailableError, DataError: the models cannot be loaded.
    """
    with opened(setup.root) as layout:
        batch = _Batch(setup, layout, workers, watch, report)
        batch.models = workers.models()
        todo = batch.look(wishes)
        watch.planned(report, len(todo), batch.models)
        if not wishes.dry:
            batch.do(todo)
    return todo


@dataclass
class _Spans:
    """A video whose parts are being detected."""

    cut: Cut
    open: int
    failed: Failed | None = None


class _Batch:
    """A run on its way."""

    def __init__(
        self, setup: Setup, layout: Layout, workers: Workers, watch: Watch, report: Report
    ) -> None:
        self._setup, self._workers, self._watch = setup, workers, watch
        self._layout, self._report = layout, report
        self._entries = {entry.task.name: entry for entry in report.entries}
        self._queue: deque[Job] = deque()
        self._running = 0
        self._tries: dict[Job, int] = {}
        self._spans: dict[str, _Spans] = {}
        self.models: Json = {}

    def look(self, wishes: Wishes) -> list[Entry]:
        """What is to be done; the others get their state."""
        with self._layout.looked_through():
            todo = [entry for entry in self._report.entries if self._is_open(entry, wishes)]
        if wishes.shuffle is not None:
            random.Random(wishes.shuffle).shuffle(todo)
        return todo[: wishes.limit]

    def _is_open(self, entry: Entry, wishes: Wishes) -> bool:
        task, setup = entry.task, self._setup
        record = Record.load(self._layout, task)
        if record is None or not record.source.stands(task.source):
            return True
        entry.frames, entry.people, entry.warnings = record.frames, record.people, record.warnings
        keys = Keys.of(record.source.sha256, task.source.name, setup, self.models)
        if record.failure and record.failure[0] == keys.attempt(setup) and not wishes.retry_failed:
            entry.state = "failed before"
            _, entry.reason, entry.exit_code = record.failure
            return False
        if missing(record, keys, setup, self._layout, task, quick=True):
            return True
        entry.state, entry.outputs = "kept", record.outputs(setup.products)
        return False

    def do(self, todo: Sequence[Entry]) -> None:
        """Keep the workers busy until all is done, or nothing can be written any more."""
        self._queue.extend(Job(entry.task) for entry in todo)
        while self._queue or self._running:
            while self._queue and self._workers.has_room:
                job = self._queue.popleft()
                self._running += 1
                self._entries[job.task.name].state = "running"
                self._workers.begin(job)
            for event in self._workers.events(_PATIENCE_S):
                self._take(event)
            self._watch.ticked()

    def _take(self, event: Event) -> None:
        if isinstance(event, Moved):
            self._watch.moved(event)
        elif isinstance(event, Said):
            self._watch.said(event)
        elif isinstance(event, Lost):
            self._running -= 1
            self._take_loss(event)
        else:
            self._running -= 1
            self._take_answer(event)

    def _take_loss(self, event: Lost) -> None:
        job = event.job
        tries = self._tries[job] = self._tries.get(job, 0) + event.began
        if not event.stalled and tries < _MAX_TRIES:
            if self._report.stopped is None:
                self._queue.appendleft(job)
            return
        again = "" if event.stalled else f"; it was tried {tries} times"
        failed = Failed(event.reason + again)
        remember_failure(job.task, self._setup, self.models, failed)
        self._tries[job] = tries - event.began  # the answer counts as the last
        self._take_answer(Answered(job, failed))

    def _take_answer(self, event: Answered) -> None:
        job, answer = event.job, event.answer
        if isinstance(answer, Cut):
            self._spans[job.task.name] = _Spans(answer, len(answer.spans))
            self._queue.extendleft(Job(job.task, span) for span in reversed(answer.spans))
            return
        entry = self._entries[job.task.name]
        entry.seconds += answer.seconds
        entry.tries = max(entry.tries, self._tries.pop(job, 0) + 1)
        if isinstance(answer, Failed) and answer.exit_code == OutputError.exit_code:
            self._require_writable(answer)
        if job.span is not None:
            self._take_span(job.task, answer, entry)
        else:
            self._end(entry, answer)

    def _take_span(self, task: Task, answer: Done | Failed, entry: Entry) -> None:
        spans = self._spans[task.name]
        spans.open -= 1
        if isinstance(answer, Failed):
            spans.failed = spans.failed or answer
            waiting = [job for job in self._queue if job.task == task]
            for job in waiting:
                self._queue.remove(job)
            spans.open -= len(waiting)
        else:
            entry.detected += answer.detected
            entry.stages = tuple(dict.fromkeys([*entry.stages, *answer.stages]))
        if spans.open:
            return
        del self._spans[task.name]
        if spans.failed:
            if spans.failed.lasting:
                remember_failure(task, self._setup, self.models, spans.failed)
            self._end(entry, spans.failed)
        elif self._report.stopped is None:
            self._queue.appendleft(Job(task, parts=spans.cut.spans))

    def _end(self, entry: Entry, answer: Done | Failed) -> None:
        if isinstance(answer, Failed):
            entry.state, entry.reason, entry.exit_code = "failed", answer.reason, answer.exit_code
        else:
            entry.state, entry.outputs = "done", answer.outputs
            entry.frames, entry.people = answer.frames, answer.people
            entry.detected += answer.detected
            entry.warnings = answer.warnings
            entry.stages = tuple(dict.fromkeys([*entry.stages, *answer.stages]))
        self._watch.ended(replace(entry))

    def _require_writable(self, failed: Failed) -> None:
        """Where nothing can be written, the other videos need not fail too."""
        reason = failed.reason if failed.disk_full else None
        try:
            self._layout.require_writable()
        except OutputError as error:
            reason = str(error)
        if reason is not None and self._report.stopped is None:
            self._report.stopped = (reason, failed.exit_code)
            self._queue.clear()
