"""The animals of the zoo of videos: how each is made, and what must come out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from tests.video_zoo import (
    COLOUR_709,
    COUNT,
    ONE,
    SIZE,
    Animal,
    Seen,
    assert_scene,
    ffmpeg,
    film,
    h264,
    scene,
    turn,
    turned,
)

Check = Callable[[Seen], None]

HEVC = (*COLOUR_709, "-c:v", "libx265", "-x265-params", "log-level=error", "-crf", 8,
        "-preset", "ultrafast", "-pix_fmt", "yuv420p")  # fmt: skip
VP9 = (*COLOUR_709, "-c:v", "libvpx-vp9", "-crf", 8, "-b:v", 0, "-cpu-used", 8,
       "-deadline", "realtime", "-pix_fmt", "yuv420p")  # fmt: skip
AV1 = (*COLOUR_709, "-c:v", "libsvtav1", "-preset", 12, "-crf", 8, "-pix_fmt", "yuv420p",
       "-svtav1-params", "lp=1")  # fmt: skip
B_FRAMES = (*COLOUR_709, "-c:v", "libx264", "-crf", 8, "-pix_fmt", "yuv420p", "-bf", 3,
            "-threads", 1)  # fmt: skip
FEW_S = [i / 25 for i in range(COUNT)]  # of codecs that know no 10 frames/s
PQ = (
    "-vf", "scale=out_color_matrix=bt2020:out_range=tv,"
    "setparams=color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc",
    *HEVC[len(COLOUR_709) :], "-pix_fmt", "yuv420p10le",
)  # fmt: skip
PALETTE = 50  # colours of a GIF are those of a coarse palette


def is_film(**how: object) -> Check:
    return lambda seen: seen.require_film(**how)  # type: ignore[arg-type]


def is_error(*words: str) -> Check:
    def check(seen: Seen) -> None:
        assert seen.outcome == "error", seen
        assert all(word in (seen.error or "") for word in words), seen.error

    return check


def is_warned(*words: str, count: int = COUNT) -> Check:
    def check(seen: Seen) -> None:
        assert seen.outcome == "warned", seen
        assert all(word in (seen.warning or "") for word in words), seen.warning
        assert len(seen.images) == count

    return check


def codecs() -> Iterator[Animal]:
    """Containers and codecs; in each the same film."""
    yield from (
        Animal(name, partial(_film, options), is_film(), slow)
        for name, options, slow in (
            ("h264.mp4", h264(), False),
            ("h264.mkv", h264(), True),
            ("h264.ts", h264(), False),
            ("h264.flv", h264(), True),
            ("h264.h264", h264(), True),
            ("hevc.mp4", HEVC, True),
            ("hevc.mkv", HEVC, False),
            ("vp8.webm", ("-c:v", "libvpx", "-b:v", "2M"), True),
            ("vp9.webm", VP9, False),
            ("av1.webm", AV1, False),
            ("av1.mp4", AV1, True),
            ("mpeg4.avi", ("-c:v", "mpeg4", "-q:v", 2), False),
            ("mjpeg.mov", ("-c:v", "mjpeg", "-q:v", 2), False),
            ("mjpeg.avi", ("-c:v", "mjpeg", "-q:v", 2), True),
            ("raw.avi", ("-c:v", "rawvideo"), False),
            ("raw.nut", ("-c:v", "rawvideo"), True),
            ("raw.y4m", ("-pix_fmt", "yuv444p"), False),
            ("ffv1.mkv", ("-c:v", "ffv1"), True),
            ("prores.mov", (*COLOUR_709, "-c:v", "prores"), True),
            ("wmv.wmv", ("-c:v", "wmv2", "-q:v", 2), True),
            ("theora.ogv", ("-c:v", "libtheora", "-q:v", 10), True),
            ("animated.apng", ("-plays", 0), True),
        )
    )
    yield Animal("mpeg1.mpg", partial(_film, ("-c:v", "mpeg1video", "-q:v", 2), rate=25),
                 is_film(times_s=FEW_S), True)  # fmt: skip
    yield Animal("plain.gif", partial(_film, ()), is_film(tolerance=PALETTE))
    yield Animal("raw.yuv", partial(_film, ("-pix_fmt", "yuv420p")), is_error("raw pictures"))
    yield Animal("moving.webp", partial(_film, ("-c:v", "libwebp_anim")), is_error("animated WebP"))


def depths() -> Iterator[Animal]:
    """Sampling, depth, range, alpha, interlacing: the colours are the same."""
    yield from (
        Animal(name, partial(_film, options), is_film(), slow)
        for name, options, slow in (
            ("444.mp4", h264(pix_fmt="yuv444p"), False),
            ("422.mp4", h264(pix_fmt="yuv422p"), True),
            ("10bit.mp4", h264(pix_fmt="yuv420p10le"), False),
            ("12bit.mkv", (*HEVC, "-pix_fmt", "yuv422p12le"), True),
            ("48bit.mov", ("-c:v", "png", "-pix_fmt", "rgb48be"), True),
            ("rgb.mkv", ("-c:v", "libx264rgb", "-crf", 5), True),
            ("full_range.mp4", ("-c:v", "libx264", "-crf", 8, "-pix_fmt", "yuvj420p"), False),
            ("untagged.mp4", ("-c:v", "libx264", "-crf", 8, "-pix_fmt", "yuv420p"), True),
            ("alpha.webm", (*VP9, "-pix_fmt", "yuva420p"), False),
            ("alpha.mov", ("-c:v", "prores_ks", "-profile:v", 4, "-pix_fmt", "yuva444p10le"), True),
            ("see_through.mov", ("-vf", "format=argb,colorchannelmixer=aa=0.3", "-c:v", "qtrle"),
             False),
            ("interlaced.mp4", h264("-flags", "+ildct+ilme", "-x264-params", "tff=1"), False),
        )
    )  # fmt: skip
    yield Animal(
        "interlaced.ts",
        partial(_film, ("-c:v", "mpeg2video", "-q:v", 2, "-flags", "+ildct+ilme"), rate=25),
        is_film(times_s=FEW_S),
        True,
    )
    yield Animal("pq.mp4", partial(_film, PQ), is_warned("HDR video (PQ)", "convert it to SDR"))
    hlg = (PQ[0], str(PQ[1]).replace("smpte2084", "arib-std-b67"), *PQ[2:])
    yield Animal("hlg.mp4", partial(_film, hlg), is_film(), True)


def sizes() -> Iterator[Animal]:
    """From one pixel to 8K."""
    for width, height in ((1, 1), (1, 3), (3, 5), (5, 3), (17, 1), (161, 91)):
        make = partial(_film, h264(pix_fmt="yuv444p"), size=(width, height))
        yield Animal(f"{width}x{height}.mp4", make, is_film(size=(width, height)))
    for width, height in ((1, 1), (3, 5), (161, 91)):
        make = partial(_film, ("-c:v", "png"), size=(width, height))
        yield Animal(f"{width}x{height}.mov", make, is_film(size=(width, height)), True)
    for width, height in ((7680, 4320), (4320, 7680), (16386, 16), (16, 16386)):
        options = ("-c:v", "mjpeg", "-q:v", 3)
        make = partial(_film, options, size=(width, height), count=2)
        yield Animal(f"{width}x{height}.avi", make, is_film(size=(width, height), count=2),
                     width == 4320)  # fmt: skip
    yield Animal("bomb.png", partial(one_bit_png, size=(30000, 30000)), is_error("million pixels"))
    oblong = partial(one_bit_png, size=(9000, 9000), stretch=4)  # as square pixels, 36000 wide
    yield Animal("oblong.png", oblong, is_error("36000 x 9000 pixels", "142 million"))


def times() -> Iterator[Animal]:
    """Variable rates, negative, huge, repeated and falling times."""
    uneven = [i * i * 0.02 for i in range(COUNT)]
    for suffix in (".mp4", ".mkv", ".ts", ".avi", ".flv"):
        yield Animal(f"variable{suffix}", partial(_timed, "settb=1/1000,setpts=N*N*20"),
                     is_film(times_s=uneven), suffix not in (".mp4", ".avi"))  # fmt: skip
    yield Animal("ticking.avi", partial(_timed, "settb=1/1000,setpts=N*100"), is_film(fps=10))
    for suffix in (".mkv", ".ts"):
        options = ("-output_ts_offset", -5, "-avoid_negative_ts", "disabled")
        yield Animal(f"negative{suffix}", partial(_film, (*h264(), *options)), is_film(),
                     suffix == ".ts")  # fmt: skip
    for suffix in (".mp4", ".mkv", ".ts", ".nut"):
        for name, offset in (("late", 3e6), ("huge", 4e9), ("wrapping", 95443.2)):
            yield Animal(f"{name}{suffix}", partial(_film, (*h264(), "-output_ts_offset", offset)),
                         is_film(), (name, suffix) not in _IN_EVERY_RUN)  # fmt: skip
    gap = [i / 10 + 36000 * (i >= 5) for i in range(COUNT)]
    yield Animal("gap.mkv", partial(_timed, "settb=1/1000,setpts=N*100+gte(N\\,5)*36000000"),
                 is_film(times_s=gap))  # fmt: skip
    for name, times, warned in (
        ("standing", "0", 9),
        ("repeated", "if(eq(N\\,5)\\,PREV_OUTPTS\\,PTS)", 1),
        ("falling", "if(between(N\\,4\\,6)\\,PTS-3*DURATION\\,PTS)", 2),
    ):
        yield Animal(f"{name}.mkv", partial(_retimed, times), _repaired(warned), name == "repeated")
    yield Animal("no_times.mp4", partial(_retimed, "NOPTS", options=h264()), is_film(), True)


_IN_EVERY_RUN = (("late", ".mkv"), ("huge", ".mp4"), ("wrapping", ".ts"))


def edits() -> Iterator[Animal]:
    """Edit lists, and files that do not tell how long they are."""
    yield Animal("cut_in.mp4", partial(_cut_in, start_s=0.25), is_film(count=7, first=3))
    yield Animal("cut_in_late.mp4", partial(_cut_in, start_s=0.7), is_film(count=3, first=7), True)
    late = [1 + i / 10 for i in range(COUNT)]
    yield Animal("empty_edit.mp4", _empty_edit, is_film(times_s=late))
    for name, options, slow in (
        ("fragments.mp4", h264("-movflags", "frag_keyframe+empty_moov", "-g", 4), False),
        ("live.mkv", h264("-live", 1), True),
        ("live.webm", (*VP9, "-live", 1), False),
        ("live.flv", ("-c:v", "flv", "-q:v", 2, "-flvflags", "no_duration_filesize"), True),
    ):
        yield Animal(name, partial(_film, options), is_film(), slow)


def streams() -> Iterator[Animal]:
    """Several streams, covers, none."""
    yield Animal("two.mp4", _two_videos, is_film())
    yield Animal("covered.mp4", _covered, is_film())
    yield Animal("cover.mp3", _cover_only, is_error("holds only sound"))
    yield Animal("cover.mka", _cover_only, is_error("holds only sound"), True)
    yield Animal("words.mkv", _words_only, is_error("holds no pictures"))


def turns() -> Iterator[Animal]:
    """Turned four ways, mirrored, slanting; photos with an orientation."""
    for quarters in range(4):
        yield Animal(f"turned{quarters}.mp4", partial(turned, quarters=quarters),
                     partial(_still, rotation=90 * quarters))  # fmt: skip
    slant = (46341, 46341, -46341, 46341)
    yield Animal("slanting.mp4", partial(_with_matrix, matrix=slant),
                 lambda seen: _require(seen, COUNT))  # fmt: skip
    yield Animal("no_matrix.mp4", partial(_with_matrix, matrix=(0, 0, 0, 0)), is_film(), True)
    yield Animal("mirrored.mp4", partial(_with_matrix, matrix=(-ONE, 0, 0, ONE)), _mirrored, True)
    for orientation, quarters in ((3, 2), (6, 1), (8, 3)):
        make = partial(_photo, orientation=orientation, quarters=quarters)
        check = partial(_still, rotation=90 * quarters, count=1)
        yield Animal(f"photo{orientation}.jpg", make, check, orientation != 6)


def changes() -> Iterator[Animal]:
    """A size or a kind of pixel that changes on the way; it was cut together so."""
    parts = ((SIZE, "yuv420p"), ((64, 96), "yuv420p"), ((192, 128), "yuv420p"))
    kinds = tuple((SIZE, pix_fmt) for pix_fmt in ("yuv420p", "yuv444p", "yuv420p10le"))
    yield Animal("kinds.h264", partial(_joined, parts=kinds), is_film(count=15))
    for suffix in (".h264", ".mp4", ".ts", ".mkv"):
        yield Animal(f"grows{suffix}", partial(_joined, parts=parts), _fitted, suffix != ".mp4")


def disguises() -> Iterator[Animal]:
    """Names that lie, and bytes that are none of a video's."""
    for name in ("webm.mp4", "mp4.txt", "avi.mp3", "mp4.png", "mkv.m3u8", "mp4"):
        kind = name.split(".", maxsplit=1)[0]
        yield Animal(name, partial(_renamed, kind=kind), is_film(), kind == "avi")
    yield Animal("holed.ts", _holed, is_warned("may be damaged", "corrupt", count=9))
    yield Animal("zeros.mp4", lambda path: path.write_bytes(bytes(99999)), is_error("not a video"))
    yield Animal("empty.mkv", lambda path: path.write_bytes(b""), is_error("is empty"))
    noise = np.random.default_rng(0).bytes(99999)
    yield Animal("noise.avi", lambda path: path.write_bytes(noise), is_error())
    yield Animal("words.txt", lambda path: path.write_text("some words\n" * 99), is_error("text"))


