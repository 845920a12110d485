"""Workers in threads: each does one job at a time, on an event loop of its own.

The main thread reads the input; the workers take jobs from the desk, and whoever ends one writes what
can go out. One lock guards the desk, another keeps the order of the output.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeAlias

import trio

from imgpipe import spool
from imgpipe.errors import ProcessError, RecordError
from imgpipe.fetch import jobs
from imgpipe.fetch.desk import Desk
from imgpipe.fetch.jobs import Job
from imgpipe.fetch.loops import run_loop
from imgpipe.fetch.options import FetchOptions
from imgpipe.records import Record
from imgpipe.signals import ReaderGone
from imgpipe.stream import Emit, Source

Try: TypeAlias = Callable[[Job], Awaitable[dict[str, Any]]]
"""One attempt at a job: the fields of its file, or a `RecordError`."""

Tools: TypeAlias = Callable[[], AbstractAsyncContextManager[Try]]
"""What one worker opens on its event loop, and closes at its end."""


class Crew:
    """A fixed number of workers in threads.

    Args:
        records: The input, read by the main thread.
        emit: Where records go.
        options: What the user set.
        tools: What each worker works with.
    """

    def __init__(self, records: Source, emit: Emit, options: FetchOptions, tools: Tools) -> None:
        self._records = records
        self._emit = emit
        self._options = options
        self._tools = tools
        self._desk = Desk(options, emit.tally)
        # Reentrant, since a signal's handler may run in the main thread while that holds it.
        self._changed = threading.Condition(threading.RLock())
        self._output = threading.RLock()
        self._scopes: dict[int, Callable[[], None]] = {}
        self._ending = False
        self._error: BaseException | None = None

    def run(self) -> None:
        """Work until the input is over and all is done, or until a signal.

        Raises:
            ProcessError: The output cannot be written.
        """
        threads = [
            threading.Thread(target=self._worker, name=f"fetch-{number}", daemon=True)
            for number in range(self._options.concurrency)
        ]
        with self._records.stop.calls(self._end):
            for thread in threads:
                thread.start()
            try:
                self._read()
            except BaseException:
                self._end()
                raise
            finally:
                for thread in threads:
                    thread.join()
        self._emit.tally.unfinished += self._desk.unfinished
        rest = self._desk.rest()
        if self._error is not None:
            for record in rest:
                spool.discard(record)
            raise self._error
        self._write(rest)

    def _read(self) -> None:
        for record in self._records:
            with self._changed:
                while not self._desk.hungry and not self._ending:
                    self._changed.wait()
            if self._ending:
                return
            # Always the output's lock before the desk's, as in `_settle`.
            with self._output:
                with self._changed:
                    ready = self._desk.take(record, time.monotonic())
                    self._changed.notify()
                self._write(ready)
        with self._changed:
            self._desk.input_over = True
            self._changed.notify_all()

    def _end(self) -> None:
        """Everybody stops; what is under way is cancelled."""
        with self._changed:
            self._ending = True
            for cancel in list(self._scopes.values()):
                cancel()
            self._changed.notify_all()

    def _worker(self) -> None:
        try:
            run_loop(self._work)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            with self._changed:
                first, self._error = self._error is None, self._error or error
            self._end()
            if first:
                # The main thread may wait for input that never comes.
                self._records.stop.cut()

    async def _work(self) -> None:
        async with self._tools() as attempt:
            while (job := self._take()) is not None:
                with self._cancellable():
                    result = await _try(attempt, job)
                    # Not reached where the attempt was cancelled: the job stays unfinished.
                    self._settle(job, result)

    def _take(self) -> Job | None:
        """Wait for the next job, blocking: nothing else happens on this loop."""
        with self._changed:
            while not self._ending:
                now = time.monotonic()
                job = self._desk.next(now)
                if job is not None:
                    # The reader may go on, or another worker find the next one.
                    self._changed.notify_all()
                    return job
                if self._desk.finished:
                    self._changed.notify_all()
                    return None
                until = self._desk.next_time()
                self._changed.wait(None if until is None else max(0.0, until - now))
        return None

    @contextmanager
    def _cancellable(self) -> Iterator[None]:
        """What runs on this loop meanwhile is cancelled when everybody stops."""
        token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as scope:
            with self._changed:
                self._scopes[id(scope)] = lambda: token.run_sync_soon(scope.cancel)
                if self._ending:
                    scope.cancel()
            try:
                yield
            finally:
                with self._changed:
                    del self._scopes[id(scope)]

    def _settle(self, job: Job, result: dict[str, Any] | RecordError) -> None:
        with self._output:
            with self._changed:
                ready = self._desk.end(job, result, time.monotonic())
                self._changed.notify_all()
            self._write(ready)

    def _write(self, ready: list[Record]) -> None:
        if ready:
            self._emit.many(ready)


async def _try(attempt: Try, job: Job) -> dict[str, Any] | RecordError:
    try:
        return await attempt(job)
    except RecordError as error:
        return error
    except (ProcessError, ReaderGone):
        raise
    except Exception as error:  # noqa: BLE001 - a bug takes one record with it, not the stream
        return jobs.internal(error)
