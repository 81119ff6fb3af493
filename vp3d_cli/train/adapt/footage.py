"""Which of the footage is trained on and which is only measured on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vp3d_cli.errors import DataError
from vp3d_cli.lift import reprojection
from vp3d_cli.types import Result, Track2D, Track3D

# Shorter tracks say little and are mostly ghosts and passers-by.
LEAST_S = 0.4
_LEAST_FRAMES = 8
# A single video is divided by time; on each side there must be this much.
_LEAST_HALF_S = 0.8


@dataclass(frozen=True)
class Footage:
    """Videos, people found and lifted by the starting lifter.

    Attributes:
        training, held_out: videos, or parts of one.
        how: one sentence that says which are held out.
    """

    training: tuple[Result, ...]
    held_out: tuple[Result, ...]
    how: str


def usable(video: Result) -> Result:
    """The video with those of its people that are seen long and surely enough to learn from."""
    fps = float(video.video.fps)
    least = max(_LEAST_FRAMES, round(LEAST_S * fps))
    keep = []
    for track in video.tracks2d:
        counted = (reprojection.trusted(track) > 0).sum(1)
        keep.append(int((counted >= 4).sum()) >= least)
    return _people(
        video,
        [pair for pair, kept in zip(_pairs(video), keep, strict=True) if kept],
    )


def split(videos: Sequence[Result], share: float, seed: int) -> Footage:
    """Hold out whole videos, chosen by the seed, or of a single video the last part.

    Args:
        videos: with people in each.
        share: of the videos, or of the time; at least one video.
        seed: decides which; the order of `videos` does not matter.

    Raises:
        DataError: there is too little.
    """
    if not videos:
        raise DataError("nobody to learn from was found in any of the videos; give others")
    if len(videos) == 1:
        return _split_time(videos[0], share)
    ordered = sorted(videos, key=_key)
    count = min(max(1, round(share * len(videos))), len(videos) - 1)
    chosen = set(np.random.default_rng(seed).permutation(len(videos))[:count].tolist())
    held_out = tuple(video for i, video in enumerate(ordered) if i in chosen)
    training = tuple(video for i, video in enumerate(ordered) if i not in chosen)
    names = ", ".join(video.video.path.name for video in held_out)
    return Footage(training, held_out, f"{count} of {len(videos)} videos: {names}")


def _key(video: Result) -> tuple[str, str]:
    source = video.provenance.get("source", {})
    return str(source.get("sha256")), video.video.path.name


def _split_time(video: Result, share: float) -> Footage:
    fps = float(video.video.fps)
    first = min(int(track.frames[0]) for track in video.tracks2d)
    end = max(int(track.frames[-1]) for track in video.tracks2d) + 1
    cut = end - round(share * (end - first))
    before, after = usable(_between(video, first, cut)), usable(_between(video, cut, end))
    if not before.tracks2d or not after.tracks2d:
        raise DataError(
            f"{video.video.path.name}: is too short to hold a part of it out "
            f"({(end - first) / fps:.1f} s with people in it); give more or longer videos"
        )
    how = f"the last {(end - cut) / fps:.1f} s of {video.video.path.name}, the only video"
    return Footage((before,), (after,), how)


def _between(video: Result, first: int, end: int) -> Result:
    """Frames first to end - 1; people who are not there drop out."""
    pairs = []
    for track, lifted in _pairs(video):
        rows = (track.frames >= first) & (track.frames < end)
        if rows.any():
            pairs.append((_rows(track, rows), _rows3d(lifted, rows)))
    return _people(video, pairs)


def _pairs(video: Result) -> list[tuple[Track2D, Track3D]]:
    return list(zip(video.tracks2d, video.tracks3d, strict=True))


def _people(video: Result, pairs: Sequence[tuple[Track2D, Track3D]]) -> Result:
    return dataclasses.replace(
        video, tracks2d=tuple(a for a, _ in pairs), tracks3d=tuple(b for _, b in pairs)
    )


def _rows(track: Track2D, rows: np.ndarray) -> Track2D:
    names = ("frames", "times_s", "boxes", "keypoints", "scores", "observed")
    return dataclasses.replace(track, **{name: getattr(track, name)[rows] for name in names})


def _rows3d(track: Track3D, rows: np.ndarray) -> Track3D:
    names = ("frames", "joints", "confidence", "root")
    return dataclasses.replace(track, **{name: getattr(track, name)[rows] for name in names})
