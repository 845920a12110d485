"""The sidecar of a shard: a line about it, then its rows. It is there before the shard is."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from typing import Any, Final

from imgpipe import __version__
from imgpipe.records import Record, dump

_BUFFER: Final = 1 << 20

VERSION: Final = 1
"""Of the form of data sets; a later imgpipe that cannot append to it says so."""


class Sidecar:
    """The sidecar of the shard that is being written.

    Args:
        path: A new file, for the rows.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._rows = open(path, "xb", buffering=_BUFFER)  # noqa: SIM115 - closed by `finish` or `close`
        self.count = 0

    def add(self, row: Record) -> None:
        """Append the row of an image.

        Raises:
            OSError: It cannot be written.
        """
        self._rows.write(dump(row))
        self.count += 1

    def finish(
        self, path: str, *, shard: str, digest: str, first: int, kinds: Counter[str], fsync: bool
    ) -> None:
        """Write the whole sidecar to `path`, a new file.

        Args:
            path: Where.
            shard: The name of the shard.
            digest: SHA-256 of the shard.
            first: The number of images in the data set before it.
            kinds: What failed or was skipped since the shard before, by kind.
            fsync: Whether to wait until it is on the disk.

        Raises:
            OSError: It cannot be written.
        """
        self._rows.close()
        head: dict[str, Any] = {"shard": shard, "count": self.count, "first": first, "sha256": digest}
        head |= {"failed": dict(sorted(kinds.items())), "version": VERSION, "imgpipe": __version__}
        with open(path, "xb") as whole, open(self._path, "rb") as rows:
            whole.write(dump(head))
            shutil.copyfileobj(rows, whole, _BUFFER)
            whole.flush()
            if fsync:
                os.fsync(whole.fileno())
        os.unlink(self._path)

    def close(self) -> None:
        """Give it up."""
        with contextlib.suppress(OSError):
            self._rows.close()
