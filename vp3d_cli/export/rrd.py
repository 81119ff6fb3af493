"""A recording for the Rerun viewer: keypoints in the picture, skeletons in space, the camera.

Entities: `people/person1/joints` (Points3D, metres, in the frame of reference that `about` names,
`_frame.py`); `camera`, where the world is known with its place there; `camera/picture`, a
pinhole, with `camera/picture/person1/keypoints` (Points2D, pixels). Points have the person as
class and the joint as keypoint id, whose names and lines are in the annotation contexts.
Timelines: `frame`, and `time`, that of the video. A point that is missing is not there, and where
a track ends it is cleared. `about` holds a sentence and the pose file's `meta`.

Every file has ids of its own, so that equal results do not give equal bytes. Needs rerun-sdk:
pip install 'vp3d[rerun]'.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from vp3d_cli import files, pose_file
from vp3d_cli.export import _frame, _needs
from vp3d_cli.types import Real, Result, Skeleton

SUFFIX = ".rrd"
DESCRIPTION = "recording for the Rerun viewer: picture, space, camera; needs vp3d[rerun]"
NEEDS = ("rerun", "rerun")
REPRODUCIBLE = False

_PICTURE = "camera/picture"


def write(result: Result, path: Path) -> None:
    """Write the recording.

    Raises:
        BackendUnavailableError: rerun-sdk is not installed.
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    rerun = _needs.loaded("rerun", "rerun")
    reference = _frame.reference_of(result)
    name = _frame.plain_names([result.video.path.stem])[0]
    with files.written_whole(path) as temporary:
        recording = rerun.RecordingStream("vp3d", recording_id=name)
        recording.save(str(temporary))
        try:
            _setting(rerun, recording, result, reference)
            pairs = zip(result.tracks2d, result.tracks3d, strict=True)
            for track2d, track3d in sorted(pairs, key=lambda pair: pair[0].track_id):
                person = f"person{track2d.track_id}"
                points = _frame.positions(result, track3d, reference)
                sent = (
                    (f"people/{person}/joints", rerun.Points3D, points),
                    (f"{_PICTURE}/{person}/keypoints", rerun.Points2D, track2d.keypoints),
                )
                for entity, kind, where in sent:
                    columns = _columns(kind, where, track2d.track_id)
                    indexes = (
                        rerun.TimeColumn("frame", sequence=track2d.frames.astype(np.int64)),
                        rerun.TimeColumn("time", duration=track2d.times_s),
                    )
                    recording.send_columns(entity, indexes=indexes, columns=columns)
                    recording.set_time("frame", sequence=int(track2d.frames[-1]) + 1)
                    after_s = float(track2d.times_s[-1] + 1 / result.video.fps)
                    recording.set_time("time", duration=after_s)
                    recording.log(entity, rerun.Clear(recursive=False))
        finally:
            recording.flush()
            recording.disconnect()


def _setting(rerun: Any, recording: Any, result: Result, reference: str) -> None:
    """What does not change: axes, the camera, names."""
    video, focal_px = result.video, float(result.camera.focal_px)
    views = rerun.ViewCoordinates
    axes = views.RIGHT_HAND_Z_UP if reference == "world" else views.RDF
    about = f"Frame of reference: {reference}"
    meta = json.dumps(pose_file.metadata(result), sort_keys=True, indent=1, allow_nan=False)
    recording.log("/", axes, static=True)
    recording.log("about", rerun.TextDocument(f"{about}\n\n{meta}"), static=True)
    if reference == "world":
        place = result.world.camera_to_world
        moved = rerun.Transform3D(translation=place[:3, 3], mat3x3=place[:3, :3])
        recording.log("camera", moved, static=True)
    if np.isfinite(focal_px):
        lens = rerun.Pinhole(
            focal_length=focal_px,
            width=video.width,
            height=video.height,
            camera_xyz=views.RDF,
        )
        recording.log(_PICTURE, lens, static=True)
    skeleton_2d, skeleton_3d = pose_file.skeletons_of(result)
    for entity, skeleton in ((_PICTURE, skeleton_2d), ("people", skeleton_3d)):
        if result.tracks2d:
            recording.log(entity, _context(rerun, result, skeleton), static=True)


def _context(rerun: Any, result: Result, skeleton: Skeleton) -> Any:
    """Names of people and joints, and what is joined to what."""
    return rerun.AnnotationContext(
        [
            rerun.ClassDescription(
                info=rerun.AnnotationInfo(id=track.track_id, label=f"person {track.track_id}"),
                keypoint_annotations=list(enumerate(skeleton.joints)),
                keypoint_connections=list(skeleton.edge_indices),
            )
            for track in result.tracks3d
        ]
    )


def _columns(kind: Any, points: Real, track_id: int) -> Any:
    """The known ones of points (T, J, 2 or 3), frame by frame."""
    known = np.isfinite(points).all(-1)
    ids = np.broadcast_to(np.arange(points.shape[1]), known.shape)[known]
    lengths = known.sum(1).tolist()
    parts = kind.columns(
        positions=points[known].astype(np.float32),
        class_ids=np.full(len(ids), track_id),
        keypoint_ids=ids,
    )
    return parts.partition(lengths)
