"""Mode async on several cores: a process an event loop, the hosts divided among them.

All of a host's records go to the same worker, so that what holds for a host holds over the whole
command. A worker that dies gives the records that it had back as failed, and is replaced.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

import trio

from imgpipe import records, spool
from imgpipe.errors import Kind, OutputError, ProcessError, RecordError
from imgpipe.fetch import jobs
from imgpipe.fetch.handover import pack_options
from imgpipe.fetch.loops import next_batch, run_loop
from imgpipe.fetch.options import FetchOptions
from imgpipe.fetch.worker import FATAL
from imgpipe.hosts import host_of
from imgpipe.parts import part_of
from imgpipe.records import Record
from imgpipe.stream import Emit, Source
from imgpipe.tally import Tally
from imgpipe.window import Window

PLACE: Final = "imgpipe place"
"""The field that tells which record a worker gives back; added on the way to it, and removed after."""


_OURS: Final = frozenset({"url", "key", "seq"})
"""Fields that a worker does not set."""

FAREWELL: Final = 2.0
"""Seconds in which workers must end after the output has failed."""

BARREN: Final = 3
"""Processes in a row of one worker that may die without having done anything."""


def run(source: Source, emit: Emit, options: FetchOptions) -> Tally:
    """Fetch the records, `options.concurrency` at a time over all workers."""
    run_loop(_Run(source, emit, options).main)
    return emit.tally


class _Worker:
    """A worker process, and the records that it has.

    Attributes:
        process: The process that runs now, or ran last.
        held: Records that it was given and did not give back, by place.
        turn: Held while records are handed over, and while the process is replaced.
        ready: Lines that it gave back and nobody has taken yet.
        received: The beginning of a line that has not wholly come.
    """

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self.process: trio.Process | None = None
        self.held: dict[int, Record] = {}
        self.turn = trio.Lock()
        self.ready: deque[bytes] = deque()
        self.received = b""

    async def start(self) -> None:
        self.received = b""
        # In a group of its own, so that Ctrl-C leaves it to us, also while it starts.
        self.process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "imgpipe.fetch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        await self._send(pack_options(self._options))

    async def give(self, batch: dict[int, Record]) -> None:
        """Hand over records, by place."""
        async with self.turn:
            self.held.update(batch)
            # What a worker needs to know; the rest stays here, however long it is.
            wanted = {"url", "key", self._options.verify}
            lines = (
                records.dump({**{name: record[name] for name in record if name in wanted}, PLACE: place})
                for place, record in batch.items()
            )
            await self._send(b"".join(lines))

    async def close(self) -> None:
        """There will be no more records."""
        async with self.turn:
            assert self.process is not None, "it was started"
            assert self.process.stdin is not None, "it was opened with a pipe"
            await self.process.stdin.aclose()

    def stop(self) -> None:
        """It gives back what is done, and ends."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)

    async def lines(self) -> AsyncGenerator[Record, None]:
        """What it gives back, until it ends."""
        if self.process is None:
            return
        assert self.process.stdout is not None, "it was opened with a pipe"
        while True:
            # Kept here, since whoever asks may leave in the middle of them.
            while self.ready:
                yield records.parse(self.ready.popleft(), "url")
            chunk = await self.process.stdout.receive_some()
            if not chunk:
                return
            *lines, self.received = (self.received + chunk).split(b"\n")
            self.ready.extend(lines)

    async def _send(self, data: bytes) -> None:
        assert self.process is not None, "it was started"
        assert self.process.stdin is not None, "it was opened with a pipe"
        # Where it has died, whoever waits for its output gives its records back.
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.process.stdin.send_all(data)


