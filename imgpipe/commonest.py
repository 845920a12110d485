"""The commonest of many texts, counted in little memory."""

from __future__ import annotations

from typing import Final


class Commonest:
    """Counts texts in at most `size` counters, however many different ones there are.

    After Misra and Gries (1982): a count is never too high, and at most `total / (size + 1)` too low.
    So what is said of a text holds, and one that makes more than that share is never missed.

    Args:
        size: Counters kept.

    Attributes:
        total: Texts counted.
    """

    LONGEST: Final = 253
    """Characters of a text that are kept: those of the longest name of a host (RFC 1035 §2.3.4)."""

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._counts: dict[str, int] = {}
        self.total = 0

    def add(self, text: str) -> None:
        """Count one."""
        text = text[: self.LONGEST]
        self.total += 1
        if text in self._counts or len(self._counts) < self._size:
            self._counts[text] = self._counts.get(text, 0) + 1
            return
        # Each takes one away from every other: paid for by the ones that were added before.
        self._counts = {other: count - 1 for other, count in self._counts.items() if count > 1}

    def top(self, number: int) -> list[tuple[str, int]]:
        """The commonest texts with their counts, at most `number`, the commonest first."""
        return sorted(self._counts.items(), key=lambda pair: (-pair[1], pair[0]))[:number]

    def few_make_most(self, number: int) -> list[tuple[str, int]]:
        """The `number` commonest, if they make more than half of all; else none."""
        top = self.top(number)
        return top if sum(count for _, count in top) * 2 > self.total else []
