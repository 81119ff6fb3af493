"""Calibrated multi-view video, end to end from pixels.

Each video goes through `estimate` as `vp3d infer` would do it, but for the focal length, which
the calibration tells. What comes out is compared with the reference in the camera's own axes.
The person is the one whose box overlaps most with the projected reference, summed over frames.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from collections.abc import Sequence as Row

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import pipeline
from vp3d_cli.errors import DataError
from vp3d_cli.evaluate.calibration import View
from vp3d_cli.evaluate.matching import Match, match, plain_name
from vp3d_cli.evaluate.protocol import clip_errors
from vp3d_cli.evaluate.run import Clip, Evaluation
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.options import Options
from vp3d_cli.overlap import iou
from vp3d_cli.types import Double, Float, Json, Real, Result, Track2D, World
from vp3d_cli.video import probe

_log = logging.getLogger(__name__)

# Told the stage, how much of it is done, and how much there is where that is known.
Progress = Callable[[str, int, "int | None"], None]


def evaluate_views(
    lifter: Lifter, views: Row[View], options: Options, progress: Progress | None = None
) -> Evaluation:
    """Estimate the pose in every view's video and compare with its reference.

    Args:
        lifter: the one that `options` names; says what can be compared before hours of work.
        views: of one or several clips, with the same joints.
        options: of `estimate`; the focal length is taken from the calibration.
        progress: as for `estimate`, for each video anew.

    Raises:
        VideoError, WeightsError, BackendUnavailableError: as `estimate`.
        DataError: a video has another size than its calibration.
        SkeletonMismatchError: the reference has other joints than the lifter.
    """
    matches = {match(lifter.skeleton_out, view.skeleton) for view in views}
    if len(matches) != 1:
        raise DataError("the references have different joints; evaluate them apart")
    for view in views:
        _require_size(view)
    started, clips = time.monotonic(), []
    detector: Json = {}
    for view in views:
        focal_px = float(view.camera.focal.mean())
        result = pipeline.estimate(
            view.video, dataclasses.replace(options, focal_px=focal_px), progress
        )
        detector = result.provenance["detector"]
        clips.append(_clip(view, result, next(iter(matches))))
    return Evaluation(
        lifter=lifter.describe(),
        joints=next(iter(matches)).names,
        clips=tuple(clips),
        options={
            "detector": detector["name"],
            "focal": "calibration",
            "flip": True,
            "root": "at zero",
        },
        detector=detector,
        seconds=time.monotonic() - started,
    )


def _require_size(view: View) -> None:
    video = probe(view.video)
    if (video.width, video.height) != (view.camera.width, view.camera.height):
        raise DataError(
            f"{view.video}: {video.width} x {video.height} px upright, but the calibration of "
            f"{view.camera.name} is for {view.camera.width} x {view.camera.height}"
        )


def _clip(view: View, result: Result, matched: Match) -> Clip:
    """The chosen person beside the reference, NaN in frames without them."""
    predicted = np.full((len(view.frames), len(matched.names), 3), np.nan, np.float32)
    boxes = boxes_around(view.camera.project(view.joints))
    overlaps = [_overlap(track, view, boxes) for track in result.tracks2d]
    notes: Json = {"people_found": len(result.tracks2d)}
    if overlaps and max(overlaps) > 0:
        which = int(np.argmax(overlaps))
        track = result.tracks3d[which]
        _, rows, of_track = np.intersect1d(view.frames, track.frames, return_indices=True)
        predicted[rows] = matched.of_prediction(track.joints[of_track])
        notes |= {"track_id": track.track_id, "mean_overlap": overlaps[which] / len(view.frames)}
        notes |= place(view, track.root[of_track], rows, result.world)
    else:
        _log.warning("%s: nobody found where the reference person is", view.video)
    errors = clip_errors(predicted, matched.of_target(view.joints))
    return Clip(view.subject, view.action, view.camera.name, errors, notes)


def place(view: View, root: Float, rows: NDArray[np.intp], world: World) -> Json:
    """How far off the person stands, and which way is up, where both are known.

    Args:
        view: its hips are the reference of the root, its z axis is up.
        root: (R, 3) metres, camera axes.
        rows: (R,) of the view's frames.
        world: as estimated.
    """
    names, notes = [plain_name(joint) for joint in view.skeleton.joints], {}
    if {"left_hip", "right_hip"} <= set(names):
        hips = view.joints[:, [names.index("left_hip"), names.index("right_hip")]].mean(1)[rows]
        off, away = np.linalg.norm(root - hips, axis=-1), np.linalg.norm(hips, axis=-1)
        if (known := np.isfinite(off)).any():
            notes["root_off_mm"] = round(float(off[known].mean() * 1000), 1)
            notes["root_off_percent"] = round(float((off / away)[known].mean() * 100), 2)
    if view.camera.rotation is not None and world.is_known:
        upright = float(view.camera.rotation[:, 2] @ world.camera_to_world[2, :3])
        notes["up_off_degrees"] = round(float(np.degrees(np.arccos(np.clip(upright, -1, 1)))), 1)
    return notes | {"ground": world.how}


def boxes_around(points: Real) -> Double:
    """Boxes (F, 4) xyxy px around the finite of the points (F, J, 2); NaN where there is none."""
    points = np.where(np.isfinite(points).all(-1, keepdims=True), points, np.nan)
    empty = np.isnan(points).all((1, 2))
    low = np.where(np.isnan(points), np.inf, points).min(1)
    high = np.where(np.isnan(points), -np.inf, points).max(1)
    boxes = np.concatenate([low, high], -1)
    boxes[empty] = np.nan
    return np.asarray(boxes, np.float64)


def _overlap(track: Track2D, view: View, boxes: Double) -> float:
    """Intersection over union of a track and the projected reference, summed over frames."""
    _, rows, of_track = np.intersect1d(view.frames, track.frames, return_indices=True)
    total = 0.0
    found: Float = boxes_around(track.keypoints[of_track]).astype(np.float32)
    for reference, box in zip(boxes[rows].astype(np.float32), found, strict=True):
        if np.isfinite(reference).all() and np.isfinite(box).all():
            total += float(iou(reference[None], box[None])[0, 0])
    return total
