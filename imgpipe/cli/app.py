"""The group of commands, and how each way of ending becomes an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from typing import Final, NoReturn

import click

from imgpipe import console, signals
from imgpipe.cli.params import COMPLETE_VARIABLE
from imgpipe.errors import Exit, ProcessError, safe
from imgpipe.signals import ReaderGone

COMMANDS: Final[dict[str, str]] = {
    "read": "Turn a table into records.",
    "fetch": "Download the images of a list of URLs.",
    "resize": "Resize images.",
    "shard": "Place images in folders or shards.",
    "verify": "Read a data set back and check it.",
    "report": "Make a page about a data set.",
    "spark": "Run the pipe once a part on Spark.",
    "bench": "Compare the modes of fetch, and find how many requests in flight pay.",
    "demo": "Run the whole pipe on embedded pictures.",
    "clean": "Remove abandoned spools.",
    "help": "Show the page of a command.",
    "completion": "Print the completion script of a shell.",
}
"""Every command with its line in the list. Its module `imgpipe.cli.NAME` is imported when it runs."""


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for, so that none pays for another's imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order of the pipe."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"imgpipe.cli.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names.

        Raises:
            click.UsageError: There is none; it names the one that was probably meant.
        """
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 - wanted for a mistake only

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{safe(args[0], 60)}'.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(context: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked:
        from imgpipe.cli import version  # noqa: PLC0415 - no command needs it

        click.echo("\n".join(version.lines()))
        context.exit()


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
    epilog="Pipes to copy: imgpipe help cookbook. On many machines: imgpipe help cluster.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def imgpipe() -> None:
    """Download images by the thousand or the billion, resize them, place them in folders or shards.

    Each command is a filter that passes JSON lines:

    \b
        cut -d, -f2 urls.csv | imgpipe fetch | imgpipe resize --size 256 | imgpipe shard out/
    """  # noqa: D301 - click reads the backspace character as "leave the lines as they are"


def run() -> NoReturn:
    """Run the command line and end the process, by exit code or by signal."""
    console.open_missing_streams()
    sys.exit(_run())


def _run() -> int:
    try:
        if COMPLETE_VARIABLE in os.environ:
            imgpipe.main(prog_name="imgpipe")  # the shell asks for completions; this ends the process
        # Not `main` otherwise: it makes an exit with 1 out of a closed pipe.
        with imgpipe.make_context("imgpipe", sys.argv[1:]) as context:
            code = imgpipe.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else Exit.OK
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.Abort:
        signals.leave_by(signal.SIGINT)
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return Exit.USAGE
    except ProcessError as error:
        console.complain(str(error))
        return error.exit_code
    except (BrokenPipeError, ReaderGone):
        _forget_stdout()
        signals.leave_by(signal.SIGPIPE)
    except KeyboardInterrupt:
        signals.leave_by(signal.SIGINT)
    except OSError as error:
        # What click writes, such as a page of help, may meet a full disk.
        _forget_stdout()
        console.complain(f"{error.filename or 'standard output'}: {error.strerror}")
        return Exit.OUTPUT


def _forget_stdout() -> None:
    # Python would flush standard output once more at its exit, and complain.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.close()
