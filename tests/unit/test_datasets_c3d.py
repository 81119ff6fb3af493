"""C3D: joints and markers, units, axes, gaps, several people, and what is refused."""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.dataset_files import FIGURE, MARKERS, c3d_file, c3d_points
from vp3d_cli import datasets
from vp3d_cli.errors import BackendUnavailableError, DataError
from vp3d_cli.skeletons import get

H36M = get("h36m17")
POSE = dict(zip(H36M.joints, FIGURE, strict=True))


def _read(path: Path) -> datasets.Sequence:
    return datasets.read([path])[0]


def _joints(path: Path) -> NDArray[Any]:
    joints = _read(path).joints
    assert joints is not None
    return joints


def _markers(frames: int = 60, unit: float = 1000, **moved: Any) -> dict[str, NDArray[Any]]:
    there = {**MARKERS, **moved}
    return {
        name: np.tile(np.asarray(at) * unit, (frames, 1))
        for name, at in there.items()
        if at is not None
    }


def _at(path: Path, joint: str) -> NDArray[Any]:
    found: NDArray[Any] = _joints(path)[0, H36M.index(joint)]
    return found


@pytest.mark.parametrize(("units", "unit"), [("mm", 1000), ("cm", 100), ("m", 1), ("", 1000)])
def test_joints_by_our_names(tmp_path: Path, units: str, unit: float) -> None:
    sequence = _read(c3d_file(tmp_path / "dance.c3d", c3d_points(unit=unit), units or " "))
    assert (sequence.subject, sequence.action, sequence.fps) == (tmp_path.name, "dance", 100)
    assert (sequence.space, sequence.camera) == ("world", None)
    assert sequence.joints is not None
    walked = np.zeros((64, 1, 3))
    walked[:, 0, 0] = np.arange(64) / 100
    np.testing.assert_allclose(sequence.joints, FIGURE + walked, atol=1e-5)


@pytest.mark.parametrize(
    "names",
    [
        {"left_hip": "LHJC", "right_knee": "RKJC", "left_foot": "LAJC", "left_elbow": "LEJC"},
        {"left_hip": "LFEP", "right_knee": "RFEO", "left_foot": "LTIO", "right_wrist": "RRAO"},
        {name: f"sub ject:{name}" for name in H36M.joints},
        {name: name.replace("_", " ").title() for name in H36M.joints},
        {"left_foot": "L_Ankle", "right_foot": "AnkleRight", "hip": "MidHip"},
    ],
)
def test_spellings(tmp_path: Path, names: dict[str, str]) -> None:
    points = {names.get(name, name): at for name, at in c3d_points().items()}
    found = _joints(c3d_file(tmp_path / "a.c3d", points))
    np.testing.assert_allclose(found[0], FIGURE, atol=1e-5)


def test_keypoints_as_of_openpose(tmp_path: Path) -> None:
    points = c3d_points()
    for name in ("spine", "head", "neck", "hip"):
        del points[name]
    points["Neck"] = points.pop("thorax")
    for side in "LR":
        points[f"{side}Ear"] = points["Neck"] + [0, 0, 120]
    found = dict(zip(H36M.joints, _joints(c3d_file(tmp_path / "a.c3d", points))[0], strict=True))
    np.testing.assert_allclose(found["thorax"], POSE["thorax"], atol=1e-5)
    np.testing.assert_allclose(found["hip"], [0, 0, 0.94], atol=1e-5)
    np.testing.assert_allclose(found["spine"], (found["hip"] + found["thorax"]) / 2, atol=1e-5)
    np.testing.assert_allclose(found["neck"] - found["thorax"], [0, 0, 0.12], atol=1e-5)
    np.testing.assert_allclose(found["head"] - found["thorax"], [0, 0, 0.24], atol=1e-5)


