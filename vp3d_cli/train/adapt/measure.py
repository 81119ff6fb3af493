"""How well a lifter does on footage that has no 3D: before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.refine import reprojection
from vp3d_cli.types import Double, Real, Result, Track3D

# By how much jitter and bone lengths may get worse where reprojection gets better.
ALLOWANCE = 1.1


@dataclass(frozen=True)
class Measures:
    """Means over the people's frames; less is better.

    Attributes:
        reprojection_px: distance in the picture between shoulders, elbows, wrists, hips, knees
            and ankles as detected (score of 0.3 and more) and as the 3D joints project. The
            person stands where that is least in each frame, by least squares, for every lifter:
            a trajectory head is not judged.
        reprojection_percent: the same in percent of the body's size in the picture, the root
            mean square distance of these keypoints from their mean (about a quarter of a standing
            person's height).
        jitter: length of the second difference of the joints' positions relative to the root,
            times the square of the frame rate, m/s², mean over joints. What the person really
            does is in it, before and after alike.
        bone_variation_percent: standard deviation over time of a bone's length, in percent of
            its mean; mean over bones and, by frames, over people.
        frames: that the reprojection was measured in.
    """

    reprojection_px: float
    reprojection_percent: float
    jitter: float
    bone_variation_percent: float
    frames: int

    def better_than(self, other: Measures, start: Measures) -> bool:
        """Whether these are to be kept instead of `other`.

        The reprojection error decides, in percent of the body; but jitter and the variation of
        bone lengths must not exceed those of the start by more than `ALLOWANCE`.
        """
        nearer = self.reprojection_percent < other.reprojection_percent
        return nearer and not self.faults(start)

    def faults(self, start: Measures) -> list[str]:
        """What got worse than at the start by more than `ALLOWANCE`, in words."""
        found = []
        if not self.jitter <= start.jitter * ALLOWANCE:
            found.append("jitters more")
        if not self.bone_variation_percent <= start.bone_variation_percent * ALLOWANCE:
            found.append("bones vary more")
        return found


def measure(lifter: Lifter, videos: Sequence[Result]) -> Measures:
    """Lift the 2D tracks of these videos, as `vp3d infer` does, and measure."""
    off_px, off_percent, jitters, bones = [], [], [], []
    for video in videos:
        lifted = lifter.lift(video.tracks2d, video.video, video.camera)
        for track, person in zip(video.tracks2d, lifted, strict=True):
            fit = reprojection.fit(track, person, video.video, video.camera)
            off_px.append(fit.distances_px)
            off_percent.append(fit.distances_px / fit.sizes_px[:, None] * 100)
            jitters.append(_accelerations(person, float(video.video.fps)))
            bones.append((_bone_variation(person), len(person)))
    variations, frames = (np.array(column, float) for column in zip(*bones, strict=True))
    distances: Double = np.concatenate(off_px)
    return Measures(
        reprojection_px=float(np.nanmean(distances)),
        reprojection_percent=float(np.nanmean(np.concatenate(off_percent))),
        jitter=float(np.concatenate(jitters).mean()),
        bone_variation_percent=float((variations * frames).sum() / frames.sum()),
        frames=int(np.isfinite(distances).any(-1).sum()),
    )


def _accelerations(person: Track3D, fps: float) -> Real:
    """(T - 2,) m/s²."""
    second = np.diff(person.joints, 2, axis=0) * fps**2
    return np.asarray(np.linalg.norm(second, axis=-1).mean(-1))


def _bone_variation(person: Track3D) -> float:
    parents, children = (list(ends) for ends in zip(*person.skeleton.edge_indices, strict=True))
    lengths = np.linalg.norm(person.joints[:, children] - person.joints[:, parents], axis=-1)
    return float((lengths.std(0) / np.maximum(lengths.mean(0), 1e-6)).mean() * 100)
