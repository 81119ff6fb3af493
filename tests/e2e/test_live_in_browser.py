"""The live page in a real headless Chromium, fed as `vp3d live` feeds it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.browser import DESKTOP, PATIENCE_MS, PHONE, SIDES, eventually, near, pixels, until
from tests.page_results import walking
from vp3d_cli import palette, skeletons
from vp3d_cli.live.page import Page
from vp3d_cli.types import Json

COCO, H36M = skeletons.get("coco17"), skeletons.get("h36m17")
LENGTH = 60
UPRIGHT = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # the camera's axes to the page's


def about() -> Json:
    named = {
        f"skeleton_{kind}": {"joints": list(s.joints), "edges": [list(e) for e in s.edge_indices]}
        for kind, s in (("2d", COCO), ("3d", H36M))
    }
    return {
        "schema": "vp3d.live/1", "width": 320, "height": 240, "fps": 30.0, "delay_ms": 400.0,
        "detector": "movenet", "lifter": "bundled", **named,
    }  # fmt: skip


def frames(num_people: int, *, in_room: bool = True) -> list[Json]:
    """What is sent of people who walk, one message a frame."""
    tracks = walking(num_people, LENGTH, np.arange(LENGTH) / 30).tracks3d
    return [
        {
            "frame": k, "time_s": k / 30, "latency_ms": 40.0 + k, "delay_ms": 400.0,
            "dropped": 0.032,
            "people": [
                {
                    "id": track.track_id, "box": [10, 10, 90, 200],
                    "keypoints_2d": [[50, 50]] * 17, "scores_2d": [0.8] * 17,
                    "joints_3d": track.joints[k].tolist(),
                    "root_camera": track.root[k].tolist() if in_room else None,
                }
                for track in tracks
            ],
        }
        for k in range(LENGTH)
    ]  # fmt: skip


class Camera:
    """Sends messages again and again, 30 a second, with a picture that turns ever brighter."""

    def __init__(self, messages: list[Json], port: int = 0) -> None:
        self.page = Page("127.0.0.1", port, "camera 0")
        self.messages = messages
        self.sent = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.page.send(about())
        while not self._ended.wait(1 / 30):
            message = self.messages[self.sent % len(self.messages)]
            self.page.show_picture(np.full((240, 320, 3), 60 + self.sent % 120, np.uint8))
            self.page.send(message | {"frame": self.sent, "time_s": self.sent / 30})
            self.sent += 1

    def stall(self) -> None:
        self._ended.set()
        self._thread.join()

    def close(self) -> None:
        self.stall()
        self.page.close()


Watched = Callable[..., Any]


@pytest.fixture
def camera() -> Iterator[Camera]:
    made = Camera(frames(3))
    yield made
    made.close()


@pytest.fixture
def watched(chromium: Any) -> Iterator[Watched]:
    """Watch a camera; at the end nothing was complained about and nobody else asked for."""
    contexts, trouble = [], []

    def watch(camera: Camera, size: dict[str, int] = DESKTOP, scheme: str = "dark") -> Any:
        is_phone = size is PHONE
        context = chromium.new_context(viewport=size, color_scheme=scheme, has_touch=is_phone)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        own = camera.page.address
        page.on("console", lambda told: trouble.append(told.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(own) or trouble.append(asked.url))
        page.goto(own, wait_until="commit")  # a page with a live picture never finishes loading
        page.wait_for_selector("body.ready")
        until(page, "vp3d.state && vp3d.state.frame > 5")
        return page

    watch.trouble = trouble  # type: ignore[attr-defined]
    yield watch
    for context in contexts:
        context.close()
    assert trouble == []


def _stalled(page: Any, camera: Camera) -> None:
    """Nothing more comes, and all that came is taken in."""
    camera.stall()
    until(page, f"vp3d.state.frame === {camera.sent - 1}")


def _newest(page: Any, position: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The joints (J, 3) of somebody as they are drawn, in the page's axes."""
    person = f"vp3d.crowd.people[{position}]"
    values = page.evaluate(f"Array.from({person}.joints.slice(-3 * {person}.numJoints))")
    return np.reshape(values, (-1, 3))


