"""The stage `shard`: each record's image goes to its place, what is over goes into the list of failures."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from typing import Final, Protocol

from imgpipe import records, spool, sweep
from imgpipe.errors import OutputError, RecordError, UsageError
from imgpipe.layout import Layout, check_part
from imgpipe.records import Record
from imgpipe.remote import address_of
from imgpipe.shard.dataset import DataSet
from imgpipe.shard.dedup import Dedup
from imgpipe.shard.failures import Failures
from imgpipe.shard.folders import Folders
from imgpipe.shard.options import ShardOptions
from imgpipe.shard.outbox import Outbox
from imgpipe.shard.outfolder import OutFolder
from imgpipe.shard.part import Part
from imgpipe.shard.remote_store import RemoteStore
from imgpipe.shard.shards import Shards
from imgpipe.signals import Stop
from imgpipe.stream import CutShort, Emit, Source
from imgpipe.tally import Tally

STAGE: Final = "shard"

PATIENCE: Final = 2.0
"""Seconds to wait, at the end of the input, for its writers to give up their spools: they have closed the
pipe already."""


def run(source: Source, emit: Emit, options: ShardOptions) -> Tally:
    """Place the images of all records.

    Args:
        source: The records.
        emit: Takes each record once it is placed, or is in the list of what failed.
        options: The options.

    Returns:
        The counts.

    Raises:
        OutputError: OUT cannot be written; what was placed stays, complete.
        UsageError: OUT is in use, or holds something that does not go with the options or the input.
        IncompleteError: The input of a part ended early.
    """
    _check(options)
    # Who is asked to end before the first record is taken leaves all as it was.
    with contextlib.suppress(CutShort):
        _run(source, emit, options)
    return emit.tally


def _run(source: Source, emit: Emit, options: ShardOptions) -> None:
    seen = sweep.Seen()
    with _opened(options, source.stop) as out:
        part = Part(out, options, source.stop) if options.part is not None else None
        done = part is not None and part.is_complete
        if part is not None and done:
            emit.tally.left_out += part.size
        else:
            _fill(out, part, source, emit, options, seen)
    if done:
        _hear_out(source)
    else:
        _sweep(seen, exhausted=source.stop.seconds_left() != 0.0)


def _fill(
    out: OutFolder | RemoteStore,
    part: Part | None,
    source: Source,
    emit: Emit,
    options: ShardOptions,
    seen: sweep.Seen,
) -> None:
    stage = _Stage(out, emit, options, part)
    # Where nobody reads on the process ends at once, without coming back here.
    emit.watch.at_end(stage.abandon)
    emit.watch.at_end(out.close)
    try:
        _take_all(source, stage, seen)
        stage.close(complete=not source.stop.requested)
    except OutputError:
        stage.abandon()
        # What is placed is told, also where it was gathered for a later write.
        with contextlib.suppress(OutputError):
            emit.flush()
        _sweep(seen, exhausted=False)
        raise


def _hear_out(source: Source) -> None:
    """Wait, in a pipe, for the first record or the end of the input: `fetch --resume` leaves out all of a part
    that is done, and ends well a moment later. Were its reader gone, SIGPIPE would fail the pipe (pipefail).
    """
    if _is(stat.S_ISFIFO, 0):
        for record in source:
            spool.discard(record)
            return


def _take_all(source: Source, stage: _Stage, seen: sweep.Seen) -> None:
    try:
        for record in source:
            seen.note(record)
            stage.take(record)
    except UsageError:
        stage.refuse()
        raise


def _opened(options: ShardOptions, stop: Stop) -> OutFolder | RemoteStore:
    address = address_of(options.out)
    layout = Layout(options.part)
    if address is not None:
        return RemoteStore(address, layout)
    return OutFolder(options.out, layout, images=options.format == "files", wait=options.wait, stop=stop)


def _check(options: ShardOptions) -> None:
    """Refuse options that do not go together."""
    if options.part is not None:
        check_part(options.part)
        if options.failed is not None:
            raise UsageError("--failed does not go with --part: each part keeps its own failures in OUT")
    elif options.input is not None:
        raise UsageError("--input goes with --part NAME: it tells when a part is complete")
    if options.format == "files" and address_of(options.out) is not None:
        raise UsageError(
            "files in folders need a folder of this machine; an address takes --format tar or parquet"
        )
    if options.format == "files" and options.max_shard_bytes is not None:
        raise UsageError("--max-shard-bytes goes with --format tar or parquet")
    if options.format != "files" and options.sidecar:
        raise UsageError("--sidecar goes with --format files; shards have their own")


class Writer(Protocol):
    """Places images in one format."""

    @property
    def mark(self) -> dict[str, int]:
        """What is placed now, for `placed.since`."""
        ...

    def add(self, record: Record) -> None:
        """Place the image of a record; raises `RecordError` or `OutputError`."""
        ...

    def note(self, record: Record) -> None:
        """A record failed or was skipped."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...

    def abandon(self) -> None:
        """OUT cannot be written any more."""
        ...


class _Stage:
    """The parts of a run, put together."""

    def __init__(
        self, out: OutFolder | RemoteStore, emit: Emit, options: ShardOptions, part: Part | None
    ) -> None:
        self._tally = emit.tally
        self._part = part
        dataset = DataSet(out, options)
        self._outbox = Outbox(emit, hold=options.emit and options.format != "files")
        self._writer: Writer
        if isinstance(out, OutFolder) and options.format == "files":
            self._writer = Folders(out, dataset, options, emit)
        else:
            self._writer = Shards(out, dataset, options, self._outbox)
        fsync = options.fsync != "none"
        self._failures = Failures(out, options.failed, self._writer.mark, fsync=fsync)
        emit.tally.failed_file = self._failures.path
        if part is not None:
            part.know(self._failures)
        self._dedup = Dedup(options.dedup, out.since({})) if options.dedup is not None else None

    def take(self, record: Record) -> None:
        """Place the record's image, or list it."""
        try:
            if self._part is not None and self._part.leaves_out(record):
                spool.discard(record)
                self._tally.left_out += 1
                return
            if records.is_over(record):
                self._end(record)
                return
            if self._dedup is not None:
                self._dedup.check(record)
            self._writer.add(record)
            if self._dedup is not None:
                self._dedup.add(record)
        except RecordError as error:
            self._end(records.fail(record, STAGE, error))

    def _end(self, record: Record) -> None:
        spool.discard(record)
        self._failures.keep(record)
        self._writer.note(record)
        self._outbox.put_over(record)

    def close(self, *, complete: bool) -> None:
        """Nothing more comes; `complete` where nobody asked to end early."""
        self._writer.close()
        self._failures.close()
        if self._part is not None and complete:
            self._part.finish(self._failures)

    def refuse(self) -> None:
        """The input does not go with what is in OUT: leave that as it was."""
        self._writer.abandon()
        self._failures.drop()

    def abandon(self) -> None:
        """OUT cannot be written any more."""
        self._writer.abandon()


def _sweep(seen: sweep.Seen, *, exhausted: bool) -> None:
    """Remove the spools that were read from, with what no record leads to any more.

    Where the input is a file that was not read to its end, it still leads to them.
    """
    if exhausted:
        seen.sweep(orphans=True, patience=PATIENCE)
    else:
        seen.sweep(orphans=not _is(stat.S_ISREG, 0))


def _is(kind: Callable[[int], bool], descriptor: int) -> bool:
    try:
        return kind(os.fstat(descriptor).st_mode)
    except OSError:
        return False
