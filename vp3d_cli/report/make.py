"""From a result to its report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vp3d_cli.report.advice import advice_for
from vp3d_cli.report.clock import clock_of
from vp3d_cli.report.measures import person_of
from vp3d_cli.report.values import Report
from vp3d_cli.report.words import clean
from vp3d_cli.report.worst import worst
from vp3d_cli.types import Camera, Json, Result, World

Progress = Callable[[int, "int | None"], None]

WITHOUT_VIDEO = "Give the video with --video to see them as pictures."


def make(
    result: Result, name: str, *, video: Path | None = None, progress: Progress | None = None
) -> Report:
    """Measure a result, and say what the numbers mean.

    Args:
        result: the poses.
        name: of the pose file.
        video: the video that they were found in, for pictures of the worst moments.
        progress: called with the number of frames read for the pictures, and of all.

    Raises:
        DataError: the video is not the one that the poses were found in.
        VideoError: the video cannot be read.
    """
    # What a file says of itself is written on one line, and without what a terminal obeys.
    result = dataclasses.replace(
        result,
        camera=Camera(result.camera.focal_px, clean(result.camera.how)),
        world=World(result.world.camera_to_world, clean(result.world.how)),
    )
    people = tuple(person_of(result, position) for position in range(len(result.tracks2d)))
    clock = clock_of(result)
    source = _dict(result.provenance.get("source")).get("name") or result.video.path.name
    report = Report(
        pose=clean(name),
        source=clean(source),
        video=result.video,
        camera=result.camera,
        world=result.world,
        made_with=_made_with(result),
        clock=clock,
        people=people,
        advice=advice_for(result, people, clock),
        worst=worst(people),
        warnings=_warnings(result),
        no_pictures=WITHOUT_VIDEO,
    )
    if video is None:
        return report
    from vp3d_cli.report.pictures import pictures_of

    pictures, caution = pictures_of(result, report.worst, video, progress)
    warnings = (*report.warnings, *([clean(caution)] if caution else []))
    return dataclasses.replace(report, pictures=pictures, no_pictures="", warnings=warnings)


def _made_with(result: Result) -> Json:
    told = result.provenance
    detector, lifter = _dict(told.get("detector")), _dict(told.get("lifter"))
    known = {
        "version": told.get("version"),
        "detector": detector.get("name"),
        "lifter": lifter.get("name"),
    }
    return {key: clean(value) for key, value in known.items() if isinstance(value, str)}


def _warnings(result: Result) -> tuple[str, ...]:
    told = result.provenance.get("warnings")
    return tuple(clean(warning) for warning in told) if isinstance(told, list) else ()


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
