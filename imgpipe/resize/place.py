"""Where the written files go: the user's folder, or a run folder in the spool."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from imgpipe import files, spool
from imgpipe.errors import OutputError
from imgpipe.files import Names
from imgpipe.records import Record
from imgpipe.spool import Spool


class Place:
    """Puts new files where they belong. Called from any thread.

    Args:
        folder: The user's folder; None for the spool.
        root: The spool; None for the one that the first spooled file lies in, else the default.

    Raises:
        OutputError: The user's folder cannot be made or written.
    """

    def __init__(self, folder: Path | None, root: Path | None) -> None:
        self.folder = files.make_folder(str(folder)) if folder is not None else None
        self._root = root
        self._spool: Spool | None = None
        self._names = Names()
        self._lock = threading.Lock()

    def put(self, data: bytes, extension: str, record: Record, source: str) -> str:
        """Write a new file and return its absolute path.

        Args:
            data: What it holds.
            extension: Of its name, without the dot.
            record: As it came in: tells which spool its own file is in.
            source: The path of the source, which gives a file in the user's folder its stem.

        Raises:
            OutputError: It cannot be written.
        """
        if self.folder is not None:
            return self._publish(self.folder, data, extension, source)
        with self._lock:
            if self._spool is None:
                self._spool = Spool(self._root if self._root is not None else _root_of(record))
            path = self._spool.new_path(extension)
            upstream = spool.owned_path(record)
            if upstream is not None:
                self._spool.follow(os.path.dirname(upstream))
        _write(path, data)
        return path

    def _publish(self, folder: str, data: bytes, extension: str, source: str) -> str:
        stem = files.safe_stem(os.path.splitext(os.path.basename(source))[0]) or "image"
        temporary = files.temporary_path(folder)
        _write(temporary, data)
        try:
            with self._lock:
                return self._names.publish(temporary, folder, stem, extension)
        except OSError as error:
            files.unlink_quietly(temporary)
            raise _unwritable(folder, error) from error

    def close(self) -> None:
        """No more files come."""
        if self._spool is not None:
            self._spool.close()

    def remove(self) -> None:
        """Nobody will read the spooled files: remove them. The user's folder keeps its own."""
        if self._spool is not None:
            self._spool.remove()


def _root_of(record: Record) -> Path | None:
    path = spool.owned_path(record)
    return Path(path).parent.parent if path is not None else None


def _write(path: str, data: bytes) -> None:
    """Write a new file, complete or not at all.

    Raises:
        OutputError: It cannot be written: what hinders this file hinders the next ones too.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        except OSError:
            files.unlink_quietly(path)
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        folder = os.path.dirname(path)
        raise _unwritable(folder, error) from error


def _unwritable(folder: str, error: OSError) -> OutputError:
    return OutputError(f"cannot write to {folder}: {error.strerror}; --spool or --dir chooses another place")
