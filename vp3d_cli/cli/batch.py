"""`vp3d batch`: many videos, unattended."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vp3d_cli import registry
from vp3d_cli.cli._options import (
    Number,
    detector_option,
    export_option,
    less_work_options,
    lifting_options,
    span_options,
    together,
    verbosity,
)
from vp3d_cli.errors import OutputError

if TYPE_CHECKING:
    from vp3d_cli.batch import Layout, LocalWorkers, RayWorkers, Report, Setup, Wishes

_log = logging.getLogger("vp3d_cli.cli")


class _Out(click.Path):
    """A folder, absolute, or a URL."""

    def convert(self, value: Any, *at: Any) -> Any:
        if isinstance(value, str) and re.match(r"[A-Za-z][\w+.-]+:(:|//)", value):
            return value
        path: Any = super().convert(value, *at)
        return Path.cwd() / path


_what_options = together(
    click.option(
        "--list",
        "lists",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        metavar="FILE",
        help="A text file with a video, folder or pattern on each line; may be repeated.",
    ),
    click.option(
        "-o",
        "--out",
        type=_Out(file_okay=False, path_type=Path),
        required=True,
        metavar="FOLDER|URL",
        help="Folder of the results, made where it is not there; or a URL such as s3://BUCKET/NAME.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Also write the poses as JSON."),
    export_option,
    click.option("--render", is_flag=True, help="Also draw each video: NAME.overlay.mp4."),
)

_how_options = together(
    click.option(
        "--workers",
        type=click.IntRange(1, 256),
        metavar="N",
        help="Processes at once; the cores are divided between them.  [default: one per GPU, or "
        "per 4 cores; on a cluster as many as it has room for]",
    ),
    click.option(
        "--ray",
        "cluster",
        metavar="ADDRESS",
        help="Work on a Ray cluster: HOST:PORT of its head, auto for that of this machine, local "
        "to start one. Its nodes need the same vp3d and the same paths to videos and --out.",
    ),
    click.option(
        "--device",
        "devices",
        default="cpu",
        show_default=True,
        help="Where the networks run: cpu, cuda, or several that the workers share out: "
        "cuda:0,cuda:1.",
    ),
    click.option("--dry-run", is_flag=True, help="Only say what would be done."),
    click.option(
        "--retry-failed", is_flag=True, help="Try those again that failed in an earlier run."
    ),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Do N videos at most."),
    click.option(
        "--shuffle", type=click.IntRange(0), metavar="SEED", help="In a random order, by this seed."
    ),
    click.option(
        "--split-minutes",
        type=Number(min=0, min_open=True),
        metavar="M",
        help="Find people in parts of M minutes of one video at once; the result is the same.",
    ),
    click.option(
        "--stall-timeout",
        "stall_s",
        type=Number(min=1),
        default=600,
        show_default=True,
        metavar="SECONDS",
        help="Give up a video that makes no progress for so long.",
    ),
)


@click.command("batch")
@click.argument("inputs", nargs=-1, metavar="FOLDER|VIDEO|PATTERN...")
@_what_options
@_how_options
@detector_option(*(name for name in registry.names("detect") if name != "precomputed"))
@span_options
@less_work_options
@lifting_options
@verbosity
@click.pass_context
def COMMAND(ctx: click.Context, /, **asked: Any) -> None:  # noqa: N802
    """Do as `vp3d infer` for every video in folders, with all below them.

    What is done is skipped: the same content, options and weights. Options that changed redo
    only what they touch; people are not looked for again to lift or draw them otherwise. What
    was interrupted goes on where it was. Results lie in --out as the videos lie in their folder;
    report.json and report.csv there say how each went. The exit code is that of the first failure.

    \b
    Examples:
      vp3d batch clips/ --out results/
      vp3d batch "clips/**/*_front.mp4" --out results/ --render --workers 4
      vp3d batch --list clips.txt --out results/ --device cuda:0,cuda:1
      vp3d batch /shared/clips/ --out s3://bucket/results --ray 10.0.0.1:6379
    """
    ctx.exit(_run(**asked))


def _run(
    inputs: tuple[str, ...],
    lists: tuple[Path, ...],
    out: Path | str,
    as_json: bool,
    formats: tuple[str, ...],
    render: bool,
    workers: int | None,
    cluster: str | None,
    devices: str,
    dry_run: bool,
    retry_failed: bool,
    limit: int | None,
    shuffle: int | None,
    split_minutes: float | None,
    stall_s: float,
    **asked: Any,
) -> int:
    from vp3d_cli import export
    from vp3d_cli.batch import LocalWorkers, RayWorkers, Setup, Wishes
    from vp3d_cli.batch.local import CORES_EACH
    from vp3d_cli.cores import granted_cores
    from vp3d_cli.options import Options

    names = _devices(devices)
    options = Options(device=names[0] if len(names) == 1 else "cuda", **asked)
    span_s = None if split_minutes is None else 60 * split_minutes
    for name in formats:
        export.require(name)
    setup = Setup(options, out, as_json, render, span_s, formats)
    wishes = Wishes(retry_failed, limit, shuffle, dry_run)
    if cluster is not None:
        _require_for_ray(cluster, devices)
        there = RayWorkers(setup, cluster, workers, stall_s)
        return _carried_out(inputs, lists, setup, wishes, there)
    several = names if len(names) > 1 else ()
    number = workers or (len(names) if names != ("cpu",) else max(1, granted_cores() // CORES_EACH))
    local = LocalWorkers(setup, number, several, stall_s)
    return _carried_out(inputs, lists, setup, wishes, local)


def _carried_out(
    inputs: tuple[str, ...],
    lists: tuple[Path, ...],
    setup: Setup,
    wishes: Wishes,
    workers: LocalWorkers | RayWorkers,
) -> int:
    """Plan, run and report; the exit code."""
    from vp3d_cli.batch import Report, locked, make_plan, opened, run
    from vp3d_cli.batch.values import shown
    from vp3d_cli.cli._batch_watch import Watch

    if not inputs and not lists:
        raise click.UsageError("give folders, videos or patterns, or --list FILE")
    if setup.span_s is not None:
        from vp3d_cli.pipeline.splitting import require_splittable

        require_splittable(setup.options)
    root = setup.root
    plan = make_plan(
        inputs, lists, Path(root.removeprefix("file://") if isinstance(root, str) else root)
    )
    if not plan:
        raise click.UsageError("there are no videos; folders are searched with all below them")
    report, watch = Report.of(plan), Watch()
    with contextlib.ExitStack() as held:
        layout = held.enter_context(opened(setup.root))
        if not wishes.dry:
            layout.make()
            if isinstance(setup.root, Path):
                held.enter_context(locked(layout))
            held.callback(_finish, report, layout, time.monotonic())
        held.enter_context(workers)
        held.enter_context(watch.shown_live())
        todo = run(report, setup, workers, wishes, watch)
    if wishes.dry:
        for entry in todo:
            click.echo(shown(entry.task.source))
        return 0
    click.echo(layout.called(layout.root / "report.json"))
    return report.exit_code


def _finish(report: Report, layout: Layout, started_s: float) -> None:
    """Say how it went, also after Ctrl-C."""
    from vp3d_cli.batch.report import REPORTS
    from vp3d_cli.cli._batch_watch import summarise

    report.seconds = time.monotonic() - started_s
    summarise(report)
    try:
        report.write(layout.root)
        for name in REPORTS:
            layout.keep(layout.root / name)
    except OutputError as error:
        _log.error("%s", error)


def _devices(text: str) -> tuple[str, ...]:
    """The devices of a list such as cuda:0,cuda:1."""
    names = tuple(name.strip() for name in text.split(","))
    several = len(names) > 1
    if not all(re.fullmatch(r"cuda:\d+" if several else r"cpu|cuda(:\d+)?", n) for n in names):
        raise click.BadParameter(
            f"'{text}': expected cpu, cuda, cuda:1, or GPUs such as cuda:0,cuda:1"
        )
    return names


def _require_for_ray(address: str, devices: str) -> None:
    if not re.fullmatch(r"local|auto|[^/\s]+:\d+", address):
        raise click.BadParameter(f"'{address}': expected local, auto, or HOST:PORT of the head")
    if devices not in ("cpu", "cuda"):
        raise click.UsageError("with --ray say --device cuda; Ray gives each worker its GPU")
