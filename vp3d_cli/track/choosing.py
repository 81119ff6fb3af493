"""Which of the people `--person` asks for."""

from __future__ import annotations

from collections.abc import Sequence

from vp3d_cli.errors import DataError
from vp3d_cli.overlap import area
from vp3d_cli.types import Track2D


def select_people(
    tracks: tuple[Track2D, ...], choice: str, same_person: Sequence[Sequence[int]] = ()
) -> tuple[Track2D, ...]:
    """The tracks that `--person` asks for.

    Args:
        tracks: to choose from.
        choice: "all", "largest" (greatest box area summed over time) or a track id.
        same_person: ids of tracks that are of one person: whoever is chosen is chosen with all
            their tracks.

    Raises:
        DataError: there is no track of that id.
    """
    if choice == "all" or not tracks:
        return tracks
    groups = {i: tuple(group) for group in same_person for i in group}
    if choice == "largest":
        sizes: dict[tuple[int, ...], float] = {}
        for track in tracks:
            group = groups.get(track.track_id, (track.track_id,))
            sizes[group] = sizes.get(group, 0.0) + float(area(track.boxes).sum())
        wanted = max(sizes, key=lambda group: sizes[group])
        return tuple(t for t in tracks if t.track_id in wanted)
    chosen = [t.track_id for t in tracks if str(t.track_id) == choice]
    if not chosen:
        known = ", ".join(f"{t.track_id} (frames {t.frames[0]}-{t.frames[-1]})" for t in tracks)
        raise DataError(f"person '{choice}' does not exist; there are {known}; or all, largest")
    group = groups.get(chosen[0], (chosen[0],))
    return tuple(t for t in tracks if t.track_id in group)
