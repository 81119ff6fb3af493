"""What makes a joint be trusted less."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from tests.walkers import H36M, film, walk
from vp3d_cli.refine import trust
from vp3d_cli.types import Float, Track2D, Track3D

HIPS = [H36M.index(name) for name in ("left_hip", "right_hip")]


def _seen(**changes: Any) -> tuple[Track2D, Track3D]:
    """Two seconds of somebody who is seen well, but for `changes` of the 3D."""
    shot = film(walk(seconds=2))
    shape = shot.person.confidence.shape
    known = {"residual_px": np.full(shape[0], 5, np.float32)}
    return shot.track, dataclasses.replace(shot.person, **{**known, **changes})


def _filled(value: float) -> Float:
    return np.full((60, 17), value, np.float32)


def test_trust_is_a_chance() -> None:
    track, person = _seen()
    got = trust.confidence(track, person)
    assert (got.shape, got.dtype) == ((60, 17), np.float32)
    assert (got > 0.3).all()
    assert (got < 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_whatever_comes_in_it_is_a_chance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wild = rng.choice([0, 1e-9, 0.1, 1, 1e3, 1e9, np.nan, np.inf], (60, 17)).astype(np.float32)
    track, person = _seen(spread=wild, residual_px=wild[:, 0])
    person = dataclasses.replace(person, confidence=rng.uniform(0, 1, (60, 17)).astype(np.float32))
    track = dataclasses.replace(
        track, observed=rng.uniform(size=60) > 0.5, at_risk=rng.uniform(size=60) > 0.5
    )
    got = trust.confidence(track, person)
    assert np.isfinite(got).all()
    assert ((got >= 0) & (got <= 1)).all()


def _falls(answers: list[Float]) -> None:
    for better, worse in itertools.pairwise(answers):
        assert (worse < better).all()


def test_trust_falls_with_the_residual() -> None:
    _falls(
        [
            trust.confidence(*_seen(residual_px=np.full(60, off, np.float32)))
            for off in (0, 10, 30, 60)
        ]
    )


def test_residuals_are_compared_with_the_size_of_the_person() -> None:
    track, person = _seen(residual_px=np.full(60, 20, np.float32))
    larger = dataclasses.replace(track, boxes=2 * track.boxes)
    doubled = dataclasses.replace(person, residual_px=2 * person.residual_px)
    same = trust.confidence(larger, doubled)
    np.testing.assert_allclose(same, trust.confidence(track, person), atol=1e-6)


def test_trust_falls_with_the_spread() -> None:
    _falls([trust.confidence(*_seen(spread=_filled(m))) for m in (0.01, 0.03, 0.1, 0.5)])
    one = _filled(0.03)
    one[:, 5] = 0.3
    changed = trust.confidence(*_seen(spread=one)) < trust.confidence(*_seen(spread=_filled(0.03)))
    np.testing.assert_array_equal(changed.any(0), np.arange(17) == 5)


def test_trust_falls_with_keypoints_that_are_not_seen() -> None:
    _falls([trust.confidence(*_seen(confidence=_filled(c))) for c in (0.3, 0.2, 0.1, 0.0)])
    enough = trust.confidence(*_seen(confidence=_filled(0.3)))
    np.testing.assert_array_equal(trust.confidence(*_seen(confidence=_filled(1.0))), enough)


def test_trust_falls_with_the_distance_to_what_was_seen() -> None:
    track, person = _seen()
    track.observed[20:40] = False
    got = trust.confidence(track, person)
    assert (np.diff(got[19:30], axis=0) < 0).all()
    assert (np.diff(got[30:41], axis=0) > 0).all()
    np.testing.assert_array_equal(got[:20], trust.confidence(*_seen())[:20])
    track.observed[:] = False
    never = trust.confidence(track, person)
    assert (never < got.min(0)).all()


def test_trust_falls_where_people_may_be_mixed_up() -> None:
    track, person = _seen()
    plain = trust.confidence(track, person)
    track.at_risk[10:20] = True
    got = trust.confidence(track, person)
    assert (got[10:20] < 0.8 * plain[10:20]).all()
    np.testing.assert_array_equal(got[20:], plain[20:])


def test_the_root_is_trusted_as_far_as_the_hips_are() -> None:
    spread = _filled(0.03)
    spread[:, HIPS[0]] = 0.2
    got = trust.confidence(*_seen(spread=spread))
    np.testing.assert_array_equal(got[:, 0], got[:, HIPS].min(1))
    assert (got[:, HIPS[0]] < got[:, HIPS[1]]).all()


def test_left_and_right_are_alike_and_hands_worse_than_hips() -> None:
    track, person = _seen()
    got = trust.confidence(track, person)
    np.testing.assert_allclose(got[:, H36M.flip_order], got, atol=1e-6)
    hip, wrist = (got[:, H36M.index(name)] for name in ("left_hip", "left_wrist"))
    assert (hip > wrist).all()


def test_every_joint_has_its_own_share() -> None:
    names = {name.removeprefix("left_").removeprefix("right_") for name in H36M.joints}
    assert set(trust.JOINTS) | {"hip"} == names


def test_a_body_that_nobody_can_place_is_trusted_little() -> None:
    nowhere = trust.confidence(*_seen(residual_px=np.full(60, np.nan, np.float32)))
    far = trust.confidence(*_seen(residual_px=np.full(60, 1e6, np.float32)))
    np.testing.assert_array_equal(nowhere, far)
    assert (nowhere < trust.confidence(*_seen())).all()


def test_lifters_that_do_not_tell_their_spread_have_a_trust() -> None:
    got = trust.confidence(*_seen(spread=_filled(np.nan)))
    assert np.isfinite(got).all()
