"""Mode async: one event loop, a nursery, a fixed number of workers, everything bounded."""

from __future__ import annotations

from functools import partial
from typing import Any

import trio

from imgpipe.errors import ProcessError, RecordError
from imgpipe.fetch import jobs
from imgpipe.fetch.attempt import Attempt
from imgpipe.fetch.desk import Desk
from imgpipe.fetch.jobs import Job
from imgpipe.fetch.loops import next_batch, run_loop
from imgpipe.fetch.network import Shared, open_transport
from imgpipe.fetch.options import FetchOptions
from imgpipe.fetch.store import Store
from imgpipe.records import Record
from imgpipe.spool import Spool, discard
from imgpipe.stream import Emit, Source
from imgpipe.tally import Tally


def run(records: Source, emit: Emit, options: FetchOptions) -> Tally:
    """Fetch the records, `options.concurrency` at a time."""
    spool = Spool(options.spool)
    emit.watch.at_end(spool.remove)
    try:
        run_loop(_Run(records, emit, options, Store(spool, options.dir)).main)
    finally:
        spool.close()
    return emit.tally


class _Run:
    def __init__(self, records: Source, emit: Emit, options: FetchOptions, store: Store) -> None:
        self._records = records
        self._emit = emit
        self._options = options
        self._desk = Desk(options, emit.tally)
        shared = Shared(options)
        self._transport = open_transport(shared, options.concurrency)
        self._attempt = Attempt(options, self._transport, store, shared.rules)
        self._idle = trio.lowlevel.ParkingLot()
        self._hungry = trio.lowlevel.ParkingLot()
        self._outbox: list[Record] = []
        self._writing = False
        self._to_write = trio.lowlevel.ParkingLot()
        self._written = trio.lowlevel.ParkingLot()
        self._timekeeper: trio.CancelScope | None = None

    async def main(self) -> None:
        token = trio.lowlevel.current_trio_token()
        try:
            with (
                trio.CancelScope() as work,
                self._records.stop.calls(partial(token.run_sync_soon, work.cancel)),
            ):
                await self._run()
        except BaseException:
            # The output has failed: what it does not name any more has no file.
            for record in self._left():
                discard(record)
            raise
        # What was done before a signal goes out; what was not has no file.
        self._emit.tally.unfinished += self._desk.unfinished
        self._emit.many(self._left())
        await self._transport.aclose()

    async def _run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write)
            async with trio.open_nursery() as workers:
                for _ in range(self._options.concurrency):
                    workers.start_soon(self._work)
                workers.start_soon(self._read)
            nursery.cancel_scope.cancel()

    def _left(self) -> list[Record]:
        """Records that are done and not written, when nobody else will write them."""
        batch, self._outbox = self._outbox, []
        return [*batch, *self._desk.rest()]

    async def _read(self) -> None:
        """Feed the desk from the input, no further ahead than it wants."""
        batches = iter(self._records.batches())
        limiter = trio.CapacityLimiter(1)
        while batch := await trio.to_thread.run_sync(
            next_batch, batches, limiter=limiter, abandon_on_cancel=True
        ):
            for record in batch:
                while not self._desk.hungry:
                    await self._hungry.park()
                await self._send(self._desk.take(record, trio.current_time()))
                self._idle.unpark()
        self._desk.input_over = True
        self._idle.unpark_all()

    async def _work(self) -> None:
        while (job := await self._take()) is not None:
            result = await self._try(job)
            ready = self._desk.end(job, result, trio.current_time())
            # A job that ends may free its host for another, or be the last of all.
            self._idle.unpark()
            if self._desk.hungry:
                self._hungry.unpark()
            await self._send(ready)
        self._idle.unpark_all()

    async def _try(self, job: Job) -> dict[str, Any] | RecordError:
        try:
            return await self._attempt(job.target, job.record)
        except RecordError as error:
            return error
        except ProcessError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug takes one record with it, not the stream
            return jobs.internal(error)

    async def _take(self) -> Job | None:
        """The next job, once there is one; None when there will be none."""
        while True:
            now = trio.current_time()
            job = self._desk.next(now)
            if job is not None:
                if self._desk.hungry:
                    self._hungry.unpark()
                # Each wakes the next one, as long as there is something to do or nobody keeps the time: a
                # single moment may free many hosts.
                if self._desk.ready or (self._timekeeper is None and self._desk.next_time() is not None):
                    self._idle.unpark()
                return job
            if self._desk.finished:
                return None
            await self._rest(self._desk.next_time())

    async def _rest(self, until: float | None) -> None:
        """Wait until something changes; one of those who wait also keeps the time."""
        if self._timekeeper is not None or until is None:
            if self._timekeeper is not None and until is not None:
                # The next moment may have come nearer since the clock was set.
                self._timekeeper.deadline = min(self._timekeeper.deadline, until)
            await self._idle.park()
            return
        try:
            with trio.move_on_at(until) as self._timekeeper:
                await self._idle.park()
        finally:
            self._timekeeper = None
            # Whoever takes over looks at the clock anew.
            self._idle.unpark()

    async def _send(self, ready: list[Record]) -> None:
        """Write records, or leave them to the writer where that would block; waits while it is behind."""
        if not ready:
            return
        if self._writing or self._outbox or not self._emit.many_at_once(ready):
            self._outbox.extend(ready)
            self._to_write.unpark()
        while len(self._outbox) > self._options.concurrency:
            await self._written.park()

    async def _write(self) -> None:
        """Write what would block, off the loop: standard output may block for as long as its reader likes."""
        limiter = trio.CapacityLimiter(1)
        while True:
            while not self._outbox:
                await self._to_write.park()
            batch, self._outbox = self._outbox, []
            self._writing = True
            self._written.unpark_all()
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._emit.many, batch, limiter=limiter)
            self._writing = False
