"""A fixed number of threads that work on records, within bounds, in any order or in that of the input."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from imgpipe import records
from imgpipe.records import Record
from imgpipe.signals import ReaderGone
from imgpipe.stream import Emit
from imgpipe.window import Window

Worker: TypeAlias = Callable[[Record], Record]
"""Does the work on one record and returns what is written; called from one thread only."""

WAITING_PER_WORKER: Final = 2
"""Records that are read ahead for each worker, so that none waits for the input while there is some."""

WINDOW_PER_WORKER: Final = 4
"""Records that may be under way, for each worker, where the order is kept."""

LAST_PICTURES: Final = 5.0
"""Seconds that workers get to finish what they have at hand when the run has failed."""


class Crew:
    """Runs workers over records. What any thread raises ends the run and is raised in the caller's.

    Args:
        workers: One for each thread.
        emit: Where finished records go.
        ordered: Whether they keep the input's order.
        see: Called with each record as it is read, in one thread.
    """

    def __init__(
        self, workers: list[Worker], emit: Emit, *, ordered: bool, see: Callable[[Record], None]
    ) -> None:
        self._workers = workers
        self._emit = emit
        self._see = see
        self._ordered = ordered
        self._window = Window(WINDOW_PER_WORKER * len(workers) if ordered else None)
        self._most = WAITING_PER_WORKER * len(workers)
        self._waiting: deque[tuple[int, Record]] = deque()
        # Three that share one lock, so that each change wakes only whom it concerns.
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._work_waits = threading.Condition(self._lock)
        self._over = threading.Condition(self._lock)
        self._turn = threading.Lock()
        self._ended = False
        self._failure: BaseException | None = None
        self._alive = 0

    def run(self, source: Iterable[Record]) -> None:
        """Work on all records of `source`.

        Raises:
            BaseException: The first that a worker, the source or `emit` raised.
        """
        threads = [threading.Thread(target=self._work, args=(w,), daemon=True) for w in self._workers]
        # The input is read in a thread of its own, so that this one can end the run at any time.
        threads.append(threading.Thread(target=self._read, args=(source,), daemon=True))
        self._alive = len(threads)
        for thread in threads:
            thread.start()
        with self._lock:
            self._over.wait_for(lambda: self._alive == 0 or self._failure is not None)
            failure = self._failure
            if failure is not None:
                # The reader may wait for input that never comes: only the workers are waited for.
                self._over.wait_for(lambda: self._alive <= 1, timeout=LAST_PICTURES)
        if failure is not None:
            raise failure

    def _read(self, source: Iterable[Record]) -> None:
        try:
            for record in source:
                self._see(record)
                if not self._put(record):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._fail(error)
        finally:
            with self._lock:
                self._ended = True
                self._work_waits.notify_all()
            self._leave()

    def _put(self, record: Record) -> bool:
        """Hand a record to the workers once there is room; False when the run has failed."""
        if records.is_over(record) and not self._ordered:
            self._emit(record)
            return self._failure is None
        with self._room:
            self._room.wait_for(
                lambda: (
                    self._failure is not None or (len(self._waiting) < self._most and not self._window.full)
                )
            )
            if self._failure is not None:
                return False
            self._waiting.append((self._window.take(), record))
            self._work_waits.notify()
        return True

    def _work(self, worker: Worker) -> None:
        try:
            while (taken := self._take()) is not None:
                place, record = taken
                done = record if records.is_over(record) else worker(record)
                self._give(place, done)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._fail(error)
        finally:
            self._leave()

    def _take(self) -> tuple[int, Record] | None:
        with self._work_waits:
            self._work_waits.wait_for(lambda: self._waiting or self._ended or self._failure is not None)
            if self._failure is not None or not self._waiting:
                return None
            taken = self._waiting.popleft()
            self._room.notify()
            return taken

    def _give(self, place: int, record: Record) -> None:
        if not self._ordered:
            self._emit(record)
            return
        # Whoever takes out what has its turn writes it before the next one can.
        with self._turn:
            with self._lock:
                ready = self._window.give(place, record)
                self._room.notify()
            for each in ready:
                self._emit(each)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            # A reader that went away ends the process from the main thread; errors tell more.
            if self._failure is None or isinstance(self._failure, ReaderGone):
                self._failure = error
            for each in (self._room, self._work_waits, self._over):
                each.notify_all()

    def _leave(self) -> None:
        with self._lock:
            self._alive -= 1
            self._over.notify_all()
