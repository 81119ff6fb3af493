"""The page and the JSON: whole, well-formed, self-contained, and safe."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_result, make_video
from vp3d_cli.report import content, plots
from vp3d_cli.report.make import make
from vp3d_cli.report.page import to_html
from vp3d_cli.report.values import NUMBERS, Report
from vp3d_cli.types import Camera, Result, World

VOID = {"meta", "img", "br"}
EVIL = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=y>&\x1b[31m\ud800"


class Reader(HTMLParser):
    """Tags that are closed in order, ids, links and words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.headings: list[int] = []
        self.loads: list[str] = []
        self.alts: list[str | None] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if (name := told.get("id")) is not None:
            self.ids.append(name)
        if tag == "a":
            self.targets.append(str(told["href"]))
        self.loads += [str(told[key]) for key in ("src", "srcset", "data") if key in told]
        if tag == "img":
            self.alts.append(told.get("alt"))
        assert not [key for key in told if key.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(report: Report) -> Reader:
    """The page, after the checks that hold for all pages."""
    text = to_html(report)
    text.encode("utf-8")
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    assert "script" not in reader.tags
    assert len(reader.ids) == len(set(reader.ids))
    for target in reader.targets:
        assert target.startswith("#")
        assert target[1:] in reader.ids, target
    assert all(load.startswith("data:image/jpeg;base64,") for load in reader.loads)
    assert not re.search(r"url\(|@import|<link|<iframe|<object|<form", text)
    assert "default-src 'none'" in text
    assert "nan" not in re.sub(r"\w*nan\w+|\w+nan\w*", "", "".join(reader.words).lower())
    steps = np.diff([1, *reader.headings])
    assert steps.max(initial=0) <= 1, "a heading is left out"
    return reader


def json_of(report: Report) -> object:
    text = json.dumps(content.to_json(report), allow_nan=False)
    return json.loads(text)


RESULTS: dict[str, Result] = {
    "two people": make_result(),
    "nobody": make_result(num_tracks=0),
    "one frame": make_result(num_tracks=1, length=1, with_gaps=False),
    "two frames": make_result(num_tracks=1, length=2, with_gaps=False),
    "twenty people": make_result(num_tracks=20, length=40),
    "forty people": make_result(num_tracks=40, length=10),
    "long": make_result(num_tracks=1, length=5000),
}


@pytest.mark.parametrize("name", RESULTS)
def test_pages_are_well_formed_and_load_nothing(name: str) -> None:
    report = make(RESULTS[name], "pose.npz")
    reader = read(report)
    assert len([i for i in reader.ids if i.startswith("person-")]) == len(report.people)
    assert json_of(report)


def test_every_number_is_on_the_page_or_its_reason() -> None:
    result = make_result(num_tracks=1, length=30, with_gaps=False)
    report = make(result, "pose.npz")
    words = " ".join(read(report).words)
    for label in ("Coverage", "Jitter", "Bone variation", "Reprojection error", "Foot skate"):
        assert label in words
    assert report.people[0].missing["residual_px"] in words
    assert report.people[0].missing["skate_mm_s"] in words
    assert f"{report.people[0].numbers['jitter_m_s2']:.1f}" in words


def test_words_of_a_file_stay_words() -> None:
    result = make_result(video=make_video(path=Path("clip.mp4")))
    evil = dataclasses.replace(
        result,
        camera=Camera(1000.0, EVIL),
        world=World.unknown(EVIL),
        provenance={
            **result.provenance,
            "source": {"name": EVIL, "sha256": EVIL},
            "warnings": [EVIL],
            "detector": {"name": EVIL},
            "lifter": {"name": EVIL},
            "version": EVIL,
        },
    )
    report = make(evil, EVIL)
    reader = read(report)
    assert "img" not in reader.tags
    words = "".join(reader.words)
    assert words.count("<script>alert(1)</script>") >= 5
    assert "\x1b" not in words
    assert json_of(report)


def test_joint_names_of_a_file_stay_words() -> None:
    result = make_result(num_tracks=1)
    track = result.tracks3d[0]
    joints = ("hip", *(f"<b>{n}" for n in range(16)))
    edges = tuple((joints[0], joint) for joint in joints[1:])
    skeleton = dataclasses.replace(track.skeleton, name="odd", joints=joints, edges=edges)
    odd = dataclasses.replace(track, skeleton=skeleton)
    reader = read(make(dataclasses.replace(result, tracks3d=(odd,)), "pose.npz"))
    assert "<b>3" in "".join(reader.words)


def test_without_video_it_says_how_to_get_pictures() -> None:
    reader = read(make(make_result(length=40), "pose.npz"))
    words = "".join(reader.words)
    assert "Give the video with --video to see them as pictures." in words
    assert "img" not in reader.tags


def test_pictures_are_embedded_with_words_for_the_blind() -> None:
    report = make(make_result(length=40), "pose.npz")
    moment = report.worst[0]
    pictures = {(moment.frame, moment.track_id): b"\xff\xd8picture"}
    reader = read(dataclasses.replace(report, pictures=pictures, no_pictures=""))
    assert len(reader.loads) == 1
    (alt,) = reader.alts
    assert alt is not None
    assert f"Person {moment.track_id} at" in alt


def test_people_beyond_thirty_are_in_the_table_only() -> None:
    report = make(make_result(num_tracks=40, length=10), "pose.npz")
    text = to_html(report)
    assert text.count('<div class="tiles">') == 30
    assert text.count('<th scope="row">') == 40
    assert "10 people more" in text


def test_plots_are_small_and_broken_where_nothing_is_known() -> None:
    result = make_result(num_tracks=1, length=20_000, with_gaps=False)
    result.tracks3d[0].confidence[8_000:12_000] = np.nan
    report = make(result, "pose.npz")
    drawn = plots.figure(report.people[0], [])
    assert len(drawn) < 100_000
    confidence = re.findall(r'class="after" d="([^"]*)"', drawn)[0]
    assert confidence.count("M") == 2
    numbers = [float(n) for n in re.findall(r"-?\d+\.\d", confidence)]
    assert min(numbers) >= 0
    assert max(numbers) <= 1000


def test_shades_lie_where_frames_were_filled_in() -> None:
    result = make_result(num_tracks=1, length=101, with_gaps=False)
    result.tracks2d[0].observed[50:61] = False
    drawn = plots.figure(make(result, "pose.npz").people[0], [])
    bands = set(re.findall(r'class="filled" x="([\d.]+)" y="0" width="([\d.]+)"', drawn))
    assert bands == {("500.0", "100.0")}


def test_json_has_null_and_a_reason_where_a_number_is_unknown() -> None:
    told = json_of(make(make_result(num_tracks=1, with_gaps=False), "pose.npz"))
    assert isinstance(told, dict)
    assert told["schema"] == "vp3d.report/1"
    person = told["people"][0]
    assert set(person["numbers"]) == set(NUMBERS)
    unknown = {key for key, value in person["numbers"].items() if value is None}
    assert unknown == set(person["missing"])
    assert "residual_px" in unknown


def test_equal_results_give_equal_reports() -> None:
    pages = [to_html(make(make_result(length=60), "pose.npz")) for _ in range(2)]
    assert pages[0] == pages[1]


def test_how_the_camera_stands() -> None:
    """It looks down by 30 degrees from 2 m, and is rolled by 10 degrees clockwise."""
    pitch, roll = np.radians([-30.0, 10.0])
    ahead = np.array([0, np.cos(pitch), np.sin(pitch)])
    level = np.array([1.0, 0, 0])
    down = np.cross(ahead, level)
    right = np.cos(roll) * level + np.sin(roll) * down
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(ahead, right), ahead], -1)
    matrix[2, 3] = 2.0
    told = content._stands(World(matrix, "feet"))
    assert told["camera_height_m"] == pytest.approx(2)
    assert told["camera_pitch_degrees"] == pytest.approx(-30)
    assert told["camera_roll_degrees"] == pytest.approx(10)
    assert content._floor(World(matrix, "feet")) == (
        "2.00 m below the camera, which looks 30° down, rolled 10° clockwise"
    )
    unknown = content._stands(World.unknown("nobody is there"))
    assert set(unknown.values()) == {None}