def _film(options: tuple[object, ...], path: Path, **how: object) -> None:
    film(path, *options, **how)  # type: ignore[arg-type]


def _timed(times: str, path: Path) -> None:
    options = list(h264("-fps_mode", "passthrough", "-enc_time_base", "1:1000"))
    options[1] = f"{times},{options[1]}"
    film(path, *options)


def _retimed(times: str, path: Path, options: tuple[object, ...] = B_FRAMES) -> None:
    source = film(path.with_name("source.mp4"), *options)
    decoded = "0" if times == "0" else "DTS"
    ffmpeg("-i", source, "-c", "copy", "-bsf:v", f"setts=pts={times}:dts={decoded}", path)


def _repaired(at_least: int) -> Check:
    def check(seen: Seen) -> None:
        is_warned("times do not rise")(seen)
        assert seen.warning is not None
        assert int(seen.warning.split(": ")[1].split()[0]) >= at_least
        assert np.abs(np.subtract(seen.times_s, np.arange(COUNT) / 10)).max() < 0.35

    return check


def _cut_in(path: Path, start_s: float) -> None:
    source = film(path.with_name("source.mp4"), *B_FRAMES, "-g", 5)
    ffmpeg("-ss", start_s, "-i", source, "-c", "copy", path)


def _empty_edit(path: Path) -> None:
    options = list(h264("-fps_mode", "passthrough"))
    options[1] = f"setpts=PTS+1/TB,{options[1]}"
    sound = ("-f", "lavfi", "-i", "sine=d=2")
    film(path, "-map", "0:v", "-map", "1:a", "-c:a", "aac", *options, before=sound)


