"""Every odd video ends in a right result or a clear error within its time limit."""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import Ran
from tests.factories import PROVENANCE, make_result, make_video
from tests.video_animals import ANIMALS, HEVC, PQ, VP9, one_bit_png
from tests.video_zoo import COUNT, Animal, Seen, film, flipped, h264, look, places_to_cut, turned
from vp3d_cli.export import npz
from vp3d_cli.video import probe

Run = Callable[..., Ran]
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "animal", [pytest.param(a, id=a.name, marks=SLOW if a.slow else ()) for a in ANIMALS]
)
def test_each_animal(tmp_path: Path, animal: Animal) -> None:
    path = tmp_path / animal.name
    animal.make(path)
    before = sorted(tmp_path.iterdir())
    animal.check(look(path))
    assert sorted(tmp_path.iterdir()) == before


def test_a_large_picture_is_not_talked_about(tmp_path: Path) -> None:
    one_bit_png(tmp_path / "large.png", (10000, 9000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert probe(tmp_path / "large.png").width == 10000


# What is cut, zeroed or flipped. Those of the first group say how long they are.
SOURCES: dict[str, tuple[object, ...]] = {
    "front.mp4": h264("-movflags", "faststart"),
    "tail.mp4": h264(),
    "hevc.mkv": HEVC,
    "vp9.webm": VP9,
    "mpeg4.avi": ("-c:v", "mpeg4", "-q:v", 2),
    "mjpeg.mov": ("-c:v", "mjpeg", "-q:v", 2),
    "flv1.flv": ("-c:v", "flv", "-q:v", 2),
}
STREAMED: dict[str, tuple[object, ...]] = {
    "fragments.mp4": h264("-movflags", "frag_keyframe+empty_moov", "-g", 4),
    "h264.ts": h264(),
    "plain.gif": (),
    "theora.ogv": ("-c:v", "libtheora", "-q:v", 8),
    "raw.nut": ("-c:v", "rawvideo"),
    "h264.h264": h264(),
    "wmv2.wmv": ("-c:v", "wmv2"),
    "moving.apng": (),
}
FLIPPED = ("front.mp4", "vp9.webm", "mpeg4.avi", "mjpeg.mov", "hevc.mkv")
FRAMES = 20
SLACK = 3  # frames by which a file's duration may be off


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """The bytes of a source, made once."""
    folder, known = tmp_path_factory.mktemp("sources"), {}

    def read(name: str) -> bytes:
        if name not in known:
            options = (SOURCES | STREAMED)[name]
            known[name] = film(folder / name, *options, count=FRAMES).read_bytes()
        return known[name]

    return read


def _damaged(content: bytes, num_cuts: int) -> Iterator[tuple[str, bytes]]:
    size = len(content)
    for length in places_to_cut(content, num_cuts):
        yield f"cut {length}", content[:length]
    for start, length in ((size // 2, 512), (size // 3, size // 3), (0, 16), (size - 600, 600)):
        yield f"zeros {start}+{length}", content[:start] + bytes(length) + content[start + length :]
    yield "hole", content[: size // 2] + content[size // 2 + 700 :]
    yield "before", bytes(1000) + content
    yield "after", content + b"garbage" * 1000
    yield "twice", content + content


def _tell(what: str, outcomes: Counter[str]) -> None:
    """The counts, shown by `pytest -s`."""
    print(f"{what}: {sum(outcomes.values())} {dict(sorted(outcomes.items()))}")


def _outcome(seen: Seen) -> str:
    lost = len(seen.images) < FRAMES
    return "read, frames lost" if seen.outcome == "read" and lost else seen.outcome


def _wander(path: Path, content: bytes, num_cuts: int, *, tells_length: bool) -> None:
    outcomes: Counter[str] = Counter()
    bad = []
    for how, data in _damaged(content, num_cuts):
        path.write_bytes(data)
        seen = look(path)
        outcomes[_outcome(seen)] += 1
        silent = seen.outcome == "read" and len(seen.images) < FRAMES - SLACK
        if seen.fault or (tells_length and how.startswith("cut") and silent):
            bad.append((how, seen.fault, len(seen.images), seen.info))
    _tell(path.name, outcomes)
    assert not bad


@pytest.mark.parametrize("name", ["front.mp4", "hevc.mkv"])
def test_damage_at_some_places(tmp_path: Path, content: Callable[[str], bytes], name: str) -> None:
    _wander(tmp_path / name, content(name), 3, tells_length=True)


@SLOW
@pytest.mark.parametrize("name", [*SOURCES, *STREAMED])
def test_damage_at_every_kind_of_place(
    tmp_path: Path, content: Callable[[str], bytes], name: str
) -> None:
    _wander(tmp_path / name, content(name), 40, tells_length=name in SOURCES)


def _flip(folder: Path, content: bytes, name: str, seeds: range) -> None:
    outcomes: Counter[str] = Counter()
    bad = []
    path = folder / name
    for seed in seeds:
        path.write_bytes(flipped(content, seed))
        seen = look(path)
        outcomes[_outcome(seen)] += 1
        if seen.fault:
            bad.append((seed, seen.fault))
    _tell(f"flipped {name}", outcomes)
    assert not bad
    assert len(outcomes) > 1  # something was hit


@pytest.mark.parametrize("name", FLIPPED)
def test_a_few_flipped_bits(tmp_path: Path, content: Callable[[str], bytes], name: str) -> None:
    _flip(tmp_path, content(name), name, range(8))


@SLOW
@pytest.mark.parametrize("name", FLIPPED)
def test_a_thousand_flipped_files(
    tmp_path: Path, content: Callable[[str], bytes], name: str
) -> None:
    _flip(tmp_path, content(name), name, range(1000, 1200))


@SLOW
def test_more_flipped_files(tmp_path: Path, content: Callable[[str], bytes]) -> None:
    for name in sorted({*SOURCES, *STREAMED} - {*FLIPPED}):
        _flip(tmp_path, content(name), name, range(30))


# The same through the command line


def test_the_command_line_tells_what_the_reader_found(
    vp3d: Run, content: Callable[[str], bytes]
) -> None:
    whole = content("front.mp4")
    Path("cut.mp4").write_bytes(whole[: 2 * len(whole) // 3])
    film(Path("pq.mkv"), *PQ, count=2)
    for name, words in (("cut.mp4", "is truncated or damaged"), ("pq.mkv", "HDR video (PQ)")):
        ran = vp3d("detect", name, "-o", "out.npz")
        assert ran.code == 0, ran.err
        assert words in ran.err
        with np.load("out.npz") as data:
            assert words in str(data["meta"])
    Path("out.npz").unlink()
    Path("zeros.mp4").write_bytes(bytes(5000))
    Path("list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\ncut.mp4\n#EXT-X-ENDLIST\n")
    Path("raw.yuv").write_bytes(bytes(5000))
    for name in ("zeros.mp4", "list.m3u8", "raw.yuv"):
        for command in ("detect", "infer"):
            ran = vp3d(command, name, "-o", "out.npz")
            assert (ran.code, ran.out) == (3, ""), ran.err
            assert name in ran.err
    assert not Path("out.npz").exists()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (161, 91), (1, 300), (300, 20)])
def test_render_over_odd_sizes(vp3d: Run, size: tuple[int, int]) -> None:
    film(Path("in.mp4"), *h264(pix_fmt="yuv444p"), size=size)
    _require_rendered(vp3d, size)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_render_over_turned_videos(vp3d: Run, quarters: int) -> None:
    turned(Path("in.mp4"), quarters)
    _require_rendered(vp3d, (96, 64))


def _require_rendered(vp3d: Run, size: tuple[int, int]) -> None:
    video = make_video(
        path=Path("in.mp4"), width=size[0], height=size[1], fps=Fraction(10), num_frames=COUNT
    )
    result = make_result(1, COUNT - 2, video=video)
    whole = dataclasses.replace(result, provenance=PROVENANCE | {"options": {}})
    npz.write(whole, Path("pose.npz"))
    ran = vp3d("render", "pose.npz", "--video", "in.mp4", "-o", "out.mp4")
    assert ran.code == 0, ran.err
    info = probe(Path("out.mp4"))
    assert (info.width % 2, info.height % 2, info.num_frames) == (0, 0, COUNT)
    seen = look(Path("out.mp4"))
    assert (seen.outcome, len(seen.images)) == ("read", COUNT)
