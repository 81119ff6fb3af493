"""Any valid result that is written comes back equal."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import make_result
from tests.fuzz.test_fuzz_readers import FUZZ
from vp3d_cli import registry, results
from vp3d_cli.pose_file import RESERVED
from vp3d_cli.types import Camera, Result, Skeleton, VideoInfo

NUMBERS = st.one_of(
    st.floats(width=32, allow_infinity=False), st.sampled_from([0.0, -0.0, np.nan, 3e38, 1e-45])
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63), TEXT,
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip
STICK = Skeleton("stick", ("top", "bottom"), (("top", "bottom"),))
STICK_3D = Skeleton("stick3", ("base", "mid"), (("base", "mid"),), "base")


@st.composite
def _videos(draw: st.DrawFn) -> VideoInfo:
    name = draw(TEXT.filter(lambda text: text not in ("", ".", "..") and "/" not in text))
    return VideoInfo(
        path=Path(name),
        width=draw(st.integers(1, 1 << 16)),
        height=draw(st.integers(1, 1 << 16)),
        fps=Fraction(draw(st.integers(1, 10**6)), draw(st.integers(1, 10**6))),
        num_frames=draw(st.none() | st.integers(0, 1 << 31)),
        rotation=draw(st.sampled_from([0, 90, 180, 270])),
        duration_s=draw(st.none() | st.floats(0, 1e9)),
        has_audio=draw(st.booleans()),
    )


@st.composite
def _results(draw: st.DrawFn) -> Result:
    sticks = draw(st.booleans())
    result = make_result(
        num_tracks=draw(st.integers(0, 3)),
        length=draw(st.integers(1, 5)),
        seed=draw(st.integers(0, 99)),
        with_gaps=draw(st.booleans()),
        skeleton_2d=STICK if sticks else None,
        skeleton_3d=STICK_3D if sticks else None,
    )
    for track2d, track3d in zip(result.tracks2d, result.tracks3d, strict=True):
        for array in (track2d.boxes, track2d.keypoints, track2d.scores, track3d.joints):
            for _ in range(draw(st.integers(0, 2))):
                flat = array.reshape(-1)
                flat[draw(st.integers(0, len(flat) - 1))] = draw(NUMBERS)
    focal = draw(st.just(float("nan")) | st.floats(1e-3, 1e6))
    keys = TEXT.filter(lambda key: key not in RESERVED)
    return replace(
        result,
        video=draw(_videos()),
        camera=Camera(focal, draw(TEXT)),
        provenance=draw(st.dictionaries(keys, JSON, max_size=4)),
    )


def _same(got: Any, want: Any) -> None:
    for field in fields(want):
        a, b = getattr(got, field.name), getattr(want, field.name)
        if isinstance(b, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b, err_msg=field.name)
        elif isinstance(b, float):
            np.testing.assert_equal(a, b)
        else:
            assert a == b, field.name


def test_what_is_written_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    @FUZZ
    @given(_results())
    def run(result: Result) -> None:
        registry.load("export", "npz").write(result, Path("pose.npz"))
        read = results.load_result(Path("pose.npz"))
        _same(read.video, result.video)
        _same(read.camera, result.camera)
        assert read.provenance == result.provenance
        for got, want in zip(
            read.tracks2d + read.tracks3d, result.tracks2d + result.tracks3d, strict=True
        ):
            _same(got, want)

    run()
