"""What MoveNet's file makes of its networks' answers, with networks that answer as we like."""

from __future__ import annotations

from collections.abc import Callable
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


@pytest.fixture
def detect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Detections]:
    detector = movenet.MoveNet(threads=1)

    def run(multipose: Network, thunder: Network, image: Image | None = None) -> Detections:
        def answer(session: Any, image: Image) -> Float:
            return (multipose if session is detector._multipose else thunder)(image)

        monkeypatch.setattr(movenet, "_run", answer)
        black = np.zeros((SIZE, SIZE, 3), np.uint8)
        return detector.detect(Frame(0, 0.0, black if image is None else image))

    return run


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


def test_the_networks_see_rgb(detect: Any) -> None:
    seen: list[Image] = []
    blue = np.zeros((SIZE, SIZE, 3), np.uint8)
    blue[..., 0] = 255  # Frames are BGR.

    def watched(network: Network) -> Network:
        return lambda image: (seen.append(image), network(image))[1]

    detect(watched(_multipose((200, 200, 0.6))), watched(_thunder(0.8)), blue)
    assert [image.shape for image in seen] == [(SIZE, SIZE, 3), (256, 256, 3)]
    assert all((image == (0, 0, 255)).all() for image in seen)
