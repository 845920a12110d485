"""Tables are opened and unpacked, as a stream of bytes that is never held as a whole."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from imgpipe.errors import UsageError, safe
from imgpipe.read import formats
from imgpipe.read.packed import unpacked
from imgpipe.signals import Stop
from imgpipe.stream import Emit, read_chunks


class Inputs:
    """The tables of one run, in turn.

    Args:
        files: Paths; `-` is standard input, and so is none at all.
        stop: Who may ask to end.
        emit: What is gathered there is written before there is a wait for input.

    Raises:
        UsageError: A file does not exist, or is a folder.
    """

    def __init__(self, files: tuple[str, ...], stop: Stop, emit: Emit) -> None:
        self.stop = stop
        self._files = files or ("-",)
        self._emit = emit
        for file in self._files:
            if file != "-":
                _look_at(file)

    def __iter__(self) -> Iterator[Table]:
        for file in self._files:
            yield from self._open(file)

    def _open(self, file: str) -> Iterator[Table]:
        if file == "-":
            yield Table(0, "standard input", self._chunks(0, "standard input"))
            return
        name = safe(file)
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(f"cannot read {name}: {error.strerror}") from error
        with contextlib.closing(os.fdopen(descriptor, "rb", buffering=0)):
            yield Table(descriptor, name, self._chunks(descriptor, name))

    def _chunks(self, descriptor: int, name: str) -> Iterator[bytes]:
        return read_chunks(descriptor, self.stop, self._emit.flush, name)


def _look_at(file: str) -> None:
    """Complain before any work about what cannot be read at all."""
    try:
        found = os.stat(file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot read {safe(file)}: {why}") from error
    if stat.S_ISDIR(found.st_mode):
        raise UsageError(f"{safe(file)} is a folder; name the tables in it")


class Table:
    """One table: its name and its bytes, of which the first are looked at.

    Attributes:
        descriptor: The open file itself.
        name: Safe to be shown.
        head: The first bytes, uncompressed: a whole line where there is one in `formats.SNIFFED` bytes.
        packed: Whether the file is compressed.
    """

    def __init__(self, descriptor: int, name: str, chunks: Iterator[bytes]) -> None:
        self.descriptor = descriptor
        self.name = name
        start, chunks = _peek(chunks, 8)
        packing = formats.packing(start)
        self.packed = packing is not None
        if packing is not None:
            chunks = unpacked(chunks, packing, name)
        self.head, self._chunks = _peek(chunks, formats.SNIFFED, until=b"\n")

    def chunks(self) -> Iterator[bytes]:
        """All bytes, uncompressed, in pieces of at most a few times `CHUNK`. For one use."""
        return self._chunks


def _peek(chunks: Iterator[bytes], size: int, until: bytes | None = None) -> tuple[bytes, Iterator[bytes]]:
    """The first `size` bytes or more, or those up to `until`; and all chunks, the peeked ones too."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= size or (until is not None and until in head):
            break
    return head, _chain(head, chunks)


def _chain(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from chunks
