"""Where downloaded bytes go: a file in the spool, or in the user's folder under its final name."""

from __future__ import annotations

import hashlib
import os
from types import TracebackType
from typing import Self

from imgpipe import files, media
from imgpipe.errors import Kind, OutputError, RecordError
from imgpipe.files import Names, safe_stem
from imgpipe.records import Record
from imgpipe.spool import Spool

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Store:
    """Makes the files of a stage. Shared by the threads of a process.

    Args:
        spool: Where files go that are the pipe's own.
        folder: Absolute path of the user's folder; None writes into the spool.
    """

    def __init__(self, spool: Spool, folder: str | None) -> None:
        self._spool = spool
        self._folder = folder
        self._names = Names()

    @property
    def spooled(self) -> bool:
        """Whether the files are the pipe's own."""
        return self._folder is None

    def create(self, media_type: str) -> tuple[int, str]:
        """A new empty file for an image of that type: its descriptor and path.

        Raises:
            OutputError: It cannot be made.
        """
        if self._folder is None:
            path = self._spool.new_path(media.extension(media_type))
        else:
            path = files.temporary_path(self._folder)
        try:
            return os.open(path, _FLAGS, 0o666), path
        except OSError as error:
            raise _unwritable(path, error) from error

    def publish(self, path: str, media_type: str, record: Record) -> str:
        """The complete file gets its final path, which is returned.

        Raises:
            OutputError: The folder cannot be written.
        """
        if self._folder is None:
            return path
        key = record.get("key")
        stem = safe_stem(str(key)) if isinstance(key, str | int) else None
        if stem is None:
            stem = hashlib.sha256(str(record.get("url")).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        try:
            return self._names.publish(path, self._folder, stem, media.extension(media_type))
        except OSError as error:
            raise _unwritable(self._folder, error) from error


def _unwritable(path: str, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror}; --spool or --dir chooses another place")


class Sink:
    """One file as its bytes arrive: sniffed, limited, digested. Gone again if it is not finished.

    Args:
        store: Makes the file, once the first bytes tell what it is.
        max_bytes: Bytes that are taken at the most.
        digests: The names of the digests to make of the bytes, as hashlib has them.
    """

    def __init__(self, store: Store, max_bytes: int, digests: frozenset[str]) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in digests}
        self._head = b""
        self._file: int | None = None
        self._temporary: str | None = None
        self.media_type: str | None = None
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def write(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            RecordError: `too_large` beyond the limit, `not_image` where the first bytes are none's.
            OutputError: The file cannot be written.
        """
        self.size += len(piece)
        if self.size > self._max_bytes:
            raise RecordError(Kind.TOO_LARGE, f"over {self._max_bytes} bytes (--max-bytes)")
        if self._file is None:
            self._head += piece
            if len(self._head) < media.SNIFF_LENGTH:
                return
            piece = self._open()
        self._append(piece)

    def _open(self) -> bytes:
        head, self._head = self._head, b""
        self.media_type = media.sniff(head)
        if self.media_type is None:
            raise RecordError(Kind.NOT_IMAGE, f"it begins with {head[: media.SNIFF_LENGTH]!r}")
        self._file, self._temporary = self._store.create(self.media_type)
        return head

    def _append(self, piece: bytes) -> None:
        assert self._file is not None, "the file is open"
        for digest in self._hashes.values():
            digest.update(piece)
        try:
            written = os.write(self._file, piece)
            while written < len(piece):
                written += os.write(self._file, memoryview(piece)[written:])
        except OSError as error:
            raise _unwritable(self._temporary or "", error) from error

    def finish(self, record: Record) -> str:
        """The bytes are all there: close the file and give its final path.

        Raises:
            RecordError: `empty` or `not_image`.
            OutputError: The file cannot be written.
        """
        if self.size == 0:
            raise RecordError(Kind.EMPTY, "the answer has no bytes")
        if self._file is None:
            self._append(self._open())
        assert self._file is not None, "the file is open"
        assert self._temporary is not None, "an open file has a path"
        assert self.media_type is not None, "an open file has a type"
        file, self._file = self._file, None
        os.close(file)
        path = self._store.publish(self._temporary, self.media_type, record)
        self._temporary = None
        return path

    def digest(self, name: str) -> str:
        """The digest of that name, in hexadecimal digits."""
        return self._hashes[name].hexdigest()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)
        if self._temporary is not None:
            files.unlink_quietly(self._temporary)
