"""How even parts are: counts of bounded size over an input of any."""

from __future__ import annotations

from array import array
from typing import Final

from imgpipe.commonest import Commonest
from imgpipe.errors import safe
from imgpipe.read.parts import digest_of_host

KEPT: Final = 10_000
"""Hosts that are counted: one that makes more of the input than this part of it is never missed."""


class Balance:
    """Counts the records of each part, and those of the hosts that have many.

    Args:
        parts: How many there are; 8 bytes each.
    """

    def __init__(self, parts: int) -> None:
        self._sizes = array("Q", bytes(8 * parts))
        self._hosts = Commonest(KEPT)

    def add(self, part: int, host: str | None) -> None:
        """Count a record of `part`, which came there by its `host`."""
        self._sizes[part] += 1
        if host is not None:
            self._hosts.add(host)

    def of_part(self, part: int) -> str:
        """How one part stands to the others."""
        parts = len(self._sizes)
        return (
            f"part {part} of {parts} has {self._sizes[part]} of {sum(self._sizes)} records{self._largest()}"
        )

    def of_all(self) -> str:
        """How the parts stand to one another."""
        return f"{len(self._sizes)} parts of {sum(self._sizes)} records{self._largest()}"

    def _largest(self) -> str:
        total, parts = sum(self._sizes), len(self._sizes)
        if not total:
            return ""
        size = max(self._sizes)
        part = self._sizes.index(size)
        text = f"; the largest, {part}, has {size}, {size * parts / total:.2f} times the mean"
        for host, count in self._hosts.top(KEPT):
            if digest_of_host(host) % parts == part:
                least = "at least " if self._hosts.missed(host) else ""
                return f"{text}, {least}{count} of them from {safe(host)}"
        return text
