"""Who is who after people met: looked at again when all is known, by the clothes they wear.

While two people overlap, neither motion nor colours say which detection is whose. Before and
after, where each is seen clearly, dozens of frames do.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

import numpy as np
from scipy.optimize import linear_sum_assignment

from vp3d_cli.track.motion import Motion
from vp3d_cli.track.person import Person, Sighting, unlike
from vp3d_cli.types import NUM_COLOURS, Float

# Clear sightings that tell somebody's clothes: at least, and at most.
_FEWEST, _MOST = 3, 60
# Two stretches of a meeting this close together, seconds, are one.
_PAUSE_S = 0.25
# Whoever appears this soon after a meeting, seconds, may have been in it.
_LATE_S = 1.5
# How much nearer all clothes must come for people to be exchanged, a person.
_MARGIN = 0.08
# Clothes this alike, and this much more alike than anybody else's, are one person's who comes
# back. Different shirts measured above 0.45, one shirt in other light below 0.35.
_SAME, _CLEARLY = 0.35, 0.12


@dataclass
class _Meeting:
    """People who were not clear of each other, from the first of it to the last."""

    first_s: float
    last_s: float
    boxes: list[Float]
    sightings: set[int]  # identities of the objects: who they belong to may yet change


def resolve(people: list[Person]) -> list[Person]:
    """Exchange what follows a meeting between people whose clothes say so.

    Args:
        people: everybody, with their sightings.

    Returns:
        Everybody, with sightings of one person as far as colours tell. Who is left without any
        is gone; sightings are neither lost nor doubled.
    """
    if not any(_is_told(s) for person in people for s in person.sightings):
        return people
    sightings = [list(person.sightings) for person in people]
    for meeting in _meetings(people):
        _exchange(sightings, meeting)
    return [_person(seen) for seen in sightings if seen]


def rejoin(people: list[Person]) -> list[list[Person]]:
    """Who comes back: people in groups that are one person each, in order of time."""
    order = sorted(people, key=lambda p: p.sightings[0].time_s)
    # Light changes on the way: what somebody looked like first, and last.
    worn = [[_worn(seen) for seen in (p.sightings, p.sightings[::-1])] for p in order]
    nothing = np.full(NUM_COLOURS, np.nan, np.float32)
    clothes = np.array([[nothing if c is None else c for c in pair] for pair in worn], np.float32)
    groups: list[list[int]] = []
    for new in range(len(order)):
        choice = _whose_return(new, order, clothes, groups)
        if choice is None:
            groups.append([new])
        else:
            groups[choice].append(new)
    return [[order[i] for i in group] for group in groups]


def _whose_return(
    new: int, order: Sequence[Person], clothes: Float, groups: list[list[int]]
) -> int | None:
    """The group that somebody new belongs to; None where it is nobody's or not clear whose.

    Args:
        new: who, a position in `order`.
        order: everybody, by when they appear.
        clothes: (P, 2, NUM_COLOURS) of each, first and last; NaN where they are not known.
        groups: of those before.
    """
    mine = clothes[new, 0]
    if not groups or not np.isfinite(mine).all():
        return None
    start, end = order[new].sightings[0].time_s, order[new].last.time_s
    # All at once: a day in a street has thousands of people. Whoever is not known is unlike.
    far = np.nan_to_num(unlike(mine, clothes), nan=1.0)
    nearest = far.min(1)
    away = [float(nearest[group].min()) for group in groups]
    free = [all(order[i].last.time_s < start for i in group) for group in groups]
    # A stranger who is here at the same time and dressed alike shows that clothes do not tell.
    together = takewhile(lambda i: order[i].sightings[0].time_s <= end, range(new + 1, len(order)))
    while_here = [float(far[i, 0]) for i in together]
    best = min((g for g in range(len(groups)) if free[g]), key=lambda g: away[g], default=None)
    if best is None or away[best] > _SAME:
        return None
    others = [away[g] for g in range(len(groups)) if g != best] + while_here
    return best if min(others, default=1.0) - away[best] >= _CLEARLY else None


def _meetings(people: Sequence[Person]) -> list[_Meeting]:
    """Stretches in which somebody is not clear, joined where they overlap in time and place."""
    runs = [run for person in people for run in _unclear(person.sightings)]
    meetings: list[_Meeting] = []
    for mine in sorted(runs, key=lambda run: run.first_s):
        rest = []
        for other in meetings:
            in_time = mine.first_s <= other.last_s + _PAUSE_S
            if in_time and any(_touch(a, b) for a in mine.boxes for b in other.boxes):
                mine.sightings |= other.sightings
                mine.first_s = min(mine.first_s, other.first_s)
                mine.last_s = max(mine.last_s, other.last_s)
                mine.boxes += other.boxes
            else:
                rest.append(other)
        meetings = [*rest, mine]
    return sorted(meetings, key=lambda meeting: meeting.first_s)


def _unclear(sightings: Sequence[Sighting]) -> Iterator[_Meeting]:
    """One person's part in each meeting."""
    run: list[Sighting] = []
    for sighting in sightings:
        if sighting.is_clear:
            continue
        if run and sighting.time_s - run[-1].time_s > _PAUSE_S:
            yield _part(run)
            run = []
        run.append(sighting)
    if run:
        yield _part(run)


