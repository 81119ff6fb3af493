"""The paper's error measures, by their invariances and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vp3d_cli.evaluate.metrics import mpjpe, mpjve, n_mpjpe, p_mpjpe

RNG = np.random.default_rng(0)
TARGET = RNG.normal(0, 0.4, (2, 6, 17, 3))
TURN = Rotation.from_euler("xyz", [0.3, -1.2, 2.0]).as_matrix()


def test_by_hand() -> None:
    predicted = TARGET + np.array([0.3, 0.0, 0.4])
    np.testing.assert_allclose(mpjpe(predicted, TARGET), np.full((2, 6), 0.5))
    np.testing.assert_allclose(mpjve(predicted, TARGET), np.zeros((2, 5)), atol=1e-12)
    drifting = TARGET + np.arange(6)[:, None, None] * [0.3, 0.0, 0.4]
    np.testing.assert_allclose(mpjve(drifting, TARGET), np.full((2, 5), 0.5))


def test_n_mpjpe_ignores_scale_only() -> None:
    np.testing.assert_allclose(n_mpjpe(0.7 * TARGET, TARGET), 0, atol=1e-12)
    assert n_mpjpe(TARGET @ TURN, TARGET).min() > 0.1


def test_p_mpjpe_ignores_any_similarity_of_each_frame() -> None:
    predicted = RNG.uniform(0.5, 2, (2, 6, 1, 1)) * TARGET @ TURN + RNG.normal(size=(2, 6, 1, 3))
    np.testing.assert_allclose(p_mpjpe(predicted, TARGET), 0, atol=1e-9)


def test_p_mpjpe_does_not_align_a_mirror_image_away() -> None:
    assert p_mpjpe(TARGET * [1, 1, -1], TARGET).min() > 0.1


def test_alignment_never_hurts_much() -> None:
    """Procrustes minimises squares, so it need not beat every other mean, but nearly does."""
    predicted = TARGET + RNG.normal(0, 0.05, TARGET.shape)
    assert (p_mpjpe(predicted, TARGET) <= mpjpe(predicted, TARGET) * 1.02).all()
    assert (n_mpjpe(predicted, TARGET) <= mpjpe(predicted, TARGET) * 1.02).all()


@pytest.mark.parametrize("measure", [mpjpe, n_mpjpe, p_mpjpe])
def test_a_collapsed_prediction_is_finite(measure: object) -> None:
    assert np.isfinite(measure(np.zeros_like(TARGET), TARGET)).all()  # type: ignore[operator]
