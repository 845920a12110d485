"""`imgpipe demo`: the whole pipe on the embedded pictures."""

from __future__ import annotations

from pathlib import Path

import click

from imgpipe.bench.demo import demo
from imgpipe.bench.options import DemoOptions
from imgpipe.cli.params import PathName

DEFAULTS = DemoOptions()


@click.command("demo")
@click.argument("out", required=False, metavar="[OUT]", type=PathName(path_type=Path))
@click.option(
    "--size",
    type=click.IntRange(16, 4096),
    default=DEFAULTS.size,
    show_default=True,
    metavar="N",
    help="Pixels of the longer side of each picture.",
)
def command(out: Path | None, size: int) -> None:
    """Run the whole pipe on embedded pictures, some of them broken on purpose.

    It prints the line that the shell runs, fills the folder OUT by it, and draws a contact sheet.
    Without OUT it makes a folder imgpipe-demo, or imgpipe-demo-2 and so on, in the current one.
    """
    demo(DemoOptions(out=out, size=size), click.echo)
