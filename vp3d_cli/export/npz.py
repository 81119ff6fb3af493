"""The pose file: a NumPy archive that `np.load` opens and `vp3d_cli.results` checks."""

from __future__ import annotations

from pathlib import Path

from vp3d_cli import npz, pose_file
from vp3d_cli.types import Result

SUFFIX = ".npz"
DESCRIPTION = "the pose file itself: NumPy, everything"


def write(result: Result, path: Path) -> None:
    """Write the pose file; equal results give equal bytes.

    Packing makes the columns that are not known cost nothing.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    npz.write(path, pose_file.table(result))
