"""Options and parameter types that several commands share."""

from __future__ import annotations

import contextlib
import logging
import math
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import click

from vp3d_cli import registry
from vp3d_cli.cli import _console
from vp3d_cli.cores import limit_threads
from vp3d_cli.errors import OutputError
from vp3d_cli.options import PARTS, QUALITIES

F = TypeVar("F", bound=Callable[..., Any])
# Below DEBUG: also print tracebacks of expected errors.
TRACE = 5
_MAX_FPS = 1000
_HEIGHTS_M = (0.4, 2.5)


def timestamp(text: str) -> float:
    """Seconds, or [hours:]minutes:seconds."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text):
        raise click.BadParameter(f"'{text}' is not a time; write seconds (12.5) or 1:02:03.5")
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


class VideoFile(click.Path):
    """A file that exists, or numbered images such as frames/%04d.png."""

    name = "video"

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if re.search(r"%\d*d", str(value)) and Path(value).parent.is_dir():
            return Path(value)
        return super().convert(value, param, ctx)


def verbosity(command: F) -> F:
    """Add -q and -v, which set up logging before the command runs."""

    def set_up(ctx: click.Context, param: click.Parameter, value: int) -> None:
        counts = ctx.meta.setdefault("vp3d.verbosity", {})
        counts[param.name] = int(value)
        if len(counts) == 2:
            if counts["quiet"]:
                level = logging.ERROR
            else:
                level = {0: logging.INFO, 1: logging.DEBUG}.get(counts["verbose"], TRACE)
            _console.configure(level)

    quiet = click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=set_up, help="Only errors."
    )
    verbose = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=set_up,
        help="More details; -vv also shows where an error comes from.",
    )
    return quiet(verbose(command))


def require_writable(*outputs: Path | None) -> None:
    """Fail before hours of work, not after.

    Raises:
        OutputError: an output is a folder, or its folder is missing or not writable.
    """
    from vp3d_cli.files import written_whole

    class ProbeError(Exception): ...

    for output in outputs:
        if output is not None:
            with contextlib.suppress(ProbeError), written_whole(output):
                raise ProbeError


def require_new_names(inputs: Iterable[Path | None], outputs: Iterable[Path | None]) -> None:
    """Refuse to write over an input, or two outputs to one file.

    Raises:
        OutputError: they are the same file.
    """
    taken = {path.resolve() for path in inputs if path}
    for output in outputs:
        if output is None:
            continue
        if output.resolve() in taken:
            raise OutputError(f"{output}: is an input or another output; give another name")
        taken.add(output.resolve())


class Number(click.FloatRange):
    """A number in a range; unlike FloatRange, neither NaN nor infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"'{value}' is not a number", param, ctx)
        return number


def frame_size(text: str) -> tuple[int, int]:
    """Width and height in pixels, as in 1280x720."""
    if not re.fullmatch(r"[1-9]\d{0,4}[xX×][1-9]\d{0,4}", text):
        raise click.BadParameter(f"'{text}' is not a size; write width and height as in 1280x720")
    width, height = re.split("[xX×]", text)
    return int(width), int(height)


def frame_rate(text: str) -> Fraction:
    """Frames a second: 25, 29.97, 30000/1001."""
    found = re.fullmatch(r"(\d{1,4}(\.\d{1,6})?)|(\d{1,9})/([1-9]\d{0,8})", text)
    rate = Fraction(text) if found else Fraction(0)
    if not 0 < rate <= _MAX_FPS:
        raise click.BadParameter(f"'{text}' is no frame rate; write 25, 29.97 or 30000/1001")
    return rate


def body_height(text: str) -> tuple[int | None, float]:
    """How tall everybody is, or one person: 1.82, 2:1.65."""
    found = re.fullmatch(r"(?:([1-9]\d{0,5}):)?(\d(?:\.\d{1,3})?)m?", text)
    height = float(found[2]) if found else 0.0
    if found is None or not _HEIGHTS_M[0] <= height <= _HEIGHTS_M[1]:
        raise click.BadParameter(f"'{text}' is no height; write metres, 1.82, or 2:1.65 for one")
    return (int(found[1]) if found[1] else None), height


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in the order of the help."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def detector_option(*names: str) -> Callable[[F], F]:
    """--detector, one of `names` or auto."""
    return click.option(
        "--detector",
        type=click.Choice(["auto", *names]),
        default="auto",
        show_default=True,
        help="How people are found; auto takes Mask R-CNN where its weights are fetched, else "
        "movenet.",
    )


def _limit(_ctx: click.Context, _param: click.Parameter, threads: int | None) -> None:
    if threads is not None:
        limit_threads(threads)


compute_options = together(
    click.option(
        "--device",
        default="cpu",
        show_default=True,
        help="Where the networks run: cpu, cuda, cuda:1. movenet runs on the CPU only.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1, 1024),
        metavar="N",
        expose_value=False,
        is_eager=True,
        callback=_limit,
        help="Threads that compute, at most.  [default: one for each core]",
    ),
)

