"""`imgpipe read`: a table into records."""

from __future__ import annotations

import csv
from typing import Any

import click

from imgpipe.cli.stage import Common, common_options, run_streams
from imgpipe.errors import Exit
from imgpipe.read.opening import Inputs
from imgpipe.read.options import FORMATS, ReadOptions
from imgpipe.read.run import run
from imgpipe.stream import CHUNK


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them, each quoted as in CSV where it holds one itself."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names; none for an empty text."""
        if isinstance(value, tuple):
            return value
        try:
            row = next(csv.reader([value], skipinitialspace=True, strict=True), [])
        except csv.Error as error:
            self.fail(f"{value!r} is no list of names: {error}", param, ctx)
        return tuple(name for name in row if name)


@click.command("read")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="The form of the tables; auto goes by the suffix, else by the first bytes.",
)
@click.option("--url-col", metavar="NAME", help="The column that becomes url.")
@click.option("--key-col", metavar="NAME", help="The column that becomes key.")
@click.option("--caption-col", metavar="NAME", help="The column that becomes caption.")
@click.option(
    "--columns", type=Names(), metavar="A,B", help="Pass on these columns besides; without it, all."
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Write N records at the most.")
@click.option(
    "--skip",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Leave out the first N rows.",
)
@common_options
def command(common: Common, **options: Any) -> Exit:
    """Turn tables into records.

    Each row of each FILE becomes a record with its url, its key and caption where there are such
    columns, and the other columns. Without FILE, or where it is -, standard input is read.
    """
    wanted = ReadOptions(null=common.null, **options)
    reads_stdin = not wanted.files or "-" in wanted.files
    return run_streams(
        "read",
        common,
        lambda stop, emit: run(Inputs(wanted.files, stop, emit), emit, wanted),
        gather=CHUNK,
        waits_for="a table" if reads_stdin else None,
    )
