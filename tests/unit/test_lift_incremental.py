"""Frame by frame, the lifter gives what it gives for the whole."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import walkers
from tests.factories import make_track2d, make_video
from vp3d_cli import registry
from vp3d_cli.detect._base import DetectorOptions
from vp3d_cli.errors import DataError
from vp3d_cli.lift import stepwise
from vp3d_cli.lift.checkpoint import Checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.incremental import IncrementalLifter, LiftedPose
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.types import Camera, Track2D, VideoInfo
from vp3d_cli.video import VideoReader

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"
CAMERA, VIDEO = Camera(1000.0, "test"), make_video()
SCREEN = LifterConfig((3, 3, 3), 16)
PERSON = LifterConfig((3, 3, 3), 16, 3, normalisation="person")
CONFIGS = {
    "screen": SCREEN,
    "screen, causal": dataclasses.replace(SCREEN, causal=True),
    "screen, dense": dataclasses.replace(SCREEN, dense=True),
    "screen, dense, causal": dataclasses.replace(SCREEN, dense=True, causal=True),
    "screen, scores": dataclasses.replace(SCREEN, features=3),
    "person": PERSON,
    "person, causal": dataclasses.replace(PERSON, causal=True),
    "person, no scores": dataclasses.replace(PERSON, features=2),
    "243 frames": LifterConfig((3, 3, 3, 3, 3), 16),
    "widths of all kinds": LifterConfig((5, 1, 7, 3), 16),
    "one layer": LifterConfig((9,), 16),
    "one frame": LifterConfig((1, 1), 16),
}
LIFTERS = ("bundled", "bundled-causal", *CONFIGS)
TINY = ("screen", "person", "person, causal")


def _lifter(name: str) -> Lifter:
    """Bundled, or seeded with batch statistics as after training; with both heads if causal."""
    if name not in CONFIGS:
        return load_lifter(name)
    config = CONFIGS[name]
    torch.manual_seed(0)
    heads = [TemporalModel(config, 17, 17), TemporalModel(config, 17, 1)]
    for module in itertools.chain(*(head.modules() for head in heads)):
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0.1, 0.1)
            module.running_var.uniform_(0.3, 1)
    pose, trajectory = (head.state_dict() for head in heads)
    return Lifter(Checkpoint(config, pose, trajectory if config.causal else None), name, "00")


def _wild(length: int, track_id: int = 1, start: int = 0) -> Track2D:
    """Somebody who jumps about, with keypoints that are not seen now and then."""
    track = make_track2d(track_id, length, start=start)
    rng = np.random.default_rng([track_id, length])
    wobble = rng.normal(0, 30, track.keypoints.shape).cumsum(0) / 5
    track = dataclasses.replace(track, keypoints=(track.keypoints + wobble).astype(np.float32))
    unseen = rng.random(track.scores.shape) < 0.2
    unseen[:, 3] = False
    track.keypoints[unseen] = np.nan
    track.scores[rng.random(track.scores.shape) < 0.05] = np.nan
    return track


def _walk(length: int, track_id: int = 1, start: int = 0) -> Track2D:
    motion = walkers.walk(length / 30, heading=float(track_id))
    track = walkers.film(motion, size=(VIDEO.width, VIDEO.height), track_id=track_id).track
    return dataclasses.replace(track, frames=track.frames + np.int32(start))


def _played(
    lifter: Lifter, tracks: Sequence[Track2D], video: VideoInfo, flip: bool
) -> list[list[LiftedPose]]:
    """Every track's poses from the tracks frame by frame; ids may come again.

    Those of odd ids are finished, the others just leave: their last frames are missing.
    """
    incremental = IncrementalLifter(lifter, video, CAMERA, flip=flip)
    poses: list[list[LiftedPose]] = [[] for _ in tracks]
    rng = np.random.default_rng(0)
    for frame in range(max(int(track.frames[-1]) for track in tracks) + 1):
        here = [i for i, t in enumerate(tracks) if t.frames[0] <= frame <= t.frames[-1]]
        rng.shuffle(here)
        rows = {i: frame - int(tracks[i].frames[0]) for i in here}
        of_id = {tracks[i].track_id: i for i in here}
        pushed = {
            tracks[i].track_id: (tracks[i].keypoints[row], tracks[i].scores[row])
            for i, row in rows.items()
        }
        answers = incremental.push(pushed)
        known = [i for i, row in rows.items() if row >= incremental.delay]
        assert answers.keys() == {tracks[i].track_id for i in known}
        for track_id, pose in answers.items():
            poses[of_id[track_id]].append(pose)
        for i in here:
            if tracks[i].frames[-1] == frame and tracks[i].track_id % 2:
                poses[i] += incremental.finish(tracks[i].track_id)
    return poses


def _assert_as_the_whole(
    lifter: Lifter, tracks: Sequence[Track2D], video: VideoInfo = VIDEO, flip: bool = True
) -> None:
    whole = lifter.lift(tracks, video, CAMERA, flip=flip)
    delay = IncrementalLifter(lifter, video, CAMERA).delay
    for person, poses in zip(whole, _played(lifter, tracks, video, flip), strict=True):
        length = len(person.frames)
        assert len(poses) == (length if person.track_id % 2 else max(length - delay, 0))
        # How far away somebody is may be any number of metres.
        for name, relative in (("joints", 0), ("spread", 0), ("root", 1e-5)):
            expected = getattr(person, name)[: len(poses)]
            answered = np.reshape([getattr(pose, name) for pose in poses], expected.shape)
            np.testing.assert_allclose(answered, expected, rtol=relative, atol=1e-5)


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("name", LIFTERS)
def test_people_come_and_go_and_each_is_lifted_as_a_whole(name: str, flip: bool) -> None:
    """One stays for less than the delay, one for a frame, one leaves and comes again."""
    tracks = [
        *(_wild(140, 1), _walk(95, 2), _wild(3, 3, 10), _wild(1, 5, 40)),
        *(_walk(30, 7, 60), _wild(90, 2, 100), _wild(60, 3, 115)),
    ]
    _assert_as_the_whole(_lifter(name), tracks, flip=flip)


@pytest.fixture(scope="module")
def found() -> tuple[Track2D, VideoInfo]:
    """What a detector finds in real footage."""
    detector = registry.load("detect", "movenet").build(DetectorOptions())
    with VideoReader(DEMO) as reader:
        seen = [detector.detect(frame) for frame in itertools.islice(reader, 30)]
        video = reader.info
    best = [int(people.box_scores.argmax()) for people in seen]
    track = dataclasses.replace(
        make_track2d(1, len(seen)),
        keypoints=np.stack([people.keypoints[i] for people, i in zip(seen, best, strict=True)]),
        scores=np.stack([people.scores[i] for people, i in zip(seen, best, strict=True)]),
    )
    return track, video


@pytest.mark.parametrize("name", ["bundled", "bundled-causal"])
def test_real_people_are_lifted_as_a_whole(name: str, found: tuple[Track2D, VideoInfo]) -> None:
    _assert_as_the_whole(_lifter(name), [found[0]], found[1])


SPELLS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 45)), min_size=1, max_size=4)


@settings(max_examples=30, deadline=None)
@given(spells=SPELLS, name=st.sampled_from(TINY), fps=st.sampled_from([1, 9, 30]))
def test_whoever_comes_whenever(spells: list[tuple[int, int]], name: str, fps: int) -> None:
    """At one frame a second nothing is averaged."""
    tracks = [_wild(length, i + 1, start) for i, (start, length) in enumerate(spells)]
    _assert_as_the_whole(_lifter(name), tracks, make_video(fps=Fraction(fps)))


@pytest.mark.parametrize(
    ("name", "delay"),
    # Half a receptive field, and twice a quarter of a second for aim and size.
    [("screen", 13), ("screen, causal", 0), ("person", 13 + 2 * 7), ("person, causal", 0)],
)
def test_the_delay_is_that_of_the_network_and_of_the_averages(name: str, delay: int) -> None:
    assert IncrementalLifter(_lifter(name), VIDEO, CAMERA).delay == delay


def test_ten_thousand_frames_take_no_more_memory_and_gather_no_error() -> None:
    lifter, track = _lifter("person"), _wild(500)
    incremental = IncrementalLifter(lifter, VIDEO, CAMERA)
    sizes = {}
    for frame in range(10_000):
        row = frame % len(track)
        poses = incremental.push({1: (track.keypoints[row], track.scores[row])})
        sizes[frame] = len(pickle.dumps(incremental)) if frame in (200, 9_999) else 0
    assert sizes[9_999] == sizes[200] > 0
    (whole,) = lifter.lift([track], VIDEO, CAMERA)
    newest = poses[1].joints
    np.testing.assert_allclose(newest, whole.joints[-1 - incremental.delay], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["screen", "243 frames", "person, causal"])
def test_a_frame_costs_one_product_with_every_weight(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each person and mirror image, however long they have been there."""
    lifter, track = _lifter(name), _wild(300)
    incremental = IncrementalLifter(lifter, VIDEO, CAMERA)
    multiplied, plain = [0], stepwise._rectified

    def counted(conv: stepwise.Convolution, taps: np.ndarray) -> np.ndarray:
        multiplied[0] += taps.size * len(conv.bias)
        return plain(conv, taps)

    monkeypatch.setattr(stepwise, "_rectified", counted)
    heads = [lifter.checkpoint().pose, lifter.checkpoint().trajectory or {}]
    weights = sum(value.numel() for head in heads for key, value in head.items() if "conv" in key)
    for frame, (keypoints, scores) in enumerate(zip(track.keypoints, track.scores, strict=True)):
        people = 1 + (frame >= 150)
        multiplied[0] = 0
        incremental.push(dict.fromkeys(range(people), (keypoints, scores)))
        assert multiplied[0] == 2 * people * weights


