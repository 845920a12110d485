"""`imgpipe resize`: pictures in, smaller pictures out."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Final

import click

from imgpipe import console
from imgpipe.cli.params import BYTES, COUNT, SECONDS, PathName
from imgpipe.cli.stage import SPOOLED, Common, common_options, grace_option, run_stage
from imgpipe.errors import Exit
from imgpipe.machine import cores
from imgpipe.resize.options import (
    QUALITY,
    READ_FORMATS,
    Filter,
    Fit,
    Format,
    ResizeOptions,
    Size,
)
from imgpipe.resize.run import run
from imgpipe.tally import Tally

_MOST: Final = 65_500
"""Pixels of a side: the most that JPEG takes."""


class SizeParam(click.ParamType[Size]):
    """The size that pictures get: `256`, `640x480`, `640x`, `x480`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        """The sides, one of which may be missing."""
        text = str(value).strip().lower()
        found = re.fullmatch(r"(\d{1,5})|(\d{1,5})?x(\d{1,5})?", text)
        if not found or text == "x":
            self.fail(f"{value!r} is no size; write 256, 640x480, 640x or x480", param, ctx)
        sides = [int(side) if side else None for side in (found[1] or found[2], found[1] or found[3])]
        if any(side is not None and not 1 <= side <= _MOST for side in sides):
            self.fail(f"{value!r} is no size; sides are from 1 to {_MOST} pixels", param, ctx)
        return Size(*sides)


class Colour(click.ParamType[tuple[int, int, int]]):
    """A colour: a name such as `white`, or `#rrggbb`."""

    name = "colour"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int]:
        """Its red, green and blue, 0 to 255."""
        text = str(value).strip().lower()
        found = re.fullmatch(r"#?([0-9a-f]{6})", text)
        digits = found[1] if found else _COLOURS.get(text)
        if digits is None and (short := re.fullmatch(r"#([0-9a-f]{3})", text)):
            digits = "".join(2 * digit for digit in short[1])
        if digits is None:
            self.fail(f"{value!r} is no colour; write {', '.join(_COLOURS)} or #rrggbb", param, ctx)
        red, green, blue = bytes.fromhex(digits)
        return red, green, blue


_COLOURS: Final[dict[str, str]] = {
    "white": "ffffff",
    "black": "000000",
    "grey": "808080",
    "gray": "808080",
    "red": "ff0000",
    "green": "008000",
    "blue": "0000ff",
    "yellow": "ffff00",
    "magenta": "ff00ff",
    "cyan": "00ffff",
}
"""The names of CSS Color 4 that people use for a background."""


