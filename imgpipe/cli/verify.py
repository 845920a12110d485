"""`imgpipe verify`: read a data set back and check it."""

from __future__ import annotations

import click

from imgpipe.cli.params import COUNT, PathName
from imgpipe.cli.stage import Common, run_streams
from imgpipe.errors import Exit
from imgpipe.machine import cores
from imgpipe.verify.options import VerifyOptions


@click.command("verify")
@click.argument("out", type=PathName(file_okay=False))
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Images decoded at a time; by default as many as there are cores.",
)
@click.option("--parts", type=COUNT, metavar="N", help="How many parts OUT should have.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
@click.option("-v", "--verbose", is_flag=True, help="A summary even where another program reads the faults.")
@click.option("--log", metavar="FILE", type=PathName(dir_okay=False), help="Append a line a fault to FILE.")
def command(
    out: str, jobs: int | None, parts: int | None, quiet: bool, verbose: bool, log: str | None
) -> Exit:
    """Read the data set OUT back, and write a record for each fault.

    Exits 3 if there is any.
    """
    from imgpipe.verify.run import run  # noqa: PLC0415 - loads Pillow, which --help does not need

    options = VerifyOptions(out=out, jobs=jobs or cores(), parts=parts)
    common = Common(quiet=quiet, verbose=verbose, log=log, fail=True, ordered=True, null=False)
    return run_streams("verify", common, lambda stop, emit: run(stop, emit, options), waits_for=None)
