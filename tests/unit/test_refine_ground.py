"""The ground under people of known places before cameras of known heights and tilts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.walkers import H36M, Shot, angle_between, film, walk
from vp3d_cli.refine import feet, ground
from vp3d_cli.types import Double

LEGS = feet.Legs.of(H36M)
# They cross the room, each another way.
CROWD: list[dict[str, Any]] = [
    {"heading": 0.0, "at": (-1, 2, 0)},
    {"heading": 1.5, "at": (2, 0, 0)},
    {"heading": 2.5, "at": (0, -1, 0)},
    {"heading": 4.0, "at": (-2, 1, 0)},
]


def _standing(shot: Shot) -> ground.Standing:
    person, times = shot.person, shot.track.times_s
    steps = (person.joints[:, LEGS.feet] + person.root[:, None]).astype(np.float64)
    places = feet.footholds(steps, feet.contacts(steps, times), times)
    trunks = person.joints[:, H36M.index("thorax")] - person.joints[:, 0]
    return ground.Standing(trunks.astype(np.float64), *places)


def _crowd(people: int = 4, level: float = 0.0, **view: Any) -> tuple[list[Shot], Double]:
    """Those of `CROWD`, the first one on a level of its own; and the camera's true place."""
    shots = []
    for i, how in enumerate(CROWD[:people]):
        x, y, _ = how["at"]
        at = (x, y, level if i == 0 else 0.0)
        motion = walk(heading=how["heading"], at=at)
        shots.append(film(motion, **{"distance": 7.0, "track_id": i + 1, **view}))
    return shots, shots[0].camera_to_world


def _check(found: ground.Ground) -> Double:
    """The matrix (4, 4), which is a rotation, a height, and looks ahead."""
    assert found.world.is_known, found.world.how
    matrix = found.world.camera_to_world
    turn = matrix[:3, :3]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_array_equal(matrix[3], [0, 0, 0, 1])
    np.testing.assert_array_equal(matrix[:2, 3], 0)  # the origin is below the camera
    ahead = turn @ [0, 0, 1]
    assert ahead[0] == pytest.approx(0, abs=1e-9)
    assert ahead[1] > 0
    return matrix


@pytest.mark.parametrize("pitch", [-0.1, 0.0, 0.2, 0.35])
@pytest.mark.parametrize("roll", [-0.04, 0.0, 0.04])
@pytest.mark.parametrize("people", [2, 4])
def test_up_and_height_of_a_camera_that_is_held_about_level(
    pitch: float, roll: float, people: int
) -> None:
    height = 1.5 + 4 * max(pitch, 0)
    shots, truth = _crowd(people, pitch=pitch, roll=roll, height=height)
    found = ground.estimate([_standing(shot) for shot in shots])
    matrix = _check(found)
    assert angle_between(matrix[2, :3], truth[2, :3]) < 3
    assert matrix[2, 3] == pytest.approx(height, abs=0.1)
    assert found.levels_m == pytest.approx([0] * people, abs=0.1)
    # Seen from the world the floor is at 0, and ankles are 8 cm above it.
    for shot in shots:
        ankles = found.world.of(shot.person)[:, LEGS.feet, 2]
        assert np.percentile(ankles, 20) == pytest.approx(0.08, abs=0.12)


@pytest.mark.parametrize("heading", [0.0, 0.7, np.pi / 2])
@pytest.mark.parametrize("speed", [0.0, 1.0])
@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (0.2, 0.0), (0.2, 0.08), (0.5, -0.05)])
def test_one_person_is_enough_for_a_guess(
    heading: float, speed: float, pitch: float, roll: float
) -> None:
    """What one path does not tell is taken from how cameras are held."""
    shot = film(walk(speed=speed, heading=heading), pitch=pitch, roll=roll, height=1.4 + 4 * pitch)
    matrix = _check(ground.estimate([_standing(shot)]))
    off = angle_between(matrix[2, :3], shot.camera_to_world[2, :3])
    assert off < 7
    level = angle_between(np.array([0, -1.0, 0]), shot.camera_to_world[2, :3])
    assert off <= 0.8 * level + 0.1
    # 7 degrees at 5 m are 60 cm.
    assert matrix[2, 3] == pytest.approx(1.4 + 4 * pitch, abs=0.55)


def test_a_level_camera_is_found_exactly() -> None:
    for speed in (0.0, 1.0):
        shot = film(walk(speed=speed, heading=0.7), height=1.2)
        matrix = _check(ground.estimate([_standing(shot)]))
        np.testing.assert_allclose(matrix, shot.camera_to_world, atol=1e-3)


def test_more_people_say_more() -> None:
    """Where each leans another way, all together do not."""
    off = []
    for people in (1, 4):
        shots, truth = _crowd(people, pitch=0.2, roll=0.08, height=2.2)
        matrix = _check(ground.estimate([_standing(shot) for shot in shots]))
        off.append(angle_between(matrix[2, :3], truth[2, :3]))
    assert off[1] < off[0]


