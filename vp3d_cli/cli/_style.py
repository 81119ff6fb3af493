"""The options of `vp3d render` that say how a picture looks."""

from __future__ import annotations

import re
from typing import Any

import click

from vp3d_cli.cli._options import Number, frame_rate, frame_size, span_options, together
from vp3d_cli.errors import OptionsError
from vp3d_cli.render.style import (
    LAYOUTS,
    OVERLAY,
    PALETTES,
    SIDE_BY_SIDE,
    THEMES,
    Style,
    theme_named,
)
from vp3d_cli.video.formats import CODECS


def _picture_size(text: str) -> tuple[int | None, int]:
    """1920x1080, or the height alone."""
    if re.fullmatch(r"[1-9]\d{0,4}", text):
        return None, int(text)
    return frame_size(text)


style_options = together(
    click.option(
        "--layout",
        type=click.Choice(LAYOUTS),
        help=f"{SIDE_BY_SIDE} [default]: the video beside each person in 3D; overlay: only the "
        "video; 3d: everybody where they stand in one room; grid: only 3D, one panel a person.",
    ),
    click.option(
        "--size",
        "--height",
        type=_picture_size,
        metavar="WxH|HEIGHT",
        help="Pixels of the picture  [default: the video's for overlay, else 720 high at most].",
    ),
    click.option("--theme", type=click.Choice(list(THEMES)), default="dark", show_default=True),
    click.option(
        "--palette",
        type=click.Choice(PALETTES),
        default=PALETTES[0],
        show_default=True,
        help="Both tell left from right for colour-blind eyes; colour-blind also in grey, and "
        "with people's colours of Okabe and Ito.",
    ),
    click.option("--title", default="", metavar="TEXT", help="A line over the picture."),
    click.option(
        "--angles",
        is_flag=True,
        help="Write the angles of knees, elbows, shoulders and hips beside them, degrees: 0 is "
        "straight, and an arm that hangs.",
    ),
    click.option(
        "--trail",
        "trail_s",
        type=Number(min=0),
        default=0,
        metavar="SECONDS",
        help="Show the way of hands, feet and hip in 3D for so long.",
    ),
    click.option(
        "--orbit",
        "orbit_deg_s",
        type=Number(min=-3600, max=3600),
        default=0,
        metavar="DEGREES",
        help="Walk around in 3D, so many degrees a second.",
    ),
)

timing_options = together(
    click.option("--fps", type=frame_rate, help="Pictures a second  [default: as the video]."),
    click.option(
        "--slow",
        type=Number(min=0, min_open=True),
        default=1,
        metavar="TIMES",
        help="Slow motion: 4 lasts four times as long. Without sound.",
    ),
    click.option(
        "--codec",
        type=click.Choice(CODECS),
        help="[default: H.264 in .mp4, .mov and .mkv, VP9 in .webm]",
    ),
    click.option(
        "--transparent",
        is_flag=True,
        help="Nothing but the skeletons, with alpha: .webm, .mov (ProRes 4444) or PNGs.",
    ),
    span_options,
)


def style_of(options: dict[str, Any]) -> Style:
    """The style that the options of both groups ask for.

    Raises:
        OptionsError: they contradict each other.
    """
    layout, theme, palette = (options.pop(name) for name in ("layout", "theme", "palette"))
    if options["transparent"] and layout not in (None, OVERLAY):
        raise OptionsError(
            f"--transparent is the skeletons alone, and goes with --layout {OVERLAY}, not {layout}"
        )
    usual = OVERLAY if options["transparent"] else SIDE_BY_SIDE
    return Style(layout=layout or usual, theme=theme_named(theme, palette), **options)
