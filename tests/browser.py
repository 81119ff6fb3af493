"""A real headless Chromium, and how its pages are looked at.

Needs `playwright` and a Chromium or Chrome: on PATH, or named by VP3D_CHROMIUM.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vp3d_cli.types import Bool, Double

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
# The colours of the sides, as style.css has them.
SIDES = {
    "dark": {"left": (255, 152, 46), "right": (64, 168, 255)},
    "light": {"left": (201, 95, 0), "right": (22, 104, 207)},
}
PATIENCE_MS = 90_000  # a machine that has other things to do
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


@contextlib.contextmanager
def running() -> Iterator[Any]:
    """The browser; the test is skipped where there is none."""
    program = os.environ.get("VP3D_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on PATH nor in VP3D_CHROMIUM")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield browser
        browser.close()


def until(page: Any, condition: str) -> None:
    """Wait; the pages' policy forbids what playwright's own waiting evaluates."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


def eventually(page: Any, condition: Callable[[], bool]) -> None:
    """As `until`, of what is looked at from outside the page."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not condition():
        assert time.monotonic() < end
        page.wait_for_timeout(20)


def pixels(page: Any, selector: str) -> Double:
    """A picture (H, W, 3) of a part of the page."""
    shot = page.locator(selector).screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), np.float64)


def near(image: Double, colour: tuple[int, int, int]) -> Bool:
    """Where the hue is that of `colour`, lit or in the shade."""
    wanted = np.array(colour) - np.mean(colour)
    found = image - image.mean(-1, keepdims=True)
    size = np.linalg.norm(found, axis=-1)
    return np.asarray((found @ wanted > 0.97 * size * np.linalg.norm(wanted)) & (size > 35))
