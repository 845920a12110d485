"""`imgpipe help`: the page of a command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import click

from imgpipe.errors import UsageError


def page_of(name: str) -> Path | None:
    """Where the page of a command (`""`: of imgpipe itself) is installed; None where it is not.

    The path is asked for, not `man`: it finds the page only where the environment is activated.
    """
    page = f"imgpipe-{name}.1" if name else "imgpipe.1"
    installed = Path(sysconfig.get_path("data"), "share", "man", "man1", page)
    checkout = Path(__file__).parents[2] / "man" / page
    return next((path for path in (installed, checkout) if path.is_file()), None)


@click.command("help")
@click.argument("name", metavar="[CMD]", required=False, default="")
@click.pass_context
def command(context: click.Context, name: str) -> int:
    """Show the manual page of imgpipe or of one of its commands.

    Where standard output is no terminal, or there is no man, the text of --help.
    """
    root = context.find_root()
    group = root.command
    assert isinstance(group, click.Group)
    if name and name not in (names := group.list_commands(root)):
        raise UsageError(f"there is no command {name!r}; there are {', '.join(names)}")
    page = page_of(name)
    if page is not None and os.isatty(1) and shutil.which("man"):
        return subprocess.run(["man", str(page)], check=False).returncode
    click.echo(_help_text(root, group, name))
    sys.stdout.flush()
    return 0


def _help_text(root: click.Context, group: click.Group, name: str) -> str:
    found = group.get_command(root, name) if name else None
    if found is None:
        return root.get_help()
    return found.get_help(click.Context(found, parent=root, info_name=name))
