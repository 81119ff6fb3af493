"""Smoothing over time: what passes, what does not, and what is filled in."""

from __future__ import annotations

import numpy as np
import pytest

from vp3d_cli.smoothing import OneEuro, smooth
from vp3d_cli.types import Double

RATES = [24, 30000 / 1001, 60, 240]


def _times(length: int, fps: float = 30) -> Double:
    return np.arange(length) / fps


def _smooth(values: Double, times_s: Double, cutoff_hz: float = 6.0) -> Double:
    return smooth(values, np.ones((len(values), 1)), times_s, cutoff_hz)


def _uneven(length: int, seed: int = 0) -> Double:
    return np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.06, length))


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("start_s", [0.0, 3600.0])
def test_polynomials_pass(fps: float, start_s: float) -> None:
    times = _times(200, fps)
    rng = np.random.default_rng(0)
    values = np.stack([times**k for k in range(3)], -1) @ rng.normal(size=(3, 4))
    for weights in (np.ones((200, 1)), rng.uniform(0.02, 1, (200, 1))):
        np.testing.assert_allclose(
            smooth(values, weights, times + start_s, 6), values, rtol=0, atol=1e-7
        )


def test_polynomials_pass_at_uneven_times() -> None:
    times = _uneven(150)
    values = np.stack([np.ones(150), times, 3 - times + times**2], -1)
    np.testing.assert_allclose(_smooth(values, times), values, rtol=0, atol=1e-7)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("cutoff_hz", [2.0, 6.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0, 1.5])
def test_gain(fps: float, cutoff_hz: float, share: float) -> None:
    """A half at the cutoff, 0.98 at half of it; a real number, so without phase."""
    times = _times(round(8 * fps), fps)
    wave = np.exp(2j * np.pi * share * cutoff_hz * times)
    got = _smooth(np.stack([wave.real, wave.imag], -1), times, cutoff_hz)
    middle = slice(len(times) // 4, -len(times) // 4)
    passed = (got[middle] @ [1, 1j]) / wave[middle]
    # Differences of frames are not quite derivatives where there are few frames a wave.
    turn = np.pi * share * cutoff_hz / fps
    expected = 1 / (1 + (share * np.sin(turn) / turn) ** 6)
    np.testing.assert_allclose(passed, expected, rtol=0, atol=1e-3)
    if fps >= 20 * cutoff_hz:
        np.testing.assert_allclose(passed, 1 / (1 + share**6), rtol=0, atol=0.02)
    if share == 0.5:
        np.testing.assert_allclose(passed, 0.985, rtol=0, atol=0.006)


def test_time_has_no_direction() -> None:
    rng = np.random.default_rng(1)
    values, weights, times = rng.normal(size=(90, 3)), rng.uniform(0, 1, (90, 1)), _uneven(90)
    forth = smooth(values, weights, times, 4)
    back = smooth(values[::-1], weights[::-1], times[-1] - times[::-1], 4)[::-1]
    np.testing.assert_allclose(forth, back, atol=1e-9)


def test_is_linear_and_alike_in_all_units() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(2, 80, 5))
    times = _uneven(80)
    together = _smooth(3 * one - 7 * other + 2, times)
    apart = 3 * _smooth(one, times) - 7 * _smooth(other, times) + 2
    np.testing.assert_allclose(together, apart, atol=1e-8)
    slower = _smooth(one, 10 * times, 0.6)
    np.testing.assert_allclose(slower, _smooth(one, times, 6.0), atol=1e-8)


def test_uneven_times_give_what_even_ones_do() -> None:
    even = _times(120)
    uneven = even + np.random.default_rng(3).uniform(-0.01, 0.01, 120)

    def motion(times: Double) -> Double:
        return np.stack([np.sin(4 * times), np.cos(7 * times)], -1)

    got = _smooth(motion(uneven), uneven)
    np.testing.assert_allclose(got, motion(uneven), atol=2e-3)
    np.testing.assert_allclose(_smooth(motion(even), even), motion(even), atol=2e-3)


def test_noise_is_calmed() -> None:
    rng = np.random.default_rng(4)
    times = _times(600, 60)
    truth = np.sin(2 * np.pi * times)[:, None]
    noise = rng.normal(0, 0.1, truth.shape)
    left = _smooth(truth + noise, times) - truth
    # Of white noise up to 30 Hz what is below 6 Hz is left.
    assert 0.35 < left.std() / noise.std() < 0.5


