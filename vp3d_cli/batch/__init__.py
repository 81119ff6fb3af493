"""Many videos, unattended: resumable, one bad file stops nothing, the truth at the end.

`plan` finds the videos and names their results, `work` does one of them, `run` hands them out to
workers (`local` has processes), `record` knows what is done, `report` says how it went.
"""

from vp3d_cli.batch.layout import Layout, locked
from vp3d_cli.batch.local import LocalWorkers
from vp3d_cli.batch.plan import make_plan
from vp3d_cli.batch.report import Report
from vp3d_cli.batch.run import Wishes, run
from vp3d_cli.batch.values import Setup, Task

__all__ = [
    "Layout",
    "LocalWorkers",
    "Report",
    "Setup",
    "Task",
    "Wishes",
    "locked",
    "make_plan",
    "run",
]
