"""Looking only around known people: the same people, fewer pixels, nobody forgotten."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vp3d_cli import skeletons
from vp3d_cli.detect._following import Following, Region, regions
from vp3d_cli.pipeline.looking import Request, look
from vp3d_cli.types import Detections, Float, Frame, Json, Skeleton, VideoInfo

WIDTH, HEIGHT = 640, 360


class Crowd:
    """Finds the people of a script, those fully inside of what it looks at; counts pixels."""

    whole_scale = 1.0

    def __init__(self, *people: dict[int, tuple[float, float]]) -> None:
        """Each person: top-left corner by frame."""
        self._people = people
        self.looks: list[tuple[Region, float]] = []

    @property
    def skeleton(self) -> Skeleton:
        return skeletons.get("coco17")

    def describe(self) -> Json:
        return {"name": "crowd", "settings": {}}

    def detect(self, frame: Frame) -> Detections:
        return self.detect_part(frame, (0, 0, WIDTH, HEIGHT), self.whole_scale)

    def scale(self, height: int, width: int) -> float:
        return self.whole_scale

    def detect_part(self, frame: Frame, region: Region, scale: float) -> Detections:
        self.looks.append((region, scale))
        boxes = np.array(
            [
                (x, y, x + 40, y + 100)
                for person in reversed(self._people)
                for x, y in [person.get(frame.index, (-1.0, 0.0))]
                if x >= region[0]
                and y >= region[1]
                and x + 40 <= region[2]
                and y + 100 <= region[3]
            ],
            np.float32,
        ).reshape(-1, 4)
        points = np.repeat(boxes[:, None, :2], 17, 1) + np.arange(17, dtype=np.float32)[:, None]
        ones = np.ones((len(boxes), 17), np.float32)
        return Detections(boxes, ones[:, 0], points, ones)

    def whole(self) -> list[bool]:
        return [region == (0, 0, WIDTH, HEIGHT) for region, _ in self.looks]


def _frames(number: int, fps: float = 30) -> list[Frame]:
    blank = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return [Frame(i, i / fps, blank) for i in range(number)]


def _followed(crowd: Crowd, number: int, every: int = 1) -> list[Detections]:
    """The people of each `every`th of so many frames."""
    video = VideoInfo(Path("a.mp4"), WIDTH, HEIGHT, Fraction(30))
    requests = (Request(frame, True) for frame in _frames(number)[::every])
    found = look(requests, Following(crowd), video, every, colours=False)
    return [people for _, _, people in found if people is not None]


def _walk(start: int, stop: int, x: float, speed: float) -> dict[int, tuple[float, float]]:
    return {i: (x + speed * (i - start), 120.0) for i in range(start, stop)}


def _found(detections: Detections) -> Float:
    return detections.boxes[np.argsort(detections.boxes[:, 0])]


def test_it_finds_what_the_detector_finds_with_fewer_pixels() -> None:
    crowd = Crowd(_walk(0, 40, 50, 3), _walk(0, 40, 500, -2))
    for frame, seen in zip(_frames(40), _followed(crowd, 40), strict=True):
        np.testing.assert_array_equal(_found(seen), _found(Crowd(*crowd._people).detect(frame)))
    assert sum(crowd.whole()) == 3  # in the middle of each half second
    parts = [region for region, _ in crowd.looks if region != (0, 0, WIDTH, HEIGHT)]
    assert max((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in parts) < 0.15 * WIDTH * HEIGHT


def test_keypoints_and_boxes_keep_together() -> None:
    crowd = Crowd(_walk(0, 9, 500, -3), _walk(0, 9, 50, 3))
    for seen in _followed(crowd, 9):
        np.testing.assert_array_equal(seen.keypoints[:, 0], seen.boxes[:, :2])


def test_who_is_lost_is_found_again() -> None:
    """Once from the scene before, once from the one after."""
    jump = _walk(0, 20, 50, 0) | _walk(20, 40, 400, 0)
    crowd = Crowd(jump)
    assert [seen.boxes[:, 0].tolist() for seen in _followed(crowd, 40)] == [[50]] * 20 + [
        [400]
    ] * 20
    assert sum(crowd.whole()) == 3


def test_newcomers_are_found_at_once() -> None:
    crowd = Crowd(_walk(0, 40, 50, 0), _walk(11, 40, 400, 0))
    counts = [len(seen) for seen in _followed(crowd, 40)]
    assert counts == [1] * 11 + [2] * 29


def test_a_crowded_picture_is_looked_at_whole() -> None:
    crowd = Crowd(
        *(dict.fromkeys(range(3), (x, y)) for x in range(10, 600, 60) for y in (10.0, 240.0))
    )
    _followed(crowd, 3)
    assert crowd.whole() == [True] * 3


@pytest.mark.parametrize("gap", [1, 5])
def test_the_margin_grows_with_the_time_since_the_last_look(gap: int) -> None:
    crowd = Crowd(_walk(0, 20, 300, 0))
    _followed(crowd, 2 * gap, gap)
    x0, y0, x1, y1 = crowd.looks[-1][0]
    pad = 100 * (0.2 + gap / 30)
    np.testing.assert_allclose([300 - x0, 120 - y0, x1 - 340, y1 - 220], pad, atol=1)


@pytest.mark.parametrize(("whole", "expected"), [(2.5, 320 / 100), (4.0, 320 / 100)])
def test_people_are_seen_as_large_as_in_the_whole_or_320_px(whole: float, expected: float) -> None:
    crowd = Crowd(_walk(0, 2, 300, 0))
    crowd.whole_scale = whole
    _followed(crowd, 2)
    assert crowd.looks[1][1] == pytest.approx(min(whole, expected))


def test_rare_looks_still_use_parts() -> None:
    """A look every second would otherwise be at the whole picture each time."""
    crowd = Crowd(_walk(0, 400, 300, 0))
    _followed(crowd, 331, 30)
    assert crowd.whole() == [True, *[False] * 4, True, *[False] * 4, True, False]


def test_somebody_else_in_the_region_is_not_taken_for_who_was_lost() -> None:
    """Far from the old place it is no longer the same box."""
    crowd = Crowd(_walk(0, 3, 300, 0) | {3: (340.0, 150.0)})
    assert [len(seen) for seen in _followed(crowd, 4)] == [1, 1, 1, 0]


def test_regions_hold_their_boxes_and_do_not_overlap() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        low = rng.uniform(0, 250, (rng.integers(1, 8), 2))
        boxes = np.concatenate([low, low + rng.uniform(5, 100, low.shape)], 1).astype(np.float32)
        found = regions(boxes, 0.2, WIDTH, HEIGHT)
        assert sorted(itertools.chain(*(members for _, members in found))) == list(
            range(len(boxes))
        )
        for (x0, y0, x1, y1), members in found:
            assert 0 <= x0 < x1 <= WIDTH
            assert 0 <= y0 < y1 <= HEIGHT
            assert (boxes[members, :2] >= (x0, y0)).all()
            assert (boxes[members, 2:] <= (x1, y1)).all()
        for (a, _), (b, _) in itertools.combinations(found, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
