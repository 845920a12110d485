"""The command line. Nothing heavy is imported here: `imgpipe` starts under `xargs -n1` too."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run `imgpipe` with the process's arguments, and exit."""
    if sys.argv[1:] == ["--version"]:
        # Before click is imported: scripts ask for it often.
        _write_version()
        return
    # A Ctrl-C while modules are loaded ends the process there and then; after that commands clean up.
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from imgpipe.cli.app import run  # noqa: PLC0415 - after the quick way out above

    signal.signal(signal.SIGINT, before)
    run()


def _write_version() -> None:
    from imgpipe.cli import version  # noqa: PLC0415 - no command needs it

    try:
        os.write(1, ("\n".join(version.lines()) + "\n").encode())
    except BrokenPipeError:
        os._exit(141)
    except OSError as error:
        os.write(2, f"imgpipe: cannot write to standard output: {error.strerror}\n".encode())
        os._exit(4)