def test_markers_of_plug_in_gait(tmp_path: Path) -> None:
    path = c3d_file(tmp_path / "gait.c3d", _markers())
    found = dict(zip(H36M.joints, _joints(path)[0], strict=True))
    # The pelvis is 0.24 wide and 0.16 deep: Harrington's equations by hand.
    hip = [0.0865, -0.09 + 0.0483, 1 - 0.0829]
    np.testing.assert_allclose(found["left_hip"], hip, atol=1e-5)
    np.testing.assert_allclose(found["right_hip"], np.array(hip) * [-1, 1, 1], atol=1e-5)
    np.testing.assert_allclose(found["hip"], np.array(hip) * [0, 1, 1], atol=1e-5)
    # Inwards, at right angles to the thigh, which leans a little.
    assert np.linalg.norm(found["left_knee"] - MARKERS["LKNE"]) == pytest.approx(0.05, abs=2e-3)
    assert found["left_knee"][0] == pytest.approx(0.13, abs=4e-3)
    assert found["right_foot"][0] == pytest.approx(-0.13, abs=4e-3)
    np.testing.assert_allclose(found["left_wrist"], [0.2, -0.02, 0.88], atol=1e-5)
    np.testing.assert_allclose(found["left_elbow"], MARKERS["LELB"], atol=1e-5)
    np.testing.assert_allclose(found["thorax"], [0, 0, 1.43], atol=1e-5)
    np.testing.assert_allclose(found["head"], [0, 0, 1.65], atol=1e-5)
    np.testing.assert_allclose(found["neck"], [0, 0, 1.54], atol=1e-5)
    assert found["left_shoulder"][2] == pytest.approx(1.46 - 0.17 * 0.34, abs=1e-3)
    np.testing.assert_allclose(found["left_shoulder"][0], 0.17, atol=1e-3)
    assert datasets.check_files([path]).findings == ()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_left_markers_on_the_right_are_told(tmp_path: Path, axis: int) -> None:
    mirror = np.ones(3)
    mirror[axis] = -1
    path = c3d_file(tmp_path / "gait.c3d", {n: at * mirror for n, at in _markers().items()}, up="")
    (failure,) = datasets.check_files([path]).failures
    assert "expected the left markers on the left of the body" in failure


def test_medial_markers_make_centres(tmp_path: Path) -> None:
    medial = {"LKNM": [0.08, 0, 0.5], "LMMAL": [0.1, 0, 0.06], "LELM": [0.18, 0, 1.12]}
    path = c3d_file(tmp_path / "gait.c3d", _markers(**medial))
    np.testing.assert_allclose(_at(path, "left_knee"), [0.13, 0, 0.5], atol=1e-5)
    np.testing.assert_allclose(_at(path, "left_foot"), [0.1325, 0, 0.06], atol=1e-5)
    np.testing.assert_allclose(_at(path, "left_elbow"), [0.21, 0, 1.12], atol=1e-5)


