"""`imgpipe read`: a table into records."""

from __future__ import annotations

import re
from typing import Any

import click

from imgpipe import console
from imgpipe.cli.params import NAMES, PathName
from imgpipe.cli.stage import Common, common_options, run_streams
from imgpipe.errors import Exit
from imgpipe.parts import MOST_PARTS, PART_BY
from imgpipe.read.balance import Balance
from imgpipe.read.opening import Inputs
from imgpipe.read.options import FORMATS, ReadOptions
from imgpipe.read.run import run
from imgpipe.stream import CHUNK


class Part(click.ParamType[tuple[int, int]]):
    """`I/N`: one of N parts, counted from 1 or from 0; 0 and N are the same one."""

    name = "part"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The part from 0 to N - 1, and N."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", value.strip())
        part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= parts <= MOST_PARTS or part > parts:
            self.fail(f"{value!r} is no part; write 3/8, with at most {MOST_PARTS} parts", param, ctx)
        return part % parts, parts


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
@click.option("--columns", type=NAMES, metavar="A,B", help="Pass on these columns besides; without it, all.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Write N records at the most.")
@click.option(
    "--skip",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Leave out the first N rows.",
)
@click.option("--part", type=Part(), metavar="I/N", help="Write only the I-th of N parts.")
@click.option(
    "--part-by",
    type=click.Choice(PART_BY),
    default=PART_BY[0],
    show_default=True,
    help="What stays together: all URLs of a host, or nothing, for even parts.",
)
@click.option(
    "--parts", type=click.IntRange(1, MOST_PARTS), metavar="N", help="Write all N parts into --into."
)
@click.option("--into", type=PathName(), metavar="DIR", help="The folder for the files of --parts.")
@common_options
def command(common: Common, **options: Any) -> Exit:
    """Turn tables into records.

    Each row of each FILE becomes a record with its url, its key and caption where there are such
    columns, and the other columns. Without FILE, or where it is -, standard input is read.
    """
    wanted = ReadOptions(null=common.null, **options)
    if (wanted.parts is None) != (wanted.into is None):
        raise click.UsageError("--parts N and --into DIR go together")
    if wanted.part is not None and wanted.parts is not None:
        raise click.UsageError("--part writes one part, --parts all of them; give one of the two")
    parts = wanted.parts or (wanted.part[1] if wanted.part else 0)
    balance = Balance(parts) if parts else None
    reads_stdin = not wanted.files or "-" in wanted.files
    code = run_streams(
        "read",
        common,
        lambda stop, emit: run(Inputs(wanted.files, stop, emit), emit, wanted, balance),
        output=wanted.into is None,
        gather=CHUNK,
        waits_for="a table" if reads_stdin else None,
    )
    if balance is not None and not common.quiet:
        told = balance.of_part(wanted.part[0]) if wanted.part else balance.of_all()
        console.say(f"imgpipe read: {told}")
    return code
