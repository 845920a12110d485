"""`imgpipe bench`: the modes of fetch compared, and how many requests in flight pay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from imgpipe import console, records
from imgpipe.bench import plot as plotting
from imgpipe.bench import report
from imgpipe.bench.compare import compare
from imgpipe.bench.options import MODES, BenchOptions
from imgpipe.bench.pictures import LEAST_SIZE
from imgpipe.cli.params import BYTES, COUNT, SECONDS, SECONDS_OR_ZERO, Counts, PathName

DEFAULTS = BenchOptions()


@click.command("bench")
@click.argument("file", required=False, metavar="[FILE]")
@click.option(
    "--mode",
    "modes",
    type=click.Choice(MODES),
    multiple=True,
    help="A mode to measure, again for further ones; without it, all four.",
)
@click.option(
    "-n",
    "--count",
    type=COUNT,
    default=DEFAULTS.count,
    show_default=True,
    metavar="N",
    help="Images that each mode fetches at the most.",
)
@click.option(
    "--seconds",
    type=SECONDS,
    default=DEFAULTS.seconds,
    show_default=True,
    metavar="S",
    help="Stop a mode after S seconds; what it has done counts.",
)
@click.option(
    "--latency",
    type=SECONDS_OR_ZERO,
    default=DEFAULTS.latency,
    show_default=True,
    metavar="S",
    help="Seconds before each answer of the embedded server.",
)
@click.option(
    "--size",
    type=BYTES,
    default=DEFAULTS.size,
    show_default=True,
    metavar="SIZE",
    help="Bytes of each image of the embedded server.",
)
@click.option(
    "-j",
    "--concurrency",
    type=Counts(4096),
    metavar="N[,N...]|N-N",
    help="Requests in flight, without it the mode's own; several, or a range in doublings, make a sweep.",
)
@click.option(
    "--spool", type=PathName(path_type=Path), metavar="DIR", help="Where images wait to be counted."
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object instead of a table.")
@click.option(
    "--plot", type=PathName(path_type=Path), metavar="FILE", help="Draw the result: .png, .svg or .pdf."
)
@click.option("-q", "--quiet", is_flag=True, help="Do not tell what is measured now.")
def command(
    modes: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    concurrency: tuple[int, ...] | None,
    **options: Any,
) -> None:
    """Compare the modes of fetch, or find how many requests in flight pay.

    Each mode fetches the same images from an embedded server, or those of FILE: a list of URLs or
    records, - for standard input. With -j 8-256 one mode (async) is measured at 8, 16, 32 ... 256
    requests in flight, and the least that comes near the best rate is told.
    """
    numbers = concurrency or ()
    usual = ("async",) if len(numbers) > 1 else MODES
    wanted = BenchOptions(modes=tuple(dict.fromkeys(modes)) or usual, concurrency=numbers, **options)
    if wanted.is_sweep and "loop" in wanted.modes:
        raise click.UsageError("mode loop has one request in flight; give -j several for the other modes")
    if wanted.file is None and wanted.size < LEAST_SIZE:
        raise click.BadParameter(f"the smallest image has {LEAST_SIZE} bytes", param_hint="--size")
    if wanted.plot is not None:
        plotting.check(wanted.plot)
    found = list(compare(wanted, (lambda _: None) if quiet else _tell))
    if as_json:
        text = records.dump(report.as_object(found, wanted)).decode()
    else:
        lines = [report.title(wanted), "", *report.table(found), *report.notes(found)]
        text = "\n".join(lines) + "\n"
    click.echo(text, nl=False)
    if wanted.plot is not None:
        plotting.draw(found, report.title(wanted), wanted.plot)


def _tell(what: str) -> None:
    console.say(f"imgpipe bench: {what}")
