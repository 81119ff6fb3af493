"""The colours of people's clothes: a histogram of the torso, by which they are told apart.

Grey pixels fall into eight bins by brightness, coloured ones into sixteen by hue and brightness.
Every pixel is shared between neighbouring bins, so that a shade more light changes little.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from vp3d_cli.types import NUM_COLOURS, Bool, Detections, Float, Image, Real, Skeleton

_GREYS, _HUES, _LIGHTS = 8, 8, 2
# Samples across and along a torso; a few hundred pixels average the noise of compression away.
_ACROSS, _ALONG = 12, 18
# Share of the torso that is looked at: its edges are arms and background.
_INSIDE = 0.7
# The least half width of a torso, in its lengths: in profile both shoulders are one point.
_NARROWEST = 0.16
# Share of a person's mean score from which a keypoint counts as seen.
_SURE = 0.5
# Share of the samples that must lie in the picture.
_IN_PICTURE = 0.4
# Shorter torsos than this are a handful of pixels, px.
_SHORTEST = 8.0
_CORNERS = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def with_colours(people: Detections, image: Image, skeleton: Skeleton) -> Detections:
    """The same people with the histograms of their torsos.

    Args:
        people: in pixels of `image`.
        image: the frame, BGR.
        skeleton: of the keypoints; without shoulders and hips nothing is known.
    """
    if not len(people) or not set(_CORNERS) <= set(skeleton.joints):
        return people
    corners = [skeleton.index(name) for name in _CORNERS]
    points = people.keypoints[:, corners].astype(np.float64)
    least = _SURE * np.nan_to_num(people.scores).mean(1, keepdims=True)
    seen = (people.scores[:, corners] >= least) & np.isfinite(points).all(-1)
    at, known = _samples(points, np.asarray(seen, np.bool_))
    height, width = image.shape[:2]
    # Pixel centres lie at +0.5, so that the pixel around a point is its whole part.
    columns, rows = np.floor(np.moveaxis(at, -1, 0)).astype(np.int64)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    known &= inside.mean(1) >= _IN_PICTURE
    colours = np.full((len(people), NUM_COLOURS), np.nan, np.float32)
    for person in np.flatnonzero(known):
        here = inside[person]
        pixels = image[rows[person, here], columns[person, here]]
        colours[person] = histogram(np.ascontiguousarray(pixels))
    return replace(people, colours=colours)


def histogram(pixels: Image) -> Float:
    """The histogram (NUM_COLOURS,), which sums to 1, of pixels (N, 3) BGR."""
    hsv = cv2.cvtColor(pixels[:, None], cv2.COLOR_BGR2HSV)[:, 0].astype(np.float32)
    hue, saturation, value = hsv[:, 0] / 180, hsv[:, 1] / 255, hsv[:, 2] / 255
    # In the dark a hue means nothing, and white cloth has a tint of what is around it. Still, the
    # brown and the green shirt of two people in the sun had a saturation below 0.3.
    chroma = _ramp(saturation, 0.08, 0.25) * _ramp(value, 0.1, 0.25)
    bins = np.zeros(NUM_COLOURS)
    at = np.clip(value * (_GREYS - 1), 0, _GREYS - 1)
    _share(bins[:_GREYS], at, 1 - chroma, wrap=False)
    light = np.clip(value * 2 - 0.5, 0, _LIGHTS - 1)
    for level in range(_LIGHTS):
        first = _GREYS + level * _HUES
        part = chroma * np.clip(1 - np.abs(light - level), 0, 1)
        _share(bins[first : first + _HUES], hue * _HUES, part, wrap=True)
    return np.asarray(bins / max(float(bins.sum()), 1e-9), np.float32)


def _samples(points: Real, seen: Bool) -> tuple[Real, Bool]:
    """Where to look (P, N, 2), and whose torso (P,) can be seen at all.

    Args:
        points: (P, 4, 2) left and right shoulder, left and right hip.
        seen: (P, 4).
    """
    weights = seen[..., None].astype(np.float64)
    known = seen[:, :2].any(1) & seen[:, 2:].any(1)
    points = np.where(weights > 0, np.nan_to_num(points), 0.0)
    ends, halves = [], []
    for pair in (slice(0, 2), slice(2, 4)):
        ends.append(points[:, pair].sum(1) / np.maximum(weights[:, pair].sum(1), 1))
        both = seen[:, pair].all(1)
        apart = points[:, pair][:, 0] - points[:, pair][:, 1]
        halves.append(np.where(both, np.linalg.norm(apart, axis=-1) / 2, 0.0))
    along = ends[1] - ends[0]
    length = np.linalg.norm(along, axis=-1)
    known &= length >= _SHORTEST
    across = np.stack([-along[:, 1], along[:, 0]], -1) / np.maximum(length, 1e-6)[:, None]
    margin = (1 - _INSIDE) / 2
    down = np.linspace(margin, 1 - margin, _ALONG)[None, :, None, None]
    side = np.linspace(-_INSIDE, _INSIDE, _ACROSS)[None, None, :, None]
    low = np.maximum(halves[0], _NARROWEST * length)[:, None, None, None]
    high = np.maximum(halves[1], _NARROWEST * length)[:, None, None, None]
    half = low + (high - low) * down
    at = ends[0][:, None, None] + along[:, None, None] * down + across[:, None, None] * half * side
    # A far-away mistake of a detector must not overflow an integer.
    return np.clip(at.reshape(len(at), -1, 2), -1e6, 1e6), np.asarray(known, np.bool_)


def _ramp(values: Real, low: float, high: float) -> Real:
    return np.asarray(np.clip((values - low) / (high - low), 0, 1))


def _share(bins: Real, at: Real, weights: Real, *, wrap: bool) -> None:
    """Add weights at fractional positions, in place."""
    low = np.floor(at).astype(np.int64)
    part = at - low
    for step, share in ((0, 1 - part), (1, part)):
        place = (low + step) % len(bins) if wrap else np.minimum(low + step, len(bins) - 1)
        bins += np.bincount(place, weights * share, len(bins))
