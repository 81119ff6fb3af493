"""A contact sheet of the people in a video: who is which id, as a PNG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vp3d_cli.errors import OutputError
from vp3d_cli.files import written_whole
from vp3d_cli.render import _draw as draw
from vp3d_cli.render import _palette as palette
from vp3d_cli.types import Double, Float, Image, Result, Track2D
from vp3d_cli.video import VideoReader

# Pictures of each person, and their size, px.
_PICTURES, _WIDE, _HIGH = 5, 150, 200
_MARGIN, _GAP, _HEAD, _LINE, _FOOT = 20, 10, 78, 44, 34
_INSET = 14
_CARD = _INSET + _HIGH + 22 + _LINE
_FACTS = 190
_WIDTH = 2 * _MARGIN + 2 * _INSET + _FACTS + _PICTURES * (_WIDE + _GAP)
# More people than this do not fit in a picture; those seen longest come first then.
_MOST = 40
# Room around a person in a picture, in sides of the box.
_AROUND = 0.16
_RISK: palette.Colour = (72, 84, 240)
_TRACK: palette.Colour = (64, 54, 48)
# Of the rows of a track, how many to the left and right of a moment are searched for a good one.
_SEARCH = 0.06


@dataclass(frozen=True)
class _Person:
    """Tracks of one person, in order of time, and the moments that are shown."""

    tracks: tuple[Track2D, ...]
    shown: tuple[tuple[Track2D, int], ...]

    @property
    def frames(self) -> int:
        return sum(len(track) for track in self.tracks)


def write_people_sheet(result: Result, video: Path, out: Path) -> None:
    """Write a picture with a row for each person: id, colour, how they look, when they are seen.

    Tracks that `provenance["same_person"]` says are of one person share a row.

    Args:
        result: the poses.
        video: the video that they were found in.
        out: ends in .png.

    Raises:
        VideoError: the video cannot be read.
        OutputError: `out` cannot be written.
    """
    people = _people(result)
    thumbs = _thumbs(people[:_MOST], video)
    picture = _sheet(result, people, thumbs)
    with written_whole(out) as temporary:
        done, packed = cv2.imencode(".png", picture)
        if not done:
            raise OutputError(f"{out}: the picture cannot be packed as PNG")
        temporary.write_bytes(packed.tobytes())


def _people(result: Result) -> list[_Person]:
    """By id; where there are too many, those seen longest first."""
    tracks = {track.track_id: track for track in result.tracks2d}
    groups = {i: tuple(g) for g in result.provenance.get("same_person", []) for i in g}
    people: list[_Person] = []
    for track_id in tracks:
        group = [i for i in groups.get(track_id, (track_id,)) if i in tracks]
        if track_id == group[0]:
            parts = tuple(tracks[i] for i in group)
            people.append(_Person(parts, _moments(parts)))
    if len(people) > _MOST:
        people.sort(key=lambda person: -person.frames)
    return people


def _moments(tracks: tuple[Track2D, ...]) -> tuple[tuple[Track2D, int], ...]:
    """Rows spread over a person's time, and near each the one that shows them best."""
    owner = np.concatenate([np.full(len(t), i) for i, t in enumerate(tracks)])
    row = np.concatenate([np.arange(len(t)) for t in tracks])
    good = np.concatenate([_goodness(t) for t in tracks])
    reach = max(int(_SEARCH * len(row)), 1)
    chosen = []
    for share in (np.arange(_PICTURES) + 0.5) / _PICTURES:
        middle = int(share * len(row))
        first, last = max(middle - reach, 0), min(middle + reach + 1, len(row))
        chosen.append(first + int(good[first:last].argmax()))
    return tuple((tracks[owner[i]], int(row[i])) for i in sorted(set(chosen)))


def _goodness(track: Track2D) -> Float:
    """How well somebody is seen in each row: sure, alone, and really there."""
    sure = np.nan_to_num(track.scores).mean(1) * np.isfinite(track.boxes).all(1)
    return np.asarray(sure * track.observed * np.where(track.at_risk, 0.3, 1.0), np.float32)


