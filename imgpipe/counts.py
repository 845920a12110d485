"""Which records are the same, and how often each of many millions occurs."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from typing import Any, Final

from imgpipe.records import Record, dump


def identity(record: Record) -> int:
    """A number for the `url` with the `key` of a record, the same throughout this process.

    64 bits of Python's keyed hash: among ten million, two differ in nothing else with a chance of 3 in a
    million. A `key` that is no text counts as its JSON, an empty one as none.
    """
    return hash((_text(record.get("url")), _text(record.get("key")))) & 0xFFFF_FFFF_FFFF_FFFF


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else dump(value).decode().rstrip("\n")


class Counts:
    """How often each of many millions of numbers of 64 bits occurs, in 12 bytes each.

    All are added first; the first question sorts them.
    """

    _BUCKETS: Final = 1024

    def __init__(self) -> None:
        self._numbers = [array("Q") for _ in range(self._BUCKETS)]
        self._left: list[array[int] | None] = [None] * self._BUCKETS

    def add(self, number: int) -> None:
        """Count `number` once more."""
        self._numbers[number % self._BUCKETS].append(number)

    def take(self, number: int) -> bool:
        """Count `number` once less; False where it is not there any more."""
        index, left = self._find(number)
        if index is None or not left[index]:
            return False
        left[index] -= 1
        return True

    def __contains__(self, number: int) -> bool:
        """Whether `number` was ever counted."""
        return self._find(number)[0] is not None

    def _find(self, number: int) -> tuple[int | None, array[int]]:
        place = number % self._BUCKETS
        left = self._left[place]
        if left is None:
            left = self._left[place] = self._sort(place)
        numbers = self._numbers[place]
        index = bisect_left(numbers, number)
        return (index if index < len(numbers) and numbers[index] == number else None), left

    def _sort(self, place: int) -> array[int]:
        numbers, left = array("Q"), array("I")
        for number in sorted(self._numbers[place]):
            if numbers and numbers[-1] == number:
                left[-1] += 1
            else:
                numbers.append(number)
                left.append(1)
        self._numbers[place] = numbers
        return left


class Digest:
    """A digest of records by `url` and `key`, whatever their order: the sum of the digests of each.

    One without a `url` is counted and nothing else: a line that could not be parsed has no identity.

    Attributes:
        records: How many were added.
    """

    _BYTES: Final = 32

    def __init__(self) -> None:
        self.records = 0
        self._sum = 0

    def add(self, record: Record) -> None:
        """Take one more record."""
        self.records += 1
        url = record.get("url")
        if url is None or url == "":
            return
        # Lone surrogates come in by JSON's escapes, and only the standard library writes them.
        pair: Any = [_text(url), _text(record.get("key"))]
        found = hashlib.blake2b(dump(pair).rstrip(b"\n"), digest_size=self._BYTES).digest()
        self._sum = (self._sum + int.from_bytes(found)) % (1 << 8 * self._BYTES)

    def __add__(self, other: Digest) -> Digest:
        both = Digest()
        both.records = self.records + other.records
        both._sum = (self._sum + other._sum) % (1 << 8 * self._BYTES)
        return both

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        return f"{self._sum:0{2 * self._BYTES}x}"

    def as_json(self) -> dict[str, Any]:
        """As markers of parts keep it."""
        return {"records": self.records, "digest": self.hexdigest()}
