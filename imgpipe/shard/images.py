"""The image of a record: whether it is there, what it is, and its bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from imgpipe import media, spool
from imgpipe.errors import Kind, RecordError
from imgpipe.records import Record

_FOLDER: Final = "a folder; find FOLDER -type f -print0 | imgpipe shard OUT -0 takes the files in it"
_URL: Final = "a URL; imgpipe fetch downloads it for imgpipe shard"

_SHA256_DIGITS: Final = 64
_BLOCK: Final = 1 << 20
"""Bytes read at a time."""


@dataclass(slots=True)
class Image:
    """A regular file that holds an image."""

    path: str
    """Where it is."""
    owned: bool
    """Whether it is the pipe's own, to be moved, or the user's, to be copied."""
    size: int
    """In bytes, when it was looked at."""
    inode: int
    """Its number in its file system."""
    mode: int
    """Its permissions."""
    media_type: str
    """By its first bytes."""

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, in blocks of at most 1 MiB.

        Raises:
            RecordError: It cannot be read any more.
        """
        try:
            with open(_open(self.path, self.owned), "rb", buffering=0) as file:
                while block := file.read(_BLOCK):
                    yield block
        except OSError as error:
            raise missing(self.path, error.strerror) from error

    def digest(self) -> str:
        """SHA-256 of its bytes, in hexadecimal."""
        found = hashlib.sha256()
        for block in self.blocks():
            found.update(block)
        return found.hexdigest()


def look(record: Record) -> Image:
    """The image that the record names.

    Raises:
        RecordError: `missing_file` where it is not there or cannot be read, `not_image` where its first
            bytes are those of no known kind of image.
    """
    path = record.get("path")
    if not isinstance(path, str) or not path:
        raise RecordError(Kind.MISSING_FILE, "the record names no file: it has no path")
    owned = spool.owned_path(record) is not None
    media_type: Any = record.get("media_type")
    try:
        # What the pipe itself wrote was sniffed when it was written.
        if owned and media_type in media.EXTENSIONS:
            found = os.lstat(path)
        else:
            descriptor = _open(path, owned)
            try:
                found = os.fstat(descriptor)
                media_type = _sniff(descriptor, found)
            finally:
                os.close(descriptor)
    except (OSError, ValueError) as error:
        why = _URL if path.startswith(("http://", "https://")) else getattr(error, "strerror", None)
        raise missing(path, why) from error
    if not stat.S_ISREG(found.st_mode):
        raise missing(path, _FOLDER if stat.S_ISDIR(found.st_mode) else "not a regular file")
    if media_type is None or not found.st_size:
        raise RecordError(Kind.NOT_IMAGE, f"{path} is no image of a known kind")
    return Image(path, owned, found.st_size, found.st_ino, stat.S_IMODE(found.st_mode), media_type)


def fill_digest(record: Record) -> None:
    """Give a record that has no SHA-256 that of its file.

    Raises:
        RecordError: The file cannot be read.
    """
    found = record.get("sha256")
    if not (isinstance(found, str) and len(found) == _SHA256_DIGITS):
        record["sha256"] = look(record).digest()


def _open(path: str, owned: bool) -> int:
    # A queue in the place of a file must not hold the stage up; links are followed in the user's own
    # folders only.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if owned else 0)
    return os.open(path, flags)


def _sniff(descriptor: int, found: os.stat_result) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return None
    return media.sniff(os.pread(descriptor, media.SNIFF_LENGTH, 0))


def missing(path: str, why: str | None) -> RecordError:
    """The error of a file that is not there, or cannot be read."""
    return RecordError(Kind.MISSING_FILE, f"{path}: {why or os.strerror(errno.EINVAL)}")
