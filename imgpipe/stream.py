"""Lines in and lines out: blocking reads and writes of the standard streams, whole records only."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from imgpipe import records as _records
from imgpipe import spool, sweep
from imgpipe.errors import ImgpipeError, OutputError, RecordError, UsageError
from imgpipe.output import Output
from imgpipe.records import MAX_LINE, Record
from imgpipe.signals import ReaderWatch, Stop
from imgpipe.tally import Tally

CHUNK: Final = 1 << 16
"""Bytes read or gathered for a write at a time: what a pipe holds on Linux (pipe(7))."""

_LONGEST_WAIT: Final = 3600.0
"""Seconds of one wait: poll(2) takes milliseconds in 31 bits."""

_BOM: Final = b"\xef\xbb\xbf"


class CutShort(ImgpipeError):  # noqa: N818 - it is no error of ours
    """A request to stop ended the reading of an input before its end."""


class Source:
    """The records of an input, in its order.

    Iterating yields each record as soon as its line is complete. A line that cannot be parsed is
    yielded as a failed record, so that it goes through the pipe like any other.

    Args:
        stage: The reading stage's name, for failed records.
        bare: The field that a bare value fills: `url` or `path`.
        chunks: The bytes of the input, in pieces of any size.
        null: Whether values end with NUL instead of LF.
        stop: Who may ask the stage to end; a stage may register with it.
    """

    def __init__(
        self, stage: str, bare: str, chunks: Iterable[bytes], *, null: bool = False, stop: Stop | None = None
    ) -> None:
        self._stage = stage
        self._bare = bare
        self._chunks = chunks
        self._null = null
        self.stop = stop if stop is not None else Stop()
        self.taken = 0
        """Records yielded so far."""

    def __iter__(self) -> Iterator[Record]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Record]]:
        """Lists of the records that are there without waiting, each at least one long."""
        number = 0
        for lines in _until_cut(split_lines(self._chunks, b"\0" if self._null else b"\n")):
            batch = []
            for line in lines:
                number += 1
                if not self._null and line.endswith(b"\r"):
                    line = line[:-1]  # noqa: PLW2901 - the line without its end is the line
                if line and not line.isspace():
                    batch.append(self._record(line, number))
            if batch:
                self.taken += len(batch)
                yield batch

    def _record(self, line: bytes, number: int) -> Record:
        try:
            record = _records.parse(line, self._bare)
        except RecordError as error:
            return _records.fail({"seq": number}, self._stage, error)
        record.setdefault("seq", number)
        return record


def _until_cut(batches: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    # The beginning of a line that was still to come is no line.
    with contextlib.suppress(CutShort):
        yield from batches


def split_lines(chunks: Iterable[bytes], separator: bytes) -> Iterator[list[bytes]]:
    """Complete lines without their ends, a list for each chunk that completes any.

    A line of over `MAX_LINE` bytes is cut to `MAX_LINE` + 1, so that it can be told, and the rest of
    it is not kept. A byte order mark at the very start is dropped.
    """
    pending = b""
    started = False
    for chunk in chunks:
        if not started:
            pending += chunk
            if len(pending) < len(_BOM) and _BOM.startswith(pending):
                continue
            started = True
            pending, chunk = b"", pending.removeprefix(_BOM)  # noqa: PLW2901 - the mark is no content
        head, *lines = chunk.split(separator)
        if not lines:
            pending = (pending + head)[: MAX_LINE + 1] if len(pending) <= MAX_LINE else pending
            continue
        first = (pending + head)[: MAX_LINE + 1]
        *middle, pending = lines
        yield [first, *(line if len(line) <= MAX_LINE else line[: MAX_LINE + 1] for line in middle)]
    if pending:
        yield [pending]


def read_chunks(
    descriptor: int, stop: Stop, before_wait: Callable[[], None], name: str = "standard input"
) -> Iterator[bytes]:
    """The bytes of `descriptor`, until its end.

    Blocking, with the descriptor's flags left alone: a neighbour may share them.

    Args:
        descriptor: An open descriptor, blocking or not.
        stop: Who may ask to end.
        before_wait: Called when there is nothing to read yet, before waiting for it.
        name: What it is called in messages.

    Raises:
        UsageError: It cannot be read: it is closed, or a folder.
        CutShort: `stop` has no time left.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.register(stop.wakeup, select.POLLIN)
    while (left := stop.seconds_left()) != 0.0:
        ready = [fd for fd, _ in poll.poll(0)]
        if descriptor not in ready:
            if stop.wakeup in ready:
                # From now on only the time left counts; a descriptor that stays ready would spin.
                poll.unregister(stop.wakeup)
                continue
            before_wait()
            poll.poll(None if left is None else min(left, _LONGEST_WAIT) * 1000)
            continue
        try:
            chunk = os.read(descriptor, CHUNK)
        except BlockingIOError:
            continue
        except IsADirectoryError:
            raise UsageError(f"{name} is a folder; give a list of lines, or names as arguments") from None
        except OSError as error:
            raise UsageError(f"cannot read {name}: {error.strerror}") from error
        if not chunk:
            return
        yield chunk
    raise CutShort


