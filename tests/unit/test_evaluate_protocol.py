"""The paper's averages, against a literal reading of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.spatial.transform import Rotation

from vp3d_cli.evaluate.metrics import mpjpe, n_mpjpe, p_mpjpe
from vp3d_cli.evaluate.protocol import (
    Errors,
    clip_errors,
    similarity_mpjpe,
    summarise,
)

RNG = np.random.default_rng(7)


def _clip(frames: int, seed: int = 0, joints: int = 17) -> tuple[np.ndarray, np.ndarray]:
    """A prediction and its target, metres, with some errors of their own."""
    rng = np.random.default_rng([seed, frames])
    target = rng.normal(0, 0.4, (frames, joints, 3))
    return target + rng.normal(0, 0.03 * (1 + seed), target.shape), target


def _procrustes_by_search(predicted: np.ndarray, target: np.ndarray) -> float:
    """MPJPE (metres) of one frame after the least-squares similarity, found by a search."""
    p, t = predicted - predicted.mean(0), target - target.mean(0)

    def squares(x: np.ndarray) -> float:
        turned = np.exp(x[3]) * Rotation.from_rotvec(x[:3]).apply(p)
        return float(np.square(turned - t).sum())

    starts = [np.zeros(3), *np.pi * 0.7 * np.eye(3), *-np.pi * 0.7 * np.eye(3)]
    options = {"gtol": 1e-10}
    found = min(
        (minimize(squares, [*s, 0.0], method="BFGS", options=options) for s in starts),
        key=lambda f: f.fun,
    )
    aligned = np.exp(found.x[3]) * Rotation.from_rotvec(found.x[:3]).apply(p)
    return float(np.linalg.norm(aligned - t, axis=-1).mean())


@pytest.mark.parametrize("mirrored", [False, True])
def test_p_mpjpe_is_the_best_similarity_of_a_search(mirrored: bool) -> None:
    """Where a reflection would fit best, too: the best rotation is another one then."""
    predicted, target = _clip(4, seed=2)
    predicted = 0.7 * Rotation.from_rotvec([0.5, -0.4, 0.9]).apply(predicted.reshape(-1, 3))
    predicted = predicted.reshape(target.shape) * [1, 1, -1 if mirrored else 1] + [1.0, 2.0, 3.0]
    expected = [_procrustes_by_search(p, t) for p, t in zip(predicted, target, strict=True)]
    np.testing.assert_allclose(p_mpjpe(predicted, target), expected, atol=1e-5)


def test_n_mpjpe_has_the_scale_of_least_squares() -> None:
    predicted, target = _clip(5, seed=3)
    for p, t, measured in zip(predicted, target, n_mpjpe(predicted, target), strict=True):
        best = minimize_scalar(lambda s, p=p, t=t: np.square(s * p - t).sum()).x
        assert measured == pytest.approx(np.linalg.norm(best * p - t, axis=-1).mean(), abs=1e-6)


def test_a_clip_by_hand() -> None:
    """Two joints, three frames; the second joint is off by 3, 4 and 12 mm in x, y and z."""
    target = np.array([[[0, 0, 0], [0, 0, 1]]] * 3, float)
    predicted = target.copy()
    predicted[0, 1, 0] += 0.003
    predicted[1, 1, 1] += 0.004
    predicted[2, 1, 2] += 0.012
    errors = clip_errors(predicted, target)
    assert (errors.frames, errors.reference_frames, errors.coverage) == (3, 3, 100)
    assert errors.mpjpe_mm == pytest.approx((3 + 4 + 12) / 6)
    np.testing.assert_allclose(errors.joints_mm, [0, (3 + 4 + 12) / 3], atol=1e-9)
    steps = np.hypot(3, 4) + np.hypot(4, 12)
    assert errors.mpjve_mm == pytest.approx(steps / 2 / 2)
    assert errors.p_mpjpe_mm == pytest.approx(0, abs=1e-9)  # two points fit any two points


def test_one_similarity_for_a_clip_sees_what_one_a_frame_hides() -> None:
    _, target = _clip(6)
    turn = Rotation.from_rotvec([0.2, 1.0, -0.5])
    same = 1.3 * turn.apply(target.reshape(-1, 3)).reshape(target.shape) + [1, 2, 3]
    assert similarity_mpjpe(same, target) == pytest.approx(0, abs=1e-9)
    growing = same * np.linspace(1, 1.5, 6)[:, None, None]
    assert p_mpjpe(growing, target).max() == pytest.approx(0, abs=1e-9)
    assert similarity_mpjpe(growing, target) > 0.02
    assert similarity_mpjpe(target * [1, 1, -1], target) > 0.1


def test_frames_that_are_not_known_do_not_count() -> None:
    predicted, target = _clip(10)
    whole = clip_errors(predicted[:4], target[:4])
    target[5:] = np.nan
    predicted[4] = np.nan
    some = clip_errors(predicted, target)
    assert (some.frames, some.reference_frames, some.coverage) == (4, 5, 80)
    assert some.mpjpe_mm == pytest.approx(whole.mpjpe_mm)
    assert some.mpjve_mm == pytest.approx(whole.mpjve_mm)
    predicted[1, 3, 2] = np.nan  # leaves frames 0, 2 and 3, and one step
    step = clip_errors(predicted[2:4], target[2:4])
    assert clip_errors(predicted, target).mpjve_mm == pytest.approx(step.mpjve_mm)


def test_nothing_measured_is_nan_and_weighs_nothing() -> None:
    predicted, target = _clip(4)
    nothing = clip_errors(np.full_like(target, np.nan), target)
    assert (nothing.frames, nothing.reference_frames) == (0, 4)
    assert np.isnan([nothing.mpjpe_mm, nothing.mpjve_mm, *nothing.joints_mm]).all()
    something = clip_errors(predicted, target)
    both = summarise([("Walk", nothing), ("Walk", something)]).mean
    assert both.mpjpe_mm == something.mpjpe_mm
    assert both.coverage == 50
    lone = clip_errors(predicted[:1], target[:1])
    assert np.isnan(lone.mpjve_mm)
    walk = summarise([("Walk", lone), ("Walk", something)]).mean
    assert walk.mpjve_mm == something.mpjve_mm


def test_averages_as_the_paper_makes_them() -> None:
    """Written out: sums weighted by frames (the velocity too) inside actions, then a mean."""
    lengths = {"Walking 1": 30, "Walking 2": 10, "Eating": 5, "WalkTogether 1": 90}
    clips = {name: _clip(n, seed) for seed, (name, n) in enumerate(lengths.items())}
    errors = {name: clip_errors(*clip) for name, clip in clips.items()}
    expected = {}
    for action in ("Walking", "Eating", "WalkTogether"):
        total = np.zeros(4)
        frames = 0
        for name, (predicted, target) in clips.items():
            if name.split(" ")[0] == action:
                difference = np.diff(predicted, axis=0) - np.diff(target, axis=0)
                total += len(target) * np.array(
                    [
                        mpjpe(predicted, target).mean(),
                        p_mpjpe(predicted, target).mean(),
                        n_mpjpe(predicted, target).mean(),
                        np.linalg.norm(difference, axis=-1).mean(),
                    ]
                )
                frames += len(target)
        expected[action] = 1000 * total / frames
    summary = summarise(errors.items())
    assert sorted(summary.actions) == sorted(expected)
    for action, values in expected.items():
        np.testing.assert_allclose(_four(summary.actions[action]), values)
    np.testing.assert_allclose(_four(summary.mean), np.mean(list(expected.values()), 0))
    assert summary.actions["Walking"].frames == 40
    assert summary.mean.frames == 135


def test_the_joints_have_the_mean_of_all() -> None:
    clips = [(f"{'ab'[i % 2]} {i}", clip_errors(*_clip(5 + 9 * i, i))) for i in range(5)]
    mean = summarise(clips).mean
    assert mean.joints_mm.mean() == pytest.approx(mean.mpjpe_mm)


def test_the_order_of_clips_and_joints_does_not_matter() -> None:
    clips = [(f"{'ab'[i % 2]} {i}", clip_errors(*_clip(4 + 3 * i, i))) for i in range(4)]
    first = summarise(clips)
    for order in itertools.permutations(clips):
        np.testing.assert_allclose(_four(summarise(order).mean), _four(first.mean))
    predicted, target = _clip(6)
    order = RNG.permutation(17)
    shuffled = clip_errors(predicted[:, order], target[:, order])
    np.testing.assert_allclose(_four(shuffled), _four(clip_errors(predicted, target)))


def test_an_action_cut_in_two_clips_has_the_same_position_error() -> None:
    predicted, target = _clip(20)
    whole = clip_errors(predicted, target)
    parts = [("Walk 1", slice(0, 4)), ("Walk 2", slice(4, 20))]
    cut = summarise([(name, clip_errors(predicted[s], target[s])) for name, s in parts]).mean
    assert cut.mpjpe_mm == pytest.approx(whole.mpjpe_mm)
    assert cut.p_mpjpe_mm == pytest.approx(whole.p_mpjpe_mm)


def test_what_has_other_joints_is_refused() -> None:
    with pytest.raises(ValueError, match="predicted: expected shape"):
        clip_errors(np.zeros((3, 16, 3)), np.zeros((3, 17, 3)))
    with pytest.raises(ValueError, match="at least one"):
        summarise([])


def _four(errors: Errors) -> np.ndarray:
    return np.array([errors.mpjpe_mm, errors.p_mpjpe_mm, errors.n_mpjpe_mm, errors.mpjve_mm])