def test_who_is_left_out_is_forgotten() -> None:
    lifter, track = _lifter("person, causal"), _wild(40)
    seen = list(zip(track.keypoints, track.scores, strict=True))
    incremental = IncrementalLifter(lifter, VIDEO, CAMERA)
    for pose in seen[:20]:
        incremental.push({1: pose})
    assert incremental.push({}) == {}
    again = [incremental.push({1: pose})[1].joints for pose in seen[20:]]
    (anew,) = lifter.lift([track.rows(slice(20, None))], VIDEO, CAMERA)
    np.testing.assert_allclose(again, anew.joints, rtol=0, atol=1e-5)


def test_a_frame_that_is_refused_was_never_there() -> None:
    lifter, track = _lifter("person, causal"), _wild(30)
    incremental = IncrementalLifter(lifter, VIDEO, CAMERA)
    nothing = np.full_like(track.keypoints[0], np.nan)
    joints = []
    for keypoints, scores in zip(track.keypoints, track.scores, strict=True):
        with pytest.raises(DataError, match="track 2: a frame without any keypoint"):
            incremental.push({2: (nothing, scores)})
        with pytest.raises(ValueError, match=r"track 3: keypoints: expected shape \(17, 2\)"):
            incremental.push({1: (keypoints, scores), 3: (keypoints[:5], scores)})
        with pytest.raises(ValueError, match=r"track 3: scores: expected shape \(17,\)"):
            incremental.push({3: (keypoints, scores[:5])})
        joints.append(incremental.push({1: (keypoints, scores)})[1].joints)
    (whole,) = lifter.lift([track], VIDEO, CAMERA)
    np.testing.assert_allclose(joints, whole.joints, rtol=0, atol=1e-5)


def test_only_who_is_there_can_be_finished() -> None:
    incremental, track = IncrementalLifter(_lifter("screen"), VIDEO, CAMERA), _wild(1)
    incremental.push({1: (track.keypoints[0], track.scores[0])})
    assert len(incremental.finish(1)) == 1
    with pytest.raises(ValueError, match="track 1: was not in the last frame"):
        incremental.finish(1)


def test_a_frame_rate_outside_the_training_is_said(caplog: pytest.LogCaptureFixture) -> None:
    IncrementalLifter(_lifter("bundled"), make_video(fps=Fraction(240)), CAMERA)
    assert "240 frames/s lie outside" in caplog.text
