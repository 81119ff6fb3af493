"""What runs on a node of a cluster: one worker process, as on one machine, and its news.

What a video does to that process is noticed and ended here; it ends too when the agent does.
"""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path
from time import monotonic, sleep

from vp3d_cli import __version__
from vp3d_cli.batch.layout import Layout, read_json
from vp3d_cli.batch.local import LocalWorkers
from vp3d_cli.batch.values import Answered, Event, Failed, Job, Setup
from vp3d_cli.errors import OutputError, VideoError, Vp3dError
from vp3d_cli.types import Json

# Seconds to wait for news before saying that there are none.
_NEWS_S = 0.5
# Seconds that a file of one machine may need to be seen by another, through a network file system.
_SHARED_S = 40.0


class Agent:
    """An actor; whatever it raises on purpose it returns, since Ray would wrap it."""

    def look(self) -> tuple[str, str]:
        """Name of the node, and version of vp3d on it."""
        return platform.node() or "?", __version__

    def load(
        self, setup: Setup, cores: int, stall_s: float, module: str, folder: str, holder: Json
    ) -> Json | Vp3dError:
        """Load the models; what they say of themselves.

        Args:
            setup: what is the same for all jobs.
            cores, stall_s, module: see `LocalWorkers`.
            folder: names of videos are relative to it.
            holder: of the lock, as the one that holds it sees it; to be seen here too.
        """
        self._workers = LocalWorkers(setup, 1, stall_s=stall_s, module=module, cores=cores)
        with contextlib.suppress(OSError):  # names may be absolute
            os.chdir(folder)
        try:
            if isinstance(setup.root, Path) and holder:
                _require_shared(setup.root, holder)
            return self._workers.models()
        except Vp3dError as error:
            return error

    def go_on(self, job: Job | None) -> list[Event] | Vp3dError:
        """What happened to the job, soon; its end, or so far.

        Args:
            job: one to begin with; None to go on.
        """
        if job is not None:
            if not job.task.source.exists():
                reason = f"{job.task.source}: is not seen by node {self.look()[0]}; the nodes need "
                reason += "the videos under the same paths"
                failed = Failed(reason, VideoError.exit_code, lasting=False)
                return [Answered(job, failed)]
            self._workers.begin(job)
        try:
            return self._workers.events(_NEWS_S)
        except Vp3dError as error:
            return error

    def leave(self) -> None:
        """Let the process unwind, and end it."""
        self._workers.__exit__(None, None, None)


def _require_shared(root: Path, holder: Json) -> None:
    path = Layout(root).state / "holder.json"
    until_s = monotonic() + _SHARED_S
    while read_json(path) != holder:
        if monotonic() > until_s:
            raise OutputError(
                f"{root}: is another folder here, or none; a cluster needs one that all nodes "
                "share, or a URL such as s3://bucket/results"
            )
        sleep(0.5)
