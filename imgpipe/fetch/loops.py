"""Running an event loop of trio's, and what leaves it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import trio

from imgpipe.errors import ProcessError
from imgpipe.records import Record
from imgpipe.signals import ReaderGone


def run_loop(main: Callable[[], Awaitable[object]]) -> None:
    """Run `main` on an event loop.

    Raises:
        ProcessError, ReaderGone: The process must end; raised alone, whatever else came with it.
    """
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
