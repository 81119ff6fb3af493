"""A report as one HTML file that needs nothing else: no network, no scripts."""

from __future__ import annotations

import base64
import math
import re
from html import escape
from pathlib import Path

from vp3d_cli import __version__, files
from vp3d_cli.report import plots
from vp3d_cli.report._style import STYLE
from vp3d_cli.report.content import COLUMNS, cell, clock_lines, row
from vp3d_cli.report.values import BEFORE, NUMBERS, Advice, Moment, Person, Report
from vp3d_cli.report.words import clock, count, number

# People with a section of their own; the others are in the table only.
_MOST_SECTIONS = 30
_LEVELS = {"problem": "Problem", "check": "Check", "note": "Good to know"}
_SIGNS = {
    "good": "M9 16l5 5 9-11",
    "check": "M16 9v9M16 22.5v.5",
    "problem": "M11 11l10 10M21 11l-10 10",
}
_TILES = (
    "coverage_percent", "filled_percent", "at_risk_percent", "confidence_percent", "jitter_m_s2",
    "bone_variation_percent", "residual_px", "skate_mm_s", "size_px", "stature_m", "distance_m",
    "speed_m_s",
)  # fmt: skip
# Nothing may be loaded, whatever the words of a file say.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_html(report: Report, path: Path) -> None:
    """Raises OutputError: the folder is missing or not writable, or the disk is full."""
    text = to_html(report)
    with files.written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def to_html(report: Report) -> str:
    """The page. Everything that comes from a file is escaped."""
    title = f"How good is {report.source}?"
    body = "".join(
        (
            _header(report),
            "<main>",
            _advice(report),
            _overview(report),
            _moments(report),
            _people(report),
            _video(report),
            _glossary(),
            "</main>",
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}"
        f"<footer>Made by vp3d {escape(__version__)} from {escape(report.pose)}. Equal pose files "
        "give equal reports.</footer></body></html>\n"
    )


def _header(report: Report) -> str:
    level, words = report.verdict
    people = count(len(report.people), "person", "people")
    read, lasts = report.clock.frames_read, report.video.duration_s
    facts = [people, *([count(read, "frame", "frames")] if read else [])]
    facts += [f"{number(lasts, 1)} s"] if lasts else []
    told = [
        f"{sum(advice.level == kind for advice in report.advice)} {name}"
        for kind, name in (("problem", "problems"), ("check", "to check"), ("note", "notes"))
    ]
    sign = f'<circle cx="16" cy="16" r="14"/><path d="{_SIGNS[level]}"/>'
    return (
        f"<header><h1>{escape(report.source)}</h1>"
        f'<p class="sub">Quality report of {escape(report.pose)} · {" · ".join(facts)}</p>'
        f'<div class="card verdict {level}"><svg viewBox="0 0 32 32" fill="none" '
        'stroke="currentColor" stroke-width="2.5" aria-hidden="true">'
        f"{sign}</svg><div>{escape(words)}<small>{' · '.join(told)}</small></div></div></header>"
    )


def _advice(report: Report) -> str:
    if not report.advice and not report.warnings:
        return ""
    items = "".join(_advice_item(advice) for advice in report.advice)
    warnings = "".join(f"<li>{escape(warning)}</li>" for warning in report.warnings)
    said = ""
    if warnings:
        said = f'<div class="card"><h3>Warnings of the run</h3><ul>{warnings}</ul></div>'
    return (
        '<section aria-labelledby="advice"><h2 id="advice">What to know and do</h2>'
        f'<ul class="advice">{items}</ul>{said and "<p></p>" + said}</section>'
    )


