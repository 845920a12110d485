"""The parts of a whole: what decides them, their names, and which one a value belongs to.

All of it is the same on every machine, in every run and every release.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

BY_HOST: Final = "host"
BY_LINE: Final = "line"
PART_BY: Final = (BY_HOST, BY_LINE)
"""What decides the part of a record: all of a host belong to one, or each line goes by itself."""

MOST_PARTS: Final = 100_000
"""Parts at the most: their names have five digits."""


def name_of(part: int) -> str:
    """The name of a part, from 0."""
    return f"{part:05d}"


def number_of(value: str) -> int:
    """64 bits of a digest of `value`: Python's own hash differs from process to process."""
    # Lone surrogates come in by JSON's escapes.
    return int.from_bytes(blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def part_of(value: str, parts: int) -> int:
    """The part, from 0 to `parts` - 1, of everything that has `value`: a host, or a line."""
    return number_of(value) % parts
