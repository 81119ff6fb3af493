"""Cuts and the camera's motion, on shots that we made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import pytest

from vp3d_cli.scene import CONTEXT_S, Watch
from vp3d_cli.types import Float, Image

FPS, WIDTH, HEIGHT = 30, 320, 180
NOBODY = np.zeros((0, 4), np.float32)
_NOISE = np.random.default_rng(1).normal(0, 4, (5, HEIGHT, WIDTH, 3)).astype(np.int16)


@lru_cache(maxsize=64)
def _place(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """Somewhere: large and small things of all colours."""
    rng = np.random.default_rng(seed)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = rng.integers(60, 200, 3)
    for size in (70, 40, 20, 10):
        for _ in range(width * height // (size * size)):
            x, y = rng.integers(0, width), rng.integers(0, height)
            w, h = rng.integers(size // 2, size, 2)
            colour = [int(c) for c in rng.integers(0, 255, 3)]
            cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
    return cv2.GaussianBlur(image, (0, 0), 1.2)


def _shot(seed: int, length: int, pan: float = 0.0) -> list[Image]:
    """A place, seen by a camera that trembles, or turns by `pan` pixels a frame."""
    wide = _place(seed, WIDTH + 40 + int(abs(pan) * length), HEIGHT + 40)
    frames = []
    for i in range(length):
        x, y = 20 + round(pan * i), 20
        image = wide[y : y + HEIGHT, x : x + WIDTH]
        frames.append(cv2.add(image, _NOISE[i % len(_NOISE)], dtype=cv2.CV_8U))
    return frames


def _watched(frames: Sequence[Image], fps: float = FPS) -> Watch:
    watch = Watch()
    for i, image in enumerate(frames):
        watch.see(i, i / fps, image)
    watch.finish()
    return watch


def _cuts(frames: Sequence[Image], fps: float = FPS) -> list[int]:
    watch = _watched(frames, fps)
    return [i for i in range(len(frames)) if watch.is_cut(i)]


def _mixed(a: Image, b: Image, share: float) -> Image:
    return cv2.addWeighted(a, 1 - share, b, share, 0)


@pytest.mark.parametrize("fps", [2, 10, 30, 120])
def test_a_cut_is_where_another_shot_begins(fps: float) -> None:
    frames = _shot(1, 12) + _shot(2, 20) + _shot(3, 9)
    assert _cuts(frames, fps) == [12, 32]


def test_a_shot_is_one_whether_it_stands_or_turns() -> None:
    for pan in (0, 1, 4, 20, 60):
        assert _cuts(_shot(4, 25, pan)) == []


@pytest.mark.parametrize("length", [1, 3, 9])
def test_a_flash_is_no_cut(length: int) -> None:
    frames = _shot(5, 40)
    for i in range(20, 20 + length):
        frames[i] = cv2.convertScaleAbs(frames[i], alpha=1.6, beta=90)
    assert _cuts(frames) == []


@pytest.mark.parametrize("length", [1, 3])
def test_a_broken_frame_is_no_cut(length: int) -> None:
    frames = _shot(6, 40)
    frames[15 : 15 + length] = _shot(7, length)
    assert _cuts(frames) == []


def test_light_that_is_turned_down_is_no_cut() -> None:
    frames = _shot(8, 30)
    frames[15:] = [cv2.convertScaleAbs(image, alpha=0.4) for image in frames[15:]]
    assert _cuts(frames) == []


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("dark", [3, 40])
def test_a_fade_to_another_shot_is_one_cut_and_to_the_same_is_none(level: int, dark: int) -> None:
    one, other = _shot(9, 40), _shot(10, 40)
    blank = np.full((HEIGHT, WIDTH, 3), level, np.uint8)

    def fade(image: Image, share: float) -> Image:
        return _mixed(image, blank, share)

    out = [*one[:20], *(fade(one[20 + i], i / 8) for i in range(8)), *[blank] * dark]
    into = [fade(other[i], 1 - i / 8) for i in range(8)] + other[8:]
    (cut,) = _cuts(out + into)
    assert 0 <= cut - len(out) <= 3
    if dark < 12:
        again = [fade(one[28 + i], 1 - i / 8) for i in range(8)]
        assert _cuts(out + again) == []


@pytest.mark.parametrize("width", [100, 200, 300])
def test_somebody_who_walks_past_the_camera_is_no_cut(width: int) -> None:
    frames = _shot(11, 40)
    coat = cv2.GaussianBlur(_place(12, width), (0, 0), 4) // 2
    for i, frame in enumerate(frames):
        x = -width + round((i - 8) / 18 * (WIDTH + width))
        first, last = max(x, 0), min(x + width, WIDTH)
        if last > first:
            frame[:, first:last] = coat[:, first - x : last - x]
    assert _cuts(frames) == []


def test_a_blank_video_has_no_cuts() -> None:
    assert _cuts([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 20) == []
    assert _cuts([]) == []
    # What begins in the dark has not been cut.
    assert _cuts([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 5 + _shot(1, 10)) == []


@pytest.mark.parametrize("size", [(2, 2), (16, 900), (900, 16)])
def test_pictures_of_any_size_are_watched(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (*size, 3)).astype(np.uint8)] * 8
    watch = _watched(frames)
    assert not any(watch.is_cut(i) for i in range(8))


@pytest.mark.parametrize("pan", [0.0, 2.0, 6.0, 20.0])
def test_drift_is_how_far_the_camera_turned(pan: float) -> None:
    watch = _watched(_shot(13, 12, pan))
    drift = [watch.drift(i, NOBODY) for i in range(12)]
    assert np.isnan(drift[0])
    np.testing.assert_allclose(drift[1:], pan / np.hypot(WIDTH, HEIGHT), atol=4e-4)


def test_a_zoom_is_drift() -> None:
    place = _place(14, 640, 360)
    frames = []
    for i in range(8):
        x, y = 4 * i, round(4 * i * 9 / 16)
        frames.append(cv2.resize(place[y : 360 - y, x : 640 - x], (WIDTH, HEIGHT)))
    watch = _watched(frames)
    drift = [watch.drift(i, NOBODY) for i in range(8)]
    assert min(drift[1:]) > 0.002


def _person_before_a_wall(length: int, wall: Image) -> tuple[list[Image], list[Float]]:
    """Somebody large who walks 3 pixels a frame."""
    coat, frames, boxes = _place(15, 150, 170), [], []
    for i in range(length):
        image, x = wall.copy(), 20 + 3 * i
        image[5:175, x : x + 150] = coat
        frames.append(image)
        boxes.append(np.float32([[x, 5, x + 150, 175]]))
    return frames, boxes


def test_people_are_no_background() -> None:
    frames, boxes = _person_before_a_wall(10, _place(16))
    watch = _watched(frames)
    drift = [watch.drift(i, box) for i, box in enumerate(boxes)]
    assert np.nanmax(drift) < 5e-4
    assert np.isfinite(drift[1:]).sum() >= 5


def test_without_a_background_nothing_is_said() -> None:
    frames, boxes = _person_before_a_wall(10, np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    watch = _watched(frames)
    assert all(np.isnan(watch.drift(i, box)) for i, box in enumerate(boxes))


def test_across_a_cut_nothing_is_said_of_drift() -> None:
    watch = _watched(_shot(1, 8) + _shot(2, 8))
    assert np.isnan(watch.drift(8, NOBODY))
    assert np.isfinite(watch.drift(9, NOBODY))


def test_a_part_with_its_surroundings_is_told_what_the_whole_is() -> None:
    """Wherever it begins: before, within or after a flash, a fade or a cut."""
    frames = _shot(20, 50) + _shot(21, 40) + _shot(22, 60, 3)
    for i in (30, 31, 51, 88, 89, 100):
        frames[i] = np.full_like(frames[i], 255)
    frames[60:75] = [np.zeros_like(frames[0])] * 15
    whole = _watched(frames, 20)
    cuts = [whole.is_cut(i) for i in range(len(frames))]
    drift = [whole.drift(i, NOBODY) for i in range(len(frames))]
    assert cuts[50]
    assert cuts[90]
    context = int(CONTEXT_S * 20)
    for first in (44, 50, 51, 52, 61, 76, 89, 90, 91, 101):
        part, last = Watch(), first + 25
        for i in range(first - context, min(last + context, len(frames))):
            part.see(i, i / 20, frames[i])
        part.finish()
        assert [part.is_cut(i) for i in range(first, last)] == cuts[first:last]
        assert [part.drift(i, NOBODY) for i in range(first, last)] == pytest.approx(
            drift[first:last], abs=0, nan_ok=True
        )


def test_memory_does_not_grow() -> None:
    watch = Watch()
    for i in range(400):
        watch.see(i, i / FPS, np.zeros((32, 32, 3), np.uint8))
        watch.forget(i)
    assert len(watch._near) < 4 * FPS
    assert len(watch._undecided) < 2 * FPS
    assert not watch._flows
