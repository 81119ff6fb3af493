"""One picture as JPEG."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from vp3d_cli.types import Image


def pack_jpeg(image: Image, largest_side_px: int, quality: int) -> bytes:
    """A picture (H, W, 3) uint8 BGR as JPEG, smaller where a side is larger than told.

    Args:
        image: the picture.
        largest_side_px: of width and height, at most.
        quality: 0 to 100.
    """
    import cv2

    height, width = image.shape[:2]
    picture: NDArray[Any] = image
    scale = largest_side_px / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"image: {image.shape} {image.dtype} cannot be packed as JPEG")
    return bytes(packed)