def _fed(page: Any, messages: list[Json]) -> None:
    """Messages as if they came now, one after the other."""
    page.evaluate(
        "(messages) => { for (const [i, m] of messages.entries()) vp3d.take("
        "{ ...m, frame: 1e6 + vp3d.state.frame + i, time_s: vp3d.state.time_s + 1 / 30 }); }",
        messages,
    )


def test_people_stand_in_the_room_where_they_are(watched: Watched, camera: Camera) -> None:
    for message in camera.messages:
        message["people"][2]["root_camera"][1] -= 0.7  # on a table
    page = watched(camera)
    _stalled(page, camera)
    message = camera.messages[(camera.sent - 1) % LENGTH]
    drops = []
    for position, person in enumerate(message["people"]):
        there = (np.array(person["joints_3d"]) + person["root_camera"]) @ UPRIGHT.T
        shown = _newest(page, position)
        np.testing.assert_allclose(shown[:, :2], there[:, :2], atol=1e-4)
        drops.append(shown[:, 2] - there[:, 2])
    assert np.ptp(drops) < 1e-4  # the floor is one for all of them
    lowest = min(_newest(page, position)[:, 2].min() for position in range(3))
    assert -0.06 < lowest < 0.12
    page.evaluate("vp3d.report()")
    assert page.locator("#placement").inner_text() == "Grid 1 m; the floor is a guess"


