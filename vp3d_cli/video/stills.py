"""Numbered images, such as frames/%04d.png, as another kind of video."""

from __future__ import annotations

import contextlib
import re
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from vp3d_cli.errors import OptionsError, OutputError
from vp3d_cli.files import unwritable, written_whole
from vp3d_cli.types import Image
from vp3d_cli.video.opening import sequence_numbers
from vp3d_cli.video.writing import VideoWriter

_NUMBER = re.compile(r"%(0\d+)?d")
# Fast, and a tenth larger than the best.
_COMPRESSION = 3


def is_numbered(path: Path) -> bool:
    """Whether a name stands for numbered images, which are PNG."""
    return (
        path.suffix.lower() == ".png"
        and len(_NUMBER.findall(path.name)) == 1
        and path.name.count("%") == 1
    )


class StillsWriter:
    """Writes each image to a PNG of its own, numbered from 0; a context manager.

    The folder is made where only it is missing. Until the context ends without an exception the
    images have other names, and after one they are gone.

    Attributes:
        frames_written: how many images `write` took so far.
        warning: as a video's; numbered images have no sound, and nothing is said of it.
    """

    def __init__(self, path: Path, width: int, height: int, alpha: bool = False) -> None:
        """Remember the name; the folder is opened by `with`.

        Args:
            path: a PNG whose name has one %04d or %d.
            width, height: of the images, pixels.
            alpha: images have a fourth channel, 0 where they are transparent.
        """
        self.path = path
        self.frames_written = 0
        self.warning: str | None = None
        self._shape = (height, width, 4 if alpha else 3)
        self._files = contextlib.ExitStack()
        self._made = False

    def __enter__(self) -> StillsWriter:
        folder = self.path.parent
        if numbers := sequence_numbers(self.path):
            raise OutputError(
                f"{self.path}: there are {len(numbers)} such images already, which would be mixed "
                "with the new ones; give an empty folder, or delete them"
            )
        if not folder.exists() and folder.parent.is_dir():
            try:
                folder.mkdir()
            except OSError as error:
                raise unwritable(folder, error) from error
            self._made = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._files.__exit__(kind, error, trace)
        finally:
            if self._made and kind is not None:
                with contextlib.suppress(OSError):
                    self.path.parent.rmdir()

    def write(self, image: Image) -> None:
        """Write one image (H, W, 3), uint8 BGR, or (H, W, 4) BGRA with alpha.

        Raises:
            OutputError: it cannot be written; the disk may be full.
        """
        import cv2

        if image.shape != self._shape or image.dtype != np.uint8:
            raise ValueError(
                f"image: expected {self._shape} uint8, got {image.shape} {image.dtype}"
            )
        path = self.path.with_name(self.path.name % self.frames_written)
        temporary = self._files.enter_context(written_whole(path))
        done, packed = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
        if not done:
            raise OutputError(f"{path}: the picture cannot be packed as PNG")
        temporary.write_bytes(packed.tobytes())
        self.frames_written += 1


def open_writer(
    path: Path,
    width: int,
    height: int,
    fps: Fraction,
    audio_from: Path | None = None,
    audio_start_s: float = 0.0,
    codec: str | None = None,
    alpha: bool = False,
) -> VideoWriter | StillsWriter:
    """The writer for a file, or for numbered images; as `VideoWriter` takes them.

    Raises:
        OutputError: the suffix is none of the known ones.
        OptionsError: such a file holds no such codec, or no alpha.
    """
    if not is_numbered(path):
        return VideoWriter(path, width, height, fps, audio_from, audio_start_s, codec, alpha)
    if codec is not None:
        raise OptionsError(f"{path}: numbered images are PNG, and take no codec")
    return StillsWriter(path, width, height, alpha)


def require_format(path: Path, codec: str | None, alpha: bool) -> None:
    """Refuse, before any work, a file that cannot be written.

    Raises:
        OutputError: the suffix is none of the known ones.
        OptionsError: such a file holds no such codec, or no alpha.
    """
    open_writer(path, 2, 2, Fraction(1), codec=codec, alpha=alpha)