def test_a_sacrum_marker_and_the_cmu_names(tmp_path: Path) -> None:
    expected = _at(c3d_file(tmp_path / "a.c3d", _markers()), "left_hip")
    sacrum = _markers(LPSI=None, RPSI=None, SACR=[0, 0.07, 1])
    np.testing.assert_allclose(_at(c3d_file(tmp_path / "b.c3d", sacrum), "left_hip"), expected)
    names = {"LASI": "LFWT", "RASI": "RFWT", "LPSI": "LBWT", "RPSI": "RBWT"}
    cmu = {f"cmu:{names.get(name, name)}": at for name, at in _markers().items()}
    np.testing.assert_allclose(_at(c3d_file(tmp_path / "c.c3d", cmu), "left_hip"), expected)


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize(
    ("up", "rows"),
    [
        ("+Y", [[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
        ("-Y", [[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
        ("+X", [[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
        ("-X", [[0, 0, -1], [1, 0, 0], [0, -1, 0]]),
        ("-Z", [[1, 0, 0], [0, -1, 0], [0, 0, -1]]),
    ],
)
def test_axes(tmp_path: Path, up: str, rows: list[list[int]], said: bool) -> None:
    turn = np.array(rows)
    assert np.linalg.det(turn) == pytest.approx(1)
    points = {name: at @ turn.T for name, at in c3d_points().items()}
    found = _joints(c3d_file(tmp_path / "a.c3d", points, up=up if said else ""))[0]
    np.testing.assert_allclose(found, FIGURE, atol=1e-5)


def test_a_wrong_axis_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = c3d_file(tmp_path / "a.c3d", c3d_points(), up="+Y")
    np.testing.assert_allclose(_joints(path)[0], FIGURE, atol=1e-5)
    assert "Y_SCREEN says that +y is up, but the body stands along +z" in caplog.text


def test_gaps_are_missing_not_zero(tmp_path: Path) -> None:
    points = c3d_points()
    points["left_knee"][20:30] = np.nan
    points["head"][40] = 0  # zeros without a negative residual
    points["hip"][:5] = points["hip"][60:] = np.nan
    (sequence,) = datasets.check_files([c3d_file(tmp_path / "a.c3d", points)]).sequences
    assert sequence.joints is not None
    expected = np.zeros((55, 17), bool)
    expected[15:25, H36M.index("left_knee")] = True
    expected[35, H36M.index("head")] = True
    np.testing.assert_array_equal(np.isnan(sequence.joints).all(-1), expected)
    np.testing.assert_array_equal(np.isnan(sequence.joints).any(-1), expected)
    assert sequence.joints[0, 1, 0] == pytest.approx(FIGURE[1, 0] + 0.05, abs=1e-5)
    with pytest.raises(DataError, match="NaN or infinity in 11 of 55 frames, first in 15"):
        datasets.read([tmp_path / "a.c3d"])


def test_several_people(tmp_path: Path) -> None:
    points = {f"ann:{name}": at for name, at in c3d_points().items()}
    points |= {f"ben:{name}": at + np.array([0, 900, 0]) for name, at in c3d_points().items()}
    points |= {"ball:one": points["ann:hip"], "*17": points["ann:hip"]}
    path = c3d_file(tmp_path / "duet.c3d", points)
    ann, ben = datasets.read([path])
    assert (ann.subject, ben.subject) == ("ann", "ben")
    assert ann.joints is not None
    assert ben.joints is not None
    np.testing.assert_allclose(
        ben.joints - ann.joints, np.full((64, 17, 3), [0, 0.9, 0]), atol=1e-5
    )
    assert [s.subject for s in datasets.read([path], subjects=["ben"])] == ["ben"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = c3d_file(tmp_path / "a.c3d", _markers(LKNE=None, LFHD=None))
    words = r"a\.c3d: .*left_knee \(of LKNE, or LKJC\).*head \(of LFHD.*got 'LASI', 'LPSI'"
    with pytest.raises(DataError, match=words):
        datasets.read([path])
    never = _markers(CLAV=[np.nan] * 3, LSHO=[np.nan] * 3)
    with pytest.raises(DataError, match=r"left_shoulder \(of LSHO and RSHO, or LSJC\)"):
        datasets.read([c3d_file(tmp_path / "b.c3d", never)])
    points = c3d_points()
    points["head"][::2] = points["hip"][1::2] = np.nan
    with pytest.raises(DataError, match="expected a frame in which all joints were seen, got none"):
        datasets.read([c3d_file(tmp_path / "c.c3d", points)])


@pytest.mark.parametrize(
    ("units", "unit", "words"),
    [
        ("furlong", 1000, "POINT:UNITS: expected mm, cm, m or in, got 'furlong'"),
        ("mm", 1, r"expected a body of 0.5 to 2.5 m along the bones in mm, got 1\.\d+"),
        (" ", 9, "a body of 1 to 2.3 m along the bones in metres, centimetres or mil"),
    ],
)
def test_units_that_cannot_be(tmp_path: Path, units: str, unit: float, words: str) -> None:
    path = c3d_file(tmp_path / "a.c3d", c3d_points(unit=unit), units)
    with pytest.raises(DataError, match=words):
        datasets.read([path])


def test_a_header_that_claims_too_much(tmp_path: Path) -> None:
    """Millions of frames are neither waited for nor made room for."""
    path = c3d_file(tmp_path / "a.c3d", c3d_points())
    content = bytearray(path.read_bytes())
    place = content.index(b"ACTUAL_END_FIELD") + len(b"ACTUAL_END_FIELD")
    # Offset of the next parameter (2), bytes an element, one dimension, two words.
    assert content[place + 2 : place + 5] == bytes([2, 1, 2])
    content[place + 5 : place + 9] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.c3d: cannot be read as C3D: is cut off: .* got 64"):
        datasets.read([path])


def test_damage_is_a_sentence(tmp_path: Path) -> None:
    """Bytes changed at random: read, or refused by name, but nothing else."""
    path = c3d_file(tmp_path / "a.c3d", c3d_points())
    sound = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        broken = sound.copy()
        where = rng.integers(0, 2500, rng.integers(1, 12))
        broken[where] = rng.integers(0, 256, len(where))
        path.write_bytes(broken.tobytes()[: rng.integers(100, len(broken) * 2)])
        for failure in datasets.check_files([path], "c3d").failures:
            assert failure.startswith((f"{path}: cannot be read as C3D: ", f"{path}: POINT:"))
            assert not re.search("buffer|unpack|magic|index|shape|codec|argument", failure)
            refused += 1
    assert refused > 10
    path.write_bytes(rng.bytes(5000))
    with pytest.raises(DataError, match="is no known data set"):
        datasets.read([path])
    with pytest.raises(DataError, match=r"a\.c3d: cannot be read as C3D: is damaged or cut"):
        datasets.read([path], "c3d")


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = c3d_file(tmp_path / "a.c3d", c3d_points())
    monkeypatch.setitem(sys.modules, "c3d", None)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'vp3d\[c3d\]'"):
        datasets.read([path])
