"""The parts of an input as files of a folder, which appear there whole, and all or none of them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from typing import Final, Self

from imgpipe.errors import OutputError, UsageError, safe
from imgpipe.files import TEMPORARY_PREFIX, make_folder, move_new, sync_file_system, unlink_quietly
from imgpipe.parts import name_of
from imgpipe.remote import address_of

GATHERED: Final = 1 << 24
"""Bytes gathered before they go to the files: 16 kB each where there are 1,000."""

_HIDDEN: Final = TEMPORARY_PREFIX + "parts"
_LOCK: Final = "lock"
_PART: Final = re.compile(r"[0-9]{5,}\.jsonl")
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP})
"""Errors of file systems that have no locks."""


class PartFiles:
    """The files of all parts, hidden until `publish`. Only one is open at a time.

    Args:
        folder: Where they are to appear; it is made if it is not there.
        parts: How many there are.

    Raises:
        OutputError: The folder cannot be made or written to.
        UsageError: It holds parts already, another process writes some there, or it is an address.
    """

    def __init__(self, folder: str, parts: int) -> None:
        if address_of(folder) is not None:
            raise UsageError(f"--into needs a folder of this machine: {safe(folder)} is an address")
        self._folder = make_folder(folder)
        self._hidden = f"{self._folder}/{_HIDDEN}"
        self._gathered = [bytearray() for _ in range(parts)]
        self._size = 0
        with self._told():
            os.makedirs(self._hidden, exist_ok=True)
            self._lock = os.open(f"{self._hidden}/{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                self._take_lock()
                self._make_room()
            except BaseException:
                os.close(self._lock)
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._hidden, ignore_errors=True)
        os.close(self._lock)

    def put(self, part: int, line: bytes) -> None:
        """Add a line to a part.

        Raises:
            OutputError: It cannot be written, as on a full disk.
        """
        self._gathered[part] += line
        self._size += len(line)
        if self._size >= GATHERED:
            self._write()

    def publish(self) -> None:
        """Let all files appear.

        Raises:
            OutputError: They cannot be written; then none appears.
        """
        self._write(empty=True)
        names = [_file_of(part) for part in range(len(self._gathered))]
        with self._told():
            # A name must not outlive a loss of power without its content: a part would be cut short,
            # and nobody would know.
            descriptor = os.open(self._hidden, os.O_RDONLY | os.O_CLOEXEC)
            try:
                sync_file_system(descriptor)
            finally:
                os.close(descriptor)
            done = 0
            try:
                for name in names:
                    move_new(f"{self._hidden}/{name}", f"{self._folder}/{name}")
                    done += 1
            except OSError:
                for name in names[:done]:
                    unlink_quietly(f"{self._folder}/{name}")
                raise

    def _write(self, *, empty: bool = False) -> None:
        """Append what was gathered to the files; with `empty` make also those of no records."""
        with self._told():
            for part, lines in enumerate(self._gathered):
                if lines or empty:
                    with open(f"{self._hidden}/{_file_of(part)}", "ab", buffering=0) as file:
                        written = 0
                        while written < len(lines):
                            written += file.write(lines[written:])
                    # A new one: `clear` would keep the memory that the largest once took.
                    self._gathered[part] = bytearray()
        self._size = 0

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.path.samestat(os.fstat(self._lock), os.stat(f"{self._hidden}/{_LOCK}"))
        except (BlockingIOError, FileNotFoundError):
            mine = False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            mine = True
        if not mine:
            raise UsageError(f"another imgpipe read writes parts into {safe(self._folder)}")

    def _make_room(self) -> None:
        left = [name for name in os.listdir(self._hidden) if name != _LOCK]
        if any(_PART.fullmatch(name) for name in os.listdir(self._folder)):
            if left:
                what = "some of the parts of a run that was killed; remove them"
            else:
                what = "parts already"
                shutil.rmtree(self._hidden, ignore_errors=True)
            raise UsageError(f"{safe(self._folder)} holds {what}")
        for name in left:
            os.unlink(f"{self._hidden}/{name}")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write to {safe(self._folder)}: {error.strerror}") from error


def _file_of(part: int) -> str:
    return f"{name_of(part)}.jsonl"