def _two_videos(path: Path) -> None:
    other = ("-f", "lavfi", "-i", "testsrc=s=320x240:r=5:d=1", "-f", "lavfi", "-i", "sine=d=1")
    film(path, "-map", "2:a", "-map", "0:v", "-map", "1:v", *h264(), before=other)


def _cover(path: Path) -> Path:
    cover = path.with_name("cover.jpg")
    Pictures.fromarray(scene(32, 32)).save(cover)
    return cover


def _covered(path: Path) -> None:
    source = film(path.with_name("source.mp4"), *h264())
    ffmpeg("-i", _cover(path), "-i", source, "-map", 0, "-map", 1, "-c", "copy",
           "-disposition:v:0", "attached_pic", path)  # fmt: skip


def _cover_only(path: Path) -> None:
    sound, cover = ("-f", "lavfi", "-i", "sine=d=0.3"), _cover(path)
    if path.suffix == ".mka":
        ffmpeg(*sound, "-attach", cover, "-metadata:s:t", "mimetype=image/jpeg", path)
    else:
        ffmpeg(*sound, "-i", cover, "-map", 0, "-map", 1, "-c:v", "copy",
               "-disposition:v:0", "attached_pic", path)  # fmt: skip


def _words_only(path: Path) -> None:
    words = path.with_name("words.srt")
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    ffmpeg("-i", words, path)


