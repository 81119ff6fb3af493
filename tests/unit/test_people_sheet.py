"""The contact sheet: every person in a row, in their colour, cut out of the right frames."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.factories import make_result, make_video
from vp3d_cli.errors import OutputError, VideoError
from vp3d_cli.render import _palette as palette
from vp3d_cli.render import people_sheet
from vp3d_cli.render.people_sheet import write_people_sheet
from vp3d_cli.types import Image, Result
from vp3d_cli.video import VideoWriter

WIDTH, HEIGHT, LENGTH = 640, 480, 40


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each frame has its number as its brightness, the right half more blue."""
    path = tmp_path_factory.mktemp("video") / "in.mp4"
    with VideoWriter(path, WIDTH, HEIGHT, Fraction(25)) as writer:
        for i in range(LENGTH):
            image = np.full((HEIGHT, WIDTH, 3), 40 + 5 * i, np.uint8)
            image[:, WIDTH // 2 :, 0] = 250
            writer.write(image)
    return path


def _result(people: int, length: int = 20) -> Result:
    """People in boxes on the left and right in turn."""
    info = make_video(width=WIDTH, height=HEIGHT, rotation=0, duration_s=LENGTH / 25)
    result = make_result(people, length, video=info, with_gaps=False)
    tracks = tuple(
        replace(t, boxes=np.tile(np.float32([60, 60, 180, 400]) + 320 * np.float32(
            [(t.track_id + 1) % 2, 0, (t.track_id + 1) % 2, 0]), (length, 1)))
        for t in result.tracks2d
    )  # fmt: skip
    return replace(result, tracks2d=tracks)


def _written(result: Result, video: Path, out: Path) -> Image:
    write_people_sheet(result, video, out)
    picture = cv2.imread(str(out))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def _has(picture: Image, colour: palette.Colour) -> bool:
    return bool((np.abs(picture.astype(int) - colour).max(-1) <= 2).sum() > 20)


def test_everybody_has_a_row_in_their_colour(video: Path, tmp_path: Path) -> None:
    heights = []
    for people in (1, 2, 5):
        picture = _written(_result(people, 12), video, tmp_path / "sheet.png")
        heights.append(picture.shape[0])
        seen = [_has(picture, palette.accent(i)) for i in range(1, 7)]
        assert seen == [i <= max(people, 1) for i in range(1, 7)]
    assert np.diff(heights)[0] * 3 == np.diff(heights)[1]


def test_pictures_are_of_the_right_person_and_frame(video: Path) -> None:
    people = people_sheet._people(_result(2))
    thumbs = people_sheet._thumbs(people, video)
    assert len(thumbs) == sum(len(person.shown) for person in people)
    for (track_id, frame), thumb in thumbs.items():
        middle = thumb[100, 75].astype(int)
        assert middle[1] == pytest.approx(40 + 5 * frame, abs=2.4)
        assert (middle[0] > 220) == (track_id == 2)


def test_moments_are_spread_and_show_people_at_their_best() -> None:
    (track,) = _result(1, 100).tracks2d
    observed, risk = np.ones(100, bool), np.zeros(100, bool)
    observed[8:12], risk[46:52] = False, True
    track.scores[:] = 0.6
    track.scores[8:12], track.scores[46:52] = 0.9, 0.9
    rows = [row for _, row in people_sheet._moments((replace(track, observed=observed,
                                                             at_risk=risk),))]  # fmt: skip
    assert len(rows) == 5
    assert all(abs(row - share * 100) <= 7 for row, share in zip(
        rows, (0.1, 0.3, 0.5, 0.7, 0.9), strict=True))  # fmt: skip
    assert observed[rows].all()
    assert not risk[rows].any()


def test_a_person_with_several_tracks_has_one_row(video: Path, tmp_path: Path) -> None:
    result = _result(3)
    one = _written(result, video, tmp_path / "a.png")
    told = replace(result, provenance={**result.provenance, "same_person": [[1, 3], [9, 10]]})
    other = _written(told, video, tmp_path / "b.png")
    assert other.shape[0] < one.shape[0]
    assert _has(other, palette.accent(3))


def test_where_people_were_close_is_marked(video: Path, tmp_path: Path) -> None:
    result = _result(1)
    (track,) = result.tracks2d
    body = slice(people_sheet._HEAD, None)
    calm = _written(result, video, tmp_path / "a.png")[body]
    risky = replace(result, tracks2d=(replace(track, at_risk=np.ones(20, bool)),))
    marked = _written(risky, video, tmp_path / "b.png")[body]
    assert not _has(calm, people_sheet._RISK)
    assert _has(marked, people_sheet._RISK)


def test_nobody_is_said(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[str] = []
    monkeypatch.setattr(
        people_sheet.draw, "text", lambda picture, said, *a, **options: words.append(said)
    )
    result = replace(_result(1), tracks2d=(), tracks3d=())
    assert _written(result, video, tmp_path / "sheet.png").shape[0] > 100
    assert "nobody was found" in words
    assert not any("--person" in said for said in words)


def test_a_video_that_ends_early_leaves_pictures_out(video: Path, tmp_path: Path) -> None:
    late = _result(1, 60)
    assert _written(late, video, tmp_path / "sheet.png").shape[1] == people_sheet._WIDTH


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 0), (np.nan,) * 4, (-900, -900, -800, -700), (0, 0, 640, 480), (5, 5, 6, 400)]
)
def test_any_box_can_be_shown(box: tuple[float, ...], video: Path, tmp_path: Path) -> None:
    result = _result(1)
    (track,) = result.tracks2d
    boxes = np.tile(np.float32(box), (20, 1))
    _written(replace(result, tracks2d=(replace(track, boxes=boxes),)), video, tmp_path / "s.png")


def test_more_people_than_fit_are_told(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _written(_result(4, 12), video, tmp_path / "a.png")
    monkeypatch.setattr(people_sheet, "_MOST", 2)
    few = _written(_result(4, 12), video, tmp_path / "b.png")
    assert few.shape[0] < whole.shape[0]


def test_nothing_is_left_of_what_fails(video: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_people_sheet(_result(1), video, tmp_path / "none" / "sheet.png")
    with pytest.raises(VideoError):
        write_people_sheet(_result(1), tmp_path / "none.mp4", tmp_path / "sheet.png")
    assert list(tmp_path.iterdir()) == []


def test_equal_results_give_equal_bytes(video: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_people_sheet(_result(2), video, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("time_s", "words"),
    [(0, "0:00.0"), (9.96, "0:10.0"), (59.94, "0:59.9"), (75.5, "1:15.5"), (3725.2, "1:02:05")],
)
def test_times_are_words(time_s: float, words: str) -> None:
    assert people_sheet._clock(time_s) == words
