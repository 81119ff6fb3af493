"""How long a video's lens is: given, told by the file, seen in the people, or assumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vp3d_cli.types import Camera, Result, Track2D, VideoInfo

if TYPE_CHECKING:
    from vp3d_cli.lift.lifter import Lifter

# Focal length in units of the frame's longer side where nobody says: 58 degrees across, between
# phones (about 0.8) and cameras (1.1 and more).
DEFAULT_FOCAL = 0.9
# Millimetres across the corners of the film that lenses are compared on.
_FILM_DIAGONAL_MM = 43.27
# What is tried, from a wide phone lens to a portrait lens; the default is among it. Beyond,
# perspective is too strong or too weak to be told from poses.
_TRIED = DEFAULT_FOCAL * np.exp(np.linspace(-0.5, 0.6, 12))
# A lens that is a factor of e from the default has to cut the error to a third. Lifters are
# biased: on four views with a known lens of 0.87 the least error is at 0.8 to 1.2, and hardly less
# than at 0.9.
_PRIOR = 2.0
# Of long videos only so many frames of people are tried, in so many even stretches: each is lifted
# once a focal length.
_SAMPLED, _STRETCHES = 1000, 5
_ESTIMATED = "estimated"
# Nearer to the default than this an estimate need not be given to other commands.
_WORTH_TELLING = 0.05


def camera_of(video: VideoInfo, focal_px: float | None) -> Camera:
    """The camera of a video: as given, else as the file says, else the default."""
    if focal_px is not None:
        return Camera(focal_px, "given")
    if video.lens_mm is not None:
        diagonal_px = float(np.hypot(video.width, video.height))
        how = f"the file: a lens of {video.lens_mm:g} mm on 35 mm film"
        return Camera(video.lens_mm / _FILM_DIAGONAL_MM * diagonal_px, how)
    longer = max(video.width, video.height)
    return Camera(DEFAULT_FOCAL * longer, f"default: {DEFAULT_FOCAL} of the longer side")


def is_assumed(camera: Camera) -> bool:
    """Whether nobody said how long the lens is."""
    return camera.how.startswith("default")


def advice(videos: Sequence[Result]) -> list[str]:
    """Sentences that say which estimates other commands, which assume the default, need."""
    names: dict[int, list[str]] = {}
    for video in videos:
        default = DEFAULT_FOCAL * max(video.video.width, video.video.height)
        off = abs(video.camera.focal_px / default - 1)
        if video.camera.how.startswith(_ESTIMATED) and off > _WORTH_TELLING:
            names.setdefault(round(video.camera.focal_px), []).append(video.video.path.name)
    return [
        f"Focal length estimated: use `--focal {focal_px}` with `vp3d infer` for {', '.join(of)}"
        for focal_px, of in sorted(names.items())
    ]


def estimated(lifter: Lifter, tracks: Sequence[Track2D], video: VideoInfo) -> Camera:
    """The focal length under which the people, lifted, fit the picture best.

    What is compared is the mean reprojection error of all people, see `lift.reprojection`, times
    1 + `_PRIOR` * log(focal / default)², so that little evidence leaves the default. Of long
    videos a sample is tried.
    """
    from vp3d_cli.refine import reprojection

    longer = max(video.width, video.height)
    errors, tracks = [], _sample(tracks)
    for share in _TRIED:
        camera = Camera(float(share) * longer, "")
        lifted = lifter.lift(tracks, video, camera, flip=False)
        pairs = zip(tracks, lifted, strict=True)
        fits = [reprojection.fit(track, person, video, camera) for track, person in pairs]
        off = np.concatenate([fit.distances_px / fit.sizes_px[:, None] for fit in fits])
        error = float(np.nanmean(off)) if np.isfinite(off).any() else 1.0
        errors.append(error * (1 + _PRIOR * np.log(share / DEFAULT_FOCAL) ** 2))
    share = float(_TRIED[int(np.argmin(errors))])
    how = f"{_ESTIMATED} from the people in it: {share:.2f} of the longer side"
    return Camera(share * longer, how)


def _sample(tracks: Sequence[Track2D]) -> Sequence[Track2D]:
    """At most `_SAMPLED` frames of people, evenly spread over all that there are."""
    total, length = sum(len(track) for track in tracks), _SAMPLED // _STRETCHES
    if total <= _SAMPLED:
        return tracks
    parts, first = [], 0
    for track in tracks:
        for start in np.linspace(0, total - length, _STRETCHES).astype(int) - first:
            rows = slice(max(start, 0), max(start + length, 0))
            if len(track.frames[rows]):
                parts.append(track.rows(rows))
        first += len(track)
    return parts
