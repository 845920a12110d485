"""Mode processes: as many processes as records in flight; each makes one attempt at a time.

The desk stays here, with what is known of hosts. A thread leads each process: it sends a record, and
takes its fields or its error back. A process that dies fails the one attempt, and is replaced.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import trio

from imgpipe import records, spool
from imgpipe.errors import Kind, OutputError, RecordError
from imgpipe.fetch.crew import Crew, Tools, Try
from imgpipe.fetch.handover import pack_options
from imgpipe.fetch.jobs import Job
from imgpipe.fetch.options import FetchOptions
from imgpipe.records import Record
from imgpipe.stream import Emit, Source
from imgpipe.tally import Tally

FAREWELL: Final = 2.0
"""Seconds in which a process must end after its input has; then it is killed."""


def run(source: Source, emit: Emit, options: FetchOptions) -> Tally:
    """Fetch the records, `options.concurrency` at a time."""
    Crew(source, emit, options, own_process(emit, options)).run()
    return emit.tally


def own_process(emit: Emit, options: FetchOptions) -> Tools:
    """Workers that each lead a process."""

    @asynccontextmanager
    async def tools() -> AsyncIterator[Try]:
        leader = _Leader(emit, options)
        try:
            yield leader
        finally:
            await leader.dismiss()

    return tools


class _Leader:
    """Leads one process, started at the first job and again after it died."""

    def __init__(self, emit: Emit, options: FetchOptions) -> None:
        self._emit = emit
        self._options = options
        self._process: trio.Process | None = None
        self._received = b""

    async def __call__(self, job: Job) -> dict[str, Any]:
        wanted = ("url", "key", self._options.verify)
        question = {name: value for name, value in job.record.items() if name in wanted}
        try:
            if self._process is None:
                await self._start()
            answer = await self._ask(question)
        except (trio.BrokenResourceError, EOFError) as error:
            code = await self.dismiss()
            raise RecordError(Kind.INCOMPLETE, f"the worker process ended with {code}") from error
        return _fields_or_error(answer)

    async def _start(self) -> None:
        # In a group of its own, so that Ctrl-C leaves it to us, also while it starts.
        self._process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "imgpipe.fetch.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        assert self._process.stdin is not None, "it was opened with a pipe"
        await self._process.stdin.send_all(pack_options(self._options))
        folder = _fields_or_error(await self._line()).get("folder")
        if isinstance(folder, str):
            # The process is ended first by the death of its input.
            self._emit.watch.at_end(partial(spool.remove_run, folder))

    async def _ask(self, question: Record) -> Record:
        assert self._process is not None, "it was started"
        assert self._process.stdin is not None, "it was opened with a pipe"
        await self._process.stdin.send_all(records.dump(question))
        return await self._line()

    async def _line(self) -> Record:
        assert self._process is not None, "it was started"
        assert self._process.stdout is not None, "it was opened with a pipe"
        while b"\n" not in self._received:
            received = await self._process.stdout.receive_some()
            if not received:
                raise EOFError
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return records.parse(line, "url")

    async def dismiss(self) -> int | None:
        """End the process, if there is one: it removes what it has not finished. Its exit code."""
        process, self._process = self._process, None
        received, self._received = self._received, b""
        if process is None:
            return None
        with trio.CancelScope(shield=True):
            assert process.stdin is not None, "it was opened with a pipe"
            assert process.stdout is not None, "it was opened with a pipe"
            await process.stdin.aclose()
            with trio.move_on_after(FAREWELL):
                async for chunk in process.stdout:
                    received += chunk
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            await process.stdout.aclose()
        for line in received.splitlines(keepends=True):
            # It was done after we gave it up: no record will name its file.
            if line.endswith(b"\n"):
                spool.discard(records.parse(line, "url"))
        return process.returncode


def _fields_or_error(answer: Record) -> dict[str, Any]:
    if "fatal" in answer:
        raise OutputError(answer["fatal"])
    if "kind" in answer:
        raise RecordError(
            Kind(answer["kind"]),
            answer["detail"],
            http_status=answer["http_status"],
            retry_after=answer["retry_after"],
        )
    return answer