def _with_matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    turn(film(path, *h264()), matrix)


def _still(seen: Seen, rotation: int, count: int = COUNT) -> None:
    """Every frame is scene 3, upright."""
    _require(seen, count)
    assert seen.info is not None
    assert (seen.info.width, seen.info.height, seen.info.rotation) == (*SIZE, rotation)
    for image in seen.images:
        assert_scene(image, 3)


def _mirrored(seen: Seen) -> None:
    _require(seen, COUNT)
    assert_scene(seen.images[2][:, ::-1], 2)


def _require(seen: Seen, count: int) -> None:
    assert (seen.outcome, len(seen.images)) == ("read", count), seen
    if count > 1:
        np.testing.assert_allclose(seen.times_s, np.arange(count) / 10, atol=0.0021)


def _photo(path: Path, orientation: int, quarters: int) -> None:
    photo = Pictures.fromarray(np.rot90(scene(*SIZE, 3), quarters)[..., ::-1].copy())
    exif = photo.getexif()
    exif[0x112] = orientation
    photo.save(path, exif=exif, quality=97)


def _joined(path: Path, parts: tuple[tuple[tuple[int, int], str], ...]) -> None:
    joined = path.with_name("joined.h264")
    content = b""
    for number, (size, pix_fmt) in enumerate(parts):
        part = path.with_name("part.h264")
        film(part, *h264(pix_fmt=pix_fmt), size=size, count=5, first=5 * number)
        content += part.read_bytes()
    joined.write_bytes(content)
    if path.suffix != ".h264":
        ffmpeg("-i", joined, "-c", "copy", path)
    else:
        joined.replace(path)


