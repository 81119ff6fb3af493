"""Feet: when they stand, how far they slide, and legs that hold them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.walkers import H36M, film, walk
from vp3d_cli.refine import feet
from vp3d_cli.types import Bool, Double

LEGS = feet.Legs.of(H36M)
# Below the line of sight, across it, and towards the camera.
ASIDE, AHEAD = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])


def _moving(speeds: list[float], fps: float = 50, way: Double = ASIDE) -> tuple[Double, Double]:
    """Both feet (T, 2, 3) on the optical axis, with a speed for each frame; and times."""
    path = np.concatenate([[0], np.cumsum(speeds)]) / fps
    one = np.array([0, 0, 4.0]) + path[:, None] * way
    return np.stack([one, one], 1), np.arange(len(one)) / fps


def _walked(fps: float = 30) -> tuple[Double, Double, Bool]:
    motion = walk(fps=fps)
    shot = film(motion)
    where = shot.person.joints[:, LEGS.feet] + shot.person.root[:, None]
    return where.astype(np.float64), shot.track.times_s, motion.standing


def test_legs_are_left_then_right() -> None:
    names = [[H36M.joints[joint] for joint in leg] for leg in LEGS.joints]
    assert names == [[f"{s}_hip", f"{s}_knee", f"{s}_foot"] for s in ("left", "right")]
    assert [H36M.joints[joint] for joint in LEGS.feet] == ["left_foot", "right_foot"]


@pytest.mark.parametrize("fps", [25, 30, 60, 120])
def test_feet_of_somebody_who_walks_stand_in_turn(fps: float) -> None:
    where, times, standing = _walked(fps)
    found = feet.contacts(where, times)
    assert (found == standing).mean() > 0.85
    # A foot that is about to go or has just come is slow as well.
    assert found[standing].mean() > 0.95
    assert 5 <= sum(len(feet._runs(found[:, foot])) for foot in range(2)) <= 8
    heights = 1.4 - where[..., 1]
    np.testing.assert_array_equal(feet.contacts(where, times, heights - heights.min()), found)


def test_contacts_are_alike_at_any_rate_and_backwards() -> None:
    where, times, _ = _walked(60)
    found = feet.contacts(where, times)
    backwards = feet.contacts(where[::-1], times[-1] - times[::-1])
    np.testing.assert_array_equal(backwards[::-1], found)
    coarse = feet.contacts(where[::2], times[::2])
    assert (coarse == found[::2]).mean() > 0.95


def test_noise_between_the_thresholds_does_not_flicker() -> None:
    rng = np.random.default_rng(0)
    between = list(rng.uniform(0.4, 0.55, 60))
    where, times = _moving([2.0] * 20 + [0.1] * 10 + between + [2.0] * 20)
    (run,) = feet._runs(feet.contacts(where, times)[:, 0])
    assert run == pytest.approx((21, 90), abs=2)
    where, times = _moving([2.0] * 20 + between + [2.0] * 20)
    assert not feet.contacts(where, times).any()  # it never came to a stand


def test_a_moment_is_no_contact() -> None:
    where, times = _moving([2.0] * 20 + [0.0] * 3 + [2.0] * 20)
    assert not feet.contacts(where, times).any()
    where, times = _moving([2.0] * 20 + [0.0] * 9 + [2.0] * 20)
    assert feet.contacts(where, times).any(0).all()


def test_depth_counts_less_than_what_is_seen() -> None:
    across, times = _moving([0.7] * 30, way=ASIDE)
    along, _ = _moving([0.7] * 30, way=AHEAD)
    fast, _ = _moving([2.5] * 30, way=AHEAD)
    assert not feet.contacts(across, times).any()
    assert feet.contacts(along, times).all()
    assert not feet.contacts(fast, times).any()


def test_feet_that_are_high_do_not_stand() -> None:
    where, times = _moving([0.0] * 30)
    low, high = np.full((31, 2), 0.1), np.full((31, 2), 0.5)
    assert feet.contacts(where, times, low).all()
    assert not feet.contacts(where, times, high).any()
    one = np.stack([low[:, 0], high[:, 0]], -1)
    np.testing.assert_array_equal(feet.contacts(where, times, one)[3], [True, False])
    assert not feet.contacts(where, times, low * np.nan).any()


def test_an_unknown_foot_does_not_stand_and_leaves_the_other() -> None:
    where, times = _moving([0.0] * 60)
    where[20:30, 0] = np.nan
    found = feet.contacts(where, times)
    assert not found[20:30, 0].any()
    assert found[:19, 0].all()
    assert found[31:, 0].all()
    assert found[:, 1].all()
    assert not feet.contacts(where * np.nan, times).any()


@pytest.mark.parametrize("length", [0, 1, 2])
def test_so_few_frames_say_nothing(length: int) -> None:
    where, times = _moving([0.0] * 9)
    assert feet.contacts(where[:length], times[:length]).tolist() == [[False, False]] * length


@pytest.mark.filterwarnings("error")
def test_times_that_stand_still_do_no_harm() -> None:
    where, times = _moving([0.0] * 30)
    times[10] = times[9]
    times[20] = times[19] - 0.01
    found = feet.contacts(where, times)
    assert found.all()


def test_footholds_are_where_feet_stood() -> None:
    where, times, standing = _walked()
    places, lasting = feet.footholds(where, standing, times)
    runs = [(foot, *run) for foot in range(2) for run in feet._runs(standing[:, foot])]
    assert places.shape == (len(runs), 3)
    for (foot, first, last), place, seconds in zip(runs, places, lasting, strict=True):
        np.testing.assert_allclose(place, where[first, foot], atol=1e-6)
        assert seconds == pytest.approx((last - 1 - first) / 30)
    none, no_time = feet.footholds(where, np.zeros_like(standing), times)
    assert (none.shape, no_time.shape) == ((0, 3), (0,))


def test_skate_is_the_speed_of_standing_feet() -> None:
    where, times = _moving([0.0] * 10 + [0.05] * 10)
    standing = np.ones((21, 2), bool)
    assert feet.skate(where, standing, times) == pytest.approx(25)
    standing[:11] = False
    assert feet.skate(where, standing, times) == pytest.approx(50)
    standing[:, 0] = False
    assert feet.skate(where, standing, times) == pytest.approx(50)
    assert np.isnan(feet.skate(where, np.zeros_like(standing), times))
    where[15] = np.nan
    assert feet.skate(where, standing, times) == pytest.approx(50)
    walked, walk_times, stood = _walked()
    assert feet.skate(walked, stood, walk_times) < 0.01


def _slid(slide: float = 0.03, seed: int = 0) -> tuple[Double, Double, Bool]:
    """Somebody who walks, whose feet slide while they stand; exact contacts."""
    motion = walk()
    shot = film(motion)
    where = (shot.person.joints + shot.person.root[:, None]).astype(np.float64)
    rng = np.random.default_rng(seed)
    for leg, drift in zip(LEGS.joints, rng.uniform(0.5, 1, 2) * slide, strict=True):
        wave = drift * np.sin(2 * np.pi * shot.track.times_s)[:, None]
        where[:, leg[2]] += wave * ASIDE
        where[:, leg[1]] += wave / 2 * ASIDE
    return where, shot.track.times_s, motion.standing


def _sizes(joints: Double) -> Double:
    """(T, 4): thighs and shins."""
    bones = [(a, b) for hip, knee, foot in LEGS.joints for a, b in ((hip, knee), (knee, foot))]
    return np.stack([np.linalg.norm(joints[:, b] - joints[:, a], axis=-1) for a, b in bones], -1)


@pytest.mark.parametrize("seed", range(3))
def test_locked_feet_stay_where_they_stand(seed: int) -> None:
    where, times, standing = _slid(seed=seed)
    assert feet.skate(where[:, LEGS.feet], standing, times) > 30
    got = feet.locked(where, standing, times, LEGS)
    assert got.dtype == np.float32
    for foot, joint in enumerate(LEGS.feet):
        for first, last in feet._runs(standing[:, foot]):
            middle = np.median(where[first:last, joint], 0)
            reach = _sizes(where)[first:last, 2 * foot : 2 * foot + 2].sum(-1)
            hip = where[first:last, LEGS.joints[foot][0]]
            reached = np.linalg.norm(middle - hip, axis=-1) < reach - 1e-3
            assert reached.mean() > 0.9
            off = np.linalg.norm(got[first:last, joint] - middle, axis=-1)
            assert off[reached].max() < 1e-3


def test_legs_keep_their_lengths_and_all_else_its_place() -> None:
    where, times, standing = _slid()
    before = where.copy()
    got = feet.locked(where, standing, times, LEGS)
    np.testing.assert_allclose(_sizes(got), _sizes(where), atol=1e-5)
    others = [i for i in range(17) if i not in (2, 3, 5, 6)]
    np.testing.assert_array_equal(got[:, others], where[:, others].astype(np.float32))
    np.testing.assert_array_equal(where, before)
    moved = np.linalg.norm(got - where, axis=-1)
    assert moved.max() < 0.15
    # The knee stays before the leg.
    for hip, knee, foot in LEGS.joints:
        bent = got[:, knee] - (got[:, hip] + got[:, foot]) / 2
        was = where[:, knee] - (where[:, hip] + where[:, foot]) / 2
        clear = np.linalg.norm(was, axis=-1) > 0.05
        assert ((bent * was).sum(-1)[clear] > 0).all()


def test_feet_are_eased_in_and_out() -> None:
    where, times, standing = _slid()
    got = feet.locked(where, standing, times, LEGS)
    for foot, joint in enumerate(LEGS.feet):
        shift = got[:, joint] - where[:, joint]
        largest = np.linalg.norm(shift, axis=-1).max()
        step = np.linalg.norm(np.diff(shift, axis=0), axis=-1)
        slides = np.linalg.norm(np.diff(where[:, joint], axis=0), axis=-1)
        # A tenth of a second is three frames; within a contact shifts undo the slide.
        held = standing[1:, foot] & standing[:-1, foot]
        assert step[~held].max() < largest / 2
        assert (step[held] <= slides[held] + 1e-3).all()


def test_nothing_standing_and_nothing_sliding_is_left_alone() -> None:
    where, times, standing = _slid()
    none = feet.locked(where, np.zeros_like(standing), times, LEGS)
    np.testing.assert_array_equal(none, where.astype(np.float32))
    still, times, standing = _slid(slide=0.0)
    got = feet.locked(still, standing, times, LEGS)
    np.testing.assert_allclose(got, still, atol=2e-3)


def test_what_is_out_of_reach_is_approached() -> None:
    length = 21
    where = np.zeros((length, 17, 3))
    where[:, :, 2] = 4
    for hip, knee, foot in LEGS.joints:
        where[:, knee, 1], where[:, foot, 1] = where[:, hip, 1] + 0.4, where[:, hip, 1] + 0.78
        where[:, knee, 2] -= 0.05
    where[:, :, 0] += np.linspace(-1, 1, length)[:, None]  # the hips go on, the feet have to stay
    standing = np.ones((length, 2), bool)
    got = feet.locked(where, standing, np.arange(length) / 30, LEGS)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(_sizes(got), _sizes(where), atol=1e-5)
    for hip, _, foot in LEGS.joints:
        middle = where[10, foot]
        line = middle - got[:, hip]
        leg = got[:, foot] - got[:, hip]
        cosine = (line * leg).sum(-1) / np.linalg.norm(line, axis=-1) / np.linalg.norm(leg, axis=-1)
        assert cosine.min() > 0.99999  # as far as the leg goes, and towards it


def test_a_straight_leg_can_be_bent() -> None:
    where = np.zeros((9, 17, 3))
    for hip, knee, foot in LEGS.joints:
        where[:, knee, 1], where[:, foot, 1] = where[:, hip, 1] + 0.4, where[:, hip, 1] + 0.8
    where[:, LEGS.feet, 1] -= 0.0
    where[:4, :, 1] += 0.1  # the hips rise
    got = feet.locked(where, np.ones((9, 2), bool), np.arange(9) / 30, LEGS)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(_sizes(got), _sizes(where), atol=1e-5)
    np.testing.assert_allclose(got[:, LEGS.feet, 1], 0.8, atol=1e-3)


def test_missing_legs_stay_missing() -> None:
    where, times, standing = _slid()
    whole = feet.locked(where, standing, times, LEGS)
    knee, foot = LEGS.joints[0][1:]
    where[:, [knee, foot]] = np.nan
    standing[:, 0] = False
    got = feet.locked(where, standing, times, LEGS)
    assert np.isnan(got[:, [knee, foot]]).all()
    others = [i for i in range(17) if i not in (knee, foot)]
    np.testing.assert_array_equal(got[:, others], whole[:, others])