class Ratio(click.ParamType[float]):
    """How many times longer than wide: `3`, `2.5`."""

    name = "ratio"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The ratio, at least 1."""
        try:
            ratio = float(value)
        except ValueError:
            ratio = 0.0
        if not math.isfinite(ratio) or ratio < 1:
            self.fail(f"{value!r} is no ratio of the longer to the shorter side; write 3 or 2.5", param, ctx)
        return ratio


class Formats(click.ParamType[frozenset[str] | None]):
    """Formats that are read: `jpeg,png`, `all`, or `+ico` for one more than the usual."""

    name = "formats"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[str] | None:
        """Their names in lower case; None for all."""
        names = [name.strip().lower() for name in str(value).split(",") if name.strip()]
        if names == ["all"]:
            return None
        more = [name[1:] for name in names if name.startswith("+")]
        only = [name for name in names if not name.startswith("+")]
        if not names or any(not re.fullmatch(r"[a-z0-9]+", name) for name in more + only):
            self.fail(f"{value!r} is no list of formats; write jpeg,png or +ico or all", param, ctx)
        chosen = [*(only or READ_FORMATS), *more]
        return frozenset(_ALIASES.get(name, name) for name in chosen)


_ALIASES: Final[dict[str, str]] = {"jpg": "jpeg", "tif": "tiff", "jp2": "jpeg2000"}


def _choice(values: type[Fit | Filter | Format]) -> click.Choice[str]:
    return click.Choice([str(value) for value in values])


@click.command("resize")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "-s",
    "--size",
    type=SizeParam(),
    default="256",
    show_default=True,
    metavar="N|WxH|Wx|xH",
    help="The box that pictures are fitted to, in pixels.",
)
@click.option(
    "--fit",
    type=_choice(Fit),
    default="inside",
    show_default=True,
    help="How they are fitted to it: within, around, cropped, padded, distorted, or not at all.",
)
@click.option(
    "--filter",
    "filter_",
    type=_choice(Filter),
    default="lanczos",
    show_default=True,
    help="How pixels are weighed.",
)
@click.option("--no-enlarge", is_flag=True, help="Never make a picture larger than it is.")
@click.option("--skip-small", is_flag=True, help="Leave out pictures with a side below the size.")
@click.option("--min-side", type=COUNT, metavar="N", help="Leave out pictures with a side below N pixels.")
@click.option("--max-side", type=COUNT, metavar="N", help="Leave out pictures with a side over N pixels.")
@click.option("--max-aspect", type=Ratio(), metavar="R", help="Leave out pictures longer than R to 1.")
@click.option(
    "--max-pixels",
    type=COUNT,
    default="64M",
    show_default=True,
    metavar="N",
    help="Fail pictures with more pixels, before they are decoded.",
)
@click.option(
    "--background",
    type=Colour(),
    default="white",
    show_default=True,
    metavar="COLOUR",
    help="What shows behind transparent parts and beside padded pictures.",
)
@click.option(
    "--format", "format_", type=_choice(Format), default="jpg", show_default=True, help="What is written."
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=QUALITY,
    show_default=True,
    metavar="N",
    help="Of JPEG, WebP and AVIF, 1 to 100.",
)
@click.option(
    "--skip-reencode",
    is_flag=True,
    help="Leave the bytes as they are where nothing but their encoding would change.",
)
@click.option("--exif", is_flag=True, help="Put the EXIF tags into the record.")
@click.option("--keep-icc", is_flag=True, help="Keep the colour profile instead of converting to sRGB.")
@click.option("--keep-truncated", is_flag=True, help="Take what can be decoded of a picture that ends early.")
@click.option(
    "--formats",
    type=Formats(),
    default=",".join(READ_FORMATS),
    show_default=True,
    metavar="LIST",
    help="The formats that are read; +NAME adds one, all takes every one.",
)
@click.option("--blur", metavar="FIELD", help="Blur the boxes [x0, y0, x1, y1] (0 to 1) in this field.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Pictures worked on at a time; by default as many as there are cores.",
)
@click.option(
    "-d",
    "--dir",
    "folder",
    metavar="DIR",
    type=PathName(path_type=Path),
    help="Write into DIR, which keeps the files, instead of the spool.",
)
@click.option("--spool", metavar="DIR", type=PathName(path_type=Path), help="The spool to write to.")
@click.option(
    "--root",
    metavar="DIR",
    type=PathName(path_type=Path),
    help="Where the file_name of a record without path is looked for.",
)
@click.option("--isolate", is_flag=True, help="Decode in processes that may crash or hang without harm.")
@click.option(
    "--timeout",
    type=SECONDS,
    default=30.0,
    show_default=True,
    metavar="S",
    help="Seconds that a picture may take with --isolate.",
)
@click.option(
    "--max-memory",
    type=BYTES,
    default="1G",
    show_default=True,
    metavar="SIZE",
    help="Memory that a picture may take with --isolate.",
)
@grace_option
@common_options
def command(
    common: Common,
    paths: tuple[str, ...],
    filter_: str,
    format_: str,
    fit: str,
    jobs: int | None,
    no_enlarge: bool,
    grace: float,
    **rest: Any,
) -> Exit:
    """Resize images.

    Reads records with a path, or bare paths; writes each with the path of the new file.
    Files of your own are never touched.
    """
    options = ResizeOptions(
        fit=Fit(fit),
        filter=Filter(filter_),
        format=Format(format_),
        enlarge=not no_enlarge,
        jobs=jobs if jobs is not None else cores(),
        ordered=common.ordered,
        **rest,
    )
    return run_stage(
        "resize",
        common,
        lambda source, emit: run(source, emit, options),
        bare="path",
        values=paths,
        grace=grace,
        waits_for="paths of images, or records of imgpipe fetch, one a line",
        after=lambda tally: _afterwards(tally, options),
    )


def _afterwards(tally: Tally, options: ResizeOptions) -> str | None:
    """Where the files are."""
    return SPOOLED if tally.ok and options.folder is None and console.is_last_stage() else None
