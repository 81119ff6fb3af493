"""Many videos, unattended: resumable, one bad file stops nothing, the truth at the end.

`plan` finds the videos and names their results, `work` does one of them, `run` hands them out to
workers (`local` has processes, `ray` those of a cluster), `record` knows what is done, `layout`
where it lies (`remote`: behind a URL), `report` says how it went.
"""

from vp3d_cli.batch.layout import Layout, locked, opened
from vp3d_cli.batch.local import LocalWorkers
from vp3d_cli.batch.plan import make_plan
from vp3d_cli.batch.ray import RayWorkers
from vp3d_cli.batch.report import Report
from vp3d_cli.batch.run import Wishes, run
from vp3d_cli.batch.values import Setup, Task

__all__ = [
    "Layout",
    "LocalWorkers",
    "RayWorkers",
    "Report",
    "Setup",
    "Task",
    "Wishes",
    "locked",
    "make_plan",
    "opened",
    "run",
]
