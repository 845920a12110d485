"""Which of N parts a record belongs to: pure, and the same on every machine and in every process."""

from __future__ import annotations

import functools
from typing import Final

from imgpipe.hosts import host_of
from imgpipe.parts import BY_HOST, number_of
from imgpipe.records import Record

_REMEMBERED: Final = 1 << 14
"""Hosts whose digests are kept: at 200 bytes each, 3 MB."""


def place(record: Record, number: int, parts: int, by: str) -> tuple[int, str | None]:
    """The part, from 0 to `parts` - 1, that a record belongs to; and the host that decided it, or None.

    Args:
        record: As it is written.
        number: Which record of the input it is, from 1.
        parts: How many there are.
        by: `host`: all records of a host belong to one part, one whose URL has no host goes by its
            URL, one without a URL by its number. `line`: by its number.
    """
    url = record.get("url")
    if by != BY_HOST or not isinstance(url, str):
        return number % parts, None
    host = host_of(url)
    return (number_of(url) if host is None else digest_of_host(host)) % parts, host


digest_of_host = functools.lru_cache(_REMEMBERED)(number_of)
"""The number of 64 bits that, modulo N, is the part of a host."""
