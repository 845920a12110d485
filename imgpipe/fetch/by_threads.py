"""Mode threads: as many threads as records in flight, each with its own connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from imgpipe.fetch.attempt import Attempt
from imgpipe.fetch.crew import Crew, Tools, Try
from imgpipe.fetch.jobs import Job
from imgpipe.fetch.network import Shared, open_transport
from imgpipe.fetch.options import FetchOptions
from imgpipe.fetch.store import Store
from imgpipe.spool import Spool
from imgpipe.stream import Emit, Source
from imgpipe.tally import Tally


def run(records: Source, emit: Emit, options: FetchOptions) -> Tally:
    """Fetch the records, `options.concurrency` at a time."""
    spool = Spool(options.spool)
    emit.watch.at_end(spool.remove)
    try:
        Crew(records, emit, options, own_network(options, Store(spool, options.dir))).run()
    finally:
        spool.close()
    return emit.tally


def own_network(options: FetchOptions, store: Store) -> Tools:
    """Workers with a transport each; names that are known are known to all."""
    shared = Shared(options)

    @asynccontextmanager
    async def tools() -> AsyncIterator[Try]:
        transport = open_transport(shared, jobs=1)
        attempt = Attempt(options, transport, store, shared.rules)

        async def one(job: Job) -> dict[str, Any]:
            return await attempt(job.target, job.record)

        try:
            yield one
        finally:
            await transport.aclose()

    return tools
