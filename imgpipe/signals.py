"""How a stage ends before its input does: signals, and a reader that went away.

The first INT or TERM asks the stage to stop; the second one ends the process there and then, and so does
a stage that has not stopped some seconds after its grace. In the end the process dies by the signal, so
that shells and schedulers see what happened. A closed standard output ends the stage by SIGPIPE.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final, NoReturn

from imgpipe.errors import ImgpipeError

ABORT_AFTER: Final = 5.0
"""Seconds after its grace at which a stage that was asked to stop is ended whatever it does."""

AGAIN: Final = 0.1
"""Seconds after which the main thread is told once more that the reader has gone."""


class ReaderGone(ImgpipeError):  # noqa: N818 - it is no error of ours
    """Nobody reads standard output any more; the process is about to die by SIGPIPE."""


class Stop:
    """A request to stop, and the moment at which input is no longer read.

    Args:
        grace: Seconds for which a stage that was asked to stop goes on to read what still comes in.

    Attributes:
        grace: As given.
        signal: The number of the signal that asked; None while nobody asked.
        wakeup: A descriptor that becomes readable, and stays so, once somebody asks.
    """

    def __init__(self, grace: float = 0.0) -> None:
        self.grace = grace
        self._deadline: float | None = None
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._lock = threading.RLock()
        self.signal: int | None = None
        self.wakeup, self._wake = os.pipe()

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self.signal is not None

    def seconds_left(self) -> float | None:
        """Seconds for which input is still read: None while nobody asked, 0.0 when it is over."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic())

    def request(self, signum: int) -> None:
        """Ask the stage to stop; the second time, end the process by the signal at once."""
        if self.requested:
            _die_by(signum)
        with self._lock:
            self.signal = signum
            self._deadline = time.monotonic() + self.grace
            callbacks = list(self._callbacks.values())
        os.write(self._wake, b"!")
        for callback in callbacks:
            callback()

    def cut(self) -> None:
        """End the reading of the input there and then, though no signal asked: the run has failed. From any
        thread."""
        with self._lock:
            self._deadline = time.monotonic()
        os.write(self._wake, b"!")

    @contextlib.contextmanager
    def calls(self, callback: Callable[[], None]) -> Iterator[None]:
        """While the context lasts, a request calls `callback`, in the main thread; at once if it came
        before."""
        with self._lock:
            self._callbacks[id(callback)] = callback
            late = self.requested
        if late:
            callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.pop(id(callback), None)


def _at_main_thread(signum: int) -> None:
    ident = threading.main_thread().ident
    if ident is not None:
        signal.pthread_kill(ident, signum)


def leave_by(signum: int) -> NoReturn:
    """End the process by `signum` at the end of its work, as at any other exit. For the main thread.

    Not for a signal's handler: what libraries do at an exit may wait for a lock that is held where the
    handler broke in.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 - the interpreter's only name for it
    _die_by(signum)


def _die_by(signum: int) -> NoReturn:
    """End the process by `signum` there and then, as if nothing had handled it. For the main thread."""
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
    # Only where the signal is blocked does the process come here.
    os._exit(128 + signum)


class ReaderWatch:
    """Ends the process by SIGPIPE once nobody reads `descriptor`, even while nothing is written.

    Args:
        descriptor: Standard output where it is a pipe or a socket, else None: nothing to watch.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._gone = False
        self._dying = False
        self._cleanups: list[Callable[[], None]] = []

    def at_end(self, cleanup: Callable[[], None]) -> None:
        """Call `cleanup` before the process dies."""
        self._cleanups.append(cleanup)

    def start(self) -> None:
        """Watch from a thread of its own, which ends with the process."""
        signal.signal(signal.SIGPIPE, self._handle)
        # Who started this process may have blocked it, and that is inherited.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPIPE})
        if self._descriptor is not None:
            threading.Thread(target=self._watch, name="reader-watch", daemon=True).start()

    def _watch(self) -> None:
        poll = select.poll()
        # No event is asked for: errors and hang-ups are reported always, and cost nothing to wait for.
        poll.register(self._descriptor or 0, 0)
        events = poll.poll()
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in events):
            # A signal that comes just before the main thread waits for a lock does not wake it.
            while True:
                self.gone()
                time.sleep(AGAIN)

    def gone(self) -> None:
        """Nobody reads any more: have the main thread end the process."""
        self._gone = True
        _at_main_thread(signal.SIGPIPE)

    def _handle(self, _signum: int, _frame: FrameType | None) -> None:
        # Sockets raise this signal too, whenever a server has closed; those are not meant. And each thread
        # that writes finds the reader gone; the second must not cut the cleaning short.
        if not self._gone or self._dying:
            return
        self._dying = True
        for cleanup in self._cleanups:
            # It broke in anywhere, so a file may be in no state to be closed; the next one goes all the same.
            with contextlib.suppress(Exception):
                cleanup()
        _die_by(signal.SIGPIPE)


@contextlib.contextmanager
def handled(stop: Stop) -> Iterator[None]:
    """INT and TERM ask `stop`, while the context lasts; what has not ended `ABORT_AFTER` seconds after
    its grace is ended. For the main thread."""
    watchdogs: list[threading.Timer] = []

    def ask(signum: int, _frame: FrameType | None) -> None:
        stop.request(signum)
        watchdog = threading.Timer(stop.grace + ABORT_AFTER, _at_main_thread, (signum,))
        watchdog.daemon = True
        watchdog.start()
        watchdogs.append(watchdog)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for watchdog in watchdogs:
            watchdog.cancel()


@contextlib.contextmanager
def answered(signum: int, answer: Callable[[], None]) -> Iterator[None]:
    """While the context lasts, `signum` calls `answer`, in a thread of its own. For the main thread.

    The signal is blocked and waited for, not handled, so it breaks off no system call of any thread; and a
    process that is started meanwhile inherits the block, so one sent to the whole group does not kill it.
    It stays blocked afterwards: one that comes late must not kill a process that is done.
    """
    ended = threading.Event()

    def listen() -> None:
        while signal.sigwait({signum}) and not ended.is_set():
            answer()

    signal.pthread_sigmask(signal.SIG_BLOCK, {signum})
    thread = threading.Thread(target=listen, name="answer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        if thread.ident is not None and thread.is_alive():
            signal.pthread_kill(thread.ident, signum)
        thread.join(1.0)
