"""What may be opened: the named file or numbered images, and nothing that they name."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from vp3d_cli.errors import VideoError

# Demuxers that open other files or addresses, or run scripts.
_FOLLOWERS = frozenset(
    ("avisynth", "concat", "dash", "hls", "imf", "lavfi", "rtp", "rtsp", "sap", "sdp")
) | {"vapoursynth", "webm_dash_manifest"}
_PLAYLIST = re.compile(
    rb"(\xef\xbb\xbf)?\s*(#EXTM3U|ffconcat version|file ['\"/\w]|\[playlist\]|v=0\r?\n|"
    rb"(<\?xml[^>]*>\s*(<!--.*?-->\s*)*)?<(\w+:)?(MPD|CompositionPlaylist|asx|smil)\b)",
    re.IGNORECASE | re.DOTALL,
)
_HEAD = 4096  # bytes of a file that tell a playlist
_PATTERN = re.compile(r"(?P<head>.*)%0?(?P<digits>\d*)d(?P<tail>.*)")
# Images that ffmpeg takes for numbered ones by their names alone, in which it sees a pattern.
_FFMPEGS_PATTERN = re.compile(r"([^%]|%\d*%)*%\d*d([^%]|%\d*%)*")
_NUMBERED = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"))
# A frame of 16K video; what claims more is a bomb or a broken header.
MAX_PIXELS = 16384 * 8704


@functools.cache
def only_this_file() -> dict[str, str]:
    """ffmpeg's input options with which a file cannot make it open another, or an address."""
    import av

    demuxers = {name for names in av.formats_available for name in names.split(",")}
    return {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(sorted(demuxers - _FOLLOWERS)),
    }


def only_this_stream(protocols: tuple[str, ...], followed: tuple[str, ...] = ()) -> dict[str, str]:
    """ffmpeg's input options for a stream: no files, and no address of another kind.

    Args:
        protocols: of ffmpeg, that may be spoken.
        followed: demuxers that are right for it although they ask for more than one address.
    """
    import av

    demuxers = {name for names in av.formats_available for name in names.split(",")}
    return {
        "protocol_whitelist": ",".join(protocols),
        "format_whitelist": ",".join(sorted((demuxers - _FOLLOWERS).union(followed))),
        "max_pixels": str(MAX_PIXELS),
    }


def input_options(path: Path) -> dict[str, str]:
    """ffmpeg's input options for a video file or a pattern such as `frames/%04d.png`."""
    options = only_this_file() | {"max_pixels": str(MAX_PIXELS)}
    if numbers := sequence_numbers(path):
        options |= {"start_number": str(numbers[0])}
    elif _FFMPEGS_PATTERN.fullmatch(str(path)) and path.suffix.lower() in _NUMBERED:
        options |= {"pattern_type": "none"}  # the very file, and not others that it would match
    return options


def sequence_numbers(path: Path) -> list[int]:
    """The numbers that a printf pattern finds, ascending. The reader ends at the first gap."""
    pattern = _PATTERN.fullmatch(path.name)
    if pattern is None or path.exists() or not path.parent.is_dir():
        return []
    name = re.compile(re.escape(pattern["head"]) + r"(\d+)" + re.escape(pattern["tail"]))
    found = (name.fullmatch(file.name) for file in path.parent.iterdir())
    return sorted(int(match[1]) for match in found if match)


def require_readable_file(path: Path) -> None:
    """Refuse what is no regular file with something in it, and what only names other files.

    Raises:
        VideoError: it says why.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:  # ffmpeg-python cannot take it
        raise VideoError(f"{str(path)!a}: its name is not UTF-8; rename the file") from None
    if path.is_dir():
        raise VideoError(f"{path}: is a folder, not a video; name a file in it")
    if path.exists() and not path.is_file():
        raise VideoError(f"{path}: is not a regular file; save the video to a file first")
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except FileNotFoundError:
        raise VideoError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise VideoError(
            f"{path}: cannot be opened ({error.strerror}); check its permissions"
        ) from error
    if not head:
        raise VideoError(f"{path}: is empty; copy or download it again")
    if _PLAYLIST.match(head):
        raise VideoError(
            f"{path}: is a playlist; the files it names are not opened, give the video itself"
        )