def _part(run: Sequence[Sighting]) -> _Meeting:
    return _Meeting(run[0].time_s, run[-1].time_s, [_around(run)], {id(s) for s in run})


def _around(run: Sequence[Sighting]) -> Float:
    boxes = np.stack([s.box for s in run])
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def _touch(a: Float, b: Float) -> bool:
    return bool((np.maximum(a[:2], b[:2]) <= np.minimum(a[2:], b[2:])).all())


def _exchange(sightings: list[list[Sighting]], meeting: _Meeting) -> None:
    """Give everybody of a meeting what follows it for them, in place."""
    middle = (meeting.first_s + meeting.last_s) / 2
    heads, tails = {}, {}
    for who, seen in enumerate(sightings):
        if not seen:
            continue
        # An hour has thousands of meetings: none may look through all sightings.
        begin = bisect_left(seen, meeting.first_s, key=_time_of)
        end = bisect_right(seen, meeting.last_s, key=_time_of)
        is_late = meeting.first_s <= seen[0].time_s <= meeting.last_s + _LATE_S
        is_here = any(id(s) in meeting.sightings for s in seen[begin:end])
        if not is_here and not is_late:
            continue
        before = (seen[i] for i in range(begin - 1, -1, -1))
        after = (seen[i] for i in range(end, len(seen)))
        if is_here and (worn := _worn(before)) is not None:
            heads[who] = worn
        if (worn := _worn(_until_unclear(after))) is not None:
            tails[who] = worn
    if len(heads) < 2 or not tails:
        return
    exchanged = _pairs(heads, tails)
    if not exchanged:
        return
    first_parts = {w: [s for s in sightings[w] if s.time_s <= middle] for w in heads | tails}
    last_parts = {w: [s for s in sightings[w] if s.time_s > middle] for w in heads | tails}
    taken = set(exchanged.values())
    for who in exchanged.keys() | taken:
        if who in exchanged:
            sightings[who] = first_parts[who] + last_parts[exchanged[who]]
        else:
            # Somebody else was them after the meeting.
            sightings[who] = first_parts[who]
    for who in exchanged.keys() - taken:
        # What they did after it was somebody's, but nobody of the meeting's.
        sightings.append(last_parts[who])


def _until_unclear(after: Iterable[Sighting]) -> Iterator[Sighting]:
    """The sightings up to the next meeting."""
    for number, sighting in enumerate(after):
        if not sighting.is_clear and number >= _FEWEST:
            return
        yield sighting


def _pairs(heads: dict[int, Float], tails: dict[int, Float]) -> dict[int, int]:
    """For each person who is exchanged, whose end follows; empty where all stay themselves."""
    rows, columns = list(heads), list(tails)
    away = unlike(
        np.stack([heads[w] for w in rows])[:, None], np.stack([tails[w] for w in columns])[None]
    ).astype(np.float64)
    biased = away - 2 * _MARGIN * (np.array(rows)[:, None] == np.array(columns)[None])
    chosen = {rows[r]: columns[c] for r, c in zip(*linear_sum_assignment(biased), strict=True)}
    changed = {h: t for h, t in chosen.items() if h != t}
    # Who merely ends in the meeting, and somebody new after it: that is for `rejoin` to join.
    return changed if any(t in heads for t in changed.values()) else {}


def _worn(sightings: Iterable[Sighting]) -> Float | None:
    """The clothes in the first clear sightings; None where there are too few."""
    seen = [s.colours for s in islice(filter(_is_told, sightings), _MOST)]
    return np.asarray(np.mean(seen, 0), np.float32) if len(seen) >= _FEWEST else None


def _is_told(sighting: Sighting) -> bool:
    """Whether the colours are those of one person, and known."""
    return sighting.is_clear and bool(np.isfinite(sighting.colours).all())


def _time_of(sighting: Sighting) -> float:
    return sighting.time_s


def _person(sightings: list[Sighting]) -> Person:
    person = Person(Motion(sightings[0].box))
    for sighting in sightings:
        person.see(sighting)
    return person
