"""Results in notebooks and in pandas."""

from __future__ import annotations

import dataclasses
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_result, make_video
from vp3d_cli.errors import BackendUnavailableError


def test_a_row_for_each_person_frame_and_joint() -> None:
    result = make_result(2, 8)
    table = result.to_dataframe()
    assert len(table) == 2 * 8 * 17
    person = result.tracks3d[1]
    knee = table[(table.track_id == person.track_id) & (table.joint == "left_knee")]
    np.testing.assert_array_equal(knee.frame, person.frames)
    np.testing.assert_allclose(knee.confidence, person.confidence[:, 5], rtol=1e-6)
    assert set(table.reference) == {"root"}
    empty = dataclasses.replace(result, tracks2d=(), tracks3d=()).to_dataframe()
    assert (len(empty), list(empty.columns)) == (0, list(table.columns))


def test_without_pandas_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(BackendUnavailableError, match="pip install pandas"):
        make_result().to_dataframe()


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def test_a_notebook_shows_the_people() -> None:
    result = make_result(3, 8, video=make_video(path=Path("<script>x.mp4")))
    text = result._repr_html_()
    tags = _Tags()
    tags.feed(text)
    assert tags.found.count("tr") == 4
    assert "script" not in tags.found
    assert "&lt;script&gt;" in text
    assert "ground unknown" in text
    assert dataclasses.replace(result, tracks2d=(), tracks3d=())._repr_html_().count("<tr>") == 1
