"""Training on unlabelled footage: pairs that fit, measures, what is kept, stopping, resuming."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.adapt_footage import FIGURE, lifted, make_footage, make_lifter
from tests.unit.test_train import QUIET, STILL
from vp3d_cli.errors import DataError, OptionsError
from vp3d_cli.lift.checkpoint import read_checkpoint
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.refine import reprojection
from vp3d_cli.train.adapt import footage, losses, measure, pairs, people, report, start
from vp3d_cli.train.adapt.adapter import Adapter
from vp3d_cli.train.adapt.config import AdaptConfig
from vp3d_cli.train.adapt.footage import Footage
from vp3d_cli.train.adapt.measure import Measures
from vp3d_cli.train.mocap import Mocap
from vp3d_cli.train.run_folder import BEST, LAST, LOG
from vp3d_cli.types import Result

SMALL = AdaptConfig(epochs=2, steps=3, windows=2, length=6, learning_rate=1e-3)
VIDEOS = tuple(make_footage(f"{seed}.mp4", seed=seed) for seed in range(5))


def _adapter(
    folder: Path, config: AdaptConfig = SMALL, lifter: Lifter | None = None, **options: Any
) -> Adapter:
    lifter = lifter or make_lifter()
    videos = [lifted(video, lifter) for video in VIDEOS[:3]]
    return start.open_adaptation(config, lifter, videos, folder, **options)


# --- the labelled side


@pytest.fixture(scope="module")
def mocap() -> Mocap:
    return people.as_mocap(VIDEOS[:2])


def test_people_of_the_footage_stand_upright_on_the_floor(mocap: Mocap) -> None:
    assert mocap.num_clips == 2
    assert mocap.fps == 30
    assert mocap.clip_start.tolist() == [0, 72, 144]  # 60 frames at 25 a second
    joints = mocap.joints
    assert joints[:, 10, 2].min() > 1.4  # heads
    assert abs(np.quantile(joints[:72, [3, 6], 2], 0.05)) < 0.01
    bones = np.linalg.norm(joints[:, 5] - joints[:, 4], axis=-1)
    assert bones.mean() == pytest.approx(0.43, abs=0.02)
    # Left stays left: seen by the camera he faced, his left is on the right.
    assert (joints[:, 11, 0] > joints[:, 14, 0]).all()
    assert joints[:, 0, 1] == pytest.approx(4.15, abs=0.2)  # away from the camera


def test_heads_turn_to_where_the_face_is_seen(mocap: Mocap) -> None:
    to_nose = mocap.joints[:, 17] - mocap.joints[:, 9]
    assert (to_nose[:, 1] < 0).mean() > 0.9  # towards the camera
    assert np.linalg.norm(to_nose, axis=-1) == pytest.approx(0.058, abs=0.005)
    video = make_footage()
    centre = video.tracks2d[0].keypoints[:, :5].mean(1)
    video.tracks2d[0].keypoints[:, 0] = centre - np.array([12, 0])  # towards his right shoulder
    turned, straight = (people.as_mocap([v]).joints for v in (video, make_footage()))
    aside = [(joints[:, 17, 0] - joints[:, 9, 0]).mean() for joints in (turned, straight)]
    assert aside[0] < aside[1] - 0.004


def test_labels_on_a_screen_project_to_the_keypoints_they_are_paired_with(mocap: Mocap) -> None:
    options = dataclasses.replace(STILL, noise=QUIET, focal_sigma=0)
    config = make_lifter("screen").config
    drawn = pairs.labelled(mocap, 3, 9, options, config, np.random.default_rng(0))
    limbs = [2, 3, 4, 5, 8, 9, 10, 11]  # shoulders and hips are marked differently every time
    for inputs, joints, paths in zip(drawn.inputs, drawn.joints, drawn.paths, strict=True):
        assert inputs.shape == (9, 17, 2)
        assert np.abs(joints[:, 0]).max() == 0
        placed = (joints + paths)[:, reprojection.JOINTS][:, limbs]
        rays, seen = placed[..., :2] / placed[..., 2:], inputs[:, 5:][:, limbs]
        zoom = (rays * seen).sum() / (rays**2).sum()
        np.testing.assert_allclose(rays * zoom, seen, atol=1e-4)


def test_labels_of_our_lifters_are_drawn_anew_and_the_same_for_a_seed(mocap: Mocap) -> None:
    config, options = make_lifter().config, AdaptConfig().synthesis
    drawn, again = (
        pairs.labelled(mocap, 70, 9, options, config, np.random.default_rng(5)) for _ in range(2)
    )
    assert np.shape(drawn.inputs) == (70, 9, 17, 3)
    assert (np.asarray(drawn.paths)[..., 2] > 0).all()
    np.testing.assert_array_equal(drawn.inputs, again.inputs)
    assert not np.allclose(drawn.inputs[0], drawn.inputs[1])


# --- the unlabelled side


def test_the_true_people_are_not_off_the_picture() -> None:
    lifter = make_lifter()
    tracks = pairs.unlabelled(VIDEOS[:1], lifter)
    batch = pairs.cut(tracks, np.array([0, 0]), np.array([0, 30]), 6, lifter.config.context)
    joints, weights, zooms = (torch.from_numpy(batch[n]) for n in ("joints", "weights", "zooms"))
    seen = torch.from_numpy(batch["inputs"])[:, 4:10, 5:, :2]
    points = joints[:, :, reprojection.JOINTS]
    roots = losses.fitted_roots(points, seen / zooms[..., None, None], weights)
    points = points + roots
    assert losses.off_the_picture(points, zooms, seen, weights) < 1e-4
    points[:, :, 4] += torch.tensor([9.0, 0, 0])  # the left wrist, by far too much
    assert losses.off_the_picture(points, zooms, seen, weights) == pytest.approx(0.35 / 12)
    weights[:, :, 4] = 0
    assert losses.off_the_picture(points, zooms, seen, weights) < 1e-4


def test_frames_that_do_not_place_the_person_pull_at_nothing() -> None:
    video = make_footage()
    video.tracks2d[0].scores[3, 8:] = 0.1  # three keypoints are left
    video.tracks2d[0].scores[4, 9:] = 0.1  # four
    (weights,) = pairs.unlabelled([video], make_lifter()).weights
    assert not weights[3].any()
    assert (weights > 0).sum(-1)[4:6].tolist() == [4, 12]
    assert reprojection.trusted(video.tracks2d[0])[3].any()


def test_windows_beyond_the_end_repeat_and_count_nothing() -> None:
    tracks = pairs.unlabelled([make_footage(length=10)], make_lifter())
    batch = pairs.cut(tracks, np.array([0]), np.array([6]), 8, (4, 4))
    assert batch["inputs"].shape == (1, 16, 17, 3)
    assert (batch["weights"][0, :4] > 0).all()
    assert not batch["weights"][0, 4:].any()
    last = batch["inputs"][0, 7:8]
    np.testing.assert_array_equal(batch["inputs"][0, 8:], np.repeat(last, 8, 0))


def test_a_mirror_image_is_as_good(tmp_path: Path) -> None:
    adapter = _adapter(tmp_path)
    none, both = np.array([False]), np.array([True])
    plain = adapter._cut(adapter._unlabelled, np.array([0]), np.array([3]))
    plain["weights"][0, :, 2] = 0.5  # an elbow
    turned = adapter._mirrored(plain, both)
    twice = adapter._mirrored(turned, both)
    for name, values in plain.items():
        np.testing.assert_array_equal(values, twice[name])
        np.testing.assert_array_equal(values, adapter._mirrored(plain, none)[name])
    assert (turned["weights"][0, :, 3] == 0.5).all()
    assert not np.allclose(plain["inputs"], turned["inputs"])
    off = [
        float(adapter._picture(torch.from_numpy(b["joints"]), None, adapter._tensors(b)))
        for b in (plain, turned)
    ]
    assert off[0] == pytest.approx(off[1], rel=1e-4)


def test_steady_is_what_moves_evenly() -> None:
    weights = torch.ones(1, 5, 12)
    even = torch.arange(5.0)[None, :, None, None].expand(1, 5, 17, 3)
    assert losses.unsteadiness(even, weights) < 1e-6
    assert losses.unsteadiness(even**2, weights) == pytest.approx(2 * 3**0.5)
    assert losses.depth_drift(even, even + 0.1, weights) == pytest.approx(0.1)
    assert losses.depth_drift(even, even + torch.tensor([1.0, 1, 0]), weights) == 0


# --- measures


class _Says:
    """A lifter that says what it is told."""

    def __init__(self, answer: Result) -> None:
        self.answer = answer

    def lift(self, *_: Any) -> Any:
        return self.answer.tracks3d


def test_measures_are_what_their_definitions_say() -> None:
    video = make_footage(length=40)
    rigid = np.repeat(FIGURE[None, :17], 40, 0)
    seconds = np.arange(40) / 25
    rigid[:, 5] += np.stack([0 * seconds, 0 * seconds, 3 * seconds**2 / 2], -1)  # 3 m/s²
    told = dataclasses.replace(video.tracks3d[0], joints=rigid.astype(np.float32))
    answer = dataclasses.replace(video, tracks3d=(told,))
    measured = measure.measure(_Says(answer), [video])  # type: ignore[arg-type]
    assert measured.jitter == pytest.approx(3 / 17, rel=0.01)
    assert measured.frames == 40
    lengths = np.linalg.norm(rigid[:, 5] - rigid[:, 4], axis=-1)
    shins = np.linalg.norm(rigid[:, 6] - rigid[:, 5], axis=-1)
    bones = [lengths.std() / lengths.mean(), shins.std() / shins.mean()]
    assert measured.bone_variation_percent == pytest.approx(100 * sum(bones) / 16, rel=0.01)
    truth = measure.measure(_Says(video), [video, video])  # type: ignore[arg-type]
    assert truth.reprojection_px < 0.05
    assert truth.frames == 80
    assert measured.reprojection_px > 1
    body = measured.reprojection_px / measured.reprojection_percent * 100
    assert body == pytest.approx(100, rel=0.2)


@pytest.mark.parametrize(
    ("reprojection", "jitter", "bones", "better"),
    [(4.9, 21.9, 4.3, True), (5.1, 15, 3, False), (3, 22.1, 4, False), (3, 20, 4.5, False)],
)
def test_jitter_and_bones_are_not_traded(
    reprojection: float, jitter: float, bones: float, better: bool
) -> None:
    before = Measures(10, 5, 20, 4, 100)
    after = Measures(99, reprojection, jitter, bones, 100)
    assert after.better_than(before, before) is better


def test_what_got_worse_is_said() -> None:
    before = Measures(10, 5, 20, 4, 100)
    assert Measures(9, 4, 21, 4, 100).faults(before) == []
    assert Measures(9, 4, 30, 9, 100).faults(before) == ["jitters more", "bones vary more"]
    assert Measures(9, 4, np.nan, 4, 100).faults(before) == ["jitters more"]


# --- what is held out


def test_whole_videos_are_held_out_whatever_their_order() -> None:
    parts = footage.split(VIDEOS, 0.4, 7)
    again = footage.split(VIDEOS[::-1], 0.4, 7)
    assert len(parts.held_out) == 2
    assert {v.video.path for v in parts.held_out} == {v.video.path for v in again.held_out}
    assert not set(map(id, parts.held_out)) & set(map(id, parts.training))
    assert "2 of 5 videos" in parts.how
    assert len(footage.split(VIDEOS[:2], 0.01, 7).held_out) == 1
    assert len(footage.split(VIDEOS[:2], 0.99, 7).training) == 1


def test_of_a_single_video_the_last_part_is_held_out() -> None:
    parts = footage.split([make_footage(length=100, people=2)], 0.2, 0)
    assert [len(v.tracks2d) for v in (*parts.training, *parts.held_out)] == [2, 2]
    assert parts.training[0].tracks2d[0].frames[-1] == 79
    assert parts.held_out[0].tracks3d[1].frames[0] == 80
    assert "the last 0.8 s of a.mp4" in parts.how


def test_too_little_is_said() -> None:
    with pytest.raises(DataError, match="nobody to learn from"):
        footage.split([], 0.2, 0)
    with pytest.raises(DataError, match=r"a\.mp4: --held-out 0.2 of the 0.8 s .* to measure on"):
        footage.split([make_footage(length=20)], 0.2, 0)
    with pytest.raises(DataError, match=r"--held-out 0.999 of the 2.4 s .* too little to learn"):
        footage.split([make_footage()], 0.999, 0)


def test_too_few_frames_are_counted(tmp_path: Path) -> None:
    short = [make_footage(length=2), make_footage("b.mp4", length=5)]
    with pytest.raises(DataError, match=r"5 frames .* \(b\.mp4\), 10 are needed.*--detect-every"):
        start.open_adaptation(SMALL, make_lifter(), short, tmp_path)
    empty = dataclasses.replace(short[0], tracks2d=(), tracks3d=())
    with pytest.raises(DataError, match="nobody to learn from was found"):
        start.open_adaptation(SMALL, make_lifter(), [empty], tmp_path)


def test_ghosts_and_passers_by_are_left_out() -> None:
    assert not footage.usable(make_footage(length=9)).tracks2d
    assert not footage.usable(make_footage(score=0.2)).tracks2d
    video = make_footage(people=2)
    video.tracks2d[0].observed[8:] = False
    assert [track.track_id for track in footage.usable(video).tracks3d] == [2]


# --- the run


def _networks(folder: Path) -> list[Any]:
    state = torch.load(folder / LAST, weights_only=True)
    return [state["networks"], state["optimizer"]["state"]]


@pytest.mark.parametrize("head", [True, False])
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, head: bool) -> None:
    longer = dataclasses.replace(SMALL, epochs=3)
    lifter = make_lifter(head=head)
    _adapter(tmp_path / "whole", longer, lifter).run()
    _adapter(tmp_path / "parts", dataclasses.replace(SMALL, epochs=1), lifter).run()
    _adapter(tmp_path / "parts", longer, lifter, resume=True).run()
    whole, parts = _networks(tmp_path / "whole"), _networks(tmp_path / "parts")
    torch.testing.assert_close(whole, parts, rtol=0, atol=0)
    assert (tmp_path / "whole" / LOG).read_bytes() == (tmp_path / "parts" / LOG).read_bytes()
    kept = [load_lifter(str(tmp_path / run / BEST)).checkpoint() for run in ("whole", "parts")]
    assert kept[0].config == kept[1].config
    torch.testing.assert_close(kept[0].pose, kept[1].pose, rtol=0, atol=0)
    rows = list(csv.DictReader((tmp_path / "whole" / LOG).open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert (float(rows[1]["path_percent"]) > 0) is head


def test_statistics_stay_those_of_the_start(tmp_path: Path) -> None:
    adapter = _adapter(tmp_path)
    before = {n: v.clone() for n, v in adapter.pose.state_dict().items()}
    adapter.run()
    for name, value in adapter.pose.state_dict().items():
        assert torch.equal(value, before[name]) is ("running" in name or "num_batches" in name)


def test_where_nothing_gets_better_the_lifter_stays(tmp_path: Path) -> None:
    wild = dataclasses.replace(SMALL, epochs=9, patience=2, learning_rate=1e-9)
    adapter = _adapter(tmp_path, wild)
    measured = adapter._report

    def worse(values: Any, *, best: bool = False) -> Any:
        told = measured(values, best=best)
        return dataclasses.replace(told, reprojection_percent=100.0 + adapter.epoch)

    adapter._report = worse  # type: ignore[method-assign]
    best = adapter.run()
    assert best.epoch == 0
    assert adapter.epoch == 2  # patience
    saved = read_checkpoint((tmp_path / BEST).read_bytes(), "x")
    begun = make_lifter().checkpoint()
    assert saved.config == begun.config
    for name, value in begun.pose.items():
        assert torch.equal(saved.pose[name], value)
    assert "nothing was changed" in report.lines(adapter)[-1]


def test_what_is_better_is_kept_and_says_what_it_is(tmp_path: Path) -> None:
    adapter = _adapter(tmp_path)
    measured = adapter._report

    def better(values: Any, *, best: bool = False) -> Any:
        told = measured(values, best=best)
        return dataclasses.replace(
            told, reprojection_percent=10.0 - adapter.epoch, jitter=1, bone_variation_percent=1
        )

    adapter._report = better  # type: ignore[method-assign]
    assert adapter.run().epoch == 2
    kept = load_lifter(str(tmp_path / BEST))
    assert kept.config.training["from"]["name"] == "tiny"
    assert kept.config.training["best"]["epoch"] == 2
    for name, value in kept.checkpoint().pose.items():
        assert torch.equal(value, adapter.pose.state_dict()[name])
    report.write(adapter, tmp_path)
    told = json.loads((tmp_path / report.NAME).read_text())
    assert (told["before"]["reprojection_percent"], told["after"]["reprojection_percent"]) == (
        10,
        8,
    )
    assert [video["held_out"] for video in told["videos"]] == [False, False, True]
    assert "Kept: epoch 2 of 2" in report.lines(adapter)[-1]


def test_an_epoch_that_fits_better_and_is_not_kept_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("vp3d_cli"), "propagate", True)
    caplog.set_level(logging.INFO, "vp3d_cli")
    adapter = _adapter(tmp_path, dataclasses.replace(SMALL, epochs=1))
    measured = adapter._report

    def traded(values: Any, *, best: bool = False) -> Any:
        told = measured(values, best=best)
        bones, off = 1.0 + adapter.epoch, 10.0 - adapter.epoch
        return dataclasses.replace(
            told, reprojection_percent=off, jitter=1, bone_variation_percent=bones, frames=99
        )

    adapter._report = traded  # type: ignore[method-assign]
    adapter.run()
    assert "not kept: bones vary more" in caplog.text
    lines = report.lines(adapter)
    assert lines[-3].split()[-2:] == ["99", "99"]
    assert "Warning: 99 held-out frames are few" in lines[-2]


def test_it_learns_what_is_in_the_footage(tmp_path: Path) -> None:
    """From nothing, on true labels, the people come nearer to the picture."""
    lifter = make_lifter()
    config = AdaptConfig(epochs=2, steps=30, windows=4, length=12, learning_rate=1e-2, depth=0)
    parts = Footage(VIDEOS[:3], VIDEOS[3:4], "the fourth")
    adapter = Adapter(config, lifter, parts, tmp_path)
    adapter.run()
    first, last = adapter.history[1], adapter.history[-1]
    assert last.pose_mm < first.pose_mm
    assert last.seen_percent < first.seen_percent
    assert last.reprojection_percent < adapter.start.reprojection_percent / 2


def test_lifters_of_the_papers_kind_are_adapted_too(tmp_path: Path) -> None:
    lifter = make_lifter("screen", head=False)
    _adapter(tmp_path, lifter=lifter).run()
    assert load_lifter(str(tmp_path / BEST)).config.normalisation == "screen"


def test_distances_that_inputs_do_not_show_are_not_learnt(tmp_path: Path) -> None:
    lifter = make_lifter("screen")
    adapter = _adapter(tmp_path, lifter=lifter)
    adapter.run()
    learnt, begun = adapter._lifter().checkpoint(), make_lifter("screen").checkpoint()
    assert learnt.trajectory is not None
    assert begun.trajectory is not None
    torch.testing.assert_close(learnt.trajectory, begun.trajectory, rtol=0, atol=0)
    assert not torch.equal(learnt.pose["shrink.bias"], begun.pose["shrink.bias"])
    longer = dataclasses.replace(SMALL, epochs=3)
    _adapter(tmp_path, longer, lifter, resume=True).run()


def test_what_cannot_be_adapted_is_refused(tmp_path: Path) -> None:
    parts = Footage(VIDEOS[:1], VIDEOS[1:2], "")
    with pytest.raises(DataError, match="h36m17 into h36m17; adapt goes on from"):
        Adapter(SMALL, make_lifter("screen", skeleton_in="h36m17"), parts, tmp_path)
    with pytest.raises(OptionsError, match="held_out"):
        AdaptConfig(held_out=1)
    with pytest.raises(OptionsError, match="epochs"):
        AdaptConfig(epochs=0)


def test_another_run_is_not_touched(tmp_path: Path) -> None:
    _adapter(tmp_path, dataclasses.replace(SMALL, epochs=1)).run()
    before = (tmp_path / LAST).read_bytes()
    with pytest.raises(DataError, match="--resume"):
        _adapter(tmp_path)
    with pytest.raises(DataError, match="another configuration"):
        _adapter(tmp_path, dataclasses.replace(SMALL, seed=5), resume=True)
    assert (tmp_path / LAST).read_bytes() == before
