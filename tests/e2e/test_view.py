"""`vp3d view`: the page in a real headless Chromium, as a person uses it."""

from __future__ import annotations

import dataclasses
import os
import re
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser import DESKTOP, PATIENCE_MS, PHONE, SIDES, near, pixels, until
from tests.e2e.conftest import Ran
from tests.factories import make_result, make_video
from tests.page_results import walking, write_clip
from vp3d_cli.export import _angles, html, npz
from vp3d_cli.types import Result

# Uneven: a phone's frame rate drops where it is dark.
TIMES = np.cumsum([0.0, *([0.04] * 19), *([0.08] * 10), *([0.033] * 15)])


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people with their video, 45 frames."""
    folder = tmp_path_factory.mktemp("page")
    write_clip(folder / "clip.mp4", TIMES, size=(320, 240))
    path = folder / "page.html"
    html.write_page(walking(3, len(TIMES), TIMES, size=(320, 240)), path, folder / "clip.mp4")
    return path


Opened = Callable[..., Any]


@pytest.fixture
def opened(chromium: Any) -> Iterator[Opened]:
    """Open a page; at the end nothing was complained about and nothing asked for."""
    contexts, trouble = [], []

    def open_(path: Path, size: dict[str, int] = DESKTOP, scheme: str = "dark") -> Any:
        is_phone = size is PHONE
        context = chromium.new_context(viewport=size, color_scheme=scheme, has_touch=is_phone)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: trouble.append(told.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: trouble.append(dialog.message))
        page.on("request", lambda asked: trouble.append(asked.url) if _foreign(asked.url) else None)
        page.goto(path.resolve().as_uri())
        page.wait_for_selector("body.ready")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert trouble == []


def _foreign(url: str) -> bool:
    return not url.startswith(("file:", "blob:", "data:"))


def _frame(page: Any) -> int:
    return int(page.evaluate("vp3d.clock.frame"))


def _settled(page: Any) -> None:
    until(page, "!vp3d.picture.video.seeking && vp3d.clock.waiting === undefined")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_keys_move_the_frame(opened: Opened, page_file: Path) -> None:
    page = opened(page_file)
    for key, frame in [
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("Shift+ArrowRight", int(np.searchsorted(TIMES, TIMES[1] + 1 + 1e-6)) - 1),
        ("End", 44),
        ("ArrowRight", 44),
        ("Home", 0),
        ("Shift+ArrowLeft", 0),
    ]:
        page.keyboard.press(key)
        assert _frame(page) == frame, key
    page.keyboard.press("ArrowRight")
    assert page.locator("#frame").inner_text() == "1"
    assert page.locator("#scrub").get_attribute("aria-valuetext") == "0:00.04, frame 1"


def test_the_video_shows_the_frame_of_the_skeletons(opened: Opened, page_file: Path) -> None:
    page = opened(page_file)
    read = """() => {
      const canvas = document.createElement("canvas");
      const pen = canvas.getContext("2d");
      pen.drawImage(vp3d.picture.video, 0, 0, 8, 8);
      return pen.getImageData(4, 4, 1, 1).data[1];
    }"""
    for frame in (0, 1, 17, 25, 29, 30, 44, 3):
        page.evaluate(f"vp3d.clock.seek({frame})")
        _settled(page)
        assert page.evaluate(read) == pytest.approx(40 + 4 * frame, abs=1.9), frame


def test_playing_goes_on_and_stops(opened: Opened, page_file: Path) -> None:
    page = opened(page_file)
    page.keyboard.press("Space")
    until(page, "vp3d.clock.frame > 2")
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    until(page, "!vp3d.clock.playing")  # the end of the clip
    assert _frame(page) > 40
    page.locator("#play").click()
    until(page, "vp3d.clock.playing && vp3d.clock.frame < 40")
    page.keyboard.press("-")
    assert page.evaluate("vp3d.picture.video.playbackRate") == 0.5
    page.keyboard.press("Space")
    assert page.evaluate("!vp3d.clock.playing && vp3d.picture.video.paused")


def test_numbers_in_the_page_are_those_of_the_result(opened: Opened, page_file: Path) -> None:
    page, result = opened(page_file), walking(3, len(TIMES), TIMES, size=(320, 240))
    for position, track in enumerate(result.tracks3d):
        got = page.evaluate(f"Array.from(vp3d.clip.people[{position}].joints)")
        world = result.world.of(track)
        np.testing.assert_allclose(np.reshape(got, world.shape), world, atol=6e-5)
        series = "Array.from(vp3d.measures.series(vp3d.clip.people[{}], '{}'))"
        angles = _angles.measured(
            _angles.Body.of(world[..., [0, 2, 1]] * (1, 1, -1), track.skeleton)
        )
        for name in ("knee_flexion", "hip_flexion", "elbow_flexion", "shoulder_elevation"):
            for side in ("left", "right"):
                got = page.evaluate(series.format(position, f"{side} {name}"))
                np.testing.assert_allclose(got, angles[f"{name}_{side}"], atol=0.1)
        height = page.evaluate(series.format(position, "height"))
        np.testing.assert_allclose(height, world[:, 0, 2], atol=1e-4)
        speed = page.evaluate(series.format(position, "speed"))
        way = np.linalg.norm(world[12, 0] - world[7, 0]) / (TIMES[12] - TIMES[7])
        assert speed[10] == pytest.approx(way, abs=0.05)


def test_speed_in_slow_motion_is_that_of_the_motion(opened: Opened, tmp_path: Path) -> None:
    result = walking(1, 20)
    slowed = {"options": {"real_fps": 8 * float(result.video.fps)}}
    speeds = []
    for provenance in (result.provenance, result.provenance | slowed):
        html.write(dataclasses.replace(result, provenance=provenance), tmp_path / "page.html")
        page = opened(tmp_path / "page.html")
        speeds.append(page.evaluate("vp3d.measures.series(vp3d.clip.people[0], 'speed')[10]"))
    assert speeds[1] == pytest.approx(8 * speeds[0], rel=1e-4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_is_seen(
    opened: Opened, page_file: Path, size: dict[str, int], scheme: str, tmp_path: Path
) -> None:
    page = opened(page_file, size, scheme)
    _settled(page)
    page.keyboard.press("t")  # trails have colours of their own
    page.wait_for_timeout(300)
    ground = pixels(page, "header.top").mean()
    assert ground < 60 if scheme == "dark" else ground > 200
    before = pixels(page, "#scene")
    for side, colour in SIDES[scheme].items():
        assert near(before, colour).sum() > 60, side
        bright = SIDES["dark"][side]
        assert near(pixels(page, "#picture"), bright).sum() > 60, side
    page.evaluate("vp3d.clock.seek(10)")
    _settled(page)
    page.wait_for_timeout(300)
    after = pixels(page, "#scene")
    assert (np.abs(after - before).max(-1) > 40).mean() > 0.001
    for plot in range(3):
        lines = pixels(page, f".plot:nth-child({plot + 1}) canvas")
        assert ((lines.max(-1) - lines.min(-1)) > 90).sum() > 100, plot
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size["width"]
    if size is DESKTOP:
        assert page.evaluate("document.documentElement.scrollHeight") <= size["height"]
    for box in page.evaluate(
        "[...document.querySelectorAll('button, select')].map((e) => e.getBoundingClientRect())"
        ".filter((b) => b.width).map((b) => [b.width, b.height, b.left, b.right])"
    ):
        assert min(box[:2]) >= 24
    page.locator("#theme").click()
    page.wait_for_timeout(300)
    assert abs(pixels(page, "header.top").mean() - ground) > 100


def test_people_are_hidden_and_shown(opened: Opened, page_file: Path) -> None:
    page = opened(page_file)
    page.keyboard.press("t")
    for digit in "123":
        page.keyboard.press(digit)
    page.wait_for_timeout(400)
    for part in ("#scene", "#picture"):
        assert not near(pixels(page, part), SIDES["dark"]["left"]).any()
    eye = page.get_by_label("Show Person 2")
    assert eye.get_attribute("aria-pressed") == "false"
    eye.click()
    page.wait_for_timeout(400)
    assert eye.get_attribute("aria-pressed") == "true"
    assert near(pixels(page, "#scene"), SIDES["dark"]["left"]).any()
    page.keyboard.press("Shift+Digit3")
    assert page.evaluate("vp3d.people.chosen.id") == 3


def test_the_view_turns_zooms_moves_and_comes_back(opened: Opened, page_file: Path) -> None:
    page = opened(page_file)
    where = "vp3d.view.camera.position.toArray().map((v) => +v.toFixed(3))"
    start = page.evaluate(where)
    box = page.locator("#scene").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8)
    for button in ("left", "right"):
        before = page.evaluate(where)
        page.mouse.move(*middle)
        page.mouse.down(button=button)
        page.mouse.move(middle[0] + 80, middle[1] - 20, steps=3)
        page.mouse.up(button=button)
        until(page, f"String({where}) !== '{','.join(map(_js, before))}'")
    far = "vp3d.view.camera.position.distanceTo(vp3d.view.controls.target)"
    before = page.evaluate(far)
    page.mouse.wheel(0, -400)
    until(page, f"{far} < {0.98 * before}")
    for key in "wasdqecf":
        page.keyboard.press(key)
    assert page.evaluate("vp3d.view.followed.id") == 1
    page.keyboard.press("f")
    page.wait_for_timeout(800)  # until it has come to rest
    page.keyboard.press("r")
    assert page.evaluate(where) == pytest.approx(start, abs=0.02)


def _js(number: float) -> str:
    return f"{number:g}" if number % 1 else str(int(number))


def test_what_is_pointed_at_is_told(opened: Opened, page_file: Path) -> None:
    page = opened(page_file)
    tip = page.locator("#tip")
    x, y = page.evaluate(
        "() => { const view = vp3d.view; const box = view.card.getBoundingClientRect();"
        "const at = view.figures[1].head.clone().project(view.camera);"
        "return [box.left + (at.x + 1) / 2 * box.width, box.top + (1 - at.y) / 2 * box.height]; }"
    )
    page.mouse.move(x, y)
    assert tip.inner_text().startswith("Person 2, head\nx ")
    assert "height 1.70 m\nconfidence 80 %" in tip.inner_text()
    x, y = page.evaluate(
        "() => { const p = vp3d.picture; const box = p.card.getBoundingClientRect();"
        "const [u, v] = p.point(vp3d.clip.people[0], 0, 10);"
        "return [box.left + p.left + u * p.scale, box.top + p.upper + v * p.scale]; }"
    )
    page.mouse.move(x, y)
    assert re.fullmatch(r"Person 1, head\nx [\d.]+, y [\d.]+ px\nscore 0.90", tip.inner_text())
    plot = page.locator(".plot canvas").first
    plot.hover(position={"x": 200, "y": 50})
    assert re.match(r"Knee flexion, 0:0\d\.\d\d\nleft \d+°\nright \d+°", tip.inner_text())
    plot.click(position={"x": 200, "y": 50})
    assert 10 < _frame(page) < 30
    page.locator("header.top h1").hover()
    assert tip.is_hidden()


def test_help_opens_and_keys_rest_meanwhile(opened: Opened, page_file: Path) -> None:
    page = opened(page_file)
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("ArrowRight")
    assert _frame(page) == 0
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()


def test_everything_is_reached_by_tab(opened: Opened, page_file: Path) -> None:
    page = opened(page_file)
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    reached = set()
    for _ in range(40):
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.ariaLabel"))
        page.keyboard.press("Tab")
    assert {"theme", "view", "play", "scrub", "speed", "Show Person 1"} <= reached


RESULTS = {
    "nobody": make_result(num_tracks=0),
    "one frame": make_result(num_tracks=1, length=1, with_gaps=False),
    "with gaps": make_result(num_tracks=2, length=9),
    "a crowd": walking(20, 6),
    "markup for a name": dataclasses.replace(
        walking(1, 4), video=make_video(path=Path("<script>alert(1)<img src=x onerror=alert(2)>"))
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_odd_results_are_shown_without_complaint(name: str, opened: Opened, tmp_path: Path) -> None:
    result: Result = RESULTS[name]
    html.write(result, tmp_path / "page.html")
    page = opened(tmp_path / "page.html")
    for key in ("Space", "End", "ArrowLeft", "1", "c", "f", "Home"):
        page.keyboard.press(key)
    page.wait_for_timeout(200)
    assert page.locator("#title").inner_text() == result.video.path.name
    assert page.locator("#trouble").is_hidden()


def test_without_a_video_its_own_clock_plays(opened: Opened, tmp_path: Path) -> None:
    html.write(walking(2, 10), tmp_path / "page.html")
    page = opened(tmp_path / "page.html")
    page.keyboard.press("Space")
    until(page, "vp3d.clock.frame === 9 && !vp3d.clock.playing")


def test_a_video_that_does_not_play_is_told(opened: Opened, page_file: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    broken = re.sub(r'(id="media">)[^<]+', r"\1AAAA", text)
    assert broken != text
    path = page_file.with_name("broken.html")
    path.write_text(broken, encoding="utf-8")
    page = opened(path)
    page.wait_for_selector("#trouble:not([hidden])")
    assert "cannot play the video" in page.locator("#trouble").inner_text()
    page.keyboard.press("Space")
    until(page, "vp3d.clock.frame > 3")


def test_ten_minutes_load(opened: Opened, tmp_path: Path) -> None:
    html.write(walking(3, 18_000, np.arange(18_000) / 30, noise_m=0.003), tmp_path / "page.html")
    page = opened(tmp_path / "page.html")
    page.evaluate("vp3d.clock.seek(17000)")
    assert page.locator("#now").inner_text() == "9:26.67"
    cost_ms = page.evaluate(
        "() => { const began = performance.now();"
        "for (let i = 0; i < 20; i++) vp3d.update(100 + i);"
        "return (performance.now() - began) / 20; }"
    )
    assert cost_ms < 100  # it takes a few: the scripts alone


def test_the_command_writes_the_page_and_opens_it(
    vp3d: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(shown.append(address)) or True)
    monkeypatch.setenv("DISPLAY", ":0")
    npz.write(walking(1, 5), Path("pose.npz"))
    ran = vp3d("view", "pose.npz")
    assert (ran.code, ran.out) == (0, "pose.html\n")
    assert shown == [Path("pose.html").resolve().as_uri()]
    write_clip(Path("other.mp4"), np.arange(5) / 25)
    ran = vp3d("view", "pose.npz", "--video", "other.mp4", "--out", "page.html", "--no-open")
    assert (ran.code, ran.out, len(shown)) == (0, "page.html\n", 1)
    assert "not the file" in ran.err
    assert Path("page.html").stat().st_size > Path("pose.html").stat().st_size
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    ran = vp3d("view", "pose.npz")
    assert ran.code == 0
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert len(shown) == 1
        assert "open the page yourself" in ran.err
    assert vp3d("view", "pose.npz", "--video", "other.mp4", "--no-video").code == 2
    assert vp3d("view", "pose.npz", "--out", "pose.npz").code == 7
    ran = vp3d("view", "pose.npz", "--out", "page.txt", "--no-open")
    assert ran.code == 2
    assert "should end in .html" in ran.err