def _fitted(seen: Seen) -> None:
    """Upright pictures between two others lie between black bars, their shape kept."""
    _require(seen, 15)
    for index, image in enumerate(seen.images):
        assert image.shape == (SIZE[1], SIZE[0], 3)
        upright = 5 <= index < 10
        assert_scene(image[:, 27:69] if upright else image, index)
        assert (image[:, :20].max() < 20) == upright


def _renamed(path: Path, kind: str) -> None:
    options = {"webm": VP9, "avi": ("-c:v", "mpeg4", "-q:v", 2)}.get(kind, h264())
    film(path.with_name(f"source.{kind}"), *options).replace(path)


def _holed(path: Path) -> None:
    content = film(path, *h264()).read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(512) + content[middle + 512 :])


def one_bit_png(path: Path, size: tuple[int, int], stretch: int = 1) -> None:
    """A small file that unfolds to a huge picture."""
    width, height = size
    packer, row = zlib.compressobj(9), bytes((width + 7) // 8 + 1)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    aspect = struct.pack(">IIB", stretch, 1, 0)  # dots per unit across and down
    chunks = ((b"IHDR", header), (b"pHYs", aspect), (b"IDAT", rows), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))


def _chunk(name: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + check


KINDS = (codecs, depths, sizes, times, edits, streams, turns, changes, disguises)
ANIMALS = [animal for kind in KINDS for animal in kind()]