class _Run:
    def __init__(self, source: Source, emit: Emit, options: FetchOptions) -> None:
        self._source = source
        self._emit = emit
        self._options = options
        share = replace(
            options,
            workers=1,
            concurrency=-(-options.concurrency // options.workers),
            ordered=False,
            resume=(),
            part=None,
            retry_failed=False,
        )
        self._workers = [_Worker(share) for _ in range(options.workers)]
        self._window = Window(4 * options.concurrency if options.ordered else None)
        self._done = options.done_before()
        self._room = trio.lowlevel.ParkingLot()
        self._writing = trio.CapacityLimiter(1)
        self._places = 0
        self._order: dict[int, int] = {}
        self._reading = trio.CancelScope()
        self._stopping = False
        self._input_over = False

    async def main(self) -> None:
        token = trio.lowlevel.current_trio_token()
        try:
            with self._source.stop.calls(partial(token.run_sync_soon, self._stop)):
                async with trio.open_nursery() as nursery:
                    for worker in self._workers:
                        await worker.start()
                        nursery.start_soon(self._lead, worker)
                    nursery.start_soon(self._read)
        except BaseException:
            await self._abandon()
            raise
        self._emit.tally.unfinished += sum(len(worker.held) for worker in self._workers)
        self._emit.many(self._window.rest())

    async def _abandon(self) -> None:
        """The output has failed: what it does not name any more has no file, what it names keeps it.

        A worker that found nobody reading would remove all that it has fetched.
        """
        for record in self._window.rest():
            spool.discard(record)
        for worker in self._workers:
            worker.stop()
        with trio.move_on_after(FAREWELL, shield=True):
            for worker in self._workers:
                # One that has ended already has nothing more to give.
                with contextlib.suppress(trio.ClosedResourceError):
                    async for record in worker.lines():
                        spool.discard(record)

    def _stop(self) -> None:
        """The workers give back what is done, and end."""
        self._stopping = True
        self._reading.cancel()
        for worker in self._workers:
            worker.stop()

    async def _read(self) -> None:
        with self._reading:
            batches = iter(self._source.batches())
            limiter = trio.CapacityLimiter(1)
            while batch := await trio.to_thread.run_sync(
                next_batch, batches, limiter=limiter, abandon_on_cancel=True
            ):
                await self._hand_out(batch)
        self._input_over = True
        for worker in self._workers:
            await worker.close()

    async def _hand_out(self, batch: list[Record]) -> None:
        """Give each record to its host's worker; waits while that has enough."""
        shares: dict[int, dict[int, Record]] = {}
        for record in batch:
            if self._done is not None and self._done.leaves_out(record):
                self._emit.tally.left_out += 1
                continue
            while self._window.full:
                await self._give_shares(shares)
                await self._room.park()
            place = self._places
            self._places += 1
            self._order[place] = self._window.take()
            shares.setdefault(_worker_of(record, len(self._workers)), {})[place] = record
        await self._give_shares(shares)

    async def _give_shares(self, shares: dict[int, dict[int, Record]]) -> None:
        """Each worker gets its share; a slow one does not hold up the others meanwhile."""
        async with trio.open_nursery() as nursery:
            for number, share in shares.items():
                nursery.start_soon(self._workers[number].give, share)
        shares.clear()

    async def _lead(self, worker: _Worker) -> None:
        """Read what a worker gives back; when it dies, so do its records, and another takes its place."""
        barren = 0
        while True:
            assert worker.process is not None, "it was started"
            given = await self._receive(worker)
            code = await worker.process.wait()
            if self._stopping:
                return
            barren = 0 if given else barren + 1
            if code and barren >= BARREN:
                raise ProcessError(f"worker processes end at once, with {code}; try fewer --workers")
            async with worker.turn:
                lost, worker.held = worker.held, {}
                over = self._input_over
                if not over:
                    await worker.start()
            error = RecordError(Kind.INCOMPLETE, f"the worker process ended with {code}")
            for place, record in lost.items():
                await self._give(place, records.fail(records.clean(record), jobs.STAGE, error))
            if over:
                return

    async def _receive(self, worker: _Worker) -> int:
        """Take what a worker gives back until it ends; returns how many records that were."""
        given = 0
        async with aclosing(worker.lines()) as lines:
            async for answer in lines:
                if FATAL in answer:
                    raise OutputError(answer[FATAL])
                place = answer.pop(PLACE)
                await self._give(place, self._whole(worker.held.pop(place), answer))
                given += 1
        assert worker.process is not None, "it was started"
        assert worker.process.stdout is not None, "it was opened with a pipe"
        await worker.process.stdout.aclose()
        return given

    def _whole(self, record: Record, answer: Record) -> Record:
        """The record as the worker would have given it back, had it been given all of it."""
        work = jobs.prepare(record, self._options, 0)
        if not isinstance(work, jobs.Job):
            return work
        work.record.update({name: value for name, value in answer.items() if name not in _OURS})
        return work.record

    async def _give(self, place: int, record: Record) -> None:
        """Write what can go out now that this record is done."""
        ready = self._window.give(self._order.pop(place), record)
        self._room.unpark()
        if self._writing.borrowed_tokens or not self._emit.many_at_once(ready):
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._emit.many, ready, limiter=self._writing)


def _worker_of(record: Record, workers: int) -> int:
    url = record.get("url")
    return part_of(host_of(url) or str(url), workers)
