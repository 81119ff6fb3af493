"""What goes between the one that hands out work and those that do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vp3d_cli.options import Options, Span

# Told that work goes on: the stage, how much of it is done, and how much there is if known.
Beat = Callable[[str, int, "int | None"], None]


@dataclass(frozen=True)
class Task:
    """One video and the name of its results.

    Attributes:
        name: of the results in the output folder: parts joined by "/", without suffix.
        source: the video, as a person would name it.
    """

    name: str
    source: Path


@dataclass(frozen=True)
class Setup:
    """What is the same for all videos of a batch.

    Attributes:
        options: see `Options`.
        root: the output folder, absolute, or its URL.
        as_json, render: what else is written beside the pose file.
        formats: and in which formats, see `export`.
        span_s: videos longer than this are detected in parts; seconds.
    """

    options: Options
    root: Path | str
    as_json: bool = False
    render: bool = False
    span_s: float | None = None
    formats: tuple[str, ...] = ()

    @property
    def products(self) -> tuple[str, ...]:
        """The kinds of files that each video gets; see `Layout.product`."""
        drawn = ["render"] if self.render else []
        return tuple(dict.fromkeys(["npz", *["json"][: self.as_json], *drawn, *self.formats]))


@dataclass(frozen=True)
class Job:
    """What a worker is to do: a video, or one span of it.

    Attributes:
        task: the video.
        span: only detect this part.
        parts: all spans, which were detected before and are to be joined.
    """

    task: Task
    span: Span | None = None
    parts: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Cut:
    """The answer to a job that is to be done in parts."""

    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Done:
    """A job that succeeded.

    Attributes:
        stages: what was really done: "detect", "join", "lift", "render"; empty where all stood.
        frames, people: in the result.
        outputs: names of the files that stand in the output folder.
        detected: frames in which people were looked for now, in this job.
        warnings: sentences, as in the result.
        seconds: it took.
    """

    stages: tuple[str, ...] = ()
    frames: int = 0
    people: int = 0
    detected: int = 0
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A job that failed.

    Attributes:
        reason: a sentence.
        exit_code: of its class.
        lasting: it lies in the video, and would happen again.
        disk_full: whatever is written next fails too.
        shaken: the worker may be damaged, and is to be replaced.
        seconds: until it failed.
    """

    reason: str
    exit_code: int = 1
    lasting: bool = True
    disk_full: bool = False
    shaken: bool = False
    seconds: float = 0.0


Answer = Cut | Done | Failed


@dataclass(frozen=True)
class Answered:
    """An event: a worker gave its answer."""

    job: Job
    answer: Answer


@dataclass(frozen=True)
class Moved:
    """An event: a worker got further."""

    job: Job
    stage: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Said:
    """An event: a worker has something to say."""

    job: Job | None
    text: str


@dataclass(frozen=True)
class Lost:
    """An event: a worker is no more.

    Attributes:
        job: what it was at.
        reason: a sentence.
        stalled: it made no progress, and was ended.
        began: it had begun with the job; else the job is untouched.
    """

    job: Job
    reason: str
    stalled: bool = False
    began: bool = True


Event = Answered | Moved | Said | Lost


@dataclass
class Entry:
    """A video in the report.

    Attributes:
        task: the video.
        state: "waiting", "running", "done" now, "kept" from before, "failed", "failed before".
        reason, exit_code: of a failure.
        stages, frames, people, detected, warnings: see `Done`.
        seconds: of work, of all its parts.
        tries: how many workers began with it.
        outputs: names of the files in the output folder.
    """

    task: Task
    state: str = "waiting"
    reason: str = ""
    exit_code: int = 0
    stages: tuple[str, ...] = ()
    frames: int = 0
    people: int = 0
    detected: int = 0
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    tries: int = 0
    outputs: tuple[str, ...] = ()

    @property
    def is_failure(self) -> bool:
        return self.state in ("failed", "failed before")

    @property
    def is_done(self) -> bool:
        return self.state in ("done", "kept")


def shown(name: object) -> str:
    """A name fit to be printed: what is not printable is escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(name))
