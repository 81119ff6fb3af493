"""From a lifter's name and paths of data to a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from vp3d_cli import datasets
from vp3d_cli.errors import DataError, OptionsError
from vp3d_cli.evaluate.calibration import CALIBRATIONS, files_of, is_view_folder, read_views
from vp3d_cli.evaluate.report import Report, describe_files
from vp3d_cli.evaluate.run import Evaluation, evaluate
from vp3d_cli.evaluate.views import evaluate_views
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.options import Options

# Told the stage, how much of it is done, and how much there is where that is known.
Progress = Callable[[str, int, "int | None"], None]


def measure(
    lifter: str,
    data: Sequence[Path],
    *,
    format_name: str = "auto",
    subjects: Sequence[str] | None = None,
    actions: Sequence[str] | None = None,
    flip: bool = True,
    skeleton_in: str | None = None,
    causal: bool | None = None,
    detector: str = "auto",
    device: str = "cpu",
    progress: Progress | None = None,
) -> Report:
    """Measure a lifter on labelled sequences, or on calibrated videos.

    Args:
        lifter: a name of the weights registry, or the path of a checkpoint.
        data: files or folders that `datasets.read` knows; or folders with a calibration, see
            `calibration`.
        format_name: of the data; "auto" looks at them.
        subjects, actions: only these; all where None.
        flip: average with the prediction for the mirror image.
        skeleton_in, causal: what VideoPose3D's layout cannot say.
        detector: of people in videos.
        device: "cpu", "cuda", "cuda:1".
        progress: told (stage, done, in all).

    Raises:
        OptionsError: options do not go together.
        DataError, SkeletonMismatchError: the data are malformed, or do not fit the lifter.
        VideoError, WeightsError, BackendUnavailableError: as `estimate`.
    """
    folders = _folders(data)
    if folders and (not flip or subjects or actions or format_name != "auto"):
        raise OptionsError(
            f"{folders[0]}: videos are measured whole and as `vp3d infer` runs; leave out "
            "--no-flip, --subjects, --actions and --format"
        )
    if not folders and detector != "auto":
        raise OptionsError("the data bring their 2D keypoints along; leave out --detector")
    loaded = load_lifter(lifter, device=device, skeleton_in=skeleton_in, causal=causal)
    if folders:
        options = Options(
            detector=detector, lifter=lifter, device=device, skeleton_in=skeleton_in, causal=causal
        )
        return _of_videos(loaded, folders, options, progress)
    sequences = datasets.read(data, format=format_name, subjects=subjects, actions=actions)

    def lifted(done: int, total: int | None) -> None:
        if progress:
            progress("lift", done, total)

    evaluation = evaluate(loaded, sequences, flip=flip, progress=lifted)
    chosen = {
        "subjects": sorted(subjects) if subjects else None,
        "actions": sorted(actions) if actions else None,
    }
    return Report(_with_options(evaluation, chosen), describe_files(data))


def _folders(data: Sequence[Path]) -> list[Path]:
    """The folders of calibrated videos: all of the data, or none."""
    folders = [path for path in data if path.is_dir()]
    if unknown := [path for path in folders if not is_view_folder(path)]:
        raise DataError(
            f"{unknown[0]}: is a folder without {' or '.join(CALIBRATIONS)}; give the files of a "
            "data set one by one"
        )
    if folders and len(folders) < len(data):
        raise OptionsError(f"{folders[0]} holds videos, other data do not; measure them apart")
    return folders


def _of_videos(
    lifter: Lifter, folders: Sequence[Path], options: Options, progress: Progress | None
) -> Report:
    views = {folder: read_views(folder) for folder in folders}
    every = [view for found in views.values() for view in found]
    evaluation = evaluate_views(lifter, every, options, progress)
    used = [path for folder, found in views.items() for path in files_of(folder, found)]
    return Report(evaluation, describe_files(used))


def _with_options(evaluation: Evaluation, more: dict[str, list[str] | None]) -> Evaluation:
    return dataclasses.replace(evaluation, options=evaluation.options | more)
