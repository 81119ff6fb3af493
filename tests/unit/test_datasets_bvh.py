"""BVH: angles to positions against SciPy's rotations, names, units, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.dataset_files import FIGURE, bvh_text
from vp3d_cli import datasets
from vp3d_cli.datasets.formats import _bvh_motion
from vp3d_cli.errors import DataError
from vp3d_cli.skeletons import get

H36M = get("h36m17")
ARM = """HIERARCHY
ROOT base { OFFSET 1 2 3 CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT upper { OFFSET 0 4 0.5 CHANNELS 3 Yrotation Xrotation Zrotation
    JOINT lower { OFFSET 0.1 3 0 CHANNELS 2 Xrotation Zrotation
      End Site { OFFSET 0 2 1 } } } }
MOTION
Frames: 2
Frame Time: 0.04
5 6 7 10 20 30 40 50 60 70 80
0 0 0 -10 120 33 4 -5 16 170 -80
"""


def _read(folder: Path, text: str) -> datasets.Sequence:
    (folder / "dance.bvh").write_text(text)
    return datasets.read([folder / "dance.bvh"])[0]


def test_positions_are_those_of_scipy() -> None:
    motion = _bvh_motion.parse(ARM)
    assert [joint.name for joint in motion.joints] == ["base", "upper", "lower", "lower/End"]
    for row, found in zip(motion.rows, _bvh_motion.positions(motion), strict=True):
        base = Rotation.from_euler("ZXY", row[3:6], degrees=True)
        upper = base * Rotation.from_euler("YXZ", row[6:9], degrees=True)
        lower = upper * Rotation.from_euler("XZ", row[9:11], degrees=True)
        shoulder = row[:3] + base.apply([0, 4, 0.5])
        elbow = shoulder + upper.apply([0.1, 3, 0])
        expected = [row[:3], shoulder, elbow, elbow + lower.apply([0, 2, 1])]
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_figure_stands_again(tmp_path: Path) -> None:
    sequence = _read(tmp_path, bvh_text())
    assert (sequence.subject, sequence.action, sequence.fps) == (tmp_path.name, "dance", 120)
    assert (sequence.space, sequence.camera) == ("world", None)
    assert sequence.joints is not None
    path = np.zeros((60, 1, 3))
    path[:, 0, 0] = np.arange(60) / 100
    still = [i for i, name in enumerate(H36M.joints) if name != "left_wrist"]
    np.testing.assert_allclose(sequence.joints[:, still], (FIGURE + path)[:, still], atol=1e-5)
    # The elbow bends about the file's z, which points to where the figure looks: our -y.
    elbow, wrist = H36M.index("left_elbow"), H36M.index("left_wrist")
    bent = Rotation.from_rotvec([0, -np.radians(30), 0]).apply(FIGURE[wrist] - FIGURE[elbow])
    found = sequence.joints[30, wrist] - sequence.joints[30, elbow]
    np.testing.assert_allclose(found, bent, atol=1e-5)


@pytest.mark.parametrize("unit", [1, 1000])
def test_units(tmp_path: Path, unit: float) -> None:
    expected, found = (_read(tmp_path, bvh_text(u)).joints for u in (100, unit))
    assert expected is not None
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_names_of_other_programs(tmp_path: Path) -> None:
    expected = _read(tmp_path, bvh_text()).joints
    np.testing.assert_array_equal(_read(tmp_path, bvh_text(prefix="mixamorig:")).joints, expected)
    text = bvh_text()
    for old, new in (("LeftUpLeg", "L_Thigh"), ("RightUpLeg", "thigh.R"), ("LeftArm", "lUpperArm")):
        text = text.replace(old, new)
    np.testing.assert_array_equal(_read(tmp_path, text).joints, expected)


def test_another_axis_up_is_told(tmp_path: Path) -> None:
    words = [
        " ".join([line.split()[0], *(line.split()[i] for i in (1, 3, 2))])
        if line.startswith("OFFSET")
        else line
        for line in bvh_text().splitlines()
    ]
    (finding,) = datasets.check([_read(tmp_path, "\n".join(words))])
    assert "order or sign of axes" in str(finding)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("MOTION", "", "MOTION: is missing"),
        ("JOINT LeftLeg", "JOINT Thing", "expected a joint that is the left_knee, got 'Hips'"),
        ("CHANNELS 3", "CHANNELS 9", "CHANNELS: expected a count, got '9'"),
        ("CHANNELS 3 Zrotation", "CHANNELS 3 Wrotation", "CHANNELS: expected Xposition"),
        ("Frames: 60", "Frames: 61", "Frames: expected 61 lines of motion, got 60"),
        ("Frames: 60", "Frames: many", "could not convert"),
        ("Frame Time: 0.0083333", "Frame Time: 0", "Frame Time: expected seconds, got 0"),
        ("Frame Time", "Time", "Frame Time: is missing"),
        ("End Site\n{\nOFFSET", "End Site\n{\nOFFSET nan", "OFFSET: expected finite numbers"),
        ("ROOT Hips\n{", "ROOT Hips", r"HIERARCHY: expected \{, got 'OFFSET'"),
        ("JOINT Spine\n", "ROOT Spine\n", "expected one ROOT with joints in it"),
        ("}\nMOTION", "MOTION", "HIERARCHY: is cut off"),
        ("0.000000\n", "\n", r"frame 0: expected 60 numbers, got 59"),
        ("0.000000\n", "inf\n", "expected frames of finite numbers"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    head, middle, rows = bvh_text().partition("Frame Time: 0.0083333\n")
    if old == "0.000000\n":
        text = head + middle + rows.replace(old, new, 1)
    else:
        text = (head + middle).replace(old, new, 1) + rows
    with pytest.raises(DataError, match=rf"dance.bvh: .*{words}"):
        _read(tmp_path, text)


def test_a_body_of_no_size_we_know(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"OFFSET: expected a body of 1 to 2.3 m .*, got 29\.\d+ al"
    ):
        _read(tmp_path, bvh_text(18.8))
