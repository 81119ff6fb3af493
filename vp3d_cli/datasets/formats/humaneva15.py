"""HumanEva-I as VideoPose3D keeps it: `data_3d_humaneva15.npz`, `data_2d_humaneva15_*.npz`.

The layout is that of `human36m`, with 15 joints at 60 fps; `metadata` may also name the layout
"humaneva15". Subjects are called "Train/S1" and so on, and an action that was cut where its
motion capture is damaged "Walking 1 chunk0": the first word is the action. The JSON file may
name the cameras of "Train/S1" and "Validate/S1" once, as those of "S1".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vp3d_cli.datasets.choice import Choice
from vp3d_cli.datasets.formats import _videopose3d
from vp3d_cli.datasets.sequence import Sequence
from vp3d_cli.skeletons import get

DESCRIPTION = "HumanEva-I in VideoPose3D's files: data_3d_humaneva15.npz, data_2d_*.npz, a .json"
SUFFIX = ".npz"
COMPANION = ".json"
TOGETHER = True

_RULES = _videopose3d.Rules(
    "humaneva15", 60, 15, tuple(range(15)), get("humaneva15"), lambda subject, action: action
)


def recognise(path: Path) -> bool:
    """Whether it is one of VideoPose3D's archives whose name says humaneva15."""
    return "humaneva15" in path.name.lower() and _videopose3d.recognise(path)


def read(paths: tuple[Path, ...], choice: Choice) -> Iterator[Sequence]:
    """Read every sequence of every camera.

    Raises:
        DataError: a file is malformed, or the files do not belong together.
    """
    return _videopose3d.read(paths, choice, _RULES)
