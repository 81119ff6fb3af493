"""`vp3d data`: labelled sequences to train on and to evaluate with."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from vp3d_cli import registry
from vp3d_cli.cli._options import (
    F,
    require_new_names,
    require_writable,
    together,
    verbosity,
)
from vp3d_cli.errors import DataError

_log = logging.getLogger("vp3d_cli.cli.data")
_MOST_ALIKE = 5

_paths = click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH...",
)
_out = click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, help="File to write (.npz)."
)


def _choices(command: F) -> F:
    return together(
        click.option(
            "--format",
            type=click.Choice(["auto", *registry.names("datasets/formats")]),
            default="auto",
            show_default=True,
            help="What the files are; auto looks at them.",
        ),
        click.option("--subjects", metavar="NAME,...", help="Only these subjects, as in S9,S11."),
        click.option(
            "--actions",
            metavar="NAME,...",
            help='Only these actions: whole names, or the first word ("Walking").',
        ),
    )(command)


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]


@click.group("data")
def COMMAND() -> None:  # noqa: N802
    """Check, convert and make data sets of paired 2D and 3D.

    PATHs are all files of a data set, its cameras (.json) included. These are known:

    \b
      vp3d        our own NPZ, which any script can write
      human36m    data_3d_h36m.npz, data_2d_h36m_*.npz, cameras.json
      humaneva15  data_3d_humaneva15.npz, data_2d_humaneva15_*.npz, cameras.json
      mocap       world joints that no camera saw, and a .csv of subjects
      bvh         a .bvh file a clip, in a folder a subject
      c3d         a .c3d file of joints or markers a clip, in a folder a subject

    What each holds is described in vp3d_cli/datasets/formats/. NPZ files that hold pickles are
    read without executing them.

    \b
    Examples:
      vp3d data check data_3d_h36m.npz data_2d_h36m_cpn_ft_h36m_dbb.npz cameras.json
      vp3d data prepare data_3d_h36m.npz cameras.json --subjects S9,S11 --out test.npz
      vp3d data synthesize examples/train_bundled.toml --count 500 --out made.npz
    """


@COMMAND.command("check")
@_paths
@_choices
@click.option(
    "--all", "every", is_flag=True, help=f"Every fault, not only {_MOST_ALIKE} of a kind."
)
@verbosity
@click.pass_context
def check_data(
    ctx: click.Context,
    paths: tuple[Path, ...],
    format: str,
    subjects: str | None,
    actions: str | None,
    every: bool,
) -> None:
    """Say what is wrong with data sets, a line each, and what they hold.

    Looked for: other skeletons, NaN, millimetres taken for metres, axes in another order,
    missing cameras, subjects that there are not, clips that are too short, and 2D that is outside
    the frame or elsewhere than the projected 3D. The exit code is 0 where all is well, else 6.

    \b
    Examples:
      vp3d data check mine.npz
      vp3d data check data_3d_h36m.npz cameras.json --subjects S9,S11
    """
    from vp3d_cli import datasets
    from vp3d_cli.datasets.checking import told
    from vp3d_cli.datasets.summary import summary

    checked = datasets.check_files(paths, format, _split(subjects), _split(actions))
    for line in (*checked.failures, *told(checked.findings, None if every else _MOST_ALIKE)):
        click.echo(line)
    if checked.sequences:
        click.echo(summary(checked.sequences))
    faults = len(checked.failures) + len(checked.findings)
    _log.info("%s fault%s", faults or "no", "" if faults == 1 else "s")
    ctx.exit(DataError.exit_code if faults else 0)


@COMMAND.command("prepare")
@_paths
@_out
@_choices
@verbosity
def prepare_data(
    paths: tuple[Path, ...],
    out: Path,
    format: str,
    subjects: str | None,
    actions: str | None,
) -> None:
    """Turn data sets of any known format into one NPZ of ours, and print its path.

    Joints end up in camera axes, one sequence a view; where a data set has no 2D, they are
    projected with the full lens model. Motion capture that no camera saw stays in the world.

    \b
    Examples:
      vp3d data prepare data_3d_h36m.npz data_2d_h36m_gt.npz cameras.json --out h36m.npz
      vp3d data prepare mocap.npz split.csv --subjects 2,5 --out held_out.npz
    """
    from vp3d_cli import datasets

    require_new_names(paths, [out])
    require_writable(out)
    sequences = datasets.read(paths, format, _split(subjects), _split(actions))
    datasets.write(sequences, out)
    click.echo(out)


@COMMAND.command("synthesize")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_out
@click.option(
    "--count",
    type=click.IntRange(1, 1_000_000),
    help="Sequences to make.  [default: `sequences` of [train]]",
)
@click.option(
    "--split",
    default="train",
    show_default=True,
    help="Clips of this split of the motion capture; it becomes the subject's name.",
)
@verbosity
def synthesize_data(config: Path, out: Path, count: int | None, split: str) -> None:
    """Make pairs of 2D and 3D from motion capture with virtual cameras, and print the path.

    CONFIG is the TOML file of `vp3d train`: [data] names the motion capture, [synthesis] what is
    drawn at random, and [train] the length of sequences and the seed. The 2D is in pixels, with a
    detector's faults and scores; the 3D in camera axes; every sequence has its own camera.

    \b
    Examples:
      vp3d data synthesize examples/train_bundled.toml --out made.npz
      vp3d data synthesize my.toml --split heldout --count 200 --out test.npz
    """
    from vp3d_cli import datasets
    from vp3d_cli.train.config import read_train_config
    from vp3d_cli.train.mocap import read_mocap
    from vp3d_cli.train.views import synthesize_sequences

    settings = read_train_config(config)
    require_new_names([config, *settings.data.mocap], [out])
    require_writable(out)
    mocap = read_mocap(settings.data.mocap, settings.data.split, split)
    schedule = settings.train
    made = synthesize_sequences(
        mocap,
        count or schedule.sequences,
        schedule.sequence_length,
        settings.synthesis,
        schedule.seed,
        subject=split,
    )
    datasets.write(made, out)
    click.echo(out)
