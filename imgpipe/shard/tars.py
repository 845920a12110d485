"""Samples in a tar that webdataset and HuggingFace read: plain ustar, the same bytes for the same input.

Numbers that change from run to run are 0, and names are ASCII and short, so that no member needs an
extended header (some readers fail on those, and others see twice the members).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import Final

from imgpipe.records import Record, dump

_BLOCK: Final = 512
_RECORD: Final = 20 * _BLOCK
"""Tars end at a multiple of this (POSIX pax, "blocking factor 20")."""
_BUFFER: Final = 1 << 20
_NAME_LENGTH: Final = 100

VOLATILE: Final = ("attempts", "seconds")
"""Columns that are not in a sample's JSON: they differ each time that the same image is fetched."""


def _template() -> bytes:
    head = bytearray(_BLOCK)
    head[100:108] = b"0000644\0"
    head[108:116] = head[116:124] = b"0000000\0"
    head[136:148] = b"00000000000\0"
    head[148:156] = b" " * 8
    head[156:157] = b"0"
    head[257:265] = b"ustar\x0000"
    head[329:337] = head[337:345] = b"0000000\0"
    return bytes(head)


_TEMPLATE: Final = _template()
_TEMPLATE_SUM: Final = sum(_TEMPLATE)


def header(name: str, size: int) -> bytes:
    """The ustar header (POSIX.1-1988) of a regular file, with owner 0, time 0 and mode 0644."""
    encoded = name.encode("ascii")
    assert len(encoded) < _NAME_LENGTH, "names are cut before"
    digits = b"%011o" % size
    # The bytes that differ from the template are zero in it.
    check = b"%06o\0 " % (_TEMPLATE_SUM + sum(encoded) + sum(digits))
    return b"".join(
        (
            encoded.ljust(_NAME_LENGTH, b"\0"),
            _TEMPLATE[100:124],
            digits,
            _TEMPLATE[135:148],
            check,
            _TEMPLATE[156:],
        )
    )


def member(name: str, content: bytes) -> bytes:
    """A whole member: header, content, padding."""
    return header(name, len(content)) + content + bytes(-len(content) % _BLOCK)


class TarShard:
    """One tar that is being written.

    Args:
        path: A new file.
        extension: The one extension of all images.
        captions: Whether each sample has a `.txt`; None: as soon as one has a caption, all of them, also
            those before it.

    Attributes:
        captions: As above; true from then on.
        size: Bytes so far.
    """

    suffix: Final = "tar"
    untyped: Final = True

    def __init__(self, path: str, *, extension: str, captions: bool | None) -> None:
        self._path = path
        self._extension = extension
        self._file = open(path, "xb", buffering=_BUFFER)  # noqa: SIM115 - closed by `finish` or `close`
        self.captions = captions
        self.size = 0
        self._digest = hashlib.sha256()

    def add(self, name: str, image: bytes, row: Record) -> None:
        """Append a sample whose image is called `name`.

        Raises:
            OSError: It cannot be written.
        """
        if row["caption"] and self.captions is None:
            self._insert_captions()
        stem = name.rpartition(".")[0]
        kept = {column: value for column, value in row.items() if column not in VOLATILE}
        self._write(member(name, image))
        self._write(member(f"{stem}.json", dump(kept).rstrip(b"\n")))
        if self.captions:
            self._write(member(f"{stem}.txt", str(row["caption"]).encode("utf-8", "replace")))

    def cost(self, image: bytes, row: Record) -> int:
        """Bytes that a sample takes at the most, together with the end of the tar."""
        caption = len(row["caption"].encode("utf-8", "replace"))
        return len(image) + len(dump(row)) + caption + 6 * _BLOCK + 2 * _RECORD

    def name(self, stem: str, extension: str) -> str:
        """The name that an image will have."""
        return f"{stem}.{self._extension}"

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def _insert_captions(self) -> None:
        """Give every sample so far an empty caption: all samples must have the same members."""
        self._file.close()
        without = f"{self._path}-without"
        os.rename(self._path, without)
        self._file = open(self._path, "xb", buffering=_BUFFER)  # noqa: SIM115 - as in the beginning
        self.captions = True
        self.size = 0
        self._digest = hashlib.sha256()
        try:
            with open(without, "rb") as old:
                while head := old.read(_BLOCK):
                    name = head[:100].rstrip(b"\0").decode("ascii")
                    size = int(head[124:135], 8)
                    self._write(head + old.read(size + -size % _BLOCK))
                    if name.endswith(".json"):
                        self._write(member(f"{name[:-5]}.txt", b""))
        finally:
            os.unlink(without)

    def finish(self, *, fsync: bool) -> str:
        """Write the end of the tar, and return the digest of the whole.

        Raises:
            OSError: It cannot be written.
        """
        end = 2 * _BLOCK
        self._write(bytes(end + -(self.size + end) % _RECORD))
        self._file.flush()
        if fsync:
            os.fsync(self._file.fileno())
        self._file.close()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Give it up."""
        with contextlib.suppress(OSError):
            self._file.close()
