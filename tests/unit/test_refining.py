"""From lifted people to a result: every part does its own, and can be left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.factories import make_track2d, make_track3d
from tests.walkers import H36M, Shot, film, walk
from vp3d_cli import skeletons
from vp3d_cli.options import PARTS, Options
from vp3d_cli.pipeline import refining
from vp3d_cli.refine import bones, feet
from vp3d_cli.types import Detections, Float, Keypoints2D, Skeleton, Track2D, Track3D, World

# What `Refining` does itself; the others are done while people are tracked and lifted.
OWN = ("smoothing", "bones", "root", "world", "calibration")
FEET = feet.Legs.of(H36M).feet


def _shot(seed: int = 0, track_id: int = 1, **how: Any) -> Shot:
    """Somebody who walks, as a lifter answers: joints off by 2 cm, keypoints by a pixel."""
    rng = np.random.default_rng([seed, track_id])
    shot = film(walk(heading=how.pop("heading", 0.7)), pitch=0.1, track_id=track_id, **how)
    person = shot.person
    noise = rng.normal(0, 0.02, person.joints.shape).astype(np.float32)
    noise[:, 0] = 0
    joints = person.joints + noise
    root = person.root * np.float32(1.2) + rng.normal(0, 0.1, person.root.shape)
    told = dataclasses.replace(person, joints=joints, raw=joints, root=root.astype(np.float32))
    keypoints = shot.track.keypoints + rng.normal(0, 1, shot.track.keypoints.shape)
    track = dataclasses.replace(shot.track, keypoints=keypoints.astype(np.float32))
    return dataclasses.replace(shot, track=track, person=told)


def _run(
    shots: Sequence[Shot], *, camera_moves: bool = False, **options: Any
) -> tuple[tuple[Track3D, ...], World]:
    chosen = Options(**options)
    seen = [shot.track for shot in shots]
    calm = [refining.prepared(track, chosen) for track in seen]
    work = refining.Refining(chosen, shots[0].video, shots[0].camera, camera_moves=camera_moves)
    return work.run(seen, calm, [shot.person for shot in shots])


def _joints_off(shot: Shot, person: Track3D) -> float:
    """Mean distance from the truth, metres."""
    truth = film(walk(heading=0.7), pitch=0.1).person.joints
    return float(np.linalg.norm(person.joints - truth, axis=-1).mean())


def _shake(joints: Float) -> float:
    return float(np.abs(np.diff(joints, 2, axis=0)).mean())


def test_all_parts_together_do_what_they_promise() -> None:
    shot = _shot()
    (person,), world = _run([shot])
    assert _shake(person.joints) < 0.4 * _shake(shot.person.joints)
    assert bones.variation(person.joints, H36M) < 1e-4
    assert _joints_off(shot, person) < 0.7 * _joints_off(shot, shot.person)
    truth = film(walk(heading=0.7), pitch=0.1).person.root
    assert np.abs(person.root - truth)[:, :2].max() < 0.1
    assert np.abs(person.root - truth)[:, 2].max() < 0.3
    assert world.is_known
    assert 0.3 < person.contacts.mean() < 0.9
    assert (person.residual_px < 12).all()
    assert ((person.confidence > 0) & (person.confidence < 1)).all()
    assert person.confidence.std() > 0
    np.testing.assert_array_equal(person.joints[:, 0], 0)


def test_nothing_that_is_given_is_changed() -> None:
    shot = _shot()
    before = [np.copy(a) for a in (shot.track.keypoints, shot.person.joints, shot.person.root)]
    _run([shot], foot_lock=True, heights=((None, 1.9),))
    for kept, given in zip(
        before, (shot.track.keypoints, shot.person.joints, shot.person.root), strict=True
    ):
        np.testing.assert_array_equal(kept, given)


def _differences(one: Track3D, other: Track3D) -> set[str]:
    names = ("joints", "root", "raw", "spread", "residual_px", "contacts", "confidence")
    return {
        name
        for name in names
        if not np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
    }


@pytest.mark.parametrize("score", [0.0, np.nan])
def test_feet_that_are_not_seen_do_not_stand(score: float) -> None:
    shot = _shot()
    (seen,), _ = _run([shot])
    assert seen.contacts.any()
    scores = shot.track.scores.copy()
    ankles = [shot.track.skeleton.index(f"{side}_ankle") for side in ("left", "right")]
    scores[:, ankles] = score
    track = dataclasses.replace(shot.track, scores=scores)
    (unseen,), _ = _run([dataclasses.replace(shot, track=track)])
    assert not unseen.contacts.any()


@pytest.mark.parametrize("part", OWN)
def test_every_part_can_be_left_out(part: str) -> None:
    """What follows from it changes, and nothing else does."""
    (whole,), world = _run([_shot()])
    (without,), other = _run([_shot()], without=(part,))
    changed = _differences(whole, without)
    always: dict[str, set[str]] = {
        "smoothing": {"joints", "root", "residual_px", "confidence"},
        "bones": {"joints", "root", "residual_px", "confidence"},
        "root": {"root", "residual_px", "confidence"},
        "world": {"contacts"},
        "calibration": {"confidence"},
    }
    assert changed - {"contacts"} == always[part] - {"contacts"}
    assert not np.array_equal(world.camera_to_world, other.camera_to_world) or part == "calibration"
    if part == "world":
        assert "contacts" in changed
        assert (other.is_known, other.how) == (False, "left out")


def test_with_all_parts_left_out_the_lifter_has_its_say() -> None:
    shot = _shot()
    (person,), world = _run([shot], without=tuple(PARTS))
    assert _differences(person, shot.person) == {"residual_px"}
    assert not world.is_known
    assert np.isfinite(person.residual_px).all()
    assert refining.prepared(shot.track, Options(without=("smoothing",))) is shot.track


def test_without_smoothing_nothing_is_smooth() -> None:
    shot = _shot()
    (person,), _ = _run([shot], without=("smoothing", "bones"))
    np.testing.assert_array_equal(person.joints, shot.person.joints)
    (slow,), _ = _run([shot], without=("bones",), smooth_hz=1.0)
    (quick,), _ = _run([shot], without=("bones",), smooth_hz=6.0)
    assert _shake(slow.joints) < 0.5 * _shake(quick.joints)


def test_what_the_lifter_said_is_kept() -> None:
    shot = _shot()
    (person,), _ = _run([shot], foot_lock=True)
    np.testing.assert_array_equal(person.raw, shot.person.joints)
    np.testing.assert_array_equal(person.spread, shot.person.spread)
    np.testing.assert_array_equal(person.frames, shot.person.frames)


@pytest.mark.parametrize("height", [1.2, 1.64, 1.95])
def test_people_are_as_tall_as_they_are_said_to_be(height: float) -> None:
    shot = _shot()
    (plain,), _ = _run([shot])
    (scaled,), world = _run([shot], heights=((None, height),))
    assert bones.stature(scaled) == pytest.approx(height, abs=0.002)
    share = (height - 0.08) / (bones.stature(plain) - 0.08)  # ankles are above the floor
    for name in ("joints", "root", "raw", "spread"):
        np.testing.assert_allclose(
            getattr(scaled, name), share * getattr(plain, name), rtol=1e-4, atol=1e-5, err_msg=name
        )
    # It is seen where it was.
    np.testing.assert_allclose(scaled.residual_px, plain.residual_px, atol=0.01)
    # In the world, too: lower steps of a smaller person, and everybody's feet on the floor.
    ankles = world.of(scaled)[:, FEET, 2]
    assert np.median(ankles[scaled.contacts]) == pytest.approx(0.08, abs=0.06)


def test_one_persons_height_is_not_another_ones() -> None:
    shots = [_shot(track_id=1), _shot(track_id=2, aside=1.0)]
    plain, _ = _run(shots)
    scaled, _ = _run(shots, heights=((2, 1.9),))
    np.testing.assert_array_equal(scaled[0].joints, plain[0].joints)
    assert bones.stature(scaled[1]) == pytest.approx(1.9, abs=0.002)
    both, _ = _run(shots, heights=((None, 1.5), (2, 1.9)))
    statures = [bones.stature(person) for person in both]
    assert statures == pytest.approx([1.5, 1.9], abs=0.002)


def test_feet_are_locked_only_where_asked_and_where_they_stand() -> None:
    shot = _shot()
    (free,), world = _run([shot])
    (held,), same = _run([shot], foot_lock=True)
    np.testing.assert_array_equal(world.camera_to_world, same.camera_to_world)
    np.testing.assert_array_equal(held.contacts, free.contacts)
    np.testing.assert_array_equal(held.root, free.root)
    legs = [i for leg in feet.Legs.of(H36M).joints for i in leg[1:]]
    others = [i for i in range(17) if i not in legs]
    np.testing.assert_allclose(held.joints[:, others], free.joints[:, others], atol=1e-6)

    def slides(person: Track3D) -> float:
        return feet.skate(world.of(person)[:, FEET], person.contacts, shot.track.times_s)

    assert slides(free) > 30
    assert slides(held) < 10
    # Without a camera that stands still nobody knows who does.
    (unheld,), _ = _run([shot], camera_moves=True, foot_lock=True)
    np.testing.assert_array_equal(unheld.joints, free.joints)
    assert not unheld.contacts.any()


def test_a_place_that_is_unknown_is_not_held() -> None:
    shot = _shot()
    shot.person.joints[5] = np.nan
    (person,), _ = _run([shot], foot_lock=True, without=("smoothing",))
    (free,), _ = _run([shot], without=("smoothing",))
    assert np.isnan(person.root[5]).all()
    np.testing.assert_array_equal(person.joints, free.joints)


def test_a_camera_that_moves_knows_no_ground() -> None:
    (person,), world = _run([_shot()], camera_moves=True, foot_lock=True)
    assert (world.is_known, world.how) == (False, "the camera moves")
    assert not person.contacts.any()
    (still,), _ = _run([_shot()])
    assert _differences(person, still) == {"contacts"}


def _keypoints(drift: Float | None) -> Keypoints2D:
    frames = np.arange(len(drift) if drift is not None else 0, dtype=np.int32)
    return Keypoints2D(
        frames[:0],
        Detections.empty(17),
        skeletons.get("coco17"),
        fps=Fraction(30),
        frames_read=None if drift is None else frames,
        times_s=None if drift is None else frames / 30,
        drift=drift,
    )


def test_a_camera_moves_if_its_background_does_for_a_while() -> None:
    def moves(*drift: float) -> bool:
        return refining.camera_moves(_keypoints(np.array(drift, np.float32)))

    assert not refining.camera_moves(_keypoints(None))
    assert not moves(*[0.0] * 50)
    assert not moves(*[0.0] * 50, 0.2, 0.2)  # a knock
    assert moves(*[0.0] * 30, *[0.01] * 20)
    assert not moves(*[0.001] * 50)  # of a codec
    assert not moves(*[np.nan] * 50)
    assert moves(*[np.nan] * 50, 0.1)


def test_nobody_is_nobody() -> None:
    shot = _shot()
    work = refining.Refining(Options(), shot.video, shot.camera)
    people, world = work.run([], [], [])
    assert people == ()
    assert (world.is_known, world.how) == (False, "nobody is there")


@pytest.mark.parametrize(("name_2d", "name_3d"), [("h36m17", "h36m17"), ("coco17", "stick")])
def test_other_skeletons_pass(name_2d: str, name_3d: str) -> None:
    stick = Skeleton("stick", ("base", "tip"), (("base", "tip"),), "base")
    track = make_track2d(skeleton=skeletons.get(name_2d))
    person = make_track3d(track, skeleton=stick if name_3d == "stick" else H36M)
    shot = _shot()
    work = refining.Refining(Options(heights=((None, 1.8),)), shot.video, shot.camera)
    (got,), world = work.run([track], [track], [person])
    assert got is person
    assert not world.is_known
    assert "Human3.6M" in world.how


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_people_of_a_few_frames(length: int) -> None:
    shot = _shot()
    rows = slice(length)
    short = dataclasses.replace(shot, track=shot.track.rows(rows), person=shot.person.rows(rows))
    (person,), world = _run([short], foot_lock=True, heights=((None, 1.8),))
    assert np.isfinite(person.joints).all()
    assert np.isfinite(person.root).all()
    assert not world.is_known  # nobody has stood for long enough


def test_random_people_do_no_harm() -> None:
    """Bodies that cannot be: finite, or unknown, and of the right shapes."""
    shot = _shot()
    for seed in range(4):
        track = make_track2d(length=40, seed=seed, filled=[3, 4])
        person = make_track3d(track, seed)
        (got,), _ = refining.Refining(Options(foot_lock=True), shot.video, shot.camera).run(
            [track], [refining.prepared(track, Options())], [person]
        )
        assert np.isfinite(got.joints).all()
        assert ((got.confidence >= 0) & (got.confidence <= 1)).all()


def _calm(track: Track2D, cutoff_hz: float = 6.0) -> Track2D:
    return refining.calmed(track, cutoff_hz)


def test_keypoints_are_calmed() -> None:
    exact = film(walk(heading=0.7), pitch=0.1).track
    shot = _shot()
    calm = _calm(shot.track)
    noise = np.linalg.norm(shot.track.keypoints - exact.keypoints, axis=-1).mean()
    assert np.linalg.norm(calm.keypoints - exact.keypoints, axis=-1).mean() < 0.8 * noise
    assert _shake(calm.keypoints) < 0.5 * _shake(shot.track.keypoints)
    for name in ("scores", "boxes", "observed", "times_s", "frames"):
        assert getattr(calm, name) is getattr(shot.track, name)
    assert calm.keypoints.dtype == np.float32


def test_what_leaps_is_not_followed() -> None:
    track = film(walk(speed=0.3)).track
    leaping = dataclasses.replace(track, keypoints=track.keypoints.copy())
    leaping.keypoints[40, 9] += [120, -60]
    leaping.keypoints[60:62, 16] += [0, 90]
    calm, plain = _calm(leaping).keypoints, _calm(track).keypoints
    assert np.abs(calm - plain)[:, 9].max() < 12
    assert np.abs(calm - plain)[:, 16].max() < 36
    np.testing.assert_array_equal(np.delete(calm, [9, 16], 1), np.delete(plain, [9, 16], 1))


def test_unsure_keypoints_follow_sure_ones() -> None:
    track = film(walk(speed=0.3)).track
    unsure = dataclasses.replace(
        track, keypoints=track.keypoints.copy(), scores=track.scores.copy()
    )
    unsure.keypoints[50:53, 9] += 8  # little enough to be no leap
    wrong = np.abs(_calm(unsure).keypoints - track.keypoints)[50:53, 9].max()
    unsure.scores[50:53, 9] = 0.02
    assert np.abs(_calm(unsure).keypoints - track.keypoints)[50:53, 9].max() < 0.7 * wrong


def test_calming_is_alike_at_all_sizes_of_pictures() -> None:
    track = _shot().track
    larger = dataclasses.replace(track, keypoints=3 * track.keypoints, boxes=3 * track.boxes)
    np.testing.assert_allclose(_calm(larger).keypoints, 3 * _calm(track).keypoints, rtol=1e-4)


def test_missing_keypoints_are_filled_and_never_seen_ones_are_not() -> None:
    track = film(walk(speed=0.3)).track
    holes = dataclasses.replace(track, keypoints=track.keypoints.copy())
    holes.keypoints[30:33, 9] = np.nan
    holes.keypoints[:, 2] = np.nan
    calm = _calm(holes).keypoints
    np.testing.assert_allclose(calm[30:33, 9], track.keypoints[30:33, 9], atol=3)
    assert np.isnan(calm[:, 2]).all()
    assert np.isfinite(np.delete(calm, 2, 1)).all()
