"""`imgpipe help`: the page of a command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

import click

from imgpipe.errors import UsageError

TOPICS: Final = {"record": 5, "cluster": 7, "cookbook": 7}
"""Pages that are of no command, with their sections."""


def page_of(name: str) -> Path | None:
    """Where the page of a command or topic (`""`: of imgpipe itself) is installed; None where it is not.

    The path is asked for, not `man`: it finds the page only where the environment is activated.
    """
    section = TOPICS.get(name, 1)
    page = f"imgpipe-{name}.{section}" if name else "imgpipe.1"
    installed = Path(sysconfig.get_path("data"), "share", "man", f"man{section}", page)
    checkout = Path(__file__).parents[2] / "man" / page
    return next((path for path in (installed, checkout) if path.is_file()), None)


@click.command("help")
@click.argument("name", metavar="[CMD]", required=False, default="")
@click.pass_context
def command(context: click.Context, name: str) -> int:
    """Show the manual page of imgpipe or of one of its commands.

    Where standard output is no terminal, or there is no man, the text of --help. Other pages: record
    (the fields and the kinds of failure), cluster (many machines), cookbook (pipes to copy).
    """
    root = context.find_root()
    group = root.command
    assert isinstance(group, click.Group)
    names = [*group.list_commands(root), *TOPICS]
    if name and name not in names:
        raise UsageError(f"there is no page {name!r}; there are {', '.join(names)}")
    page = page_of(name)
    has_man = shutil.which("man") is not None
    if name in TOPICS and (page is None or not has_man):
        raise UsageError(f"there is no man to show it; the page is {page or 'not installed'}")
    if page is not None and has_man and (name in TOPICS or os.isatty(1)):
        return subprocess.run(["man", str(page)], check=False).returncode
    click.echo(_help_text(root, group, name))
    sys.stdout.flush()
    return 0


def _help_text(root: click.Context, group: click.Group, name: str) -> str:
    found = group.get_command(root, name) if name else None
    if found is None:
        return root.get_help()
    return found.get_help(click.Context(found, parent=root, info_name=name))
