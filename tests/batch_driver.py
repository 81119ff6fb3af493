"""`vp3d` with the workers of `tests.batch_worker`: python -m tests.batch_driver batch ..."""

from __future__ import annotations

import functools
import os
from typing import Any

import vp3d_cli.batch.ray
from vp3d_cli import batch
from vp3d_cli.cli.main import main

light: Any = functools.partial(batch.LocalWorkers, module="tests.batch_worker")
light_there: Any = functools.partial(batch.RayWorkers, module="tests.batch_worker")

if __name__ == "__main__":
    batch.LocalWorkers, batch.RayWorkers = light, light_there
    if version := os.environ.get("VP3D_TEST_VERSION"):
        vp3d_cli.batch.ray.__version__ = version
    main()
