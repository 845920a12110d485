"""The order of records that are done out of order."""

from __future__ import annotations

from imgpipe.records import Record


class Window:
    """Puts records back into the order in which they were taken, within a bounded number of them.

    Args:
        size: How many may be under way, from the oldest that is not done; None keeps no order.
    """

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._first = 0
        self._next = 0
        self._done: dict[int, Record] = {}

    @property
    def full(self) -> bool:
        """Whether the oldest must be done before another is taken."""
        return self._size is not None and self._next - self._first >= self._size

    def take(self) -> int:
        """The place of a record that is taken now."""
        place = self._next
        self._next += 1
        return place

    def give(self, place: int, record: Record) -> list[Record]:
        """Hand in the record of `place`; returns those whose turn has come, in order."""
        if self._size is None:
            return [record]
        self._done[place] = record
        ready = []
        while self._first in self._done:
            ready.append(self._done.pop(self._first))
            self._first += 1
        return ready

    def rest(self) -> list[Record]:
        """Those that are done though an earlier one is not, in order: for an end that comes too early."""
        done, self._done = self._done, {}
        return [done[place] for place in sorted(done)]
