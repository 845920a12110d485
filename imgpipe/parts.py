"""Which part of a whole a value belongs to: the same on every machine, in every run and every release."""

from __future__ import annotations

from hashlib import blake2b


def number_of(value: str) -> int:
    """64 bits of a digest of `value`: Python's own hash differs from process to process."""
    # Lone surrogates come in by JSON's escapes.
    return int.from_bytes(blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def part_of(value: str, parts: int) -> int:
    """The part, from 0 to `parts` - 1, of everything that has `value`: a host, or a line."""
    return number_of(value) % parts