def test_what_counts_less_is_followed_less() -> None:
    times = _times(60)
    values = np.zeros((60, 1))
    values[30] = 1
    heights = []
    for weight in (1.0, 0.3, 0.02, 0.0):
        weights = np.ones((60, 1))
        weights[30] = weight
        heights.append(smooth(values, weights, times, 6)[30, 0])
    assert heights == sorted(heights, reverse=True)
    assert heights[0] > 0.3
    assert abs(heights[-1]) < 1e-9
    twice = smooth(values, np.full((60, 1), 2.0), times, 6)
    assert twice[30] > heights[0]  # more sure of all: followed more


def test_unknown_is_filled_in_along_the_path() -> None:
    times = _times(120)
    truth = np.stack([np.sin(2 * times), np.cos(3 * times)], -1)
    unknown, weightless = truth.copy(), truth.copy()
    unknown[40:46], weightless[40:46] = np.nan, 1e6
    weights = np.ones((120, 1))
    by_nan = smooth(unknown, weights, times, 6)
    weights[40:46] = 0
    by_weight = smooth(weightless, weights, times, 6)
    np.testing.assert_allclose(by_nan, truth, atol=0.01)
    np.testing.assert_allclose(by_weight, by_nan, atol=1e-9)


@pytest.mark.parametrize("known", [slice(0, 1), slice(30, 32), slice(40, 80), slice(0, 200, 60)])
def test_what_is_never_seen_again_stays_near_where_it_was(known: slice) -> None:
    """Pixels: a parabola through noise would leave the picture at once."""
    times = _times(400)
    values = np.full((400, 2), np.nan)
    values[known] = [900, 500] + np.random.default_rng(5).normal(0, 2, (400, 2))[known]
    for cutoff in (6.0, 0.7):
        filled = _smooth(values, times, cutoff)
        assert np.isfinite(filled).all()
        assert np.abs(filled - [900, 500]).max() < 30


def test_a_column_without_values_stays_unknown_alone() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=(50, 3, 2))
    lost = values.copy()
    lost[:, 1] = np.nan
    got = smooth(lost, np.ones((50, 3, 1)), _times(50), 6)
    assert np.isnan(got[:, 1]).all()
    whole = smooth(values, np.ones((50, 3, 1)), _times(50), 6)
    np.testing.assert_array_equal(got[:, [0, 2]], whole[:, [0, 2]])
    weightless = smooth(values, np.float64([1, 0, 1])[:, None] * np.ones((50, 1, 1)), _times(50), 6)
    np.testing.assert_array_equal(weightless, got)


def test_columns_do_not_mix() -> None:
    rng = np.random.default_rng(7)
    values, weights = rng.normal(size=(40, 3, 2)), rng.uniform(0.1, 1, (40, 3, 1))
    together = smooth(values, weights, _times(40), 6)
    for joint in range(3):
        for axis in range(2):
            column = values[:, joint, axis, None]
            alone = smooth(column, weights[:, joint], _times(40), 6)
            np.testing.assert_allclose(together[:, joint, axis], alone[:, 0], atol=1e-12)


def test_weights_may_be_for_each_value() -> None:
    rng = np.random.default_rng(8)
    values, weights = rng.normal(size=(40, 4)), rng.uniform(0.1, 1, (40, 4))
    got = smooth(values, weights, _times(40), 6)
    for column in range(4):
        alone = smooth(values[:, [column]], weights[:, [column]], _times(40), 6)
        np.testing.assert_allclose(got[:, [column]], alone, atol=1e-12)


