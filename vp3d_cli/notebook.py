"""Results in notebooks and in pandas: what `Result.to_dataframe` and its rich display are."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.export import _table
from vp3d_cli.types import Result

if TYPE_CHECKING:
    from pandas import DataFrame


def dataframe(result: Result) -> DataFrame:
    """A row per person, frame and joint, with the columns of `export._table`.

    Raises:
        BackendUnavailableError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise BackendUnavailableError(
            "a table of this kind needs pandas; fix: pip install pandas"
        ) from error
    people = [pd.DataFrame(table) for table in _table.tables(result)]
    return pd.concat(people, ignore_index=True) if people else pd.DataFrame(columns=_table.COLUMNS)


def summary(result: Result) -> str:
    """A small HTML table of the people in a result, for notebooks."""
    head = ("person", "frames", "from, s", "to, s", "seen", "confidence", "distance, m")
    rows = []
    for seen, person in zip(result.tracks2d, result.tracks3d, strict=True):
        away = np.linalg.norm(person.root, axis=-1)
        cells = (
            f"{person.track_id}",
            f"{len(person)}",
            f"{seen.times_s[0]:.2f}",
            f"{seen.times_s[-1]:.2f}",
            f"{seen.observed.mean():.0%}",
            f"{np.nanmean(person.confidence):.2f}" if np.isfinite(person.confidence).any() else "–",
            f"{np.nanmedian(away):.1f}" if np.isfinite(away).any() else "–",
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    video = result.video
    about = f"{video.path.name}: {video.width} × {video.height}, {float(video.fps):.4g} frames/s"
    ground = "known" if result.world.is_known else f"unknown: {result.world.how}"
    return (
        f"<p><b>{html.escape(about)}</b><br>ground {html.escape(ground)}</p><table><tr>"
        + "".join(f"<th>{name}</th>" for name in head)
        + "</tr>"
        + "".join(rows)
        + "</table>"
    )
