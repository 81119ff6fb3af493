"""Keypoint R-CNN: equal to Detectron2, and what holds whatever the weights."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.conftest import PICTURE
from tests.oracle.detectron2_source import unpack
from vp3d_cli.detect import keypoint_rcnn
from vp3d_cli.detect._base import DetectorOptions
from vp3d_cli.detect._rcnn import checkpoint, heads
from vp3d_cli.detect._rcnn.network import KeypointRCNN
from vp3d_cli.errors import BackendUnavailableError, WeightsError
from vp3d_cli.types import Detections, Frame, Image
from vp3d_cli.video import VideoReader

ROOT = Path(__file__).parents[2]
SIZE = 256
FIELDS = ("boxes", "box_scores", "keypoints", "scores")


@pytest.fixture(scope="module")
def frames() -> dict[str, Image]:
    """A frame of the example, landscape, and a part of another picture, portrait."""
    with VideoReader(ROOT / "examples" / "demo.mp4") as reader:
        landscape = next(iter(reader)).image
    picture = np.asarray(cv2.imread(str(PICTURE)), np.uint8)
    return {"landscape": landscape, "portrait": np.ascontiguousarray(picture[:, 300:601])}


@pytest.fixture(autouse=True)
def cache(seeded_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VP3D_CACHE", str(seeded_cache))


@pytest.fixture(scope="module")
def detector(seeded_cache: Path) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VP3D_CACHE", str(seeded_cache))
        yield keypoint_rcnn.build(DetectorOptions(size=SIZE))


def _close(a: Detections, b: Detections, tolerance: float) -> None:
    for field in FIELDS:
        np.testing.assert_allclose(
            getattr(a, field), getattr(b, field), rtol=0, atol=tolerance, err_msg=field
        )


def test_it_equals_detectron2(
    detector: Any,
    frames: dict[str, Image],
    seeded_cache: Path,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library alone at a low threshold, and our backend on it, against the port."""
    oracle = unpack(request.config.cache.mkdir("detectron2"))
    np.savez(tmp_path / "frames.npz", **frames)
    weights = seeded_cache / "weights" / "model_final_997cc7.pkl"
    script, low = ROOT / "tests" / "oracle" / "run_detectron2.py", 0.4
    subprocess.run(
        [sys.executable, script, tmp_path / "frames.npz", weights, str(SIZE), str(low),
         tmp_path / "out.npz"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(oracle), str(ROOT)])},
        check=True,
    )  # fmt: skip
    with np.load(tmp_path / "out.npz") as out:
        found = {
            (who, name): Detections(*(out[f"{who}_{field}_{name}"] for field in FIELDS))
            for who in ("library", "backend")
            for name in frames
        }
    for name, image in frames.items():
        _close(detector.detect(Frame(0, 0.0, image)), found["backend", name], 1e-4)
    assert min(len(found["backend", name]) for name in frames) >= 2
    monkeypatch.setattr(keypoint_rcnn, "LEAST_SCORE", low)
    for name, image in frames.items():
        assert len(found["library", name]) > len(found["backend", name])
        _close(detector.detect(Frame(0, 0.0, image)), found["library", name], 1e-4)


def test_frames_together_equal_frames_alone(detector: Any, frames: dict[str, Image]) -> None:
    image = frames["portrait"]
    pair = [Frame(0, 0.0, image), Frame(1, 0.1, np.ascontiguousarray(image[::-1]))]
    together = detector.detect_batch(pair)
    assert len(together[0]) != len(together[1])
    for frame, people in zip(pair, together, strict=True):
        # Convolutions of two pictures round otherwise than of one.
        _close(people, detector.detect(frame), 2e-2)


def test_a_batch_too_large_for_the_gpu_is_halved(
    detector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    fits = 2

    def look(images: list[Image], shape: tuple[int, int]) -> list[Detections]:
        looks.append(len(images))
        if len(images) > fits:
            raise torch.cuda.OutOfMemoryError("full")
        return [Detections.empty(17) for _ in images]

    monkeypatch.setattr(detector, "_look", look)
    frames = [Frame(i, i / 30, np.zeros((20, 20, 3), np.uint8)) for i in range(8)]
    assert len(detector.detect_batch(frames)) == 8
    assert looks == [8, 4, 2, 2, 4, 2, 2]
    fits = 0
    with pytest.raises(BackendUnavailableError, match="smaller --detect-size"):
        detector.detect_batch(frames)


def test_the_best_people_are_the_same_as_among_all(
    detector: Any, frames: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "_max_people", None)
    everybody = detector.detect(Frame(0, 0.0, frames["portrait"]))
    assert len(everybody) > 1
    assert np.all(np.diff(everybody.box_scores) <= 0)
    monkeypatch.setattr(detector, "_max_people", 1)
    best = detector.detect(Frame(0, 0.0, frames["portrait"]))
    _close(best, everybody.select(slice(1)), 1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (301, 33)])
