"""The video behind 2D keypoints: what their file says of it, and what it takes to be told."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

from vp3d_cli import files
from vp3d_cli.errors import DataError
from vp3d_cli.types import Json, Keypoints2D, VideoInfo

# What a detector is called that only left a file.
UNKNOWN = "precomputed"
# Frame rates this close are the same, rounded.
_SAME_RATE = 0.01


def describe(video: VideoInfo) -> Json:
    """For the provenance of keypoints: where they come from, and what `VideoInfo` knows of it."""
    path = video.path
    return {
        "source": {"name": path.name, "sha256": files.sha256(path) if path.is_file() else None},
        "container": {
            "rotation": video.rotation,
            "duration_s": video.duration_s,
            "has_audio": video.has_audio,
            "num_frames": video.num_frames,
            **({} if video.lens_mm is None else {"lens_mm": video.lens_mm}),
        },
    }


def video_of(keypoints: Keypoints2D) -> VideoInfo:
    """The video, as far as the keypoints tell.

    Raises:
        DataError: they say nothing of the size of its frames, or of its frame rate.
    """
    width, height, fps = keypoints.width, keypoints.height, keypoints.fps
    missing = ["the size of the frames"] * (width is None or height is None)
    missing += ["the frame rate"] * (fps is None)
    if width is None or height is None or fps is None:
        raise DataError(
            f"{name_of(keypoints)}: does not say {' or '.join(missing)}; "
            "give --video VIDEO, or --size WIDTHxHEIGHT and --fps RATE"
        )
    told = _dict(_told(keypoints).get("container"))
    rotation, duration_s = told.get("rotation"), told.get("duration_s")
    promised = told.get("num_frames", keypoints.num_frames)
    known = isinstance(duration_s, (int, float)) and 0 <= duration_s < math.inf
    lens_mm = told.get("lens_mm")
    has_lens = isinstance(lens_mm, (int, float)) and 0 < lens_mm < math.inf
    return VideoInfo(
        path=Path(source_of(keypoints)["name"]),
        width=width,
        height=height,
        fps=fps,
        num_frames=promised if type(promised) is int and promised >= 0 else None,
        rotation=rotation if rotation in (0, 90, 180, 270) else 0,
        duration_s=duration_s if known else None,
        has_audio=told.get("has_audio") is True,
        lens_mm=lens_mm if has_lens else None,
    )


def source_of(keypoints: Keypoints2D) -> Json:
    """Name and SHA-256 of the video; of an unknown one the name of the keypoints' file."""
    told = _dict(keypoints.provenance.get("source"))
    name, digest = told.get("name"), told.get("sha256")
    if not isinstance(name, str) or not name:
        return {"name": name_of(keypoints), "sha256": None}
    return {"name": Path(name).name, "sha256": digest if isinstance(digest, str) else None}


def detector_of(keypoints: Keypoints2D) -> Json:
    """What is known of the detector behind the keypoints; it has a name at least."""
    told = _dict(_told(keypoints).get("detector"))
    if isinstance(told.get("name"), str):
        return told
    return {"name": UNKNOWN, "skeleton": keypoints.skeleton.name}


def options_of(keypoints: Keypoints2D) -> Json:
    """The options that the keypoints were found with, as far as they are known."""
    return _dict(_told(keypoints).get("options"))


def warnings_of(keypoints: Keypoints2D) -> list[str]:
    """What was said when the keypoints were found."""
    told = _told(keypoints).get("warnings")
    return [str(warning) for warning in told] if isinstance(told, list) else []


def provenance_of(keypoints: Keypoints2D) -> Json:
    """What a result says of its keypoints: the video, the detector, and their file if any."""
    told = {"source": source_of(keypoints), "detector": detector_of(keypoints)}
    file = file_of(keypoints)
    return told | ({"keypoints": file} if file else {})


def file_of(keypoints: Keypoints2D) -> Json:
    """The file that the keypoints come from: name, format, SHA-256; empty where there is none."""
    if "file" not in keypoints.provenance:
        return _dict(keypoints.provenance.get("keypoints"))
    return {k: v for k, v in keypoints.provenance.items() if k not in ("source", "origin")}


def as_found(keypoints: Keypoints2D, name: str) -> Keypoints2D:
    """Keypoints of a file of ours as they were before they were written.

    Args:
        keypoints: as read.
        name: of the video, which may be called otherwise now.
    """
    source = source_of(keypoints)
    known_as = f"{source['name']}:"
    warnings = [
        f"{name}:{warning.removeprefix(known_as)}" if warning.startswith(known_as) else warning
        for warning in warnings_of(keypoints)
    ]
    told = {**_told(keypoints), "source": source | {"name": name}, "warnings": warnings}
    return dataclasses.replace(keypoints, provenance=told)


def name_of(keypoints: Keypoints2D) -> str:
    """What to call the keypoints in a message: the name of their file."""
    return str(file_of(keypoints).get("file") or "keypoints")


def _told(keypoints: Keypoints2D) -> Json:
    """What whoever found the keypoints said; a file keeps it apart from what it is itself."""
    told = keypoints.provenance
    return _dict(told.get("origin")) if "file" in told or "origin" in told else told


def require_agreement(
    keypoints: Keypoints2D, size: tuple[int, int] | None, fps: Fraction | None
) -> None:
    """Compare what a file says of its video with what is known of it.

    Raises:
        DataError: they differ; what nobody says never does.
    """
    said = (keypoints.width, keypoints.height)
    if size is not None and any(a not in (None, b) for a, b in zip(said, size, strict=True)):
        raise DataError(
            f"{name_of(keypoints)}: was made for frames of {said[0]} x {said[1]} pixels, not of "
            f"{size[0]} x {size[1]}; give the video it was made for, or leave that to the file"
        )
    rate = keypoints.fps
    if fps is not None and rate is not None and abs(fps / rate - 1) > _SAME_RATE:
        raise DataError(
            f"{name_of(keypoints)}: was made at {float(rate):.5g} frames/s, not at "
            f"{float(fps):.5g}; give the video it was made for, or leave that to the file"
        )


def other_video(keypoints: Keypoints2D, path: Path) -> str | None:
    """A sentence where a file of keypoints was made from a video other than `path`."""
    made_from = source_of(keypoints)["sha256"]
    if made_from is None or not path.is_file() or files.sha256(path) == made_from:
        return None
    return f"{name_of(keypoints)}: was made from another video than {path.name}; go on with care"


def completed(
    keypoints: Keypoints2D,
    *,
    video: VideoInfo | None = None,
    size: tuple[int, int] | None = None,
    fps: Fraction | None = None,
) -> Keypoints2D:
    """The keypoints with what their file does not say of the video; the file's word counts.

    Args:
        keypoints: of a file.
        video: tells size, rate and length.
        size: width and height, pixels; where there is no video.
        fps: frame rate; where there is no video.

    Raises:
        DataError: the file says otherwise.
    """
    if video is not None:
        size, fps = (video.width, video.height), video.fps
    require_agreement(keypoints, size, fps)
    width, height = size or (keypoints.width, keypoints.height)
    known = keypoints.provenance
    if video is not None:
        # In the file's own words where it has any.
        told = describe(video)
        known = {"source": told.pop("source"), **known, "origin": told | _told(keypoints)}
    return dataclasses.replace(
        keypoints,
        width=width,
        height=height,
        fps=keypoints.fps or fps,
        num_frames=keypoints.num_frames or (video.num_frames if video else None),
        provenance=known,
    )


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