@pytest.mark.parametrize("shape", [(1,), (3,), (17, 2), (5, 17, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_stay(shape: tuple[int, ...], dtype: type) -> None:
    values = np.random.default_rng(9).normal(size=(20, *shape)).astype(dtype)
    before = values.copy()
    got = smooth(values, np.ones((20, *shape[:-1], 1)), _times(20), 6)
    assert (got.shape, got.dtype) == (values.shape, np.float64)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_too_few_frames_stay_as_they_are(length: int) -> None:
    values = np.random.default_rng(10).normal(size=(length, 4))
    got = _smooth(values, _times(length))
    np.testing.assert_array_equal(got, values)
    assert got is not values


def test_four_frames_are_smoothed() -> None:
    values = np.float64([[0], [1], [0], [1]])
    got = _smooth(values, _times(4), 1.0)
    assert np.abs(np.diff(got[:, 0], 3)) < 0.1
    assert not np.allclose(got, values)


def test_a_constant_stays() -> None:
    rng = np.random.default_rng(11)
    values = np.full((70, 3), 1234.5)
    values[rng.integers(0, 70, 30)] = np.nan
    got = smooth(values, rng.uniform(0.02, 1, (70, 1)), _uneven(70), 6)
    np.testing.assert_allclose(got, 1234.5, rtol=1e-9)


@pytest.mark.parametrize("standing", [2, 4, 40])
def test_times_that_stand_still_or_go_back_do_no_harm(standing: int) -> None:
    truth = np.sin(np.arange(40) / 10)[:, None]
    times = _times(40)
    times[10 : 10 + standing] = times[10]
    times[5] -= 0.05
    for cutoff in (6.0, 0.7, 0.1):
        got = _smooth(truth, times, cutoff)
        assert np.abs(got).max() < 1.5
    if standing < 40:
        np.testing.assert_allclose(_smooth(truth, times)[16:], truth[16:], atol=0.05)


@pytest.mark.parametrize("fps", [0.5, 30, 240, 960, 10000])
@pytest.mark.parametrize("cutoff_hz", [0.1, 0.7, 100])
def test_any_rate_and_any_cutoff_have_an_answer(fps: float, cutoff_hz: float) -> None:
    """Doubles are not enough for all of them as they are."""
    times = _times(500, fps)
    values = np.stack([np.ones(500), np.linspace(-1, 1, 500)], -1)
    for weights in (np.ones((500, 1)), np.full((500, 1), 0.02)):
        got = smooth(values, weights, times, cutoff_hz)
        np.testing.assert_allclose(got, values, rtol=0, atol=2e-3)


@pytest.mark.parametrize("length", [4, 5, 40])
def test_odd_times_and_tiny_weights_have_an_answer(length: int) -> None:
    for seed in range(150):
        rng = np.random.default_rng(seed)
        times = np.cumsum(rng.exponential(1 / 60, length))
        values = 1000 + np.cumsum(rng.normal(size=(length, 1)), 0)
        weights = np.where(rng.random((length, 1)) < 0.3, 0, rng.random((length, 1)) ** 4)
        weights[0] = 1e-4
        got = smooth(values, weights, times, 0.1)
        assert np.isfinite(got).all()
        assert np.abs(got - values).max() < 100 * np.ptp(values)


def test_one_euro_keeps_a_constant() -> None:
    calm = OneEuro()
    for i in range(50):
        np.testing.assert_array_equal(calm(np.full((17, 3), 0.7), i / 30), 0.7)


def test_one_euro_begins_with_the_first_sample() -> None:
    first = np.random.default_rng(0).normal(size=(17, 3))
    calm = OneEuro()
    got = calm(first, 12.0)
    np.testing.assert_array_equal(got, first)
    got[:] = 99  # nobody else's
    np.testing.assert_array_equal(calm(first, 12.1), first)


def test_one_euro_follows_what_is_fast_and_calms_what_stands() -> None:
    rng = np.random.default_rng(1)
    times = np.arange(150) / 30
    noise = rng.normal(0, 0.01, 150)
    calm = OneEuro(cutoff_hz=1.0, beta=2.0)
    still = np.array([calm(np.array([v]), t)[0] for v, t in zip(noise, times, strict=True)])
    assert still[30:].std() < 0.6 * noise.std()

    def lag(beta: float) -> float:
        moving = OneEuro(cutoff_hz=1.0, beta=beta)
        path = 3 * times  # metres a second
        got = [moving(np.array([v]), t)[0] for v, t in zip(path, times, strict=True)]
        return float((path - got)[-1] / 3)

    assert 0 <= lag(2.0) < 0.035  # a frame
    assert lag(0.0) == pytest.approx(1 / (2 * np.pi), rel=0.05)


def test_one_euro_does_not_overshoot() -> None:
    calm = OneEuro()
    steps = [calm(np.array([float(i > 10)]), i / 30)[0] for i in range(100)]
    assert (np.diff(steps) >= 0).all()
    assert steps[-1] == pytest.approx(1, abs=0.01)


def test_one_euro_holds_what_is_unknown() -> None:
    calm = OneEuro()
    nan = np.nan
    first = calm(np.array([nan, 1.0]), 0.0)
    assert np.isnan(first[0])
    assert np.isnan(calm(np.array([nan, 1.0]), 0.1)[0])
    assert calm(np.array([5.0, nan]), 0.2).tolist() == [5.0, 1.0]
    assert calm(np.array([nan, nan]), 0.3).tolist() == [5.0, 1.0]
    assert calm(np.array([5.0, 1.0]), 0.4).tolist() == [5.0, 1.0]


@pytest.mark.parametrize("step_s", [0.0, -1.0])
def test_one_euro_bears_times_that_stand_still(step_s: float) -> None:
    calm = OneEuro()
    calm(np.array([1.0]), 5.0)
    assert 1 <= calm(np.array([2.0]), 5.0 + step_s)[0] <= 2