def test_any_shape_of_picture(detector: Any, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    found = detector.detect(Frame(0, 0.0, rng.integers(0, 255, (*shape, 3), np.uint8)))
    assert found.keypoints.shape == (len(found), 17, 2)
    assert {getattr(found, field).dtype for field in FIELDS} == {np.dtype(np.float32)}
    assert (found.boxes >= 0).all()
    assert (found.boxes <= np.array([*shape[::-1], *shape[::-1]])).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((720, 1280), (750, 1333)),
        ((480, 640), (800, 1067)),
        ((1920, 1080), (1333, 750)),
        ((563, 640), (800, 909)),
        ((100, 1000), (133, 1333)),
        ((1, 1), (800, 800)),
        ((1, 9000), (1, 1333)),
    ],
)
def test_input_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert keypoint_rcnn.input_size(*size, 800) == expected


def test_a_peak_is_found_at_its_pixel_centre() -> None:
    """A map made at pixel centres +0.5 gives back where its peak was; mirrored, its mirror."""
    centres = (np.arange(56) + 0.5) / 56
    boxes = torch.tensor([[10.0, 20.0, 66.0, 132.0], [10.25, 20.0, 210.75, 60.5]])
    for box in boxes:
        sides = (box[2:] - box[:2]).numpy()
        at = np.array([0.3, 0.62])
        bump = -(((centres - at[0]) ** 2)[None] + ((centres - at[1]) ** 2)[:, None]) * 300
        maps = torch.from_numpy(bump).float()[None, None]
        points, scores = heads.keypoints_of(torch.cat([maps, maps.flip(3)], 1), box[None])
        pixel = np.maximum(sides / np.ceil(sides), 1)
        np.testing.assert_allclose(points[0, 0] - box[:2], at * sides, atol=0.51 * pixel.max())
        np.testing.assert_allclose(
            points[0, 1, 0] - box[0], sides[0] - (points[0, 0, 0] - box[0]), atol=1e-3
        )
        np.testing.assert_allclose(scores[0], 1 / np.exp(bump - bump.max()).sum(), rtol=0.05)


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(BackendUnavailableError, match="GPU"):
        keypoint_rcnn.build(DetectorOptions(half=True))


def test_without_weights_it_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VP3D_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="vp3d weights fetch keypoint-rcnn-r101"):
        keypoint_rcnn.build(DetectorOptions())


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(v.shape) for name, v in KeypointRCNN().state_dict().items()}


def _zoo(arrays: dict[str, Any]) -> bytes:
    return pickle.dumps({"model": arrays, "__author__": "me"}, protocol=3)


def _zeros(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The whole file in little: pickle writes an array that repeats once."""
    made: dict[tuple[int, ...], Any] = {}
    return {n: made.setdefault(shape, np.zeros(shape, np.float32)) for n, shape in shapes.items()}


class _Malicious:
    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


def test_other_files_are_refused_in_words(
    shapes: dict[str, tuple[int, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = _zeros(shapes)
    checkpoint.read_state(_zoo(whole), "x.pkl")
    name = "roi_heads.box_predictor.cls_score.weight"
    lacking = {n: v for n, v in whole.items() if n != name}
    torch_file = io.BytesIO()
    torch.save({"model": {}}, torch_file)
    for blob, words in (
        (b"", "expected a pickle"),
        (b"<!DOCTYPE html><title>403", "starts with '<!DOCTYPE html>"),
        (os.urandom(999), "x.pkl"),
        (torch_file.getvalue(), "expected a pickle"),
        (_zoo(whole)[:-50], "damaged"),
        (_zoo(whole)[:3000], "damaged"),
        (pickle.dumps([1, 2]), "expected 'model'"),
        (_zoo(lacking), "lacks roi_heads.box_predictor.cls_score.weight: it is not"),
        (_zoo({}), "and .* more: it is not keypoint_rcnn_R_101_FPN_3x"),
        (_zoo(whole | {"roi_heads.mask_head.deconv.weight": np.zeros(3)}), "no|unknown"),
        (_zoo(whole | {name: np.zeros((81, 1024), np.float32)}), r"\(2, 1024\), got \(81, 1024\)"),
        (_zoo(whole | {name: np.full((2, 1024), np.nan, np.float32)}), "NaN"),
        (_zoo(whole | {name: "weights"}), "no array of numbers"),
        (_zoo(whole | {"pixel_mean": _Malicious()}), "refused.*system"),
    ):
        with pytest.raises(WeightsError, match=words):
            checkpoint.read_state(blob, "x.pkl")
    assert list(tmp_path.iterdir()) == []
