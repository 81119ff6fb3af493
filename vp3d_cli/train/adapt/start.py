"""From lifted videos to a run that is ready to go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vp3d_cli.errors import DataError
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.train.adapt import footage
from vp3d_cli.train.adapt.adapter import Adapter
from vp3d_cli.train.adapt.config import AdaptConfig
from vp3d_cli.train.mocap import read_mocap
from vp3d_cli.train.run_folder import LAST, open_run
from vp3d_cli.types import Result


def require_new(folder: Path, *, resume: bool) -> None:
    """Refuse to go on in a folder that holds a run, unless asked to; before any work.

    Raises:
        DataError: it holds one.
    """
    if (folder / LAST).exists() and not resume:
        raise DataError(f"{folder}: already holds a run; give --resume or another --out")


def open_adaptation(
    config: AdaptConfig,
    start: Lifter,
    videos: Sequence[Result],
    folder: Path,
    *,
    mocap: Sequence[Path] = (),
    device: str = "cpu",
    resume: bool = False,
) -> Adapter:
    """Prepare a run in `folder`.

    Args:
        config: see `AdaptConfig`.
        start: the lifter to go on from.
        videos: tracked, and lifted by it.
        folder: of the run.
        mocap: files of motion capture for the labelled side, see `train.mocap`; without them the
            poses that `start` sees are the labels.
        device: "cpu", "cuda", "cuda:1".
        resume: go on from the last whole epoch; where there is none yet, from the start.

    Raises:
        DataError: there is too little footage, or the folder holds another run.
        OutputError: the folder cannot be made.
    """
    usable = [video for video in map(footage.usable, videos) if video.tracks2d]
    parts = footage.split(usable, config.held_out, config.seed)
    labels = read_mocap(mocap, None, "train") if mocap else None
    require_new(folder, resume=resume)
    return open_run(
        lambda: Adapter(config, start, parts, folder, labels, device),
        folder,
        resume=(folder / LAST).exists(),
    )
