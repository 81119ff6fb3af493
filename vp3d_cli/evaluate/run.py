"""A lifter over labelled sequences."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Row
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from vp3d_cli.datasets import Sequence
from vp3d_cli.errors import DataError, SkeletonMismatchError
from vp3d_cli.evaluate.matching import Match, match
from vp3d_cli.evaluate.protocol import Errors, clip_errors
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.pipeline.cameras import DEFAULT_FOCAL
from vp3d_cli.types import Bool, Camera, Float, Json, Track2D, VideoInfo

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """The errors of one sequence or video.

    Attributes:
        subject, action, view: which; the view is empty where there is only one.
        errors: of it.
        notes: JSON: what else is worth knowing about how they came about.
    """

    subject: str
    action: str
    view: str
    errors: Errors
    notes: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and of what.

    Attributes:
        lifter: as `Lifter.describe` says.
        joints: names of the joints compared.
        clips: one a sequence or video.
        options: JSON: what changes the numbers.
        left_out: how many sequences had no 3D, or no 2D.
        detector: as it describes itself; None where 2D keypoints came with the data.
        seconds: that lifting took, or for videos everything; never in what is compared.
    """

    lifter: Json
    joints: tuple[str, ...]
    clips: tuple[Clip, ...]
    options: Json
    left_out: dict[str, int] = field(default_factory=dict)
    detector: Json | None = None
    seconds: float = 0.0

    @property
    def from_video(self) -> bool:
        """From pixels; else from the 2D keypoints of a data set."""
        return self.detector is not None

    @property
    def frames(self) -> int:
        return sum(clip.errors.frames for clip in self.clips)


def reference_convention(lifter: Lifter) -> bool:
    """Whether a lifter takes in what VideoPose3D's do; their predicted root is an error too."""
    return lifter.config.normalisation == "screen" and lifter.config.features == 2


def evaluate(
    lifter: Lifter,
    sequences: Iterable[Sequence],
    *,
    flip: bool = True,
    progress: Callable[[int, int | None], None] | None = None,
) -> Evaluation:
    """Lift the keypoints of sequences and compare with their joints.

    The joints of lifters in the reference's convention are compared as predicted, with the root
    joint, whose target is zero; those of others as `vp3d lift` gives them, the root at zero.

    Args:
        lifter: takes the sequences' keypoints.
        sequences: those without 3D or 2D are left out, and counted.
        flip: average with the prediction for the mirror image, as the paper does.
        progress: told (frames lifted, frames in all).

    Raises:
        DataError: nothing is left to evaluate, or a sequence has no finite keypoint.
        SkeletonMismatchError: the lifter takes other keypoints, or predicts other joints.
    """
    usable, left_out = _usable(list(sequences))
    matched = _matched(lifter, usable)
    as_predicted = reference_convention(lifter)
    clips: dict[int, Clip] = {}
    seconds, done = 0.0, 0
    total = sum(len(sequence) for sequence in usable)

    def lifted(frames: int) -> None:
        nonlocal done
        done += frames
        if progress:
            progress(done, total)

    for (video, camera), members in _by_camera(usable).items():
        tracks = [_track(usable[which]) for which in members]
        started = time.monotonic()
        poses = lifter.lift(tracks, video, camera, lifted, zero_root=not as_predicted, flip=flip)
        seconds += time.monotonic() - started
        for which, track, pose in zip(members, tracks, poses, strict=True):
            clips[which] = _clip(usable[which], track, pose.joints, matched)
    return Evaluation(
        lifter=lifter.describe(),
        joints=matched.names,
        clips=tuple(clips[which] for which in range(len(usable))),
        options={"flip": flip, "root": "as predicted" if as_predicted else "at zero"},
        left_out=left_out,
        seconds=seconds,
    )


def _usable(sequences: list[Sequence]) -> tuple[list[Sequence], dict[str, int]]:
    without_3d = sum(sequence.joints is None for sequence in sequences)
    without_2d = sum(sequence.keypoints is None for sequence in sequences)
    usable = [s for s in sequences if s.joints is not None and s.keypoints is not None and len(s)]
    if not usable:
        raise DataError(
            f"nothing to evaluate: of {len(sequences)} sequences {without_3d} have no 3D joints "
            f"and {without_2d} no 2D keypoints; expected some with both"
        )
    left_out = {"without 3D": without_3d, "without 2D": without_2d}
    for why, number in left_out.items():
        if number:
            _log.warning("%d of %d sequences are %s: left out", number, len(sequences), why)
    return usable, {why: number for why, number in left_out.items() if number}


