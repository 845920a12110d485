"""The folder of a data set as the one process that may write to it sees it.

Its parts are opened by descriptor and without following links, so that a link that somebody planted in
it leads nowhere.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

from imgpipe import files, placed
from imgpipe.errors import OutputError, UsageError
from imgpipe.layout import HIDDEN, LOCK, Layout
from imgpipe.records import Record
from imgpipe.signals import Stop
from imgpipe.stream import CutShort

_POLL: Final = 0.2
"""Seconds between two tries to get the lock."""


class OutFolder:
    """OUT, or one part of it, locked.

    Args:
        out: The folder; it is made if it is not there.
        layout: The names of the data set, or of the part of it that is written.
        images: Whether images are placed as files: those of a part have a folder of their own.
        wait: Seconds to wait for another process that writes the same.
        stop: Who may ask to end the wait.

    Raises:
        CutShort: Somebody asked while it waited.
        OutputError: It cannot be made or written to.
        UsageError: Another process writes to it, or a link stands in it where a folder should.
    """

    def __init__(self, out: str, layout: Layout, *, images: bool, wait: float, stop: Stop) -> None:
        self._root = self.path = files.make_folder(out)
        self.layout = layout
        self.is_held = True
        self._open: list[int] = []
        try:
            self.descriptor = self._keep(os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            self.hidden = self._keep(self.folder(HIDDEN))
            # Parts are written side by side, but never beside a run over the whole.
            self._lock(LOCK, shared=layout.part is not None, wait=wait, stop=stop)
            if layout.part is not None:
                self._lock(layout.hidden(LOCK), shared=False, wait=wait, stop=stop)
                if images:
                    self.descriptor = self._keep(self.folder(layout.part))
                    self.path = layout.folder(self.path)
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
        return f"{self._root}/{HIDDEN}"

    def _lock(self, name: str, *, shared: bool, wait: float, stop: Stop) -> None:
        descriptor = self._keep(self.open_file(name, os.O_RDWR | os.O_CREAT, hidden=True))
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                if stop.requested:
                    raise CutShort from None
                if time.monotonic() < deadline:
                    select.select([stop.wakeup], [], [], _POLL)
                    continue
                part = self.layout.part
                what = self._root if part is None or shared else f"the part {part} of {self._root}"
                raise UsageError(f"another imgpipe shard writes to {what}; --wait S waits for it") from None
            except OSError as error:
                # Some network file systems have no locks unless they are mounted with them.
                raise OutputError(f"cannot lock {self.where(name)}: {error.strerror}") from error
            return

    @property
    def _temporary_prefix(self) -> str:
        # That of another part may be in use.
        part = self.layout.part
        return files.TEMPORARY_PREFIX if part is None else f"{files.TEMPORARY_PREFIX}{part}~"

    def _remove_temporaries(self) -> None:
        for name in os.listdir(self.hidden):
            if name.startswith(self._temporary_prefix):
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
            raise self._refusal(f"{self._root}/{name}", error) from error

    def open_file(self, name: str, flags: int, *, hidden: bool = False) -> int:
        """A descriptor of a file of ours in OUT, or in its hidden folder."""
        where = self.hidden if hidden else self.descriptor
        try:
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o666, dir_fd=where)
        except OSError as error:
            raise self._refusal(self.where(name) if hidden else f"{self.path}/{name}", error) from error

    def _refusal(self, path: str, error: OSError) -> Exception:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO):
            return UsageError(f"{path} is a link or of another kind than imgpipe writes there")
        return OutputError(f"cannot write to {path}: {error.strerror}")

    def where(self, name: str) -> str:
        """A hidden file as people know it."""
        return f"{self.hidden_path}/{name}"

    def temporary(self) -> str:
        """An unused absolute path on the file system of OUT, for a file that gets its name later."""
        return f"{self.hidden_path}/{self._temporary_prefix}{os.getpid()}-{os.urandom(6).hex()}"

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
        return placed.since(Path(self._root), mark, self.layout)

    def journal(self, name: str, head: bytes) -> str:
        """The path of a new hidden list to append to, which begins with `head`."""
        self.replace(name, head)
        return f"{self.hidden_path}/{name}"

    def replace(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        """Put a small hidden file, whole, in place of an older one."""
        temporary = self.temporary()
        try:
            _write(temporary, data, fsync=fsync)
            os.rename(temporary, name, dst_dir_fd=self.hidden)
        except OSError as error:
            files.unlink_quietly(temporary)
            raise self._refusal(self.where(name), error) from error

    def create(self, name: str, data: bytes, *, fsync: bool = False) -> bool:
        """Put a small hidden file, whole, where there is none; False where there is one."""
        temporary = self.temporary()
        try:
            _write(temporary, data, fsync=fsync)
            self._move_new(temporary, name, self.hidden)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._refusal(self.where(name), error) from error
        finally:
            files.unlink_quietly(temporary)
        return True

    def publish(self, temporary: str, name: str, *, hidden: bool = False, fsync: bool = False) -> None:
        """Give a complete file its name. A visible name that is taken is refused, a hidden one replaced."""
        where = self.hidden if hidden else self.descriptor
        try:
            if hidden:
                os.rename(temporary, name, dst_dir_fd=where)
            else:
                self._move_new(temporary, name, self.descriptor)
            if fsync:
                os.fsync(where)
        except OSError as error:
            files.unlink_quietly(temporary)
            raise self._refusal(self.where(name) if hidden else f"{self.path}/{name}", error) from error

    def commit(self, sidecar: tuple[str, str], shard: tuple[str, str], *, fsync: bool = False) -> None:
        """Give a complete shard its name, once its sidecar has one: each a temporary path and a name."""
        self.publish(*sidecar, hidden=True, fsync=fsync)
        self.publish(*shard, fsync=fsync)

    def _move_new(self, temporary: str, name: str, folder: int) -> None:
        try:
            os.link(temporary, name, dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in files.NO_LINKS:
                raise
            if name in os.listdir(folder):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            # An empty file that takes the name would be a shard to whoever reads meanwhile.
            os.rename(temporary, name, dst_dir_fd=folder)
        else:
            os.unlink(temporary)

    def remove(self, name: str) -> None:
        """Remove a hidden file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.hidden)


def _write(path: str, data: bytes, *, fsync: bool) -> None:
    with open(path, "wb") as file:
        file.write(data)
        if fsync:
            # Else the name may outlive a loss of power without what is in the file, and nobody could go on.
            file.flush()
            os.fsync(file.fileno())


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
