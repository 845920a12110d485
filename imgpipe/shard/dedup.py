"""Which images are in the data set already, by their URL or by their digest."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from imgpipe.errors import Kind, RecordError
from imgpipe.records import Record
from imgpipe.shard import images

_BUCKETS: Final = 1 << 14
_MASK: Final = (1 << 64) - 1


class Numbers:
    """A growing set of numbers of 64 bits, in about 9 bytes each: many small sorted arrays."""

    def __init__(self) -> None:
        self._buckets: list[array[int] | None] = [None] * _BUCKETS

    def add(self, number: int) -> bool:
        """Add `number`; False where it was there already."""
        place = number % _BUCKETS
        bucket = self._buckets[place]
        if bucket is None:
            self._buckets[place] = array("Q", (number,))
            return True
        index = bisect_left(bucket, number)
        if index < len(bucket) and bucket[index] == number:
            return False
        bucket.insert(index, number)
        return True

    def __contains__(self, number: int) -> bool:
        bucket = self._buckets[number % _BUCKETS]
        if bucket is None:
            return False
        index = bisect_left(bucket, number)
        return index < len(bucket) and bucket[index] == number


class Dedup:
    """Refuses an image that is in the data set already.

    Args:
        field: `url` or `sha256`.
        rows: What is placed already.
    """

    def __init__(self, field: str, rows: Iterable[Record]) -> None:
        self._field = field
        self._known = Numbers()
        for row in rows:
            self.add(row)

    def check(self, record: Record) -> None:
        """Refuse the record if its like was added; one without a digest gets that of its file.

        Raises:
            RecordError: `duplicate`, or what keeps the file from being read.
        """
        if self._field == "sha256":
            images.fill_digest(record)
        number = self._number(record)
        if number is not None and number in self._known:
            what = "URL" if self._field == "url" else "digest"
            raise RecordError(Kind.DUPLICATE, f"an image with this {what} is in the data set already")

    def add(self, record: Record) -> None:
        """The record, or row, is placed."""
        number = self._number(record)
        if number is not None:
            self._known.add(number)

    def _number(self, record: Record) -> int | None:
        value = record.get(self._field)
        return hash(value) & _MASK if isinstance(value, str) and value else None
