"""`vp3d live`: people in 3D while they move."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from vp3d_cli import registry
from vp3d_cli.cli import _console
from vp3d_cli.cli._options import Number, compute_options, frame_size, verbosity
from vp3d_cli.errors import OutputError

if TYPE_CHECKING:
    from vp3d_cli.live.numbers import Numbers
    from vp3d_cli.live.outputs import Output
    from vp3d_cli.live.source import Source


_PAGE = ("127.0.0.1", 8765)


def _place(text: str | None, host: str | None = None) -> tuple[str, int] | None:
    """HOST:PORT; where a host is given, PORT alone will do."""
    if text is None:
        return None
    least = 0 if host else 1  # nobody can be sent anything at 0
    found = re.fullmatch(r"(?:(\[[^\]]+\]|[^:\s]+):)?(\d{1,5})", text)
    if not found or not least <= int(found[2]) <= 65535 or not (found[1] or host):
        wanted = "8765 or 0.0.0.0:8765" if host else "127.0.0.1:9000"
        raise click.BadParameter(f"'{text}' is no place to send to; write {wanted}")
    return (found[1] or str(host)).strip("[]"), int(found[2])


@click.command("live")
@click.argument("source")
@click.option(
    "--page",
    callback=lambda _ctx, _param, text: _place(text, _PAGE[0]),
    metavar="[HOST:]PORT",
    help="Serve a page with the picture and the people in 3D.  "
    f"[default: {_PAGE[0]}:{_PAGE[1]} where no other output is asked for]",
)
@click.option("--jsonl", is_flag=True, help="Write a line of JSON per frame to stdout.")
@click.option(
    "--udp",
    callback=lambda _ctx, _param, text: _place(text),
    metavar="HOST:PORT",
    help="Send each frame as a datagram of JSON; a large one as one per person.",
)
@click.option(
    "--osc",
    callback=lambda _ctx, _param, text: _place(text),
    metavar="HOST:PORT",
    help="Send Open Sound Control: /vp3d/person/ID/joint/NAME x y z, in metres.",
)
@click.option(
    "--seconds", type=Number(min=0, min_open=True), metavar="N", help="End after so many."
)
@click.option("--frames", type=click.IntRange(min=1), metavar="N", help="End after so many.")
@click.option("--loop", is_flag=True, help="A file: begin again at its end.")
@click.option(
    "--every-frame",
    is_flag=True,
    help="A file or a pipe: drop no frame, and take the time that needs.",
)
@click.option(
    "--size",
    callback=lambda _ctx, _param, text: text and frame_size(text),
    metavar="WxH",
    help="A camera: the picture to ask it for.  [default: 1280x720]",
)
@click.option(
    "--give-up",
    "give_up_s",
    type=Number(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="A camera or a stream that broke off is opened again for so long.",
)
@click.option(
    "--max-people",
    type=click.IntRange(min=1),
    metavar="N",
    help="Follow so many at most, the largest first.  [default: as many as the machine manages]",
)
@click.option(
    "--detector",
    type=click.Choice(["auto", *(n for n in registry.names("detect") if n != "precomputed")]),
    default="auto",
    show_default=True,
    help="How people are found; auto is movenet.",
)
@click.option(
    "--detect-size",
    type=click.IntRange(32, 4096),
    metavar="PIXELS",
    help="Size of the picture that the detector sees, see `vp3d infer --help`. Less is faster.",
)
@click.option(
    "--lifter",
    default="auto",
    show_default=True,
    metavar="NAME|PATH",
    help="2D to 3D weights; auto is bundled-causal. Symmetric ones, such as bundled, are more "
    "exact and come later, by a delay that is told.",
)
@click.option(
    "--focal",
    "focal_px",
    type=Number(min=1),
    metavar="PIXELS",
    help="Focal length of the camera.  [default: 0.9 of the picture's longer side]",
)
@click.option(
    "--smooth/--no-smooth", default=True, help="Calm keypoints and joints (One-Euro)  [default]."
)
@compute_options
@verbosity
def COMMAND(  # noqa: N802
    source: str,
    page: tuple[str, int] | None,
    jsonl: bool,
    udp: tuple[str, int] | None,
    osc: tuple[str, int] | None,
    size: tuple[int, int] | None,
    **asked: Any,
) -> None:
    """Find the people in SOURCE while they move, and hand on their 3D joints frame by frame.

    SOURCE is a camera's number (0), an address (rtsp://, http://, udp://), a video file, which is
    played at its own speed, or - for a video that is piped in. Where the machine is behind, frames
    are dropped, so that joints stay current; the share is told. Ctrl-C ends it.

    \b
    Examples:
      vp3d live 0                                     # then open http://127.0.0.1:8765/
      vp3d live rtsp://camera.local/stream --page 0.0.0.0:8765
      vp3d live 0 --jsonl | my_program
      vp3d live 0 --osc 127.0.0.1:9000 --max-people 1
      vp3d live dance.mp4 --loop --udp 127.0.0.1:5005
      ffmpeg -i rtmp://… -c copy -f mpegts - | vp3d live -
    """
    from vp3d_cli.live.loop import LiveOptions, run
    from vp3d_cli.live.source import CAMERA_SIZE, source_of

    watched = source_of(source, size or CAMERA_SIZE)
    _require_fitting(watched, size is not None, asked["loop"], asked["every_frame"])
    options = LiveOptions(**asked)
    outputs = list(_outputs(jsonl, udp, osc, wait=options.every_frame))
    with contextlib.ExitStack() as stack:
        shown = None
        if page or not outputs:
            from vp3d_cli.live.page import Page

            shown = stack.enter_context(Page(*(page or _PAGE), watched.name))
        told = stack.enter_context(_status())
        # Whoever read our lines has gone: that is their way to say that it is enough.
        stack.enter_context(contextlib.suppress(BrokenPipeError))
        run(watched, options, outputs, shown, told)


def _require_fitting(source: Source, sized: bool, loop: bool, every_frame: bool) -> None:
    """Refuse options that do nothing for this kind of source."""
    for asked, option, kinds in (
        (sized, "--size", ("camera",)),
        (loop, "--loop", ("file",)),
        (every_frame, "--every-frame", ("file", "pipe")),
    ):
        if asked and source.kind not in kinds:
            raise click.UsageError(
                f"{option} is for a {' or a '.join(kinds)}, and {source.name} is a {source.kind}; "
                "leave it out"
            )


def _outputs(
    jsonl: bool, udp: tuple[str, int] | None, osc: tuple[str, int] | None, *, wait: bool
) -> Iterator[Output]:
    from vp3d_cli.live.outputs import Datagrams, Lines, Osc

    if jsonl:
        if sys.stdout is None:  # closed by `>&-`
            raise OutputError("--jsonl: stdout is closed; leave it open")
        sys.stdout.flush()
        yield Lines(sys.stdout.fileno(), wait=wait)
    if udp:
        yield Datagrams(*udp)
    if osc:
        yield Osc(*osc)


@contextlib.contextmanager
def _status() -> Iterator[Callable[[Numbers], None] | None]:
    """A line on the terminal that says how it goes; None where nobody watches."""
    quiet = logging.getLogger("vp3d_cli").getEffectiveLevel() > logging.INFO
    if quiet or not _console.console().is_terminal:
        yield None
        return
    from rich.live import Live
    from rich.text import Text

    with Live(console=_console.console(), refresh_per_second=4, transient=True) as line:
        yield lambda numbers: line.update(Text(str(numbers), no_wrap=True, overflow="ellipsis"))
