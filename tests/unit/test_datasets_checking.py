"""What `datasets.check` says about data that are wrong, and that it is silent about the rest."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.dataset_files import camera, human36m, mocap, project, vp3d, walk
from vp3d_cli import datasets, skeletons
from vp3d_cli.datasets import Sequence
from vp3d_cli.datasets.checking import grave, told
from vp3d_cli.datasets.summary import summary
from vp3d_cli.errors import DataError


@pytest.fixture
def sound(tmp_path: Path) -> Sequence:
    return datasets.read(human36m(tmp_path))[0]


def _said(sequence: Sequence, **changes: Any) -> list[str]:
    return [str(f) for f in datasets.check([dataclasses.replace(sequence, **changes)])]


def test_what_is_sound_is_not_blamed(sound: Sequence) -> None:
    assert _said(sound) == []
    assert grave(sound) is None


def test_a_line_names_file_key_expected_and_found(sound: Sequence) -> None:
    assert sound.joints is not None
    joints = sound.joints.copy()
    joints[7:9, 3] = np.nan
    (line,) = _said(sound, joints=joints)
    assert line.endswith(
        "data_3d_h36m.npz: positions_3d['S1']['Walking 1'] (S1 Walking 1, 54138960): not finite: "
        "expected numbers in every joint, got NaN or infinity in 2 of 60 frames, first in 7"
    )
    assert grave(dataclasses.replace(sound, joints=joints)) is not None


@pytest.mark.parametrize(
    ("factor", "words", "stops"),
    [
        (1000, "taken for metres: millimetres: expected a body of 0.5 to 2.5 m", True),
        (100, "taken for metres: centimetres: expected a body of 0.5 to 2.5 m", True),
        (2, "body height: expected a body of 0.5 to 2.5 m along the bones, got 3.", False),
        (0.001, "body height: expected a body of 0.5 to 2.5 m along the bones, got 0.00", False),
    ],
)
def test_units(sound: Sequence, factor: float, words: str, stops: bool) -> None:
    assert sound.joints is not None
    scaled = sound.joints * np.float32(factor)
    (line,) = _said(sound, joints=scaled)
    assert words in line
    assert (grave(dataclasses.replace(sound, joints=scaled)) is not None) == stops


def test_millimetres_stop_reading(tmp_path: Path) -> None:
    joints = 1000 * np.concatenate([walk(60), walk(40, seed=1)])
    with pytest.raises(DataError, match=r"mine.npz: joints_3d\[0:60\] .*millimetres.* data check"):
        datasets.read(vp3d(tmp_path, joints_3d=joints))


@pytest.mark.parametrize(
    ("order", "sign", "words"),
    [
        ([0, 2, 1], 1, "people who lie on average: heads towards +y of their world"),
        ([2, 1, 0], 1, "people who lie on average: heads towards +x of their world"),
        ([0, 1, 2], -1, "people who stand on their heads on average: heads towards -z of"),
    ],
)
def test_axes_of_the_world(tmp_path: Path, order: list[int], sign: int, words: str) -> None:
    clips = datasets.read(mocap(tmp_path))
    assert datasets.check(clips) == ()
    turned = [
        dataclasses.replace(c, joints=sign * c.joints[..., order])
        for c in clips
        if c.joints is not None
    ]
    (finding,) = datasets.check(turned)
    assert str(finding).startswith(f"{tmp_path / 'clips.npz'}: order or sign of axes: expected")
    assert words in str(finding)


def test_one_who_lies_among_many_who_stand(tmp_path: Path) -> None:
    clip = datasets.read(mocap(tmp_path))[0]
    assert clip.joints is not None
    lying = dataclasses.replace(clip, joints=clip.joints[..., [0, 2, 1]])
    assert datasets.check([clip, clip, clip, lying]) == ()


def test_axes_of_a_camera_without_a_place(sound: Sequence) -> None:
    assert sound.camera is not None
    assert sound.joints is not None
    level = dataclasses.replace(sound.camera, rotation=None, position=None)
    assert _said(sound, camera=level) == []
    upside_down = sound.joints * np.array([1, -1, 1], np.float32)
    lines = _said(sound, camera=level, joints=upside_down)
    assert any("stand on their heads" in line and "+y of their camera" in line for line in lines)


def test_a_camera_from_above_is_no_fault(tmp_path: Path) -> None:
    """The person is upright in the world, though not in the picture."""
    down = {"rotation": [[1, 0, 0], [0, -1, 0], [0, 0, -1]], "position": [0, 0, 6]}
    entry = camera(0, **down)
    arrays = {f"camera_{key}": np.array([entry[key]]) for key in ("rotation", "position", "focal")}
    paths = vp3d(
        tmp_path,
        **arrays,
        camera_name=np.array(["top"]),
        camera_size=np.array([[1000, 1002]]),
        camera_centre=np.array([[500, 500]]),
        camera_radial=None,
        camera_tangential=None,
    )
    assert datasets.check_files(paths).findings == ()


def test_relative_joints_are_behind_the_camera(sound: Sequence) -> None:
    assert sound.joints is not None
    lines = _said(sound, joints=sound.joints - sound.joints[:, :1])
    assert any("behind the camera: expected joints in front of it, got" in line for line in lines)


def test_short_clips(sound: Sequence) -> None:
    assert sound.joints is not None
    assert sound.keypoints is not None
    few = {"joints": sound.joints[:24], "keypoints": sound.keypoints[:24]}
    (line,) = _said(sound, **few)
    assert "too short: expected 25 frames, 0.5 s, at least, got 24" in line
    enough = {"joints": sound.joints[:25], "keypoints": sound.keypoints[:25]}
    assert _said(sound, **enough) == []


def test_2d_of_another_moment_or_camera(sound: Sequence) -> None:
    other = project(camera(1), walk(60))
    (line,) = _said(sound, keypoints=other)
    assert "positions_2d['S1']['Walking 1'][0] (S1" in line
    assert "do not match the projected 3D: expected within" in line
    assert "px of the joints that 54138960 would see, got" in line


def test_2d_of_other_names_is_compared_by_name(sound: Sequence) -> None:
    """COCO's limbs against Human3.6M's; its face has no counterpart."""
    assert sound.keypoints is not None
    h36m, coco = skeletons.get("h36m17"), skeletons.get("coco17")
    names = [name.replace("ankle", "foot") for name in coco.joints]
    order = [h36m.index(name) if name in h36m.joints else 0 for name in names]
    seen = sound.keypoints[:, order].copy()
    assert _said(sound, keypoints=seen, skeleton_in=coco) == []
    (line,) = _said(sound, keypoints=seen[:, coco.flip_order], skeleton_in=coco)
    assert "left and right: expected the same as in the projected 3D, got 0 px between" in line


def test_a_detector_s_offsets_are_no_fault(sound: Sequence) -> None:
    assert sound.keypoints is not None
    rng = np.random.default_rng(0)
    shaken = sound.keypoints + rng.normal(0, 12, sound.keypoints.shape).astype(np.float32)
    assert _said(sound, keypoints=shaken) == []


def test_2d_outside_the_frame(sound: Sequence) -> None:
    assert sound.keypoints is not None
    normalised = (sound.keypoints / 500 - 1).astype(np.float32)
    lines = _said(sound, keypoints=normalised, camera=None)
    assert len(lines) == 1
    assert "outside the frame: expected pixels of 1000 x 1002, got" in lines[0]
    assert "% beyond, x -" in lines[0]


def test_missing_keypoints_and_odd_scores(sound: Sequence) -> None:
    assert sound.keypoints is not None
    gone = sound.keypoints.copy()
    gone[:20] = np.nan
    assert _said(sound, keypoints=gone) == []
    gone[:40] = np.nan
    (line,) = _said(sound, keypoints=gone)
    assert "missing: expected 50% at most, got 67% NaN" in line
    (line,) = _said(sound, scores=np.full((60, 17), 99, np.float32))
    assert line.endswith("scores: expected 0 to 1, got 99")
    gone[:] = np.nan
    assert len(_said(sound, keypoints=gone)) == 1
    gone[0] = np.inf
    assert "infinity in 1 frames" in _said(sound, keypoints=gone)[0]


def test_many_alike_are_counted(sound: Sequence) -> None:
    assert sound.joints is not None
    bad = dataclasses.replace(sound, joints=sound.joints * 1000)
    findings = datasets.check([bad] * 8)
    assert len(told(findings, None)) == 8
    lines = told(findings, 5)
    assert len(lines) == 6
    assert lines[-1].endswith("data_3d_h36m.npz: taken for metres: millimetres: 3 more sequences")


def test_what_can_be_read_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bad = vp3d(tmp_path / "a", fps=np.array(0))
    good = vp3d(tmp_path / "b")
    checked = datasets.check_files([*bad, *good])
    assert len(checked.failures) == 1
    assert len(checked.sequences) == 4
    checked = datasets.check_files(good, subjects=["nobody"])
    assert checked.failures == ("subjects: expected one of 'anna', 'bert', got 'nobody'",)


def test_summary(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    sequences = [*datasets.read(human36m(tmp_path)), *datasets.read(mocap(tmp_path / "m"))]
    lines = summary(sequences).splitlines()
    head = ["subject", "actions", "sequences", "minutes", "fps", "cameras", "2D", "3D"]
    assert lines[0].split() == head
    assert lines[2].split() == ["5", "1", "1", "0.0", "30", "0", "-", "h36m17"]
    assert lines[3].split() == ["S1", "2", "8", "0.1", "50", "4", "h36m17", "h36m17"]
    assert lines[-1].startswith("all ")
    assert "30 to 50" in lines[-1]
