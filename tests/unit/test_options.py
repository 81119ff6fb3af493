"""Options that contradict each other, and what a result keeps of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vp3d_cli.errors import OptionsError
from vp3d_cli.options import Options


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"person": "0"}, "expected all, largest"),
        ({"person": "tallest"}, "expected all, largest"),
        ({"start_s": 2, "end_s": 2}, "must lie after the start"),
        ({"end_s": 0}, "must lie after the start"),
        ({"detector": "precomputed"}, "belong together"),
        ({"keypoints": Path("a.npz")}, "belong together"),
        ({"faithful": True, "person": "largest"}, "leave out --person"),
        ({"faithful": True, "max_gap_s": 0.5}, "leave out --max-gap"),
        ({"faithful": True, "without": ("bones",)}, "leave out --without"),
        ({"faithful": True, "smooth_hz": 3.0}, "and --smooth"),
        ({"without": ("smoothing",), "smooth_hz": 3.0}, "contradict"),
        ({"without": ("world",), "foot_lock": True}, "--foot-lock needs"),
        ({"without": ("legs",)}, "no part is called 'legs'"),
        ({"heights": ((1, 1.8), (1, 1.9))}, "one height"),
    ],
)
def test_contradictions_are_wrong_usage(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError, match=message) as caught:
        Options(**asked)
    assert caught.value.exit_code == 2


def test_what_fits_is_taken() -> None:
    Options(person="12", start_s=1, end_s=1.5, max_gap_s=0)
    Options(detector="precomputed", keypoints=Path("a.npz"), faithful=True, start_s=3)


def test_equal_work_has_equal_options() -> None:
    one = Options(without=("root", "bones", "root"))
    assert one == Options(without=("bones", "root"))
    assert one.to_json()["without"] == ("bones", "root")


def test_folders_stay_at_home() -> None:
    kept = Options(
        lifter="/home/me/x.bin", detector="precomputed", keypoints=Path("/home/me/a.npz")
    ).to_json()
    assert (kept["lifter"], kept["keypoints"]) == ("x.bin", "a.npz")


def test_keypoints_found_before_keep_their_options() -> None:
    before = Options(detector="movenet", start_s=1.0, person="7").detection_to_json()
    assert before.items() >= {"detector": "movenet", "start_s": 1.0, "end_s": None}.items()
    assert not before.keys() & {"person", "lifter", "faithful", "device"}
    after = Options(lifter="x.bin").to_json_after(before | {"person": "7", "extra": 1})
    assert after == Options(lifter="x.bin", detector="movenet", start_s=1.0).to_json()
    assert Options().to_json_after({}) == Options().to_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start_s", -1.0), ("end_s", float("nan")), ("max_gap_s", -0.1),
        ("max_gap_s", float("inf")), ("focal_px", 0.0), ("detect_size", 0), ("detect_every", 0),
    ],
)  # fmt: skip
def test_numbers_out_of_range(name: str, value: float) -> None:
    with pytest.raises(OptionsError, match=name):
        Options(**{name: value})  # type: ignore[arg-type]