def _advice_item(advice: Advice) -> str:
    who = ", ".join(
        f'<a href="#person-{track_id}">person {track_id}</a>' for track_id in advice.people[:8]
    )
    who += f" and {len(advice.people) - 8} more" if len(advice.people) > 8 else ""
    return (
        f'<li class="card {advice.level}"><h3>{escape(advice.title)} '
        f'<span class="badge {advice.level}">{_LEVELS[advice.level]}</span></h3>'
        f"<p>{_sentence(advice.meaning)}</p>"
        f'<p class="next"><b>Next:</b> {_sentence(advice.action)}'
        f"{f' <span class=muted>({who})</span>' if who else ''}</p></li>"
    )


def _overview(report: Report) -> str:
    if not report.people:
        return ""
    told = [f"{NUMBERS[key].label}\n{NUMBERS[key].unit}" for key in COLUMNS]
    names = "".join(
        f'<th scope="col">{_broken(name)}</th>' for name in ("Person", "From\nto", *told)
    )
    rows, shown = [], _with_sections(report)
    for person in report.people:
        first, *rest = row(person)
        cells = "".join(f"<td>{_broken(text.replace('→', ' → '))}</td>" for text in rest)
        name, place = f'<a href="#person-{first}">Person {first}</a>', ""
        if person.track_id not in shown:
            name, place = f"Person {first}", f' id="person-{first}"'
        rows.append(f'<tr{place}><th scope="row">{name}</th>{cells}</tr>')
    return (
        '<section aria-labelledby="overview"><h2 id="overview">Everybody at a glance</h2>'
        f'<div class="card scroll" role="region" tabindex="0" aria-labelledby="overview"><table>'
        f"<thead><tr>{names}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        '<p class="muted">before → after the refinement; – is unknown, the reason stands with the '
        'person. <a href="#words">What the numbers mean</a></p></section>'
    )