def _matched(lifter: Lifter, sequences: Row[Sequence]) -> Match:
    """The joints to compare, the same in all sequences."""
    found: dict[Match, Sequence] = {}
    for sequence in sequences:
        if sequence.skeleton_in is None or sequence.skeleton_out is None:
            raise DataError(f"{sequence.name}: expected keypoints and joints")
        if sequence.skeleton_in.joints != lifter.skeleton_in.joints:
            raise SkeletonMismatchError(
                f"{sequence.name}: its keypoints are {sequence.skeleton_in.name}, but the lifter "
                f"{lifter.name} takes {lifter.skeleton_in.name}; give other 2D or another lifter "
                "(--skeleton-in says what a file in VideoPose3D's layout takes)"
            )
        found.setdefault(match(lifter.skeleton_out, sequence.skeleton_out), sequence)
    if len(found) > 1:
        one, other = list(found.values())[:2]
        raise SkeletonMismatchError(
            f"{one.name} and {other.name} have different 3D joints; evaluate them apart"
        )
    return next(iter(found))


def _by_camera(sequences: Row[Sequence]) -> dict[tuple[VideoInfo, Camera], list[int]]:
    """Positions of the sequences that can be lifted in one go."""
    groups: dict[tuple[VideoInfo, Camera], list[int]] = {}
    for which, sequence in enumerate(sequences):
        fps = Fraction(sequence.fps).limit_denominator(1_000_000)
        video = VideoInfo(Path(), sequence.width, sequence.height, fps)
        groups.setdefault((video, camera_of(sequence)), []).append(which)
    return groups


def camera_of(sequence: Sequence) -> Camera:
    """The calibrated focal length; where it is not known, what `vp3d infer` assumes."""
    if sequence.camera is not None:
        return Camera(float(sequence.camera.focal.mean()), "calibration")
    return Camera(DEFAULT_FOCAL * max(sequence.width, sequence.height), "default")


def _track(sequence: Sequence) -> Track2D:
    """The keypoints as one person's track; frames without any are interpolated, as A4 says."""
    if sequence.keypoints is None or sequence.skeleton_in is None:
        raise DataError(f"{sequence.name}: has no 2D keypoints")
    seen: Bool = np.asarray(np.isfinite(sequence.keypoints).all(-1).any(-1))
    if not seen.any():
        raise DataError(f"{sequence.name}: none of its {len(sequence)} frames has a 2D keypoint")
    keypoints, frames = _filled(sequence.keypoints), np.arange(len(sequence), dtype=np.int32)
    scores = (
        np.ones(keypoints.shape[:2], np.float32) if sequence.scores is None else sequence.scores
    )
    return Track2D(
        track_id=1,
        frames=frames,
        times_s=frames / sequence.fps,
        boxes=np.concatenate([np.nanmin(keypoints, 1), np.nanmax(keypoints, 1)], 1),
        keypoints=keypoints,
        scores=np.asarray(np.where(seen[:, None], scores, 0), np.float32),
        observed=seen,
        skeleton=sequence.skeleton_in,
    )


def _filled(keypoints: Float) -> Float:
    """Keypoints (T, J, 2) with frames that have none interpolated, held at the ends."""
    filled = keypoints.astype(np.float32)
    filled[~np.isfinite(keypoints).all(-1)] = np.nan
    empty = np.isnan(filled).all((1, 2))
    for joint, axis in np.ndindex(*filled.shape[1:]):
        known = np.flatnonzero(np.isfinite(filled[:, joint, axis]))
        if len(known) and empty.any():
            at = np.flatnonzero(empty)
            filled[at, joint, axis] = np.interp(at, known, filled[known, joint, axis])
    return filled


def _clip(sequence: Sequence, track: Track2D, joints: Float, matched: Match) -> Clip:
    if sequence.joints is None:
        raise DataError(f"{sequence.name}: has no 3D joints")
    errors = clip_errors(matched.of_prediction(joints), matched.of_target(sequence.joints))
    filled = int(np.sum(~track.observed))
    view = "" if sequence.camera is None else sequence.camera.name
    notes = {"interpolated_frames": filled} if filled else {}
    return Clip(sequence.subject, sequence.action, view, errors, notes)
