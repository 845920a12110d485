"""`failed.jsonl`: the failed and skipped records of all runs, without what was placed since.

While a run goes on, its own are kept aside; at its end, or at the next start where it was killed, the
two lists become one new file that replaces the old by rename. So the old file can be the input of the
very pipe that ends here.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from imgpipe import counts, files, placed, records
from imgpipe.counts import Counts
from imgpipe.errors import OutputError, UsageError
from imgpipe.layout import FAILED, FAILED_NOW
from imgpipe.records import Record
from imgpipe.shard.outfolder import write_all
from imgpipe.shard.store import Store

_DROPPED: Final = ("path", "spooled")
_BUFFER: Final = 1 << 20


class Failures:
    """The list of what failed and was skipped.

    Args:
        out: The data set, locked.
        target: Where the list is kept; None for the usual place.
        mark: What is placed already, as `placed.since` takes it: what comes later is this run's.
        fsync: Whether to wait until a new list is on the disk.

    Raises:
        UsageError: `target` is no file that can be replaced.
        OutputError: It cannot be written.
    """

    def __init__(self, out: Store, target: str | None, mark: dict[str, int], *, fsync: bool) -> None:
        self._out = out
        self._fsync = fsync
        self._target = _target(target) if target is not None else None
        self._name, self._now = out.layout.hidden(FAILED), out.layout.hidden(FAILED_NOW)
        self.path = self._target or out.where(self._name)
        if self._now in out.names(hidden=True):
            self._merge(out.rows)
        self._aside = out.journal(self._now, records.dump({"since": mark}))
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(self._aside, flags)

    def keep(self, record: Record) -> None:
        """Keep a record that is over.

        Raises:
            OutputError: It cannot be written.
        """
        kept = {name: value for name, value in record.items() if name not in _DROPPED}
        write_all(self._file, records.dump(kept), self._aside)

    def close(self) -> None:
        """Put the new list in the old one's place.

        Raises:
            OutputError: It cannot be written; the next start tries again.
        """
        os.close(self._file)
        self._merge(lambda _: placed.read_records(Path(self._aside)))

    def drop(self) -> None:
        """Give up what this run added."""
        os.close(self._file)
        self._out.remove(self._now)

    def records(self) -> Iterator[Record]:
        """The list as the last run left it."""
        return self._old()

    def _merge(self, aside: Callable[[str], Iterator[Record]]) -> None:
        temporary = (
            self._out.temporary()
            if self._target is None
            else files.temporary_path(os.path.dirname(self._target))
        )
        try:
            with open(temporary, "xb", buffering=_BUFFER) as file:
                file.writelines(records.dump(record) for record in self._merged(aside))
                file.flush()
                if self._fsync:
                    os.fsync(file.fileno())
            if self._target is not None:
                os.replace(temporary, self._target)
        except OSError as error:
            files.unlink_quietly(temporary)
            raise OutputError(f"cannot write to {self.path}: {error.strerror}") from error
        if self._target is None:
            self._out.publish(temporary, self._name, hidden=True, fsync=self._fsync)
        self._out.remove(self._now)

    def _old(self) -> Iterator[Record]:
        return (
            placed.read_records(Path(self._target))
            if self._target is not None
            else self._out.rows(self._name)
        )

    def _merged(self, aside: Callable[[str], Iterator[Record]]) -> Iterator[Record]:
        now = aside(self._now)
        mark: Any = next(now, {}).get("since")
        old = Counts()
        size = 0
        for record in self._old():
            old.add(identity_of(record))
            size += 1
        if size:
            _cancel(old, self._out.since(mark) if isinstance(mark, dict) else ())
            _cancel(old, now)
            for record in self._old():
                if old.take(identity_of(record)):
                    yield record
            now = aside(self._now)
            next(now, None)
        yield from now


def _cancel(old: Counts, done: Iterable[Record]) -> None:
    """Each record that was placed, or failed anew, stands for one old failure of the same identity."""
    for record in done:
        old.take(identity_of(record))


def identity_of(record: Record) -> int:
    """A number for a record that is over, the same throughout this process."""
    if "url" in record:
        return counts.identity(record)
    # A line that could not be parsed has nothing but what its detail shows of it.
    return hash((None, record.get("error"), str(record.get("detail")))) & 0xFFFF_FFFF_FFFF_FFFF


def _target(path: str) -> str:
    path = os.path.realpath(path)
    with contextlib.suppress(OSError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UsageError(f"{path} is no regular file: the failed records could not be replaced there")
    if not os.access(os.path.dirname(path), os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to {path}: its folder is not there or cannot be written to")
    return path
