"""A process of mode processes: takes options, then records, one at a time; gives fields or errors.

It ends when its input does, and removes what it has not finished.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any

import trio

from imgpipe import records
from imgpipe.errors import OutputError, ProcessError, RecordError
from imgpipe.fetch import jobs, urls
from imgpipe.fetch.attempt import Attempt
from imgpipe.fetch.handover import read_options
from imgpipe.fetch.loops import run_loop
from imgpipe.fetch.network import Shared, open_transport
from imgpipe.fetch.options import FetchOptions
from imgpipe.fetch.store import Store
from imgpipe.records import Record
from imgpipe.spool import Spool


def main() -> None:
    """Serve the parent process until it closes our input."""
    # Ctrl-C reaches the whole group: the parent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    options = read_options(0)
    if options is None:
        return
    spool = Spool(options.spool)
    try:
        _hello(spool, options)
        run_loop(partial(_serve, options, spool))
    except OutputError as error:
        _tell({"fatal": str(error)})
    except BrokenPipeError:
        spool.remove()
    finally:
        spool.close()


def _hello(spool: Spool, options: FetchOptions) -> None:
    _tell({} if options.dir is not None else {"folder": spool.folder})


def _tell(answer: Record) -> None:
    data = records.dump(answer)
    while data:
        data = data[os.write(1, data) :]


async def _serve(options: FetchOptions, spool: Spool) -> None:
    shared = Shared(options)
    transport = open_transport(shared, jobs=1)
    attempt = Attempt(options, transport, Store(spool, options.dir), shared.rules)
    send, receive = trio.open_memory_channel[bytes](0)
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            # Our input is a pipe of our own: nobody shares its flags.
            stream = trio.lowlevel.FdStream(os.dup(0))
            pending = b""
            async for chunk in stream:
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    await send.send(line)
            # The parent is gone, or wants no more: what is under way is of no use.
            nursery.cancel_scope.cancel()

        nursery.start_soon(read)
        async for line in receive:
            answer = await _answer(attempt, records.parse(line, "url"))
            try:
                _tell(answer)
            except BrokenPipeError:
                # Here, since the nursery would hand it on in a group.
                spool.remove()
                nursery.cancel_scope.cancel()


async def _answer(attempt: Attempt, record: Record) -> dict[str, Any]:
    try:
        return await attempt(urls.parse(record.get("url")), record)
    except RecordError as error:
        failure = error
    except ProcessError as error:
        return {"fatal": str(error)}
    except Exception as error:  # noqa: BLE001 - a bug takes one record with it, not the process
        failure = jobs.internal(error)
    return {
        "kind": failure.kind,
        "detail": failure.detail,
        "http_status": failure.http_status,
        "retry_after": failure.retry_after,
    }


if __name__ == "__main__":
    main()
