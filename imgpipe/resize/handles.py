"""Files as decoders read them and encoders write them."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO, Final

from imgpipe.errors import Kind, RecordError

WHOLE_FILE: Final = 32 << 20
"""Bytes up to which a file is read at once; a larger one is read as the decoder asks for it."""

_FOLDER: Final = "a folder; find FOLDER -type f -print0 | imgpipe resize -0 takes the files in it"


@contextlib.contextmanager
def opened(path: str) -> Iterator[tuple[BinaryIO, bytes]]:
    """A picture's file, and its bytes where they were read at once.

    Raises:
        RecordError: `missing_file` where it is no readable regular file.
    """
    try:
        # A pipe in the place of a file would hold its reader until somebody writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise RecordError(Kind.MISSING_FILE, f"{path}: {why}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            what = _FOLDER if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise RecordError(Kind.MISSING_FILE, f"{path}: {what}")
        with open(descriptor, "rb", closefd=False) as file:
            if found.st_size > WHOLE_FILE:
                yield file, b""
                return
            try:
                data = file.read(WHOLE_FILE)
            except OSError as error:
                raise RecordError(Kind.MISSING_FILE, f"{path}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    yield io.BytesIO(data), data


def memory_file() -> BinaryIO:
    """A file in memory. Pillow's JPEG encoder lets other threads run only while it writes to a descriptor."""
    # Only Linux has such files, and a sandbox may forbid them.
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):
            return open(os.memfd_create("imgpipe"), "w+b")
    return io.BytesIO()
