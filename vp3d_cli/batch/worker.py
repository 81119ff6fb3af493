"""A worker process: loads the models once, then does one job after the other.

It talks in pickles with the process that started it, and with nobody else: jobs come in by
stdin, events go out by what was stdout. It has a session of its own, in which its ffmpeg
stays, so that ending its group ends both; when its starter is no more, it ends the group itself.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from time import monotonic
from types import FrameType
from typing import Any, BinaryIO, NoReturn

from vp3d_cli import video
from vp3d_cli.batch import work
from vp3d_cli.batch.values import Answered, Job, Moved, Said, Setup
from vp3d_cli.errors import Vp3dError
from vp3d_cli.pipeline import Models

# Seconds between two signs of life.
_BEAT_S = 0.25


class Outbox:
    """Sends values; threads may share it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def send(self, value: object) -> None:
        """Send a value at once."""
        with self._lock:
            pickle.dump(value, self._stream)
            self._stream.flush()


class _Sayings(logging.Handler):
    """Sends warnings, each once per job."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(logging.WARNING)
        self._outbox, self._said = outbox, set[str]()
        self.job: Job | None = None

    def begin(self, job: Job) -> None:
        self.job = job
        self._said.clear()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._said:
            self._said.add(text)
            self._outbox.send(Said(self.job, text))


class _Beat:
    """Passes progress on, not too often."""

    def __init__(self, outbox: Outbox, job: Job) -> None:
        self._outbox, self._job = outbox, job
        self._next_s, self._stage = 0.0, ""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        now = monotonic()
        if now >= self._next_s or stage != self._stage:
            self._next_s, self._stage = now + _BEAT_S, stage
            self._outbox.send(Moved(self._job, stage, done, total))


def main() -> NoReturn:
    """Work until told to stop."""
    code = 0
    try:
        _work()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    # A thread waits for the next job, and Python cannot end it.
    sys.stderr.flush()
    os._exit(code)


def _work() -> None:
    signal.signal(signal.SIGTERM, _leave)
    video.stay_in_session()
    inbox, outbox = _pipes()
    sayings = _Sayings(outbox)
    logging.getLogger("vp3d_cli").handlers = [sayings]
    logging.getLogger("vp3d_cli").propagate = False
    jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(inbox, jobs), daemon=True).start()
    setup: Setup = jobs.get()
    try:
        models = Models.load(setup.options)
    except Vp3dError as error:
        outbox.send(error)
        return
    outbox.send(models.describe())
    while (job := jobs.get()) is not None:
        sayings.begin(job)
        beat = _Beat(outbox, job)
        beat("begin", 0, None)
        outbox.send(Answered(job, work.do(job, setup, models, beat)))


def _pipes() -> tuple[BinaryIO, Outbox]:
    """The two ways; whatever else prints is sent to stderr and reads nothing."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return inbox, Outbox(outbox)


def _receive(inbox: BinaryIO, jobs: queue.SimpleQueue[Any]) -> None:
    while True:
        try:
            jobs.put(pickle.load(inbox))
        except (EOFError, OSError, pickle.UnpicklingError):
            _end_group()


def _end_group() -> NoReturn:
    """Whoever wanted the work is no more."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """Make a signal unwind the stack, so that children end and temporary files go."""
    sys.exit(128 + number)
