"""The HTML page: what stands in the file. What it does in a browser is in e2e/test_view.py."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import zlib
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_result, make_video
from tests.page_results import walking, write_clip
from vp3d_cli import files
from vp3d_cli.errors import DataError
from vp3d_cli.export import html
from vp3d_cli.export._page import data
from vp3d_cli.types import Camera, Double, Json, Result, World
from vp3d_cli.video import VideoReader, VideoWriter, browser, probe

SOURCE = Path(html.__file__).parent / "_page"
EVIL = "</script><img src=x onerror=alert(1)><!--<script>.mp4"


class Page(HTMLParser):
    """The elements of a page, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: tuple[str, dict[str, str | None]] = ("", {})
        self.texts: dict[str, str] = {}
        self.scripts: list[str] = []
        self.style = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open = (tag, dict(attrs))
        self.elements.append(self.open)
        if self.open == ("script", {}):
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.open = ("", {})

    def handle_data(self, text: str) -> None:
        tag, attributes = self.open
        if self.open == ("script", {}):
            self.scripts[-1] += text
        elif tag == "style":
            self.style += text
        elif tag:
            name = attributes.get("id") or tag
            self.texts[name] = self.texts.get(name, "") + text

    @property
    def about(self) -> Json:
        told: Json = json.loads(self.texts["about"])
        return told


def page_of(result: Result, tmp_path: Path, video: Path | None = None) -> Page:
    path = tmp_path / "page.html"
    html.write_page(result, path, video)
    return Page(path.read_text(encoding="utf-8"))


def unpacked(page: Page) -> tuple[Double, list[dict[str, Double]]]:
    """What the page's own script makes of the arrays: times, and the columns of every person."""
    about, raw = page.about, zlib.decompress(base64.b64decode(page.texts["arrays"]))
    at = 8 * about["frames"]
    times, people = np.frombuffer(raw[:at], "<f8"), []
    sizes = {
        "joints": 51,
        "confidence": 17,
        "keypoints": 34,
        "scores": 17,
        "observed": 1,
        "angles": 8,
    }
    for person in about["people"]:
        columns = {}
        for name, step in data.STEPS.items():
            count = person["length"] * sizes[name]
            by_weight = np.frombuffer(raw[at : at + 4 * count], np.uint8).reshape(4, count)
            zigzag = np.ascontiguousarray(by_weight.T).view("<u4")[:, 0].astype(np.int64)
            change = (zigzag >> 1) ^ -(zigzag & 1)
            counts = np.cumsum(change.reshape(sizes[name], -1), 1).astype(np.int32).T
            columns[name] = np.where(counts == -(1 << 31), np.nan, counts * step)
            at += 4 * count
        people.append(columns)
    assert at == len(raw)
    return times, people


def test_the_arrays_are_the_result(tmp_path: Path) -> None:
    result = make_result(num_tracks=2, length=12, with_gaps=False)
    result.tracks3d[0].joints[3, 5] = np.nan
    result.tracks2d[1].keypoints[2] = np.nan
    result.tracks2d[1].observed[4] = False
    result = dataclasses.replace(result, world=World(_tilted(), "told"))
    page = page_of(result, tmp_path)
    times, people = unpacked(page)
    assert page.about["placement"] == "world"
    for about, person, seen, track in zip(
        page.about["people"], people, result.tracks2d, result.tracks3d, strict=True
    ):
        world = result.world.of(track).reshape(12, 51)
        np.testing.assert_allclose(person["joints"], world, atol=0.51 * data.STEPS["joints"])
        confidence = np.abs(person["confidence"] - track.confidence)
        assert confidence.max() <= 0.51 * data.STEPS["confidence"]
        keypoints = seen.keypoints.reshape(12, 34)
        np.testing.assert_allclose(person["keypoints"], keypoints, atol=0.51 / 16)
        np.testing.assert_array_equal(person["observed"][:, 0], seen.observed)
        start = about["first"] - page.about["first"]
        np.testing.assert_array_equal(times[start : start + 12], seen.times_s)


def _tilted() -> Double:
    matrix = np.eye(4)
    matrix[:3, :3] = [[1, 0, 0], [0, 0.1, 0.995], [0, -0.995, 0.1]]
    matrix[2, 3] = 1.4
    return matrix


