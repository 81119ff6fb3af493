"""What is done before and after lifting so that motion is calm, and people stand somewhere.

Each part can be left out, see `options.PARTS`; in faithful results all are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from vp3d_cli import smoothing
from vp3d_cli.options import Options
from vp3d_cli.refine import bones, feet, ground, root, trust
from vp3d_cli.types import (
    Camera,
    Double,
    Float,
    Int,
    Keypoints2D,
    Track2D,
    Track3D,
    VideoInfo,
    World,
)

# Even what nobody believes counts a little, or it could be anywhere.
_LEAST_WEIGHT = 0.02
# A keypoint that lies so far beside its own path, in sizes of the person's box, counts half.
_OUTLIER = 0.02
_ROUNDS = 3
# What joints are called where the ground is looked for.
_SKELETONS = ("coco17", "h36m17")
# The background moves by more frame diagonals a second if the camera moves, in more than all but
# so large a share of the frames; of cameras on a tripod by 0.001.
_MOVING_PER_S, _STILL = 0.04, 0.8


def prepared(track: Track2D, options: Options) -> Track2D:
    """A person's keypoints as the lifter is to see them."""
    return calmed(track, options.smooth_hz) if options.does("smoothing") else track


def calmed(track: Track2D, cutoff_hz: float) -> Track2D:
    """Keypoints smoothed over time by their scores; what leaps out of its path counts less."""
    weights = np.maximum(np.nan_to_num(track.scores), _LEAST_WEIGHT)[..., None].astype(np.float64)
    sides = np.maximum(track.boxes[:, 2:] - track.boxes[:, :2], 1)
    size = np.sqrt(sides.prod(-1))[:, None, None]
    believed, keypoints = weights, track.keypoints.astype(np.float64)
    for _ in range(_ROUNDS):
        keypoints = smoothing.smooth(track.keypoints, believed, track.times_s, cutoff_hz)
        off = np.linalg.norm(track.keypoints - keypoints, axis=-1, keepdims=True) / size
        believed = weights / np.maximum(1, np.nan_to_num(off) / _OUTLIER)
    return dataclasses.replace(track, keypoints=keypoints.astype(np.float32))


