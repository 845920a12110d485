"""`imgpipe report`: a page to look at."""

from __future__ import annotations

from typing import Any

import click

from imgpipe.cli.params import PathName
from imgpipe.errors import Exit
from imgpipe.report.options import MOST_THUMBNAILS, ReportOptions

DEFAULTS = ReportOptions()


@click.command("report")
@click.argument("out", required=False, metavar="[OUT]", type=PathName())
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=PathName(allow_dash=True),
    help="Write the page to FILE, or to standard output (-); by default into OUT/__imgpipe__/report.html.",
)
@click.option(
    "--root",
    metavar="DIR",
    type=PathName(),
    help="Find the images of records that have a file_name in DIR.",
)
@click.option(
    "--log",
    metavar="FILE",
    type=PathName(),
    help="Take the times from FILE, which a stage wrote with --log.",
)
@click.option(
    "--thumbnails",
    type=click.IntRange(0, MOST_THUMBNAILS),
    default=DEFAULTS.thumbnails,
    show_default=True,
    metavar="N",
    help="Pictures on the page at the most.",
)
@click.option("-0", "--null", is_flag=True, help="Input records end with NUL, not LF.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no hints.")
def command(out: str | None, **options: Any) -> Exit:
    """Make a page about the data set OUT: what was placed, what failed and why, how fast, how large, how it looks.

    It is one file that needs no network. Its path is printed. Without OUT, or for -, records on standard
    input are reported on, and the page goes to standard output.
    """
    from imgpipe.report.run import run  # noqa: PLC0415 - after the command line was understood

    wanted = ReportOptions(out=None if out == "-" else out, **options)
    written = run(wanted)
    if written is not None:
        click.echo(written)
    return Exit.OK
