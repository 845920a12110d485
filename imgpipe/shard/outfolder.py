"""The folder of a data set as the one process that may write to it sees it.

Its parts are opened by descriptor and without following links, so that a link that somebody planted in
it leads nowhere.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

from imgpipe import files, placed
from imgpipe.errors import OutputError, UsageError
from imgpipe.placed import HIDDEN
from imgpipe.records import Record

LOCK: Final = "lock"


class OutFolder:
    """OUT, locked.

    Args:
        out: The folder; it is made if it is not there.

    Raises:
        OutputError: It cannot be made or written to.
        UsageError: Another process writes to it, or a link stands in it where a folder should.
    """

    def __init__(self, out: str) -> None:
        self.path = files.make_folder(out)
        self._open: list[int] = []
        try:
            self.descriptor = self._keep(os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            self.hidden = self._keep(self.folder(HIDDEN))
            self._lock()
            self._remove_temporaries()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the lock."""
        while self._open:
            os.close(self._open.pop())

    def _keep(self, descriptor: int) -> int:
        self._open.append(descriptor)
        return descriptor

    @property
    def hidden_path(self) -> str:
        """Absolute path of the folder for what is no data."""
        return f"{self.path}/{HIDDEN}"

    def _lock(self) -> None:
        descriptor = self._keep(self.open_file(LOCK, os.O_RDWR | os.O_CREAT, hidden=True))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another imgpipe shard writes to {self.path}") from None

    def _remove_temporaries(self) -> None:
        for name in os.listdir(self.hidden):
            if name.startswith(files.TEMPORARY_PREFIX):
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self.hidden)

    def folder(self, name: str) -> int:
        """A descriptor of the folder `name` in OUT, which is made if it is not there."""
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=self.descriptor)
            return os.open(
                name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.descriptor
            )
        except OSError as error:
            raise self._refusal(name, error) from error

    def open_file(self, name: str, flags: int, *, hidden: bool = False) -> int:
        """A descriptor of a file of ours in OUT, or in its hidden folder."""
        where = self.hidden if hidden else self.descriptor
        try:
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o666, dir_fd=where)
        except OSError as error:
            raise self._refusal(f"{HIDDEN}/{name}" if hidden else name, error) from error

    def _refusal(self, name: str, error: OSError) -> Exception:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO):
            return UsageError(f"{self.path}/{name} is a link or of another kind than imgpipe writes there")
        return OutputError(f"cannot write to {self.path}/{name}: {error.strerror}")

    def temporary(self) -> str:
        """An unused absolute path on the file system of OUT, for a file that gets its name later."""
        return f"{self.hidden_path}/{files.TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"

    def names(self, *, hidden: bool = False) -> list[str]:
        """What stands in OUT, or in its hidden folder."""
        return os.listdir(self.hidden if hidden else self.descriptor)

    def read(self, name: str) -> bytes | None:
        """A small hidden file, whole; None where there is none."""
        if name not in self.names(hidden=True):
            return None
        with open(self.open_file(name, os.O_RDONLY, hidden=True), "rb") as file:
            return file.read()

    def rows(self, name: str) -> Iterator[Record]:
        """The lines of a hidden list; none where there is no such list."""
        return placed.read_records(Path(self.hidden_path) / name)

    def since(self, mark: Mapping[str, int]) -> Iterator[Record]:
        """The rows of what was placed after `mark` (see `placed.since`)."""
        return placed.since(Path(self.path), mark)

    def journal(self, name: str, head: bytes) -> str:
        """The path of a new hidden list to append to, which begins with `head`."""
        self.replace(name, head)
        return f"{self.hidden_path}/{name}"

    def replace(self, name: str, data: bytes) -> None:
        """Put a small hidden file, whole, in place of an older one."""
        temporary = self.temporary()
        try:
            Path(temporary).write_bytes(data)
            os.rename(temporary, name, dst_dir_fd=self.hidden)
        except OSError as error:
            files.unlink_quietly(temporary)
            raise self._refusal(f"{HIDDEN}/{name}", error) from error

    def publish(self, temporary: str, name: str, *, hidden: bool = False, fsync: bool = False) -> None:
        """Give a complete file its name. A visible name that is taken is refused, a hidden one replaced."""
        where = self.hidden if hidden else self.descriptor
        try:
            if hidden:
                os.rename(temporary, name, dst_dir_fd=where)
            else:
                self._move_new(temporary, name)
            if fsync:
                os.fsync(where)
        except OSError as error:
            files.unlink_quietly(temporary)
            raise self._refusal(f"{HIDDEN}/{name}" if hidden else name, error) from error

    def _move_new(self, temporary: str, name: str) -> None:
        try:
            os.link(temporary, name, dst_dir_fd=self.descriptor, follow_symlinks=False)
        except OSError as error:
            if error.errno not in files.NO_LINKS:
                raise
            if name in self.names():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            # An empty file that takes the name would be a shard to whoever reads meanwhile.
            os.rename(temporary, name, dst_dir_fd=self.descriptor)
        else:
            os.unlink(temporary)

    def remove(self, name: str) -> None:
        """Remove a hidden file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.hidden)


def take_name(name: str, folder: int) -> None:
    """Take a name in an open folder, by an empty file of our own, to be renamed over.

    Raises:
        FileExistsError: It is taken, be it by a link that leads nowhere.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(name, flags, 0o666, dir_fd=folder))


def write_all(descriptor: int, data: bytes, where: str) -> None:
    """Write all of `data`; what is torn by a full disk is cut off again where the file ends with it.

    Raises:
        OutputError: It cannot be written.
    """
    written = 0
    try:
        while written < len(data):
            written += os.write(descriptor, data[written:] if written else data)
    except OSError as error:
        if written:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise OutputError(f"cannot write to {where}: {error.strerror}") from error
