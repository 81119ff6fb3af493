"""What every file in `detect/` must do, tested the moment it exists.

Detectors whose library or weights are absent are skipped, the bundled ones never.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from vp3d_cli import registry
from vp3d_cli.detect._base import Detector, DetectorOptions
from vp3d_cli.errors import BackendUnavailableError, WeightsError
from vp3d_cli.geometry import flip_pixels
from vp3d_cli.types import Detections, Frame, Image

BUNDLED = {"movenet", "precomputed"}
PICTURE = Path(__file__).parents[1] / "data" / "person.jpg"
# The two people in the picture, drawn by hand: x0 y0 x1 y1.
PEOPLE = np.array([[95, 20, 165, 250], [445, 308, 575, 550]], np.float32)


@pytest.fixture(scope="module")
def picture() -> Image:
    return np.asarray(cv2.imread(str(PICTURE)), np.uint8)


@pytest.fixture(scope="module", params=registry.names("detect"))
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    options = DetectorOptions(keypoints=_keypoints_file(tmp_path_factory.mktemp("detect")))
    try:
        return registry.load("detect", request.param).build(options)
    except (BackendUnavailableError, WeightsError) as error:
        if request.param in BUNDLED:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def looking(detector: Detector) -> Detector:
    """A detector whose answer follows the picture."""
    if detector.describe()["name"] == "precomputed":
        pytest.skip("looks at no picture")
    return detector


def _keypoints_file(folder: Path) -> Path:
    """Both people in frame 0, and nobody else ever."""
    steps = np.linspace(0.2, 0.8, 17)[None, :, None]
    keypoints = PEOPLE[:, None, :2] + steps * (PEOPLE[:, None, 2:] - PEOPLE[:, None, :2])
    scores = np.full((2, 17), 0.9)
    path = folder / "keypoints.npz"
    np.savez(path, frame=[0, 0], keypoints_2d=keypoints, scores_2d=scores, boxes=PEOPLE)
    return path


def _detect(detector: Detector, image: Image, index: int = 0) -> Detections:
    return detector.detect(Frame(index, index / 30, np.ascontiguousarray(image)))


def _paired(detections: Detections, others: Detections) -> np.ndarray:
    """For each person of `detections` the row of the same one in `others`."""
    apart = np.abs(detections.keypoints[:, None] - others.keypoints[None]).mean((2, 3))
    return apart.argmin(1)


def test_it_says_what_it_is(detector: Detector) -> None:
    told = detector.describe()
    assert isinstance(told["name"], str)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert detector.skeleton.name in registry.names("skeletons")


def test_types_and_shapes(detector: Detector, picture: Image) -> None:
    found = _detect(detector, picture)
    joints = detector.skeleton.num_joints
    assert found.keypoints.shape == (len(found), joints, 2)
    arrays = (found.boxes, found.box_scores, found.keypoints, found.scores)
    assert [array.dtype for array in arrays] == [np.float32] * 4
    assert all(np.isfinite(array).all() for array in arrays)
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert ((found.box_scores >= 0) & (found.box_scores <= 1)).all()


def test_the_people_are_found_where_they_are(detector: Detector, picture: Image) -> None:
    found = _detect(detector, picture)
    found = found.select(found.box_scores >= 0.6)
    assert len(found) == len(PEOPLE)
    found = found.select(np.argsort(found.boxes[:, 0]))
    np.testing.assert_allclose(found.boxes, PEOPLE, atol=30)
    centres = (PEOPLE[:, :2] + PEOPLE[:, 2:]) / 2
    np.testing.assert_allclose(np.median(found.keypoints, axis=1), centres, atol=45)


def test_keypoints_are_near_the_frame(detector: Detector, picture: Image) -> None:
    found = _detect(detector, picture)
    height, width = picture.shape[:2]
    margin = 0.25 * max(height, width)
    assert (found.keypoints > -margin).all()
    assert (found.keypoints < np.array([width, height]) + margin).all()


@pytest.mark.parametrize("size", [(360, 640), (1, 1), (2, 900), (33, 31)])
def test_nobody_in_a_black_picture(detector: Detector, size: tuple[int, int]) -> None:
    found = _detect(detector, np.zeros((*size, 3), np.uint8), index=1)
    assert len(found) == 0
    assert found.keypoints.shape == (0, detector.skeleton.num_joints, 2)
    assert found.boxes.dtype == np.float32


def test_the_same_picture_gives_the_same_answer(detector: Detector, picture: Image) -> None:
    first, other, second = (_detect(detector, p) for p in (picture, picture[::-1], picture))
    del other  # Nothing is remembered from one frame to the next.
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    np.testing.assert_array_equal(first.box_scores, second.box_scores)


def test_a_moved_picture_moves_the_keypoints(looking: Detector, picture: Image) -> None:
    here = _detect(looking, picture)
    for right, down in ((5, 9), (64, 32)):
        moved = cv2.copyMakeBorder(picture, down, 0, right, 0, cv2.BORDER_CONSTANT)
        there = _detect(looking, moved)
        offset = there.keypoints[_paired(here, there)] - here.keypoints - (right, down)
        assert np.abs(np.median(offset, axis=(0, 1))).max() < 0.6


def test_a_mirrored_picture_mirrors_the_keypoints(looking: Detector, picture: Image) -> None:
    """Pixel centres at +0.5: x becomes width - x. Any other convention is off on one side."""
    offsets = []
    for cut in (0, 7, 16, 29):
        part = picture[cut:, cut:]
        seen, mirrored = _detect(looking, part), _detect(looking, part[:, ::-1])
        back = flip_pixels(mirrored.keypoints, part.shape[1], looking.skeleton)
        mirrored = Detections(mirrored.boxes, mirrored.box_scores, back, mirrored.scores)
        offset = (seen.keypoints - back[_paired(seen, mirrored)])[..., 0] / 2
        assert np.abs(offset).mean() < 2, "left and right are exchanged"
        offsets.append(offset.mean())
    assert abs(np.mean(offsets)) < 0.3