def _thumbs(people: list[_Person], video: Path) -> dict[tuple[int, int], Image]:
    """The pictures of those moments, by track id and frame, in one go through the video."""
    wanted: dict[int, list[tuple[Track2D, int]]] = {}
    for person in people:
        for track, row in person.shown:
            wanted.setdefault(int(track.frames[row]), []).append((track, row))
    found: dict[tuple[int, int], Image] = {}
    if not wanted:
        return found
    with VideoReader(video) as reader:
        for frame in reader:
            for track, row in wanted.pop(frame.index, []):
                found[track.track_id, frame.index] = _cropped(frame.image, track.boxes[row])
            if not wanted:
                break
    return found


def _cropped(image: Image, box: Float) -> Image:
    """The person in the middle, in the shape of a picture; outside of the frame it is dark."""
    left, top, right, bottom = np.nan_to_num(box, nan=0.0, posinf=0.0, neginf=0.0).tolist()
    high, wide = (bottom - top) * (1 + 2 * _AROUND), (right - left) * (1 + 2 * _AROUND)
    high = max(high, wide * _HIGH / _WIDE, 8.0)
    scale = _HIGH / high
    # Faces matter: boxes end at the eyes, so that there must be more room above than below.
    middle = (left + right) / 2, (top + bottom) / 2 - 0.04 * high
    shift = np.array([_WIDE / 2 - scale * middle[0], _HIGH / 2 - scale * middle[1]])
    matrix = np.array([[scale, 0, shift[0] - 0.5], [0, scale, shift[1] - 0.5]])
    matrix[:, 2] += 0.5 * scale
    if scale < 0.5:
        # Pixels in between would be left out: make the picture small first.
        less = 1 / max(int(0.5 / scale) + 1, 1)
        image = np.asarray(
            cv2.resize(image, None, fx=less, fy=less, interpolation=cv2.INTER_AREA), np.uint8
        )
        matrix[:, :2] /= less
    size = (_WIDE, _HIGH)
    thumb = cv2.warpAffine(image, matrix, size, borderValue=palette.PANEL_BOTTOM)
    return np.asarray(thumb, np.uint8)


def _sheet(result: Result, people: list[_Person], thumbs: dict[tuple[int, int], Image]) -> Image:
    rows = max(min(len(people), _MOST), 1)
    height = _HEAD + rows * (_CARD + _GAP) + _FOOT
    picture = np.empty((height, _WIDTH, 3), np.uint8)
    picture[:] = palette.CANVAS
    name = str(result.provenance.get("source", {}).get("name", result.video.path.name))
    count = f"{len(people)} {'person' if len(people) == 1 else 'people'}"
    draw.text(picture, count, _MARGIN, 30, palette.TEXT, size=22, weight=1.4)
    draw.text(picture, _short(name, 70), _MARGIN, 56, palette.MUTED, size=14)
    _legend(picture)
    end_s = max((float(p.tracks[-1].times_s[-1]) for p in people), default=0.0)
    end_s = max(end_s, result.video.duration_s or 0.0, 1e-3)
    for number, person in enumerate(people[:_MOST]):
        _card(picture, _HEAD + number * (_CARD + _GAP), person, thumbs, end_s)
    if not people:
        middle = (_WIDTH / 2, _HEAD + _CARD / 2)
        draw.text(picture, "nobody was found", *middle, palette.MUTED, size=18, align=0.5)
    note = "--person ID takes one of them" if people else ""
    if len(people) > _MOST:
        note = f"the {_MOST} seen longest; {len(people) - _MOST} more are not shown.  {note}"
    draw.text(picture, note, _MARGIN, height - _FOOT / 2, palette.MUTED, size=13)
    return picture


def _legend(picture: Image) -> None:
    """What the marks on the lines of time mean."""
    right = float(_WIDTH - _MARGIN)
    for words, colour in (
        ("close to somebody", _RISK),
        ("filled in", palette.mix(palette.accent(1), _TRACK, 0.6)),
        ("seen", palette.accent(1)),
    ):
        draw.text(picture, words, right, 56, palette.MUTED, size=13, align=1.0)
        right -= draw.text_width(words, 13) + 20
        draw.rounded_box(picture, round(right), 51, 14, 10, colour, 3)
        right -= 16


