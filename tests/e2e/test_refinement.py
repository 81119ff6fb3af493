"""`vp3d lift` with the options of the refinement, on keypoints of known people."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vp3d_cli
from tests.adapt_footage import make_lifter
from tests.e2e.conftest import Ran
from tests.walkers import film, walk
from vp3d_cli import keypoints, skeletons
from vp3d_cli.lift.checkpoint import save_checkpoint
from vp3d_cli.refine import bones
from vp3d_cli.types import Detections, Float, Keypoints2D, Result

Run = Callable[..., Ran]


def _seen(fps: float = 30, drift: float | None = None) -> Keypoints2D:
    """Two people who cross, as a detector sees them."""
    paths: list[dict[str, Any]] = [
        {"heading": 0.5, "at": (-0.8, 0, 0)},
        {"heading": 2.8, "at": (0.9, 1, 0)},
    ]
    shots = [film(walk(2.0, fps, **path), height=1.5) for path in paths]
    rng = np.random.default_rng(0)
    length, people = len(shots[0].track), len(shots)
    points = np.stack([shot.track.keypoints for shot in shots], 1).reshape(-1, 17, 2)
    points = (points + rng.normal(0, 1, points.shape)).astype(np.float32)
    frames = np.arange(length, dtype=np.int32)
    return Keypoints2D(
        frames=np.repeat(frames, people),
        people=Detections(
            np.concatenate([points.min(1), points.max(1)], 1),
            np.full(len(points), 0.9, np.float32),
            points,
            np.full((len(points), 17), 0.9, np.float32),
        ),
        skeleton=skeletons.get("coco17"),
        track_ids=np.tile(np.array([1, 2], np.int32), length),
        width=1280,
        height=720,
        fps=shots[0].video.fps,
        num_frames=length,
        frames_read=frames,
        times_s=frames / fps,
        drift=None if drift is None else np.full(length, drift, np.float32),
    )


def _write_lifter(path: Path) -> None:
    """Small, untrained, and made for 20 to 61 frames a second."""
    checkpoint = make_lifter().checkpoint()
    config = dataclasses.replace(checkpoint.config, fps_range=(20.0, 61.0))
    save_checkpoint(dataclasses.replace(checkpoint, config=config), path)


@pytest.fixture
def lift(vp3d: Run) -> Callable[..., Result]:
    """Run `vp3d lift in.npz` with a small lifter, and read what it wrote."""

    def run(*options: object, seen: Keypoints2D | None = None) -> Result:
        keypoints.write(seen or _seen(), Path("in.npz"))
        _write_lifter(Path("tiny.safetensors"))
        ran = vp3d("lift", "in.npz", "-o", "out.npz", "--lifter", "tiny.safetensors", *options)
        assert ran.code == 0, ran.err
        return vp3d_cli.load_result("out.npz")

    return run


def _joints(result: Result) -> Float:
    return np.concatenate([track.joints for track in result.tracks3d])


def _shake(result: Result) -> float:
    return float(np.mean([np.abs(np.diff(t.joints, 2, axis=0)).mean() for t in result.tracks3d]))


def _variation(result: Result) -> float:
    return max(bones.variation(track.joints, track.skeleton) for track in result.tracks3d)


def test_all_that_is_refined_can_be_left_out(lift: Callable[..., Result]) -> None:
    whole = lift()
    assert _variation(whole) < 1e-4
    plain = lift("--without", "smoothing", "--without", "bones")
    assert _variation(plain) > 0.01
    assert _shake(whole) < 0.7 * _shake(plain)
    assert plain.provenance["options"]["without"] == ["smoothing", "bones"]
    for track in plain.tracks3d:
        np.testing.assert_array_equal(track.joints, track.raw)
    for track in whole.tracks3d:
        assert np.abs(track.joints - track.raw).max() > 1e-3
    flat = lift("--without", "world")
    assert (flat.world.is_known, flat.world.how) == (False, "left out")
    np.testing.assert_array_equal(_joints(flat), _joints(whole))


def test_the_picture_is_as_it_was_seen(lift: Callable[..., Result]) -> None:
    """What is calmed is what the lifter sees; the file keeps what the detector saw."""
    seen = _seen()
    result = lift(seen=seen)
    kept = np.stack([track.keypoints for track in result.tracks2d], 1).reshape(-1, 17, 2)
    np.testing.assert_array_equal(kept, seen.people.keypoints)
    assert all(np.isfinite(track.residual_px).all() for track in result.tracks3d)


def test_people_are_as_tall_as_the_command_says(lift: Callable[..., Result]) -> None:
    result = lift("--height", "1.8", "--height", "2:1.65")
    statures = [bones.stature(track) for track in result.tracks3d]
    # The file holds the calibrated confidence, by which lengths are weighed a little otherwise.
    assert statures == pytest.approx([1.8, 1.65], abs=0.005)
    assert result.provenance["options"]["heights"] == [[None, 1.8], [2, 1.65]]
    plain = lift()
    ratio = [
        np.linalg.norm(a.root, axis=-1) / np.linalg.norm(b.root, axis=-1)
        for a, b in zip(result.tracks3d, plain.tracks3d, strict=True)
    ]
    assert np.ptp(ratio, axis=1).max() < 1e-3


def test_whoever_comes_back_is_as_tall_as_before(lift: Callable[..., Result]) -> None:
    whole = _seen()
    rows = (whole.track_ids == 2) | (whole.frames < 15) | (whole.frames >= 45)
    assert whole.track_ids is not None
    seen = dataclasses.replace(
        whole,
        frames=whole.frames[rows],
        people=whole.people.select(rows),
        track_ids=whole.track_ids[rows],
    )
    result = lift("--height", "1:1.95", "--height", "7:1.5", seen=seen)
    assert result.provenance["same_person"] == [[1, 3]]
    statures = {track.track_id: bones.stature(track) for track in result.tracks3d}
    assert [statures[1], statures[3]] == pytest.approx([1.95, 1.95], abs=0.02)
    assert result.provenance["options"]["heights"] == [[1, 1.95], [7, 1.5]]
    assert any("there is no person 7" in told for told in result.provenance["warnings"])


def test_smoother_is_calmer(lift: Callable[..., Result]) -> None:
    shakes = [_shake(lift("--smooth", hz)) for hz in (1, 4, 12)]
    assert shakes == sorted(shakes)
    assert shakes[0] < 0.5 * shakes[2]


@pytest.mark.parametrize("hz", [0.1, 100])
def test_any_cutoff_that_is_taken_works(lift: Callable[..., Result], hz: float) -> None:
    assert np.isfinite(_joints(lift("--smooth", hz, seen=_seen(240)))).all()


@pytest.mark.parametrize("real_fps", [240, 960, 7])
def test_slow_motion_is_told_its_real_rate(lift: Callable[..., Result], real_fps: int) -> None:
    plain, real = lift(), lift("--real-fps", real_fps)
    assert np.isfinite(_joints(real)).all()
    assert np.abs(_joints(real) - _joints(plain)).max() > 1e-3
    for one, other in zip(plain.tracks2d, real.tracks2d, strict=True):
        np.testing.assert_array_equal(one.times_s, other.times_s)  # of the video as it is shown
    assert real.video.fps == plain.video.fps
    assert real.provenance["options"]["real_fps"] == real_fps


@pytest.mark.parametrize("fps", [10, 120])
def test_rates_that_the_lifter_does_not_know_are_resampled(
    lift: Callable[..., Result], fps: float
) -> None:
    seen = _seen(fps)
    result, left = lift(seen=seen), lift("--without", "resampling", seen=seen)
    assert len(result.tracks3d[0]) == len(left.tracks3d[0]) == 2 * fps
    assert np.abs(_joints(result) - _joints(left)).max() > 1e-3


def test_resampling_is_told(vp3d: Run) -> None:
    keypoints.write(_seen(120), Path("in.npz"))
    _write_lifter(Path("tiny.safetensors"))
    lifting = ("lift", "in.npz", "-o", "out.npz", "--lifter", "tiny.safetensors")
    assert "lifted at 60 frames/s" in vp3d(*lifting).err
    warned = vp3d(*lifting, "--without", "resampling").err
    assert "120 frames/s lie outside the 20 to 61" in warned
    assert "lie outside" not in vp3d(*lifting).err


def test_people_walk_on_the_ground(lift: Callable[..., Result]) -> None:
    """With weights that know people; within what is known of them from one view."""
    free = lift("--lifter", "bundled")
    assert free.world.is_known, free.world.how
    assert free.world.camera_to_world[2, 3] == pytest.approx(1.5, abs=0.5)
    for track in free.tracks3d:
        joints = free.world.of(track)
        assert joints[:, :, 2].min() > -0.4
        assert joints[:, 10, 2].mean() == pytest.approx(1.6, abs=0.4)  # the head
        assert 0.2 < track.contacts.mean() < 1
    locked = lift("--lifter", "bundled", "--foot-lock")
    assert locked.provenance["options"]["foot_lock"] is True
    for one, other in zip(free.tracks3d, locked.tracks3d, strict=True):
        np.testing.assert_array_equal(one.contacts, other.contacts)
        moved = np.abs(one.joints - other.joints).max((0, 2))
        legs = [i for i, name in enumerate(one.skeleton.joints) if name[-4:] in ("knee", "foot")]
        assert moved[legs].max() > 1e-3
        assert np.delete(moved, legs).max() < 1e-5


def test_the_ground_is_not_known_to_a_camera_that_moves(lift: Callable[..., Result]) -> None:
    moving = lift(seen=_seen(drift=0.02))
    assert (moving.world.is_known, moving.world.how) == (False, "the camera moves")
    assert lift(seen=_seen(drift=0.0)).world.how != "the camera moves"
    with np.load("out.npz") as data:
        assert "how" in json.loads(str(data["meta"]))["world"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--height", "tall"], "'tall' is no height"),
        (["--height", "9"], "'9' is no height"),
        (["--height", "0:1.8"], "is no height"),
        (["--height", "2:"], "is no height"),
        (["--height", "nan"], "is no height"),
        (["--smooth", "0"], "--smooth"),
        (["--smooth", "nan"], "--smooth"),
        (["--real-fps", "0"], "--real-fps"),
        (["--real-fps", "inf"], "--real-fps"),
        (["--without", "magic"], "'magic'"),
        (["--faithful", "--height", "1.8"], "leave out --without, --height"),
        (["--faithful", "--foot-lock"], "leave out --without, --height"),
        (["--faithful", "--real-fps", "240"], "--real-fps"),
        (["--faithful", "--without", "bones"], "leave out --without"),
    ],
)
def test_wrong_usage(vp3d: Run, options: list[str], words: str) -> None:
    keypoints.write(_seen(), Path("in.npz"))
    ran = vp3d("lift", "in.npz", "-o", "out.npz", *options)
    assert ran.code == 2
    assert words in ran.err
    assert not Path("out.npz").exists()