@pytest.mark.parametrize("level", [2.0, 0.8])
def test_somebody_on_a_wall_stands_on_a_level_of_their_own(level: float) -> None:
    shots, truth = _crowd(level=level, pitch=0.15, height=2.0)
    found = ground.estimate([_standing(shot) for shot in shots])
    matrix = _check(found)
    assert angle_between(matrix[2, :3], truth[2, :3]) < 3
    assert matrix[2, 3] == pytest.approx(2.0, abs=0.15)
    assert found.levels_m == pytest.approx([level, 0, 0, 0], abs=0.2)


def test_people_of_wrong_sizes_stand_on_one_floor() -> None:
    """A child that is taken for a grown-up further away seems to stand a little lower."""
    shots, _ = _crowd(3, height=1.5)
    people = [_standing(shot) for shot in shots]
    larger = ground.Standing(people[0].trunks, 1.15 * people[0].places, people[0].lasting_s)
    found = ground.estimate([larger, *people[1:]])
    assert _check(found)[2, 3] == pytest.approx(1.5, abs=0.2)


@pytest.mark.parametrize("lean", [0.15, 0.4])
def test_people_may_lean(lean: float) -> None:
    headings = (0.0, 1.5, 3.0, 4.5)
    shots = [film(walk(heading=h, lean=lean), pitch=0.1, height=1.8) for h in headings]
    matrix = _check(ground.estimate([_standing(shot) for shot in shots]))
    assert angle_between(matrix[2, :3], shots[0].camera_to_world[2, :3]) < 4


def test_floors_do_not_depend_on_the_order_of_people() -> None:
    shots, _ = _crowd(level=1.5, pitch=0.1)
    people = [_standing(shot) for shot in shots]
    one, other = ground.estimate(people), ground.estimate(people[::-1])
    np.testing.assert_allclose(one.world.camera_to_world, other.world.camera_to_world, atol=1e-4)
    np.testing.assert_allclose(one.levels_m, other.levels_m[::-1], atol=1e-4)


def _assert_unknown(found: ground.Ground, why: str, people: int) -> None:
    assert not found.world.is_known
    assert np.isnan(found.world.camera_to_world).all()
    assert why in found.world.how
    assert found.levels_m == (0.0,) * people


def test_without_feet_there_is_no_ground() -> None:
    trunks = _standing(film(walk())).trunks
    nothing = ground.Standing(trunks, np.zeros((0, 3)), np.zeros(0))
    _assert_unknown(ground.estimate([nothing, nothing]), "no foot is seen to stand", 2)
    shortly = ground.Standing(trunks, np.array([[0, 1.5, 4]]), np.array([0.2]))
    _assert_unknown(ground.estimate([shortly]), "for long enough", 1)
    _assert_unknown(ground.estimate([]), "no foot", 0)


def test_people_without_feet_stand_with_the_others() -> None:
    whole = _standing(film(walk(), height=1.5))
    nothing = ground.Standing(whole.trunks, np.zeros((0, 3)), np.zeros(0))
    found = ground.estimate([nothing, whole])
    assert _check(found)[2, 3] == pytest.approx(1.5, abs=0.05)
    assert found.levels_m == pytest.approx([0, 0], abs=1e-6)


def test_somebody_upside_down_or_lying_says_nothing() -> None:
    shot = film(walk())
    whole = _standing(shot)
    for trunks in (-whole.trunks, whole.trunks[:, [1, 0, 2]], np.full_like(whole.trunks, np.nan)):
        person = ground.Standing(trunks, whole.places, whole.lasting_s)
        _assert_unknown(ground.estimate([person]), "nobody is seen upright", 1)
    # Gaps do no harm.
    whole.trunks[30:] = np.nan
    _check(ground.estimate([whole]))


@pytest.mark.parametrize("pitch", [0.9, 1.2, 1.5])
def test_from_above_the_ground_is_right_or_unknown(pitch: float) -> None:
    shots, truth = _crowd(pitch=pitch, height=7.0, distance=7.0 / np.tan(pitch))
    found = ground.estimate([_standing(shot) for shot in shots])
    if found.world.is_known:
        matrix = _check(found)
        assert angle_between(matrix[2, :3], truth[2, :3]) < 8
        assert matrix[2, 3] == pytest.approx(7.0, abs=1)
    else:
        assert "upright" in found.world.how


def test_what_cannot_be_is_unknown() -> None:
    whole = _standing(film(walk(speed=0)))
    far = ground.Standing(whole.trunks, whole.places - [0, -40, 0], whole.lasting_s)
    _assert_unknown(ground.estimate([far]), "m below the camera", 1)
    above = ground.Standing(whole.trunks, whole.places - [0, 5, 0], whole.lasting_s)
    _assert_unknown(ground.estimate([above]), "m below the camera", 1)


@pytest.mark.parametrize("seed", range(5))
def test_nonsense_is_never_wild(seed: int) -> None:
    """Whatever comes in: a floor below the camera and somebody upright on it, or nothing."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(1, 9)
    person = ground.Standing(
        trunks=rng.normal((0, -rng.uniform(0, 1), 0), 0.5, (40, 3)),
        places=rng.normal((0, 1, 5), 2, (steps, 3)),
        lasting_s=rng.uniform(0.3, 1, steps),
    )
    found = ground.estimate([person])
    if found.world.is_known:
        matrix = _check(found)
        assert -0.6 < matrix[2, 3] < 15
        assert angle_between(matrix[2, :3], np.array([0, -1.0, 0])) < 80
