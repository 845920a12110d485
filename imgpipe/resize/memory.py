"""What the process does with memory that a picture no longer needs."""

from __future__ import annotations

import ctypes
from typing import Final

KEPT_MEMORY: Final = 32 << 20
"""Freed bytes that each thread keeps at the most: a photograph of 8 million pixels as decoded."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def keep_freed() -> None:
    """Have the C library keep what a picture frees for the next one, instead of giving it back each time.

    Decoders ask for and free megabytes a picture; fetching them anew costs 4 % of all the CPU. Where there is
    no such setting (elsewhere than with glibc), it stays as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_MMAP_THRESHOLD, KEPT_MEMORY // 2)
    mallopt(_M_TRIM_THRESHOLD, KEPT_MEMORY)
