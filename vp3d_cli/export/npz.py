"""The pose file: a NumPy archive that `np.load` opens and `vp3d_cli.results` checks."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from vp3d_cli import files, pose_file
from vp3d_cli.types import Result

SUFFIX = ".npz"


def write(result: Result, path: Path) -> None:
    """Write the pose file; equal results give equal bytes.

    This is `np.savez_compressed` without its pickle, and without the ".npz" it would add to the
    name the user chose. A member opened by name is dated 1980, so no clock gets in. Packing
    makes the columns that are not known cost nothing.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    table = pose_file.table(result)
    with (
        files.written_whole(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for key, array in table.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
