"""Records of images that are in a shard which is not committed yet."""

from __future__ import annotations

import tempfile

from imgpipe import records
from imgpipe.errors import OutputError
from imgpipe.records import Record
from imgpipe.stream import Emit


class Outbox:
    """Hands records on once their shard is committed.

    Where no other program reads them they are counted at once, so that progress is seen; those of a shard
    that is given up are taken off again.

    Args:
        emit: Takes the records.
        hold: Whether another program reads them. They are then kept in a file, in their order.
    """

    def __init__(self, emit: Emit, *, hold: bool) -> None:
        self._emit = emit
        self._held = tempfile.TemporaryFile() if hold else None  # noqa: SIM115 - it lives as long as the stage
        self._count = 0
        self._bytes = 0

    def put(self, record: Record) -> None:
        """Take a record whose image is in the open shard."""
        self._count += 1
        if self._held is not None:
            self._keep(record)
            return
        self._bytes += record["bytes"]
        self._emit(record)

    def put_over(self, record: Record) -> None:
        """Take a record that failed or was skipped."""
        if self._held is not None and self._count:
            self._keep(record)
        else:
            self._emit(record)

    def _keep(self, record: Record) -> None:
        assert self._held is not None, "only what is held is kept"
        try:
            self._held.write(records.dump(record))
        except OSError as error:
            raise OutputError(f"cannot write to {tempfile.gettempdir()}: {error.strerror}") from error

    def release(self) -> None:
        """The shard is committed."""
        self._count = self._bytes = 0
        if self._held is not None:
            self._held.seek(0)
            for line in self._held:
                self._emit(records.parse(line.rstrip(b"\n"), "path"))
            self._held.seek(0)
            self._held.truncate()

    def abandon(self) -> None:
        """The shard is given up: its records are unfinished."""
        tally = self._emit.tally
        tally.unfinished += self._count
        if self._held is None:
            tally.statuses["ok"] -= self._count
            tally.bytes -= self._bytes
        self._count = self._bytes = 0