def test_every_frame_has_a_time_and_times_rise(tmp_path: Path) -> None:
    result = walking(1, 10, times=np.array([0, 0.1, 0.15, 0.4, 0.3, 0.5, 1.0, 1.1, 1.2, 2.0]))
    result.provenance["num_frames_read"] = 14
    times, _ = unpacked(page_of(result, tmp_path))
    assert len(times) == 14
    assert (np.diff(times) >= 0).all()
    assert times[3] == times[4] == 0.4
    np.testing.assert_allclose(np.diff(times[9:]), 1 / 25)


def test_a_part_of_a_video_begins_where_the_part_does(tmp_path: Path) -> None:
    result = make_result(num_tracks=1, length=5)
    assert page_of(result, tmp_path).about["first"] == int(result.tracks2d[0].frames[0]) == 2


def test_too_long_for_a_page_is_said(tmp_path: Path) -> None:
    result = make_result(num_tracks=2, length=3)
    far = [
        dataclasses.replace(t[1], frames=t[1].frames + 2_000_000_000)
        for t in (result.tracks2d, result.tracks3d)
    ]
    result = dataclasses.replace(
        result, tracks2d=(result.tracks2d[0], far[0]), tracks3d=(result.tracks3d[0], far[1])
    )
    with pytest.raises(DataError, match="--start"):
        html.write(result, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_people_without_a_place_stand_side_by_side(tmp_path: Path) -> None:
    page = page_of(make_result(num_tracks=3), tmp_path)
    hips = [np.nanmean(person["joints"][:, :2], 0) for person in unpacked(page)[1]]
    assert page.about["placement"] == "beside"
    assert page.about["camera"] is None
    np.testing.assert_allclose(hips, [[-1.3, 0], [0, 0], [1.3, 0]], atol=1e-6)


def test_without_a_world_the_lowest_foot_is_on_the_floor(tmp_path: Path) -> None:
    result = dataclasses.replace(walking(2, 30), world=World.unknown("nobody looked"))
    page = page_of(result, tmp_path)
    lowest = min(np.nanmin(person["joints"][:, 2::3]) for person in unpacked(page)[1])
    assert page.about["placement"] == "camera"
    assert 0 <= lowest < 0.06
    assert page.about["camera"]["toScene"][11] > 1  # the camera is above the floor


def test_ten_minutes_of_three_people_fit(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    html.write(walking(3, 18_000, noise_m=0.003), path)
    assert path.stat().st_size < 15_000_000


@pytest.mark.parametrize("count", [0, 1, 20])
def test_any_number_of_people(count: int, tmp_path: Path) -> None:
    page = page_of(make_result(num_tracks=count, length=1, with_gaps=False), tmp_path)
    assert [person["id"] for person in page.about["people"]] == list(range(1, count + 1))
    assert len(unpacked(page)[1]) == count


def test_numbers_no_body_has_are_missing_not_a_crash(tmp_path: Path) -> None:
    result = walking(1, 4)
    result.tracks3d[0].joints[1] = 3e38
    result.tracks3d[0].joints[2] = 1.5e5
    result = dataclasses.replace(result, camera=Camera(float("nan"), "unknown"))
    page = page_of(result, tmp_path)
    assert np.isnan(unpacked(page)[1][0]["joints"][1:3]).all()
    assert page.about["camera"] is None


def test_text_of_the_file_is_never_markup(tmp_path: Path) -> None:
    name = EVIL.replace("/", "")
    result = dataclasses.replace(
        make_result(num_tracks=1, video=make_video(path=Path(name))),
        provenance={"version": EVIL, "detector": {"name": EVIL}, "lifter": EVIL},
        world=World(np.full((4, 4), np.nan), EVIL),
    )
    plain, page = page_of(make_result(num_tracks=1), tmp_path), page_of(result, tmp_path)
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert page.about["version"] == page.about["how"] == page.about["detector"] == EVIL
    assert page.scripts == plain.scripts
    assert "<" not in page.texts["about"]
    assert page.texts["title"] == f"{name} · vp3d"


def test_the_page_forbids_itself_the_network(tmp_path: Path) -> None:
    page = page_of(walking(2, 4), tmp_path)
    policy = next(a["content"] for _, a in page.elements if "http-equiv" in a) or ""
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert set(rules) == {
        "default-src", "script-src", "style-src", "img-src", "media-src", "base-uri", "form-action",
    }  # fmt: skip
    assert not re.search(r"unsafe|https?:|\*|'self'", policy)
    digests = [_digest(script) for script in page.scripts]
    assert rules["script-src"].split() == digests
    assert rules["style-src"] == _digest(page.style)
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert not re.search("//", "".join(attributes.get(key) or "" for key in ("src", "href")))


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_no_script_ends_its_element() -> None:
    for script in SOURCE.rglob("*.js"):
        assert not re.search(r"</script|<!--", script.read_text(encoding="utf-8"), re.IGNORECASE)


def test_all_scripts_are_joined_and_short() -> None:
    ours = {path.name: path for path in SOURCE.glob("*.js")}
    assert set(html.SCRIPTS) == set(ours)
    assert all(len(p.read_text(encoding="utf-8").splitlines()) <= 400 for p in ours.values())


def test_the_library_is_the_one_that_is_noted() -> None:
    noted = (SOURCE / "vendor" / "README.md").read_text(encoding="utf-8")
    assert files.sha256(SOURCE / "vendor" / "three.min.js") in noted
    assert "MIT" in (SOURCE / "vendor" / "three.LICENSE.txt").read_text(encoding="utf-8")


def test_controls_have_names(tmp_path: Path) -> None:
    page = page_of(walking(1, 4), tmp_path)
    for tag, attributes in page.elements:
        if tag in ("canvas", "input", "select", "video") and attributes.get("aria-hidden") is None:
            inside = attributes.get("id") == "speed"  # of its label
            assert inside or attributes.get("aria-label"), attributes


def _contrast(first: str, second: str) -> float:
    def light(colour: str) -> float:
        parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((light(first), light(second)))
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_in_both_themes() -> None:
    style = (SOURCE / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root[^{]*\{\s*color-scheme[^}]*\}", style)
    themes = [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in blocks]
    assert len(themes) == 3
    assert themes[1] == themes[2]
    for colours in themes:
        for ground in ("page", "card", "scene", "button"):
            assert _contrast(colours["text"], colours[ground]) >= 7
            assert _contrast(colours["muted"], colours[ground]) >= 4.5
        assert _contrast(colours["primary"], colours["on-primary"]) >= 4.5
        assert _contrast(colours["text"], colours["warn"]) >= 4.5
        for name in ("left", "right"):
            assert _contrast(colours[name], colours["card"]) >= 4
        for name in ("focus", *(f"accent-{i}" for i in range(7))):
            assert _contrast(colours[name], colours["card"]) >= 3


def test_the_video_beside_the_page_goes_in_if_it_is_the_one(tmp_path: Path) -> None:
    result, video = walking(1, 5), tmp_path / "clip.mp4"
    write_clip(video, np.arange(5) / 25)
    result.provenance["source"] = {"name": "clip.mp4", "sha256": files.sha256(video)}
    html.write(result, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.about["videoType"] == "video/mp4"
    assert base64.b64decode(page.texts["media"]) == video.read_bytes()
    video.write_bytes(video.read_bytes() + b"x")
    html.write(result, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.about["videoType"] is None
    assert "media" not in page.texts


def test_a_video_too_large_goes_in_small_with_its_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = np.array([0, 0.033, 0.05, 0.16, 0.36, 0.395])
    video = tmp_path / "clip.mp4"
    write_clip(video, times, size=(1280, 720))
    monkeypatch.setattr(html, "LARGEST_VIDEO_BYTES", 10)
    page = page_of(walking(1, 6, times), tmp_path, video)
    small = tmp_path / "small.mp4"
    small.write_bytes(base64.b64decode(page.texts["media"]))
    assert (probe(small).width, probe(small).height) == (960, 540)
    assert browser.browser_type(small) == "video/mp4"
    with VideoReader(small) as frames:
        shown = [(frame.time_s, float(frame.image.mean())) for frame in frames]
    np.testing.assert_allclose([time for time, _ in shown], times, atol=2e-3)
    np.testing.assert_allclose([grey for _, grey in shown], 40 + 4 * np.arange(6), atol=2)


def test_other_kinds_are_made_playable(tmp_path: Path) -> None:
    for name in ("clip.gif", "clip.mkv"):
        video = tmp_path / name
        with VideoWriter(video, 64, 48, Fraction(10)) as writer:
            for grey in (50, 120, 200):
                writer.write(np.full((48, 64, 3), grey, np.uint8))
        assert browser.browser_type(video) is None
        assert page_of(walking(1, 3), tmp_path, video).about["videoType"] == "video/mp4"