def _broken(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _sentence(text: str) -> str:
    """Words with names of options set off, so that they are not broken."""
    return re.sub(r"(?<![\w-])--[a-z][a-z-]*", r"<code>\g<0></code>", escape(text))


def _moments(report: Report) -> str:
    if not report.worst:
        return ""
    items = "".join(
        _moment(order, moment, report) for order, moment in enumerate(report.worst, start=1)
    )
    told = f"<p>{_sentence(report.no_pictures)}</p>" if report.no_pictures else ""
    many = count(len(report.worst), "moment", "moments")
    return (
        '<section aria-labelledby="worst"><h2 id="worst">The least certain moments</h2>'
        f'<p class="muted">The {many} where the result is least to be trusted, the worst first, '
        f"at least half a second apart.</p>{told}"
        f'<ol class="gallery">{items}</ol></section>'
    )


def _moment(order: int, moment: Moment, report: Report) -> str:
    jpeg = report.pictures.get((moment.frame, moment.track_id))
    reasons = ", ".join(moment.reasons)
    picture = ""
    if jpeg is not None:
        alt = f"Person {moment.track_id} at {clock(moment.time_s)} with the skeleton: {reasons}"
        data = base64.b64encode(jpeg).decode("ascii")
        picture = f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{data}">'
    return (
        f'<li id="moment-{order}"><figure>{picture}<figcaption>'
        f"<b><span>{order}. at {clock(moment.time_s)}</span>"
        f'<a href="#person-{moment.track_id}">person {moment.track_id}</a></b>'
        f"<small>frame {moment.frame}: {escape(reasons)}</small></figcaption></figure></li>"
    )


def _people(report: Report) -> str:
    shown = _with_sections(report)
    sections = "".join(
        _person(person, report) for person in report.people if person.track_id in shown
    )
    left = len(report.people) - len(shown)
    more = f"<p>{count(left, 'person', 'people')} more: see the table above.</p>" if left else ""
    return sections + more


def _with_sections(report: Report) -> set[int]:
    """Ids of the people who are there longest."""
    longest = sorted(report.people, key=lambda person: -len(person.series.frames))
    return {person.track_id for person in longest[:_MOST_SECTIONS]}


def _person(person: Person, report: Report) -> str:
    heading = f"person-{person.track_id}"
    frames = count(len(person.series.frames), "frame", "frames")
    tiles = "".join(_tile(person, key) for key in _TILES)
    mine = [
        (order, moment)
        for order, moment in enumerate(report.worst, start=1)
        if moment.track_id == person.track_id
    ]
    drawn = '<p class="none">One frame only: nothing to draw over time.</p>'
    if len(person.series.frames) > 1:
        drawn = plots.figure(person, mine)
    parts = _bars(person.parts)
    joints = _bars({name.replace("_", " "): value for name, value in person.joints.items()})
    return (
        f'<section aria-labelledby="{heading}"><h2 id="{heading}">Person {person.track_id}</h2>'
        f'<div class="card"><p class="sub">{clock(person.first_s)} to {clock(person.last_s)}, '
        f'{frames}</p><div class="tiles">{tiles}</div>'
        f"<h3>Over time</h3>{_legend(person, bool(mine))}{drawn}"
        f"<details><summary>Which parts of the body are seen, and how sure each joint is"
        f"</summary><h4>Share of frames in which it is seen</h4>{parts}"
        f"<h4>Mean confidence</h4>{joints}</details></div></section>"
    )


def _legend(person: Person, has_moments: bool) -> str:
    keys = []
    if person.filled:
        keys.append('<span class="key filled">filled in</span>')
    if person.at_risk:
        keys.append('<span class="key risky">identity at risk</span>')
    if has_moments:
        keys.append("<span>numbers in circles: the least certain moments</span>")
    return f'<p class="keys muted">{"".join(keys)}</p>' if keys else ""


def _tile(person: Person, key: str) -> str:
    told = NUMBERS[key]
    value = person.numbers[key]
    if not math.isfinite(value):
        shown, below = "–", person.missing.get(key, "")
    else:
        shown = f'{number(value, told.decimals)} <span class="unit">{escape(told.unit)}</span>'
        below = _below(person, key)
    return (
        f'<div class="tile"><span>{escape(told.label)}</span><b>{shown}</b>'
        f"<small>{escape(below)}</small></div>"
    )


def _below(person: Person, key: str) -> str:
    """What stands in small letters below a number."""
    if key in BEFORE and math.isfinite(before := person.numbers[BEFORE[key]]):
        return f"before: {number(before, NUMBERS[key].decimals)}"
    if key == "residual_px":
        return f"{cell(person, 'residual_percent')} % of the size"
    if key == "size_px":
        return f"{cell(person, 'size_percent')} % of the picture's height"
    return "learned, not measured" if key == "stature_m" else ""


def _bars(shares: dict[str, float]) -> str:
    """Shares, 0 to 1, as bars."""
    items = "".join(
        f'<li><span>{escape(name)}</span><i><i style="width:{100 * min(max(share, 0), 1):.0f}%">'
        f"</i></i><span>{number(100 * share)} %</span></li>"
        if math.isfinite(share)
        else f"<li><span>{escape(name)}</span><i></i><span>–</span></li>"
        for name, share in shares.items()
    )
    return f'<ul class="bars">{items}</ul>'


def _video(report: Report) -> str:
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in clock_lines(report).items()
    )
    return (
        '<section aria-labelledby="video"><h2 id="video">Video, camera and time</h2>'
        f'<div class="card"><dl class="facts">{facts}</dl></div>'
        '<p class="muted">How long each step took to compute is printed by the run, and is not '
        "stored in pose files, so that equal runs give equal files.</p></section>"
    )


def _glossary() -> str:
    terms = "".join(
        f"<dt>{escape(told.label)}</dt><dd>{escape(told.meaning)}</dd>"
        for key, told in NUMBERS.items()
        if key not in BEFORE.values()
    )
    return (
        '<section aria-labelledby="words"><h2 id="words">What the numbers mean</h2>'
        f'<div class="card"><dl class="words">{terms}</dl></div></section>'
    )
