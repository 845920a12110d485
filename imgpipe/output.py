"""Standard output as imgpipe writes to it: blocking, whole, under a lock that neighbours share."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import stat
from collections.abc import Iterator

from imgpipe.errors import OutputError
from imgpipe.signals import ReaderGone, ReaderWatch


class Output:
    """A descriptor that is written whole, under the lock that writers to one pipe share."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        mode = _mode(descriptor)
        self.is_terminal = os.isatty(descriptor)
        self.is_file = stat.S_ISREG(mode)
        piped = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        self.watch = ReaderWatch(descriptor if piped else None)
        self._lock = _fresh_descriptor(descriptor) if stat.S_ISFIFO(mode) else None
        self.written = 0
        """Bytes that the last write got rid of."""

    def write(self, data: bytes) -> None:
        """Write all of `data`.

        Raises:
            OutputError: It cannot be written.
            ReaderGone: Nobody reads it any more.
        """
        self.written = 0
        view = memoryview(data)
        try:
            with self._locked():
                while self.written < len(view):
                    self.written += self._some(view[self.written :])
        except BrokenPipeError:
            self.watch.gone()
            raise ReaderGone from None
        except OSError as error:
            raise OutputError(f"cannot write to standard output: {error.strerror}") from error

    def can_take(self, size: int) -> bool:
        """Whether a write of `size` bytes would not block: to a file, or to a pipe with room for them.

        A pipe that is ready has room for PIPE_BUF bytes (pipe(7)). That no other imgpipe takes it between
        the question and the write is as sure as it needs to be: then the write takes longer.
        """
        if self.is_file:
            return True
        if self._lock is None or size > select.PIPE_BUF:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(0))

    def _some(self, view: memoryview) -> int:
        try:
            return os.write(self._descriptor, view)
        except BlockingIOError:
            # Another process made the shared description non-blocking: cope, and leave it so.
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            poll.poll()
            return 0

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if self._lock is None:
            yield
            return
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)


def _mode(descriptor: int) -> int:
    try:
        return os.fstat(descriptor).st_mode
    except OSError:
        return 0


def _fresh_descriptor(descriptor: int) -> int | None:
    """The same pipe opened anew: a lock on the inherited description is shared by all who inherited it.

    None where the system has no such path (elsewhere than on Linux): there a record of up to PIPE_BUF
    bytes is whole, a longer one may mix with another writer's.
    """
    # Non-blocking, or it would wait for ever where a named pipe's reader is gone. Nothing is written
    # through it, and the flag is this description's alone.
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES, errno.ENXIO, errno.ENOTDIR, errno.EPERM):
            return None
        raise
