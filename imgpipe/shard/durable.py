"""Waiting until what was written is on the disk."""

from __future__ import annotations

import os
from typing import Final

from imgpipe.errors import OutputError
from imgpipe.files import sync_file_system

_FEW: Final = 64
"""Files up to which each is waited for by itself (1.2 ms each); more are quicker all at once."""


def sync_file(path: str, folder: int | None = None) -> None:
    """Wait for one file.

    Raises:
        OSError: The disk failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Unsynced:
    """The files of an open folder that may not be on the disk yet.

    Args:
        where: For messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._names: list[str] = []
        self._many = False

    def note(self, name: str) -> None:
        """A file came."""
        if len(self._names) < _FEW:
            self._names.append(name)
        else:
            self._many = True

    def sync(self, folder: int) -> None:
        """Wait for all of them, and for the folder.

        Raises:
            OutputError: The disk failed.
        """
        try:
            if self._many:
                sync_file_system(folder)
            else:
                for name in self._names:
                    sync_file(name, folder)
                os.fsync(folder)
        except OSError as error:
            raise OutputError(f"cannot write to {self._where}: {error.strerror}") from error
        self._names.clear()
        self._many = False
