"""The check of a whole data set."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final

from imgpipe import records
from imgpipe.errors import Kind, RecordError, UsageError
from imgpipe.layout import HIDDEN, LOCK, METADATA, Layout
from imgpipe.placed import WHOLE, Listing
from imgpipe.records import Record
from imgpipe.signals import Stop
from imgpipe.stream import Emit
from imgpipe.tally import Tally
from imgpipe.verify import folders, parts, pictures, shards
from imgpipe.verify.findings import Fault, Finding, Placed
from imgpipe.verify.options import VerifyOptions

STAGE: Final = "verify"

_AHEAD: Final = 4
"""Images that wait for a free thread, for each that is decoded."""

_NAMED: Final = ("url", "key", "shard", "file_name")


def run(stop: Stop, emit: Emit, options: VerifyOptions) -> Tally:
    """Check a data set, and emit a failed record for each fault.

    Args:
        stop: Who may ask to end early.
        emit: Takes the faults; what is whole is counted only.
        options: The options.

    Returns:
        The counts: `ok` images, `failed` faults.

    Raises:
        UsageError: There is no data set, or it is being written to.
    """
    out = Path(options.out)
    with _unlocked(out) as found, ThreadPoolExecutor(options.jobs) as pool:
        waiting: deque[tuple[Placed, Future[None]]] = deque()
        for finding in _findings(out, found, options.parts):
            if stop.requested:
                break
            if isinstance(finding, Fault):
                _settle(waiting, emit, 0)
                emit(_fault(finding.row, finding.error))
                continue
            waiting.append((finding, pool.submit(_check, finding)))
            _settle(waiting, emit, _AHEAD * options.jobs)
        _settle(waiting, emit, 0)
    return emit.tally


def _findings(out: Path, listing: Listing, expected: int | None) -> Iterator[Finding]:
    named = [layout.part for layout in listing.layouts if layout.part is not None]
    if not named and expected is None:
        if not (out / METADATA).exists() and not listing.shards(WHOLE) and not (out / HIDDEN).is_dir():
            raise UsageError(f"{out} holds no data set: neither {METADATA} nor a shard, nor what failed")
        return _placed(out, WHOLE, listing)
    return chain(
        parts.missing(named, expected),
        *(_placed(out, layout, listing) for layout in listing.layouts),
        *(parts.findings(out, name, listing) for name in named),
    )


def _placed(out: Path, layout: Layout, listing: Listing) -> Iterator[Finding]:
    folder = Path(layout.folder(str(out)))
    if (folder / METADATA).exists():
        return folders.findings(folder)
    return shards.findings(out, layout, listing)


@contextlib.contextmanager
def _unlocked(out: Path) -> Iterator[Listing]:
    """The data set, or its parts; nothing is placed in them while the context lasts."""
    if not out.is_dir():
        raise UsageError(f"{out} is no folder")
    with contextlib.ExitStack() as held:
        _lock(out, LOCK, held)
        found = Listing(out)
        for layout in found.layouts[1:]:
            # One lock at a time, since parts are many: it tells whether somebody is at work now.
            with contextlib.ExitStack() as now:
                _lock(out, layout.hidden(LOCK), now)
        yield found


def _lock(out: Path, name: str, held: contextlib.ExitStack) -> None:
    try:
        lock = os.open(out / HIDDEN / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        # A copy of a data set may come without it.
        return
    held.callback(os.close, lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"imgpipe shard writes to {out}; verify it afterwards") from None


def _settle(waiting: deque[tuple[Placed, Future[None]]], emit: Emit, left: int) -> None:
    """Take the results of the oldest images, until `left` are still waited for."""
    while len(waiting) > left:
        placed, future = waiting.popleft()
        error = future.exception()
        if error is None:
            emit.tally.add({"status": "ok", "bytes": placed.row.get("bytes")})
        elif isinstance(error, RecordError):
            emit(_fault(placed.row, error))
        else:
            raise error


def _check(placed: Placed) -> None:
    try:
        content = placed.content()
    except OSError as error:
        raise RecordError(Kind.MISSING_FILE, f"{placed.row['file_name']}: {error.strerror}") from error
    pictures.check(placed.row, content)


def _fault(row: Record, error: RecordError) -> Record:
    record: Record = {name: row[name] for name in _NAMED if name in row}
    return records.fail(record, STAGE, error)
