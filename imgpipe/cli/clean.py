"""`imgpipe clean`: remove what pipes that were killed left in the spool."""

from __future__ import annotations

import time
from pathlib import Path

import click

from imgpipe import console, spool, sweep
from imgpipe.cli.params import SECONDS_OR_ZERO, PathName
from imgpipe.errors import safe

DAY = 86400.0


@click.command("clean")
@click.option(
    "--older-than",
    type=SECONDS_OR_ZERO,
    default=DAY,
    show_default=True,
    metavar="S",
    help="Only folders that did not change for S seconds.",
)
@click.option("--spool", "root", metavar="DIR", type=PathName(path_type=Path), help="The spool to clean.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing.")
def command(older_than: float, root: Path | None, quiet: bool) -> None:
    """Remove abandoned folders from the spool.

    Folders that a running imgpipe writes to are never touched.
    """
    removed = sweep.clean(root if root is not None else spool.default_root(), older_than, time.time())
    if not quiet:
        for folder in removed:
            console.say(f"removed {safe(str(folder))}")
        console.say(f"imgpipe clean: {len(removed)} abandoned folders removed")
