"""What is told of a live run, as JSON: one message that says what is to come, then one a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vp3d_cli.live.motion import Moving
from vp3d_cli.types import Json, Real, Skeleton, VideoInfo

SCHEMA = "vp3d.live/1"
# Digits behind the point: of pixels, of scores, of metres.
_PIXELS, _SCORES, _METRES = 2, 3, 4


def opening(
    video: VideoInfo,
    skeletons: tuple[Skeleton, Skeleton],
    delay_s: float,
    detector: str,
    lifter: str,
) -> Json:
    """The first message.

    Args:
        video: size and rate of the frames.
        skeletons: of the keypoints, and of the joints.
        delay_s: joints are older than the keypoints that they come with by this.
        detector, lifter: their names.
    """
    in_2d, in_3d = skeletons
    return {
        "schema": SCHEMA,
        "width": video.width,
        "height": video.height,
        "fps": round(float(video.fps), 3),
        "skeleton_2d": _skeleton(in_2d),
        "skeleton_3d": _skeleton(in_3d),
        "delay_ms": round(1000 * delay_s, 1),
        "detector": detector,
        "lifter": lifter,
    }


def of_frame(
    index: int,
    time_s: float,
    people: Sequence[Moving],
    *,
    latency_ms: float,
    delay_s: float,
    dropped: float,
) -> Json:
    """The message of a frame.

    Args:
        index: of the frame, counting those that were dropped.
        time_s: of the frame, since the first.
        people: in it.
        latency_ms: since the frame was read.
        delay_s: as in `opening`.
        dropped: share of the last frames that was passed over.
    """
    return {
        "frame": index,
        "time_s": round(time_s, 4),
        "latency_ms": round(latency_ms, 1),
        "delay_ms": round(1000 * delay_s, 1),
        "dropped": round(dropped, 3),
        "people": [_person(person) for person in people],
    }


def _person(person: Moving) -> Json:
    seen = person.sighted
    return {
        "id": seen.track_id,
        "box": _numbers(seen.box, _PIXELS),
        "keypoints_2d": _numbers(seen.keypoints, _PIXELS),
        "scores_2d": _numbers(seen.scores, _SCORES),
        "joints_3d": None if person.joints is None else _numbers(person.joints, _METRES),
        "root_camera": None if person.root is None else _numbers(person.root, _METRES),
    }


def _skeleton(skeleton: Skeleton) -> Json:
    return {"joints": list(skeleton.joints), "edges": [list(e) for e in skeleton.edge_indices]}


def _numbers(values: Real, digits: int) -> Any:
    """As nested lists; JSON knows no NaN, which becomes null."""
    rounded = np.round(values.astype(np.float64), digits)
    known = np.isfinite(rounded)
    if known.all():
        return rounded.tolist()
    told = rounded.astype(object)
    told[~known] = None
    return told.tolist()
