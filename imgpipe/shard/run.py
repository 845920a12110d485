"""The stage `shard`: each record's image goes to its place, what is over goes into the list of failures."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Final

from imgpipe import records, spool
from imgpipe.errors import OutputError, RecordError
from imgpipe.records import Record
from imgpipe.shard.dataset import DataSet
from imgpipe.shard.failures import Failures
from imgpipe.shard.folders import Folders
from imgpipe.shard.options import ShardOptions
from imgpipe.shard.outfolder import OutFolder
from imgpipe.stream import Emit, Source
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
        UsageError: OUT is in use, or holds something that does not go with the options.
    """
    seen = spool.Seen()
    with OutFolder(options.out) as out:
        dataset = DataSet(out, options)
        folders = Folders(out, dataset, options, emit)
        failures = Failures(out, options.failed, folders.mark)
        emit.tally.failed_file = failures.path

        def end(record: Record) -> None:
            spool.discard(record)
            failures.keep(record)
            emit(record)

        try:
            for record in source:
                seen.note(record)
                _take(record, folders, end)
        except OutputError:
            _sweep(seen, exhausted=False)
            raise
        finally:
            folders.close()
        failures.close()
    _sweep(seen, exhausted=source.stop.seconds_left() != 0.0)
    return emit.tally


def _take(record: Record, folders: Folders, end: Callable[[Record], None]) -> None:
    if records.is_over(record):
        end(record)
        return
    try:
        folders.add(record)
    except RecordError as error:
        end(records.fail(record, STAGE, error))


def _sweep(seen: spool.Seen, *, exhausted: bool) -> None:
    """Remove the spools that were read from, with what no record leads to any more.

    Where the input is a file that was not read to its end, it still leads to them.
    """
    if exhausted:
        seen.sweep(orphans=True, patience=PATIENCE)
    else:
        seen.sweep(orphans=not _is_file(0))


def _is_file(descriptor: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return False
