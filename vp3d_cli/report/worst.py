"""The moments that are worth a look: where the result is least to be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vp3d_cli.report.values import Moment, Person, Series
from vp3d_cli.report.words import number
from vp3d_cli.types import Double

# Moments lie so far apart, seconds, and there are so many.
APART_S = 0.5
MOST = 10
# What counts as much as having no confidence at all: a reprojection error of this many sizes of
# the person's box; motion this many times as nervous as the person's usual.
_RESIDUAL, _JITTER = 0.15, 6.0
# Beside a missing confidence: frames that were filled in, and those at risk.
_FILLED, _AT_RISK = 0.5, 0.4
# Reasons that add less than this to the badness are not told.
_WORTH_TELLING = 0.1
_CALM_M_S2 = 1.0


def worst(people: Sequence[Person], most: int = MOST) -> tuple[Moment, ...]:
    """The worst moments of all people, the worst first, at least `APART_S` from each other."""
    candidates = []
    for position, person in enumerate(people):
        total = np.sum(list(badness(person.series).values()), axis=0)
        candidates += [(value, position, row) for value, row in _peaks(total, person.series, most)]
    found: list[Moment] = []
    for value, position, row in sorted(candidates, key=lambda one: (-one[0], *one[1:])):
        person = people[position]
        time_s = float(person.series.times_s[row])
        if all(abs(time_s - other.time_s) >= APART_S for other in found):
            found.append(_moment(person, row, value))
        if len(found) == most:
            break
    return tuple(found)


def badness(series: Series) -> dict[str, Double]:
    """What is wrong in each frame (T,), by its kind; 0 is nothing, 1 is bad."""
    jitter = np.nan_to_num(series.jitter)
    known = series.jitter[np.isfinite(series.jitter)]
    usual = max(float(np.median(known)) if len(known) else 0.0, _CALM_M_S2)
    return {
        "confidence": 1 - np.nan_to_num(np.clip(series.confidence, 0, 1)),
        "residual": np.minimum(np.nan_to_num(series.residual_share) / _RESIDUAL, 1),
        "filled": _FILLED * series.filled,
        "at_risk": _AT_RISK * series.at_risk,
        "jitter": np.clip((jitter / usual - 1) / _JITTER, 0, 1),
    }


def _peaks(total: Double, series: Series, most: int) -> list[tuple[float, int]]:
    """Badness and row of one person's worst frames, far enough from each other."""
    left = np.ones(len(total), bool)
    found: list[tuple[float, int]] = []
    # Others' moments may stand in the way of some: twice as many will do.
    while left.any() and len(found) < 2 * most:
        row = int(np.where(left, total, -np.inf).argmax())
        found.append((float(total[row]), row))
        left &= np.abs(series.times_s - series.times_s[row]) >= APART_S
    return found


def _moment(person: Person, row: int, total: float) -> Moment:
    series = person.series
    parts = {kind: float(values[row]) for kind, values in badness(series).items()}
    told = {
        "confidence": f"confidence {number(100 * float(series.confidence[row]))} %"
        if np.isfinite(series.confidence[row])
        else "no pose",
        "residual": f"{number(float(series.residual_px[row]))} px beside its keypoints",
        "filled": "filled in: the detector lost the person",
        "at_risk": "somebody else is very close",
        "jitter": f"nervous: {number(float(series.jitter[row]))} m/s²",
    }
    order = sorted(parts, key=lambda kind: -parts[kind])
    reasons = [told[kind] for kind in order if parts[kind] >= _WORTH_TELLING]
    return Moment(
        frame=int(series.frames[row]),
        time_s=float(series.times_s[row]),
        track_id=person.track_id,
        badness=total,
        reasons=tuple(reasons) or (told["confidence"],),
    )