class Refining:
    """From lifted people to a result.

    Args:
        options: see `Options`.
        video: in real time.
        camera: that saw it.
        camera_moves: see `camera_moves`.
    """

    def __init__(
        self, options: Options, video: VideoInfo, camera: Camera, *, camera_moves: bool = False
    ) -> None:
        self._options, self._video, self._camera = options, video, camera
        self._camera_moves = camera_moves

    def run(
        self, seen: Sequence[Track2D], calm: Sequence[Track2D], lifted: Sequence[Track3D]
    ) -> tuple[tuple[Track3D, ...], World]:
        """Calm joints, constant bones, a place for everybody, the ground and what to trust.

        Args:
            seen: keypoints as they were detected.
            calm: as the lifter saw them.
            lifted: by it.
        """
        if any(
            (a.skeleton.name, b.skeleton.name) != _SKELETONS
            for a, b in zip(calm, lifted, strict=True)
        ):
            return tuple(lifted), World.unknown("only known for COCO's and Human3.6M's joints")
        people = [self._placed(*pair) for pair in zip(calm, lifted, strict=True)]
        people, world = self._grounded(list(calm), people)
        return tuple(
            self._judged(track, person) for track, person in zip(seen, people, strict=True)
        ), world

    def _placed(self, track: Track2D, person: Track3D) -> Track3D:
        options, weights = self._options, np.maximum(person.confidence, _LEAST_WEIGHT)
        joints = person.joints
        if options.does("smoothing"):
            calm = smoothing.smooth(joints, weights[..., None], track.times_s, options.smooth_hz)
            joints = calm.astype(np.float32)
        if options.does("bones"):
            lengths = bones.lengths(joints, weights, person.skeleton)
            joints = bones.fitted(joints, lengths, person.skeleton)
        if options.does("root"):
            cutoff_hz = options.smooth_hz
            where = root.path(track, joints, person.root, self._video, self._camera, cutoff_hz)
        else:
            where = person.root
        person = dataclasses.replace(person, joints=joints, root=where)
        return self._scaled(person)

    def _scaled(self, person: Track3D) -> Track3D:
        """As tall as `--height` says: all lengths, distances too, in proportion."""
        wanted = self._options.height_of(person.track_id)
        tall = bones.stature(person)
        if wanted is None or not np.isfinite(tall) or tall <= bones.ANKLE_HEIGHT_M:
            return person
        # What is below the ankles is the same for all.
        sole = bones.ANKLE_HEIGHT_M
        share = np.float32((wanted - sole) / (tall - sole))
        return dataclasses.replace(
            person,
            joints=person.joints * share,
            raw=person.raw * share,
            root=person.root * share,
            spread=person.spread * share,
        )

    def _grounded(
        self, tracks: list[Track2D], people: list[Track3D]
    ) -> tuple[list[Track3D], World]:
        """The ground, and who stands on it when."""
        if not self._options.does("world"):
            return people, World.unknown("left out")
        if self._camera_moves:
            return people, World.unknown("the camera moves")
        if not people:
            return people, World.unknown("nobody is there")
        legs = feet.Legs.of(people[0].skeleton)
        ankles = [_ankles(*pair, legs) for pair in zip(tracks, people, strict=True)]
        standing = []
        for track, person, steps in zip(tracks, people, ankles, strict=True):
            places = feet.footholds(steps, feet.contacts(steps, track.times_s), track.times_s)
            standing.append(ground.Standing(_trunks(person), *places))
        floor, found = ground.estimate(standing), []
        up = floor.world.camera_to_world[2]
        rows = zip(tracks, people, ankles, floor.levels_m, strict=True)
        for track, person, steps, level in rows:
            heights = steps @ up[:3] + up[3] - level if floor.world.is_known else None
            contacts = feet.contacts(steps, track.times_s, heights)
            person = dataclasses.replace(person, contacts=contacts)
            found.append(_locked(track, person, legs) if self._options.foot_lock else person)
        return found, floor.world

    def _judged(self, track: Track2D, person: Track3D) -> Track3D:
        residual = root.residuals(track, person.joints, person.root, self._video, self._camera)
        person = dataclasses.replace(person, residual_px=residual)
        if self._options.does("calibration"):
            person = dataclasses.replace(person, confidence=trust.confidence(track, person))
        return person


def camera_moves(keypoints: Keypoints2D) -> bool:
    """Whether the background moves for a good part of the time."""
    if keypoints.drift is None or keypoints.fps is None:
        return False
    drift = keypoints.drift[np.isfinite(keypoints.drift)]
    return bool(len(drift) and np.quantile(drift, _STILL) * float(keypoints.fps) > _MOVING_PER_S)


def _ankles(track: Track2D, person: Track3D, legs: feet.Legs) -> Double:
    """Both ankles (T, 2, 3) in the camera frame; NaN where they were not seen."""
    steps = person.joints[:, legs.feet].astype(np.float64) + person.root[:, None]
    rows: Int = np.array([track.skeleton.index(f"{side}_ankle") for side in ("left", "right")])
    # A score that is missing is none.
    steps[~(track.scores[:, rows] >= feet.LEAST_SCORE)] = np.nan
    return steps


def _trunks(person: Track3D) -> Double:
    hip, thorax = (person.skeleton.index(name) for name in ("hip", "thorax"))
    return np.asarray(person.joints[:, thorax] - person.joints[:, hip], np.float64)


def _locked(track: Track2D, person: Track3D, legs: feet.Legs) -> Track3D:
    known = np.isfinite(person.root).all(1)
    if not known.all():
        return person
    where: Float = person.joints + person.root[:, None]
    held = feet.locked(where, person.contacts, track.times_s, legs)
    return dataclasses.replace(person, joints=held - person.root[:, None])
