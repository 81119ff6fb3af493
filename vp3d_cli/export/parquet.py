"""The long table of `csv` as Apache Parquet, for pandas, Polars, DuckDB, Arrow and Spark.

The same columns, typed and not rounded; null is missing. The file's metadata has `vp3d.schema`,
`vp3d.meta` (JSON, as in the pose file) and `vp3d.camera_to_world` (JSON, null where unknown).
Needs pyarrow: pip install 'vp3d[parquet]'.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import files, pose_file
from vp3d_cli.export import _needs, _table
from vp3d_cli.types import Result

SUFFIX = ".parquet"
DESCRIPTION = "the table of csv for data frames and databases; needs vp3d[parquet]"
NEEDS = ("pyarrow", "parquet")

_TYPES = {
    "frame": "int32",
    "time_s": "float64",
    "track_id": "int32",
    "observed": "bool_",
}
_NAMES = ("joint", "reference", "keypoint")


def write(result: Result, path: Path) -> None:
    """Write the table, a person at a time, each a row group.

    Raises:
        BackendUnavailableError: pyarrow is not installed.
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    arrow = _needs.loaded("pyarrow", "parquet")
    parquet = _needs.loaded("pyarrow.parquet", "parquet")
    kinds = {key: getattr(arrow, _TYPES.get(key, "float32"))() for key in _table.COLUMNS}
    kinds |= {key: arrow.string() for key in _NAMES}
    world = result.world
    about = {
        "vp3d.schema": pose_file.SCHEMA,
        "vp3d.meta": json.dumps(pose_file.metadata(result), sort_keys=True, allow_nan=False),
        "vp3d.camera_to_world": json.dumps(
            world.camera_to_world.tolist() if world.is_known else None
        ),
    }
    schema = arrow.schema(list(kinds.items()), metadata=about)
    with (
        files.written_whole(path) as temporary,
        parquet.ParquetWriter(str(temporary), schema, compression="zstd") as stream,
    ):
        for table in _table.tables(result):
            columns = [
                arrow.array(_objects(table[key]), kind, mask=_missing(table[key]))
                for key, kind in kinds.items()
            ]
            stream.write_table(arrow.Table.from_arrays(columns, schema=schema))


def _objects(column: NDArray[Any]) -> NDArray[Any]:
    """Text as Arrow takes it."""
    return column.astype(object) if column.dtype.kind == "U" else column


def _missing(column: NDArray[Any]) -> NDArray[Any] | None:
    if column.dtype.kind == "U":
        return np.asarray(column == "")
    return np.asarray(np.isnan(column)) if column.dtype.kind == "f" else None
