"""Human3.6M as VideoPose3D keeps it: `data_3d_h36m.npz`, `data_2d_h36m_*.npz`, and cameras.

`positions_3d` is {subject: {action: (T, 32, 3) world metres}}, of which 17 joints are kept;
`positions_2d` is {subject: {action: [(T, 17, 2) pixels, one a camera]}}, and `metadata` names
the layout of those 17, "h36m" or "coco". Without a 2D file the keypoints are the projected
joints. The cameras are in a JSON file: see `_camera_file`. As the paper does it: 50 fps, S11's
"Directions" is damaged and left out, two actions have two names each, and 2D that goes on after
the motion capture is cut.

The NPZ files are pickled dictionaries: they are read without executing them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vp3d_cli.datasets.choice import Choice, first_word
from vp3d_cli.datasets.formats import _videopose3d
from vp3d_cli.datasets.sequence import Sequence
from vp3d_cli.skeletons import get

DESCRIPTION = "Human3.6M in VideoPose3D's files: data_3d_h36m.npz, data_2d_h36m_*.npz, cameras.json"
SUFFIX = ".npz"
COMPANION = ".json"
TOGETHER = True

_KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
_RENAMED = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}


def _action(subject: str, action: str) -> str | None:
    if (subject, action) == ("S11", "Directions"):
        return None
    word = first_word(action)
    return _RENAMED.get(word, word) + action.removeprefix(word)


_RULES = _videopose3d.Rules("human36m", 50, 32, _KEPT, get("h36m17"), _action)


def recognise(path: Path) -> bool:
    """Whether it is one of VideoPose3D's archives whose name says h36m."""
    return "h36m" in path.name.lower() and _videopose3d.recognise(path)


def read(paths: tuple[Path, ...], choice: Choice) -> Iterator[Sequence]:
    """Read every sequence of every camera.

    Raises:
        DataError: a file is malformed, or the files do not belong together.
    """
    return _videopose3d.read(paths, choice, _RULES)
