"""What a file says about the lens: the focal length on 35 mm film that gives the same picture."""

from __future__ import annotations

import contextlib
import re
import warnings
from pathlib import Path
from typing import Any

# Phones' videos carry com.apple.quicktime.camera.focal_length.35mm_equivalent; others, rewritten
# by a tool, FocalLengthIn35mmFilm or alike.
_TAG = re.compile(r"focal.?length.*35.?mm", re.IGNORECASE)
_EXIF_IFD, _FOCAL_IN_35MM_FILM = 0x8769, 0xA405
# Anything outside is a lens that no pinhole describes, or a broken tag.
_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError)  # by Pillow
_LEAST_MM, _MOST_MM = 8.0, 1000.0


def lens_of_tags(container: Any, stream: Any) -> float | None:
    """From the tags of a video's file or stream, in millimetres; None where they do not say."""
    for tags in (stream.metadata, container.metadata):
        for key, value in tags.items():
            found = re.match(r"\s*(\d{1,4}(\.\d+)?)", value) if _TAG.search(key) else None
            if found and _LEAST_MM <= float(found[1]) <= _MOST_MM:
                return float(found[1])
    return None


def lens_of_image(path: Path) -> float | None:
    """From the EXIF of a photo, in millimetres; None where it does not say."""
    if not path.is_file():  # numbered images
        return None
    from PIL import Image

    # A picture that ffmpeg reads and Pillow does not tells no lens; that is all.
    with (
        contextlib.suppress(
            OSError, SyntaxError, ValueError, TypeError, Image.DecompressionBombError
        ),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of large pictures
        with Image.open(path) as photo:
            lens = float(photo.getexif().get_ifd(_EXIF_IFD).get(_FOCAL_IN_35MM_FILM, 0))
        return lens if _LEAST_MM <= lens <= _MOST_MM else None
    return None
