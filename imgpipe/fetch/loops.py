"""Running an event loop of trio's, and what leaves it."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import trio

from imgpipe.errors import ProcessError
from imgpipe.records import Record
from imgpipe.signals import ReaderGone

YOUNG: Final = 50_000
"""Objects made before the collector looks at the young ones. Records and tasks hold no cycles to speak of;
with Python's own 700 it takes 6 % of the CPU."""


def run_loop(main: Callable[[], Awaitable[object]]) -> None:
    """Run `main` on an event loop.

    Raises:
        ProcessError, ReaderGone: The process must end; raised alone, whatever else came with it.
    """
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    try:
        trio.run(main)
    except BaseExceptionGroup as group:
        meant = group.subgroup((ProcessError, ReaderGone))
        if meant is None:
            raise
        raise _first(meant) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def next_batch(batches: Iterator[list[Record]]) -> list[Record] | None:
    """The next list of records; None at the end. For a thread: it blocks."""
    return next(batches, None)