less_work_options = together(
    click.option(
        "--detect-size",
        type=click.IntRange(32, 4096),
        metavar="PIXELS",
        help="Size of the picture that the detector sees: the shorter side for Mask R-CNN "
        "[default: 800], the longer one for movenet [default: 384]. Less is faster.",
    ),
    click.option(
        "--detect-every",
        type=click.IntRange(1, 1000),
        default=1,
        show_default=True,
        metavar="N",
        help="Look for people in every Nth frame; those in between are filled in.",
    ),
    click.option(
        "--quality",
        type=click.Choice(QUALITIES),
        help="How thoroughly people are looked for. best: all of them in every frame; balanced: a "
        "few times a second, and followed in between (movenet: 1.3 times as fast, error +0.5 %); "
        "fast: that, in every second frame (2.2 times, +1.2 %).  [default: balanced for movenet, "
        "best for Mask R-CNN]",
    ),
    click.option("--half", is_flag=True, help="keypoint-rcnn: half precision, on a GPU."),
    click.option(
        "--hwaccel",
        metavar="NAME",
        help="Let hardware decode the video: a name that `ffmpeg -hwaccels` prints, or auto for "
        "one that works, if any.",
    ),
)

span_options = together(
    click.option(
        "--start", "start_s", type=timestamp, metavar="TIME", help="Begin here: seconds, or 1:02.5."
    ),
    click.option("--end", "end_s", type=timestamp, metavar="TIME", help="Stop before this time."),
)

lifting_options = together(
    click.option(
        "--lifter",
        default="auto",
        show_default=True,
        metavar="NAME|PATH",
        help="2D to 3D weights: auto, a name of `vp3d weights list`, or a file (ours, or in "
        "VideoPose3D's layout).",
    ),
    click.option(
        "--lift-runtime",
        type=click.Choice(registry.names("lift.runtimes")),
        default="torch",
        show_default=True,
        help="What the lifter runs on. onnx gives the same joints on the CPU without loading "
        "PyTorch; it needs vp3d[onnx].",
    ),
    click.option(
        "--skeleton-in",
        type=click.Choice(["coco17", "h36m17"]),
        help="2D skeleton of a --lifter file in VideoPose3D's layout, which cannot say.",
    ),
    click.option(
        "--causal/--symmetric",
        default=None,
        help="Kind of a --lifter file in VideoPose3D's layout.",
    ),
    click.option(
        "--person", default="all", show_default=True, help="all, largest, or a person's id."
    ),
    click.option(
        "--max-gap",
        "max_gap_s",
        type=Number(min=0),
        metavar="SECONDS",
        help="Fill gaps in a person's detections up to this long; split at longer ones.  "
        "[default: 0.5]",
    ),
    click.option(
        "--focal",
        "focal_px",
        type=Number(min=1),
        metavar="PIXELS",
        help="Focal length of the camera.  [default: as the file says, else 0.9 of the frame's "
        "longer side]",
    ),
    click.option(
        "--real-fps",
        type=Number(min=0.1),
        metavar="RATE",
        help="How many frames a second were taken, of slow motion: 240. [default: as shown]",
    ),
    click.option(
        "--height",
        "heights",
        multiple=True,
        callback=lambda _ctx, _param, given: tuple(body_height(text) for text in given),
        metavar="[ID:]METRES",
        help="How tall people are, or one of them: 1.82, 2:1.65. Sizes and distances follow.",
    ),
    click.option(
        "--smooth",
        "smooth_hz",
        type=Number(min=0.1, max=100),
        default=6.0,
        show_default=True,
        metavar="HZ",
        help="What moves faster is taken for noise, in 2D and 3D; no lag. Raw joints are kept too.",
    ),
    click.option("--foot-lock", is_flag=True, help="Bend legs so that feet stay where they stand."),
    click.option(
        "--without",
        multiple=True,
        type=click.Choice(PARTS),
        metavar="PART",
        help=f"Leave out a part of the refinement; may be repeated: {', '.join(PARTS)}.",
    ),
    click.option(
        "--faithful",
        is_flag=True,
        help="VideoPose3D's own pipeline, number for number: one person, the best box of each "
        "frame, no tracking. Needs Mask R-CNN or 2D from a file, and VideoPose3D's weights.",
    ),
)

export_option = click.option(
    "--export",
    "formats",
    type=click.Choice([name for name in registry.names("export") if name != "npz"]),
    multiple=True,
    metavar="FORMAT",
    help="Also write the poses in another format beside it; may be repeated. "
    "`vp3d export --help` lists them.",
)

result_options = together(
    click.option("--json", "as_json", is_flag=True, help="Also write the poses as JSON beside it."),
    export_option,
    click.option(
        "--render",
        type=click.Path(path_type=Path),
        metavar="MP4",
        help="Also write a video with the skeletons and a 3D view.",
    ),
    click.option(
        "--people",
        type=click.Path(path_type=Path),
        metavar="PNG",
        help="Also write a picture that shows who has which id, for --person.",
    ),
)
