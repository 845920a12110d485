"""The commonest of many texts, counted in little memory."""

from __future__ import annotations

from typing import Final


class Commonest:
    """Counts texts, of which at most twice `size` are held, however many different ones there are.

    Whenever there are more, the rarer half is forgotten; one that comes new after that may have been among
    those, and is ranked as if it had (Space-Saving: Metwally, Agrawal and El Abbadi, 2005). So a count is never
    too high, and at most `total / size` too low: what is said of a text holds, and one that makes more than
    that share is never missed.

    Args:
        size: Texts that are held through.

    Attributes:
        total: Texts counted.
    """

    LONGEST: Final = 253
    """Characters of a text that are kept: those of the longest name of a host (RFC 1035 §2.3.4)."""

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._held: dict[str, list[int]] = {}
        """Counts, each with how much it may be too low."""
        self._floor = 0
        self.total = 0

    def add(self, text: str) -> None:
        """Count one."""
        text = text[: self.LONGEST]
        self.total += 1
        found = self._held.get(text)
        if found is not None:
            found[0] += 1
            return
        if len(self._held) >= 2 * self._size:
            self._forget()
        self._held[text] = [1, self._floor]

    def _forget(self) -> None:
        ranked = sorted(self._held.items(), key=lambda item: item[1][0] + item[1][1], reverse=True)
        self._floor = sum(ranked[self._size][1])
        self._held = dict(ranked[: self._size])

    @property
    def is_exact(self) -> bool:
        """Whether nothing was forgotten: every text is held, with its true count."""
        return not self._floor

    @property
    def different(self) -> int:
        """How many different texts there were, at the least; just so many where `is_exact`."""
        return len(self._held) if self.is_exact else 2 * self._size

    def count(self, text: str) -> int:
        """How often the text came, as far as is known; 0 where it is not held."""
        return self._held.get(text, (0, 0))[0]

    def missed(self, text: str) -> int:
        """By how much its count may be too low."""
        return self._held.get(text, (0, self._floor))[1]

    def top(self, number: int) -> list[tuple[str, int]]:
        """The commonest texts with their counts, at most `number`, the commonest first."""
        counts = [(text, count) for text, (count, _) in self._held.items()]
        return sorted(counts, key=lambda pair: (-pair[1], pair[0]))[:number]

    def few_make_most(self, number: int) -> list[tuple[str, int]]:
        """The `number` commonest, if they make more than half of all; else none."""
        top = self.top(number)
        return top if sum(count for _, count in top) * 2 > self.total else []