def test_people_without_a_place_stand_side_by_side(watched: Watched, camera: Camera) -> None:
    camera.messages = frames(3, in_room=False)
    page = watched(camera)
    _stalled(page, camera)
    _fed(page, 2 * camera.messages)
    people = [_newest(page, position) for position in range(3)]
    np.testing.assert_allclose([p[0, 0] for p in people], [-1.3, 0, 1.3], atol=0.01)
    for person in people:
        assert -0.06 < person[:, 2].min() < 0.15
    until(page, "document.getElementById('placement').textContent.includes('side by side')")
    _fed(page, 2 * [m | {"people": m["people"][:1]} for m in camera.messages])
    assert abs(_newest(page, 0)[0, 0]) < 0.01


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_is_seen(watched: Watched, camera: Camera, size: dict[str, int], scheme: str) -> None:
    page = watched(camera, size, scheme)
    page.keyboard.press("t")  # trails have colours of their own
    until(page, "!vp3d.view.trails")
    page.wait_for_timeout(300)
    ground = pixels(page, "header.top").mean()
    assert ground < 60 if scheme == "dark" else ground > 200
    before = pixels(page, "#scene")
    for side, colour in SIDES[scheme].items():
        assert near(before, colour).sum() > 60, side
    picture = pixels(page, "#video")
    height, width = picture.shape[:2]
    centre = picture[height // 2, width // 2]
    assert 55 <= centre.mean() <= 185
    assert np.ptp(centre) < 3
    eventually(page, lambda: (np.abs(pixels(page, "#scene") - before).max(-1) > 40).mean() > 0.001)
    eventually(
        page,
        lambda: np.abs(pixels(page, "#video")[height // 2, width // 2] - centre).max() > 1,
    )
    for number in (1, 2, 3):
        tag = page.locator(".tag", has_text=str(number))
        ground_of_tag = tag.evaluate("(tag) => getComputedStyle(tag).backgroundColor")
        blue, green, red = palette.accent(number)
        assert ground_of_tag == f"rgb({red}, {green}, {blue})"
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    if size is DESKTOP:
        assert page.evaluate("document.documentElement.scrollHeight") <= size["height"]
    page.locator("#theme").click()
    eventually(page, lambda: abs(pixels(page, "header.top").mean() - ground) > 100)


def test_the_numbers_are_those_that_were_sent(watched: Watched, camera: Camera) -> None:
    page = watched(camera)
    _stalled(page, camera)
    names = ("latency-50", "latency-95", "delay", "dropped", "count", "rate")
    # At once, for the rate is that of the last seconds.
    latencies, *texts = page.evaluate(
        "(names) => { for (let i = 0; i < 2; i += 1)"
        " vp3d.take({ ...vp3d.state, frame: vp3d.state.frame + 1 }); vp3d.report();"
        " return [vp3d.gauges.latencies,"
        " ...names.map((name) => document.getElementById(name).innerText)]; }",
        names,
    )
    shown = dict(zip(names, texts, strict=True))
    half, most = np.percentile(latencies, [50, 95], method="nearest")
    assert abs(int(shown["latency-50"]) - half) <= 1
    assert abs(int(shown["latency-95"]) - most) <= 1
    assert (shown["delay"], shown["dropped"], shown["count"]) == ("400", "3.2", "3")
    assert float(shown["rate"]) > 0
    title = page.locator("#subtitle").inner_text()
    assert title == "320 × 240 · 30 frames/s · movenet · bundled"


def test_the_page_comes_back_with_the_server(watched: Watched) -> None:
    camera = Camera(frames(2))
    try:
        page = watched(camera)
        camera.close()
        page.wait_for_selector("#trouble:not([hidden])")
        assert "connection is lost" in page.locator("#trouble").inner_text()
        assert page.locator("#link").inner_text() == "Not connected"
        camera = Camera(frames(1), int(page.url.rsplit(":", 1)[1].rstrip("/")))
        page.wait_for_selector("#trouble[hidden]", state="attached")
        until(page, "vp3d.state.people.length === 1 && vp3d.state.frame > 5")
        until(page, "document.getElementById('link').textContent === 'Live'")
        until(page, "document.getElementById('video').naturalWidth === 320")
        assert page.evaluate("vp3d.crowd.people.filter((person) => person.shown).length") == 1
    finally:
        camera.close()
    told = [line for line in watched.trouble if "WebSocket connection" not in line]  # type: ignore[attr-defined]
    watched.trouble[:] = told  # type: ignore[attr-defined]


def test_a_silent_camera_is_told(watched: Watched, camera: Camera) -> None:
    page = watched(camera)
    until(page, "document.getElementById('link').textContent === 'Live'")
    camera.stall()
    until(page, "document.getElementById('link').textContent.startsWith('No frame for ')")
    until(page, "document.getElementById('rate').textContent === '0.0'")
    assert page.locator("#trouble").is_hidden()


def test_a_hidden_page_costs_nothing(watched: Watched, camera: Camera) -> None:
    page = watched(camera)
    assert camera.page.num_watchers == 1
    turn = (
        "(isHidden) => { Object.defineProperty(document, 'hidden',"
        " { value: isHidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    page.evaluate(turn, True)
    eventually(page, lambda: camera.page.num_watchers == 0)
    last = page.evaluate("vp3d.state.frame")
    page.evaluate(turn, False)
    until(page, f"vp3d.state.frame > {last} + 3")
    assert page.locator("#trouble").is_hidden()


def test_keys_and_the_mouse_turn_the_view(watched: Watched, camera: Camera) -> None:
    page = watched(camera)
    until(page, "vp3d.aim === null || vp3d.aim === undefined")
    where = "vp3d.view.camera.position"
    box = page.locator("#view").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag() -> None:
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + 90, middle[1] + 20, steps=4)
        page.mouse.up()

    for turn in (
        *(lambda key=key: page.keyboard.press(key) for key in "adwsqe"),
        drag,
        lambda: page.mouse.wheel(0, 240),
    ):
        page.evaluate(f"vp3d.before = {where}.clone()")
        turn()
        until(page, f"{where}.distanceTo(vp3d.before) > 0.05")
        assert not page.evaluate("vp3d.view.untouched")
    page.keyboard.press("r")
    assert page.evaluate("vp3d.view.untouched")
    _stalled(page, camera)  # they would walk on between two looks
    follow = page.locator("#follow")
    for number in (1, 2, 3):
        page.keyboard.press("f")
        assert follow.inner_text() == f"Follow {number}"
        target = page.evaluate("vp3d.view.controls.target.toArray()")
        assert np.linalg.norm(target - _newest(page, number - 1)[0]) < 0.2
    follow.click()
    assert (follow.inner_text(), follow.get_attribute("aria-pressed")) == ("Follow", "false")


def test_help_and_reach_by_tab(watched: Watched, camera: Camera) -> None:
    page = watched(camera)
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("t")
    assert page.evaluate("vp3d.view.trails")
    page.keyboard.press("Escape")
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"theme", "help-open", "view", "trails", "follow", "reset"} <= reached
    page.evaluate("vp3d.seen = null; vp3d.report()")  # what was said may be older by now
    assert page.locator("#said").inner_text() == "3 people in the picture"
    label = page.locator("#view").get_attribute("aria-label")
    assert label == "The people in 3D: 3 people"


def test_odd_messages_are_shown_without_complaint(watched: Watched, camera: Camera) -> None:
    page = watched(camera)
    _stalled(page, camera)
    whole = camera.messages[0]
    person = whole["people"][0]
    nowhere = [None, None, None]
    odd = [
        person | {"joints_3d": None, "root_camera": None},
        person | {"joints_3d": [nowhere] * 17},
        person | {"joints_3d": [nowhere, *person["joints_3d"][1:]], "scores_2d": [None] * 17},
        person | {"root_camera": nowhere},
    ]
    missing = {1: slice(0, 17), 2: slice(0, 1)}
    for number, given in enumerate(odd):
        _fed(page, 3 * [whole | {"people": [given]}])
        if number in missing:
            gone = np.zeros(17, bool)
            gone[missing[number]] = True
            np.testing.assert_array_equal(np.isnan(_newest(page, 0)).all(-1), gone)
        page.evaluate("vp3d.report()")
        page.wait_for_timeout(60)
    assert np.isfinite(_newest(page, 0)).all()  # nowhere: beside, not missing
    _fed(page, [whole | {"people": odd[:1]}])
    page.evaluate("vp3d.report()")
    absent = page.locator("#absent")
    assert absent.inner_text() == "3D follows: the model looks 0.4 s ahead"
    _fed(page, [whole | {"people": []}])
    page.evaluate("vp3d.report()")
    assert absent.inner_text() == "Nobody is seen"


def test_unsure_limbs_are_told_by_their_keypoints(watched: Watched, camera: Camera) -> None:
    page = watched(camera)
    _stalled(page, camera)
    scores = [0.2 if joint == "left_ankle" else 0.9 for joint in COCO.joints]
    person = camera.messages[0]["people"][0] | {"scores_2d": scores}
    _fed(page, [camera.messages[0] | {"people": [person]}])
    sure = page.evaluate("Array.from(vp3d.crowd.people[0].confidence.slice(-17))")
    expected = [0.2 if joint == "left_foot" else 0.9 for joint in H36M.joints]
    np.testing.assert_allclose(sure, expected, atol=1e-6)


def test_a_coming_and_going_does_not_pile_up(watched: Watched, camera: Camera) -> None:
    page = watched(camera)
    _stalled(page, camera)
    person = camera.messages[0]["people"][0]
    coming = [
        camera.messages[0] | {"people": [person | {"id": 10 + k // 8}]} for k in range(8 * 60)
    ]
    _fed(page, coming)
    count = page.evaluate("vp3d.crowd.people.length")
    assert count < 25  # 60 came; those of the last moments are remembered
    assert page.evaluate("vp3d.view.figures.length") == count
    shown = page.evaluate("vp3d.crowd.people.filter((p) => p.shown).map((p) => p.id)")
    assert shown == [69]
    eventually(page, lambda: page.locator(".tag:not([hidden])").all_inner_texts() == ["69"])