def _card(
    picture: Image,
    top: int,
    person: _Person,
    thumbs: dict[tuple[int, int], Image],
    end_s: float,
) -> None:
    draw.rounded_box(
        picture, _MARGIN, top, _WIDTH - 2 * _MARGIN, _CARD, palette.PANEL_BOTTOM, palette.CORNER
    )
    _facts(picture, top, person)
    left = _MARGIN + _INSET + _FACTS
    for place, (track, row) in enumerate(person.shown):
        x, y = left + place * (_WIDE + _GAP), top + _INSET
        frame = int(track.frames[row])
        thumb = thumbs.get((track.track_id, frame))
        tile = picture[y : y + _HIGH, x : x + _WIDE]
        tile[:] = palette.PANEL_TOP if thumb is None else thumb
        draw.round_corners(tile, 8, palette.PANEL_BOTTOM)
        words = f"{_clock(float(track.times_s[row]))}   frame {frame}"
        draw.text(picture, words, x + _WIDE / 2, y + _HIGH + 12, palette.MUTED, size=12, align=0.5)
    _line(picture, top + _CARD - _LINE + 12, person, end_s)


def _facts(picture: Image, top: int, person: _Person) -> None:
    """The ids as they are in the overlay, and what there is to say."""
    left, y = _MARGIN + _INSET, top + _INSET
    x = left
    for track in person.tracks[:6]:
        words = str(track.track_id)
        draw.tag(picture, words, x, y, palette.accent(track.track_id))
        x += draw.tag_width(words) + 6
    if len(person.tracks) > 6:
        draw.text(picture, f"+{len(person.tracks) - 6}", x, y + 11, palette.MUTED, size=13)
    first, last = person.tracks[0], person.tracks[-1]
    observed = sum(int(track.observed.sum()) for track in person.tracks)
    risk = sum(int(track.at_risk.sum()) for track in person.tracks)
    lines = [
        f"{_clock(float(first.times_s[0]))} - {_clock(float(last.times_s[-1]))}",
        f"{person.frames} frames",
        f"{_percent(observed, person.frames)} of them seen",
        f"{risk} close to somebody" if risk else "never close to anybody",
    ]
    if len(person.tracks) > 1:
        lines.append(f"comes back {_times(len(person.tracks) - 1)}")
    for number, words in enumerate(lines):
        colour = palette.TEXT if number == 0 else palette.MUTED
        draw.text(picture, words, left, y + 44 + 24 * number, colour, size=14)


def _line(picture: Image, y: int, person: _Person, end_s: float) -> None:
    """When the person is there, over the time of the whole video."""
    left, width = _MARGIN + _INSET, _WIDTH - 2 * _MARGIN - 2 * _INSET
    draw.rounded_box(picture, left, y, width, 12, _TRACK, 5)
    for track in person.tracks:
        step = float(track.times_s[-1] - track.times_s[0]) / max(len(track) - 1, 1)
        colour = palette.accent(track.track_id)
        filled = palette.mix(colour, _TRACK, 0.6)
        at = _columns(track.times_s, end_s, width)
        ends = [*at[1:], *_columns(track.times_s[-1:] + step, end_s, width)]
        for row in range(len(track)):
            span = slice(left + at[row], left + min(max(ends[row], at[row] + 1), width))
            picture[y : y + 12, span] = colour if track.observed[row] else filled
        for row in np.flatnonzero(track.at_risk).tolist():
            span = slice(left + at[row], left + min(max(ends[row], at[row] + 1), width))
            picture[y + 8 : y + 12, span] = _RISK


def _columns(times_s: Double, end_s: float, width: int) -> list[int]:
    return [int(x) for x in np.clip(times_s / end_s * width, 0, width - 1)]


def _percent(part: int, whole: int) -> str:
    """Never 100% where something is missing."""
    return f"{100 * part // max(whole, 1)}%"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _clock(time_s: float) -> str:
    """Minutes and seconds."""
    tenths = max(int(time_s * 10 + 0.5), 0)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    clock = f"{minutes}:{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{tenths // 10:02d}" if hours else clock


def _short(words: str, most: int) -> str:
    """A long name without its middle; the font has ASCII only."""
    plain = words.encode("ascii", "replace").decode()
    return plain if len(plain) <= most else f"{plain[: most // 2]}...{plain[-most // 2 + 3 :]}"
