"""`imgpipe completion`: what a shell needs to complete imgpipe's commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from imgpipe.cli.params import COMPLETE_VARIABLE


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    For bash: eval "$(imgpipe completion bash)".
    """
    shell_class = get_completion_class(shell)
    assert shell_class is not None
    root = context.find_root()
    script = shell_class(root.command, {}, "imgpipe", COMPLETE_VARIABLE).source()
    # click's script for fish cuts each description at its first comma.
    click.echo(script.replace('string split ","', 'string split --max 1 ","'))
