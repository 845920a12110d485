"""One of the event loops of `--workers`: mode async over a share of the hosts, as a process.

It takes options, then records as lines, and writes records as lines, like `imgpipe fetch` itself. Its
parent tells it to stop by TERM; it removes its spool when nobody reads it.
"""

from __future__ import annotations

import os
import signal
from typing import Final

from imgpipe import records, signals
from imgpipe.errors import OutputError
from imgpipe.fetch import by_async
from imgpipe.fetch.handover import read_options
from imgpipe.fetch.jobs import STAGE
from imgpipe.signals import Stop
from imgpipe.stream import Emit, Source, read_chunks
from imgpipe.tally import Tally

FATAL: Final = "imgpipe fatal"
"""The only field of a line that says why the worker cannot go on."""


def main() -> None:
    """Serve the parent process until it closes our input or tells us to stop."""
    # Ctrl-C reaches the whole group: the parent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    options = read_options(0)
    if options is None:
        return
    stop = Stop()
    emit = Emit(1, Tally())
    with signals.handled(stop):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        emit.watch.start()
        source = Source(STAGE, "url", read_chunks(0, stop, emit.flush), stop=stop)
        try:
            by_async.run(source, emit, options)
        except OutputError as error:
            os.write(1, records.dump({FATAL: str(error)}))
    if stop.signal is not None:
        signals.leave_by(stop.signal)


if __name__ == "__main__":
    main()
