"""`vp3d` with the workers of `tests.batch_worker`: python -m tests.batch_driver batch ..."""

from __future__ import annotations

import functools
from typing import Any

from vp3d_cli import batch
from vp3d_cli.cli.main import main

light: Any = functools.partial(batch.LocalWorkers, module="tests.batch_worker")

if __name__ == "__main__":
    batch.LocalWorkers = light
    main()
