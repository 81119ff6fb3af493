"""What MoveNet's file makes of its networks' answers, with networks that answer as we like."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vp3d_cli.detect import movenet
from vp3d_cli.detect._base import DetectorOptions
from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.types import Detections, Float, Frame, Image

SIZE = 384  # The picture is MultiPose's input, so that its answers need no scaling.
_POSE = np.random.default_rng(2).uniform(-1, 1, (17, 2)) * (25, 60)

Network = Callable[[Image], Float]


def _multipose(*people: tuple[float, float, float]) -> Network:
    """People at (x, y), px, with a person score; every keypoint scores 0.5."""
    rows = np.zeros((6, 56), np.float32)
    for row, (x, y, score) in zip(rows, people, strict=False):
        points = np.add(_POSE, (x, y)) / SIZE
        row[:51] = np.column_stack([points[:, ::-1], np.full(17, 0.5)]).ravel()
        row[55] = score
    return lambda image: rows


def _thunder(score: float, aside: float = 0.0) -> Network:
    """The same pose in the middle of the crop, or `aside` of it by a share of the crop."""
    low, high = _POSE.min(0), _POSE.max(0)
    side = round(1.25 * float((high - low).max()))
    points = np.add((_POSE - (low + high) / 2) / side + 0.5, (aside, 0))
    answer = np.column_stack([points[:, ::-1], np.full(17, score)]).astype(np.float32)
    return lambda image: answer[None]


class _Session:
    """Stands where onnxruntime's would, and answers as `network` does."""

    def __init__(self) -> None:
        self.network: Network = lambda image: np.zeros((6, 56), np.float32)
        self.seen: list[Image] = []

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="input")]

    def run(self, _: None, feed: dict[str, Any]) -> list[Float]:
        (image,) = feed["input"]
        self.seen.append(image)
        return [self.network(image)[None]]


class _Networks:
    """A detector whose networks are put in each time."""

    def __init__(self, detector: movenet.MoveNet) -> None:
        self.detector, self.multipose, self.thunder = detector, _Session(), _Session()
        detector._multipose, detector._thunder = self.multipose, self.thunder

    def detect(
        self, multipose: Network, thunder: Network, image: Image | None = None
    ) -> Detections:
        self.multipose.network, self.thunder.network = multipose, thunder
        return self.detector.detect(_frame(image))

    def follow(self, people: Detections, thunder: Network, since_s: float = 1 / 30) -> Detections:
        self.thunder.network = thunder
        return self.detector.follow(_frame(), people, since_s)


def _frame(image: Image | None = None) -> Frame:
    return Frame(0, 0.0, np.zeros((SIZE, SIZE, 3), np.uint8) if image is None else image)


@pytest.fixture
def networks() -> _Networks:
    return _Networks(movenet.MoveNet())


@pytest.fixture
def detect(networks: _Networks) -> Callable[..., Detections]:
    return networks.detect


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_only_the_cpu(device: str) -> None:
    with pytest.raises(BackendUnavailableError, match=f"CPU only, not on '{device}'; use"):
        movenet.build(DetectorOptions(device=device))


def test_thunder_s_answer_is_taken(detect: Any) -> None:
    found = detect(_multipose((100, 200, 0.6)), _thunder(0.8))
    assert len(found) == 1
    assert found.box_scores[0] == pytest.approx(0.8)
    np.testing.assert_allclose(found.keypoints[0], np.add(_POSE, (100, 200)), atol=1.5)
    np.testing.assert_allclose(found.boxes[0, :2], found.keypoints[0].min(0))


def test_thunder_is_not_believed_where_it_sees_a_neighbour(detect: Any) -> None:
    found = detect(_multipose((100, 200, 0.6)), _thunder(0.9, aside=0.4))
    assert found.scores[0] == pytest.approx(0.5)
    np.testing.assert_allclose(found.keypoints[0], np.add(_POSE, (100, 200)), atol=1.5)


def test_furniture_is_nobody(detect: Any) -> None:
    assert len(detect(_multipose((100, 200, 0.35)), _thunder(0.2))) == 0
    assert len(detect(_multipose((100, 200, 0.04)), _thunder(0.9))) == 0


def test_a_person_found_twice_is_one(detect: Any) -> None:
    assert len(detect(_multipose((100, 200, 0.6), (107, 205, 0.5)), _thunder(0.8))) == 1
    assert len(detect(_multipose((100, 200, 0.6), (180, 200, 0.5)), _thunder(0.8))) == 2


def test_the_networks_see_rgb(networks: _Networks) -> None:
    blue = np.zeros((SIZE, SIZE, 3), np.uint8)
    blue[..., 0] = 255  # Frames are BGR.
    networks.detect(_multipose((200, 200, 0.6)), _thunder(0.8), blue)
    seen = networks.multipose.seen + networks.thunder.seen
    assert [image.shape for image in seen] == [(SIZE, SIZE, 3), (256, 256, 3)]
    assert all((image == (0, 0, 255)).all() for image in seen)


def test_who_is_followed_costs_no_full_look(networks: _Networks) -> None:
    two = networks.detect(_multipose((100, 200, 0.6), (280, 200, 0.5)), _thunder(0.8))
    networks.multipose.seen.clear()
    found = networks.follow(two, _thunder(0.7, aside=0.05))
    aside = 0.05 * 1.25 * float(np.ptp(_POSE, 0).max())
    np.testing.assert_allclose(found.keypoints, two.keypoints + np.float32((aside, 0)), atol=2)
    assert networks.multipose.seen == []


@pytest.mark.parametrize(
    ("score", "aside"), [(0.2, 0.0), (0.8, 0.4)], ids=["gone", "somebody else"]
)
def test_who_is_lost_is_not_followed(networks: _Networks, score: float, aside: float) -> None:
    one = networks.detect(_multipose((100, 200, 0.6)), _thunder(0.8))
    assert len(networks.follow(one, _thunder(score, aside))) == 0


def test_after_long_everybody_is_looked_for(networks: _Networks) -> None:
    one = networks.detect(_multipose((100, 200, 0.6)), _thunder(0.8))
    networks.multipose.network = _multipose((250, 200, 0.6))
    (found,) = networks.follow(one, _thunder(0.8), 0.2).keypoints
    np.testing.assert_allclose(found, np.add(_POSE, (250, 200)), atol=1.5)


def test_two_who_became_one_are_one(networks: _Networks) -> None:
    two = networks.detect(_multipose((100, 200, 0.6), (126, 200, 0.5)), _thunder(0.8))
    assert len(two) == 2
    first, second = two.keypoints[:, 0, 0]
    halfway = float(second - first) / 2 / round(1.25 * float(np.ptp(_POSE, 0).max()))
    answers = iter([halfway, -halfway])
    assert len(networks.follow(two, lambda image: _thunder(0.8, next(answers))(image))) == 1
