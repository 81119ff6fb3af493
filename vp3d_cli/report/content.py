"""A report as a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np

from vp3d_cli import files
from vp3d_cli.report.values import BEFORE, NUMBERS, Person, Report
from vp3d_cli.report.words import clock, number
from vp3d_cli.types import Json, World

SCHEMA = "vp3d.report/1"
# Of the table: key, header; two numbers where there is one before.
COLUMNS = {
    "coverage_percent": "Cover-\nage %",
    "filled_percent": "Filled\nin %",
    "at_risk_percent": "Id\nrisk %",
    "confidence_percent": "Conf.\n%",
    "jitter_m_s2": "Jitter\nm/s²",
    "bone_variation_percent": "Bones\n± %",
    "residual_px": "Repr.\npx",
    "skate_mm_s": "Skate\nmm/s",
}


def header() -> tuple[str, ...]:
    """Names of the columns, broken where they are long."""
    return ("Per-\nson", "From\nto", *COLUMNS.values())


def row(person: Person) -> tuple[str, ...]:
    """One person's line of the table."""
    span = f"{clock(person.first_s)}\n{clock(person.last_s)}"
    return (str(person.track_id), span, *(cell(person, key) for key in COLUMNS))


def cell(person: Person, key: str) -> str:
    """A number of a person; with an arrow where it was another before the refinement."""
    decimals = NUMBERS[key].decimals
    after = number(person.numbers[key], decimals)
    if key not in BEFORE or not math.isfinite(person.numbers[key]):
        return after
    before = person.numbers[BEFORE[key]]
    return f"{number(before, decimals)}→{after}" if math.isfinite(before) else after


def clock_lines(report: Report) -> dict[str, str]:
    """What is known of the video and its time, by name."""
    video, clock_ = report.video, report.clock
    frames = "–" if clock_.frames_read is None else str(clock_.frames_read)
    if clock_.frames_promised is not None and clock_.frames_promised != clock_.frames_read:
        frames += f" of {clock_.frames_promised} in the file"
    dropped = "not known: a part was asked for, or the file does not say"
    if clock_.missing_frames is not None:
        dropped = str(clock_.missing_frames)
    step = "–"
    if math.isfinite(clock_.largest_step_s):
        step = f"{number(1000 * clock_.largest_step_s)} ms, {number(clock_.uneven_percent)} % off"
        step += " the beat"
    lasts = "–" if video.duration_s is None else f"{number(video.duration_s, 1)} s"
    focal = number(report.camera.focal_px)
    return {
        "Picture": f"{video.width} × {video.height} px"
        + (f", turned by {video.rotation}°" if video.rotation else ""),
        "Duration": lasts,
        "Frame rate": f"{number(clock_.fps, 2)} frames/s",
        "Frames read": frames,
        "Frames dropped": dropped,
        "Longest step between frames": step,
        "Frames with somebody": f"{number(clock_.covered_percent)} %",
        "Focal length": f"{focal} px ({report.camera.how})",
        "Floor": _floor(report.world),
        "Detector": str(report.made_with.get("detector", "–")),
        "Lifter": str(report.made_with.get("lifter", "–")),
    }


def to_json(report: Report) -> Json:
    """Every number, null where unknown; no clock times, so that equal runs are equal."""
    clock_, level = dataclasses.asdict(report.clock), report.verdict
    return {
        "schema": SCHEMA,
        "pose": report.pose,
        "source": report.source,
        "made_with": report.made_with,
        "verdict": {"level": level[0], "text": level[1]},
        "video": {
            "width": report.video.width,
            "height": report.video.height,
            "duration_s": report.video.duration_s,
            **{key: _plain(value) for key, value in clock_.items()},
        },
        "camera": {"focal_px": _plain(report.camera.focal_px), "how": report.camera.how},
        "world": {"known": report.world.is_known, "how": report.world.how, **_stands(report.world)},
        "people": [_person(person) for person in report.people],
        "advice": [dataclasses.asdict(advice) for advice in report.advice],
        "worst": [dataclasses.asdict(moment) for moment in report.worst],
        "warnings": list(report.warnings),
    }


def _stands(world: World) -> Json:
    """How the camera stands: metres above the floor, degrees up and clockwise; null if unknown."""
    right, down, ahead, height = world.camera_to_world[2]
    told = {
        "camera_height_m": height,
        "camera_pitch_degrees": np.degrees(np.arcsin(np.clip(ahead, -1, 1))),
        "camera_roll_degrees": np.degrees(np.arctan2(-right, -down)),
    }
    return {key: _plain(float(value)) for key, value in told.items()}


def _floor(world: World) -> str:
    if not world.is_known:
        return f"not known: {world.how}"
    height, pitch, roll = _stands(world).values()
    looks = f"{number(abs(pitch))}° {'up' if pitch > 0 else 'down'}"
    turned = f"{number(abs(roll))}° {'clockwise' if roll > 0 else 'counterclockwise'}"
    return f"{number(height, 2)} m below the camera, which looks {looks}, rolled {turned}"


def _person(person: Person) -> Json:
    return {
        "track_id": person.track_id,
        "first_s": person.first_s,
        "last_s": person.last_s,
        "frames": len(person.series.frames),
        "numbers": {key: _plain(value) for key, value in person.numbers.items()},
        "missing": person.missing,
        "joints": {name: _plain(value) for name, value in person.joints.items()},
        "parts": person.parts,
        "filled_s": person.filled,
        "at_risk_s": person.at_risk,
    }


def _plain(value: object) -> object:
    """NaN is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(report: Report, path: Path) -> None:
    """Raises OutputError: the folder is missing or not writable, or the disk is full."""
    text = json.dumps(to_json(report), indent=2, ensure_ascii=True, allow_nan=False)
    with files.written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
