"""Which of the footage is trained on and which is only measured on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vp3d_cli.errors import DataError
from vp3d_cli.refine import reprojection
from vp3d_cli.types import Result, Track2D, Track3D

# Shorter tracks say little and are mostly ghosts and passers-by.
LEAST_S = 0.4
_LEAST_FRAMES = 8


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
    least = _least_frames(video)
    return _people(video, [pair for pair in _pairs(video) if _sure_frames(pair[0]) >= least])


def all_usable(videos: Sequence[Result]) -> list[Result]:
    """Those of the videos with anybody in them to learn from.

    Raises:
        DataError: somebody was found, but nobody for long and surely enough.
    """
    found = [video for video in videos if video.tracks2d]
    kept = [video for video in map(usable, found) if video.tracks2d]
    if found and not kept:
        best = max(found, key=_longest)
        raise DataError(
            f"nobody is seen for long enough to learn from: {_longest(best)} frames of one person "
            f"at most ({best.video.path.name}), {_least_frames(best)} are needed, in each of them "
            f"{reprojection.LEAST_KEYPOINTS} sure keypoints; give longer videos (--detect-every "
            "looks at fewer frames)"
        )
    return kept


def _longest(video: Result) -> int:
    """Sure frames of the person who has most."""
    return max(map(_sure_frames, video.tracks2d))


def _least_frames(video: Result) -> int:
    return max(_LEAST_FRAMES, round(LEAST_S * float(video.video.fps)))


def _sure_frames(track: Track2D) -> int:
    """In how many frames it shows where the person stands."""
    counted = (reprojection.trusted(track) > 0).sum(1)
    return int((counted >= reprojection.LEAST_KEYPOINTS).sum())


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
            f"{video.video.path.name}: --held-out {share:g} of the {(end - first) / fps:.1f} s "
            f"with people in it leaves too little to {'measure on' if before.tracks2d else 'learn'}"
            f" ({_least_frames(video)} frames of one person are needed); give another --held-out, "
            "or more or longer videos"
        )
    how = f"the last {(end - cut) / fps:.1f} s of {video.video.path.name}, the only video"
    return Footage((before,), (after,), how)


def _between(video: Result, first: int, end: int) -> Result:
    """Frames first to end - 1; people who are not there drop out."""
    pairs = []
    for track, lifted in _pairs(video):
        rows = (track.frames >= first) & (track.frames < end)
        if rows.any():
            pairs.append((track.rows(rows), lifted.rows(rows)))
    return _people(video, pairs)


def _pairs(video: Result) -> list[tuple[Track2D, Track3D]]:
    return list(zip(video.tracks2d, video.tracks3d, strict=True))


def _people(video: Result, pairs: Sequence[tuple[Track2D, Track3D]]) -> Result:
    return dataclasses.replace(
        video, tracks2d=tuple(a for a, _ in pairs), tracks3d=tuple(b for _, b in pairs)
    )