class Log(Protocol):
    """Keeps a line about each record that leaves the stage."""

    def __call__(self, record: Record) -> None:
        """Keep it."""


_NO_WATCH: Final = ReaderWatch(None)


class Emit:
    """Writes records to the output, counts and logs them. Called from any thread.

    A record is written whole. Where the output is a pipe, each write holds a lock that all imgpipe
    processes on the same pipe take (on Linux), so that their records do not mix at any length.

    Args:
        descriptor: Where to write; None where records go nowhere from here.
        tally: Counts each record.
        log: Keeps a line about each record.
        gather: Bytes to gather before a write; 0 writes each record at once.
    """

    def __init__(
        self, descriptor: int | None, tally: Tally, *, log: Log | None = None, gather: int = 0
    ) -> None:
        self.tally = tally
        self._log = log
        self._gather = gather
        self._output = Output(descriptor) if descriptor is not None else None
        self._dump = (
            _records.dump_for_terminal
            if self._output is not None and self._output.is_terminal
            else _records.dump
        )
        self._kept = sweep.Kept() if self._output is not None and self._output.is_file else None
        self._mutex = threading.RLock()
        self._waiting: list[Record] = []
        self._lines: list[bytes] = []
        self._size = 0

    @property
    def watch(self) -> ReaderWatch:
        """The watch over the output's reader, for what must be done before a death by SIGPIPE."""
        return self._output.watch if self._output is not None else _NO_WATCH

    def __call__(self, record: Record) -> None:
        """Write one record, now or with the ones that follow.

        Raises:
            OutputError: The output cannot be written.
            ReaderGone: Nobody reads it; the process is about to end.
        """
        with self._mutex:
            self._put(record)
            if self._output is None or self._size > self._gather:
                self.flush()

    def many(self, batch: Sequence[Record]) -> None:
        """Write records together."""
        with self._mutex:
            for record in batch:
                self._put(record)
            self.flush()

    def many_at_once(self, batch: Sequence[Record]) -> bool:
        """Write records together if that does not block; False where nothing was written."""
        with self._mutex:
            if self._output is not None:
                lines = [self._dump(record) for record in batch]
                size = sum(map(len, lines))
                if not self._output.can_take(self._size + size):
                    return False
                self._lines += lines
                self._size += size
            self._waiting += batch
            self.flush()
            return True

    def _put(self, record: Record) -> None:
        if self._output is not None:
            line = self._dump(record)
            self._lines.append(line)
            self._size += len(line)
        self._waiting.append(record)

    def flush(self) -> None:
        """Write what was gathered."""
        with self._mutex:
            if not self._waiting:
                return
            lines, waiting = self._lines, self._waiting
            self._lines, self._waiting, self._size = [], [], 0
            if self._kept is not None:
                for record in waiting:
                    self._kept.note(record)
            if self._output is not None:
                try:
                    self._output.write(b"".join(lines))
                except OutputError:
                    self._give_up(lines, waiting, self._output.written)
                    raise
            for record in waiting:
                self._count(record)

    def _count(self, record: Record) -> None:
        self.tally.add(record)
        if self._log is not None:
            self._log(record)

    def _give_up(self, lines: list[bytes], waiting: list[Record], written: int) -> None:
        """Count what was written whole; the files of the rest have no record that names them."""
        for line, record in zip(lines, waiting, strict=True):
            written -= len(line)
            if written >= 0:
                self._count(record)
            else:
                self.tally.unfinished += 1
                spool.discard(record)
