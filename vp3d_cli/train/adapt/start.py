"""From lifted videos to a run that is ready to go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.train.adapt import footage
from vp3d_cli.train.adapt.adapter import Adapter
from vp3d_cli.train.adapt.config import AdaptConfig
from vp3d_cli.train.mocap import Mocap
from vp3d_cli.train.run_folder import LAST, open_run
from vp3d_cli.types import Result


def open_adaptation(
    config: AdaptConfig,
    start: Lifter,
    videos: Sequence[Result],
    folder: Path,
    *,
    mocap: Mocap | None = None,
    device: str = "cpu",
    resume: bool = False,
) -> Adapter:
    """Prepare a run in `folder`.

    Args:
        config: see `AdaptConfig`.
        start: the lifter to go on from.
        videos: tracked, and lifted by it.
        folder: of the run.
        mocap: motion capture for the labelled side; without it the poses that `start` sees are
            the labels.
        device: "cpu", "cuda", "cuda:1".
        resume: go on from the last whole epoch; where there is none yet, from the start.

    Raises:
        DataError: there is too little footage, or the folder holds another run.
        OutputError: the folder cannot be made.
    """
    parts = footage.split(footage.all_usable(videos), config.held_out, config.seed)
    return open_run(
        lambda: Adapter(config, start, parts, folder, mocap, device),
        folder,
        resume=resume and (folder / LAST).exists(),
    )
