"""`imgpipe shard`: place images in folders or shards."""

from __future__ import annotations

import shlex
from typing import Any

import click

from imgpipe.cli.params import BYTES, COUNT, SECONDS_OR_ZERO, PathName
from imgpipe.cli.stage import Common, common_options, grace_option, run_stage
from imgpipe.errors import Exit, safe
from imgpipe.shard import ShardOptions, run
from imgpipe.shard.columns import parse_columns
from imgpipe.shard.options import DEDUPS, DEFAULT_FOLDER_SIZE, FORMATS, FSYNCS, NAME_FORMATS
from imgpipe.stream import CHUNK


@click.command("shard")
@click.argument("out", type=PathName(file_okay=False))
@click.argument("path", nargs=-1)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="Images as files in folders, in tars for webdataset, or in parquet files.",
)
@click.option(
    "--folder-size",
    type=COUNT,
    default=DEFAULT_FOLDER_SIZE,
    show_default=True,
    metavar="N",
    help="Images a folder or shard.",
)
@click.option(
    "--max-shard-bytes", type=BYTES, metavar="SIZE", help="Bytes a shard at the most.  [default: no limit]"
)
@click.option(
    "--folder-index",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Number of the first folder or shard.",
)
@click.option(
    "--name-format",
    type=click.Choice(NAME_FORMATS),
    default=NAME_FORMATS[0],
    show_default=True,
    help="What images are named by.",
)
@click.option(
    "--columns", metavar="A,B:TYPE", help="The columns beside imgpipe's own.  [default: as the first record]"
)
@click.option("--sidecar", is_flag=True, help="A .json and a .txt beside each image in folders.")
@click.option(
    "--dedup", type=click.Choice(DEDUPS), help="Skip images with a URL or digest that is in OUT already."
)
@click.option(
    "--fsync",
    type=click.Choice(FSYNCS),
    default="shard",
    show_default=True,
    help="What must be on the disk before the run goes on.",
)
@click.option("--part", metavar="NAME", help="Write one part of OUT, complete or to be continued.")
@click.option(
    "--input", type=PathName(), metavar="FILE", help="With --part: the part's whole input, a line a record."
)
@click.option(
    "--wait",
    type=SECONDS_OR_ZERO,
    default=0.0,
    show_default=True,
    metavar="S",
    help="Seconds to wait for another shard on the same OUT or part.",
)
@click.option("--failed", type=PathName(), metavar="FILE", help="Keep failed records in FILE, not in OUT.")
@click.option("--emit", "emits", is_flag=True, help="Write the records to standard output too.")
@grace_option
@common_options
def command(
    common: Common,
    out: str,
    path: tuple[str, ...],
    columns: str | None,
    emits: bool,
    grace: float,
    **options: Any,
) -> Exit:
    """Place images in OUT, with their metadata.

    Reads records or paths of images from standard input, or takes PATHs.
    """
    chosen = ShardOptions(
        out=out, emit=emits, columns=parse_columns(columns) if columns is not None else None, **options
    )
    return run_stage(
        "shard",
        common,
        lambda records, emit: run(records, emit, chosen),
        bare="path",
        values=path,
        grace=grace,
        output=emits,
        gather=CHUNK,
        waits_for="records or paths of images, one a line",
        stopped=_go_on(chosen),
    )


def _go_on(options: ShardOptions) -> str:
    """How to continue a run that was stopped: the same pipe again would place its images twice."""
    if options.part is not None:
        return "stopped; the same command again completes the part"
    out = safe(shlex.quote(options.out))
    return f"stopped; what is placed stays, and the same pipe with imgpipe fetch --resume {out} goes on from there"
