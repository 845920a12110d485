"""How a process of ours gets its options: first on its standard input, before any record."""

from __future__ import annotations

import os
import pickle

from imgpipe.fetch.options import FetchOptions


def read_options(descriptor: int) -> FetchOptions | None:
    """The options that a parent process sends first: four bytes of length, then the pickle.

    None where the parent ended before it had sent them.
    """
    size = int.from_bytes(_read_exactly(descriptor, 4), "big")
    packed = _read_exactly(descriptor, size)
    if not size or len(packed) < size:
        return None
    options: FetchOptions = pickle.loads(packed)  # noqa: S301 - from our own parent
    return options


def pack_options(options: FetchOptions) -> bytes:
    """What `read_options` reads."""
    packed = pickle.dumps(options)
    return len(packed).to_bytes(4, "big") + packed


def _read_exactly(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data
