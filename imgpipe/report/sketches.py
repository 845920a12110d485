"""What is remembered of a stream of any length in little memory: samples, and the largest."""

from __future__ import annotations

import heapq
import math
import random
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SEED: Final = 20_240_229
"""Any number: with the same one, the same input gives the same page."""


class Reservoir(Generic[T]):
    """A sample of equal chances, of `size` items at the most (Li 1994, algorithm L).

    It draws random numbers only for the items that it takes: nearly all others cost one comparison.

    Args:
        size: Items kept; 0 for none.

    Attributes:
        kept: The sample, in no order.
    """

    def __init__(self, size: int) -> None:
        self.kept: list[T] = []
        self._size = size
        self._random = random.Random(SEED)  # noqa: S311 - a sample, no secret
        self._left = 0
        self._weight = 1.0

    def add(self, item: T) -> None:
        """Take the item into the sample, or not."""
        if len(self.kept) < self._size:
            self.kept.append(item)
            if len(self.kept) == self._size:
                self._skip()
            return
        self._left -= 1
        if self._left < 0 and self._size:
            self.kept[self._random.randrange(self._size)] = item
            self._skip()

    def _skip(self) -> None:
        self._weight *= math.exp(math.log(1.0 - self._random.random()) / self._size)
        rest = math.log1p(-self._weight)
        # After 10^16 items the weight is gone from a float's digits; no list is that long.
        self._left = int(math.log(1.0 - self._random.random()) / rest) if rest else 1 << 62


class Top(Generic[T]):
    """The items with the largest values, `size` at the most; of equal ones the first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, T]] = []
        self._least = -math.inf
        self._count = 0

    def add(self, value: float, item: T) -> None:
        """Keep the item if its value is among the largest."""
        if value <= self._least:
            return
        self._count += 1
        entry = (value, -self._count, item)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)
        if len(self._heap) == self._size:
            self._least = self._heap[0][0]

    def items(self) -> list[tuple[float, T]]:
        """The items with their values, the largest first."""
        return [
            (value, item) for value, _, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)
        ]
