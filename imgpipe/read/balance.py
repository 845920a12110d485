"""How even parts are: counts of bounded size over an input of any."""

from __future__ import annotations

from array import array
from typing import Final

from imgpipe.read.parts import part_seed

KEPT: Final = 5_000
"""Hosts whose counts are kept for sure; at times twice as many are."""


class Balance:
    """Counts the records of each part, and those of the hosts that have many.

    Args:
        parts: How many there are; 8 bytes each.
    """

    def __init__(self, parts: int) -> None:
        self._sizes = array("Q", bytes(8 * parts))
        self._hosts: dict[str, int] = {}
        self._missed = 0

    def add(self, part: int, host: str | None) -> None:
        """Count a record of `part`, which came there by its `host`."""
        self._sizes[part] += 1
        if host is not None:
            hosts = self._hosts
            hosts[host] = hosts.get(host, 0) + 1
            if len(hosts) > 2 * KEPT:
                self._thin_out()

    def _thin_out(self) -> None:
        # After Misra and Gries (1982), many at a time: what all lose, each may have had more. A host
        # with more than one record in KEPT of all is never lost.
        least = sorted(self._hosts.values(), reverse=True)[KEPT]
        self._missed += least
        self._hosts = {host: count - least for host, count in self._hosts.items() if count > least}

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
        inside = [(count, host) for host, count in self._hosts.items() if part_seed(host) % parts == part]
        if inside:
            count, host = max(inside)
            text += f", {'at least ' if self._missed else ''}{count} of them from {host}"
        return text
