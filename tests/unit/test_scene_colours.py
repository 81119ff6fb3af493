"""The colours of clothes, on shirts that we painted."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from vp3d_cli import skeletons
from vp3d_cli.scene import with_colours
from vp3d_cli.scene.colours import histogram
from vp3d_cli.types import NUM_COLOURS, Detections, Float, Image

COCO = skeletons.get("coco17")
_TORSO = np.float32([[130, 60], [70, 60], [120, 160], [80, 160]])  # shoulders, hips
RED, GREEN, GREY = (40, 40, 200), (60, 170, 50), (120, 120, 120)


def _picture(shirt: tuple[int, int, int], ground: tuple[int, int, int] = (200, 180, 160)) -> Image:
    image = np.empty((240, 200, 3), np.uint8)
    image[:] = ground
    cv2.fillConvexPoly(image, _TORSO[[0, 1, 3, 2]].astype(np.int32), shirt)
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _person(torso: Float = _TORSO) -> Detections:
    keypoints = np.tile(torso.mean(0), (1, 17, 1)).astype(np.float32)
    keypoints[0, [5, 6, 11, 12]] = torso
    box = np.float32([[60, 20, 140, 230]])
    return Detections(box, np.ones(1, np.float32), keypoints, np.ones((1, 17), np.float32))


def _colours(image: Image, people: Detections | None = None) -> Float:
    return with_colours(people or _person(), image, COCO).colours[0]


@pytest.mark.parametrize("shirt", [RED, GREEN, GREY, (0, 0, 0), (255, 255, 255)])
def test_a_shirt_is_known_again_before_another_ground(shirt: tuple[int, int, int]) -> None:
    one, other = _colours(_picture(shirt)), _colours(_picture(shirt, (90, 20, 20)))
    assert one.shape == (NUM_COLOURS,)
    assert one.sum() == pytest.approx(1, abs=1e-5)
    assert (one >= 0).all()
    assert np.minimum(one, other).sum() > 0.95


def test_shirts_differ() -> None:
    looks = [_colours(_picture(shirt)) for shirt in (RED, GREEN, GREY)]
    for i, one in enumerate(looks):
        for other in looks[:i]:
            assert np.minimum(one, other).sum() < 0.2


def test_a_little_more_light_changes_little() -> None:
    one = _colours(_picture(RED))
    other = _colours(_picture((44, 44, 220)))
    assert np.minimum(one, other).sum() > 0.7


@pytest.mark.parametrize("turned", ["mirrored", "twice as large"])
def test_the_same_shirt_mirrored_or_larger(turned: str) -> None:
    image, torso = _picture(GREEN), _TORSO.copy()
    if turned == "mirrored":
        image = np.ascontiguousarray(image[:, ::-1])
        torso[:, 0] = 200 - torso[:, 0]
    else:
        image = np.repeat(np.repeat(image, 2, 0), 2, 1)
        torso *= 2
    same = _colours(image, _person(torso))
    assert np.minimum(same, _colours(_picture(GREEN))).sum() > 0.95


def test_in_profile_a_torso_still_has_a_width() -> None:
    torso = _TORSO.copy()
    torso[:, 0] = 100
    image = _picture(RED)
    image[:, 99:102] = (250, 250, 250)  # buttons
    assert np.minimum(_colours(image, _person(torso)), _colours(_picture(RED))).sum() > 0.7


@pytest.mark.parametrize("hidden", [[5], [12], [6, 11]])
def test_one_shoulder_and_one_hip_are_enough(hidden: list[int]) -> None:
    person = _person()
    person.scores[0, hidden] = 0.01
    person.keypoints[0, hidden[0]] = np.nan
    assert np.minimum(_colours(_picture(RED), person), _colours(_picture(RED))).sum() > 0.8


@pytest.mark.parametrize("hidden", [[5, 6], [11, 12], [5, 6, 11, 12]])
def test_without_shoulders_or_hips_nothing_is_known(hidden: list[int]) -> None:
    unsure, missing = _person(), _person()
    unsure.scores[0, hidden] = 0.01
    missing.keypoints[0, hidden] = np.nan
    for person in (unsure, missing):
        assert np.isnan(_colours(_picture(RED), person)).all()


@pytest.mark.parametrize("shift", [-500.0, 150.0, 1e30])
def test_outside_of_the_picture_nothing_is_known(shift: float) -> None:
    assert np.isnan(_colours(_picture(RED), _person(_TORSO + np.float32(shift)))).all()


def test_a_torso_of_a_few_pixels_is_not_looked_at() -> None:
    assert np.isnan(_colours(_picture(RED), _person(_TORSO * np.float32(0.05)))).all()


def test_everybody_has_their_own() -> None:
    image = np.concatenate([_picture(RED), _picture(GREEN)], 1)
    one, other = _person(), _person(_TORSO + np.float32([200, 0]))
    both = Detections(
        *(np.concatenate([getattr(p, name) for p in (one, other)])
          for name in ("boxes", "box_scores", "keypoints", "scores"))
    )  # fmt: skip
    colours = with_colours(both, image, COCO).colours
    np.testing.assert_allclose(colours[0], _colours(_picture(RED)), atol=0.02)
    np.testing.assert_allclose(colours[1], _colours(_picture(GREEN)), atol=0.02)


def test_nobody_and_skeletons_without_a_torso_are_passed_over() -> None:
    nobody = Detections.empty(17)
    assert with_colours(nobody, _picture(RED), COCO) is nobody
    other = replace(COCO, joints=tuple(f"point_{i}" for i in range(17)), edges=())
    assert np.isnan(with_colours(_person(), _picture(RED), other).colours).all()


def test_the_circle_of_hues_closes() -> None:
    """Reds with a touch of blue and with a touch of yellow are neighbours."""
    one, other = (
        histogram(np.tile(np.uint8(pixel), (50, 1))) for pixel in ([40, 20, 220], [20, 40, 220])
    )
    assert np.minimum(one, other).sum() > 0.5


def test_every_colour_has_a_histogram() -> None:
    rng = np.random.default_rng(2)
    for pixels in rng.integers(0, 256, (60, 5, 3)).astype(np.uint8):
        bins = histogram(pixels)
        assert bins.sum() == pytest.approx(1, abs=1e-5)
        assert (bins >= 0).all()
