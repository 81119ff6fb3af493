"""Which of the people `--person` asks for."""

from __future__ import annotations

from vp3d_cli.errors import DataError
from vp3d_cli.overlap import area
from vp3d_cli.types import Track2D


def select_people(tracks: tuple[Track2D, ...], choice: str) -> tuple[Track2D, ...]:
    """The tracks that `--person` asks for.

    Args:
        choice: "all", "largest" (greatest box area summed over time) or a track id.

    Raises:
        DataError: there is no track of that id.
    """
    if choice == "all" or not tracks:
        return tracks
    if choice == "largest":
        return (max(tracks, key=lambda t: float(area(t.boxes).sum())),)
    chosen = tuple(t for t in tracks if str(t.track_id) == choice)
    if not chosen:
        known = ", ".join(f"{t.track_id} (frames {t.frames[0]}-{t.frames[-1]})" for t in tracks)
        raise DataError(f"person '{choice}' does not exist; there are {known}; or all, largest")
    return chosen
